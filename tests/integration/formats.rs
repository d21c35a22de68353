//! Every format and container gives the same conversations.

use tempfile::tempdir;

use crate::common::{gzip, report, run_in, write};

const CANONICAL: &str = r#"{"conversation_id":"c1","user_id":"u1","started_at":"2026-03-01T10:00:00Z","turns":[{"role":"user","text":"Plan a trip to Rome","at":"2026-03-01T10:00:00Z"},{"role":"assistant","text":"Sure."}]}
{"conversation_id":"c2","user_id":"u2","started_at":"2026-03-02T10:00:00Z","turns":[{"role":"user","text":"Translate this letter into German"},{"role":"assistant","text":"Gerne."}]}
"#;
const OPENAI: &str = r#"{"id":"c1","user":"u1","created":1772359200,"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Plan a trip to Rome"},{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"search","arguments":"{}"}}]},{"role":"assistant","content":"Sure."}]}
{"id":"c2","metadata":{"user_id":"u2","created_at":"2026-03-02T10:00:00Z"},"messages":[{"role":"user","content":[{"type":"text","text":"Translate this letter into German"},{"type":"image_url","image_url":{"url":"data:x"}}]},{"role":"assistant","content":"Gerne."}]}
"#;
const SHAREGPT: &str = r#"{"id":"c1","conversations":[{"from":"human","value":"Plan a trip to Rome"},{"from":"gpt","value":"Sure."}]}
{"id":"c2","conversations":[{"from":"human","value":"Translate this letter into German"},{"from":"gpt","value":"Gerne."}]}
"#;

fn as_array(lines: &str) -> String {
    format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n"))
}

fn check(name: &str, bytes: &[u8], users: u64) {
    let folder = tempdir().unwrap();
    write(folder.path(), name, bytes);
    let (code, _, err) = run_in(folder.path(), &["run", "--conversations", name, "--out", "runs"]);
    assert_eq!(code, 0, "{name}: {err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["conversations"], 2, "{name}");
    assert_eq!(report["overview"]["users"], users, "{name}");
    assert_eq!(report["overview"]["user_turns"], 2, "{name}");
    let pages = report["conversations"].as_object().unwrap();
    let first = pages["c1"]["turns"].as_array().unwrap();
    assert!(first.iter().any(|turn| turn["text"] == "Plan a trip to Rome"), "{name}: {first:?}");
}

#[test]
fn every_format_in_every_container() {
    for (format, text, users) in
        [("canonical", CANONICAL, 2), ("openai", OPENAI, 2), ("sharegpt", SHAREGPT, 0)]
    {
        check(&format!("{format}.jsonl"), text.as_bytes(), users);
        check(&format!("{format}.json"), as_array(text).as_bytes(), users);
        check(&format!("{format}.jsonl.gz"), &gzip(text), users);
        check(&format!("{format}.json.gz"), &gzip(&as_array(text)), users);
        check(&format!("{format}.jsonl.zst"), &zstd::encode_all(text.as_bytes(), 3).unwrap(), users);
    }
}

#[test]
fn parts_and_tool_calls_become_placeholders() {
    let folder = tempdir().unwrap();
    write(folder.path(), "o.jsonl", OPENAI);
    let (code, _, err) = run_in(folder.path(), &["run", "--conversations", "o.jsonl", "--out", "runs"]);
    assert_eq!(code, 0, "{err}");
    let pages = report(&folder.path().join("runs/latest"))["conversations"].to_string();
    assert!(pages.contains("[tool call: search]") && pages.contains("[image]"), "{pages}");
}

#[test]
fn a_wrong_format_setting_rejects_instead_of_guessing() {
    let folder = tempdir().unwrap();
    write(folder.path(), "o.jsonl", OPENAI);
    write(folder.path(), "u.toml", "[input]\nformat = \"sharegpt\"\nconversations = [\"o.jsonl\"]\n");
    let (code, _, err) = run_in(folder.path(), &["run", "-c", "u.toml"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no conversation found"), "{err}");
}

#[test]
fn ids_and_times_can_be_mapped() {
    let folder = tempdir().unwrap();
    let lines = CANONICAL.replace("conversation_id", "thread").replace("user_id", "who");
    write(folder.path(), "m.jsonl", lines);
    write(
        folder.path(),
        "u.toml",
        "[input]\nconversations = [\"m.jsonl\"]\n[input.map]\nconversation_id = [\"thread\"]\nuser_id = [\"who\"]\n",
    );
    let (code, _, err) = run_in(folder.path(), &["run", "-c", "u.toml"]);
    assert_eq!(code, 0, "{err}");
    let report = report(&folder.path().join("runs/latest"));
    assert_eq!(report["overview"]["users"], 2);
    assert!(report["conversations"].as_object().unwrap().contains_key("c1"));
}
