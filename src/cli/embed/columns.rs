//! Fields of JSON objects as columns of a table.
//!
//! The first records decide: a field of booleans, of integers or of numbers is a column of these, any other a
//! column of text, strings as they are and what is not a string in its JSON spelling. Fields that come later and
//! values that do not fit go into the column `_rest`, so that nothing is lost and no value is rounded but
//! fractions, to the nearest f64.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field};

use super::item::{Beside, Item};
use super::object::{Member, members, string};

/// Fields that become columns at most; more are a sign of names that are values.
const MOST_COLUMNS: usize = 256;
/// The column of what has no column: a JSON object.
const REST: &str = "_rest";
/// Integers up to this are exact in an f64.
const EXACT_IN_F64: u64 = 1 << 53;

/// The columns beside text and vector.
pub struct Columns {
    kinds: Vec<Kind>,
    names: HashMap<String, usize>,
    /// In order of first appearance.
    order: Vec<String>,
    /// The field that holds the text has a column already.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Signed,
    Unsigned,
    Float,
    Text,
}

impl Columns {
    /// The columns that the fields of `items` ask for; `text` is the field that holds the text.
    pub fn of(items: &[Item], text: &str) -> Columns {
        let mut names: HashMap<String, usize> = HashMap::new();
        let (mut order, mut seen) = (Vec::new(), Vec::<Seen>::new());
        for item in items {
            let Beside::Object(open) = &item.beside else { continue };
            let object = closed(open);
            for member in fields(&object, text) {
                let name = member.name();
                let column = match names.get(name.as_ref()) {
                    Some(column) => *column,
                    None if name != REST && order.len() < MOST_COLUMNS => {
                        order.push(name.clone().into_owned());
                        seen.push(Seen::default());
                        names.insert(name.into_owned(), order.len() - 1);
                        order.len() - 1
                    }
                    None => continue,
                };
                seen[column].see(member.value);
            }
        }
        Columns { kinds: seen.iter().map(Seen::kind).collect(), names, order, text: text.to_owned() }
    }

    /// Their fields, `_rest` last; none where no record came with anything.
    pub fn fields(&self) -> Vec<Field> {
        let of = |(name, kind): (&String, &Kind)| Field::new(name, kind.data_type(), true);
        let mut fields: Vec<Field> = self.order.iter().zip(&self.kinds).map(of).collect();
        if !fields.is_empty() {
            fields.push(Field::new(REST, DataType::Utf8, true));
        }
        fields
    }

    /// The values of `items`, in order of `fields`, and of how many items there was something without a place.
    pub fn arrays(&self, items: &[Item]) -> (Vec<ArrayRef>, u64) {
        let objects: Vec<String> = items
            .iter()
            .map(|item| match &item.beside {
                Beside::Object(open) => closed(open),
                _ => String::new(),
            })
            .collect();
        let mut values: Vec<Vec<Option<&str>>> = vec![vec![None; items.len()]; self.kinds.len()];
        let (mut rests, mut lost) = (vec![None; items.len()], 0);
        for (row, object) in objects.iter().enumerate().filter(|(_, object)| !object.is_empty()) {
            let mut rest: Vec<Member<'_>> = Vec::new();
            for member in fields(object, &self.text) {
                match self.names.get(member.name().as_ref()) {
                    Some(column) if self.kinds[*column].holds(member.value) => {
                        values[*column][row] = Some(member.value);
                    }
                    _ => rest.push(member),
                }
            }
            if !rest.is_empty() {
                let pairs: Vec<String> = rest.iter().map(|m| format!("{}:{}", m.key, m.value)).collect();
                rests[row] = Some(format!("{{{}}}", pairs.join(",")));
                lost += u64::from(self.kinds.is_empty());
            }
        }
        let mut arrays: Vec<ArrayRef> =
            self.kinds.iter().zip(values).map(|(kind, values)| kind.array(&values)).collect();
        if !arrays.is_empty() {
            arrays.push(Arc::new(StringArray::from(rests)));
        }
        (arrays, lost)
    }
}

/// The whole object again.
fn closed(open: &str) -> String {
    format!("{open}}}")
}

/// Members that are neither the text nor a vector.
fn fields<'a>(object: &'a str, text: &str) -> impl Iterator<Item = Member<'a>> {
    let members = members(object).unwrap_or_default();
    members.into_iter().filter(move |member| member.name() != text)
}

/// What values a field had so far.
#[derive(Debug, Default)]
struct Seen {
    flag: bool,
    integer: bool,
    negative: bool,
    /// An integer that an f64 rounds.
    wide: bool,
    /// An integer past the signed ones.
    unsigned: bool,
    fraction: bool,
    other: bool,
}

impl Seen {
    fn see(&mut self, value: &str) {
        match value.as_bytes() {
            [b'n', ..] => {}
            [b't' | b'f', ..] => self.flag = true,
            [b'"' | b'{' | b'[', ..] => self.other = true,
            _ => match (value.parse::<i64>(), value.parse::<u64>()) {
                (Ok(number), _) => {
                    self.integer = true;
                    self.negative |= number < 0;
                    self.wide |= number.unsigned_abs() > EXACT_IN_F64;
                }
                (_, Ok(_)) => self.unsigned = true,
                _ if Kind::Float.holds(value) => self.fraction = true,
                _ => self.other = true,
            },
        }
    }

