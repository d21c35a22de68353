//! `undertone embed` from outside: what goes in, what comes out, when, and what is said.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int64Type};
use serde_json::Value;
use tempfile::tempdir;
use undertone::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
use undertone::table::{TableWriter, batches, schema};

use crate::common::{gzip, outcome, run_in, undertone, write};

/// Runs `embed` in `folder` with `input` on standard input.
fn embed(folder: &Path, args: &[&str], input: impl AsRef<[u8]>) -> (i32, String, String) {
    let input = write(folder, "stdin", input);
    let mut command = undertone();
    command.current_dir(folder).arg("embed").args(args).stdin(std::fs::File::open(input).unwrap());
    outcome(&command.output().unwrap())
}

fn values(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line without its vector.
fn before_vector(line: &str) -> &str {
    line.split(",\"vector\":[").next().unwrap()
}

/// Significant digits of a number as it is spelled.
fn significant(number: &str) -> usize {
    let digits = number.split('e').next().unwrap().replace(['-', '.'], "");
    digits.trim_matches('0').len()
}

/// `good` usable lines, with `bad` ones in the middle.
fn lines(good: usize, bad: &[&str]) -> String {
    let line = |number: usize| format!("{{\"text\":\"number {number}\"}}\n");
    let bad: String = bad.iter().map(|line| format!("{line}\n")).collect();
    (0..good / 2).map(line).collect::<String>() + &bad + &(good / 2..good).map(line).collect::<String>()
}

#[test]
fn vectors_have_unit_length_and_every_bit() {
    let folder = tempdir().unwrap();
    let (code, out, err) = embed(folder.path(), &[], "hello there\n{\"text\": \"export  my data\"}\n\n");
    assert_eq!(code, 0, "{err}");
    let model = Model::load(&ModelSource::Bundled).unwrap();
    let encoder = Encoder::load(&model, EncodeParams::default()).unwrap();
    let found = values(&out);
    assert_eq!(found.len(), 3);
    for (line, found) in out.lines().zip(&found) {
        let text = encoder.normal(found["text"].as_str().unwrap());
        let expected = &encoder.encode(&[&text]).unwrap()[0].vector;
        let norm: f32 = expected.iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-5);
        let spelled = line.split_once("\"vector\":[").unwrap().1.trim_end_matches("]}");
        for (spelled, expected) in spelled.split(',').zip(expected) {
            assert_eq!(spelled.parse::<f32>().unwrap().to_bits(), expected.to_bits());
            // Most readers have no f32.
            assert_eq!((spelled.parse::<f64>().unwrap() as f32).to_bits(), expected.to_bits());
            assert!(significant(spelled) <= 9, "{spelled} has more digits than an f32");
        }
    }
}

#[test]
fn one_bad_line_in_a_hundred_stops_nothing() {
    let folder = tempdir().unwrap();
    for (bad, reason) in [
        ("{\"text\": null}", "`text` is null"),
        ("{\"text\": \"\\ud83d secret\"}", "surrogate"),
        ("{name}, secret", "--format text"),
        ("{\"body\": \"secret\"}", "--text-field"),
        ("{\"text\": [\"secret\"]}", "an array"),
    ] {
        let (code, out, err) = embed(folder.path(), &[], lines(99, &[bad]));
        assert_eq!((code, out.lines().count()), (0, 99), "{bad}: {err}");
        assert!(err.contains("1 of 100 lines not used: first at line 50: "), "{err}");
        assert!(err.contains(reason) && !err.contains("secret"), "{err}");
        assert!(embed(folder.path(), &["-q"], lines(99, &[bad])).2.contains("line 50"), "loss is no talk");
    }
}

