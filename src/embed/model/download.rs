//! Downloads a model into the hub's cache (feature `hub`).

use super::{Hub, HubId, ModelError, Snapshot};

/// This binary cannot.
#[cfg(not(feature = "hub"))]
pub(super) fn download(_: &Hub, id: &HubId, missing: &str) -> Result<Snapshot, ModelError> {
    let reason = format!(
        "{missing}, and this binary was built without the hub; rebuild with `--features hub`, or put the \
         model's files into a folder and name that (`./{}` for a folder of this name)",
        id.id
    );
    Err(ModelError::Unavailable { id: id.to_string(), reason })
}

#[cfg(feature = "hub")]
pub(super) use online::download;

#[cfg(feature = "hub")]
mod online {
    use std::path::{Path, PathBuf};

    use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
    use hf_hub::{Cache, Repo, RepoType};

    use super::*;
    use crate::embed::model::layout::Layout;
    use crate::embed::model::modules::{self, MODULES};
    use crate::embed::model::source::is_commit;
    use crate::embed::model::{files, hub, record};
    use crate::progress::Progress;

    /// A download cut off is taken up again this many times.
    const RETRIES: usize = 3;

    /// Asks the hub for the commit and its list of files, refuses what could not be used, and brings
    /// the rest; the weights come last, so a snapshot with weights is whole.
    pub fn download(hub: &Hub, id: &HubId, missing: &str) -> Result<Snapshot, ModelError> {
        let unavailable = |what: &str, error: &dyn std::fmt::Display| {
            let local = if missing.is_empty() { String::new() } else { format!("{missing}; ") };
            let reason = format!(
                "{local}{what} from {}: {error}; check the name, the revision and the network",
                hub.endpoint
            );
            ModelError::Unavailable { id: id.to_string(), reason }
        };
        let cache =
            std::path::absolute(&hub.cache).map_err(|e| unavailable("no folder for the cache", &e))?;
        let api = ApiBuilder::from_cache(Cache::new(cache))
            .with_endpoint(hub.endpoint.clone())
            .with_progress(false)
            .with_retries(RETRIES)
            .build()
            .map_err(|e| unavailable("no connection", &e))?;
        let at = |revision: &str| Repo::with_revision(id.id.clone(), RepoType::Model, revision.to_owned());
        let info = api.repo(at(&id.revision)).info().map_err(|e| unavailable("no list of files", &e))?;
        // The commit becomes a folder's name.
        if !is_commit(&info.sha) {
            return Err(unavailable("no commit", &format!("{:?} instead", info.sha)));
        }
        let job = Job {
            hub,
            folder: hub.repo(&id.id).join("snapshots").join(&info.sha),
            listed: info.siblings.into_iter().map(|file| file.rfilename).collect(),
            repo: api.repo(at(&info.sha)),
            id,
            commit: info.sha,
        };
        let get = |name: &str| match job.get(name) {
            Ok(()) => Ok(()),
            Err(Trouble::Api(error)) => Err(unavailable(name, &error)),
            Err(Trouble::Model(error)) => Err(error),
        };
        let weights = job.bring_small(&get)?;
        get(&weights)?;
        if id.commit().is_none() {
            let cache = Cache::new(hub.cache.clone()).repo(at(&id.revision));
            cache.create_ref(&job.commit).map_err(|e| unavailable("the revision was not noted", &e))?;
        }
        Ok(Snapshot { folder: job.folder, commit: job.commit })
    }

