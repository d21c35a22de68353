//! The activity table: who used the product when. CSV or Parquet in, one normalised Parquet out.

mod parquet;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use csv::{ByteRecord, ErrorKind, Position};
use datafusion::arrow::array::{StringBuilder, TimestampMillisecondBuilder};
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

use super::time::parse_time;
use super::{Place, Reject, container};
use crate::progress::Progress;
use crate::table::{BATCH_ROWS, TableError, TableWriter, schema};
use parquet::read_parquet;

/// What the columns are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityColumns {
    /// Who; must exist.
    pub user_id: String,
    /// When; must exist.
    pub at: String,
    /// What they did; may be absent under its default name only.
    pub event: String,
}

impl Default for ActivityColumns {
    fn default() -> ActivityColumns {
        let [user_id, at, event] = ["user_id", "at", "event"].map(str::to_owned);
        ActivityColumns { user_id, at, event }
    }
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivitySummary {
    /// Rows written.
    pub rows: u64,
    /// Distinct users among them (counted by 64-bit hashes: exact but for one in 10^7 chance at
    /// a million users).
    pub users: u64,
    /// Rows left out, each handed to the callback with its reason.
    pub rejected: u64,
    /// Rows whose time named no zone and was taken as local.
    pub zoneless: u64,
    /// Earliest time.
    pub first: Option<DateTime<Utc>>,
    /// Latest time.
    pub last: Option<DateTime<Utc>>,
    /// True when a compressed file ends in the middle: the rows before the cut were read.
    pub truncated: bool,
}

/// An activity table that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ActivityError {
    /// The file is missing, or reading it failed.
    #[error("activity table {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A column is not there.
    #[error("activity table {}: no column `{column}`; it has: {}{} (name your columns in [input.activity_columns])",
        path.display(), list(present), hint(nearest))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column looked for.
        column: String,
        /// The columns there are.
        present: Vec<String>,
        /// The one most like it, if any is.
        nearest: Option<String>,
    },
    /// A column whose type cannot be what it is said to be.
    #[error("activity table {}: column `{column}` holds {found}, not {expected}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// Damaged Parquet, or the output could not be written.
    #[error(transparent)]
    Table(#[from] TableError),
}

fn list(present: &[String]) -> String {
    if present.is_empty() { "none, the file is empty".to_owned() } else { present.join(", ") }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(". Did you mean `{name}`?")).unwrap_or_default()
}

/// Reads an activity table and writes it to `output` as Parquet rows user_id (utf8), at
/// (timestamp(ms, UTC)), event (utf8, nullable), in the order of the file.
///
/// CSV with a header, plain, gzip or zstd, or Parquet: told apart by their first bytes. Times as
/// `parse_time` reads them, zone-less ones in `zone`. Bad rows go to `reject` and reading goes on;
/// in Parquet their line is the row number and their offset 0. Memory grows with distinct users (8 bytes each),
/// not with rows.
pub fn read_activity(
    path: &Path,
    columns: &ActivityColumns,
    zone: Tz,
    output: &Path,
    reject: &mut dyn FnMut(Reject),
    progress: &Progress,
) -> Result<ActivitySummary, ActivityError> {
    let io = |source| ActivityError::Io { path: path.to_owned(), source };
    let mut stream = container::open(path).map_err(io)?.stream;
    let is_parquet = stream.fill_buf().map_err(io)?.starts_with(b"PAR1");
    progress.begin("activity", None, "rows");
    let mut sink = Sink::create(path, output, reject, progress)?;
    if is_parquet {
        read_parquet(path, columns, zone, &mut sink)?;
    } else {
        read_csv(stream, path, columns, zone, &mut sink)?;
    }
    sink.finish()
}

/// Takes good rows to the table and bad ones to the callback, and counts both.
pub(super) struct Sink<'a> {
    file: String,
    writer: TableWriter,
    reject: &'a mut dyn FnMut(Reject),
    progress: &'a Progress,
    users: StringBuilder,
    times: TimestampMillisecondBuilder,
    events: StringBuilder,
    pending: usize,
    seen: HashSet<u64>,
    summary: ActivitySummary,
}

