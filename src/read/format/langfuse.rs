//! Langfuse exports: traces, observations and sessions, from the API, the UI or the blob store.
//!
//! A trace's session is the conversation (the trace itself where it has none); its input and output are
//! the turns. Where a trace shows none, its generations do.

use serde_json::{Map, Value};

use super::super::Oddity;
use super::super::fields::{Context, find, id, metadata, paths};
use super::super::messages::{Side, messages};
use super::super::thread::{NO_TURNS, Part};
use super::Draft;

/// Kinds of observations.
const KINDS: [&str; 10] = [
    "SPAN",
    "GENERATION",
    "EVENT",
    "AGENT",
    "TOOL",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "EMBEDDING",
    "GUARDRAIL",
];
const TRACES: [&str; 2] = ["traceId", "trace_id"];
const SESSIONS: [&str; 2] = ["sessionId", "session_id"];
const USERS: [&str; 2] = ["userId", "user_id"];
/// What only a trace of this format has beside its input, output and time.
const MARKS: [&str; 8] = [
    "sessionId",
    "session_id",
    "projectId",
    "project_id",
    "htmlPath",
    "environment",
    "observations",
    "bookmarked",
];
const KNOWN: [&str; 8] =
    ["id", "input", "output", "timestamp", "startTime", "endTime", "start_time", "end_time"];

/// What a record is.
enum Kind {
    Session,
    Observation,
    Trace,
}

fn kind(record: &Map<String, Value>) -> Option<Kind> {
    let has = |names: &[&str]| names.iter().any(|name| record.contains_key(*name));
    if record.get("traces").is_some_and(Value::is_array) {
        return Some(Kind::Session);
    }
    let kind = record.get("type").and_then(Value::as_str);
    if has(&TRACES) && kind.is_some_and(|kind| KINDS.contains(&kind)) {
        return Some(Kind::Observation);
    }
    let is_trace = has(&["id"]) && has(&["timestamp"]) && has(&["input", "output"]) && has(&MARKS);
    is_trace.then_some(Kind::Trace)
}

/// True for a trace, an observation or a session.
pub fn recognises(record: &Map<String, Value>) -> bool {
    kind(record).is_some()
}

/// Reads one record into the parts it holds; an error says what is missing.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Vec<Part>, String> {
    match kind(record) {
        Some(Kind::Session) => {
            let session = id(record.get("id"));
            let traces = record.get("traces").and_then(Value::as_array).into_iter().flatten();
            let mut parts = Vec::new();
            for found in traces.filter_map(Value::as_object) {
                parts.extend(trace(found, session.clone(), context)?);
            }
            Ok(parts)
        }
        Some(Kind::Observation) => Ok(observation(record, context)?.into_iter().collect()),
        Some(Kind::Trace) => trace(record, None, context),
        None => {
            Err("neither a trace (`id`, `timestamp`, `input`/`output`, `sessionId`), nor an observation \
                     (`traceId`, `type`), nor a session (`traces`)"
                .into())
        }
    }
}

fn trace(
    record: &Map<String, Value>,
    session: Option<String>,
    context: &mut Context<'_>,
) -> Result<Vec<Part>, String> {
    let group = id(record.get("id")).ok_or("the trace has no `id`")?;
    let at = context.time(record.get("timestamp"));
    let mut parts = vec![part(record, group.clone(), 0, at, None, context)];
    if let Some(session) = session {
        parts[0].draft.id.get_or_insert(session);
    }
    let nested = record.get("observations").and_then(Value::as_array).into_iter().flatten();
    for found in nested.filter_map(Value::as_object) {
        parts.extend(observation(found, context)?);
    }
    Ok(parts)
}

/// Only generations speak; other observations may still know the session.
fn observation(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Option<Part>, String> {
    let group = id(find(record, &TRACES)).ok_or("the observation has no `traceId`")?;
    if record.get("type").and_then(Value::as_str) != Some("GENERATION") {
        return Ok(None);
    }
    let at = context.time(find(record, &["startTime", "start_time"]));
    let until = context.time(find(record, &["endTime", "end_time"]));
    Ok(Some(part(record, group, 1, at, until, context)))
}

fn part(
    record: &Map<String, Value>,
    group: String,
    rank: u8,
    at: Option<chrono::DateTime<chrono::Utc>>,
    until: Option<chrono::DateTime<chrono::Utc>>,
    context: &mut Context<'_>,
) -> Part {
    let mapping = context.mapping;
    let mut draft = Draft {
        id: id(find(record, &paths(&mapping.conversation_id, &SESSIONS))),
        user_id: id(find(record, &paths(&mapping.user_id, &USERS))),
        started_at: at,
        turns: Vec::new(),
        metadata: if rank == 0 { metadata(record, &known()) } else { Default::default() },
    };
    let asked = messages(record.get("input"), Side::Input, context);
    let answered = messages(record.get("output"), Side::Output, context);
    let spoke = draft.push_call(asked, answered, at, until, context);
    if !spoke && record.get("input").is_some_and(|value| !value.is_null()) {
        context.note(Oddity::NonText);
    }
    let order = at.map(|at| at.timestamp_millis());
    Part { group, rank: if spoke { rank } else { NO_TURNS }, order, replays: true, draft }
}

fn known() -> Vec<&'static str> {
    [&KNOWN[..], &TRACES, &SESSIONS, &USERS].concat()
}
