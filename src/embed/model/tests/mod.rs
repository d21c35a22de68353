//! Models of known layouts, small and made here, against their own libraries' reading of them.

#[cfg(feature = "hub")]
mod fake_hub;
mod folders;
mod hub;
mod library;
mod refusals;
mod spaces;

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Model, files};
use crate::embed::small::Small;

/// A small model on disk, loaded.
fn write(small: &Small) -> (TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    small.write(folder.path());
    let model = files::load(folder.path()).unwrap();
    (folder, model)
}

/// Changes one JSON file of a model.
fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}
