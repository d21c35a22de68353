//! What earlier nights made of a text, so that tonight only new texts go through the encoder.
//!
//! Built on redb, in one file shared by runs at the same time and by models one after another. A
//! cache fails no run but one whose config names somebody else's file: whatever else goes wrong
//! makes misses and a sentence in the report. Nor does it give a wrong vector: every record carries
//! a checksum over its space, key and values, and a file in which one does not fit is moved aside
//! and begun anew. A process that holds the file is waited for 10 s in all, of which the run speaks
//! after 2 s; then it goes on without the cache, and asks again in passing. A file that may only be
//! read is read.

mod evict;
mod file;
mod overlay;
mod place;
mod record;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use half::f16;

pub use place::{CacheError, check};
use record::Address;
use state::State;

/// What is remembered of one text; comes back bit by bit as it was put in.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Unit vector, `d` values.
    pub vector: Vec<f16>,
    /// P(negative), P(neutral), P(positive).
    pub tone: [f32; 3],
    /// Tokens read.
    pub tokens: u32,
    /// True when the middle of the text was left out.
    pub shortened: bool,
}

/// Where the cache is and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheParams {
    /// The file; `.lock`, `.new` and `.damaged` are put after its name for the files beside it.
    pub path: PathBuf,
    /// Space on disk above which `finish` drops what was used longest ago, down to 80 %. A run
    /// stores at most those 80 % itself, which keeps the file below about twice this at any time.
    pub max_bytes: u64,
}

/// What the cache did for one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheReport {
    /// Texts found.
    pub hits: u64,
    /// Texts not found, for whatever reason.
    pub misses: u64,
    /// Texts stored.
    pub stored: u64,
    /// Texts dropped to keep to the size limit, of whatever run and model.
    pub evicted: u64,
    /// Space the file takes on disk at the end.
    pub bytes: u64,
    /// What went wrong, each a sentence that names the file.
    pub troubles: Vec<String>,
}

/// The cache as one run uses it; threads share it by reference.
pub struct Cache {
    space: [u8; 32],
    state: Mutex<State>,
}

impl Cache {
    /// Opens the cache at `params.path`, making it and its folder where they are missing. An error
    /// where the path holds what is no cache.
    ///
    /// `space`: hash of all that the values depend on besides the text (model, tone head, format
    /// of the encoder's output). Spaces live beside each other and never see each other's texts.
    pub fn open(params: CacheParams, space: [u8; 32]) -> Result<Cache, CacheError> {
        Ok(Cache { space, state: Mutex::new(State::begun(params)?) })
    }

    /// What is remembered of each text, in the order of `keys` (hashes of the texts).
    pub fn get(&self, keys: &[[u8; 16]]) -> Vec<Option<Remembered>> {
        let addresses: Vec<Address> = keys.iter().map(|key| record::address(&self.space, key)).collect();
        self.state().read(&self.space, keys, &addresses)
    }

    /// Remembers texts; they reach the file some thousands at a time.
    pub fn put(&self, texts: &[([u8; 16], Remembered)]) {
        let records: Vec<(Address, Vec<u8>)> = texts
            .iter()
            .map(|(key, text)| (record::address(&self.space, key), record::encode(&self.space, key, text)))
            .collect();
        self.state().keep(records);
    }

    /// Writes what is waiting, notes which records were used, and keeps to the size limit.
    pub fn finish(&self) -> CacheReport {
        self.state().finish()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state left by a panicking thread is a list of records at worst too short.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cache {
    /// A run that fails half-way keeps what it has embedded.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.state().flush();
        }
    }
}
