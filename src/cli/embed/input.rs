//! Texts of a stream of lines or of a Parquet table, some at a time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use serde_json::{Map, Value};

use crate::cli::CliError;
use crate::read::text_stream;
use crate::table::{TableError, batches, column};

/// A text, with the other fields of the object it came in.
pub struct Item {
    /// What is encoded.
    pub text: String,
    /// The line's object; `None` for a plain line and for a table's row.
    pub object: Option<Map<String, Value>>,
}

/// Where texts come from.
pub enum Source {
    /// One a line; a line that is a JSON object gives its `text`.
    Lines(Box<dyn BufRead>, u64),
    /// The column `text`; rows read and not yet handed out.
    Table(Box<dyn Iterator<Item = Result<RecordBatch, TableError>>>, Vec<Item>),
}

impl Source {
    /// `-` is standard input; a Parquet file is a table; everything else lines, by gzip or zstd or plain.
    pub fn open(path: &Path) -> Result<Source, CliError> {
        let bad = |e| CliError::BadInput(format!("{}: {e}", path.display()));
        if path.as_os_str() == "-" {
            let lines = text_stream(BufReader::new(std::io::stdin()));
            return Ok(Source::Lines(
                lines.map_err(|e| CliError::BadInput(format!("standard input: {e}")))?,
                0,
            ));
        }
        let mut file = BufReader::new(File::open(path).map_err(bad)?);
        if path.extension().is_some_and(|extension| extension == "parquet")
            || file.fill_buf().map_err(bad)?.starts_with(b"PAR1")
        {
            let rows = batches(path).map_err(CliError::bad_input)?;
            return Ok(Source::Table(Box::new(rows), Vec::new()));
        }
        Ok(Source::Lines(text_stream(file).map_err(bad)?, 0))
    }

    /// Up to `count` texts; none at the end.
    pub fn next(&mut self, count: usize) -> Result<Vec<Item>, CliError> {
        match self {
            Source::Lines(lines, read) => next_lines(lines, read, count),
            Source::Table(batches, waiting) => {
                while waiting.len() < count {
                    let Some(batch) = batches.next() else { break };
                    waiting.extend(rows(&batch.map_err(CliError::bad_input)?)?);
                }
                let rest = waiting.split_off(count.min(waiting.len()));
                Ok(std::mem::replace(waiting, rest))
            }
        }
    }
}

/// The column `text`, of any string type; null is an empty text.
fn rows(batch: &RecordBatch) -> Result<Vec<Item>, CliError> {
    let texts = column(batch, "text").map_err(CliError::bad_input)?;
    let texts = cast(texts, &DataType::Utf8).map_err(CliError::bad_input)?;
    let item = |text: Option<&str>| Item { text: text.unwrap_or("").to_owned(), object: None };
    Ok(texts.as_string::<i32>().iter().map(item).collect())
}

fn next_lines(lines: &mut Box<dyn BufRead>, read: &mut u64, count: usize) -> Result<Vec<Item>, CliError> {
    let mut items = Vec::new();
    let mut line = Vec::new();
    while items.len() < count {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(CliError::failed)? == 0 {
            break;
        }
        *read += 1;
        let text = String::from_utf8_lossy(&line);
        items.push(item(text.trim_end_matches(['\n', '\r']), *read)?);
    }
    Ok(items)
}

fn item(line: &str, number: u64) -> Result<Item, CliError> {
    // Exports from Windows begin with a byte order mark.
    let line = line.trim_start_matches('\u{feff}');
    if !line.trim_start().starts_with('{') {
        return Ok(Item { text: line.to_owned(), object: None });
    }
    let object: Map<String, Value> = serde_json::from_str(line)
        .map_err(|e| CliError::BadInput(format!("line {number}: not JSON at column {}", e.column())))?;
    let text = object.get("text").and_then(Value::as_str);
    let text = text.ok_or_else(|| CliError::BadInput(format!("line {number}: the object has no `text`")))?;
    Ok(Item { text: text.to_owned(), object: Some(object) })
}
