//! Which format a record is in, and what every format has in common once read.

mod canonical;
mod langfuse;
mod langsmith;
mod openai;
mod otel;
mod sharegpt;
mod turn_rows;
mod wildchat;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Oddity;
use super::fields::{Context, Mapping};
use super::messages::Message;
use super::thread::Part;
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
    /// `conversation[{role, content}]`, of WildChat and LMSYS-Chat.
    WildChat,
    /// Traces, observations and sessions.
    Langfuse,
    /// Runs.
    LangSmith,
    /// GenAI spans of OpenTelemetry.
    Otel,
    /// A turn a row: conversation, role, text.
    Turns,
}

/// What a record holds.
#[derive(Debug)]
pub enum Found {
    /// A whole conversation.
    Whole(Draft),
    /// Parts of conversations whose others stand in other records; none where it says nothing.
    Parts(Vec<Part>),
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] = [
        Format::Canonical,
        Format::OpenAi,
        Format::ShareGpt,
        Format::WildChat,
        Format::Langfuse,
        Format::LangSmith,
        Format::Otel,
        Format::Turns,
    ];

    /// Its name in the config.
    pub fn name(self) -> &'static str {
        match self {
            Format::Canonical => "canonical",
            Format::OpenAi => "openai",
            Format::ShareGpt => "sharegpt",
            Format::WildChat => "wildchat",
            Format::Langfuse => "langfuse",
            Format::LangSmith => "langsmith",
            Format::Otel => "otel",
            Format::Turns => "turns",
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

    /// The format whose own marks the record has; `None` when it has none, or those of two.
    ///
    /// Tracing tools are told first, by what only they write; then the list of turns by its key; a row with a
    /// conversation, a role and a text is a turn.
    pub fn recognise(record: &Map<String, Value>, mapping: &Mapping) -> Option<Format> {
        if langsmith::recognises(record) {
            return Some(Format::LangSmith);
        }
        if otel::recognises(record) {
            return Some(Format::Otel);
        }
        let lists = [
            ("turns", Format::Canonical),
            ("messages", Format::OpenAi),
            ("conversations", Format::ShareGpt),
            ("conversation", Format::WildChat),
        ];
        let mut listed = lists.iter().filter(|(key, _)| record.get(*key).is_some_and(Value::is_array));
        match (listed.next(), listed.next()) {
            (Some((_, format)), None) => Some(*format),
            (Some(_), Some(_)) => None,
            (None, _) if langfuse::recognises(record) => Some(Format::Langfuse),
            (None, _) => turn_rows::recognises(record, mapping).then_some(Format::Turns),
        }
    }

    /// Reads one record of this format.
    pub fn read(self, record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Found, String> {
        Ok(match self {
            Format::Canonical => Found::Whole(canonical::read(record, context)?),
            Format::OpenAi => Found::Whole(openai::read(record, context)?),
            Format::ShareGpt => Found::Whole(sharegpt::read(record, context)?),
            Format::WildChat => Found::Whole(wildchat::read(record, context)?),
            Format::Langfuse => Found::Parts(langfuse::read(record, context)?),
            Format::LangSmith => Found::Parts(langsmith::read(record, context)?.into_iter().collect()),
            Format::Otel => Found::Parts(otel::read(record, context)?),
            Format::Turns => Found::Parts(vec![turn_rows::read(record, context)?]),
        })
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

    /// Appends what went into a call and came out of it; only what is new has a time: the last question
    /// `at`, the answer `until`. False, and nothing is kept, where the user says nothing in it.
    pub fn push_call(
        &mut self,
        asked: Vec<Message>,
        answered: Vec<Message>,
        at: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        context: &mut Context<'_>,
    ) -> bool {
        let is_user = |message: &Message| Role::parse(&message.role) == Some(Role::User);
        let Some(last) = asked.iter().rposition(is_user) else { return false };
        for (index, message) in asked.into_iter().enumerate() {
            self.push(&message.role, message.text, at.filter(|_| index == last), context);
        }
        for message in answered {
            self.push(&message.role, message.text, until, context);
        }
        true
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
