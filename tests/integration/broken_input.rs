//! Broken input is answered: a clear error or a counted repair, never a crash, never a damaged run.

use tempfile::tempdir;

use crate::common::{artifacts, gzip, quality, report, run, run_in, small_export, write};

fn analyse(folder: &std::path::Path, file: &str, more: &[&str]) -> (i32, String, String) {
    let mut args = vec!["run", "--conversations", file, "--out", "runs"];
    args.extend(more);
    run_in(folder, &args)
}

#[test]
fn a_cut_file_gives_every_whole_record_and_a_warning() {
    let folder = tempdir().unwrap();
    let text = small_export(60);
    write(folder.path(), "cut.jsonl", &text.as_bytes()[..text.len() - 40]);
    let (code, _, err) = analyse(folder.path(), "cut.jsonl", &[]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("end in the middle"), "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["conversations"], 59);
    assert_eq!(quality(&report, "Cut off"), 1);
}

#[test]
fn a_cut_gzip_gives_every_whole_record() {
    let folder = tempdir().unwrap();
    let bytes = gzip(&small_export(300));
    write(folder.path(), "cut.jsonl.gz", &bytes[..bytes.len() * 2 / 3]);
    let (code, _, err) = analyse(folder.path(), "cut.jsonl.gz", &[]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    let read = report["overview"]["conversations"].as_u64().unwrap();
    assert!((50..300).contains(&read), "{read} conversations before the cut");
    assert_eq!(quality(&report, "Cut off"), 1);
}

#[test]
fn oddities_are_repaired_and_counted() {
    let folder = tempdir().unwrap();
    let mut bytes = small_export(60).into_bytes();
    bytes.extend(b"{\"conversation_id\":\"utf8\",\"turns\":[{\"role\":\"user\",\"text\":\"caf\xe9 opening hours\"}]}\n");
    bytes.extend(
        b"{\"conversation_id\":\"nul\",\"turns\":[{\"role\":\"user\",\"text\":\"a\\u0000b question\"}]}\n",
    );
    bytes.extend(
        b"{\"conversation_id\":\"raw\",\"turns\":[{\"role\":\"user\",\"text\":\"a\x00b question\"}]}\n",
    );
    bytes.extend(b"{\"conversation_id\":\"role\",\"turns\":[{\"role\":\"narrator\",\"text\":\"x\"},{\"role\":\"user\",\"text\":\"hm?\"}]}\n");
    bytes.extend(b"{\"conversation_id\":\"empty\",\"turns\":[{\"role\":\"user\",\"text\":\"  \"}]}\n");
    bytes.extend(
        b"{\"conversation_id\":\"clock\",\"turns\":[{\"role\":\"user\",\"text\":\"one\",\"at\":\"2026-03-02T10:00:00Z\"},\
          {\"role\":\"assistant\",\"text\":\"two\",\"at\":\"2026-03-02T09:00:00Z\"}]}\n",
    );
    bytes.extend(b"{\"conversation_id\":\"zone\",\"started_at\":\"2026-03-02 10:00:00\",\"turns\":[{\"role\":\"user\",\"text\":\"where\"}]}\n");
    bytes.extend(
        b"{\"conversation_id\":\"c0000\",\"turns\":[{\"role\":\"user\",\"text\":\"an id that exists\"}]}\n",
    );
    bytes.extend(small_export(1).into_bytes());
    write(folder.path(), "odd.jsonl", bytes);
    let (code, _, err) = analyse(folder.path(), "odd.jsonl", &[]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["conversations"], 67);
    for (label, count) in [
        ("Invalid utf8", 1),
        ("Nul byte", 2),
        ("Unknown role", 1),
        ("Empty turn", 1),
        ("Clock backwards", 1),
        ("Zoneless time", 1),
        ("Conflicting conversation ids", 1),
        ("Repeated records", 1),
    ] {
        assert_eq!(quality(&report, label), count, "{label}");
    }
    let rejects = std::fs::read_to_string(folder.path().join("runs/latest/rejects.jsonl")).unwrap();
    assert_eq!(rejects.lines().count(), 1, "the conflicting record: {rejects}");
}

#[test]
fn a_ten_megabyte_turn_is_read_and_said_to_be_shortened() {
    let folder = tempdir().unwrap();
    let mut text = small_export(60);
    let long = "lorem ipsum dolor sit amet ".repeat(400_000);
    text.push_str(&format!(
        "{{\"conversation_id\":\"big\",\"turns\":[{{\"role\":\"user\",\"text\":\"{long}\"}}]}}\n"
    ));
    write(folder.path(), "big.jsonl", text);
    let (code, _, err) = analyse(folder.path(), "big.jsonl", &[]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(quality(&report, "Shortened texts"), 1);
    let page = std::fs::metadata(folder.path().join("runs/latest/report.html")).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn too_many_rejects_fail_with_their_places_and_publish_nothing() {
    let folder = tempdir().unwrap();
    let text = small_export(20) + "not json\n{\"turns\":\"none\"}\n";
    write(folder.path(), "bad.jsonl", text);
    let (code, _, err) = analyse(folder.path(), "bad.jsonl", &[]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("max_reject_share") && err.contains("bad.jsonl:21"), "{err}");
    assert!(!folder.path().join("runs/latest").exists());
}

#[test]
fn nothing_to_analyse_is_exit_two() {
    let folder = tempdir().unwrap();
    write(folder.path(), "empty.jsonl", "");
    let (code, _, err) = analyse(folder.path(), "empty.jsonl", &[]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no conversation"), "{err}");
    let (code, _, err) = analyse(folder.path(), "missing.jsonl", &[]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no file matches"), "{err}");
}

#[test]
fn no_user_turns_at_all_still_gives_a_report() {
    let folder = tempdir().unwrap();
    let mut text = String::new();
    for i in 0..5 {
        text.push_str(&format!(
            "{{\"conversation_id\":\"a{i}\",\"turns\":[{{\"role\":\"assistant\",\"text\":\"Hello {i}\"}}]}}\n"
        ));
    }
    write(folder.path(), "mute.jsonl", text);
    let (code, _, err) = analyse(folder.path(), "mute.jsonl", &[]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["themes"], 0);
    assert_eq!(quality(&report, "Without a user turn"), 5);
}

#[test]
fn one_conversation_is_enough_for_a_report() {
    let folder = tempdir().unwrap();
    write(folder.path(), "one.jsonl", small_export(1));
    let (code, _, err) = analyse(folder.path(), "one.jsonl", &[]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn activity_of_strangers_is_said_aloud() {
    let folder = tempdir().unwrap();
    write(folder.path(), "c.jsonl", small_export(60));
    write(folder.path(), "a.csv", "user_id,at\nnobody,2026-03-20T00:00:00Z\nnobody2,2026-03-28T00:00:00Z\n");
    let (code, _, err) = analyse(folder.path(), "c.jsonl", &["--activity", "a.csv"]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(quality(&report, "Users without activity"), 40);
    assert_eq!(quality(&report, "Users without conversations"), 2);
    let facts = report["quality"].as_array().unwrap();
    let fact = facts.iter().find(|f| f["label"] == "Users without activity").unwrap();
    assert_eq!(fact["level"], "warning");
}

#[test]
fn an_activity_table_without_its_columns_is_exit_two() {
    let folder = tempdir().unwrap();
    write(folder.path(), "c.jsonl", small_export(6));
    write(folder.path(), "a.csv", "userid,when\nu1,2026-03-20T00:00:00Z\n");
    let (code, _, err) = analyse(folder.path(), "c.jsonl", &["--activity", "a.csv"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("user_id") && err.contains("userid"), "{err}");
}

#[test]
fn a_failed_run_leaves_the_last_one_untouched() {
    let folder = tempdir().unwrap();
    write(folder.path(), "c.jsonl", small_export(30));
    assert_eq!(analyse(folder.path(), "c.jsonl", &[]).0, 0);
    let latest = folder.path().join("runs/latest");
    let before = artifacts(&latest);
    write(folder.path(), "bad.jsonl", "nonsense\n");
    assert_eq!(analyse(folder.path(), "bad.jsonl", &[]).0, 2);
    assert_eq!(artifacts(&latest), before);
}

#[test]
fn conversation_text_never_reaches_the_logs() {
    let folder = tempdir().unwrap();
    let canary = "zxqcanary";
    let text = small_export(30).replace("birthday", canary) + &format!("{{\"{canary}\": broken\n");
    write(folder.path(), "c.jsonl", text);
    write(folder.path(), "u.toml", "[input]\nmax_reject_share = 0.5\n");
    let (code, _, err) =
        run_in(folder.path(), &["run", "-vv", "-c", "u.toml", "--conversations", "c.jsonl", "--out", "runs"]);
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains(canary), "{err}");
    let rejects = std::fs::read_to_string(folder.path().join("runs/latest/rejects.jsonl")).unwrap();
    assert!(!rejects.is_empty() && !rejects.contains(canary), "{rejects}");
}

#[test]
fn a_full_disk_is_said_and_the_draft_resumes() {
    // A small tmpfs needs the right to mount one; where that is missing, say so.
    let folder = tempdir().unwrap();
    let mount = folder.path().join("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"])
        .arg(&mount)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("\n!!! SKIPPED: a full disk; no right to mount a small tmpfs here\n");
        return;
    }
    let input = write(folder.path(), "c.jsonl", small_export(600));
    let out = mount.display().to_string();
    let args = ["run", "--conversations", input.to_str().unwrap(), "--out", &out];
    let (code, _, err) = run(&args);
    let enlarged = std::process::Command::new("mount").args(["-o", "remount,size=64m"]).arg(&mount).status();
    let again = run(&args);
    let published = mount.join("latest/report.html").exists();
    std::process::Command::new("umount").arg(&mount).status().unwrap();
    assert_eq!(code, 1, "{err}");
    assert!(err.to_lowercase().contains("space"), "{err}");
    assert!(enlarged.is_ok_and(|status| status.success()));
    assert_eq!(again.0, 0, "{}", again.2);
    assert!(published);
}
