//! Exports of tracing tools and tables of turns: the same two conversations from each.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::parquet::arrow::ArrowWriter;
use tempfile::tempdir;

use crate::common::{gzip, quality, report, run_in, write};

const FILES: [&str; 8] = [
    "wildchat.jsonl",
    "langfuse_traces.jsonl",
    "langfuse_observations.jsonl",
    "langfuse.csv",
    "langsmith.jsonl",
    "otel.jsonl",
    "otel_batch.json",
    "turns.csv",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats").join(name);
    std::fs::read(path).expect("a fixture")
}

/// Runs on `files`, and demands the two conversations, turn by turn.
#[track_caller]
fn tells_both(files: &[(&str, Vec<u8>)]) -> serde_json::Value {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        write(folder.path(), name, bytes);
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let mut args = vec!["run", "--out", "runs"];
    for name in &names {
        args.extend(["--conversations", *name]);
    }
    let (code, _, err) = run_in(folder.path(), &args);
    assert_eq!(code, 0, "{names:?}: {err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["conversations"], 2, "{names:?}");
    assert_eq!(report["overview"]["users"], 2, "{names:?}");
    let said = |id: &str| -> Vec<String> {
        let turns =
            report["conversations"][id]["turns"].as_array().unwrap_or_else(|| panic!("{names:?}: no {id}"));
        let spoken = turns.iter().filter(|turn| turn["role"] != "system");
        spoken.map(|turn| turn["text"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(
        said("c1"),
        ["Plan a trip to Rome", "Which week?", "The first of May", "Here it is."],
        "{names:?}"
    );
    assert_eq!(said("c2"), ["Translate this letter into German", "Gerne."], "{names:?}");
    report
}

#[test]
fn every_export_tells_the_same_conversations() {
    for name in FILES {
        tells_both(&[(name, fixture(name))]);
    }
}

#[test]
fn compressed_exports_and_those_of_windows() {
    let packed = |name: &str| gzip(fixture(name));
    tells_both(&[("a.csv.gz", packed("turns.csv"))]);
    tells_both(&[("a.jsonl.zst", zstd::encode_all(&fixture("langsmith.jsonl")[..], 3).unwrap())]);
    let windows = String::from_utf8(fixture("turns.csv")).unwrap().replace('\n', "\r\n");
    tells_both(&[("a.csv", [&b"\xef\xbb\xbf"[..], windows.as_bytes()].concat())]);
    tells_both(&[(
        "a.tsv",
        String::from_utf8(fixture("turns.csv")).unwrap().replace(',', "\t").into_bytes(),
    )]);
}

#[test]
fn turns_may_be_scattered_over_files_and_exported_twice() {
    let table = String::from_utf8(fixture("turns.csv")).unwrap();
    let (header, rows) = table.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let part = |rows: &[&str]| format!("{header}\n{}\n", rows.join("\n")).into_bytes();
    let report =
        tells_both(&[("a.csv", part(&rows[..2])), ("b.csv", part(&rows[1..4])), ("c.csv", part(&rows[3..]))]);
    assert_eq!(quality(&report, "Repeated records"), 2, "{:?}", report["quality"]);
}

#[test]
fn a_body_cut_off_is_read_and_counted() {
    let report = tells_both(&[("t.jsonl", fixture("langfuse_traces.jsonl"))]);
    assert_eq!(quality(&report, "Cut body"), 1, "{:?}", report["quality"]);
}

#[test]
fn a_cut_table_gives_every_whole_row() {
    let table = String::from_utf8(fixture("turns.csv")).unwrap();
    let cut = format!("{}c2,u2,2,us", table);
    let report = tells_both(&[("t.csv", cut.into_bytes())]);
    assert_eq!(quality(&report, "Cut off"), 1, "{:?}", report["quality"]);
}

#[test]
fn other_column_names_are_mapped() {
    let folder = tempdir().unwrap();
    let table = String::from_utf8(fixture("turns.csv")).unwrap();
    write(
        folder.path(),
        "t.csv",
        table.replacen("conversation_id,user_id,turn,role,content", "dialog,who,n,by,said", 1),
    );
    let (code, _, err) = run_in(folder.path(), &["run", "--conversations", "t.csv", "--out", "runs"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("dialog") && err.contains("[input.map]"), "{err}");
    write(
        folder.path(),
        "u.toml",
        "[input]\nconversations = [\"t.csv\"]\n[input.map]\nconversation_id = [\"dialog\"]\nuser_id = [\"who\"]\n\
         turn = [\"n\"]\nrole = [\"by\"]\ntext = [\"said\"]\n",
    );
    let (code, _, err) = run_in(folder.path(), &["run", "-c", "u.toml"]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["conversations"]["c1"]["turns"][3]["text"], "Here it is.");
}

#[test]
fn check_shows_conversations_put_together() {
    let folder = tempdir().unwrap();
    write(folder.path(), "t.jsonl", fixture("langsmith.jsonl"));
    let (code, out, err) = run_in(folder.path(), &["check", "--conversations", "t.jsonl"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("format langsmith") && out.contains("2 conversations"), "{out}");
    let at = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text} in {out}"));
    assert!(at("Plan a trip to Rome") < at("Which week?") && at("Which week?") < at("The first of May"));
}

#[test]
fn nested_parquet_and_parquet_of_turns() {
    tells_both(&[("w.parquet", nested())]);
    tells_both(&[("w.parquet.gz", gzip(nested()))]);
    tells_both(&[("t.parquet", flat())]);
    let mut cut = nested();
    cut.truncate(cut.len() / 2);
    let folder = tempdir().unwrap();
    write(folder.path(), "w.parquet", cut);
    let (code, _, err) = run_in(folder.path(), &["run", "--conversations", "w.parquet", "--out", "runs"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("damaged Parquet"), "{err}");
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn words(words: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(words.to_vec()))
}

/// As WildChat-1M lies on the hub: a list of structs.
fn nested() -> Vec<u8> {
    let roles = words(&["user", "assistant", "user", "assistant", "user", "assistant"]);
    let texts = words(&[
        "Plan a trip to Rome",
        "Which week?",
        "The first of May",
        "Here it is.",
        "Translate this letter into German",
        "Gerne.",
    ]);
    let fields = Fields::from(vec![
        Field::new("content", DataType::Utf8, false),
        Field::new("role", DataType::Utf8, false),
    ]);
    let turns = StructArray::new(fields.clone(), vec![texts, roles], None);
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), false));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths([4, 2]), Arc::new(turns), None);
    let times = TimestampMicrosecondArray::from(vec![1_772_359_200_000_000, 1_772_445_600_000_000]);
    parquet(vec![
        ("conversation_hash", words(&["c1", "c2"])),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("conversation", Arc::new(lists)),
        ("hashed_ip", words(&["u1", "u2"])),
    ])
}

fn flat() -> Vec<u8> {
    let table = String::from_utf8(fixture("turns.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let column = |at: usize| words(&rows.iter().map(|row| &row[at]).collect::<Vec<&str>>());
    parquet(header.iter().enumerate().map(|(at, name)| (name, column(at))).collect())
}
