//! How far a stage has come: counted here, drawn by whoever listens.

use std::sync::Arc;

/// Receives progress. The command line draws bars; tests and libraries stay silent.
pub trait Listener: Send + Sync {
    /// A stage begins; `total` is its number of `unit`s where known.
    fn begin(&self, stage: &str, total: Option<u64>, unit: &'static str);
    /// `amount` more units are done.
    fn advance(&self, amount: u64);
    /// The stage is done; `note` sums it up.
    fn finish(&self, note: &str);
}

/// A handle that stages carry; cheap to clone.
#[derive(Clone)]
pub struct Progress(Option<Arc<dyn Listener>>);

impl Progress {
    /// Reports to nobody.
    pub fn silent() -> Progress {
        Progress(None)
    }

    /// Reports to `listener`.
    pub fn to(listener: Arc<dyn Listener>) -> Progress {
        Progress(Some(listener))
    }

    /// Whether nobody listens.
    pub fn is_silent(&self) -> bool {
        self.0.is_none()
    }

    /// A stage begins.
    pub fn begin(&self, stage: &str, total: Option<u64>, unit: &'static str) {
        if let Some(listener) = &self.0 {
            listener.begin(stage, total, unit);
        }
    }

    /// `amount` more units are done.
    pub fn advance(&self, amount: u64) {
        if let Some(listener) = &self.0 {
            listener.advance(amount);
        }
    }

    /// The stage is done.
    pub fn finish(&self, note: &str) {
        if let Some(listener) = &self.0 {
            listener.finish(note);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}
