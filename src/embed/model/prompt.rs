//! The text a model wants before every text, such as `query: `.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Model, ModelError};

/// The file of prompts.
pub(super) const PROMPTS: &str = "config_sentence_transformers.json";

/// Which text is put before every text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Prompt {
    /// The default prompt of the model's own files; none where they name none.
    #[default]
    Default,
    /// A prompt of the model's own files.
    Named(String),
    /// These words. Some models (multilingual-e5) want a prompt and name it in their card only.
    Text(String),
}

#[derive(Deserialize)]
struct File {
    prompts: Option<Map<String, Value>>,
    default_prompt_name: Option<String>,
}

/// The words of the model's chosen prompt; empty for none.
pub(super) fn prefix(model: &Model) -> Result<String, ModelError> {
    let name = match &model.prompt {
        Prompt::Text(text) => return Ok(text.clone()),
        Prompt::Named(name) => Some(name.clone()),
        Prompt::Default => None,
    };
    let file = match model.extra(PROMPTS) {
        None => File { prompts: None, default_prompt_name: None },
        Some((file, bytes)) => {
            serde_json::from_slice(bytes).map_err(|error| ModelError::malformed(file, error))?
        }
    };
    let prompts = file.prompts.unwrap_or_default();
    let Some(name) = name.or(file.default_prompt_name) else { return Ok(String::new()) };
    match prompts.get(&name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(ModelError::malformed(PROMPTS, format!("prompt `{name}` is {other}, not a text"))),
        None if prompts.is_empty() => Err(ModelError::malformed(
            PROMPTS,
            format!("no prompt `{name}`: the model's files name none; give its words instead"),
        )),
        None => {
            let known: Vec<String> = prompts.keys().map(|known| format!("`{known}`")).collect();
            Err(ModelError::malformed(PROMPTS, format!("no prompt `{name}`; there is {}", known.join(", "))))
        }
    }
}