    /// One model being downloaded.
    struct Job<'a> {
        hub: &'a Hub,
        id: &'a HubId,
        commit: String,
        folder: PathBuf,
        listed: Vec<String>,
        repo: ApiRepo,
    }

    enum Trouble {
        Api(ApiError),
        Model(ModelError),
    }

    impl Job<'_> {
        fn lists(&self, name: &str) -> bool {
            self.listed.iter().any(|file| file == name)
        }

        /// Brings everything but the weights, checks that the model is one we compute, and gives the
        /// weights' name.
        fn bring_small(&self, get: &dyn Fn(&str) -> Result<(), ModelError>) -> Result<String, ModelError> {
            let steps = if self.lists(MODULES) {
                get(MODULES)?;
                let path = self.folder.join(MODULES);
                let bytes = std::fs::read(&path).map_err(|source| ModelError::Io { path, source })?;
                modules::parse(&bytes)?
            } else {
                self.note_absent(MODULES)?;
                Vec::new()
            };
            let [config, tokenizer, weights] = files::required_names(&steps);
            self.check_listed([&config, &tokenizer, &weights])?;
            for name in files::optional_names(&steps).iter().filter(|name| self.lists(name)) {
                get(name)?;
            }
            get(&config)?;
            get(&tokenizer)?;
            // Gigabytes are not downloaded to be refused.
            Layout::read_small(&files::load_small(&self.folder)?)?;
            Ok(weights)
        }

        fn check_listed(&self, required: [&String; 3]) -> Result<(), ModelError> {
            let Some(path) = required.into_iter().find(|path| !self.lists(path)) else { return Ok(()) };
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let beside = |other: &&&str| match folder {
                "" => self.lists(other),
                folder => self.lists(&format!("{folder}/{other}")),
            };
            let place = self.id.to_string();
            Err(match files::other_forms(name).iter().find(beside) {
                Some(other) => files::other_form(place, name, other),
                None => ModelError::malformed(place, format!("has no {path}; is it a sentence-transformer?")),
            })
        }

        /// As huggingface_hub does, so that the cache alone can later say that there is no such file.
        fn note_absent(&self, name: &str) -> Result<(), ModelError> {
            let folder = self.hub.no_exist(&self.id.id, &self.commit);
            let write =
                std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(name), b""));
            write.map_err(|source| ModelError::Write { path: folder.join(name), source })
        }

        /// Brings one file, unless the cache has it.
        fn get(&self, name: &str) -> Result<(), Trouble> {
            let path = self.folder.join(name);
            if path.exists() {
                return Ok(());
            }
            let bar = Bar { progress: self.hub.progress.clone(), begun: false };
            let link = self.repo.download_with_progress(name, bar).map_err(Trouble::Api)?;
            if link != path && !path.exists() {
                let reason = format!("{name} came from another commit ({}); try again", link.display());
                return Err(Trouble::Model(ModelError::Unavailable { id: self.id.to_string(), reason }));
            }
            check_announced(name, &path).map_err(Trouble::Model)
        }
    }

    /// Compares a large file with the hash the hub gave before sending it; a file that differs is
    /// removed, so that the next try starts anew.
    fn check_announced(name: &str, link: &Path) -> Result<(), ModelError> {
        let Some(expected) = hub::blob_sha256(link) else { return Ok(()) };
        let bytes = std::fs::read(link).map_err(|source| ModelError::Io { path: link.to_owned(), source })?;
        let found = record::hash_of(&bytes);
        if found == expected {
            return Ok(());
        }
        let blob = std::fs::canonicalize(link);
        for path in [Some(link.to_owned()), blob.ok()].into_iter().flatten() {
            std::fs::remove_file(&path).map_err(|source| ModelError::Write { path, source })?;
        }
        let by = "announced by the hub; the file was removed";
        Err(ModelError::NotPinned { file: name.to_owned(), found, expected, by })
    }

    /// Shows hf-hub's progress as ours; it begins anew after each interruption.
    struct Bar {
        progress: Progress,
        begun: bool,
    }

    impl hf_hub::api::Progress for Bar {
        fn init(&mut self, size: usize, filename: &str) {
            if !self.begun {
                self.progress.begin(filename, Some(size as u64), "bytes");
                self.begun = true;
            }
        }

        fn update(&mut self, size: usize) {
            self.progress.advance(size as u64);
        }

        fn finish(&mut self) {
            self.progress.finish("downloaded");
        }
    }
}
