//! From file patterns to conversations: which files, in what format, record by record.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::columns;
use super::container::{Container, Unpacked, decompressed, open};
use super::fields::{Context, Mapping};
use super::format::{Format, Found};
use super::record::{Ending, MAX_RECORD_BYTES, Record, Records};
use super::rows::{Row, Rows, separator};
use super::{CUT_OFF, Oddity, Place, ReadError, Reject, Sink};
use crate::table::TableError;

/// How conversations are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadParams {
    /// `None`: by the content of each file's first readable record.
    pub format: Option<Format>,
    /// Zone of times that name none.
    pub zone: Tz,
    /// Places of ids and times.
    pub mapping: Mapping,
}

impl Default for ReadParams {
    fn default() -> ReadParams {
        ReadParams { format: None, zone: Tz::UTC, mapping: Mapping::default() }
    }
}

/// One input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as matched.
    pub path: PathBuf,
    /// Its size on disk, bytes.
    pub bytes: u64,
}

impl SourceFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// The files that `patterns` match, each once, in order of name.
pub fn expand(patterns: &[String]) -> Result<Vec<SourceFile>, ReadError> {
    let mut files = Vec::new();
    for pattern in patterns {
        let matches = glob::glob(pattern)
            .map_err(|e| ReadError::Pattern { pattern: pattern.clone(), reason: e.msg.to_owned() })?;
        let mut found = false;
        for path in matches {
            let path = path.map_err(|e| io_error(e.path(), io::Error::from(e.error().kind())))?;
            let facts = std::fs::metadata(&path).map_err(|e| io_error(&path, e))?;
            if facts.is_file() {
                found = true;
                files.push(SourceFile { path, bytes: facts.len() });
            }
        }
        if !found {
            return Err(ReadError::NoMatch(pattern.clone()));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

/// Streams one file's conversations, rejects and oddities into `sink`; returns its format, `None`
/// for a file without a record.
pub fn read_file(
    file: &SourceFile,
    params: &ReadParams,
    sink: &mut dyn Sink,
) -> Result<Option<Format>, ReadError> {
    let mut container = open(&file.path).map_err(|e| io_error(&file.path, e))?;
    let reader = FileReader { file: file.name(), format: params.format, params, sink };
    let start = container.stream.fill_buf().unwrap_or_default();
    if start.starts_with(PARQUET) {
        return reader.parquet(file, container);
    }
    if let Some(reason) = foreign(start) {
        return reader.foreign(reason);
    }
    match separator(start) {
        Some(separator) => reader.table(file, container, separator),
        None => reader.json(file, container),
    }
}

/// How Parquet files begin.
const PARQUET: &[u8] = b"PAR1";

/// Exports from Windows begin with one.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// The lines that `stream` holds, compressed or not.
///
/// # Errors
/// The stream cannot be read, or its first bytes are those of something that is no text.
pub fn text_stream(stream: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut stream = decompressed(stream)?;
    match foreign(stream.fill_buf()?) {
        Some(reason) => Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
        None => Ok(stream),
    }
}

/// What the first bytes say the file is, when it is nothing we read as text.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("the file is UTF-16; convert it to UTF-8"),
        [b'P', b'K', 3, 4, ..] => Some("the file is a zip archive; unpack it, or compress with gzip or zstd"),
        [b'P', b'A', b'R', b'1', ..] => Some("the file is Parquet, not lines of text"),
        _ => None,
    }
}

/// Where a file begins.
const START: Place = Place { line: 1, offset: 0 };

/// Columns named in the reason of a record that no reader knows.
const NAMED: usize = 12;

/// Bytes read from disk that the sink has not been told of.
struct Told {
    consumed: Arc<AtomicU64>,
    told: u64,
}

impl Told {
    fn new(consumed: Arc<AtomicU64>) -> Told {
        Told { consumed, told: 0 }
    }

    fn more(&mut self) -> u64 {
        let consumed = self.consumed.load(Ordering::Relaxed);
        consumed - std::mem::replace(&mut self.told, consumed)
    }
}

/// Why the rows of a table end.
enum Stopped {
    Table(TableError),
    Sink(ReadError),
}

impl From<TableError> for Stopped {
    fn from(error: TableError) -> Stopped {
        Stopped::Table(error)
    }
}

/// An error without the path, which the reject has.
fn reason_of(error: &TableError) -> String {
    match error {
        TableError::Parquet { source, .. } => source.to_string(),
        TableError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

struct FileReader<'a> {
    file: String,
    format: Option<Format>,
    params: &'a ReadParams,
    sink: &'a mut dyn Sink,
}

impl FileReader<'_> {
    fn json(mut self, file: &SourceFile, container: Container) -> Result<Option<Format>, ReadError> {
        let mut told = Told::new(container.consumed);
        let mut records = match Records::new(container.stream) {
            Ok(records) => records,
            // Not one byte could be decompressed: the file was cut in its header.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.cut_off(START, &error.to_string())?;
                return Ok(None);
            }
            Err(error) => return Err(io_error(&file.path, error)),
        };
        let mut last = 0;
        while let Some(record) = records.next_record().map_err(|e| io_error(&file.path, e))? {
            last = record.place.line;
            self.record(record)?;
            self.sink.consumed(told.more());
        }
        if let Some(reason) = &records.broken {
            self.cut_off(Place { line: last + 1, offset: records.offset() }, reason)?;
        }
        if let Some(offset) = records.trailing {
            let reason = "text after the end of the array; one array a file, or one object a line";
            self.reject(Place { line: last + 1, offset }, reason.into())?;
        }
        Ok(self.format)
    }

    fn table(
        mut self,
        file: &SourceFile,
        container: Container,
        separator: u8,
    ) -> Result<Option<Format>, ReadError> {
        let failed = |error: csv::Error| io_error(&file.path, io::Error::from(error));
        let mut told = Told::new(container.consumed);
        let mut rows = Rows::new(container.stream, separator).map_err(failed)?;
        while let Some((place, row)) = rows.next_row().map_err(failed)? {
            match row {
                Row::Record(object, oddities) => self.object(place, &object, oddities)?,
                Row::Unusable(reason) => self.reject(place, reason)?,
                Row::CutOff(reason) => self.cut_off(place, &reason)?,
            }
            self.sink.consumed(told.more());
        }
        Ok(self.format)
    }

    /// Parquet is read from its end, so one inside gzip or zstd is unpacked beside the system's other
    /// temporary files first.
    fn parquet(mut self, file: &SourceFile, container: Container) -> Result<Option<Format>, ReadError> {
        let is_plain = {
            let mut magic = [0; 4];
            let read = File::open(&file.path).and_then(|mut plain| plain.read_exact(&mut magic));
            read.is_ok() && magic == *PARQUET
        };
        let unpacked = if is_plain { None } else { Some(Unpacked::create(container.stream)) };
        let unpacked = unpacked.transpose().map_err(|e| io_error(&file.path, e))?;
        let path = unpacked.as_ref().map_or(file.path.as_path(), |unpacked| &unpacked.0);
        let read = columns::read(path, |line, object| {
            self.object(Place { line, offset: 0 }, &object, Vec::new()).map_err(Stopped::Sink)
        });
        self.sink.consumed(file.bytes);
        match read {
            Ok(()) => {}
            // The footer is gone with the end of the file, and with it the way to every row.
            Err(Stopped::Table(error)) => {
                self.sink.oddity(Oddity::CutOff);
                self.reject(START, format!("damaged Parquet: {}", reason_of(&error)))?;
            }
            Err(Stopped::Sink(error)) => return Err(error),
        }
        Ok(self.format)
    }

    fn foreign(mut self, reason: &str) -> Result<Option<Format>, ReadError> {
        self.reject(START, reason.into())?;
        Ok(None)
    }

    fn record(&mut self, record: Record) -> Result<(), ReadError> {
        let place = record.place;
        if record.ending == Ending::TooLong {
            let limit = MAX_RECORD_BYTES >> 20;
            return self.reject(place, format!("the record is longer than {limit} MiB"));
        }
        let (mut bytes, mut oddities) = (record.bytes, Vec::new());
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if std::str::from_utf8(&bytes).is_err() {
            oddities.push(Oddity::InvalidUtf8);
            bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
        }
        if bytes.contains(&0) {
            oddities.push(Oddity::NulByte);
            bytes.retain(|byte| *byte != 0);
        }
        let value = match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => value,
            Err(error) if record.ending == Ending::AtEnd && error.is_eof() => {
                return self.cut_off(place, "the record is not finished");
            }
            Err(error) => return self.reject(place, json_reason(&error)),
        };
        match value {
            Value::Object(object) => self.object(place, &object, oddities),
            _ => self.reject(place, "not a JSON object; expected one conversation a record".into()),
        }
    }

    fn object(
        &mut self,
        place: Place,
        object: &Map<String, Value>,
        oddities: Vec<Oddity>,
    ) -> Result<(), ReadError> {
        if self.format.is_none() {
            self.format = Format::recognise(object, &self.params.mapping);
        }
        let Some(format) = self.format else {
            let names: Vec<&str> = object.keys().take(NAMED).map(String::as_str).collect();
            let reason = format!(
                "no reader knows this record: it has none, or several, of `turns`, `messages`, `conversations` and \
                 `conversation` as arrays, is no trace, run or span, and no turn with conversation_id, role and text \
                 (name its columns in [input.map]); it has: {}",
                names.join(", ")
            );
            return self.reject(place, reason);
        };
        let mut context = Context { zone: self.params.zone, mapping: &self.params.mapping, oddities };
        let found = match format.read(object, &mut context) {
            Ok(found) => found,
            Err(reason) => return self.reject(place, format!("{reason} (format `{}`)", format.name())),
        };
        match found {
            Found::Whole(draft) if draft.turns.is_empty() => {
                return self.reject(place, "the conversation has no turn of a known role".into());
            }
            Found::Whole(draft) => {
                let conversation = draft.finish(&mut context);
                self.sink.conversation(place, conversation)?;
            }
            Found::Parts(parts) => {
                for part in parts {
                    self.sink.part(place, part)?;
                }
            }
        }
        for oddity in context.oddities {
            self.sink.oddity(oddity);
        }
        Ok(())
    }

    fn reject(&mut self, place: Place, reason: String) -> Result<(), ReadError> {
        let Place { line, offset } = place;
        self.sink.reject(Reject { file: self.file.clone(), line, offset, reason })
    }

    fn cut_off(&mut self, place: Place, why: &str) -> Result<(), ReadError> {
        self.sink.oddity(Oddity::CutOff);
        self.reject(place, format!("{CUT_OFF}: {why}; every record before it was read"))
    }
}

/// serde_json's message without the values it may quote.
fn json_reason(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "the record ends in the middle",
        _ => "not valid JSON",
    };
    format!("{what} at column {}; expected one JSON object", error.column())
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { file: path.display().to_string(), source }
}