    fn kind(&self) -> Kind {
        let number = self.integer || self.unsigned || self.fraction;
        let several = self.flag && number
            || self.unsigned && (self.negative || self.fraction)
            || self.wide && self.fraction;
        match () {
            () if self.other || several => Kind::Text,
            () if self.flag => Kind::Flag,
            () if self.fraction => Kind::Float,
            () if self.unsigned => Kind::Unsigned,
            () if self.integer => Kind::Signed,
            // Nothing but null.
            () => Kind::Text,
        }
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Flag => DataType::Boolean,
            Kind::Signed => DataType::Int64,
            Kind::Unsigned => DataType::UInt64,
            Kind::Float => DataType::Float64,
            Kind::Text => DataType::Utf8,
        }
    }

    /// Whether a column of this kind holds `value` and loses nothing; null every one does.
    fn holds(self, value: &str) -> bool {
        if value == "null" {
            return true;
        }
        match self {
            Kind::Flag => matches!(value, "true" | "false"),
            Kind::Signed => value.parse::<i64>().is_ok(),
            Kind::Unsigned => value.parse::<u64>().is_ok(),
            Kind::Float => match value.parse::<f64>() {
                Ok(number) if value.contains(['.', 'e', 'E']) => number.is_finite(),
                Ok(number) => number.abs() <= EXACT_IN_F64 as f64,
                Err(_) => false,
            },
            Kind::Text => true,
        }
    }

    /// A column of values that it holds.
    fn array(self, values: &[Option<&str>]) -> ArrayRef {
        let values = values.iter().map(|value| value.filter(|value| *value != "null"));
        match self {
            Kind::Flag => Arc::new(values.map(|v| v.map(|v| v == "true")).collect::<BooleanArray>()),
            Kind::Signed => Arc::new(values.map(|v| v?.parse().ok()).collect::<Int64Array>()),
            Kind::Unsigned => Arc::new(values.map(|v| v?.parse().ok()).collect::<UInt64Array>()),
            Kind::Float => Arc::new(values.map(|v| v?.parse().ok()).collect::<Float64Array>()),
            Kind::Text => {
                // A string with half a character stays in its JSON spelling.
                let text = |value| string(value).unwrap_or(std::borrow::Cow::Borrowed(value));
                Arc::new(values.map(|v| v.map(text)).collect::<StringArray>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};

    use super::*;

    fn item(object: &str) -> Item {
        let open = object.strip_suffix('}').unwrap().to_owned();
        Item { text: "x".into(), beside: Beside::Object(open), mended: false }
    }

    fn kind(values: &[&str]) -> DataType {
        let items: Vec<Item> =
            values.iter().map(|v| item(&format!("{{\"text\":\"x\",\"a\":{v}}}"))).collect();
        Columns::of(&items, "text").fields()[0].data_type().clone()
    }

    #[test]
    fn a_column_is_what_all_its_values_are() {
        assert_eq!(kind(&["true", "null", "false"]), DataType::Boolean);
        assert_eq!(kind(&["1", "-9007199254740993"]), DataType::Int64);
        assert_eq!(kind(&["1", "18446744073709551615"]), DataType::UInt64);
        assert_eq!(kind(&["-1", "18446744073709551615"]), DataType::Utf8);
        assert_eq!(kind(&["1", "1.5"]), DataType::Float64);
        assert_eq!(kind(&["9007199254740993", "1.5"]), DataType::Utf8);
        assert_eq!(kind(&["18446744073709551616"]), DataType::Utf8);
        assert_eq!(kind(&["1e999"]), DataType::Utf8);
        assert_eq!(kind(&["1", "true"]), DataType::Utf8);
        assert_eq!(kind(&["null"]), DataType::Utf8);
    }

    #[test]
    fn text_columns_hold_strings_as_they_are_and_the_rest_as_json() {
        let items = [
            item(r#"{"text":"x","a":"b\u00e9","n":{"k":[1, 2]}}"#),
            item(r#"{"text":"x","a":7}"#),
            item(r#"{"a":"\ud83d","text":"x"}"#),
        ];
        let columns = Columns::of(&items, "text");
        let names: Vec<String> = columns.fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["a", "n", REST]);
        let (arrays, lost) = columns.arrays(&items);
        let a = arrays[0].as_string::<i32>();
        assert_eq!([a.value(0), a.value(1), a.value(2)], ["bé", "7", "\"\\ud83d\""]);
        let n = arrays[1].as_string::<i32>();
        assert!(n.value(0) == r#"{"k":[1, 2]}"# && n.is_null(1));
        assert!(arrays[2].null_count() == 3 && lost == 0);
    }

    #[test]
    fn what_has_no_place_goes_to_the_rest() {
        let columns = Columns::of(&[item(r#"{"text":"x","id":1}"#)], "text");
        let later = [item(r#"{"text":"x","id":"one","new":2.50}"#), item(r#"{"text":"x","id":2}"#)];
        let (arrays, lost) = columns.arrays(&later);
        assert!(arrays[0].is_null(0) && !arrays[0].is_null(1));
        let rest = arrays[1].as_string::<i32>();
        assert!(rest.value(0) == r#"{"id":"one","new":2.50}"# && rest.is_null(1) && lost == 0);
    }

    #[test]
    fn without_fields_there_is_no_rest() {
        let columns = Columns::of(&[item(r#"{"text":"x"}"#)], "text");
        assert!(columns.fields().is_empty());
        let (arrays, lost) = columns.arrays(&[item(r#"{"text":"x","id":1}"#)]);
        assert!(arrays.is_empty() && lost == 1);
    }
}
