//! From file patterns to conversations: which files, in what format, record by record.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::container::{decompressed, open};
use super::fields::{Context, Mapping};
use super::format::Format;
use super::record::{Ending, MAX_RECORD_BYTES, Record, Records};
use super::{CUT_OFF, Oddity, Place, ReadError, Reject, Sink};

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
    let mut reader = FileReader { file: file.name(), format: params.format, params, sink };
    let start = Place { line: 1, offset: 0 };
    if let Some(reason) = container.stream.fill_buf().ok().and_then(foreign) {
        reader.reject(start, reason.into())?;
        return Ok(None);
    }
    let mut records = match Records::new(container.stream) {
        Ok(records) => records,
        // Not one byte could be decompressed: the file was cut in its header.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            reader.cut_off(start, &error.to_string())?;
            return Ok(None);
        }
        Err(error) => return Err(io_error(&file.path, error)),
    };
    let (mut told, mut last) = (0, 0);
    while let Some(record) = records.next_record().map_err(|e| io_error(&file.path, e))? {
        last = record.place.line;
        reader.record(record)?;
        let consumed = container.consumed.load(Ordering::Relaxed);
        reader.sink.consumed(consumed - told);
        told = consumed;
    }
    if let Some(reason) = &records.broken {
        reader.cut_off(Place { line: last + 1, offset: records.offset() }, reason)?;
    }
    if let Some(offset) = records.trailing {
        let reason = "text after the end of the array; one array a file, or one object a line";
        reader.reject(Place { line: last + 1, offset }, reason.into())?;
    }
    Ok(reader.format)
}

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

struct FileReader<'a> {
    file: String,
    format: Option<Format>,
    params: &'a ReadParams,
    sink: &'a mut dyn Sink,
}

impl FileReader<'_> {
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
            self.format = Format::recognise(object);
        }
        let Some(format) = self.format else {
            let reason = "no reader knows this record: it has none, or several, of `turns`, `messages` \
                          and `conversations` as arrays";
            return self.reject(place, reason.into());
        };
        let mut context = Context { zone: self.params.zone, mapping: &self.params.mapping, oddities };
        let draft = match format.read(object, &mut context) {
            Ok(draft) => draft,
            Err(reason) => return self.reject(place, format!("{reason} (format `{}`)", format.name())),
        };
        if draft.turns.is_empty() {
            return self.reject(place, "the conversation has no turn of a known role".into());
        }
        let conversation = draft.finish(&mut context);
        for oddity in context.oddities {
            self.sink.oddity(oddity);
        }
        self.sink.conversation(place, conversation)
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
