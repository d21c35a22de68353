//! A flat table of turns: one row a turn, the rows of one conversation anywhere in any file.

use serde_json::{Map, Value};

use super::super::fields::{Context, Mapping, find, id, metadata, paths};
use super::super::thread::Part;
use super::Draft;

const IDS: [&str; 4] = ["conversation_id", "thread_id", "session_id", "chat_id"];
const ROLES: [&str; 4] = ["role", "sender", "author", "speaker"];
const TEXTS: [&str; 5] = ["text", "content", "message", "body", "value"];
const TIMES: [&str; 6] = ["at", "timestamp", "created_at", "time", "sent_at", "date"];
const ORDERS: [&str; 5] = ["turn", "turn_index", "message_index", "position", "index"];
const USERS: [&str; 1] = ["user_id"];
const STARTS: [&str; 1] = ["started_at"];

/// True when a record has a conversation's id, a role and a text of its own.
pub fn recognises(record: &Map<String, Value>, mapping: &Mapping) -> bool {
    id(find(record, &paths(&mapping.conversation_id, &IDS))).is_some()
        && find(record, &paths(&mapping.role, &ROLES)).is_some_and(Value::is_string)
        && find_key(record, &paths(&mapping.text, &TEXTS)).is_some()
}

/// Reads one row; an error says what is missing.
///
/// Turns stand in order of `turn`, else of their times, else of files and lines.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Part, String> {
    let mapping = context.mapping;
    let ids = paths(&mapping.conversation_id, &IDS);
    let id_of = |names: &[&str]| id(find(record, names));
    let thread = id_of(&ids).ok_or_else(|| missing("conversation id", &ids, "conversation_id"))?;
    let roles = paths(&mapping.role, &ROLES);
    let role = find(record, &roles).and_then(Value::as_str).ok_or_else(|| missing("role", &roles, "role"))?;
    let texts = paths(&mapping.text, &TEXTS);
    let text = find_key(record, &texts).ok_or_else(|| missing("text", &texts, "text"))?;
    let (times, orders) = (paths(&mapping.at, &TIMES), paths(&mapping.turn, &ORDERS));
    let (users, starts) = (paths(&mapping.user_id, &USERS), paths(&mapping.started_at, &STARTS));
    let at = context.time(find(record, &times));
    let used: Vec<&str> =
        [&ids, &roles, &texts, &times, &orders, &users, &starts].into_iter().flatten().copied().collect();
    let mut draft = Draft {
        id: Some(thread.clone()),
        user_id: id_of(&users),
        started_at: context.time(find(record, &starts)),
        turns: Vec::with_capacity(1),
        metadata: metadata(record, &used),
    };
    let text = context.content(Some(text));
    draft.push(role, text, at, context);
    let order = find(record, &orders).and_then(whole).or(at.map(|at| at.timestamp_millis()));
    Ok(Part { group: thread, rank: 0, order, replays: false, draft })
}

/// A number, or text that is one.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The first of `names` that the record has, null or not: a turn without text is a turn.
fn find_key<'a>(record: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    find(record, names).or_else(|| names.iter().find_map(|name| record.get(*name)))
}

fn missing(what: &str, looked: &[&str], key: &str) -> String {
    format!("no {what} in {}; name its column in [input.map] {key}", looked.join(", "))
}
