//! OpenTelemetry GenAI spans, old and new attribute layout, mixed: OTLP batches, or a span a record.
//!
//! Layouts: `gen_ai.input.messages` and `gen_ai.output.messages` (semantic conventions 1.37 on); events
//! `gen_ai.user.message` ... `gen_ai.choice` and `gen_ai.content.prompt` (before); attributes
//! `gen_ai.prompt.0.content` (OpenLLMetry); `llm.input_messages.0.message.content` (OpenInference).

mod attributes;
mod contents;

use serde_json::{Map, Value};

use super::super::fields::{Context, find, id};
use super::super::thread::{NO_TURNS, Part};
use super::Draft;
use attributes::Attributes;

const THREADS: [&str; 5] = [
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "thread.id",
    "traceloop.association.properties.session_id",
];
const USERS: [&str; 5] = [
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "gen_ai.request.user",
    "traceloop.association.properties.user_id",
];
const TRACES: [&str; 3] = ["traceId", "trace_id", "context.trace_id"];
const PARENTS: [&str; 3] = ["parentSpanId", "parent_span_id", "parent_id"];
const STARTS: [&str; 4] = ["startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime"];
const ENDS: [&str; 4] = ["endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime"];
/// Operations that are no conversation.
const OTHERS: [&str; 3] = ["embeddings", "execute_tool", "create_agent"];
/// What a span says of the release it ran in, by the name it has in our tables.
const FACTS: [(&str, &[&str]); 5] = [
    ("release", &["service.version"]),
    ("service", &["service.name"]),
    ("environment", &["deployment.environment.name", "deployment.environment"]),
    ("model", &["gen_ai.response.model", "gen_ai.request.model", "llm.model_name"]),
    ("provider", &["gen_ai.provider.name", "gen_ai.system"]),
];

/// True for an OTLP batch or a span.
pub fn recognises(record: &Map<String, Value>) -> bool {
    let has_array = |name: &str| record.get(name).is_some_and(Value::is_array);
    has_array("resourceSpans")
        || has_array("scopeSpans")
        || find(record, &TRACES).is_some()
            && record.get("attributes").is_some_and(|a| a.is_array() || a.is_object())
}

/// Reads one record into the parts it holds.
pub fn read(record: &Map<String, Value>, context: &mut Context<'_>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for resource in objects(record, "resourceSpans") {
        of_resource(resource, context, &mut parts)?;
    }
    if record.contains_key("scopeSpans") {
        of_resource(record, context, &mut parts)?;
    } else if !record.contains_key("resourceSpans") {
        let resource = find(record, &["resource.attributes"]).map(Attributes::new).unwrap_or_default();
        parts.extend(span(record, &resource, context)?);
    }
    Ok(parts)
}

fn of_resource(
    resource: &Map<String, Value>,
    context: &mut Context<'_>,
    parts: &mut Vec<Part>,
) -> Result<(), String> {
    let attributes = find(resource, &["resource.attributes"]).map(Attributes::new).unwrap_or_default();
    for scope in objects(resource, "scopeSpans") {
        for found in objects(scope, "spans") {
            parts.extend(span(found, &attributes, context)?);
        }
    }
    Ok(())
}

fn objects<'a>(
    of: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> + use<'a> {
    of.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// One span; `None` for one that knows neither messages nor the conversation.
fn span(
    record: &Map<String, Value>,
    resource: &Attributes,
    context: &mut Context<'_>,
) -> Result<Option<Part>, String> {
    let group = id(find(record, &TRACES)).ok_or("the span has no `traceId`")?;
    let own = record.get("attributes").map(Attributes::new).unwrap_or_default();
    let of_mapping = |mapped: &[String]| mapped.iter().find_map(|name| id(own.get(name)));
    let first =
        |names: &[&str]| names.iter().find_map(|name| id(own.get(name).or_else(|| resource.get(name))));
    let thread = of_mapping(&context.mapping.conversation_id).or_else(|| first(&THREADS));
    let user_id = of_mapping(&context.mapping.user_id).or_else(|| first(&USERS));
    let operation = own.get("gen_ai.operation.name").and_then(Value::as_str);
    let is_other = operation.is_some_and(|operation| OTHERS.contains(&operation));
    let (asked, answered) =
        if is_other { (Vec::new(), Vec::new()) } else { contents::read(&own, record.get("events"), context) };
    let at = context.time(find(record, &STARTS));
    let until = context.time(find(record, &ENDS));
    let facts = FACTS.iter().filter_map(|(name, from)| Some(((*name).to_owned(), first(from)?)));
    let mut draft =
        Draft { id: thread, user_id, started_at: at, turns: Vec::new(), metadata: facts.collect() };
    let spoke = draft.push_call(asked, answered, at, until, context);
    if !spoke && draft.id.is_none() && draft.user_id.is_none() {
        return Ok(None);
    }
    let is_root = id(find(record, &PARENTS)).is_none_or(|parent| parent.bytes().all(|byte| byte == b'0'));
    let rank = match (spoke, is_root) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => NO_TURNS,
    };
    let order = at.map(|at| at.timestamp_millis());
    Ok(Some(Part { group, rank, order, replays: true, draft }))
}
