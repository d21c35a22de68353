//! What was said in a span, in whichever layout it is written.

use serde_json::{Map, Value};

use super::super::super::fields::Context;
use super::super::super::messages::{Message, Side, messages};
use super::attributes::Attributes;

/// Messages that went in and came out; the newest layout that says anything wins.
pub fn read(
    own: &Attributes,
    events: Option<&Value>,
    context: &mut Context<'_>,
) -> (Vec<Message>, Vec<Message>) {
    let events: Vec<(String, Attributes, Option<&Value>)> = events
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|event| {
            let attributes = event.get("attributes").map(Attributes::new).unwrap_or_default();
            let name = event.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            (name, attributes, event.get("body"))
        })
        .collect();
    let holders = || std::iter::once(own).chain(events.iter().map(|(_, attributes, _)| attributes));
    for (input, output) in [
        ("gen_ai.input.messages", "gen_ai.output.messages"),
        ("gen_ai.prompt", "gen_ai.completion"),
        ("input.value", "output.value"),
    ] {
        if input == "gen_ai.prompt" {
            // Between the new layout and the single attributes stand those of a message each.
            let found = by_event(&events, context);
            if !found.0.is_empty() {
                return found;
            }
            let found = by_number(own, context);
            if !found.0.is_empty() {
                return found;
            }
        }
        let of = |name: &str| holders().find_map(|attributes| attributes.get(name)).cloned();
        let asked = messages(of(input).as_ref(), Side::Input, context);
        if !asked.is_empty() {
            return (asked, messages(of(output).as_ref(), Side::Output, context));
        }
    }
    (Vec::new(), Vec::new())
}

/// Events `gen_ai.user.message` and the like, a message each, and `gen_ai.choice`.
fn by_event(
    events: &[(String, Attributes, Option<&Value>)],
    context: &mut Context<'_>,
) -> (Vec<Message>, Vec<Message>) {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for (name, attributes, body) in events {
        let role = match name.as_str() {
            "gen_ai.system.message" => "system",
            "gen_ai.user.message" => "user",
            "gen_ai.assistant.message" => "assistant",
            "gen_ai.tool.message" => "tool",
            "gen_ai.choice" => "choice",
            _ => continue,
        };
        let from = |name: &str| attributes.get(name).or_else(|| body.and_then(|body| body.get(name)));
        if role == "choice" {
            let said =
                from("message").or_else(|| from("content")).or_else(|| attributes.get("message.content"));
            answered.extend(messages(said, Side::Output, context));
        } else {
            let text = context.content(from("content"));
            asked.push(Message { role: role.to_owned(), text });
        }
    }
    (asked, answered)
}

/// Attributes `gen_ai.prompt.0.content` or `llm.input_messages.0.message.content`.
fn by_number(own: &Attributes, context: &mut Context<'_>) -> (Vec<Message>, Vec<Message>) {
    for (input, output) in
        [("gen_ai.prompt", "gen_ai.completion"), ("llm.input_messages", "llm.output_messages")]
    {
        let mut said = |prefix: &str, side: Side| -> Vec<Message> {
            let one = |found: Map<String, Value>| {
                let part = |name: &str| found.get(name).or_else(|| found.get(&format!("message.{name}")));
                let usual = if side == Side::Input { "user" } else { "assistant" };
                let role = part("role").and_then(Value::as_str).unwrap_or(usual).to_owned();
                Message { role, text: context.content(part("content")) }
            };
            own.numbered(prefix).into_iter().map(one).collect()
        };
        let asked = said(input, Side::Input);
        if !asked.is_empty() {
            return (asked, said(output, Side::Output));
        }
    }
    (Vec::new(), Vec::new())
}
