//! The nights before: which published run tonight carries on, and what people changed by hand.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{Int32Type, TimestampMillisecondType};

use super::PipelineError;
use crate::run::{Run, RunDraft, read_json};
use crate::table::{batches, column, numbers, text};
use crate::theme::curation::{CURATION_FORMAT, Curation, CurationError};
use crate::theme::ledger::{Ledger, ThemeId};

/// What people changed by hand, beside the runs.
pub const CURATION_FILE: &str = "themes.curation.json";
/// How nights of exports without any time are called, with a number: later than any date as text.
const UNDATED: &str = "undated";

/// What a run knows of the nights before it.
pub struct Past {
    root: PathBuf,
    /// What people changed.
    pub curation: Curation,
    /// Runs with a night.
    runs: Vec<Before>,
}

/// A published run.
struct Before {
    night: String,
    name: String,
}

/// The night that tonight carries on.
#[derive(Debug, Clone, Default)]
pub struct LastNight {
    /// As found, before edits.
    pub ledger: Ledger,
    /// Every conversation and the theme found for it; `None` for noise and for those without a request.
    pub members: Vec<(String, Option<ThemeId>)>,
}

impl Past {
    /// Looks at what lies under `root`, which need not be there.
    ///
    /// # Errors
    /// A curation that cannot be read. Runs that cannot be are passed over with a warning.
    pub fn open(root: &Path) -> Result<Past, PipelineError> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Drafts, `latest` and locks are no runs of their own.
            let is_run = !name.starts_with('.') && entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_run || !entry.path().join("ledger.json").is_file() {
                continue;
            }
            match night_of(&entry.path()) {
                Ok(Some(night)) => runs.push(Before { night, name }),
                Ok(None) => {}
                Err(error) => tracing::warn!(run = name, %error, "passed over as an earlier night"),
            }
        }
        runs.sort_by(|a, b| (&a.night, &a.name).cmp(&(&b.night, &b.name)));
        Ok(Past { root: root.to_owned(), curation: read_curation(&root.join(CURATION_FILE))?, runs })
    }

    /// Where the edits are kept.
    pub fn curation_file(&self) -> PathBuf {
        self.root.join(CURATION_FILE)
    }

    /// Stands for what tonight takes from before: the edits, and the newest night's ledger.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in [self.curation_file(), self.root.join("latest").join("ledger.json")] {
            hasher.update(&fs::read(file).unwrap_or_default()).update(&[0]);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The run with the greatest night before `night`, ties by name; the ledger before the first night
    /// where there is none.
    ///
    /// Strictly before: a rerun of one night must carry on what its first run did.
    pub fn last_night(&self, night: &str) -> LastNight {
        for before in self.runs.iter().rev().filter(|run| run.night.as_str() < night) {
            match load(&self.root.join(&before.name)) {
                Ok(last) => return last,
                Err(error) => {
                    tracing::warn!(run = before.name, %error, "passed over as an earlier night");
                }
            }
        }
        LastNight::default()
    }

    /// The night of the conversations in a draft: their newest start, `YYYY-MM-DDTHH:MM:SSZ` in UTC.
    ///
    /// Starts after `now` are clocks gone wrong and do not count unless all are (a simulation): one of
    /// them would be the newest of every night to come. Without any time nights are numbered.
    pub fn tonight(&self, draft: &RunDraft, now: DateTime<Utc>) -> Result<String, PipelineError> {
        let (mut past, mut any) = (None, None);
        for batch in batches(&draft.path("staging/conversations.parquet"))? {
            let batch = batch?;
            let started = numbers::<TimestampMillisecondType>(&batch, "started_at")?;
            for row in (0..batch.num_rows()).filter(|row| started.is_valid(*row)) {
                let at = started.value(row);
                any = any.max(Some(at));
                past = past.max(Some(at).filter(|at| *at <= now.timestamp_millis()));
            }
        }
        let newest = past.or(any).and_then(DateTime::<Utc>::from_timestamp_millis);
        let written = newest.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        Ok(written.unwrap_or_else(|| self.next_undated()))
    }

    fn next_undated(&self) -> String {
        let number = |run: &Before| run.night.strip_prefix(UNDATED)?.trim().parse::<u32>().ok();
        let last = self.runs.iter().filter_map(number).max().unwrap_or(0);
        format!("{UNDATED} {:06}", last.saturating_add(1))
    }
}

fn night_of(dir: &Path) -> Result<Option<String>, PipelineError> {
    let run = Run::open(dir)?;
    let facts: serde_json::Value = read_json(&run.path("run.json"))?;
    Ok(facts.get("night").and_then(serde_json::Value::as_str).map(str::to_owned))
}

fn load(dir: &Path) -> Result<LastNight, PipelineError> {
    let ledger: Ledger = read_json(&dir.join("ledger.json"))?;
    ledger.validate()?;
    Ok(LastNight { ledger, members: found(dir)? })
}

/// Every conversation of a run and the theme found for it, by rising id.
pub fn found(dir: &Path) -> Result<Vec<(String, Option<ThemeId>)>, PipelineError> {
    let mut members = Vec::new();
    for batch in batches(&dir.join("assignments/part-0.parquet"))? {
        let batch = batch?;
        let ids = text(&batch, "conversation_id")?;
        let themes = column(&batch, "found")?
            .as_primitive_opt::<Int32Type>()
            .ok_or_else(|| crate::table::TableError::Column("found".into()))?;
        for row in 0..batch.num_rows() {
            let theme = themes.is_valid(row).then(|| ThemeId::new(themes.value(row) as u32));
            members.push((ids.value(row).to_owned(), theme));
        }
    }
    Ok(members)
}

/// The edits in `file`; none where there is no such file.
pub fn read_curation(file: &Path) -> Result<Curation, PipelineError> {
    let broken = |reason: String| PipelineError::CurationFile { path: file.to_owned(), reason };
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Curation::default()),
        Err(error) => return Err(broken(error.to_string())),
    };
    let curation: Curation = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    if curation.format != CURATION_FORMAT {
        return Err(broken(CurationError::Format { found: curation.format }.to_string()));
    }
    Ok(curation)
}
