//! The `undertone` binary: everything it does is in the library.

use std::process::ExitCode;

#[allow(unsafe_code, reason = "the only way to tell candle how many threads a product may use")]
fn main() -> ExitCode {
    // For candle, the reference: each batch is one thread's; split over threads as well, products run at 0.6 times
    // the speed. Who sets the variable, as the peers' bench does, is listened to.
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        // SAFETY: no other thread exists yet.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    }
    undertone::cli::main()
}