#[test]
fn too_many_bad_lines_are_exit_two_after_the_good_ones() {
    let folder = tempdir().unwrap();
    let input = lines(100, &["{\"text\": null}", "{\"text\": 7}"]);
    let (code, out, err) = embed(folder.path(), &[], &input);
    assert_eq!((code, out.lines().count()), (2, 100), "{err}");
    assert!(err.contains("2 of 102 lines not used: first at line 51") && err.contains("line 52"), "{err}");
    assert!(err.contains("--max-reject-share 0.01"), "{err}");
    let (code, out, err) = embed(folder.path(), &["--max-reject-share", "0.02"], &input);
    assert_eq!((code, out.lines().count()), (0, 100), "{err}");
    assert_eq!(embed(folder.path(), &["--max-reject-share", "0"], lines(99, &["{"])).0, 2);
    assert_eq!(embed(folder.path(), &["--max-reject-share", "2"], "a\n").0, 2);
}

#[test]
fn no_file_and_no_vector_is_lost() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let embed = |input: &str, out: &str| run_in(folder.path(), &["embed", "--input", input, "--out", out]);
    write(folder.path(), "bad.jsonl", "fine\n{\"text\": 1}\n");
    for name in ["kept.jsonl", "kept.parquet"] {
        write(folder.path(), name, "precious");
        let (code, _, err) = embed("bad.jsonl", name);
        let aside = name.replace("kept", "kept.incomplete");
        assert!(code == 2 && err.contains(&aside), "{err}");
        assert_eq!(std::fs::read_to_string(path(name)).unwrap(), "precious");
        let (code, out, err) = run_in(folder.path(), &["embed", "--input", &aside]);
        assert_eq!((code, values(&out)[0]["text"].as_str()), (0, Some("fine")), "{err}");
    }
    write(folder.path(), "same.jsonl", "hello there\n{\"id\": 7, \"text\": \"export my data\"}\n");
    let (code, _, err) = embed("same.jsonl", "same.jsonl");
    assert_eq!(code, 0, "{err}");
    let text = std::fs::read_to_string(path("same.jsonl")).unwrap();
    assert_eq!(before_vector(text.lines().nth(1).unwrap()), "{\"id\": 7, \"text\": \"export my data\"");
    // One in a hundred may be left out of another file, but not of its own.
    let input = lines(99, &["{\"text\": null}"]);
    write(folder.path(), "same.jsonl", &input);
    let (code, _, err) = embed("same.jsonl", "same.jsonl");
    assert!(code == 2 && err.contains("the input itself"), "{err}");
    assert_eq!(std::fs::read_to_string(path("same.jsonl")).unwrap(), input);
    assert_eq!(embed("same.jsonl", "other.jsonl").0, 0);
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
}

#[test]
fn the_format_is_told_by_content_or_named() {
    let folder = tempdir().unwrap();
    let plain = "{\"text\":\"hello there\"}\nexport my data\n";
    let embedded = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        run_in(folder.path(), &["embed", "--input", name])
    };
    let expected = embedded("plain", plain.as_bytes());
    assert_eq!((expected.0, expected.1.lines().count()), (0, 2), "{}", expected.2);
    assert_eq!(embedded("zipped", &gzip(plain)).1, expected.1);
    assert_eq!(embedded("zstd", &zstd::encode_all(plain.as_bytes(), 3).unwrap()).1, expected.1);
    assert_eq!(embedded("marked", format!("\u{feff} {plain}").as_bytes()).1, expected.1);
    run_in(folder.path(), &["embed", "--input", "plain", "--out", "t.parquet"]);
    let table = std::fs::read(folder.path().join("t.parquet")).unwrap();
    assert_eq!(embedded("table", &table).1, expected.1);
    let wide: Vec<u8> = [0xfeff].into_iter().chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (code, out, err) = embedded("wide", &wide);
    assert!(code == 2 && out.is_empty() && err.contains("UTF-16"), "{code} {err}");

    let braces = "{name}, hello\n{\"text\": \"hi\"}\n";
    let (code, out, err) = embed(folder.path(), &["--format", "text"], braces);
    assert_eq!(code, 0, "{err}");
    let found = values(&out);
    assert_eq!([&found[0]["text"], &found[1]["text"]], ["{name}, hello", "{\"text\": \"hi\"}"]);
    let (code, out, err) = embed(folder.path(), &["--format", "jsonl"], "{\"text\":\"a\"}\n\nplain\n");
    assert!(code == 2 && out.lines().count() == 1 && err.contains("1 of 2 lines"), "{err}");
    let (code, _, err) = embed(folder.path(), &["--format", "parquet"], &table);
    assert!(code == 2 && err.contains("--input FILE"), "{err}");
    let (code, _, err) = run_in(folder.path(), &["embed", "--input", "plain", "--format", "parquet"]);
    assert!(code == 2 && err.contains("plain"), "{err}");
}

