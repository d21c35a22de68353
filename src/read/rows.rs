//! CSV with a header as records: a row is an object of its columns.

use std::io::BufRead;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde_json::{Map, Value};

use super::{Oddity, Place};

/// Columns that hold a list written as JSON.
const LISTS: [&str; 4] = ["turns", "messages", "conversations", "conversation"];

/// The separator, when a file that begins with `start` is a table with a header: a first line of two or more
/// fields, none empty, no two alike.
pub fn separator(start: &[u8]) -> Option<u8> {
    let start = start.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(start);
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if matches!(first, b'{' | b'[') {
        return None;
    }
    let line = start.split(|byte| *byte == b'\n').next()?;
    let count = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
    let separator = [b',', b'\t', b';'].into_iter().max_by_key(|separator| count(*separator))?;
    let mut reader = ReaderBuilder::new().delimiter(separator).has_headers(false).from_reader(line);
    let fields = reader.byte_records().next()?.ok()?;
    let mut names: Vec<&[u8]> = fields.iter().map(<[u8]>::trim_ascii).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    (all >= 2 && names.len() == all && !names[0].is_empty()).then_some(separator)
}

/// A row, or what is wrong with it.
pub enum Row {
    /// Its columns.
    Record(Map<String, Value>, Vec<Oddity>),
    /// Why it cannot be used.
    Unusable(String),
    /// The file ends in it.
    CutOff(String),
}

/// Rows of a table, one in memory at a time.
pub struct Rows {
    reader: csv::Reader<Box<dyn BufRead>>,
    names: Vec<String>,
    record: ByteRecord,
    /// Read to see whether a short row is the last.
    ahead: Option<ByteRecord>,
    done: bool,
}

impl Rows {
    /// Reads the header.
    ///
    /// # Errors
    /// The stream fails.
    pub fn new(stream: Box<dyn BufRead>, separator: u8) -> Result<Rows, csv::Error> {
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .delimiter(separator)
            .buffer_capacity(1 << 16)
            .from_reader(stream);
        let header = reader.byte_headers()?;
        let name =
            |field: &[u8]| String::from_utf8_lossy(field).trim_matches(['\u{feff}', ' ', '\r']).to_owned();
        let names = header.iter().map(name).collect();
        Ok(Rows { reader, names, record: ByteRecord::new(), ahead: None, done: false })
    }

    /// The next row and its place; `None` at the end.
    ///
    /// # Errors
    /// The stream fails other than by ending in the middle.
    pub fn next_row(&mut self) -> Result<Option<(Place, Row)>, csv::Error> {
        if self.done {
            return Ok(None);
        }
        let read = match self.ahead.take() {
            Some(ahead) => {
                self.record = ahead;
                Ok(true)
            }
            None => self.reader.read_byte_record(&mut self.record),
        };
        match read {
            Ok(false) => Ok(None),
            Ok(true) => {
                let position = self.record.position().unwrap_or(self.reader.position());
                Ok(Some((Place { line: position.line(), offset: position.byte() }, self.row())))
            }
            Err(error) => match error.kind() {
                ErrorKind::Io(source) if super::is_cut(source) => {
                    self.done = true;
                    let position = self.reader.position();
                    let place = Place { line: position.line(), offset: position.byte() };
                    Ok(Some((place, Row::CutOff(source.to_string()))))
                }
                _ => Err(error),
            },
        }
    }

    fn is_last(&mut self) -> bool {
        let mut ahead = ByteRecord::new();
        let more = self.reader.read_byte_record(&mut ahead).unwrap_or(false);
        self.ahead = more.then_some(ahead);
        !more
    }

    fn row(&mut self) -> Row {
        let (found, expected) = (self.record.len(), self.names.len());
        if found != expected {
            let reason = format!("{found} fields where the header has {expected}");
            if found < expected && self.is_last() {
                self.done = true;
                return Row::CutOff(reason);
            }
            return Row::Unusable(reason);
        }
        let mut oddities = Vec::new();
        let mut object = Map::with_capacity(expected);
        for (name, field) in self.names.iter().zip(&self.record) {
            object.insert(name.clone(), cell(name, field, &mut oddities));
        }
        Row::Record(object, oddities)
    }
}

/// Text; null where empty; a list where the column's name says so.
fn cell(name: &str, field: &[u8], oddities: &mut Vec<Oddity>) -> Value {
    if field.is_empty() {
        return Value::Null;
    }
    let text = match std::str::from_utf8(field) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            oddities.push(Oddity::InvalidUtf8);
            String::from_utf8_lossy(field).into_owned()
        }
    };
    listed(name, text)
}

/// A text value, or the list that it holds where the column's name says that it does.
pub fn listed(name: &str, text: String) -> Value {
    if LISTS.contains(&name) && text.trim_start().starts_with('[') {
        if let Ok(list) = serde_json::from_str(&text) {
            return list;
        }
    }
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_a_table() {
        assert_eq!(separator(b"id,role,text\n1,user,hi\n"), Some(b','));
        assert_eq!(separator(b"\xef\xbb\xbfid;role;text\n"), Some(b';'));
        assert_eq!(separator(b"id\trole\n"), Some(b'\t'));
        for other in [&b"{\"a\":1,\"b\":2}"[..], b"[1,2]", b"word", b"a,,b", b"a,a", b""] {
            assert_eq!(separator(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn rows_know_their_place_and_what_is_wrong_with_them() {
        let text = "id,text\n1,\"two\nlines\"\n2\n3,c\n4";
        let mut rows = Rows::new(Box::new(Cursor::new(text)), b',').unwrap();
        let mut seen = Vec::new();
        while let Some((place, row)) = rows.next_row().unwrap() {
            seen.push((
                place.line,
                match row {
                    Row::Record(object, _) => object["text"].as_str().unwrap().to_owned(),
                    Row::Unusable(_) => "unusable".into(),
                    Row::CutOff(_) => "cut".into(),
                },
            ));
        }
        let expected = [(2, "two\nlines"), (4, "unusable"), (5, "c"), (6, "cut")];
        assert_eq!(seen, expected.map(|(line, text)| (line, text.to_owned())));
    }
}
