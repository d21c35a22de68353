//! The encoder of a run: unpacked once, in a thread of its own, for every stage that asks.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::embed::{EmbedError, EncodeParams, Encoder, Model};

/// An encoder that is loaded when first asked for, or before.
pub struct SharedEncoder {
    model: Model,
    params: EncodeParams,
    loading: Option<JoinHandle<Result<Encoder, EmbedError>>>,
    loaded: Option<Arc<Encoder>>,
}

impl SharedEncoder {
    /// Nothing is loaded yet.
    pub fn new(model: Model, params: EncodeParams) -> SharedEncoder {
        SharedEncoder { model, params, loading: None, loaded: None }
    }

    /// Begins to unpack the model, while the caller does something else.
    pub fn load_meanwhile(&mut self) {
        let (model, params) = (self.model.clone(), self.params);
        self.loading = Some(std::thread::spawn(move || Encoder::load(&model, params)));
    }

    /// The encoder; waits for it where it is still being unpacked.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub fn get(&mut self) -> Result<Arc<Encoder>, EmbedError> {
        if let Some(encoder) = &self.loaded {
            return Ok(encoder.clone());
        }
        let encoder = Arc::new(match self.loading.take().map(JoinHandle::join) {
            Some(Ok(loaded)) => loaded?,
            _ => Encoder::load(&self.model, self.params)?,
        });
        self.loaded = Some(encoder.clone());
        Ok(encoder)
    }
}
