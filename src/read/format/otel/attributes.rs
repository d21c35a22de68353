//! A span's attributes by dotted name, whichever way the exporter nests them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Attributes, flattened.
#[derive(Debug, Default)]
pub struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    /// From OTLP's `[{key, value: {stringValue}}]`, or from an object, nested or with dotted keys.
    pub fn new(value: &Value) -> Attributes {
        let mut all = BTreeMap::new();
        match value {
            Value::Array(pairs) => {
                for pair in pairs {
                    if let (Some(key), Some(value)) =
                        (pair.get("key").and_then(Value::as_str), pair.get("value"))
                    {
                        all.insert(key.to_owned(), plain(value));
                    }
                }
            }
            Value::Object(object) => flatten("", object, &mut all),
            _ => {}
        }
        Attributes(all)
    }

    /// The attribute of that name, other than null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Objects of `prefix.0.suffix`, `prefix.1.suffix`, ... in order of their numbers.
    pub fn numbered(&self, prefix: &str) -> Vec<Map<String, Value>> {
        let mut found: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
        let from = format!("{prefix}.");
        for (key, value) in self.0.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from)) {
            let Some((number, name)) = key[from.len()..].split_once('.') else { continue };
            let Ok(number) = number.parse() else { continue };
            found.entry(number).or_default().insert(name.to_owned(), value.clone());
        }
        found.into_values().collect()
    }
}

/// Dotted names of everything but arrays, which stay whole.
fn flatten(prefix: &str, object: &Map<String, Value>, all: &mut BTreeMap<String, Value>) {
    for (key, value) in object {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, all),
            other => {
                all.insert(name, other.clone());
            }
        }
    }
}

/// OTLP's `AnyValue` as JSON.
fn plain(value: &Value) -> Value {
    let Some(object) = value.as_object() else { return value.clone() };
    if let Some(values) = object.get("arrayValue").and_then(|array| array.get("values")) {
        return Value::Array(values.as_array().into_iter().flatten().map(plain).collect());
    }
    if let Some(pairs) = object.get("kvlistValue").and_then(|list| list.get("values")) {
        let pair = |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), plain(pair.get("value")?)));
        return Value::Object(pairs.as_array().into_iter().flatten().filter_map(pair).collect());
    }
    let scalars = ["stringValue", "intValue", "doubleValue", "boolValue"];
    scalars.iter().find_map(|name| object.get(*name)).cloned().unwrap_or(Value::Null)
}
