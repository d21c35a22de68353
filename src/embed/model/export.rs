//! Writes a model of the hub into a folder, with its origin and its hashes.

use std::path::Path;

use serde::Deserialize;

use super::record::{FileCheck, Record, SUMS, Verdict};
use super::{HubId, Layout, Model, ModelError, Snapshot};
use crate::run::write_file;

/// Where a folder's files came from.
const SOURCE: &str = "SOURCE.json";

/// The sha256 the weights must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// Reads 64 hexadecimal digits.
    pub fn parse(word: &str) -> Option<Pin> {
        let is_hash = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        is_hash.then(|| Pin(word.to_ascii_lowercase()))
    }
}

#[derive(Deserialize, PartialEq, Eq)]
struct Source {
    id: String,
    commit: String,
}

impl Source {
    fn to_json(&self) -> Vec<u8> {
        let text = serde_json::json!({"id": self.id, "commit": self.commit});
        format!("{text:#}\n").into_bytes()
    }
}

/// Copies a snapshot into `out` with `SOURCE.json` and `SHA256SUMS`, and gives the files.
///
/// Nothing is written of a model that could not be used, whose weights are not those of `pin`, or
/// where `out` holds anything but the same model.
pub fn export(
    id: &HubId,
    snapshot: &Snapshot,
    out: &Path,
    pin: Option<&Pin>,
) -> Result<Vec<FileCheck>, ModelError> {
    let model = Model::load_snapshot(id, snapshot)?;
    Layout::read(&model)?;
    let checks = model.verify();
    check_hashes(&model, &checks, pin)?;
    let source = Source { id: id.id.clone(), commit: snapshot.commit.clone() };
    claim(out, &source)?;
    // The origin goes first and the hashes last: a folder cut short by a kill is taken up by the
    // next fetch, and is not taken for whole.
    write_file(&out.join(SOURCE), &source.to_json())?;
    for (name, bytes) in model.files() {
        write_file(&out.join(name), bytes)?;
    }
    write_file(&out.join(SUMS), Record::to_text(&checks).as_bytes())?;
    Ok(checks)
}

fn check_hashes(model: &Model, checks: &[FileCheck], pin: Option<&Pin>) -> Result<(), ModelError> {
    if let Some(check) = checks.iter().find(|check| check.verdict == Verdict::Differs) {
        let reason =
            "its sha256 is not the one by which the hub's cache names it; delete the model from the cache";
        return Err(ModelError::malformed(&check.file, reason));
    }
    let weights = format!("{}{}", model.folder, super::files::WEIGHTS);
    let found = checks.iter().find(|check| check.file == weights).map(|check| check.sha256.clone());
    match (pin, found) {
        (Some(Pin(expected)), Some(found)) if *expected != found => Err(ModelError::NotPinned {
            file: weights,
            found,
            expected: expected.clone(),
            by: "asked for; no folder was written",
        }),
        _ => Ok(()),
    }
}

/// A folder that is new, empty, or of the same model.
fn claim(out: &Path, source: &Source) -> Result<(), ModelError> {
    let is_empty = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(e) => return Err(ModelError::Write { path: out.to_owned(), source: e }),
    };
    let is_same = || {
        let text = std::fs::read(out.join(SOURCE)).ok()?;
        Some(serde_json::from_slice::<Source>(&text).ok()? == *source)
    };
    if is_empty || is_same() == Some(true) {
        return Ok(());
    }
    let reason = format!(
        "holds something else than {} at commit {}; choose another --out, or remove it",
        source.id, source.commit
    );
    Err(ModelError::malformed(out.display().to_string(), reason))
}
