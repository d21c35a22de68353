//! Where a run's cache of embeddings is, and what its contents depend on.

use std::path::Path;
use std::sync::Arc;

use crate::config::Plan;
use crate::embed::FORMAT;
use crate::embed::cache::{self, Cache, CacheError};
use crate::read::SourceFile;

/// An error where the plan's cache is something else, or an input; before any work is done.
pub fn check(plan: &Plan, files: &[SourceFile]) -> Result<(), CacheError> {
    let Some(params) = &plan.cache else { return Ok(()) };
    let inputs = files.iter().map(|file| file.path.as_path()).chain(plan.activity.as_deref());
    cache::check(params, &inputs.collect::<Vec<&Path>>())
}

/// The plan's cache, for texts read by this model, this tone head and this version of the encoder.
pub fn open(plan: &Plan, model_hash: &str, tone_hash: &str) -> Result<Option<Arc<Cache>>, CacheError> {
    let Some(params) = plan.cache.clone() else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    for part in [model_hash, tone_hash, &format!("{:?} {FORMAT}", plan.encode.backend.here())] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    Ok(Some(Arc::new(Cache::open(params, *hasher.finalize().as_bytes())?)))
}
