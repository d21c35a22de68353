//! Exit codes, errors with hints, data on stdout and talk on stderr.

use tempfile::tempdir;

use crate::common::{run, run_in, small_export, write};

#[test]
fn bad_usage_is_exit_two() {
    assert_eq!(run(&["nonsense"]).0, 2);
    assert_eq!(run(&["run", "--what"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
    assert_eq!(run(&["--version"]).0, 0);
}

#[test]
fn every_problem_of_a_config_at_once_with_suggestions() {
    let folder = tempdir().unwrap();
    write(
        folder.path(),
        "u.toml",
        "sead = 1\n[product]\ntimezone = \"Europe/Berln\"\n[input]\nmax_reject_share = 2.0\n",
    );
    let (code, _, err) = run_in(folder.path(), &["check", "-c", "u.toml"]);
    assert_eq!(code, 2);
    assert!(err.contains("line 1") && err.contains("did you mean `seed`"), "{err}");
    write(
        folder.path(),
        "v.toml",
        "[product]\ntimezone = \"Europe/Berln\"\n[input]\nmax_reject_share = 2.0\n[themes]\nk = 0\nalgorithm = \"x\"\n",
    );
    let (code, _, err) = run_in(folder.path(), &["check", "-c", "v.toml"]);
    assert_eq!(code, 2);
    for word in ["Europe/Berlin", "max_reject_share", "input.conversations", "themes.k", "themes.algorithm"] {
        assert!(err.contains(word), "{word} in {err}");
    }
}

#[test]
fn init_check_run_show_report() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    write(at, "c.jsonl", small_export(90));
    assert_eq!(run_in(at, &["init"]).0, 0);
    assert_eq!(run_in(at, &["init"]).0, 2, "an existing config is not overwritten");
    let (code, out, err) = run_in(at, &["check", "--conversations", "c.jsonl"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("90 conversations") && out.contains("canonical"), "{out}");
    let (code, out, err) = run_in(at, &["run", "--conversations", "c.jsonl", "--json"]);
    assert_eq!(code, 0, "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["conversations"], 90);
    let (_, out, _) = run_in(at, &["show", "runs/latest"]);
    assert!(out.lines().count() >= 2, "{out}");
    let (_, out, _) = run_in(at, &["show", "runs/latest", "0"]);
    assert!(out.contains("keywords"), "{out}");
    let (_, out, _) = run_in(at, &["show", "runs/latest", "c0003"]);
    assert!(out.contains("<< closing"), "{out}");
    let (_, out, _) = run_in(at, &["show", "runs/latest", "u5"]);
    assert!(out.contains("c0005"), "{out}");
    assert_eq!(run_in(at, &["show", "runs/latest", "nobody"]).0, 2);
    let (_, md, _) = run_in(at, &["report", "runs/latest"]);
    assert!(md.starts_with('#'), "{md}");
    let (_, json, _) = run_in(at, &["report", "runs/latest", "--format", "json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    assert_eq!(run_in(at, &["report", "c.jsonl"]).0, 2);
}

#[test]
fn the_bundled_model_is_the_recorded_one() {
    let (code, out, err) = run(&["model", "verify"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out.matches("as recorded").count(), 6, "{out}");
    assert!(run(&["model", "list"]).1.contains("all-MiniLM-L6-v2"));
}

#[test]
fn since_and_until_cut_the_period() {
    let folder = tempdir().unwrap();
    write(folder.path(), "c.jsonl", small_export(90));
    let args =
        ["run", "--conversations", "c.jsonl", "--since", "2026-03-10", "--until", "2026-03-12", "--json"];
    let (code, out, err) = run_in(folder.path(), &args);
    assert_eq!(code, 0, "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["conversations"], 9);
    let args = ["run", "--conversations", "c.jsonl", "--since", "2027-01-01"];
    assert_eq!(run_in(folder.path(), &args).0, 2);
}
