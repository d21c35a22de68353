//! Stage `read`: files to one row per conversation, in order of id, each id once; activity to rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, UInt64Type};
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::parts::{Parts, put_together};
use super::rows::{RawRow, raw_columns, raw_schema};
use crate::config::Plan;
use crate::conversation::Conversation;
use crate::engine::Engine;
use crate::progress::Progress;
use crate::read::activity::read_activity;
use crate::read::{Oddity, Part, Place, ReadError, Reject, Sink, SourceFile, content_hash, read_file};
use crate::run::{RunDraft, RunError};
use crate::table::{BATCH_ROWS, TableWriter, text};

/// Bytes of text after which a batch of conversations is written, whatever its rows.
const BATCH_BYTES: usize = 32 << 20;

/// Rejects kept for an error message.
const EXAMPLES: usize = 3;

/// What reading found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReadSummary {
    /// Files, in order.
    pub files: Vec<FileFacts>,
    /// Conversations kept.
    pub conversations: u64,
    /// Records rejected, cut-off ones apart.
    pub rejected: u64,
    /// Records that were the same as another to the last byte.
    pub repeated: u64,
    /// Records with an id of another, fuller one.
    pub conflicting: u64,
    /// Conversations outside `since..until`, or undated when a limit is set.
    pub outside: u64,
    /// Oddities that were repaired, by name.
    pub oddities: BTreeMap<String, u64>,
    /// The activity table.
    pub activity: Option<ActivityFacts>,
}

/// One conversation file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its path.
    pub path: String,
    /// The format it is in; `None` without a record.
    pub format: Option<String>,
}

/// What the activity table held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActivityFacts {
    /// Rows kept.
    pub rows: u64,
    /// Distinct users.
    pub users: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Rows whose time named no zone.
    pub zoneless: u64,
    /// True when the file ends in the middle.
    pub truncated: bool,
}

/// Reads everything; leaves `staging/conversations.parquet`, `staging/activity.parquet` and
/// `rejects.jsonl`.
pub fn run(
    plan: &Plan,
    files: &[SourceFile],
    engine: &Engine,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ReadSummary), PipelineError> {
    let raw = draft.path("staging/raw.parquet");
    let total = files.iter().map(|file| file.bytes).sum();
    progress.begin("read", Some(total), "bytes");
    let mut intake = Intake::create(plan, draft, raw.clone(), progress)?;
    for file in files {
        intake.file = file.path.display().to_string().into();
        let format = read_file(file, &plan.read, &mut intake)?;
        let facts = FileFacts { path: intake.file.to_string(), format: format.map(|f| f.name().to_owned()) };
        intake.summary.files.push(facts);
    }
    let parts = std::mem::replace(&mut intake.parts, Parts::new(PathBuf::new()));
    if let Some(parts) = parts.finish()? {
        let mut each = |file: &str, place, conversation| {
            if *intake.file != *file {
                intake.file = file.into();
            }
            intake.conversation(place, conversation)
        };
        let repeated = put_together(engine, &parts, &draft.path("staging/threads.parquet"), &mut each)?;
        intake.summary.repeated += repeated;
    }
    intake.flush()?;
    let Intake { writer, mut summary, mut rejects, examples, .. } = intake;
    let records = writer.finish()?;
    progress.finish(&format!("{records} conversations, {} rejected", summary.rejected));
    if records == 0 {
        let ReadSummary { outside, rejected, .. } = summary;
        return Err(PipelineError::Nothing { files: files.len(), outside, rejected, examples });
    }
    let share = summary.rejected as f64 / (records + summary.rejected) as f64;
    if share > plan.max_reject_share {
        return Err(PipelineError::TooManyRejects {
            rejected: summary.rejected,
            records: records + summary.rejected,
            allowed: plan.max_reject_share,
            examples,
        });
    }
    summary.conversations = settle(engine, draft, raw, &mut summary, &mut rejects)?;
    summary.activity = activity(plan, draft, &mut rejects, progress)?;
    rejects.finish()?;
    Ok((summary.conversations, summary))
}

/// Sorts by id and keeps one record of each: the one with most turns, then the smallest hash, so
/// that the order of files and lines does not matter.
fn settle(
    engine: &Engine,
    draft: &RunDraft,
    raw: PathBuf,
    summary: &mut ReadSummary,
    rejects: &mut Rejects,
) -> Result<u64, PipelineError> {
    engine.register("raw", &raw)?;
    let counts = engine.collect("SELECT count(*) AS n, count(DISTINCT conversation_id) AS ids FROM raw")?;
    let count = |name: &str| -> i64 {
        counts
            .first()
            .and_then(|b| b.column_by_name(name))
            .map_or(0, |c| c.as_primitive::<Int64Type>().value(0))
    };
    let columns = "conversation_id, user_id, started_at, metadata, turns, turn_count";
    let output = draft.path("staging/conversations.parquet");
    if count("n") == count("ids") {
        let sql = format!("SELECT {columns} FROM raw ORDER BY conversation_id");
        return Ok(engine.write(&sql, &output)?);
    }
    let ranked = "SELECT *, row_number() OVER (PARTITION BY conversation_id \
                  ORDER BY turn_count DESC, content_hash, file, line) AS place, \
                  first_value(content_hash) OVER (PARTITION BY conversation_id \
                  ORDER BY turn_count DESC, content_hash, file, line) AS kept_hash FROM raw";
    let lost = format!(
        "SELECT file, line, \"offset\", content_hash, kept_hash FROM ({ranked}) WHERE place > 1 ORDER BY file, line"
    );
    for batch in engine.collect(&lost)? {
        let (file, hash, kept) =
            (text(&batch, "file")?, text(&batch, "content_hash")?, text(&batch, "kept_hash")?);
        let (line, offset) =
            (batch.column(1).as_primitive::<UInt64Type>(), batch.column(2).as_primitive::<UInt64Type>());
        for row in 0..batch.num_rows() {
            if hash.value(row) == kept.value(row) {
                summary.repeated += 1;
                continue;
            }
            summary.conflicting += 1;
            rejects.write(&Reject {
                file: file.value(row).to_owned(),
                line: line.value(row),
                offset: offset.value(row),
                reason: "another record has this conversation_id; the one with most turns is kept".into(),
            })?;
        }
    }
    let sql = format!("SELECT {columns} FROM ({ranked}) WHERE place = 1 ORDER BY conversation_id");
    Ok(engine.write(&sql, &output)?)
}

