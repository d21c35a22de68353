//! Embeddings kept from night to night: the same bytes, less work, and no trust in a damaged file.

use std::path::Path;

use tempfile::tempdir;

use crate::common::{artifacts, run_in, small_export, write};

/// One night; returns `run.json`'s account of the cache and what was said.
fn night(folder: &Path, input: &str, out: &str, cache: &str) -> (serde_json::Value, String) {
    write(folder, "undertone.toml", format!("[cache]\nfile = \"{cache}\"\n"));
    let (code, _, err) = run_in(folder, &["run", "--conversations", input, "--out", out]);
    assert_eq!(code, 0, "{err}");
    let facts = std::fs::read(folder.join(out).join("latest/run.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
    (facts["cache"].clone(), err)
}

/// Two nights, the second with every twentieth conversation new.
fn exports(folder: &Path) {
    let all = small_export(420);
    let lines: Vec<&str> = all.lines().collect();
    write(folder, "first.jsonl", lines[..400].join("\n") + "\n");
    write(folder, "second.jsonl", lines[20..].join("\n") + "\n");
}

fn assert_equal_tables(a: &Path, b: &Path) {
    for ((name, left), (other, right)) in artifacts(a).iter().zip(&artifacts(b)) {
        assert_eq!(name, other);
        assert!(name == "config.toml" || left == right, "{name} differs");
    }
}

#[test]
fn a_second_night_reads_only_what_is_new() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    let (first, _) = night(folder, "first.jsonl", "runs", "auto");
    assert_eq!((&first["hits"], &first["misses"]), (&0.into(), &401.into()), "{first}");
    assert!(folder.join("runs/embeddings.redb").exists());
    let (second, _) = night(folder, "second.jsonl", "runs", "auto");
    assert_eq!((&second["hits"], &second["misses"]), (&381.into(), &20.into()), "{second}");
    let (without, _) = night(folder, "second.jsonl", "fresh", "");
    assert!(without.is_null(), "{without}");
    assert_equal_tables(&folder.join("runs/latest"), &folder.join("fresh/latest"));
}

#[test]
fn a_damaged_cache_is_reported_and_rebuilt() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    night(folder, "first.jsonl", "runs", "auto");
    let cache = folder.join("runs/embeddings.redb");
    let mut bytes = std::fs::read(&cache).unwrap();
    // Every page but the first: wherever the records are, they are hit.
    bytes.iter_mut().skip(4096).step_by(97).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&cache, bytes).unwrap();
    let (facts, said) = night(folder, "second.jsonl", "runs", "auto");
    assert_eq!(facts["hits"], 0, "{facts}");
    assert!(!facts["troubles"].as_array().unwrap().is_empty(), "{facts}");
    assert!(said.contains("embeddings.redb"), "{said}");
    night(folder, "second.jsonl", "fresh", "");
    assert_equal_tables(&folder.join("runs/latest"), &folder.join("fresh/latest"));
    // Rebuilt: the same night again, elsewhere, finds everything.
    let (facts, _) = night(folder, "second.jsonl", "again", "runs/embeddings.redb");
    assert_eq!((&facts["misses"], &facts["troubles"]), (&0.into(), &serde_json::json!([])), "{facts}");
}

#[test]
fn a_cache_that_cannot_be_written_fails_no_run() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    write(folder, "taken", "a file where a folder should be");
    let (facts, said) = night(folder, "first.jsonl", "runs", "taken/embeddings.redb");
    assert_eq!(facts["hits"], 0);
    assert!(said.contains("taken"), "{said}");
}

#[test]
fn somebody_elses_file_is_refused_before_anything_is_read() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    let notes = "quarterly figures, the only copy\n".repeat(1000);
    write(folder, "notes.txt", &notes);
    for (cache, words) in [
        ("notes.txt", "it is a file of something else"),
        ("first.jsonl", "first.jsonl is an input of this run"),
        (".", "it is a folder"),
    ] {
        write(folder, "undertone.toml", format!("[cache]\nfile = \"{cache}\"\n"));
        for command in ["check", "run"] {
            let (code, _, err) = run_in(folder, &[command, "--conversations", "first.jsonl"]);
            assert_eq!(code, 2, "{err}");
            assert!(err.contains("[cache] file") && err.contains(words), "{err}");
            assert!(err.contains("no cache"), "a way out: {err}");
        }
    }
    assert_eq!(std::fs::read_to_string(folder.join("notes.txt")).unwrap(), notes);
    assert!(!folder.join("notes.txt.damaged").exists() && !folder.join("notes.txt.lock").exists());
    assert!(!folder.join("runs").exists());
    // An empty export is an input too, though it could become a cache.
    write(folder, "undertone.toml", "[cache]\nfile = \"empty.jsonl\"\n");
    write(folder, "empty.jsonl", "");
    let (code, _, err) = run_in(folder, &["run", "--conversations", "*.jsonl"]);
    assert_eq!((code, err.contains("empty.jsonl is an input")), (2, true), "{err}");
}

#[test]
fn a_cache_in_other_hands_is_waited_for_once_and_spoken_of() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    night(folder, "first.jsonl", "runs", "auto");
    let lock = std::fs::File::open(folder.join("runs/embeddings.redb.lock")).unwrap();
    lock.lock().unwrap();
    let begun = std::time::Instant::now();
    let (facts, said) = night(folder, "second.jsonl", "runs", "auto");
    assert!(begun.elapsed() < std::time::Duration::from_secs(40), "{:?}", begun.elapsed());
    assert_eq!((&facts["hits"], &facts["stored"]), (&0.into(), &0.into()), "{facts}");
    assert!(said.contains("is in use by another process; after 10 s of waiting the run goes on"), "{said}");
    assert!(said.contains("another process kept it locked"), "{said}");
    drop(lock);
    let (facts, _) = night(folder, "first.jsonl", "again", "runs/embeddings.redb");
    assert_eq!(facts["misses"], 0, "{facts}");
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_reported_and_stays_a_link() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    exports(folder);
    std::os::unix::fs::symlink("store.redb", folder.join("cache.redb")).unwrap();
    let (facts, said) = night(folder, "first.jsonl", "runs", "cache.redb");
    assert_eq!(facts["stored"], 401, "{facts}");
    assert!(said.contains("store.redb, where a link leads, was not there; a new cache was begun"), "{said}");
    assert!(folder.join("cache.redb").is_symlink() && folder.join("store.redb").is_file());
    let (facts, said) = night(folder, "first.jsonl", "again", "cache.redb");
    assert_eq!((&facts["misses"], said.contains("cache:")), (&0.into(), false), "{said}");
}
