//! Lists of messages in whatever shape a tracing tool wrote them: plain text, role and content, LangChain's
//! constructors, completions' choices, parts, any of these as JSON text, whole or cut off.

use serde_json::{Map, Value};

use super::Oddity;
use super::fields::Context;
use super::mend::mend;

/// One message, its role as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who said it.
    pub role: String,
    /// What was said.
    pub text: String,
}

/// Which end of a call a value stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What went in: bare text is the user's.
    Input,
    /// What came out: bare text is the assistant's.
    Output,
}

impl Side {
    fn role(self) -> &'static str {
        match self {
            Side::Input => "user",
            Side::Output => "assistant",
        }
    }

    /// Names under which chains keep bare text, the most telling first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Side::Input => &[
                "input",
                "question",
                "query",
                "prompt",
                "user_input",
                "user_message",
                "text",
                "message",
                "content",
            ],
            Side::Output => &[
                "output",
                "answer",
                "response",
                "result",
                "completion",
                "output_text",
                "text",
                "message",
                "content",
            ],
        }
    }
}

/// Lists deeper than this hold no conversation.
const MAX_DEPTH: usize = 8;

/// The messages of `value`, in order; none where it says nothing that was said.
pub fn messages(value: Option<&Value>, side: Side, context: &mut Context<'_>) -> Vec<Message> {
    let mut found = Vec::new();
    if let Some(value) = value {
        gather(value, side, MAX_DEPTH, context, &mut found);
    }
    found.retain(|message| !message.text.trim().is_empty());
    found
}

fn gather(value: &Value, side: Side, depth: usize, context: &mut Context<'_>, found: &mut Vec<Message>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::String(text) => match json(text, context) {
            Some(inner) => gather(&inner, side, depth - 1, context, found),
            None => found.push(Message { role: side.role().to_owned(), text: context.clean(text) }),
        },
        Value::Array(values) if !values.is_empty() && values.iter().all(is_part) => {
            found.push(Message { role: side.role().to_owned(), text: context.content(Some(value)) });
        }
        Value::Array(values) => {
            values.iter().for_each(|value| gather(value, side, depth - 1, context, found))
        }
        Value::Object(object) => of_object(object, side, depth, context, found),
        _ => {}
    }
}

fn of_object(
    object: &Map<String, Value>,
    side: Side,
    depth: usize,
    context: &mut Context<'_>,
    found: &mut Vec<Message>,
) {
    if let Some(message) = message(object, side, context) {
        found.push(message);
        return;
    }
    let known = |names: &[&str]| names.iter().find_map(|name| object.get(*name)).filter(|v| !v.is_null());
    for history in ["chat_history", "history"].iter().filter_map(|name| object.get(*name)) {
        gather(history, side, depth - 1, context, found);
    }
    if let Some(inner) = known(&["messages", "choices", "generations", "candidates", "contents"]) {
        gather(inner, side, depth - 1, context, found);
    } else if let Some(inner) = known(side.names()) {
        gather(inner, side, depth - 1, context, found);
    }
}

/// A message: an object that says who speaks. `None` for one that only wraps messages.
fn message(object: &Map<String, Value>, side: Side, context: &mut Context<'_>) -> Option<Message> {
    // A generation or a choice wraps its message.
    if let Some(inner) = object.get("message").and_then(Value::as_object) {
        return message(inner, side, context);
    }
    let inner = ["kwargs", "data"].iter().find_map(|name| object.get(*name)).and_then(Value::as_object);
    let body = inner.unwrap_or(object);
    let word = |object: &Map<String, Value>, name: &str| object.get(name)?.as_str().map(str::to_owned);
    let class = object.get("id").and_then(Value::as_array).and_then(|path| path.last()?.as_str());
    let role = word(body, "role")
        .or_else(|| class.and_then(of_class))
        .or_else(|| word(body, "type").filter(|kind| is_speaker(kind)))
        .or_else(|| word(object, "type").filter(|kind| is_speaker(kind)))
        .or_else(|| word(object, "from"));
    let said = ["content", "parts", "text", "value"].iter().find_map(|name| body.get(*name));
    let calls =
        ["tool_calls", "function_call"].iter().any(|name| body.get(*name).is_some_and(|v| !v.is_null()));
    let role = role.or_else(|| (calls && said.is_some()).then(|| side.role().to_owned()))?;
    let mut text = context.content(said);
    if text.trim().is_empty() && calls {
        context.note(Oddity::NonText);
        text = "[tool call]".to_owned();
    }
    Some(Message { role: speaker(&role), text })
}

