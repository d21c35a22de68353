//! Recorded hashes of a model's files, and whether the files still have them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Model, ModelError, files};

/// The file of recorded hashes, as `sha256sum` writes it.
pub(super) const SUMS: &str = "SHA256SUMS";

/// sha256 by file name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    sums: BTreeMap<String, String>,
    /// True where every file of the model should be in it; the hub's cache knows only large files.
    whole: bool,
}

impl Record {
    /// Reads the lines `hash  name`; other lines are not `sha256sum`'s and say nothing.
    pub(super) fn parse(text: &str) -> Record {
        let line = |line: &str| {
            let (hash, name) = line.split_once(' ')?;
            // `sha256sum -b` marks the name with a star.
            let name = name.trim_start_matches([' ', '*']);
            // As `find` and `./*` write them.
            Some((name.trim_start_matches("./").to_owned(), hash.to_ascii_lowercase()))
        };
        Record { sums: text.lines().filter_map(line).collect(), whole: true }
    }

    /// Hashes known of some files only.
    pub(super) fn partly(sums: BTreeMap<String, String>) -> Record {
        Record { sums, whole: false }
    }

    /// Text of a `SHA256SUMS`.
    pub(super) fn to_text(checks: &[FileCheck]) -> String {
        let mut lines: Vec<String> =
            checks.iter().map(|check| format!("{}  {}\n", check.sha256, check.file)).collect();
        lines.sort_by(|a, b| a[64..].cmp(&b[64..]));
        lines.concat()
    }
}

/// What the record says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is the file that was recorded.
    AsRecorded,
    /// It is another file.
    Differs,
    /// It was recorded and is gone.
    Missing,
    /// It changes vectors and was not there when the record was made.
    Added,
    /// Nothing was recorded of it.
    NoRecord,
}

impl Verdict {
    /// In words, as they follow a file's name.
    fn words(self) -> &'static str {
        match self {
            Verdict::AsRecorded => "is as recorded",
            Verdict::Differs => "is another file",
            Verdict::Missing => "is missing",
            Verdict::Added => "was added",
            Verdict::NoRecord => "is in no record",
        }
    }

    /// Whether the model is no longer the one recorded.
    pub fn is_bad(self) -> bool {
        !matches!(self, Verdict::AsRecorded | Verdict::NoRecord)
    }
}

/// One checked file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileCheck {
    /// The file's name in its folder.
    pub file: String,
    /// Its sha256, hexadecimal; the recorded one where the file is missing.
    pub sha256: String,
    /// Whether that is the hash recorded when the file was made.
    pub verdict: Verdict,
    /// Its length.
    pub bytes: u64,
}

impl Model {
    /// Every file with its hash, compared with the recorded one: the binary's own record for the
    /// bundled model, `SHA256SUMS` for a folder, the hub's hashes of large files for its cache.
    pub fn verify(&self) -> Vec<FileCheck> {
        let mut checks: Vec<FileCheck> =
            self.files().into_iter().map(|(file, bytes)| self.check(file, bytes)).collect();
        let sums = self.record.iter().flat_map(|record| &record.sums);
        let gone: Vec<FileCheck> = sums
            .filter(|(name, _)| files::is_read(name) && !checks.iter().any(|check| &check.file == *name))
            .map(|(name, hash)| FileCheck {
                file: name.clone(),
                sha256: hash.clone(),
                verdict: Verdict::Missing,
                bytes: 0,
            })
            .collect();
        checks.extend(gone);
        checks
    }

    /// An error where a file is not the recorded one; `place` is how the user names the model.
    /// Without a record there is nothing to compare and nothing is hashed.
    pub(super) fn check_record(&self, place: &str) -> Result<(), ModelError> {
        if self.record.as_ref().is_none_or(|record| !record.whole && record.sums.is_empty()) {
            return Ok(());
        }
        let checks = self.verify();
        let bad: Vec<String> = checks
            .iter()
            .filter(|check| check.verdict.is_bad())
            .map(|check| format!("{} {}", check.file, check.verdict.words()))
            .collect();
        match bad.is_empty() {
            true => Ok(()),
            false => Err(ModelError::Altered { place: place.to_owned(), files: bad.join(", ") }),
        }
    }

    fn check(&self, file: String, bytes: &[u8]) -> FileCheck {
        let sha256 = hash_of(bytes);
        let verdict = match &self.record {
            None => Verdict::NoRecord,
            Some(record) => match record.sums.get(&file) {
                Some(recorded) if *recorded == sha256 => Verdict::AsRecorded,
                Some(_) => Verdict::Differs,
                None if record.whole => Verdict::Added,
                None => Verdict::NoRecord,
            },
        };
        FileCheck { file, sha256, verdict, bytes: bytes.len() as u64 }
    }
}

/// sha256, hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
