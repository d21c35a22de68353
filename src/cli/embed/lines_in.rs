//! Lines in: a text each, or a JSON object with one.

use std::io::{self, BufRead, Read};

use super::item::{Bad, Beside, Found, Item};
use super::object::{Flaw, kind, members, string};
use crate::cli::CliError;
use crate::read::is_cut;

/// Bytes one line may have. Past that it is skipped, not held.
pub const MAX_LINE_BYTES: usize = 64 << 20;
/// What is kept of a long line's room.
const KEPT_BYTES: usize = 1 << 20;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// The text itself.
    Text,
    /// A JSON object; blank lines are skipped.
    Objects,
    /// A JSON object if it begins with `{`, or else the text itself.
    Either,
}

/// The lines of a stream.
pub struct Lines {
    stream: Box<dyn BufRead + Send>,
    format: LineFormat,
    /// The field of an object that holds the text.
    field: String,
    /// What to call the stream.
    name: String,
    number: u64,
    line: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Reads `stream`, called `name` in errors, from its first line.
    pub fn new(stream: Box<dyn BufRead + Send>, format: LineFormat, field: String, name: String) -> Lines {
        Lines { stream, format, field, name, number: 0, line: Vec::new(), ended: false }
    }

    /// Reads a line; how many bytes it has with its end, 0 at the end, `None` where it has too many.
    fn read(&mut self) -> io::Result<Option<usize>> {
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
        let most = MAX_LINE_BYTES + 1;
        let length = (&mut self.stream).take(most as u64).read_until(b'\n', &mut self.line)?;
        if length == most && !self.line.ends_with(b"\n") {
            self.stream.skip_until(b'\n')?;
            return Ok(None);
        }
        Ok(Some(length))
    }

    fn line(&self) -> Option<Found> {
        let whole = self.line.ends_with(b"\n");
        let line = String::from_utf8_lossy(&self.line);
        let mended = matches!(line, std::borrow::Cow::Owned(_));
        // Exports from Windows begin with a byte order mark.
        let line = line.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}');
        let object = line.trim();
        match (self.format, object.as_bytes()) {
            (LineFormat::Objects, []) => None,
            (LineFormat::Objects | LineFormat::Either, [b'{', ..]) => {
                Some(match self.object(object, whole) {
                    Ok((text, open)) => Found::Item(Item { text, beside: Beside::Object(open), mended }),
                    Err(found) => found,
                })
            }
            (LineFormat::Objects | LineFormat::Either, [b'['] | [b'[', b'{', ..]) => {
                Some(self.bad(format!("a JSON array begins; one object a line is read{TEXT_HINT}")))
            }
            (LineFormat::Objects, _) => Some(self.bad(format!("not a JSON object{TEXT_HINT}"))),
            _ => Some(Found::Item(Item { text: line.to_owned(), beside: Beside::Nothing, mended })),
        }
    }

    /// An object's text, and the object without `vector` and without its last brace.
    fn object(&self, object: &str, whole: bool) -> Result<(String, String), Found> {
        let members = members(object).map_err(|flaw| match flaw {
            Flaw::Unfinished(column) if !whole => Found::CutOff(
                self.reason(format!("the object is not finished at column {column}{TEXT_HINT}")),
            ),
            Flaw::Unfinished(column) => {
                self.bad(format!("the line ends within its object, at column {column}{TEXT_HINT}"))
            }
            Flaw::Syntax(column) => self.bad(format!("not a JSON object, column {column}{TEXT_HINT}")),
        })?;
        let field = &self.field;
        // As parsers do: where a field comes twice, the last counts.
        let Some(value) = members.iter().rev().find(|member| member.name() == *field).map(|m| m.value) else {
            return Err(self.bad(format!("no field `{field}`; --text-field NAME names another")));
        };
        let text = string(value).ok_or_else(|| {
            self.bad(match kind(value) {
                "a string" => format!("`{field}` has an escape that is half a character (a lone surrogate)"),
                other => format!("`{field}` is {other}, not a string"),
            })
        })?;
        let open = if members.iter().any(|member| member.name() == "vector") {
            let kept = members.iter().filter(|member| member.name() != "vector");
            let kept: Vec<String> = kept.map(|member| format!("{}:{}", member.key, member.value)).collect();
            format!("{{{}", kept.join(","))
        } else {
            object[..object.len() - 1].trim_end().to_owned()
        };
        Ok((text.into_owned(), open))
    }

    fn reason(&self, reason: String) -> Bad {
        Bad { place: self.number, reason }
    }

    fn bad(&self, reason: String) -> Found {
        Found::Bad(self.reason(reason))
    }
}