fn is_speaker(kind: &str) -> bool {
    matches!(kind, "human" | "ai" | "system" | "tool" | "function" | "chat" | "user" | "assistant")
        || of_class(kind).is_some()
}

/// `HumanMessage` and `AIMessageChunk` as roles.
fn of_class(class: &str) -> Option<String> {
    let name = class.strip_suffix("Chunk").unwrap_or(class).strip_suffix("Message")?;
    (!name.is_empty()).then(|| name.to_lowercase())
}

fn speaker(role: &str) -> String {
    of_class(role).unwrap_or_else(|| role.to_owned())
}

/// A part of a message's content, which has a type and no speaker.
fn is_part(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| !is_speaker(kind))
        && ["role", "kwargs", "data"].iter().all(|name| value.get(name).is_none())
}

/// Text that is a JSON object, list or quoted text; one that is cut off gives what stands before the cut.
fn json(text: &str, context: &mut Context<'_>) -> Option<Value> {
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[', '"']) {
        return None;
    }
    match serde_json::from_str::<Value>(trimmed) {
        Ok(value) => Some(value),
        Err(error) if error.is_eof() && !trimmed.starts_with('"') => {
            let value = mend(trimmed)?;
            context.note(Oddity::CutBody);
            Some(value)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use serde_json::json;

    use super::super::fields::Mapping;
    use super::*;

    #[track_caller]
    fn said(value: Value, side: Side, expected: &[(&str, &str)]) {
        let mapping = Mapping::default();
        let mut context = Context { zone: Tz::UTC, mapping: &mapping, oddities: Vec::new() };
        let found = messages(Some(&value), side, &mut context);
        let found: Vec<(&str, &str)> = found.iter().map(|m| (m.role.as_str(), m.text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn bare_text_is_the_speaker_s_of_its_side() {
        said(json!("hello"), Side::Input, &[("user", "hello")]);
        said(json!("\"hello\""), Side::Output, &[("assistant", "hello")]);
        said(json!({"question": "why?", "k": 4}), Side::Input, &[("user", "why?")]);
        said(json!({"answer": "so"}), Side::Output, &[("assistant", "so")]);
        said(json!({"customer": {"name": "x"}}), Side::Input, &[]);
        said(json!("[10:32] hello"), Side::Input, &[("user", "[10:32] hello")]);
    }

    #[test]
    fn lists_of_messages_in_every_shape() {
        let expected = [("system", "s"), ("user", "u")];
        said(
            json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]),
            Side::Input,
            &expected,
        );
        said(
            json!({"messages": [[
            {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {"content": "s"}},
            {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": "u"}}]]}),
            Side::Input,
            &[("system", "s"), ("human", "u")],
        );
        said(
            json!({"messages": [{"type": "system", "data": {"content": "s"}}, {"type": "human", "content": "u"}]}),
            Side::Input,
            &[("system", "s"), ("human", "u")],
        );
        said(
            json!(
                r#"[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"}]}]"#
            ),
            Side::Input,
            &expected,
        );
        said(
            json!([{"role": "system", "parts": [{"type": "text", "content": "s"}]},
            {"role": "user", "parts": [{"text": "u"}]}]),
            Side::Input,
            &expected,
        );
        said(
            json!({"chat_history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "input": "c"}),
            Side::Input,
            &[("user", "a"), ("assistant", "b"), ("user", "c")],
        );
    }

    #[test]
    fn answers_in_every_shape() {
        let expected = [("assistant", "yes")];
        said(
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}]}),
            Side::Output,
            &expected,
        );
        said(
            json!({"generations": [[{"text": "yes", "message": {"kwargs": {"content": "yes", "type": "ai"}}}]]}),
            Side::Output,
            &[("ai", "yes")],
        );
        said(json!({"role": "assistant", "content": "yes", "tool_calls": []}), Side::Output, &expected);
        said(json!([{"type": "text", "text": "yes"}]), Side::Output, &expected);
        said(
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}),
            Side::Output,
            &[("assistant", "[tool call]")],
        );
    }

    #[test]
    fn a_body_cut_off_keeps_what_stands_before_the_cut() {
        said(
            json!(r#"[{"role":"user","content":"first"},{"role":"user","content":"seco"#),
            Side::Input,
            &[("user", "first"), ("user", "seco")],
        );
        said(json!(r#"[{"role":"user","content":"first"},{"role":"us"#), Side::Input, &[("user", "first")]);
    }
}
