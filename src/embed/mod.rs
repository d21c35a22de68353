//! Texts to vectors: the sentence-transformer, its files, its tokens and its batches.

mod bert;
mod encoder;
pub mod model;
mod tokens;

pub use encoder::{EncodeParams, Encoder, Encoding};
pub use model::{Model, ModelError, ModelSource};

/// A text could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The tokenizer refused the text.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A tensor operation failed.
    #[error("encoder: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The model's files are unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Anything that turns texts into unit vectors.
///
/// The boundary behind which kernels, caches and other models are exchanged.
pub trait Embedder: Send + Sync {
    /// Length `d` of each vector.
    fn dimensions(&self) -> usize;

    /// One `Encoding` per text, in the order given.
    fn encode(&self, texts: &[&str]) -> Result<Vec<Encoding>, EmbedError>;
}
