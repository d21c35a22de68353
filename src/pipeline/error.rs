//! Everything that can end a run, and whose fault it is.

use std::path::PathBuf;

use crate::embed::cache::CacheError;
use crate::embed::{EmbedError, ModelError};
use crate::engine::EngineError;
use crate::outcome::OutcomeError;
use crate::read::activity::ActivityError;
use crate::read::{ReadError, Reject};
use crate::report::RenderError;
use crate::run::RunError;
use crate::table::TableError;
use crate::theme::ThemeError;
use crate::theme::curation::CurationError;
use crate::theme::ledger::LedgerError;
use crate::tone::ToneError;

/// A run that ended early. Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// No conversation to analyse.
    #[error("no conversation found in {files} file(s){}{}", hint(.outside, .rejected), if .examples.is_empty() { String::new() } else { format!("; the first:\n{}", first(.examples)) })]
    Nothing {
        /// Files read.
        files: usize,
        /// Conversations outside `since`..`until`.
        outside: u64,
        /// Records rejected.
        rejected: u64,
        /// The first few.
        examples: Vec<Reject>,
    },
    /// More unusable records than the config allows.
    #[error("{rejected} of {records} records could not be used, more than [input] max_reject_share = {allowed}; the first:\n{}", first(.examples))]
    TooManyRejects {
        /// Unusable records.
        rejected: u64,
        /// All records.
        records: u64,
        /// The share allowed.
        allowed: f64,
        /// The first few.
        examples: Vec<Reject>,
    },
    /// Input that cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An activity table that cannot be read.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// The run directory cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text cannot be embedded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The config's cache is something else.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The tone head cannot be used.
    #[error(transparent)]
    Tone(#[from] ToneError),
    /// Themes cannot be found.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// The nights do not go on from one another.
    #[error("themes: {0}")]
    Ledger(#[from] LedgerError),
    /// The file of edits cannot be read.
    #[error("{}: {reason}; it holds the changes made by hand: restore it from a copy, or move it away to do without them", path.display())]
    CurationFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Edits that do not fit tonight's themes.
    #[error("{}: {source}; `undertone themes RUN undo` takes back the newest edit", path.display())]
    Edits {
        /// The file of edits.
        path: PathBuf,
        /// Why.
        source: CurationError,
    },
    /// An edit, or a name of a theme, that makes no sense.
    #[error(transparent)]
    Curation(#[from] CurationError),
    /// A run whose vectors are another model's.
    #[error("{} was made with model {run} and this is {here}: their vectors cannot be compared; use the model and version of that run", path.display())]
    OtherModel {
        /// The run.
        path: PathBuf,
        /// Its model's hash, shortened.
        run: String,
        /// This one's.
        here: String,
    },
    /// A run of a version that kept no ledger, or whose files do not fit each other.
    #[error("{}: {reason}; make a new run first", path.display())]
    NoLedger {
        /// The run.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A config stored with a run that does not hold any more.
    #[error("{}: {reason}", path.display())]
    StoredConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Outcomes cannot be measured.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// A query failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A table cannot be written or read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The report cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The config cannot be written out.
    #[error("config: {0}")]
    Config(#[from] toml::ser::Error),
}

impl PipelineError {
    /// True when the input or config is to blame (exit code 2), not the machine (1).
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            PipelineError::Nothing { .. }
                | PipelineError::TooManyRejects { .. }
                | PipelineError::Read(_)
                | PipelineError::Activity(
                    ActivityError::Io { .. }
                        | ActivityError::MissingColumn { .. }
                        | ActivityError::ColumnType { .. }
                )
                | PipelineError::Model(_)
                | PipelineError::Cache(_)
                | PipelineError::Embed(EmbedError::Model(_))
                | PipelineError::CurationFile { .. }
                | PipelineError::Edits { .. }
                | PipelineError::Curation(_)
                | PipelineError::OtherModel { .. }
                | PipelineError::NoLedger { .. }
                | PipelineError::StoredConfig { .. }
        )
    }
}

fn hint(outside: &u64, rejected: &u64) -> String {
    match (outside, rejected) {
        (0, 0) => String::new(),
        (0, rejected) => format!("; {rejected} record(s) were rejected"),
        (outside, 0) => format!("; {outside} lie outside since..until"),
        (outside, rejected) => format!("; {outside} lie outside since..until, {rejected} were rejected"),
    }
}

fn first(rejects: &[Reject]) -> String {
    let lines: Vec<String> = rejects
        .iter()
        .map(|r| format!("  {}:{} (byte {}): {}", r.file, r.line, r.offset, r.reason))
        .collect();
    lines.join("\n")
}
