//! The same input and seed give the same bytes, whatever the threads and the order of files and lines.

use tempfile::tempdir;

use crate::common::{artifacts, run_in, write};

fn assert_same(a: &std::path::Path, b: &std::path::Path, but: &[&str]) {
    let (a, b) = (artifacts(a), artifacts(b));
    let names = |run: &[(String, Vec<u8>)]| run.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    assert!(a.len() > 12, "a run has all its artifacts: {:?}", names(&a));
    for ((name, left), (_, right)) in a.iter().zip(&b) {
        assert!(but.contains(&name.as_str()) || left == right, "{name} differs");
    }
}

fn demo_data(folder: &std::path::Path) {
    let args = ["simulate", "--conversations", "300", "--seed", "7", "--out", "data"];
    let (code, _, err) = run_in(folder, &args);
    assert_eq!(code, 0, "{err}");
}

fn analyse(folder: &std::path::Path, input: &str, out: &str, threads: &str) {
    let (code, _, err) = run_in(
        folder,
        &[
            "run",
            "--threads",
            threads,
            "--conversations",
            input,
            "--activity",
            "data/activity.csv",
            "--out",
            out,
        ],
    );
    assert_eq!(code, 0, "{err}");
}

#[test]
fn threads_do_not_matter() {
    let folder = tempdir().unwrap();
    demo_data(folder.path());
    analyse(folder.path(), "data/conversations.jsonl", "one", "1");
    analyse(folder.path(), "data/conversations.jsonl", "two", "2");
    assert_same(&folder.path().join("one/latest"), &folder.path().join("two/latest"), &["config.toml"]);
}

#[test]
fn order_of_lines_and_files_does_not_matter() {
    let folder = tempdir().unwrap();
    demo_data(folder.path());
    let text = std::fs::read_to_string(folder.path().join("data/conversations.jsonl")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    let (a, b) = lines.split_at(lines.len() / 3);
    write(&folder.path().join("parts"), "a.jsonl", a.join("\n") + "\n");
    write(&folder.path().join("parts"), "b.jsonl", b.join("\n") + "\n");
    analyse(folder.path(), "data/conversations.jsonl", "whole", "2");
    analyse(folder.path(), "parts/*.jsonl", "parted", "2");
    // Only the config names the files.
    assert_same(&folder.path().join("whole/latest"), &folder.path().join("parted/latest"), &["config.toml"]);
}

#[test]
fn the_simulation_repeats_itself() {
    let folder = tempdir().unwrap();
    demo_data(folder.path());
    let first = std::fs::read(folder.path().join("data/conversations.jsonl")).unwrap();
    demo_data(folder.path());
    assert_eq!(std::fs::read(folder.path().join("data/conversations.jsonl")).unwrap(), first);
}
