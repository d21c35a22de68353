//! Which format a record is in, and what every format has in common once read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::fields::Context;
use super::{Oddity, canonical, openai, sharegpt};
use crate::conversation::{Conversation, Role, Turn};

/// Formats of conversation records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `turns[{role, text, at}]`.
    Canonical,
    /// `messages[{role, content}]`.
    OpenAi,
    /// `conversations[{from, value}]`.
    ShareGpt,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Canonical, Format::OpenAi, Format::ShareGpt];

    /// Its name in the config.
    pub fn name(self) -> &'static str {
        match self {
            Format::Canonical => "canonical",
            Format::OpenAi => "openai",
            Format::ShareGpt => "sharegpt",
        }
    }

    /// Names of all formats.
    pub fn names() -> Vec<&'static str> {
        Format::ALL.iter().map(|format| format.name()).collect()
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format whose own key the record has; `None` when it has none, or those of two.
    pub fn recognise(record: &Map<String, Value>) -> Option<Format> {
        let has = |key: &str| record.get(key).is_some_and(Value::is_array);
        match (has("turns"), has("messages"), has("conversations")) {
            (true, false, false) => Some(Format::Canonical),
            (false, true, false) => Some(Format::OpenAi),
            (false, false, true) => Some(Format::ShareGpt),
            _ => None,
        }
    }

    /// Reads one record of this format.
    pub fn read(self, record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Draft, String> {
        match self {
            Format::Canonical => canonical::read(record, context),
            Format::OpenAi => openai::read(record, context),
            Format::ShareGpt => sharegpt::read(record, context),
        }
    }
}

/// A conversation being read, before the rules that hold for every format.
#[derive(Debug)]
pub struct Draft {
    /// Its id, if the record has one.
    pub id: Option<String>,
    /// Its user, if known.
    pub user_id: Option<String>,
    /// When it began, if the record says.
    pub started_at: Option<DateTime<Utc>>,
    /// Turns so far.
    pub turns: Vec<Turn>,
    /// Free columns.
    pub metadata: BTreeMap<String, String>,
}

impl Draft {
    /// Appends a turn; one of an unknown role is left out and counted.
    pub fn push(&mut self, role: &str, text: String, at: Option<DateTime<Utc>>, context: &mut Context<'_>) {
        let Some(role) = Role::parse(role) else {
            context.note(Oddity::UnknownRole);
            return;
        };
        if text.trim().is_empty() {
            context.note(Oddity::EmptyTurn);
        }
        let last = self.turns.iter().rev().find_map(|turn| turn.at);
        if at.zip(last).is_some_and(|(now, before)| now < before) {
            context.note(Oddity::ClockBackwards);
        }
        self.turns.push(Turn { role, text, at });
    }

    /// The conversation: a start from its first timed turn, an id from its content where missing.
    pub fn finish(self, context: &mut Context<'_>) -> Conversation {
        let started_at = self.started_at.or_else(|| self.turns.iter().find_map(|turn| turn.at));
        let mut conversation = Conversation {
            id: String::new(),
            user_id: self.user_id,
            started_at,
            turns: self.turns,
            metadata: self.metadata,
        };
        conversation.id = self.id.unwrap_or_else(|| {
            context.note(Oddity::MadeId);
            format!("made-{}", &content_hash(&conversation)[..16])
        });
        conversation
    }
}

/// blake3 over everything a conversation says, hexadecimal.
pub fn content_hash(conversation: &Conversation) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    field(&conversation.id);
    field(conversation.user_id.as_deref().unwrap_or(""));
    field(&conversation.started_at.map_or_else(String::new, |at| at.timestamp_millis().to_string()));
    for (key, value) in &conversation.metadata {
        field(key);
        field(value);
    }
    for turn in &conversation.turns {
        field(turn.role.as_str());
        field(&turn.text);
        field(&turn.at.map_or_else(String::new, |at| at.timestamp_millis().to_string()));
    }
    hasher.finalize().to_hex().to_string()
}