#[test]
fn other_fields_are_kept_as_they_are_spelled() {
    let folder = tempdir().unwrap();
    let object = r#"{ "id": 12345678901234567890123, "text":"x" ,"price": 1.10,"z":18446744073709551616, "a" : {"f": 0.1}, "e":"\u00e9", "h":"\ud83d""#;
    let (code, out, err) = embed(folder.path(), &[], format!("{object} }}\n"));
    assert_eq!(code, 0, "{err}");
    assert_eq!(before_vector(&out), object);
    // Once more: the old vector makes room for the new, which is the same.
    let (_, again, err) =
        embed(folder.path(), &[], r#"{"vector":[1,2],"n":1.10,"text":"x"}"#.to_owned() + "\n");
    assert_eq!(before_vector(&again), r#"{"n":1.10,"text":"x""#, "{err}");
    assert_eq!(again.split_once("\"vector\"").unwrap().1, out.split_once("\"vector\"").unwrap().1);
}

#[test]
fn the_text_may_have_another_name() {
    let folder = tempdir().unwrap();
    let named = ["--text-field", "body"];
    let (code, out, err) = embed(folder.path(), &named, "{\"body\": \"hello\", \"text\": 7}\nplain\n");
    assert_eq!(code, 0, "{err}");
    assert_eq!(before_vector(&out), "{\"body\": \"hello\", \"text\": 7");
    assert_eq!(before_vector(out.lines().nth(1).unwrap()), "{\"body\":\"plain\"");
    assert_eq!(
        embed(folder.path(), &["--text-field", "body", "--out", "v.parquet"], "{\"body\":\"hello\"}").0,
        0
    );
    let (code, _, err) = run_in(folder.path(), &["embed", "--input", "v.parquet"]);
    assert!(code == 2 && err.contains("no column `text`") && err.contains("`body`"), "{err}");
    let (code, table, err) =
        run_in(folder.path(), &["embed", "--input", "v.parquet", "--text-field", "body"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        table.split_once("\"vector\"").unwrap().1,
        out.lines().next().unwrap().split_once("\"vector\"").unwrap().1.to_owned() + "\n"
    );
    assert_eq!(embed(folder.path(), &["--text-field", "vector"], "a\n").0, 2);
}

/// One batch of all rows.
fn table(path: &Path) -> RecordBatch {
    let mut found: Vec<RecordBatch> = batches(path).unwrap().map(Result::unwrap).collect();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn names(table: &RecordBatch) -> Vec<String> {
    table.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[test]
fn fields_become_columns() {
    let folder = tempdir().unwrap();
    let input = "{\"id\":\"a\",\"n\":9007199254740993,\"ok\":true,\"text\":\"one\",\"x\":0.5,\"deep\":{\"k\": [1.10]}}\n\
                 plain\n\
                 {\"id\":7,\"n\":-1,\"text\":\"two\",\"x\":null}\n";
    let (code, _, err) = embed(folder.path(), &["--out", "V.PARQUET"], input);
    assert_eq!(code, 0, "{err}");
    let table = table(&folder.path().join("V.PARQUET"));
    assert_eq!(names(&table), ["text", "id", "n", "ok", "x", "deep", "_rest", "vector"]);
    let text = |name: &str| table.column_by_name(name).unwrap().as_string::<i32>().clone();
    assert_eq!(text("text").iter().flatten().collect::<Vec<_>>(), ["one", "plain", "two"]);
    assert_eq!(text("id").iter().collect::<Vec<_>>(), [Some("a"), None, Some("7")]);
    assert_eq!(text("deep").value(0), "{\"k\": [1.10]}");
    let numbers = table.column_by_name("n").unwrap().as_primitive::<Int64Type>();
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [Some(9_007_199_254_740_993), None, Some(-1)]);
    assert!(table.column_by_name("ok").unwrap().as_boolean().value(0));
    assert_eq!(table.column_by_name("x").unwrap().null_count(), 2);
}

#[test]
fn what_comes_after_the_columns_were_chosen_is_kept() {
    let folder = tempdir().unwrap();
    let mut input: String =
        (0..2048).map(|id| format!("{{\"id\":{id},\"text\":\"{}\"}}\n", id % 3)).collect();
    input.push_str("{\"id\":\"late\",\"text\":\"x\",\"new\":[1.10]}\n");
    let (code, _, err) = embed(folder.path(), &["--out", "v.parquet"], &input);
    assert_eq!(code, 0, "{err}");
    let last = batches(&folder.path().join("v.parquet")).unwrap().last().unwrap().unwrap();
    let row = last.num_rows() - 1;
    assert!(last.column_by_name("id").unwrap().is_null(row));
    let rest = last.column_by_name("_rest").unwrap().as_string::<i32>().value(row).to_owned();
    assert_eq!(rest, "{\"id\":\"late\",\"new\":[1.10]}");
}

/// A table with an id, bytes, texts of which the second is null, and a vector that is none.
fn write_table(path: &Path) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(2), None]))),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0xff, 0][..]), None, Some(&[1][..])]))),
        ("text", Arc::new(StringArray::from(vec![Some("one"), None, Some("three")]))),
        ("vector", Arc::new(StringArray::from(vec!["old", "old", "old"]))),
    ];
    let fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let mut writer = TableWriter::create(path, schema(fields)).unwrap();
    writer.write_columns(columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn columns_are_carried() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    write_table(&path);
    let args = ["embed", "--input", "in.parquet", "--max-reject-share", "0.5", "--out"];
    let (code, _, err) = run_in(folder.path(), &[&args[..], &["out.parquet"]].concat());
    assert!(code == 0 && err.contains("1 of 3 rows not used: first at row 2: `text` is null"), "{err}");
    let (old, new) = (table(&path), table(&folder.path().join("out.parquet")));
    assert_eq!(names(&new), ["id", "bytes", "text", "vector"]);
    for name in ["id", "bytes", "text"] {
        let (old, new) = (old.column_by_name(name).unwrap(), new.column_by_name(name).unwrap());
        assert_eq!(old.data_type(), new.data_type());
        assert_eq!((&old.slice(0, 1), &old.slice(2, 1)), (&new.slice(0, 1), &new.slice(1, 1)), "{name}");
    }
    assert!(matches!(new.schema().field(3).data_type(), DataType::FixedSizeList(_, 384)));
    let (code, _, err) = run_in(folder.path(), &[&args[..], &["out.jsonl"]].concat());
    assert_eq!(code, 0, "{err}");
    let text = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("{\"id\":9223372036854775807,\"bytes\":\"ff00\",\"text\":\"one\",\"vector\":[")
    );
    assert!(lines[1].starts_with("{\"id\":null,\"bytes\":\"01\",\"text\":\"three\",\"vector\":["));
    let values = new.column(3).as_fixed_size_list().value(0).as_primitive::<Float32Type>().clone();
    let found: Vec<f32> = serde_json::from_value(self::values(lines[0])[0]["vector"].clone()).unwrap();
    assert_eq!(values.values().to_vec(), found);
    let (code, _, err) = run_in(folder.path(), &["embed", "--input", "in.parquet", "--text-field", "id"]);
    assert!(code == 2 && err.contains("Int64") && err.contains("`text`"), "{err}");
}

