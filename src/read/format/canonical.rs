//! The canonical format: `conversation_id`, `user_id`, `started_at`, `turns[{role, text, at}]`.

use serde_json::{Map, Value};

use super::super::fields::{Context, find, id, metadata, paths};
use super::Draft;

const KNOWN: [&str; 4] = ["conversation_id", "user_id", "started_at", "turns"];

/// Reads one record; an error says what is missing.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Draft, String> {
    let turns = record
        .get("turns")
        .and_then(Value::as_array)
        .ok_or("`turns` is missing or is not an array; expected [{\"role\", \"text\", \"at\"}]")?;
    let mapping = context.mapping;
    let mut draft = Draft {
        id: id(find(record, &paths(&mapping.conversation_id, &["conversation_id"]))),
        user_id: id(find(record, &paths(&mapping.user_id, &["user_id"]))),
        started_at: context.time(find(record, &paths(&mapping.started_at, &["started_at"]))),
        turns: Vec::with_capacity(turns.len()),
        metadata: metadata(record, &KNOWN),
    };
    let at_paths = paths(&mapping.at, &["at"]);
    for (index, turn) in turns.iter().enumerate() {
        let turn = turn.as_object().ok_or_else(|| format!("turn {index} is not an object"))?;
        let role =
            turn.get("role").and_then(Value::as_str).ok_or_else(|| format!("turn {index} has no `role`"))?;
        let at = context.time(find(turn, &at_paths));
        let text = context.content(turn.get("text"));
        draft.push(role, text, at, context);
    }
    Ok(draft)
}
