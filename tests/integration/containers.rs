//! Every format in every container, whole and broken in every way: a table of which each cell is checked
//! (`cargo test --release containers -- --nocapture` prints it).

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::tempdir;
use undertone::conversation::Conversation;
use undertone::read::{
    Format, Oddity, Part, Place, ReadError, ReadParams, Reject, Sink, SourceFile, read_file,
};

use crate::common::{gzip, write};

/// Format, its records one a line (a table's first line is its header).
fn formats() -> Vec<(&'static str, Vec<String>)> {
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats").join(name);
        let text = std::fs::read_to_string(path).expect("a fixture");
        text.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    vec![
        (
            "canonical",
            lines(&[
                r#"{"conversation_id":"c1","turns":[{"role":"user","text":"Plan a trip"}]}"#,
                r#"{"conversation_id":"c2","turns":[{"role":"user","text":"Translate this"}]}"#,
            ]),
        ),
        (
            "openai",
            lines(&[
                r#"{"id":"c1","messages":[{"role":"user","content":"Plan a trip"}]}"#,
                r#"{"id":"c2","messages":[{"role":"user","content":"Translate this"}]}"#,
            ]),
        ),
        (
            "sharegpt",
            lines(&[
                r#"{"id":"c1","conversations":[{"from":"human","value":"Plan a trip"}]}"#,
                r#"{"id":"c2","conversations":[{"from":"human","value":"Translate this"}]}"#,
            ]),
        ),
        ("wildchat", fixture("wildchat.jsonl")),
        ("langfuse", fixture("langfuse_observations.jsonl")),
        ("langfuse", fixture("langfuse.csv")),
        ("langsmith", fixture("langsmith.jsonl")),
        ("otel", fixture("otel.jsonl")),
        ("turns", fixture("turns.csv")),
    ]
}

/// Lines of JSON, one array of them, or a table.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Lines,
    Array,
    Table,
}

const BREAKS: [&str; 7] = ["whole", "cut off", "a bad record", "BOM", "CRLF", "not UTF-8", "empty"];

/// The file's bytes, and what must come of them: records, rejects and oddities of the kind that the break makes.
fn broken(records: &[String], layout: Layout, how: &str) -> (Vec<u8>, usize, usize, Option<Oddity>) {
    let mut lines = records.to_vec();
    let all = lines.len() - usize::from(layout == Layout::Table);
    let bad = if layout == Layout::Table { "only one field".to_owned() } else { "{\"broken\": ".to_owned() };
    if how == "a bad record" {
        lines.insert(lines.len() - 1, if layout == Layout::Array { "7".to_owned() } else { bad });
    }
    let text = match layout {
        Layout::Array => format!("[\n{}\n]\n", lines.join(",\n")),
        _ => format!("{}\n", lines.join("\n")),
    };
    let mut bytes = text.into_bytes();
    match how {
        "cut off" => {
            let last = lines.last().map_or(0, String::len);
            let end = if layout == Layout::Array { 3 } else { 1 };
            bytes.truncate(bytes.len() - end - last / 2);
            (bytes, all - 1, 0, Some(Oddity::CutOff))
        }
        "a bad record" => (bytes, all, 1, None),
        "BOM" => ([&b"\xef\xbb\xbf"[..], &bytes].concat(), all, 0, None),
        "CRLF" => (String::from_utf8_lossy(&bytes).replace('\n', "\r\n").into_bytes(), all, 0, None),
        "not UTF-8" => {
            let at = bytes.windows(3).position(|three| three == b"Pla").expect("a text that begins so");
            bytes[at + 1] = 0xff;
            (bytes, all, 0, Some(Oddity::InvalidUtf8))
        }
        "empty" => (Vec::new(), 0, 0, None),
        _ => (bytes, all, 0, None),
    }
}

#[derive(Default)]
struct Seen {
    records: BTreeSet<u64>,
    rejects: Vec<Reject>,
    oddities: Vec<Oddity>,
}

impl Sink for Seen {
    fn conversation(&mut self, place: Place, _: Conversation) -> Result<(), ReadError> {
        self.records.insert(place.offset);
        Ok(())
    }
    fn part(&mut self, place: Place, _: Part) -> Result<(), ReadError> {
        self.records.insert(place.offset);
        Ok(())
    }
    fn reject(&mut self, reject: Reject) -> Result<(), ReadError> {
        self.rejects.push(reject);
        Ok(())
    }
    fn oddity(&mut self, oddity: Oddity) {
        self.oddities.push(oddity);
    }
    fn consumed(&mut self, _: u64) {}
}

/// Records that say nothing a user said (spans of tools, say): they are read, and nothing comes of them.
fn silent(format: &str, records: &[String]) -> usize {
    let is_silent = |line: &&String| match format {
        "langfuse" => line.contains("\"SPAN\""),
        "langsmith" => line.contains("\"run_type\":\"tool\""),
        "otel" => line.contains("\"embeddings\""),
        _ => false,
    };
    records.iter().filter(is_silent).count()
}

#[test]
fn every_format_in_every_container_whole_and_broken() {
    let folder = tempdir().unwrap();
    for (format, records) in formats() {
        let is_table = !records[0].starts_with('{');
        let layouts: &[Layout] = if is_table { &[Layout::Table] } else { &[Layout::Lines, Layout::Array] };
        for layout in layouts {
            for packed in ["plain", "gzip", "zstd"] {
                let mut cells = Vec::new();
                for how in BREAKS {
                    let (bytes, wanted, rejects, oddity) = broken(&records, *layout, how);
                    let cell = format!("{format} {packed} {how}: {}", String::from_utf8_lossy(&bytes));
                    let bytes = match packed {
                        "gzip" => gzip(&bytes),
                        "zstd" => zstd::encode_all(&bytes[..], 1).unwrap(),
                        _ => bytes,
                    };
                    let path = write(folder.path(), "export", &bytes);
                    let file = SourceFile { path, bytes: bytes.len() as u64 };
                    let mut seen = Seen::default();
                    let found = read_file(&file, &ReadParams::default(), &mut seen).expect(&cell);
                    let wanted = wanted.saturating_sub(if wanted > 0 { silent(format, &records) } else { 0 });
                    // A cut takes the last record, which in one fixture is the silent one.
                    let last_is_silent = silent(format, &records[records.len() - 1..]) == 1;
                    let wanted = wanted + usize::from(how == "cut off" && last_is_silent);
                    assert_eq!(seen.records.len(), wanted, "{cell}\n{:?}", seen.rejects);
                    assert_eq!(found.map(Format::name), (how != "empty").then_some(format), "{cell}");
                    let bad = seen.rejects.iter().filter(|reject| !reject.is_cut_off()).count();
                    assert_eq!(bad, rejects, "{cell}\n{:?}", seen.rejects);
                    if let Some(oddity) = oddity {
                        assert!(seen.oddities.contains(&oddity), "{cell}\n{:?}", seen.oddities);
                    }
                    cells.push(how);
                }
                let layout = match layout {
                    Layout::Lines => "lines",
                    Layout::Array => "array",
                    Layout::Table => "table",
                };
                println!("{format:<10} {layout:<6} {packed:<6} {}", cells.join(", "));
            }
        }
    }
}
