//! Models of the Hugging Face hub in its cache on this machine. Nothing here uses the network.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::modules::{self, MODULES};
use super::record::Record;
use super::source::{HubId, is_commit};
use super::{ModelError, download, files};
use crate::progress::Progress;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub and its cache are, and whether the network may be used.
#[derive(Debug, Clone)]
pub struct Hub {
    /// The cache's folder, laid out as huggingface_hub lays it out and shared with it.
    pub cache: PathBuf,
    /// The hub's address.
    pub endpoint: String,
    /// True where only the cache may be used.
    pub offline: bool,
    #[cfg_attr(not(feature = "hub"), expect(dead_code, reason = "only downloads take long"))]
    pub(super) progress: Progress,
}

/// A model's files in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Their folder.
    pub folder: PathBuf,
    /// The commit they are of.
    pub commit: String,
}

impl Hub {
    /// As huggingface_hub reads the environment: `HF_HUB_CACHE`, else `HF_HOME/hub`, else
    /// `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`; `HF_ENDPOINT`;
    /// `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` set to 1, on, yes or true.
    pub fn from_env() -> Hub {
        Hub::from_vars(|name| std::env::var_os(name))
    }

    /// The same from any variables.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Hub {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let folder = |name: &str| var(name).map(PathBuf::from);
        let home = || folder("HOME").unwrap_or_default().join(".cache");
        let cache = folder("HF_HUB_CACHE").unwrap_or_else(|| {
            let own = || folder("XDG_CACHE_HOME").unwrap_or_else(home).join("huggingface");
            folder("HF_HOME").unwrap_or_else(own).join("hub")
        });
        let endpoint =
            var("HF_ENDPOINT").map(|value| value.to_string_lossy().trim_end_matches('/').to_owned());
        let is_on = |value: OsString| {
            let word = value.to_string_lossy().to_ascii_lowercase();
            matches!(word.as_str(), "1" | "on" | "yes" | "true")
        };
        Hub {
            cache,
            endpoint: endpoint.unwrap_or_else(|| ENDPOINT.to_owned()),
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().filter_map(var).any(is_on),
            progress: Progress::silent(),
        }
    }

    /// The same hub, its network left alone where `offline`.
    pub fn or_offline(self, offline: bool) -> Hub {
        Hub { offline: self.offline || offline, ..self }
    }

    /// The same hub, its downloads reported.
    pub fn with_progress(self, progress: Progress) -> Hub {
        Hub { progress, ..self }
    }

    /// A model from the cache; downloaded only when it is not there whole.
    pub fn snapshot(&self, id: &HubId) -> Result<Snapshot, ModelError> {
        match self.cached(id) {
            Ok(snapshot) => Ok(snapshot),
            Err(missing) => self.download(id, &missing),
        }
    }

    /// A model as the hub has it now: a branch or tag is looked up there, even when the cache knows
    /// an older state of it. Offline, as `snapshot`.
    pub fn fetch(&self, id: &HubId) -> Result<Snapshot, ModelError> {
        match self.cached(id) {
            Ok(snapshot) if self.offline || id.commit().is_some() => Ok(snapshot),
            Ok(_) => self.download(id, ""),
            Err(missing) => self.download(id, &missing),
        }
    }

    fn download(&self, id: &HubId, missing: &str) -> Result<Snapshot, ModelError> {
        if self.offline {
            let reason = format!(
                "{missing}, and the hub may not be asked (HF_HUB_OFFLINE or --offline); fetch it once with a \
                 network: undertone model fetch {} --revision {}",
                id.id, id.revision
            );
            return Err(ModelError::Unavailable { id: id.to_string(), reason });
        }
        download::download(self, id, missing)
    }

    /// A model whose files are all in the cache, or what is missing there.
    pub(super) fn cached(&self, id: &HubId) -> Result<Snapshot, String> {
        let repo = self.repo(&id.id);
        let place = self.cache.display();
        let commit = match id.commit() {
            Some(commit) => commit.to_owned(),
            None => std::fs::read_to_string(repo.join("refs").join(&id.revision))
                .map(|text| text.trim().to_owned())
                .ok()
                .filter(|commit| is_commit(commit))
                .ok_or_else(|| format!("revision {} is not in the cache {place}", id.revision))?,
        };
        let folder = repo.join("snapshots").join(&commit);
        let missing = self.missing(&id.id, &commit)?;
        if missing.is_empty() {
            return Ok(Snapshot { folder, commit });
        }
        Err(format!("the cache {place} has no {} at commit {commit}", missing.join(", ")))
    }

    /// Files that a snapshot needs and has not.
    fn missing(&self, id: &str, commit: &str) -> Result<Vec<String>, String> {
        let folder = self.repo(id).join("snapshots").join(commit);
        let steps = match std::fs::read(folder.join(MODULES)) {
            Ok(bytes) => modules::parse(&bytes).map_err(|error| error.to_string())?,
            // transformers loads a model without looking whether it is a sentence-transformer; then
            // the absence of modules.json says nothing, and taking it for a fact would change the
            // pooling without a word.
            Err(_) if !self.no_exist(id, commit).join(MODULES).exists() => {
                return Ok(vec![MODULES.to_owned()]);
            }
            Err(_) => Vec::new(),
        };
        let pooling = steps.iter().filter(|step| step.kind == "Pooling");
        let pooling = pooling.map(|step| format!("{}{}", step.folder, files::CONFIG));
        let needed = files::required_names(&steps).into_iter().chain(pooling);
        Ok(needed.filter(|name| !folder.join(name).exists()).collect())
    }

    /// Every model of the cache, at every commit it holds, by name and commit.
    pub(super) fn snapshots(&self) -> Vec<(HubId, Snapshot)> {
        let mut found = Vec::new();
        for (repo, path) in folders(&self.cache) {
            let Some(id) = repo.strip_prefix("models--").map(|name| name.replacen("--", "/", 1)) else {
                continue;
            };
            for (commit, folder) in folders(&path.join("snapshots")) {
                if let Some(id) = HubId::parse(&format!("{id}@{commit}")) {
                    found.push((id, Snapshot { folder, commit }));
                }
            }
        }
        found
    }

    /// The cache's folder of a model.
    pub(super) fn repo(&self, id: &str) -> PathBuf {
        self.cache.join(format!("models--{}", id.replace('/', "--")))
    }

    /// Where the cache notes that the hub has no such file.
    pub(super) fn no_exist(&self, id: &str, commit: &str) -> PathBuf {
        self.repo(id).join(".no_exist").join(commit)
    }
}

/// Folders in a folder with their names, sorted; none where it cannot be read.
pub(super) fn folders(path: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<(String, PathBuf)> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(_, path)| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The hub names large files in the cache by their sha256; small ones by a hash of another kind.
pub(super) fn record<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> Record {
    let sums: BTreeMap<String, String> =
        names.filter_map(|name| Some((name.to_owned(), blob_sha256(&folder.join(name))?))).collect();
    Record::partly(sums)
}

/// The sha256 by which the hub announced the file behind a link of the cache.
pub(super) fn blob_sha256(link: &Path) -> Option<String> {
    let blob = std::fs::canonicalize(link).ok()?;
    let name = blob.file_name()?.to_str()?.to_owned();
    (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())).then_some(name)
}
