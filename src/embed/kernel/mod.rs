//! The encoder's forward pass, made for CPUs: the library's only unsafe code.
#![allow(unsafe_code, reason = "vector instructions")]

#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod forward;
mod lanes;
mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
mod product;
mod rows;
mod scores;
#[cfg(test)]
mod tests;

pub use attention::Attention;
pub use dispatch::{Instructions, Kernels};
pub use forward::{FeedForward, Layer, Linear, Norm, PackedBert, Pooled, Room, Shape};
pub use product::{Finish, Panels, Product};
pub use scores::fetch;
