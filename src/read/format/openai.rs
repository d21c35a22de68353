//! OpenAI chat records: `messages[{role, content, tool_calls}]`, ids and times around them.

use serde_json::{Map, Value};

use super::super::Oddity;
use super::super::fields::{Context, find, id, metadata, paths};
use super::Draft;

const KNOWN: [&str; 13] = [
    "messages",
    "id",
    "conversation_id",
    "thread_id",
    "session_id",
    "user",
    "user_id",
    "created",
    "created_at",
    "timestamp",
    "started_at",
    "tools",
    "functions",
];
const IDS: [&str; 8] = [
    "conversation_id",
    "metadata.conversation_id",
    "thread_id",
    "metadata.thread_id",
    "session_id",
    "metadata.session_id",
    "id",
    "metadata.id",
];
const USERS: [&str; 4] = ["user_id", "user", "metadata.user_id", "metadata.user"];
const STARTS: [&str; 7] = [
    "started_at",
    "created_at",
    "created",
    "timestamp",
    "metadata.started_at",
    "metadata.created_at",
    "metadata.timestamp",
];
const TIMES: [&str; 5] = ["at", "created_at", "timestamp", "created", "time"];

/// Reads one record; an error says what is missing.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Draft, String> {
    let messages = record
        .get("messages")
        .and_then(Value::as_array)
        .ok_or("`messages` is missing or is not an array; expected [{\"role\", \"content\"}]")?;
    let mapping = context.mapping;
    let mut draft = Draft {
        id: id(find(record, &paths(&mapping.conversation_id, &IDS))),
        user_id: id(find(record, &paths(&mapping.user_id, &USERS))),
        started_at: context.time(find(record, &paths(&mapping.started_at, &STARTS))),
        turns: Vec::with_capacity(messages.len()),
        metadata: metadata(record, &KNOWN),
    };
    let at_paths = paths(&mapping.at, &TIMES);
    for (index, message) in messages.iter().enumerate() {
        let message = message.as_object().ok_or_else(|| format!("message {index} is not an object"))?;
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("message {index} has no `role`"))?;
        let at = context.time(find(message, &at_paths));
        let text = content(message, context);
        draft.push(role, text, at, context);
    }
    Ok(draft)
}

/// The message's text, then a placeholder for each tool it calls.
fn content(message: &Map<String, Value>, context: &mut Context<'_>) -> String {
    let mut text = context.content(message.get("content"));
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let single = message.get("function_call").filter(|call| call.is_object());
    for call in calls.into_iter().flatten().chain(single) {
        context.note(Oddity::NonText);
        let name = call.get("function").unwrap_or(call).get("name").and_then(Value::as_str);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("[tool call: {}]", name.unwrap_or("unnamed")));
    }
    text
}
