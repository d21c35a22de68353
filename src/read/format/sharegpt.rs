//! ShareGPT records: `conversations[{from, value}]`.

use serde_json::{Map, Value};

use super::super::fields::{Context, find, id, metadata, paths};
use super::Draft;

const KNOWN: [&str; 8] =
    ["conversations", "id", "conversation_id", "user_id", "user", "created_at", "timestamp", "started_at"];

/// Reads one record; an error says what is missing.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Draft, String> {
    let parts = record
        .get("conversations")
        .and_then(Value::as_array)
        .ok_or("`conversations` is missing or is not an array; expected [{\"from\", \"value\"}]")?;
    let mapping = context.mapping;
    let starts = paths(&mapping.started_at, &["started_at", "created_at", "timestamp"]);
    let mut draft = Draft {
        id: id(find(record, &paths(&mapping.conversation_id, &["id", "conversation_id"]))),
        user_id: id(find(record, &paths(&mapping.user_id, &["user_id", "user"]))),
        started_at: context.time(find(record, &starts)),
        turns: Vec::with_capacity(parts.len()),
        metadata: metadata(record, &KNOWN),
    };
    let at_paths = paths(&mapping.at, &["at", "timestamp"]);
    for (index, part) in parts.iter().enumerate() {
        let part = part.as_object().ok_or_else(|| format!("part {index} is not an object"))?;
        let role = find(part, &["from", "role"])
            .and_then(Value::as_str)
            .ok_or_else(|| format!("part {index} has no `from`"))?;
        let at = context.time(find(part, &at_paths));
        let text = context.content(find(part, &["value", "content", "text"]));
        draft.push(role, text, at, context);
    }
    Ok(draft)
}