fn start(args: &[&str]) -> Child {
    let mut command: Command = undertone();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_line_has_its_vector_while_the_pipe_is_open() {
    let mut child = start(&["embed"]);
    let mut stdin = child.stdin.take().unwrap();
    let (tell, told) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().try_for_each(|line| tell.send(line.unwrap())));
    for text in ["hello", "export my data", "thanks"] {
        stdin.write_all(format!("{{\"text\":\"{text}\"}}\n").as_bytes()).unwrap();
        let line = told.recv_timeout(Duration::from_secs(60)).expect("a vector, before the input has ended");
        assert_eq!(values(&line)[0]["text"], text);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_table_does_not_depend_on_when_its_lines_came() {
    let folder = tempdir().unwrap();
    let line = |number: usize| format!("{{\"id\":{number},\"text\":\"{}\"}}\n", number % 7);
    let input: String = (0..5000).map(line).collect();
    assert_eq!(embed(folder.path(), &["--out", "whole.parquet"], &input).0, 0);
    let out = folder.path().join("pieces.parquet");
    let mut child = start(&["embed", "--out", out.to_str().unwrap()]);
    let mut stdin = child.stdin.take().unwrap();
    for piece in input.as_bytes().chunks(20_001) {
        stdin.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("whole.parquet") == bytes("pieces.parquet"));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = start(&["embed"]);
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || (0..20_000).try_for_each(|_| stdin.write_all(b"hello there\n")));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    let _ = writer.join().unwrap();
}

#[test]
fn a_file_that_is_cut_off_gives_what_was_whole() {
    let folder = tempdir().unwrap();
    let text: String =
        (0..3000).map(|n| format!("{{\"id\":{},\"text\":\"{}\"}}\n", n * 7919 % 9973, n % 9)).collect();
    let bytes = gzip(&text);
    write(folder.path(), "cut.gz", &bytes[..bytes.len() / 2]);
    let (code, _, err) = run_in(folder.path(), &["embed", "--input", "cut.gz", "--out", "v.jsonl"]);
    assert!(code == 0 && err.contains("warning: cut.gz: cut off at line"), "{err}");
    let out = std::fs::read_to_string(folder.path().join("v.jsonl")).unwrap();
    assert!(out.lines().count() > 100 && out.lines().count() < 3000);
    assert!(
        out.lines().zip(text.lines()).all(|(found, line)| before_vector(found) == line.trim_end_matches('}'))
    );
    let (code, out, err) = embed(folder.path(), &[], "{\"text\":\"a\"}\n{\"text\":\"b");
    assert!(code == 0 && out.lines().count() == 1 && err.contains("cut off at line 2"), "{err}");
    assert_eq!(embed(folder.path(), &[], "{\"text\":\"b").0, 2, "nothing is left of it");
}

#[test]
fn errors_name_their_file_and_give_a_hint() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("exports")).unwrap();
    let (code, out, err) = run_in(folder.path(), &["embed", "--input", "exports"]);
    assert!(code == 2 && out.is_empty() && err.contains("exports: is a folder; "), "{err}");
    let (code, _, err) = run_in(folder.path(), &["embed", "--input", "missing.jsonl"]);
    assert!(code == 2 && err.contains("missing.jsonl"), "{err}");
    let (code, _, err) = embed(folder.path(), &["--out", "exports"], "a\n");
    assert!(code == 2 && err.contains("exports: is a folder"), "{err}");
    if Path::new("/dev/full").exists() {
        let (code, _, err) = embed(folder.path(), &["--out", "/dev/full"], "a\n");
        assert!(code == 1 && err.contains("/dev/full"), "{err}");
    }
}

#[test]
fn figures_count_every_text_and_only_quiet_hides_them() {
    let folder = tempdir().unwrap();
    let long = "the quick brown fox jumps over a lazy dog ".repeat(400);
    let input = format!("{long}\n{long}\nshort\nshort\n");
    let (code, out, err) = embed(folder.path(), &["--json", "--out", "v.jsonl"], &input);
    assert_eq!(code, 0, "{err}");
    let figures = &values(&out)[0];
    assert_eq!(
        (&figures["texts"], &figures["shortened"], &figures["unusable"]),
        (&4.into(), &2.into(), &0.into())
    );
    let (_, single, _) = embed(folder.path(), &["--json", "--out", "v.jsonl"], format!("{long}\nshort\n"));
    assert_eq!(figures["tokens"].as_u64().unwrap(), 2 * values(&single)[0]["tokens"].as_u64().unwrap());
    // `undertone()` has `--no-progress`.
    assert!(err.contains("4 texts") && err.contains("tokens/s") && err.contains("2 too long"), "{err}");
    assert_eq!(embed(folder.path(), &["-q"], &input).2, "");
}
