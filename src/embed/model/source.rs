//! Which model a word in the config or on the command line means.

use std::fmt;
use std::path::{Path, PathBuf};

/// The bundled model's name.
pub const BUNDLED: &str = "all-MiniLM-L6-v2";

/// The revision meant when none is given, as on the hub.
const DEFAULT_REVISION: &str = "main";

/// Which model to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The one in the binary.
    Bundled,
    /// A folder with `model.safetensors`, `tokenizer.json`, `config.json` and, where the model has
    /// them, the files of sentence-transformers.
    Folder(PathBuf),
    /// A model of the Hugging Face hub, from its cache on this machine or downloaded into it.
    Hub(HubId),
}

impl ModelSource {
    /// `bundled`, the bundled model's name, a folder, or a hub id `owner/name[@revision]`.
    ///
    /// A folder that exists is never taken for a hub id, and `./owner/name` is always a folder.
    pub fn parse(word: &str) -> ModelSource {
        match word {
            "bundled" | BUNDLED => ModelSource::Bundled,
            folder if Path::new(folder).exists() => ModelSource::Folder(folder.into()),
            word => HubId::parse(word).map_or_else(|| ModelSource::Folder(word.into()), ModelSource::Hub),
        }
    }
}

/// A model's name on the hub, and which of its states is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// `owner/name`.
    pub id: String,
    /// A branch, a tag or a commit; only a commit (40 hexadecimal digits) stays what it is.
    pub revision: String,
}

impl HubId {
    /// Reads `owner/name[@revision]`; `None` for anything the hub would not accept as a name.
    ///
    /// Both parts become names of folders in the cache, so nothing that could leave it is taken.
    pub fn parse(word: &str) -> Option<HubId> {
        let (id, revision) = word.split_once('@').unwrap_or((word, DEFAULT_REVISION));
        let (owner, name) = id.split_once('/')?;
        let part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty()
                && part.len() <= 96
                && part.chars().all(plain)
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
                && !part.contains("--")
                && !part.contains("..")
        };
        let revision_is_plain = revision.split('/').all(part);
        (part(owner) && part(name) && revision_is_plain)
            .then(|| HubId { id: id.to_owned(), revision: revision.to_owned() })
    }

    /// The same model at another revision; `None` where that is no name of a revision.
    pub fn at(&self, revision: &str) -> Option<HubId> {
        HubId::parse(&format!("{}@{revision}", self.id))
    }

    /// `name` without the owner.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or(&self.id)
    }

    /// The commit, where the revision is one.
    pub fn commit(&self) -> Option<&str> {
        is_commit(&self.revision).then_some(&self.revision)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.revision)
    }
}

/// 40 hexadecimal digits: a state that cannot change.
pub(crate) fn is_commit(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit())
}
