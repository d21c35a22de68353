//! WildChat and LMSYS-Chat records: `conversation[{role, content}]`, one hash or id around them.

use serde_json::{Map, Value};

use super::super::fields::{Context, find, id, metadata, paths};
use super::Draft;

const KNOWN: [&str; 8] = [
    "conversation",
    "conversation_hash",
    "conversation_id",
    "question_id",
    "hashed_ip",
    "user_id",
    "timestamp",
    "tstamp",
];

/// Reads one record; an error says what is missing.
///
/// WildChat's own `timestamp` is that of the last turn, so the first turn's time goes before it.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Draft, String> {
    let turns = record
        .get("conversation")
        .and_then(Value::as_array)
        .ok_or("`conversation` is missing or is not an array; expected [{\"role\", \"content\"}]")?;
    let mapping = context.mapping;
    let ids = paths(&mapping.conversation_id, &["conversation_hash", "conversation_id", "question_id"]);
    let users = paths(&mapping.user_id, &["user_id", "hashed_ip"]);
    let in_turn = || turns.iter().find_map(|turn| turn.as_object()?.get("hashed_ip"));
    let mut draft = Draft {
        id: id(find(record, &ids)),
        user_id: id(find(record, &users).or_else(in_turn)),
        started_at: None,
        turns: Vec::with_capacity(turns.len()),
        metadata: metadata(record, &KNOWN),
    };
    let at_paths = paths(&mapping.at, &["timestamp", "at"]);
    for (index, turn) in turns.iter().enumerate() {
        let turn = turn.as_object().ok_or_else(|| format!("turn {index} is not an object"))?;
        let role =
            turn.get("role").and_then(Value::as_str).ok_or_else(|| format!("turn {index} has no `role`"))?;
        let at = context.time(find(turn, &at_paths));
        let text = context.content(turn.get("content"));
        draft.push(role, text, at, context);
    }
    if draft.turns.iter().all(|turn| turn.at.is_none()) || !mapping.started_at.is_empty() {
        let starts = paths(&mapping.started_at, &["timestamp", "tstamp"]);
        draft.started_at = context.time(find(record, &starts));
    }
    Ok(draft)
}
