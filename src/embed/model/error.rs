//! Why a model's files cannot be used.

use std::path::PathBuf;

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
    /// The hub's cache could not be changed.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be written whole.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A file does not parse as what it should be, or disagrees with another.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file's name.
        file: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A sound model of a kind this program does not compute.
    #[error("{file}: {found}; supported: {supported}")]
    Unsupported {
        /// The file that says so.
        file: String,
        /// What was found there.
        found: String,
        /// What would have been fine, and what to do.
        supported: String,
    },
    /// The model is not on this machine and may not, or cannot, be downloaded.
    #[error("{id}: {reason}")]
    Unavailable {
        /// The hub id with its revision.
        id: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// The files are not the ones whose hashes were recorded with them.
    #[error(
        "{place}: not the model that was recorded: {files}; `undertone model verify {place}` lists every file; get the \
         model again, or, where the change is meant, record it (sha256sum into SHA256SUMS)"
    )]
    Altered {
        /// The model as it was named.
        place: String,
        /// Which files, and what happened to them.
        files: String,
    },
    /// The files are not the ones that were asked for.
    #[error("{file}: sha256 {found}, but {expected} was {by}")]
    NotPinned {
        /// The file.
        file: String,
        /// Its sha256.
        found: String,
        /// What it should have been.
        expected: String,
        /// Who said so, and what was done.
        by: &'static str,
    },
}

impl ModelError {
    /// `Malformed`, shorter.
    pub(crate) fn malformed(file: impl Into<String>, reason: impl std::fmt::Display) -> ModelError {
        ModelError::Malformed { file: file.into(), reason: reason.to_string() }
    }

    /// `Unsupported`, shorter.
    pub(crate) fn unsupported(
        file: impl Into<String>,
        found: impl Into<String>,
        supported: impl Into<String>,
    ) -> ModelError {
        ModelError::Unsupported { file: file.into(), found: found.into(), supported: supported.into() }
    }
}
