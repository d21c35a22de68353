//! A run killed in any stage is resumed, ends with the same bytes and leaves the last run whole.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::common::{artifacts, run_in, undertone};

const STAGES: [&str; 7] = ["read", "embed", "signals", "themes", "finish", "outcomes", "report"];

fn arguments<'a>(out: &'a str) -> [&'a str; 7] {
    ["run", "--conversations", "data/conversations.jsonl", "--activity", "data/activity.csv", "--out", out]
}

/// Starts a run and kills it as soon as `stage` has left its mark; false when it ended first.
fn kill_after(folder: &Path, out: &str, stage: &str) -> bool {
    let mut child = undertone()
        .current_dir(folder)
        .args(arguments(out))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let start = Instant::now();
    loop {
        if child.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        if marked(&folder.join(out), stage) || start.elapsed() > Duration::from_secs(120) {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child ends");
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn marked(out: &Path, stage: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(out) else { return false };
    entries.flatten().any(|entry| entry.path().join(".stages").join(format!("{stage}.json")).exists())
}

#[test]
fn killed_in_every_stage_and_started_again() {
    let folder = tempdir().unwrap();
    let args = ["simulate", "--conversations", "120", "--seed", "3", "--out", "data"];
    assert_eq!(run_in(folder.path(), &args).0, 0);
    assert_eq!(run_in(folder.path(), &arguments("whole")).0, 0);
    let expected = artifacts(&folder.path().join("whole/latest"));
    let mut killed = 0;
    for stage in STAGES {
        let out = format!("killed-{stage}");
        killed += u32::from(kill_after(folder.path(), &out, stage));
        let (code, _, err) = run_in(folder.path(), &arguments(&out));
        assert_eq!(code, 0, "{stage}: {err}");
        let found = artifacts(&folder.path().join(&out).join("latest"));
        for ((name, left), (other, right)) in expected.iter().zip(&found) {
            assert_eq!(name, other, "{stage}");
            assert!(name == "config.toml" || left == right, "{stage}: {name} differs after the kill");
        }
        assert_eq!(expected.len(), found.len(), "{stage}");
        let left = std::fs::read_dir(folder.path().join(&out)).unwrap().flatten();
        let drafts = left.filter(|e| e.file_name().to_string_lossy().starts_with(".building")).count();
        assert_eq!(drafts, 0, "{stage}: a draft is left behind");
    }
    assert!(killed >= 5, "only {killed} of {} kills came in time to matter", STAGES.len());
}

#[test]
fn finished_stages_are_not_run_again() {
    let folder = tempdir().unwrap();
    let args = ["simulate", "--conversations", "120", "--seed", "3", "--out", "data"];
    assert_eq!(run_in(folder.path(), &args).0, 0);
    if kill_after(folder.path(), "runs", "embed") {
        let (code, _, err) = run_in(folder.path(), &arguments("runs"));
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("resumed"), "{err}");
    }
}
