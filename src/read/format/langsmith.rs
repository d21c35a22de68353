//! LangSmith runs: a trace's root run shows what was asked and answered; where it does not, its `llm` runs do.

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::super::fields::{Context, find, id, paths, scalars};
use super::super::messages::{Side, messages};
use super::super::thread::{NO_TURNS, Part};
use super::Draft;

/// Where a thread's id may stand, in the order the product itself looks for it.
const THREADS: [&str; 10] = [
    "thread_id",
    "extra.metadata.session_id",
    "extra.metadata.thread_id",
    "extra.metadata.conversation_id",
    "metadata.session_id",
    "metadata.thread_id",
    "metadata.conversation_id",
    "inputs.session_id",
    "inputs.thread_id",
    "inputs.conversation_id",
];
const USERS: [&str; 4] = ["extra.metadata.user_id", "metadata.user_id", "user_id", "inputs.user_id"];

/// True for a run.
pub fn recognises(record: &Map<String, Value>) -> bool {
    let has = |name: &str| record.contains_key(name);
    record.get("run_type").is_some_and(Value::is_string) && (has("inputs") || has("outputs"))
}

/// Reads one run; `None` for one that says nothing of what the user wrote (tools, retrievers, inner chains).
///
/// Times without a zone are UTC: the service writes them so.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Option<Part>, String> {
    let run = id(record.get("id"));
    let group = id(record.get("trace_id")).or_else(|| run.clone()).ok_or("the run has no `id`")?;
    let is_root = find(record, &["parent_run_id"]).is_none() && run.is_none_or(|run| run == group);
    let is_llm = record.get("run_type").and_then(Value::as_str) == Some("llm");
    let rank = match (is_root, is_llm) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => return Ok(None),
    };
    let mapping = context.mapping;
    let at = context.time_in(find(record, &["start_time"]), Tz::UTC);
    let until = context.time_in(find(record, &["end_time"]), Tz::UTC);
    let mut draft = Draft {
        id: id(find(record, &paths(&mapping.conversation_id, &THREADS))),
        user_id: id(find(record, &paths(&mapping.user_id, &USERS))),
        started_at: at,
        turns: Vec::new(),
        metadata: Default::default(),
    };
    if is_root {
        let nested = find(record, &["extra.metadata"]).or_else(|| find(record, &["metadata"]));
        draft.metadata =
            nested.and_then(Value::as_object).map(|object| scalars(object, &[])).unwrap_or_default();
    }
    let asked = messages(record.get("inputs"), Side::Input, context);
    let answered = messages(record.get("outputs"), Side::Output, context);
    let spoke = draft.push_call(asked, answered, at, until, context);
    let order = at.map(|at| at.timestamp_millis());
    Ok(Some(Part { group, rank: if spoke { rank } else { NO_TURNS }, order, replays: true, draft }))
}
