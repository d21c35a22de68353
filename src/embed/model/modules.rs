//! `modules.json` and the pooling it points to: how token vectors become one.

use std::fmt;
use std::path::{Component, Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Model, ModelError};

/// The list of a sentence-transformer's steps.
pub(super) const MODULES: &str = "modules.json";

const SUPPORTED_MODULES: &str = "Transformer, Pooling and, at the end, Normalize";
const SUPPORTED_POOLING: &str = "one of mean and cls";

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
        })
    }
}

/// A step of a sentence-transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// Class name without its Python path.
    pub kind: String,
    /// Folder of its files with the `/`; empty for the model's own.
    pub folder: String,
}

/// Reads `modules.json`.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Module>, ModelError> {
    #[derive(Deserialize)]
    struct Entry {
        path: String,
        r#type: String,
    }
    let entries: Vec<Entry> =
        serde_json::from_slice(bytes).map_err(|error| ModelError::malformed(MODULES, error))?;
    let module = |entry: Entry| {
        Ok(Module {
            kind: entry.r#type.rsplit('.').next().unwrap_or_default().to_owned(),
            folder: inner_folder(&entry.path)?,
        })
    };
    entries.into_iter().map(module).collect()
}

/// A folder within the model's own, and no way out of it.
fn inner_folder(path: &str) -> Result<String, ModelError> {
    let path = path.trim_end_matches('/');
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    match (path, inside && !path.contains('\\')) {
        ("", _) => Ok(String::new()),
        (path, true) => Ok(format!("{path}/")),
        (path, false) => Err(ModelError::malformed(MODULES, format!("`{path}` is no folder of the model"))),
    }
}

/// What comes after the transformer.
pub(super) struct Head {
    pub pooling: Pooling,
    pub normalize: bool,
    /// False where tokens of the prompt stay out of the mean.
    pub include_prompt: bool,
}

impl Head {
    /// What sentence-transformers does with a model that has no `modules.json`.
    const BARE: Head = Head { pooling: Pooling::Mean, normalize: false, include_prompt: true };

    /// Reads the model's modules; `hidden` is the width the pooling must have.
    pub fn read(model: &Model, hidden: usize) -> Result<Head, ModelError> {
        let Some((_, bytes)) = model.extra(MODULES) else { return Ok(Head::BARE) };
        let modules = parse(bytes)?;
        let kinds: Vec<&str> = modules.iter().map(|module| module.kind.as_str()).collect();
        let normalize = match kinds[..] {
            ["Transformer", "Pooling"] => false,
            ["Transformer", "Pooling", "Normalize"] => true,
            _ => return Err(ModelError::unsupported(MODULES, kinds.join(", "), SUPPORTED_MODULES)),
        };
        let file = format!("{}config.json", modules[1].folder);
        let missing = || ModelError::malformed(MODULES, format!("points to {file}, which is not there"));
        let (_, bytes) = model.extra(&file).ok_or_else(missing)?;
        let config: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| ModelError::malformed(&file, error))?;
        check_width(&file, &config, hidden)?;
        let include_prompt = config.get("include_prompt").and_then(Value::as_bool).unwrap_or(true);
        Ok(Head { pooling: pooling(&file, &config)?, normalize, include_prompt })
    }
}

fn check_width(file: &str, config: &Map<String, Value>, hidden: usize) -> Result<(), ModelError> {
    let width = config.get("word_embedding_dimension").or_else(|| config.get("embedding_dimension"));
    match width.and_then(Value::as_u64) {
        Some(width) if width != hidden as u64 => Err(ModelError::malformed(
            file,
            format!("pools vectors of {width} values, but config.json says hidden_size {hidden}"),
        )),
        _ => Ok(()),
    }
}

/// The one mode that is on: either `pooling_mode: "cls"` or `pooling_mode_cls_token: true`.
fn pooling(file: &str, config: &Map<String, Value>) -> Result<Pooling, ModelError> {
    let modes: Vec<String> = match config.get("pooling_mode") {
        Some(Value::String(mode)) => mode.split('+').map(str::to_owned).collect(),
        Some(Value::Array(modes)) => {
            modes.iter().map(|mode| mode.as_str().map_or_else(|| mode.to_string(), str::to_owned)).collect()
        }
        _ => config
            .iter()
            .filter(|(_, on)| **on == Value::Bool(true))
            .filter_map(|(name, _)| name.strip_prefix("pooling_mode_"))
            .map(|mode| mode.trim_end_matches("_tokens").trim_end_matches("_token").to_owned())
            .collect(),
    };
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::Cls),
        [] => {
            Err(ModelError::malformed(file, format!("no pooling mode is on; supported: {SUPPORTED_POOLING}")))
        }
        ref other => {
            Err(ModelError::unsupported(file, format!("pooling {}", other.join(" + ")), SUPPORTED_POOLING))
        }
    }
}
