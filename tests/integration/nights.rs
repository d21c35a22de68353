//! Themes from night to night: ids stay, changes made by hand hold, new conversations find their theme.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::Int32Type;
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use undertone::table::{batches, numbers, text};

use crate::common::{artifacts, report, run_in, small_export, write};

/// Conversations of the first night, and of both.
const FIRST: usize = 180;
const BOTH: usize = 189;

/// `n1.jsonl`, `n2.jsonl` with 5 % more from the month after, and these alone in `new.jsonl`.
fn exports() -> TempDir {
    let folder = tempdir().unwrap();
    let all = small_export(BOTH);
    let lines: Vec<String> = all
        .lines()
        .enumerate()
        .map(
            |(place, line)| {
                if place < FIRST { line.to_owned() } else { line.replace("\"2026-03-", "\"2026-04-") }
            },
        )
        .collect();
    write(folder.path(), "n1.jsonl", lines[..FIRST].join("\n") + "\n");
    write(folder.path(), "n2.jsonl", lines.join("\n") + "\n");
    write(folder.path(), "new.jsonl", lines[FIRST..].join("\n") + "\n");
    folder
}

fn analyse(folder: &Path, input: &str) {
    let (code, _, err) = run_in(folder, &["run", "--conversations", input, "--out", "runs"]);
    assert_eq!(code, 0, "{err}");
}

/// `undertone themes runs/latest ...`
fn themes(folder: &Path, args: &[&str]) -> (i32, String, String) {
    run_in(folder, &[&["themes", "runs/latest"], args].concat())
}

fn change(folder: &Path, args: &[&str]) {
    let (code, _, err) = themes(folder, args);
    assert_eq!(code, 0, "{args:?}: {err}");
}

fn list(folder: &Path, all: bool) -> Vec<Value> {
    let args: &[&str] = if all { &["list", "--all", "--json"] } else { &["list", "--json"] };
    let (code, out, err) = themes(folder, args);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("the list is JSON")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a run has the file")).expect("JSON")
}

/// A column of themes by conversation.
fn assigned(run: &Path, name: &str) -> BTreeMap<String, i32> {
    let mut found = BTreeMap::new();
    for batch in batches(&run.join("assignments/part-0.parquet")).unwrap() {
        let batch = batch.unwrap();
        let (ids, theme) =
            (text(&batch, "conversation_id").unwrap(), numbers::<Int32Type>(&batch, name).unwrap());
        for row in (0..batch.num_rows()).filter(|row| theme.is_valid(*row)) {
            found.insert(ids.value(row).to_owned(), theme.value(row));
        }
    }
    found
}

#[test]
fn ids_and_changes_hold_on_the_next_night() {
    let folder = exports();
    let (folder, latest) = (folder.path(), folder.path().join("runs/latest"));
    analyse(folder, "n1.jsonl");
    let first = list(folder, false);
    assert!(first.len() >= 3, "{first:?}");
    let id = |place: usize| first[place]["id"].as_str().unwrap();
    let number = |place: usize| first[place]["number"].as_u64().unwrap();
    let before = assigned(&latest, "found");
    change(folder, &["rename", id(0), "All about money"]);
    change(folder, &["hide", id(1)]);
    change(folder, &["merge", id(2), "all about MONEY"]);
    assert_eq!(assigned(&latest, "theme"), before, "a published run stays as it is");
    assert_eq!(list(folder, false).len(), first.len() - 2);

    analyse(folder, "n2.jsonl");
    let after = assigned(&latest, "found");
    let kept = before.iter().filter(|(id, theme)| after.get(*id) == Some(*theme)).count();
    assert!(kept * 100 >= before.len() * 95, "{kept} of {} kept their theme", before.len());
    let set = json(&latest.join("themes.json"));
    let entry = |number: u64| set["themes"].as_array().unwrap().iter().find(|theme| theme["id"] == number);
    assert_eq!(entry(number(0)).unwrap()["name"], "All about money");
    assert_eq!(entry(number(1)).unwrap()["hidden"], true);
    assert!(entry(number(2)).is_none(), "merged away");
    let seen = assigned(&latest, "theme");
    for (conversation, found) in &after {
        let expected = if *found == number(2) as i32 { number(0) as i32 } else { *found };
        assert_eq!(seen[conversation], expected);
    }
    let report = report(&latest);
    let shown: Vec<&Value> = report["themes"].as_array().unwrap().iter().map(|theme| &theme["id"]).collect();
    assert!(shown.iter().all(|id| **id != number(1)) && shown.iter().any(|id| **id == number(0)));
    let news = report["theme_news"].to_string();
    assert!(news.contains("Since the night of 2026-03-27") && news.contains("1 hidden theme"), "{news}");
    assert!(std::fs::read_to_string(latest.join("report.html")).unwrap().contains("1 hidden theme"));
    let events = json(&latest.join("events.json"));
    assert!(events.as_array().unwrap().iter().all(|event| event["event"] != "born"), "{events}");
}

#[test]
fn a_night_done_again_in_any_order_gives_the_same_bytes() {
    let folder = exports();
    let folder = folder.path();
    analyse(folder, "n1.jsonl");
    let first = list(folder, false);
    change(folder, &["split", first[0]["id"].as_str().unwrap()]);
    change(folder, &["pin", first[1]["id"].as_str().unwrap()]);
    analyse(folder, "n2.jsonl");
    let once = artifacts(&folder.join("runs/latest"));
    let pinned = json(&folder.join("runs/latest/themes.json"));
    assert!(pinned["themes"].as_array().unwrap().iter().any(|theme| theme["pinned"] == true));
    let lines = std::fs::read_to_string(folder.join("n2.jsonl")).unwrap();
    let turned: Vec<&str> = lines.lines().rev().collect();
    write(folder, "turned.jsonl", turned.join("\n") + "\n");
    for input in ["n2.jsonl", "turned.jsonl"] {
        analyse(folder, input);
        let again = artifacts(&folder.join("runs/latest"));
        assert_eq!(once.len(), again.len());
        for ((name, left), (_, right)) in once.iter().zip(&again) {
            assert!(name == "config.toml" || left == right, "{input}: {name} differs");
        }
    }
}

