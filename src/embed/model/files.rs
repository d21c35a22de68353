//! Reads a model folder: what must be there, what may be there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::modules::{self, MODULES};
use super::prompt::PROMPTS;
use super::record::{Record, SUMS};
use super::{Model, ModelError, Prompt};

/// The weights.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// The tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// The transformer's sizes.
pub(super) const CONFIG: &str = "config.json";
/// The tokenizer's own idea of a longest text.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The longest text by sentence-transformers; its name changes with the transformer's kind.
pub(super) const SENTENCE_CONFIGS: [&str; 4] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_camembert_config.json",
    "sentence_xlm-roberta_config.json",
];

/// Reads every file of a folder.
pub(super) fn load(root: &Path) -> Result<Model, ModelError> {
    read(root, whole)
}

/// Reads a folder with the header of the weights only: enough for a `Layout`, not for vectors.
pub(super) fn load_outline(root: &Path) -> Result<Model, ModelError> {
    read(root, header)
}

/// Reads a folder that has no weights yet.
#[cfg(feature = "hub")]
pub(super) fn load_small(root: &Path) -> Result<Model, ModelError> {
    read(root, |_| Ok(Vec::new()))
}

fn read(root: &Path, weights: fn(&Path) -> std::io::Result<Vec<u8>>) -> Result<Model, ModelError> {
    let mut extras = BTreeMap::new();
    let mut optional = |name: String| -> Result<(), ModelError> {
        if let Some(bytes) = read_optional(&root.join(&name))? {
            extras.insert(name, Cow::Owned(bytes));
        }
        Ok(())
    };
    let steps = match read_optional(&root.join(MODULES))? {
        Some(bytes) => modules::parse(&bytes)?,
        None => Vec::new(),
    };
    let folder = transformer_folder(&steps);
    for name in optional_names(&steps) {
        optional(name)?;
    }
    let required = |name: &str, read: fn(&Path) -> std::io::Result<Vec<u8>>| {
        let path = root.join(format!("{folder}{name}"));
        read(&path).map(Cow::Owned).map_err(|source| missing(&path, name, source))
    };
    let record = read_optional(&root.join(SUMS))?;
    Ok(Model {
        name: root.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned()),
        config: required(CONFIG, whole)?,
        tokenizer: required(TOKENIZER, whole)?,
        weights: required(WEIGHTS, weights)?,
        extras,
        folder,
        prompt: Prompt::Default,
        record: record.map(|bytes| Record::parse(&String::from_utf8_lossy(&bytes))),
    })
}

/// Where the transformer's files are; `Model::folder`.
pub(super) fn transformer_folder(steps: &[modules::Module]) -> String {
    let transformer = steps.iter().find(|step| step.kind == "Transformer");
    transformer.map_or_else(String::new, |step| step.folder.clone())
}

/// Files that a model may have and that change its vectors.
pub(super) fn optional_names(steps: &[modules::Module]) -> Vec<String> {
    let folder = transformer_folder(steps);
    let mut names = vec![MODULES.to_owned(), PROMPTS.to_owned(), format!("{folder}{TOKENIZER_CONFIG}")];
    names.extend(SENTENCE_CONFIGS.iter().map(|name| format!("{folder}{name}")));
    let pooling = steps.iter().filter(|step| step.kind == "Pooling");
    names.extend(pooling.map(|step| format!("{}{CONFIG}", step.folder)));
    names
}

/// Files without which there is no model.
pub(super) fn required_names(steps: &[modules::Module]) -> [String; 3] {
    let folder = transformer_folder(steps);
    [CONFIG, TOKENIZER, WEIGHTS].map(|name| format!("{folder}{name}"))
}

/// Whether a model reads a file of this name; a card or a licence changes no vector.
pub(super) fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [WEIGHTS, TOKENIZER, CONFIG, TOKENIZER_CONFIG, MODULES, PROMPTS].contains(&name)
        || SENTENCE_CONFIGS.contains(&name)
}

fn whole(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// The header of a safetensors file: its length in eight bytes and that many bytes of JSON.
fn header(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut bytes = length.to_vec();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        // A file in a place whose folder is a file is not there either.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ModelError::Io { path: path.to_owned(), source }),
    }
}

/// The error for a required file: some models have it in a form that is not read here.
fn missing(path: &Path, name: &str, source: std::io::Error) -> ModelError {
    let has = |other: &&&str| path.with_file_name(other).exists();
    let folder = path.parent().unwrap_or(path).display().to_string();
    if source.kind() == ErrorKind::NotFound
        && let Some(other) = other_forms(name).iter().find(has)
    {
        return other_form(folder, name, other);
    }
    ModelError::Io { path: path.to_owned(), source }
}

/// Other forms in which models keep what a required file holds.
pub(super) fn other_forms(name: &str) -> &'static [&'static str] {
    match name {
        WEIGHTS => &[
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "tf_model.h5",
        ],
        TOKENIZER => &["vocab.txt", "sentencepiece.bpe.model", "vocab.json", "spiece.model"],
        _ => &[],
    }
}

/// The refusal of such a form.
pub(super) fn other_form(place: String, name: &str, other: &str) -> ModelError {
    let supported = match (name, other.contains(".index.")) {
        (WEIGHTS, true) => {
            "weights in one model.safetensors; join the parts with transformers' `save_pretrained(dir, \
             max_shard_size=\"100GB\")`"
        }
        (WEIGHTS, false) => {
            "model.safetensors; write one with transformers' `AutoModel.from_pretrained(dir).save_pretrained(dir)`"
        }
        _ => {
            "tokenizer.json; write one with transformers' `AutoTokenizer.from_pretrained(dir, \
             use_fast=True).save_pretrained(dir)`"
        }
    };
    ModelError::unsupported(place, format!("no {name}, only {other}"), supported)
}
