//! Where a run's cache of embeddings is, and what its contents depend on.

use std::sync::Arc;

use crate::config::Plan;
use crate::embed::FORMAT;
use crate::embed::cache::Cache;

/// The plan's cache, for texts read by this model, this tone head and this version of the encoder.
pub fn open(plan: &Plan, model_hash: &str, tone_hash: &str) -> Option<Arc<Cache>> {
    let params = plan.cache.clone()?;
    let mut hasher = blake3::Hasher::new();
    for part in [model_hash, tone_hash, &format!("{:?} {FORMAT}", plan.encode.backend)] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    Some(Arc::new(Cache::open(params, *hasher.finalize().as_bytes())))
}