#[test]
fn nights_without_dates_are_numbered() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let undated = |count: usize| -> String {
        let line = |line: &str| {
            let (before, after) = line.split_once("\"started_at\":\"").expect("a start");
            format!("{before}{}\n", &after[after.find(',').expect("more") + 1..])
        };
        small_export(count).lines().map(line).collect()
    };
    write(folder, "n1.jsonl", undated(FIRST));
    write(folder, "n2.jsonl", undated(BOTH));
    for (input, night) in [("n1.jsonl", "undated 000001"), ("n2.jsonl", "undated 000002")] {
        analyse(folder, input);
        assert_eq!(json(&folder.join("runs/latest/themes.json"))["night"], night);
    }
    let set = json(&folder.join("runs/latest/themes.json"));
    assert_eq!(set["last_night"], "undated 000001");
    assert!(set["themes"].as_array().unwrap().iter().any(|theme| theme["first_seen"] == "undated 000001"));
}

#[test]
fn new_conversations_are_assigned_and_nothing_is_written() {
    let folder = exports();
    let folder = folder.path();
    analyse(folder, "n1.jsonl");
    let latest = folder.join("runs/latest");
    change(folder, &["rename", list(folder, false)[0]["id"].as_str().unwrap(), "Not yet in the run"]);
    let everything = || (artifacts(&folder.join("runs")), std::fs::read(latest.join("run.json")).unwrap());
    let before = everything();
    let (code, out, err) = run_in(folder, &["assign", "runs/latest", "--conversations", "new.jsonl"]);
    assert_eq!(code, 0, "{err}");
    assert!(everything() == before, "assign leaves the runs alone");
    let set = json(&latest.join("themes.json"));
    let known: BTreeMap<&str, &str> = set["themes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|theme| (theme["theme"].as_str().unwrap(), theme["name"].as_str().unwrap()))
        .collect();
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), BOTH - FIRST);
    for row in &rows {
        assert_eq!(row["name"], known[row["theme"].as_str().unwrap()], "ids and names are the run's");
        assert!(row["similarity"].as_f64().unwrap() > 0.3, "{row}");
    }
    // The same words were in the run: they are where they were.
    let (code, out, _) = run_in(folder, &["assign", "runs/latest", "--conversations", "n1.jsonl"]);
    assert_eq!(code, 0);
    let there = assigned(&latest, "theme");
    let same =
        |row: &&Value| row["theme"] == format!("t-{:06}", there[row["conversation_id"].as_str().unwrap()]);
    let again: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kept = again.iter().filter(same).count();
    assert!(kept * 100 >= FIRST * 95, "{kept} of {FIRST}");

    let args = ["assign", "runs/latest", "--conversations", "new.jsonl", "--out", "new.parquet"];
    assert_eq!(run_in(folder, &args).0, 0);
    let rows: usize =
        batches(&folder.join("new.parquet")).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, BOTH - FIRST);
    assert_eq!(run_in(folder, &["assign", "runs/latest", "--conversations", "none*.jsonl"]).0, 2);
    let facts = std::fs::read_to_string(latest.join("run.json")).unwrap();
    let facts = facts.replace("\"model_hash\": \"", "\"model_hash\": \"00");
    std::fs::write(latest.join("run.json"), facts).unwrap();
    let (code, out, err) = run_in(folder, &["assign", "runs/latest", "--conversations", "new.jsonl"]);
    assert!(code == 2 && out.is_empty() && err.contains("cannot be compared"), "{code} {err}");
}

#[test]
fn changes_that_make_no_sense_are_refused_with_a_hint() {
    let folder = exports();
    let folder = folder.path();
    assert_eq!(themes(folder, &["list"]).0, 2, "no run yet");
    analyse(folder, "n1.jsonl");
    for (args, hint) in [
        (&["rename", "t-000999", "x"] as &[&str], "nearest: "),
        (&["rename", "0", "  "], "blank"),
        (&["merge", "0", "0"], "itself"),
        (&["undo"], "no change"),
    ] {
        let (code, _, err) = themes(folder, args);
        assert!(code == 2 && err.contains(hint), "{args:?}: {code} {err}");
    }
    assert!(!folder.join("runs/themes.curation.json").exists(), "what is refused leaves no trace");
    change(folder, &["hide", "0"]);
    change(folder, &["undo"]);
    let states: BTreeSet<String> =
        list(folder, true).iter().map(|theme| theme["hidden"].to_string()).collect();
    assert_eq!(states, BTreeSet::from(["false".to_owned()]));
    let runs = || std::fs::read_dir(folder.join("runs")).unwrap().count();
    let before = runs();
    for broken in ["{", "{\"format\":9,\"next_part\":\"t-500000\",\"edits\":[]}", "{\"format\":1}"] {
        write(&folder.join("runs"), "themes.curation.json", broken);
        let (code, _, err) = run_in(folder, &["run", "--conversations", "n2.jsonl", "--out", "runs"]);
        assert!(code == 2 && err.contains("restore it from a copy"), "{code} {err}");
        assert_eq!(themes(folder, &["list"]).0, 2);
    }
    assert_eq!(runs(), before, "nothing was published");
}