impl<'a> Sink<'a> {
    fn create(
        path: &Path,
        output: &Path,
        reject: &'a mut dyn FnMut(Reject),
        progress: &'a Progress,
    ) -> Result<Sink<'a>, TableError> {
        let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let schema = schema(vec![
            Field::new("user_id", DataType::Utf8, false),
            Field::new("at", instant, false),
            Field::new("event", DataType::Utf8, true),
        ]);
        Ok(Sink {
            file: path.display().to_string(),
            writer: TableWriter::create(output, schema)?,
            reject,
            progress,
            users: StringBuilder::new(),
            times: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            events: StringBuilder::new(),
            pending: 0,
            seen: HashSet::new(),
            summary: ActivitySummary::default(),
        })
    }

    /// Writes one row.
    pub(super) fn keep(
        &mut self,
        user: &str,
        (at, zoneless): (DateTime<Utc>, bool),
        event: Option<&str>,
    ) -> Result<(), TableError> {
        self.users.append_value(user);
        self.times.append_value(at.timestamp_millis());
        self.events.append_option(event);
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        self.seen.insert(hasher.finish());
        self.summary.rows += 1;
        self.summary.zoneless += u64::from(zoneless);
        self.summary.first = Some(self.summary.first.map_or(at, |first| first.min(at)));
        self.summary.last = self.summary.last.max(Some(at));
        self.pending += 1;
        if self.pending == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Leaves one row out.
    pub(super) fn refuse(&mut self, place: Place, reason: String) {
        self.summary.rejected += 1;
        let Place { line, offset } = place;
        (self.reject)(Reject { file: self.file.clone(), line, offset, reason });
    }

    fn flush(&mut self) -> Result<(), TableError> {
        self.progress.advance(self.pending as u64);
        self.pending = 0;
        self.writer.write_columns(vec![
            Arc::new(self.users.finish()),
            Arc::new(self.times.finish()),
            Arc::new(self.events.finish()),
        ])
    }

    fn finish(mut self) -> Result<ActivitySummary, ActivityError> {
        self.flush()?;
        self.writer.finish()?;
        self.summary.users = self.seen.len() as u64;
        let ActivitySummary { rows, users, rejected, .. } = self.summary;
        self.progress.finish(&format!("{rows} rows of {users} users, {rejected} rejected"));
        Ok(self.summary)
    }
}

/// Positions of the mapped columns among `present`.
pub(super) fn locate(
    path: &Path,
    columns: &ActivityColumns,
    present: &[String],
) -> Result<(usize, usize, Option<usize>), ActivityError> {
    let find = |column: &str| {
        present.iter().position(|name| name == column).ok_or_else(|| ActivityError::MissingColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            present: present.to_vec(),
            nearest: nearest(column, present),
        })
    };
    let event = match find(&columns.event) {
        Err(error) if columns.event != ActivityColumns::default().event => return Err(error),
        event => event.ok(),
    };
    Ok((find(&columns.user_id)?, find(&columns.at)?, event))
}

fn nearest(wanted: &str, present: &[String]) -> Option<String> {
    let likeness = |name: &String| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
    let best = present.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= 0.7).then(|| best.clone())
}

fn read_csv(
    text: impl Read,
    path: &Path,
    columns: &ActivityColumns,
    zone: Tz,
    sink: &mut Sink<'_>,
) -> Result<(), ActivityError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(text);
    let header = reader.byte_headers().cloned().map_err(|error| csv_error(path, error))?;
    let name = |field: &[u8]| String::from_utf8_lossy(field).trim().to_owned();
    let located = locate(path, columns, &header.iter().map(name).collect::<Vec<_>>())?;
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let place = place(record.position().unwrap_or(reader.position()));
                match read_record(&record, header.len(), located, zone) {
                    Ok((user, at, event)) => sink.keep(user, at, event)?,
                    Err(reason) => sink.refuse(place, reason),
                }
            }
            Err(error) if is_cut(&error) => {
                sink.summary.truncated = true;
                let reason = "the file ends in the middle; everything before was read".to_owned();
                sink.refuse(place(reader.position()), reason);
                return Ok(());
            }
            Err(error) => return Err(csv_error(path, error)),
        }
    }
}

type Row<'a> = (&'a str, (DateTime<Utc>, bool), Option<&'a str>);

fn read_record(
    record: &ByteRecord,
    width: usize,
    (user, at, event): (usize, usize, Option<usize>),
    zone: Tz,
) -> Result<Row<'_>, String> {
    if record.len() != width {
        return Err(format!("{} fields where the header has {width}", record.len()));
    }
    let field = |index: usize, name: &str| {
        std::str::from_utf8(&record[index]).map_err(|_| format!("{name} is not valid UTF-8"))
    };
    let user = field(user, "user_id")?;
    if user.trim().is_empty() {
        return Err("user_id is empty".to_owned());
    }
    let stamp = field(at, "time")?;
    let at = parse_time(stamp, zone).ok_or_else(|| no_time(stamp.trim().is_empty()))?;
    let event = event.map(|index| field(index, "event")).transpose()?;
    Ok((user.trim(), at, event.filter(|event| !event.is_empty())))
}

/// The reason for rejecting a row whose time cannot be read. It does not quote the field: in a
/// row with a stray separator that may be anybody's text.
pub(super) fn no_time(is_empty: bool) -> String {
    let found = if is_empty {
        "the time is empty"
    } else {
        "the time is in no form known, before 2000 or in the future"
    };
    format!("{found}; expected e.g. 2026-03-01T12:00:00Z or epoch seconds")
}

fn place(position: &Position) -> Place {
    Place { line: position.line(), offset: position.byte() }
}

fn is_cut(error: &csv::Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(source)
        if source.kind() == std::io::ErrorKind::UnexpectedEof)
}

fn csv_error(path: &Path, error: csv::Error) -> ActivityError {
    let path = path.to_owned();
    match error.into_kind() {
        ErrorKind::Io(source) => ActivityError::Io { path, source },
        other => {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{other:?}"));
            ActivityError::Io { path, source }
        }
    }
}