fn activity(
    plan: &Plan,
    draft: &RunDraft,
    rejects: &mut Rejects,
    progress: &Progress,
) -> Result<Option<ActivityFacts>, PipelineError> {
    let Some(path) = &plan.activity else { return Ok(None) };
    let mut failed = None;
    let mut reject = |reject: Reject| {
        if let Err(error) = rejects.write(&reject) {
            failed.get_or_insert(error);
        }
    };
    let output = draft.path("staging/activity.parquet");
    let found = read_activity(path, &plan.activity_columns, plan.zone, &output, &mut reject, progress)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let all = found.rows + found.rejected;
    if found.rejected as f64 > plan.max_reject_share * all as f64 {
        return Err(PipelineError::TooManyRejects {
            rejected: found.rejected,
            records: all,
            allowed: plan.max_reject_share,
            examples: rejects.last.clone(),
        });
    }
    Ok(Some(ActivityFacts {
        rows: found.rows,
        users: found.users,
        rejected: found.rejected,
        zoneless: found.zoneless,
        truncated: found.truncated,
    }))
}

/// Takes what readers find to the raw table and to `rejects.jsonl`.
struct Intake<'a> {
    plan: &'a Plan,
    file: Arc<str>,
    rows: Vec<RawRow>,
    bytes: usize,
    writer: TableWriter,
    parts: Parts,
    rejects: Rejects,
    examples: Vec<Reject>,
    summary: ReadSummary,
    progress: &'a Progress,
}

impl<'a> Intake<'a> {
    fn create(
        plan: &'a Plan,
        draft: &RunDraft,
        raw: PathBuf,
        progress: &'a Progress,
    ) -> Result<Intake<'a>, PipelineError> {
        Ok(Intake {
            plan,
            file: "".into(),
            rows: Vec::with_capacity(BATCH_ROWS),
            bytes: 0,
            writer: TableWriter::create(&raw, raw_schema())?,
            parts: Parts::new(draft.path("staging/parts.parquet")),
            rejects: Rejects::create(draft)?,
            examples: Vec::new(),
            summary: ReadSummary::default(),
            progress,
        })
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        let columns = raw_columns(&self.rows);
        self.rows.clear();
        self.bytes = 0;
        self.writer.write_columns(columns).map_err(|e| ReadError::Sink(Box::new(e)))
    }

    fn is_wanted(&self, started_at: Option<DateTime<Utc>>) -> bool {
        let date = started_at.map(|at| at.with_timezone(&self.plan.zone).date_naive());
        let limit = |limit: Option<NaiveDate>, keep: fn(&NaiveDate, &NaiveDate) -> bool| {
            limit.is_none_or(|limit| date.is_some_and(|date| keep(&date, &limit)))
        };
        limit(self.plan.since, NaiveDate::ge) && limit(self.plan.until, NaiveDate::le)
    }
}

impl Sink for Intake<'_> {
    fn conversation(&mut self, place: Place, conversation: Conversation) -> Result<(), ReadError> {
        if !self.is_wanted(conversation.started_at) {
            self.summary.outside += 1;
            return Ok(());
        }
        self.bytes += conversation.turns.iter().map(|turn| turn.text.len() + 32).sum::<usize>();
        let content_hash = content_hash(&conversation);
        self.rows.push(RawRow { conversation, content_hash, file: self.file.clone(), place });
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn part(&mut self, place: Place, part: Part) -> Result<(), ReadError> {
        self.parts.push(part, self.file.clone(), place).map_err(|e| ReadError::Sink(Box::new(e)))
    }

    fn reject(&mut self, reject: Reject) -> Result<(), ReadError> {
        self.rejects.write(&reject).map_err(|e| ReadError::Sink(Box::new(e)))?;
        self.summary.rejected += u64::from(!reject.is_cut_off());
        if self.examples.len() < EXAMPLES {
            self.examples.push(reject);
        }
        Ok(())
    }

    fn oddity(&mut self, oddity: Oddity) {
        *self.summary.oddities.entry(oddity.name().to_owned()).or_default() += 1;
    }

    fn consumed(&mut self, bytes: u64) {
        self.progress.advance(bytes);
    }
}

/// `rejects.jsonl`
struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    last: Vec<Reject>,
}

impl Rejects {
    fn create(draft: &RunDraft) -> Result<Rejects, RunError> {
        let path = draft.path("rejects.jsonl");
        let file = File::create(&path).map_err(|source| RunError::Io { path: path.clone(), source })?;
        Ok(Rejects { path, file: BufWriter::new(file), last: Vec::new() })
    }

    fn write(&mut self, reject: &Reject) -> Result<(), RunError> {
        if self.last.len() < EXAMPLES {
            self.last.push(reject.clone());
        }
        let line = serde_json::to_string(reject)
            .map_err(|source| RunError::Json { path: self.path.clone(), source })?;
        writeln!(self.file, "{line}").map_err(|source| RunError::Io { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), RunError> {
        self.file.flush().map_err(|source| RunError::Io { path: self.path.clone(), source })
    }
}
