//! Cuts a JSON file into records, one at a time: lines, or the elements of one array.

use std::io::{self, BufRead};

use super::Place;

/// Bytes one record may have. Past that the record is skipped, not held.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// One record's bytes and place.
#[derive(Debug)]
pub struct Record {
    /// Where it begins.
    pub place: Place,
    /// Its bytes, without the separator.
    pub bytes: Vec<u8>,
    /// What is odd about how it ends.
    pub ending: Ending,
}

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By its separator.
    Whole,
    /// By the end of the file; it may be cut off.
    AtEnd,
    /// It grew past `MAX_RECORD_BYTES`; `bytes` is empty.
    TooLong,
}

/// Reads records from a stream. One record is in memory at a time.
pub struct Records {
    stream: Box<dyn BufRead>,
    layout: Layout,
    offset: u64,
    number: u64,
    /// Set when the stream broke off inside compressed data.
    pub broken: Option<String>,
    /// Where something other than white space follows the end of the array.
    pub trailing: Option<u64>,
    done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Array,
}

impl Records {
    /// Looks at the first bytes: `[` begins an array, anything else is a record a line.
    pub fn new(mut stream: Box<dyn BufRead>) -> io::Result<Records> {
        let mut offset = 0;
        let layout = loop {
            let buffer = stream.fill_buf()?;
            if buffer.is_empty() {
                break Layout::Lines;
            }
            let skip = buffer.iter().take_while(|b| is_blank(**b)).count();
            let first = buffer.get(skip).copied();
            // Blank lines before the first record still count as lines, so only an array skips them.
            match first {
                Some(b'[') => {
                    stream.consume(skip + 1);
                    offset += skip as u64 + 1;
                    break Layout::Array;
                }
                Some(_) => break Layout::Lines,
                None => {
                    stream.consume(skip);
                    offset += skip as u64;
                }
            }
        };
        Ok(Records { stream, layout, offset, number: 0, broken: None, trailing: None, done: false })
    }

    /// The next record; `None` at the end. A stream that breaks inside compressed data ends there,
    /// with `broken` set: everything before it has been returned.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        while !self.done {
            let record = match self.layout {
                Layout::Lines => self.line(),
                Layout::Array => self.element(),
            };
            match record {
                Ok(Some(record))
                    if record.bytes.iter().all(|b| is_blank(*b)) && record.ending != Ending::TooLong => {}
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => self.done = true,
                Err(error) if is_cut(&error) => {
                    self.broken = Some(error.to_string());
                    self.done = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> io::Result<Option<Record>> {
        let start = self.offset;
        self.number += 1;
        let mut bytes = Vec::new();
        let ending = self.take_until(&mut bytes, |byte| byte == b'\n')?;
        if self.offset == start {
            return Ok(None);
        }
        Ok(Some(Record { place: Place { line: self.number, offset: start }, bytes, ending }))
    }

    fn element(&mut self) -> io::Result<Option<Record>> {
        self.number += 1;
        let start = self.offset;
        let mut scan = Scan::default();
        let mut bytes = Vec::new();
        let ending = self.take_until(&mut bytes, |byte| scan.ends(byte))?;
        if self.offset == start {
            return Ok(None);
        }
        if scan.closed {
            self.done = true;
            self.trailing = self.skip_blank()?;
        }
        let blank = bytes.iter().take_while(|b| is_blank(**b)).count();
        bytes.drain(..blank);
        let place = Place { line: self.number, offset: start + blank as u64 };
        Ok(Some(Record { place, bytes, ending }))
    }

    /// Bytes read so far, from the beginning of the decompressed file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Skips white space; the place of whatever follows.
    fn skip_blank(&mut self) -> io::Result<Option<u64>> {
        loop {
            let buffer = self.stream.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blank = buffer.iter().take_while(|b| is_blank(**b)).count();
            if blank < buffer.len() {
                return Ok(Some(self.offset + blank as u64));
            }
            self.stream.consume(blank);
            self.offset += blank as u64;
        }
    }

    /// Moves bytes up to the first that `ends` the record into `bytes`; that byte is consumed.
    fn take_until(&mut self, bytes: &mut Vec<u8>, mut ends: impl FnMut(u8) -> bool) -> io::Result<Ending> {
        let mut too_long = false;
        loop {
            let buffer = match self.stream.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(if too_long { Ending::TooLong } else { Ending::AtEnd });
            }
            let end = buffer.iter().position(|byte| ends(*byte));
            let taken = end.unwrap_or(buffer.len());
            too_long |= bytes.len() + taken > MAX_RECORD_BYTES;
            if too_long {
                *bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&buffer[..taken]);
            }
            let used = taken + usize::from(end.is_some());
            self.stream.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                return Ok(if too_long { Ending::TooLong } else { Ending::Whole });
            }
        }
    }
}

/// Where we are inside an array element.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    closed: bool,
}

impl Scan {
    /// True for the comma or bracket that ends the element.
    fn ends(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b']' if self.depth == 0 => {
                self.closed = true;
                return true;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

fn is_blank(byte: u8) -> bool {
    // A byte-order mark is blank: exports from Windows begin with one.
    byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf)
}

/// Errors that decoders give for a file that stops in the middle or is damaged.
pub fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidData | InvalidInput | Other)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn cut(text: &'static str) -> Vec<(u64, u64, String, Ending)> {
        let mut records = Records::new(Box::new(Cursor::new(text))).unwrap();
        let mut all = Vec::new();
        while let Some(r) = records.next_record().unwrap() {
            all.push((r.place.line, r.place.offset, String::from_utf8(r.bytes).unwrap(), r.ending));
        }
        all
    }

    #[test]
    fn lines_know_their_place() {
        let all = cut("{\"a\":1}\n\n{\"b\":2}");
        assert_eq!(all[0], (1, 0, "{\"a\":1}".into(), Ending::Whole));
        assert_eq!(all[1], (3, 9, "{\"b\":2}".into(), Ending::AtEnd));
    }

    #[test]
    fn arrays_are_cut_at_their_own_commas() {
        let all = cut(" [ {\"a\":\"],\\\"\"}, [1,{}] , 3 ] trailing");
        let texts: Vec<&str> = all.iter().map(|r| r.2.trim()).collect();
        assert_eq!(texts, ["{\"a\":\"],\\\"\"}", "[1,{}]", "3"]);
    }

    #[test]
    fn text_after_an_array_is_noticed() {
        let trailing = |text: &'static str| {
            let mut records = Records::new(Box::new(Cursor::new(text))).unwrap();
            while records.next_record().unwrap().is_some() {}
            records.trailing
        };
        assert_eq!(trailing("[1, 2]\n[3]"), Some(7));
        assert_eq!(trailing("[1, 2]\n  \n"), None);
    }

    #[test]
    fn a_cut_array_gives_its_whole_elements_first() {
        let all = cut("[{\"a\":1},{\"b\":");
        assert_eq!(all[0].3, Ending::Whole);
        assert_eq!(all[1].3, Ending::AtEnd);
    }
}
