//! `undertone tune`: tables, plot, picture, and TOML that the next run takes.

use tempfile::tempdir;

use crate::common::{run_in, small_export, write};

/// From the line `[themes]` on: what is there to paste.
fn pasted(out: &str) -> &str {
    &out[out.find("\n[themes]\n").expect("the TOML is printed") + 1..]
}

#[test]
fn tables_a_plot_a_picture_and_toml_to_paste() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    write(at, "c.jsonl", small_export(90));
    write(at, "u.toml", "[input]\nconversations = [\"c.jsonl\"]\n[themes]\nmax_outliers = 0.15\n");
    let (code, fresh, err) = run_in(at, &["tune", "-c", "u.toml"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("read and embedded"), "{err}");
    for part in ["k (ward", "eps (dbscan)", "min_cluster_size (hdbscan)", "<- best", "█", "left"] {
        assert!(fresh.contains(part), "{part} in {fresh}");
    }
    assert!(fresh.lines().all(|line| line.chars().count() <= 80), "{fresh}");
    let svg = std::fs::read_to_string(at.join("tune.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("polyline"), "{svg}");
    assert!(!at.join("runs/latest").exists(), "nothing is published");

    let config = format!("[input]\nconversations = [\"c.jsonl\"]\n{}", pasted(&fresh));
    write(at, "v.toml", &config);
    let (code, _, err) = run_in(at, &["check", "-c", "v.toml"]);
    assert_eq!(code, 0, "{err}\n{config}");
    let (code, out, err) = run_in(at, &["run", "-c", "u.toml", "--json"]);
    assert_eq!(code, 0, "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["resumed_stages"], 3, "read, embed and signals are there already");

    // The published run's vectors say the same as those made for the sweep, whatever [themes] says now.
    write(at, "u.toml", "[input]\nconversations = [\"c.jsonl\"]\n[themes]\nmax_outliers = 0.15\nk = 7\n");
    let (code, reused, err) = run_in(at, &["tune", "-c", "u.toml", "--out", "pictures/t.svg"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("vectors of"), "{err}");
    assert_eq!(pasted(&fresh), pasted(&reused));
    assert_eq!(std::fs::read_to_string(at.join("pictures/t.svg")).unwrap(), svg);

    let (code, out, _) = run_in(at, &["tune", "--run", "runs/latest", "--json"]);
    assert_eq!(code, 0);
    let facts: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(facts["sweep"]["rows"], 90);
    let tried: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(at.join("runs/latest/tune.json")).unwrap()).unwrap();
    assert_eq!(facts["sweep"]["k"], tried, "the run chose from the same curve");
    let page = std::fs::read_to_string(at.join("runs/latest/report.html")).unwrap();
    assert!(page.contains("How the number of themes was chosen"));
}

#[test]
fn other_input_is_read_anew_and_bad_input_is_exit_two() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    write(at, "c.jsonl", small_export(60));
    assert_eq!(run_in(at, &["run", "--conversations", "c.jsonl"]).0, 0);
    write(at, "d.jsonl", small_export(63));
    let (code, out, err) = run_in(at, &["tune", "--conversations", "d.jsonl"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("read and embedded") && out.contains("63 conversations"), "{err}{out}");

    assert_eq!(run_in(at, &["tune"]).0, 2, "no conversations named");
    assert_eq!(run_in(at, &["tune", "--run", "nowhere"]).0, 2);
    assert_eq!(run_in(at, &["tune", "--conversations", "none*.jsonl"]).0, 2);
    write(at, "bad.toml", "[themes]\nmax_outliers = 1.5\nmax_outlier = 0.1\n");
    let (code, _, err) = run_in(at, &["tune", "-c", "bad.toml"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `max_outliers`"), "{err}");
    write(
        at,
        "thanks.jsonl",
        "{\"conversation_id\":\"a\",\"turns\":[{\"role\":\"user\",\"text\":\"thanks\"}]}\n",
    );
    let (code, _, err) = run_in(at, &["tune", "--conversations", "thanks.jsonl"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no conversation carries a request"), "{err}");
}
