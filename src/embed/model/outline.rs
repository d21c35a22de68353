//! Models on this machine and what they are, without reading their weights.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::hub::folders;
use super::{BUNDLED, Hub, Layout, Model, ModelError, ModelSource, files, modules};

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the binary.
    Bundled,
    /// In a folder.
    Folder(PathBuf),
    /// In the hub's cache, at this commit.
    Cache(String),
}

/// A model on this machine.
#[derive(Debug)]
pub struct Outline {
    /// What `--model` takes: `bundled`'s name, the folder, or `owner/name`.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Length of its files.
    pub bytes: u64,
    /// What it is, or why it cannot be used.
    pub layout: Result<Layout, ModelError>,
}

impl Outline {
    /// The model in the binary.
    pub fn bundled() -> Result<Outline, ModelError> {
        let model = Model::load(&ModelSource::Bundled)?;
        let bytes = model.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
        Ok(Outline { name: BUNDLED.to_owned(), place: Place::Bundled, bytes, layout: Layout::read(&model) })
    }

    /// Models in the folders of a folder, sorted by name; a folder without `config.json` is none.
    pub fn in_folder(parent: &Path) -> Vec<Outline> {
        let is_model =
            |path: &PathBuf| [files::CONFIG, modules::MODULES].iter().any(|n| path.join(n).exists());
        let models = folders(parent).into_iter().map(|(_, path)| path).filter(is_model);
        models
            .map(|path| Outline::of(path.display().to_string(), Place::Folder(path.clone()), &path))
            .collect()
    }

    /// Models in the hub's cache, sorted by name and commit.
    pub fn in_cache(hub: &Hub) -> Vec<Outline> {
        let snapshots = hub.snapshots().into_iter();
        snapshots
            .map(|(id, snapshot)| {
                let place = Place::Cache(snapshot.commit.clone());
                match hub.cached(&id) {
                    Ok(snapshot) => Outline::of(id.id, place, &snapshot.folder),
                    Err(reason) => {
                        let layout = Err(ModelError::Unavailable { id: id.to_string(), reason });
                        Outline { name: id.id, place, bytes: 0, layout }
                    }
                }
            })
            .collect()
    }

    fn of(name: String, place: Place, folder: &Path) -> Outline {
        match files::load_outline(folder) {
            Ok(model) => {
                let names = model.files().into_iter().map(|(name, _)| name);
                let length = |name: String| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
                Outline { name, place, bytes: names.map(length).sum(), layout: Layout::read(&model) }
            }
            Err(error) => Outline { name, place, bytes: 0, layout: Err(error) },
        }
    }
}
