//! Labelled data for `evaluate`: the only reader that looks at labels.

use std::io::Read;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::container::open;
use super::fields::{Context, Mapping};
use super::format::{Format, Found};
use super::record::Records;
use crate::conversation::{Conversation, Role, Turn};

/// A conversation (or a single text as one) with its label.
#[derive(Debug, Clone)]
pub struct Example {
    /// What is scored.
    pub conversation: Conversation,
    /// The truth.
    pub label: String,
}

/// Labelled data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelledError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record is not what it should be.
    #[error("{}: record {record}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        record: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Not one row is left.
    #[error("{}: no row has the label `{label}`{}", path.display(), split.as_ref().map(|s| format!(" in split `{s}`")).unwrap_or_default())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// The label looked for.
        label: String,
        /// The split looked for.
        split: Option<String>,
    },
}

/// Reads CSV or JSON Lines with `text` and `label`, or conversations with `labels.<label>`; plain,
/// gzip or zstd. `split` keeps rows whose `split` is that word.
pub fn read_examples(path: &Path, label: &str, split: Option<&str>) -> Result<Vec<Example>, LabelledError> {
    let io = |source| LabelledError::Io { path: path.to_owned(), source };
    let container = open(path).map_err(io)?;
    let name = path.to_string_lossy();
    let is_csv = name.trim_end_matches(".gz").trim_end_matches(".zst").ends_with(".csv");
    let examples = if is_csv {
        from_csv(path, container.stream, label, split)?
    } else {
        from_json(path, Records::new(container.stream).map_err(io)?, label, split)?
    };
    if examples.is_empty() {
        let split = split.map(str::to_owned);
        return Err(LabelledError::Nothing { path: path.to_owned(), label: label.to_owned(), split });
    }
    Ok(examples)
}

fn from_csv(
    path: &Path,
    stream: impl Read,
    label: &str,
    split: Option<&str>,
) -> Result<Vec<Example>, LabelledError> {
    let wrong = |record, reason: String| LabelledError::Record { path: path.to_owned(), record, reason };
    let mut reader = csv::Reader::from_reader(stream);
    let headers = reader.headers().map_err(|e| wrong(0, e.to_string()))?.clone();
    let find = |name: &str| headers.iter().position(|header| header == name);
    let need = |name: &str| {
        let have = headers.iter().collect::<Vec<&str>>().join(", ");
        find(name).ok_or_else(|| wrong(0, format!("no column `{name}`; there are: {have}")))
    };
    let (text, label, in_split) = (need("text")?, need(label)?, find("split"));
    let mut examples = Vec::new();
    for (record, row) in (1..).zip(reader.records()) {
        let row = row.map_err(|e| wrong(record, e.to_string()))?;
        if split.is_some() && in_split.and_then(|at| row.get(at)) != split {
            continue;
        }
        if let (Some(text), Some(label)) = (row.get(text), row.get(label)) {
            examples.push(Example { conversation: single(text, record), label: label.to_owned() });
        }
    }
    Ok(examples)
}

fn from_json(
    path: &Path,
    mut records: Records,
    label: &str,
    split: Option<&str>,
) -> Result<Vec<Example>, LabelledError> {
    let mut examples = Vec::new();
    while let Some(record) =
        records.next_record().map_err(|source| LabelledError::Io { path: path.to_owned(), source })?
    {
        let number = record.place.line;
        let wrong = |reason: String| LabelledError::Record { path: path.to_owned(), record: number, reason };
        let object: Map<String, Value> = serde_json::from_slice(&record.bytes)
            .map_err(|e| wrong(format!("not a JSON object, column {}", e.column())))?;
        let labels = object.get("labels");
        let value = |name: &str| labels.and_then(|l| l.get(name)).or_else(|| object.get(name)).and_then(word);
        if split.is_some() && value("split").as_deref() != split {
            continue;
        }
        let Some(label) = value(label) else { continue };
        examples.push(Example { conversation: conversation(&object, number).map_err(wrong)?, label });
    }
    Ok(examples)
}

fn conversation(object: &Map<String, Value>, number: u64) -> Result<Conversation, String> {
    if let Some(text) = object.get("text").and_then(Value::as_str) {
        return Ok(single(text, number));
    }
    let mapping = Mapping::default();
    let format = Format::recognise(object, &mapping).ok_or("neither `text` nor a conversation")?;
    let mut context = Context { zone: Tz::UTC, mapping: &mapping, oddities: Vec::new() };
    match format.read(object, &mut context)? {
        Found::Whole(draft) => Ok(draft.finish(&mut context)),
        Found::Parts(_) => Err(format!("format `{}` spreads a conversation over records", format.name())),
    }
}

fn single(text: &str, number: u64) -> Conversation {
    Conversation {
        id: format!("row-{number}"),
        user_id: None,
        started_at: None,
        turns: vec![Turn { role: Role::User, text: text.to_owned(), at: None }],
        metadata: Default::default(),
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
