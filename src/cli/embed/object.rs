//! Cuts a JSON object into its members without rewriting any of them.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::error::Category;

/// A member of an object, as it is spelled.
#[derive(Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name as it is spelled, with quotation marks.
    pub key: &'a str,
    /// Its value as it is spelled.
    pub value: &'a str,
}

impl<'a> Member<'a> {
    /// Its name; as it is spelled where an escape in it is no character.
    pub fn name(&self) -> Cow<'a, str> {
        string(self.key).unwrap_or(Cow::Borrowed(self.key))
    }
}

/// Why a line is no object.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends before the object does; the column.
    Unfinished(usize),
    /// It is not JSON from this column on.
    Syntax(usize),
}

/// The members of the JSON object that `text` is, in order.
///
/// # Errors
/// `text`, which begins with `{`, is not one whole object.
pub fn members(text: &str) -> Result<Vec<Member<'_>>, Flaw> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| match error.classify() {
        Category::Eof => Flaw::Unfinished(error.column()),
        _ => Flaw::Syntax(error.column()),
    })?;
    // The grammar is checked; what is left is to find where the members begin and end.
    let mut scan = Scan { text, at: 1 };
    let mut members = Vec::new();
    while scan.skip_to(b'"') {
        let key = scan.value();
        scan.skip_to(b':');
        scan.at += 1;
        scan.skip_blank();
        let value = scan.value();
        members.push(Member { key, value });
    }
    Ok(members)
}

/// The text that a JSON string means; `None` for another value, and for half a surrogate pair.
pub fn string(value: &str) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str(value).ok().map(Cow::Owned)
}

/// What kind of value it is, in words.
pub fn kind(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Moves to the next `byte`; false if there is none.
    fn skip_to(&mut self, byte: u8) -> bool {
        let place = self.rest().iter().position(|b| *b == byte);
        self.at += place.unwrap_or(0);
        place.is_some()
    }

    /// Moves behind the value that begins here.
    fn value(&mut self) -> &'a str {
        let (start, rest) = (self.at, self.rest());
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let mut length = rest.len();
        for (place, byte) in rest.iter().enumerate() {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                if !in_string && depth == 0 {
                    length = place + 1;
                    break;
                }
                continue;
            }
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                // The end of a number or a word: what encloses it goes on.
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => {
                    length = place;
                    break;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        length = place + 1;
                        break;
                    }
                }
                _ => {}
            }
        }
        self.at = start + length;
        self.text.get(start..self.at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, &str)> {
        members(text).unwrap().iter().map(|member| (member.key, member.value)).collect()
    }

    #[test]
    fn members_are_spelled_as_they_were() {
        let text = r#"{ "id" : 12345678901234567890123, "p":1.10 ,"a":[1,{"b":"]}"}],"s":"q\",\"" , "t":true,"n":null}"#;
        let expected = [
            ("\"id\"", "12345678901234567890123"),
            ("\"p\"", "1.10"),
            ("\"a\"", r#"[1,{"b":"]}"}]"#),
            ("\"s\"", r#""q\",\"""#),
            ("\"t\"", "true"),
            ("\"n\"", "null"),
        ];
        assert_eq!(pairs(text), expected);
        assert_eq!(pairs("{}"), []);
        assert_eq!(pairs(" {\"a\" :\t{} } ".trim()), [("\"a\"", "{}")]);
    }

    #[test]
    fn members_agree_with_the_parser() {
        for text in [
            r#"{"a":"\\","b":"\\\"","c":[[],[[]],{}],"d":-1.5e-7}"#,
            r#"{"a":{"a":{"a":[{"a":"}{"}]}}, "é":"ü","":""}"#,
            "{\"a\":1}",
        ] {
            let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
            let found = members(text).unwrap();
            assert_eq!(found.len(), expected.len(), "{text}");
            for (member, (key, value)) in found.iter().zip(&expected) {
                assert_eq!(member.name(), key.as_str());
                assert_eq!(&serde_json::from_str::<serde_json::Value>(member.value).unwrap(), value);
            }
        }
    }

    #[test]
    fn flaws_have_a_column() {
        assert_eq!(members("{\"a\":1"), Err(Flaw::Unfinished(6)));
        assert_eq!(members("{name}, hello"), Err(Flaw::Syntax(2)));
        assert_eq!(members("{} {}"), Err(Flaw::Syntax(4)));
    }

    #[test]
    fn strings_mean_text() {
        assert_eq!(string(r#""a\u00e9\n""#).as_deref(), Some("aé\n"));
        assert_eq!(string(r#""\ud83d\ude00""#).as_deref(), Some("😀"));
        assert_eq!(string(r#""\ud83d""#), None);
        assert_eq!(string("7"), None);
    }
}
