//! A sentence-transformer's files: where they come from, whether they are the files we think, and
//! what they say of the model.

mod bundled;
mod download;
mod error;
mod export;
mod files;
mod hub;
mod layout;
mod modules;
mod outline;
mod prompt;
mod record;
mod source;
mod tensors;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use error::ModelError;
pub use export::{Pin, export};
pub use hub::{Hub, Snapshot};
pub use layout::{Activation, Layout};
pub use modules::Pooling;
pub use outline::{Outline, Place};
pub use prompt::Prompt;
pub use record::{FileCheck, Verdict};
pub use source::{BUNDLED, HubId, ModelSource};

use record::Record;

/// A model's files in memory.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name for reports.
    pub name: String,
    /// `model.safetensors`.
    pub weights: Cow<'static, [u8]>,
    /// `tokenizer.json`.
    pub tokenizer: Cow<'static, [u8]>,
    /// `config.json`.
    pub config: Cow<'static, [u8]>,
    /// The optional files that exist, by name: `modules.json` and what it points to,
    /// `sentence_bert_config.json`, `config_sentence_transformers.json`, `tokenizer_config.json`.
    extras: BTreeMap<String, Cow<'static, [u8]>>,
    /// Where `modules.json` puts the transformer's own files: empty, or a folder with its `/`.
    folder: String,
    /// The text put before every text.
    prompt: Prompt,
    /// What the files' hashes should be.
    record: Option<Record>,
}

impl Model {
    /// Reads the files of `source`. A model of the hub is taken from its cache and only downloaded
    /// when it is not there, the feature `hub` is on, and `HF_HUB_OFFLINE` is not.
    pub fn load(source: &ModelSource) -> Result<Model, ModelError> {
        Model::load_with(source, &Hub::from_env())
    }

    /// Reads the files of `source`, with a hub of the caller's choice. Files that are not those
    /// recorded with the model (`SHA256SUMS` of a folder, the hub's hashes) are an error.
    pub fn load_with(source: &ModelSource, hub: &Hub) -> Result<Model, ModelError> {
        let model = Model::load_unchecked(source, hub)?;
        match source {
            // What is in the binary cannot change under it; `verify` looks all the same.
            ModelSource::Bundled => {}
            ModelSource::Folder(folder) => model.check_record(&folder.display().to_string())?,
            ModelSource::Hub(id) => model.check_record(&id.to_string())?,
        }
        Ok(model)
    }

    /// The same without a look at the recorded hashes: for who is going to compare them himself.
    pub fn load_unchecked(source: &ModelSource, hub: &Hub) -> Result<Model, ModelError> {
        match source {
            ModelSource::Bundled => bundled::load(),
            ModelSource::Folder(folder) => files::load(folder),
            ModelSource::Hub(id) => Model::load_snapshot(id, &hub.snapshot(id)?),
        }
    }

    /// Reads a model of the hub from its folder in the cache, unchecked.
    pub fn load_snapshot(id: &HubId, snapshot: &Snapshot) -> Result<Model, ModelError> {
        let mut model = files::load(&snapshot.folder)?;
        model.name.clone_from(&id.id);
        model.record =
            Some(hub::record(&snapshot.folder, model.files().iter().map(|(name, _)| name.as_str())));
        Ok(model)
    }

    /// The same model with another text before every text.
    pub fn with_prompt(self, prompt: Prompt) -> Model {
        Model { prompt, ..self }
    }

    /// Hash of everything that changes vectors, hexadecimal: all files and the chosen prompt. Two
    /// runs with equal hashes embed alike.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for bytes in [&self.weights, &self.tokenizer, &self.config] {
            hasher.update(Sha256::digest(bytes));
        }
        for (name, bytes) in &self.extras {
            hasher.update(Sha256::digest(name.as_bytes()));
            hasher.update(Sha256::digest(bytes));
        }
        match &self.prompt {
            Prompt::Default => {}
            Prompt::Named(name) => hasher.update(Sha256::digest(format!("prompt name {name}"))),
            Prompt::Text(text) => hasher.update(Sha256::digest(format!("prompt text {text}"))),
        }
        record::hex(&hasher.finalize())
    }

    /// Name in the folder and content of every file.
    fn files(&self) -> Vec<(String, &[u8])> {
        let own = |name: &str| format!("{}{name}", self.folder);
        let mut files = vec![
            (own(files::WEIGHTS), &*self.weights),
            (own(files::TOKENIZER), &*self.tokenizer),
            (own(files::CONFIG), &*self.config),
        ];
        files.extend(self.extras.iter().map(|(name, bytes)| (name.clone(), &**bytes)));
        files
    }

    /// An optional file beside the transformer's own, with its name.
    fn beside(&self, name: &str) -> Option<(String, &[u8])> {
        self.extra(&format!("{}{name}", self.folder))
    }

    /// An optional file, with its name.
    fn extra(&self, name: &str) -> Option<(String, &[u8])> {
        self.extras.get(name).map(|bytes| (name.to_owned(), &**bytes))
    }
}
