//! Names of the tensors in a safetensors file, and what stands before BERT's own names.

use serde_json::{Map, Value};

use super::files::WEIGHTS;
use super::{Model, ModelError};

/// The tensor every BERT has.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// What a model saved with a head has before each name: `bert.`, `roberta.`, `model.` or the like;
/// most often nothing.
pub(super) fn name_prefix(model: &Model) -> Result<String, ModelError> {
    let header = header(&model.weights)?;
    let mut prefixes: Vec<&str> = header.keys().filter_map(|name| name.strip_suffix(WORDS)).collect();
    prefixes.retain(|prefix| prefix.is_empty() || prefix.ends_with('.'));
    match prefixes[..] {
        [prefix] => Ok(prefix.to_owned()),
        [] => Err(ModelError::malformed(
            WEIGHTS,
            format!("no tensor `{WORDS}`, with or without something before it; are these BERT's weights?"),
        )),
        _ => Err(ModelError::unsupported(
            WEIGHTS,
            format!("{} encoders ({})", prefixes.len(), prefixes.join(", ")),
            "one encoder",
        )),
    }
}

/// Tensor names with what the header says of each. The data need not be there.
fn header(weights: &[u8]) -> Result<Map<String, Value>, ModelError> {
    let cut = || ModelError::malformed(WEIGHTS, "ends within its header; the file was cut off");
    let (length, rest) = weights.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
    let text = rest.get(..length).ok_or_else(cut)?;
    serde_json::from_slice(text).map_err(|error| ModelError::malformed(WEIGHTS, format!("header: {error}")))
}
