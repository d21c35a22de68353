//! The main job on real exports, and retention against an independent computation, user by user.

use std::path::Path;
use std::process::Command;

use chrono_tz::Tz;
use serde_json::{Value, json};
use tempfile::tempdir;
use undertone::engine::{Engine, EngineParams};
use undertone::outcome::{OutcomeParams, user_days};
use undertone::progress::Progress;
use undertone::read::activity::{ActivityColumns, read_activity};

use crate::common::{real_data, report, run_in};

fn analyse(folder: &Path, conversations: &Path, activity: Option<&Path>) -> Value {
    let mut args = vec!["run", "--conversations", conversations.to_str().unwrap(), "--out", "runs"];
    if let Some(activity) = activity {
        args.extend(["--activity", activity.to_str().unwrap()]);
    }
    let (code, _, err) = run_in(folder, &args);
    assert_eq!(code, 0, "{err}");
    report(&folder.join("runs/latest"))
}

/// What `retention_pandas.py` finds; `None`, said loudly, without Python and pandas.
fn pandas(conversations: &Path, activity: &Path) -> Option<Value> {
    let python = std::env::var("UNDERTONE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/retention_pandas.py");
    let has_pandas =
        Command::new(&python).args(["-c", "import pandas"]).output().is_ok_and(|o| o.status.success());
    if !has_pandas {
        eprintln!(
            "\n!!! SKIPPED: the independent retention needs pandas; set UNDERTONE_PYTHON to a Python that has it\n"
        );
        return None;
    }
    let output = Command::new(&python).arg(script).args([conversations, activity]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn chitchat_retention_equals_pandas_user_by_user() {
    let (Some(conversations), Some(activity)) = (
        real_data("retention/chitchat_spring.jsonl.gz"),
        real_data("retention/chitchat_spring_activity.csv.gz"),
    ) else {
        return;
    };
    let folder = tempdir().unwrap();
    let report = analyse(folder.path(), &conversations, Some(&activity));
    assert_eq!(report["overview"]["conversations"], 5195);
    assert_eq!(report["overview"]["users"], 647);
    let Some(expected) = pandas(&conversations, &activity) else { return };
    let points = report["retention"]["table"]["points"].as_array().unwrap();
    for point in points {
        let (name, rate) = (point["name"].as_str().unwrap(), &point["rate"]);
        assert_eq!(expected["points"][name], json!([rate["count"], rate["of"]]), "{name}");
    }
    let days = users_of_run(folder.path(), &activity);
    assert_eq!(days.len(), expected["users"].as_object().unwrap().len());
    for (user, found) in &days {
        assert_eq!(&expected["users"][user], found, "{user}");
    }
    println!("{} users and {} outcomes equal", days.len(), points.len());
}

/// First date and active days of every user, from the published tables.
fn users_of_run(folder: &Path, activity: &Path) -> Vec<(String, Value)> {
    let params = EngineParams { threads: 2, memory_bytes: None, spill_dir: folder.join("spill") };
    let engine = Engine::local(&params).unwrap();
    let table = folder.join("activity.parquet");
    let mut refuse = |reject| panic!("{reject:?}");
    let columns = ActivityColumns::default();
    read_activity(activity, &columns, Tz::UTC, &table, &mut refuse, &Progress::silent()).unwrap();
    engine.register("activity", &table).unwrap();
    engine.register("conversations", &folder.join("runs/latest/conversations/part-0.parquet")).unwrap();
    let users = user_days(&engine, &OutcomeParams::default()).unwrap();
    let days = |u: &undertone::outcome::UserDays| json!({"d0": u.d0.to_string(), "days": u.days.days().collect::<Vec<_>>()});
    users.iter().map(|user| (user.user_id.clone(), days(user))).collect()
}

#[test]
fn task_dialogues_give_their_services_as_themes() {
    let Some(file) = real_data("themes/sgd_dev.jsonl.gz") else { return };
    let folder = tempdir().unwrap();
    let report = analyse(folder.path(), &file, None);
    let themes = report["themes"].as_array().unwrap();
    assert!((8..=30).contains(&themes.len()), "{} themes", themes.len());
    let said = report["themes"].to_string().to_lowercase();
    for service in ["hotel", "flight", "restaurant", "movie", "weather", "therapist"] {
        assert!(said.contains(service), "no theme speaks of {service}");
    }
    assert!(report["retention"].is_null(), "no users, no retention");
}

#[test]
fn real_chats_with_a_model_give_a_report() {
    let Some(file) = real_data("conversations/wildchat_a.jsonl.gz") else { return };
    let folder = tempdir().unwrap();
    let report = analyse(folder.path(), &file, None);
    assert_eq!(report["overview"]["conversations"], 299);
    assert!(report["themes"].as_array().unwrap().len() >= 4);
    let page = std::fs::read_to_string(folder.path().join("runs/latest/report.html")).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("<script src"), "the page asks for nothing");
}

#[test]
fn help_conversations_with_users_and_times_give_a_report() {
    let Some(file) = real_data("conversations/ubuntu_irc_dev.jsonl") else { return };
    let folder = tempdir().unwrap();
    let report = analyse(folder.path(), &file, None);
    assert!(report["overview"]["users"].as_u64().unwrap() > 100);
    let abandoned =
        report["signals"].as_array().unwrap().iter().find(|s| s["name"] == "abandonment").unwrap();
    assert!(abandoned["prevalence"]["count"].as_u64().unwrap() > 20, "people do leave unanswered");
}
