//! Texts to vectors: the sentence-transformer, its files, its tokens, its batches, and the cache across nights.

mod bert;
pub mod cache;
mod encoder;
pub mod kernel;
pub mod model;
mod normal;
mod packed;
#[cfg(test)]
mod small;
mod tokens;
mod weights;

use std::borrow::Cow;

pub use encoder::{Backend, EncodeParams, Encoder, Encoding};
pub use kernel::Instructions;
pub use model::{Model, ModelError, ModelSource};
pub use tokens::TextTokenizer;

/// Version of the vectors: raised whenever the same text, model and backend would give other bits.
///
/// Caches are kept by it; `tests/integration/embedding.rs` holds the bits.
pub const FORMAT: u32 = 1;

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
    /// The kernels were asked for and cannot carry this model.
    #[error("the kernels cannot carry this model: {0}; backend `auto` runs it on candle")]
    Unfit(String),
    /// Instructions were asked for that the machine lacks.
    #[error("this machine has no {0} instructions; `auto` takes the best it has")]
    NoInstructions(&'static str),
}

/// Anything that turns texts into vectors.
///
/// The boundary behind which kernels, caches and other models are exchanged.
pub trait Embedder: Send + Sync {
    /// Length `d` of each vector.
    fn dimensions(&self) -> usize;

    /// The form by which `text` is known: texts of one form have the same vector, so one of them is
    /// encoded and kept for all. Which differences a model cannot see depends on its tokenizer.
    fn normal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }

    /// One `Encoding` per text, in the order given.
    fn encode(&self, texts: &[&str]) -> Result<Vec<Encoding>, EmbedError>;
}
