//! Values out of JSON records: dotted paths, ids, times, metadata, message contents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Oddity;
use super::time::{epoch, parse_time};

/// Where a format without fixed names keeps its ids and times; dotted paths such as
/// `metadata.thread_id`. An empty list keeps the format's usual places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// The conversation's id.
    pub conversation_id: Vec<String>,
    /// The user's id.
    pub user_id: Vec<String>,
    /// When the conversation began.
    pub started_at: Vec<String>,
    /// When a message was sent, within the message.
    pub at: Vec<String>,
    /// Who said it, in a table of turns.
    pub role: Vec<String>,
    /// What was said, in a table of turns.
    pub text: Vec<String>,
    /// The turn's number within the conversation, in a table of turns.
    pub turn: Vec<String>,
}

/// What a reader needs to understand one record.
pub struct Context<'a> {
    /// Zone of times that name none.
    pub zone: Tz,
    /// Places of ids and times.
    pub mapping: &'a Mapping,
    /// Oddities seen in this record.
    pub oddities: Vec<Oddity>,
}

impl Context<'_> {
    /// Notes an oddity.
    pub fn note(&mut self, oddity: Oddity) {
        self.oddities.push(oddity);
    }

    /// A time from a JSON value: text or an epoch number.
    pub fn time(&mut self, value: Option<&Value>) -> Option<DateTime<Utc>> {
        self.parse(value, None)
    }

    /// The same where the format says in which zone its stamps are.
    pub fn time_in(&mut self, value: Option<&Value>, zone: Tz) -> Option<DateTime<Utc>> {
        self.parse(value, Some(zone))
    }

    fn parse(&mut self, value: Option<&Value>, known: Option<Tz>) -> Option<DateTime<Utc>> {
        let parsed = match value? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => parse_time(text, known.unwrap_or(self.zone)),
            Value::Number(number) => number.as_f64().and_then(epoch).map(|at| (at, false)),
            _ => None,
        };
        match parsed {
            Some((at, zoneless)) => {
                if zoneless && known.is_none() {
                    self.note(Oddity::ZonelessTime);
                }
                Some(at)
            }
            None => {
                self.note(Oddity::BadTime);
                None
            }
        }
    }

    /// A text as we keep it: without NUL bytes.
    pub fn clean(&mut self, text: &str) -> String {
        if text.contains('\0') {
            self.note(Oddity::NulByte);
            return text.replace('\0', "");
        }
        text.to_owned()
    }

    /// A message's content: text, or parts of which those that are not text become placeholders.
    pub fn content(&mut self, value: Option<&Value>) -> String {
        match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => self.clean(text),
            Some(Value::Array(parts)) => {
                let texts: Vec<String> = parts.iter().map(|part| self.part(part)).collect();
                texts.join("\n")
            }
            Some(other) => {
                self.note(Oddity::NonText);
                self.clean(&other.to_string())
            }
        }
    }

    fn part(&mut self, part: &Value) -> String {
        if let Value::String(text) = part {
            return self.clean(text);
        }
        if let Some(text) = ["text", "refusal"].iter().find_map(|key| part.get(key)?.as_str()) {
            return self.clean(text);
        }
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("part");
        if kind == "text" {
            return self.content(part.get("content"));
        }
        self.note(Oddity::NonText);
        let word = match kind {
            k if k.contains("image") => "image",
            k if k.contains("audio") => "audio",
            k if k.contains("file") => "file",
            k if k.contains("tool") || k.contains("function") => "tool call",
            _ => "attachment",
        };
        format!("[{word}]")
    }
}

/// The first of `paths` that leads to a value other than null.
pub fn find<'a>(record: &'a Map<String, Value>, paths: &[&str]) -> Option<&'a Value> {
    paths.iter().find_map(|path| {
        let mut steps = path.split('.');
        let first = record.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step)).filter(|value| !value.is_null())
    })
}

/// The mapped paths if there are any, else the usual ones.
pub fn paths<'a>(mapped: &'a [String], usual: &[&'a str]) -> Vec<&'a str> {
    if mapped.is_empty() { usual.to_vec() } else { mapped.iter().map(String::as_str).collect() }
}

/// An id: text or a number; empty text is no id.
pub fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.replace('\0', "")),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Scalars of the record (and of its `metadata` object) that are none of `known`.
///
/// `labels` is never read: it is the truth that `evaluate` scores against.
pub fn metadata(record: &Map<String, Value>, known: &[&str]) -> BTreeMap<String, String> {
    let mut all = scalars(record, known);
    if let Some(nested) = record.get("metadata").and_then(Value::as_object) {
        all.extend(scalars(nested, known));
    }
    all
}

/// Scalars of an object that are none of `known`.
pub fn scalars(object: &Map<String, Value>, known: &[&str]) -> BTreeMap<String, String> {
    let all = object.iter();
    all.filter(|(key, _)| !known.contains(&key.as_str()) && *key != "labels" && *key != "metadata")
        .filter_map(|(key, value)| Some((key.clone(), scalar(value)?)))
        .collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() <= 256 => Some(text.replace('\0', "")),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