/// Who meant the line itself learns how to say so.
const TEXT_HINT: &str = " (--format text takes lines as they are)";

impl Iterator for Lines {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while !self.ended {
            self.number += 1;
            match self.read() {
                Ok(Some(0)) => self.ended = true,
                Ok(Some(_)) => {
                    if let Some(found) = self.line() {
                        return Some(found);
                    }
                }
                Ok(None) => {
                    return Some(self.bad(format!("longer than {} MiB", MAX_LINE_BYTES >> 20)));
                }
                Err(error) if is_cut(&error) => {
                    self.ended = true;
                    return Some(Found::CutOff(self.reason(error.to_string())));
                }
                Err(error) => {
                    self.ended = true;
                    let place = format!("{}, line {}", self.name, self.number);
                    return Some(Found::Failed(CliError::Failed(format!("{place}: {error}"))));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(bytes: impl Into<Vec<u8>>, format: LineFormat) -> Vec<Found> {
        let stream = Box::new(Cursor::new(bytes.into()));
        Lines::new(stream, format, "text".into(), "it".into()).collect()
    }

    fn texts(bytes: &str, format: LineFormat) -> Vec<Result<String, u64>> {
        let of = |found| match found {
            Found::Item(item) => Ok(item.text),
            Found::Bad(bad) | Found::CutOff(bad) => Err(bad.place),
            Found::Failed(error) => panic!("{error}"),
        };
        lines(bytes, format).into_iter().map(of).collect()
    }

    #[test]
    fn formats_say_what_a_line_is() {
        let input = "{\"text\":\"a\"}\n\nplain\r\n{name}, hello\n{\"text\":null}\n";
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(texts(input, LineFormat::Either), [ok("a"), ok(""), ok("plain"), Err(4), Err(5)]);
        assert_eq!(texts(input, LineFormat::Objects), [ok("a"), Err(3), Err(4), Err(5)]);
        let expected = ["{\"text\":\"a\"}", "", "plain", "{name}, hello", "{\"text\":null}"].map(ok);
        assert_eq!(texts(input, LineFormat::Text), expected);
    }

    #[test]
    fn an_array_is_not_taken_for_a_text() {
        assert_eq!(texts("[{\"text\":\"a\"},{\"text\":\"b\"}]", LineFormat::Either), [Err(1)]);
        assert_eq!(texts("[10:32] hello", LineFormat::Either), [Ok("[10:32] hello".into())]);
    }

    #[test]
    fn an_object_that_ends_with_the_file_is_cut_off() {
        let found = lines("{\"text\":\"a\"}\n{\"text\":\"b", LineFormat::Either);
        assert!(matches!(&found[1], Found::CutOff(bad) if bad.place == 2), "{:?}", found[1]);
        let found = lines("{\"text\":\"b\n{\"text\":\"a\"}\n", LineFormat::Either);
        assert!(matches!(&found[0], Found::Bad(_)), "{:?}", found[0]);
    }

    #[test]
    fn an_old_vector_goes_and_the_rest_stays() {
        let open = |line: &str| match lines(line, LineFormat::Either).remove(0) {
            Found::Item(Item { beside: Beside::Object(open), .. }) => open,
            other => panic!("{other:?}"),
        };
        assert_eq!(open(r#" { "id" : 1.10, "text":"x" } "#), r#"{ "id" : 1.10, "text":"x""#);
        assert_eq!(open(r#"{"vector":[1, 2],"id" : 1.10, "text":"x"}"#), r#"{"id":1.10,"text":"x""#);
    }

    #[test]
    fn a_line_past_the_limit_is_skipped() {
        let mut bytes = vec![b'x'; MAX_LINE_BYTES + 1];
        bytes.extend(b"\nshort\n");
        let found = lines(bytes, LineFormat::Either);
        assert!(matches!(&found[0], Found::Bad(bad) if bad.place == 1), "too long");
        assert!(matches!(&found[1], Found::Item(item) if item.text == "short"), "the next");
        let longest = [vec![b'x'; MAX_LINE_BYTES], vec![b'\n']].concat();
        assert!(
            matches!(&lines(longest, LineFormat::Either)[0], Found::Item(_)),
            "just as long as it may be"
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told() {
        let found = lines(b"a\xffb\n".to_vec(), LineFormat::Either);
        assert!(matches!(&found[0], Found::Item(item) if item.mended && item.text == "a\u{fffd}b"));
    }
}
