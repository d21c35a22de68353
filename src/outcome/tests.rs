//! Joins, retention and effects through SQL, over small tables held in memory.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use tempfile::TempDir;

use super::estimate::Verdict;
use super::*;
use crate::engine::EngineParams;
use crate::table::{batches, text};

/// A product's tables, row by row.
#[derive(Clone, Default)]
struct World {
    /// id, user, start, grade
    conversations: Vec<(String, Option<String>, Option<i64>, &'static str)>,
    /// conversation, theme
    assignments: Vec<(String, Option<i32>)>,
    /// conversation, kind
    signals: Vec<(String, &'static str)>,
    /// user, at
    activity: Vec<(String, i64)>,
}

fn at(stamp: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(stamp).expect("RFC 3339").timestamp_millis()
}

/// Noon of a day of March 2026, UTC; days past 31 run on into April.
fn noon(day: i64) -> i64 {
    at("2026-03-01T12:00:00Z") + (day - 1) * 86_400_000
}

impl World {
    fn conversation(&mut self, id: &str, user: &str, started_at: i64, theme: i32) {
        self.conversations.push((id.into(), Some(user.into()), Some(started_at), "good"));
        self.assignments.push((id.into(), Some(theme)));
        self.activity.push((user.into(), started_at));
    }

    fn engine(&self, folder: &TempDir, threads: usize) -> Engine {
        let spill_dir = folder.path().to_owned();
        let params = EngineParams { threads, memory_bytes: None, spill_dir };
        let engine = Engine::local(&params).expect("an engine");
        fn words<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
            Arc::new(values.collect::<StringArray>())
        }
        fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
            Arc::new(values.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
        }
        let register = |name: &str, columns: Vec<(&str, ArrayRef)>| {
            let columns = columns.into_iter().map(|(name, values)| (name, values, true));
            let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns");
            engine.register_rows(name, batch).expect("registered");
        };
        let c = &self.conversations;
        register(
            "conversations",
            vec![
                ("conversation_id", words(c.iter().map(|row| Some(row.0.as_str())))),
                ("user_id", words(c.iter().map(|row| row.1.as_deref()))),
                ("started_at", times(c.iter().map(|row| row.2))),
                ("grade", words(c.iter().map(|row| Some(row.3)))),
            ],
        );
        let a = &self.assignments;
        register(
            "assignments",
            vec![
                ("conversation_id", words(a.iter().map(|row| Some(row.0.as_str())))),
                ("theme", Arc::new(a.iter().map(|row| row.1).collect::<Int32Array>())),
            ],
        );
        register(
            "signals",
            vec![
                ("conversation_id", words(self.signals.iter().map(|row| Some(row.0.as_str())))),
                ("kind", words(self.signals.iter().map(|row| Some(row.1)))),
            ],
        );
        register(
            "activity",
            vec![
                ("user_id", words(self.activity.iter().map(|row| Some(row.0.as_str())))),
                ("at", times(self.activity.iter().map(|row| Some(row.1)))),
            ],
        );
        engine
    }

    fn measure(&self, params: &OutcomeParams) -> Outcomes {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = self.engine(&folder, 2);
        // Apart from where the engine spills, to see that nothing but the exposures stays behind.
        let path = folder.path().join("out").join("exposures.parquet");
        let outcomes = measure(&engine, params, &path, &Progress::silent()).expect("measured");
        let left = std::fs::read_dir(folder.path().join("out")).expect("a folder").count();
        assert_eq!(left, 1, "scratch is gone");
        outcomes.expect("users")
    }
}

/// `users` new users a day over four weeks. Users of theme 1 return in week 1 with probability
/// 1/5, those of theme 0 with 4/5; the pattern repeats, so that counts are exact.
fn planted(users: i64) -> World {
    let mut world = World::default();
    for n in 0..28 * users {
        let (user, theme) = (format!("user-{n:05}"), (n % 2) as i32);
        let start = noon(1 + n / users);
        world.conversation(&format!("c{n}"), &user, start, theme);
        let returns = if theme == 1 { n / 2 % 5 == 0 } else { n / 2 % 5 != 0 };
        if returns {
            world.activity.push((user, start + 9 * 86_400_000));
        }
    }
    world.activity.push(("nobody".into(), noon(70)));
    world
}

fn point(outcomes: &Outcomes, name: &str) -> (u64, u64) {
    let found = outcomes.retention.points.iter().find(|point| point.name == name);
    found.map(|point| (point.rate.count, point.rate.of)).expect("a point")
}

#[test]
fn golden_cases_hold_through_sql() {
    let mut world = World::default();
    for user in ["one", "five", "never"] {
        world.conversation(user, user, noon(2), 0);
    }
    world.activity.extend([("one".into(), noon(3)), ("five".into(), noon(7))]);
    // T is the day before the last activity: the 8th, day 6. This user has no conversation.
    world.activity.push(("passer-by".into(), noon(9)));
    let outcomes = world.measure(&OutcomeParams::default());
    let counts = |curve: &[retention::CurvePoint]| -> Vec<_> {
        curve.iter().map(|point| (point.rate.count, point.rate.of)).collect()
    };
    let table = &outcomes.retention;
    assert_eq!((table.users, table.last_complete_date.as_str()), (3, "2026-03-08"));
    let n_day = [(3, 3), (1, 3), (0, 3), (0, 3), (0, 3), (1, 3), (0, 3)];
    assert_eq!(counts(&table.n_day), n_day);
    let unbounded = [(3, 3), (2, 3), (1, 3), (1, 3), (1, 3), (1, 3), (0, 3)];
    assert_eq!(counts(&table.unbounded), unbounded);
    assert_eq!(point(&outcomes, "D1"), (1, 3));
    assert_eq!(point(&outcomes, "D7"), (0, 0));
    assert!(outcomes.notes.iter().any(|note| note.contains("for 6 days, not 28")));
    assert_eq!(outcomes.counts.users_in_activity_only, 1);
}

#[test]
fn days_are_those_of_the_zone() {
    let mut world = World::default();
    // In Tokyo the first is already the 3rd of March, and the second the 4th.
    world.conversation("a", "u", at("2026-03-02T16:00:00Z"), 0);
    world.activity.push(("u".into(), at("2026-03-03T15:30:00Z")));
    let folder = tempfile::tempdir().expect("a folder");
    let engine = world.engine(&folder, 1);
    let days = |zone| {
        let params = OutcomeParams { zone, ..OutcomeParams::default() };
        let users = user_days(&engine, &params).expect("users");
        (users[0].d0.to_string(), users[0].days.days().collect::<Vec<_>>())
    };
    assert_eq!(days(chrono_tz::Asia::Tokyo), ("2026-03-03".to_owned(), vec![0, 1]));
    assert_eq!(days(chrono_tz::America::Los_Angeles), ("2026-03-02".to_owned(), vec![0, 1]));
    assert_eq!(days(Tz::UTC), ("2026-03-02".to_owned(), vec![0, 1]));
    world.activity[1].1 = at("2026-03-02T23:59:59Z");
    let engine = world.engine(&folder, 1);
    let params = OutcomeParams { zone: Tz::UTC, ..OutcomeParams::default() };
    let users = user_days(&engine, &params).expect("users");
    assert_eq!(users[0].days, window::DaySet::from_days([0]));
}

#[test]
fn the_first_conversation_is_activity_and_what_came_before_is_not() {
    let mut world = World::default();
    world.conversation("a", "u", noon(10), 0);
    world.activity = vec![("u".into(), noon(4)), ("u".into(), noon(12)), ("u".into(), noon(75))];
    let folder = tempfile::tempdir().expect("a folder");
    let users = user_days(&world.engine(&folder, 2), &OutcomeParams::default()).expect("users");
    // Day 65 is past the last day kept.
    assert_eq!(users[0].days.days().collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_planted_effect_is_found_with_its_size() {
    let outcomes = planted(20).measure(&OutcomeParams::default());
    let find = |exposure: &str, outcome: &str| {
        let found = outcomes.effects.iter().find(|e| e.exposure == exposure && e.outcome == outcome);
        found.unwrap_or_else(|| panic!("{exposure} {outcome}"))
    };
    let worse = find("theme:1", "W1");
    assert_eq!((worse.exposed.count, worse.exposed.of), (56, 280));
    assert_eq!((worse.unexposed.count, worse.unexposed.of), (224, 280));
    assert!((worse.difference.value + 0.6).abs() < 1e-12);
    assert_eq!(worse.verdict, Verdict::Worse);
    assert_eq!(find("theme:0", "W1").verdict, Verdict::Better);
    // Nobody returns on day 7 exactly, nor in week 4.
    assert_eq!(find("theme:1", "W4").verdict, Verdict::NoDifference);
    assert_eq!(find("theme:1", "D7").ratio, None);
    let outcomes_seen: Vec<&str> = outcomes.effects.iter().map(|e| e.outcome.as_str()).collect();
    assert_eq!(outcomes_seen, ["D7", "D7", "D28", "D28", "D7+", "D7+", "W1", "W1", "W4", "W4"]);
    assert!(outcomes.refused[0].starts_with("D1 "));
    assert_eq!(outcomes.suppressed, 0);
}

#[test]
fn what_was_known_before_is_adjusted_for() {
    // 800 users who were active on 20 days before and 800 who were not. Heavy users meet the theme more
    // and stay more; alike users of the theme stay 20 points less.
    let mut world = World::default();
    for n in 0..1600 {
        let (user, start) = (format!("u{n:04}"), noon(30 + n % 20));
        let (heavy, nth) = (n % 2 == 0, n / 2 % 100);
        let exposed = nth % 10 < if heavy { 7 } else { 3 };
        world.conversation(&format!("c{n}"), &user, start, i32::from(exposed));
        let stays = nth / 10 < if heavy { 8 } else { 4 } - if exposed { 2 } else { 0 };
        if stays {
            world.activity.push((user.clone(), start + 9 * 86_400_000));
        }
        for day in 1..=if heavy { 20 } else { 0 } {
            world.activity.push((user.clone(), start - day * 86_400_000));
            world.activity.push((user.clone(), start - day * 86_400_000 + 1));
        }
    }
    world.activity.push(("nobody".into(), noon(90)));
    let outcomes = world.measure(&OutcomeParams::default());
    let effect = outcomes.effects.iter().find(|e| e.exposure == "theme:1" && e.outcome == "W1");
    let effect = effect.expect("compared");
    assert!(effect.difference.value.abs() < 0.05, "crude: {:?}", effect.difference);
    let [history, conversations] = effect.adjusted.differences().expect("both sides");
    assert!((history.value + 0.2).abs() < 1e-9 && history.high < 0.0, "{history:?}");
    assert_eq!(history, conversations, "one conversation each");
    assert_eq!(effect.adjusted.by_history.map(|adjusted| adjusted.strata), Some(2));
    assert_eq!(effect.verdict, Verdict::Worse);
}

#[test]
fn small_groups_are_suppressed_and_short_periods_noted() {
    let mut world = planted(20);
    for n in 0..19 {
        world.signals.push((format!("c{n}"), "loop"));
        world.signals.push((format!("c{n}"), "doubt"));
    }
    world.signals.push(("c19".into(), "doubt"));
    let outcomes = world.measure(&OutcomeParams::default());
    assert_eq!(outcomes.suppressed, 5, "`loop` in each of five outcomes");
    assert!(outcomes.effects.iter().any(|effect| effect.exposure == "signal:doubt"));
    assert!(outcomes.effects.iter().all(|effect| effect.exposure != "signal:loop"));
    let early = "2026-03-30".parse().ok();
    let params = OutcomeParams { last_complete_date: early, ..OutcomeParams::default() };
    let outcomes = world.measure(&params);
    assert!(outcomes.notes.iter().any(|note| note.starts_with("W4 is not compared: 0 users")));
    assert!(outcomes.effects.iter().all(|effect| effect.outcome != "W4"));
}

#[test]
fn exposures_are_looked_for_inside_the_window_only() {
    let mut world = World::default();
    world.conversation("a", "u", noon(2), 3);
    world.conversation("b", "u", noon(8), 3);
    world.conversation("late", "u", noon(9), 4);
    world.conversations[1].3 = "bad";
    world.signals.extend([("a".into(), "loop"), ("b".into(), "loop"), ("late".into(), "doubt")]);
    world.conversation("noise", "v", noon(9), 0);
    world.assignments.last_mut().expect("assigned").1 = None;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("exposures.parquet");
    let params = OutcomeParams::default();
    let outcomes = measure(&world.engine(&folder, 2), &params, &path, &Progress::silent());
    assert!(outcomes.expect("measured").is_some());
    let mut rows = Vec::new();
    for batch in batches(&path).expect("readable") {
        let batch = batch.expect("a batch");
        let ints = |name| batch.column_by_name(name).expect(name).as_primitive::<Int32Type>();
        let (all, exposed) = (ints("conversations_in_window"), ints("exposed_conversations"));
        for row in 0..batch.num_rows() {
            let name = |column| text(&batch, column).expect("text").value(row).to_owned();
            rows.push((name("user_id"), name("exposure"), all.value(row), exposed.value(row)));
        }
    }
    let row = |exposure: &str, exposed| ("u".to_owned(), exposure.to_owned(), 2, exposed);
    assert_eq!(rows, [row("grade:bad", 1), row("signal:loop", 2), row("theme:3", 2)]);
}

#[test]
fn what_does_not_join_is_counted() {
    let mut world = World::default();
    world.conversation("a", "both", noon(2), 0);
    world.conversation("b", "silent", noon(2), 0);
    world.activity.pop();
    world.activity.push(("stranger".into(), noon(20)));
    world.conversations.push(("c".into(), None, Some(noon(2)), "good"));
    world.conversations.push(("d".into(), Some("both".into()), None, "good"));
    let expected = JoinCounts {
        users_in_conversations_only: 1,
        users_in_activity_only: 1,
        users_in_both: 1,
        conversations_without_user: 1,
        conversations_without_time: 1,
    };
    assert_eq!(world.measure(&OutcomeParams::default()).counts, expected);
}

#[test]
fn without_users_there_is_nothing_to_measure() {
    let mut world = World::default();
    world.conversations.push(("a".into(), None, Some(noon(2)), "good"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out").join("exposures.parquet");
    let params = OutcomeParams::default();
    let outcomes = measure(&world.engine(&folder, 2), &params, &path, &Progress::silent());
    assert_eq!(outcomes.expect("no error"), None);
    assert_eq!(std::fs::read_dir(folder.path().join("out")).expect("a folder").count(), 0);
}

#[test]
fn files_and_numbers_do_not_depend_on_threads_or_row_order() {
    let world = planted(50);
    let mut shuffled = world.clone();
    shuffled.conversations.reverse();
    shuffled.assignments.rotate_left(17);
    shuffled.activity.reverse();
    let run = |world: &World, threads| {
        let folder = tempfile::tempdir().expect("a folder");
        let (exposures, effects) = (folder.path().join("e.parquet"), folder.path().join("f.parquet"));
        let engine = world.engine(&folder, threads);
        let params = OutcomeParams::default();
        let outcomes = measure(&engine, &params, &exposures, &Progress::silent());
        let outcomes = outcomes.expect("measured").expect("users");
        write_effects(&outcomes.effects, &effects).expect("written");
        let bytes = |path| std::fs::read(path).expect("readable");
        (bytes(exposures), bytes(effects), outcomes)
    };
    let one = run(&world, 1);
    for (other, threads) in [(&world, 4), (&shuffled, 2)] {
        let other = run(other, threads);
        assert!(one.0 == other.0, "exposures differ at {threads} threads");
        assert!(one.1 == other.1, "effects differ at {threads} threads");
        assert_eq!(one.2, other.2);
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let say = |params: OutcomeParams| params.validate().expect_err("refused").to_string();
    let defaults = OutcomeParams::default;
    assert!(defaults().validate().is_ok());
    let message = say(OutcomeParams { window_days: 90, ..defaults() });
    assert_eq!(message, "window_days = 90: must be between 1 and 62 days");
    assert!(say(OutcomeParams { alpha: 5.0, ..defaults() }).starts_with("alpha = 5"));
    assert!(say(OutcomeParams { margin: f64::NAN, ..defaults() }).starts_with("margin = NaN"));
    assert!(say(OutcomeParams { k_anonymity: 0, ..defaults() }).contains("at least 1 user"));
}
