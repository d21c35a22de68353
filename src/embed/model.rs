//! Where a sentence-transformer's files come from, and whether they are the files we think.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Files of the model compiled into the binary.
#[cfg(feature = "bundled-model")]
mod bundled {
    pub const WEIGHTS: &[u8] = include_bytes!("../../models/all-MiniLM-L6-v2/model.safetensors");
    pub const TOKENIZER: &[u8] = include_bytes!("../../models/all-MiniLM-L6-v2/tokenizer.json");
    pub const CONFIG: &[u8] = include_bytes!("../../models/all-MiniLM-L6-v2/config.json");
}

/// The bundled model's name.
pub const BUNDLED: &str = "all-MiniLM-L6-v2";

/// sha256 of the bundled files as `models/convert.py` wrote them.
const RECORDED: &str = include_str!("../../models/all-MiniLM-L6-v2/SHA256SUMS");

/// Which model to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The one in the binary.
    Bundled,
    /// A folder with `model.safetensors`, `tokenizer.json` and `config.json`.
    Folder(PathBuf),
}

impl ModelSource {
    /// `bundled`, the bundled model's name, or a folder.
    pub fn parse(word: &str) -> ModelSource {
        match word {
            "bundled" | BUNDLED => ModelSource::Bundled,
            folder => ModelSource::Folder(PathBuf::from(folder)),
        }
    }
}

/// A model whose files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Built without the feature.
    #[error(
        "this binary was built without a model; rebuild with `--features bundled-model`, or set `[embed] model` to a folder"
    )]
    NotBundled,
    /// A file is missing or unreadable.
    #[error("{}: {source}; a model folder holds model.safetensors, tokenizer.json and config.json", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not parse as what it should be.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

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
}

/// One checked file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileCheck {
    /// The file's name.
    pub file: String,
    /// Its sha256, hexadecimal.
    pub sha256: String,
    /// Whether that is the hash recorded when the file was made; `None` where none was recorded.
    pub as_recorded: Option<bool>,
    /// Its length.
    pub bytes: u64,
}

impl Model {
    /// Reads the files of `source`.
    pub fn load(source: &ModelSource) -> Result<Model, ModelError> {
        match source {
            #[cfg(feature = "bundled-model")]
            ModelSource::Bundled => Ok(Model {
                name: BUNDLED.to_owned(),
                weights: Cow::Borrowed(bundled::WEIGHTS),
                tokenizer: Cow::Borrowed(bundled::TOKENIZER),
                config: Cow::Borrowed(bundled::CONFIG),
            }),
            #[cfg(not(feature = "bundled-model"))]
            ModelSource::Bundled => Err(ModelError::NotBundled),
            ModelSource::Folder(folder) => Ok(Model {
                name: folder.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned()),
                weights: Cow::Owned(read(&folder.join("model.safetensors"))?),
                tokenizer: Cow::Owned(read(&folder.join("tokenizer.json"))?),
                config: Cow::Owned(read(&folder.join("config.json"))?),
            }),
        }
    }

    /// Hash of all files together, hexadecimal; two runs with equal hashes embed alike.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (_, bytes) in self.files() {
            hasher.update(Sha256::digest(bytes));
        }
        hex(&hasher.finalize())
    }

    /// Every file with its hash, compared with the recorded one where the model is the bundled one.
    pub fn verify(&self) -> Vec<FileCheck> {
        self.files()
            .iter()
            .map(|(file, bytes)| {
                let sha256 = hex(&Sha256::digest(bytes));
                let as_recorded = (self.name == BUNDLED).then(|| recorded(file) == Some(sha256.as_str()));
                FileCheck { file: (*file).to_owned(), sha256, as_recorded, bytes: bytes.len() as u64 }
            })
            .collect()
    }

    fn files(&self) -> [(&'static str, &[u8]); 3] {
        [
            ("model.safetensors", &*self.weights),
            ("tokenizer.json", &*self.tokenizer),
            ("config.json", &*self.config),
        ]
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })
}

/// The hash `SHA256SUMS` gives for a file.
fn recorded(file: &str) -> Option<&'static str> {
    RECORDED
        .lines()
        .find_map(|line| line.split_once("  ").filter(|(_, name)| *name == file))
        .map(|(hash, _)| hash)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
