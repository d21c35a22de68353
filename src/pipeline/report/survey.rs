//! One pass over the final tables: every count that the report and its findings are made from.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float32Type, Int32Type, Int64Type, TimestampMillisecondType};

use crate::engine::Engine;
use crate::outcome::join::local_date;
use crate::pipeline::PipelineError;
use crate::signal::SignalKind;
use crate::signal::friction::Grade;
use crate::table::{numbers, text};

/// Conversations kept as candidates of each kind of example.
const CANDIDATES: usize = 12;

/// Counts over a set of conversations.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Conversations.
    pub conversations: u64,
    /// By grade: good, mixed, bad.
    pub grades: [u64; 3],
    /// Sum of friction.
    pub friction: f64,
    /// Turn counts.
    pub turns: Vec<u32>,
    /// By Monday of the week.
    pub weeks: BTreeMap<NaiveDate, u64>,
    /// Conversations with each signal.
    pub signals: BTreeMap<SignalKind, u64>,
    /// Distinct users.
    pub users: u64,
    /// User turns with a tone, and of these negative.
    pub toned_turns: (u64, u64),
    /// Conversations with most friction: friction descending, then id.
    pub worst: Vec<(f32, String)>,
    /// Conversations most like the theme: similarity descending, then id.
    pub typical: Vec<(f32, String)>,
}

/// Everything counted.
#[derive(Debug, Default)]
pub struct Survey {
    /// All conversations.
    pub all: Tally,
    /// By theme.
    pub themes: BTreeMap<u32, Tally>,
    /// Conversations and bad ones by date.
    pub days: BTreeMap<NaiveDate, (u64, u64)>,
    /// Conversations with each signal that have most friction.
    pub by_signal: BTreeMap<SignalKind, Vec<(f32, String)>>,
    /// Conversations of the whole run without a user turn.
    pub without_user_turns: u64,
    /// Distinct users.
    pub users: u64,
    /// Conversations with an assistant's turn.
    pub answered: u64,
    /// Conversations without a start.
    pub undated: u64,
}

/// Counts the tables `conversations`, `assignments`, `signals` and `turns`.
pub fn survey(engine: &Engine, zone: Tz) -> Result<Survey, PipelineError> {
    let mut survey = Survey::default();
    engine.for_each(
        "SELECT c.conversation_id, c.started_at, c.turns, c.user_turns, c.friction, c.grade, a.theme, a.similarity \
         FROM conversations c JOIN assignments a ON c.conversation_id = a.conversation_id ORDER BY c.conversation_id",
        |batch| Ok(survey.count(&batch, zone)?),
    )?;
    survey.count_signals(engine)?;
    survey.count_users(engine)?;
    survey.count_tones(engine)?;
    Ok(survey)
}

impl Survey {
    fn count(&mut self, batch: &RecordBatch, zone: Tz) -> Result<(), crate::table::TableError> {
        let (ids, grades) = (text(batch, "conversation_id")?, text(batch, "grade")?);
        let started = numbers::<TimestampMillisecondType>(batch, "started_at")?;
        let (turns, user_turns) =
            (numbers::<Int32Type>(batch, "turns")?, numbers::<Int32Type>(batch, "user_turns")?);
        let (friction, theme) =
            (numbers::<Float32Type>(batch, "friction")?, numbers::<Int32Type>(batch, "theme")?);
        let similarity = numbers::<Float32Type>(batch, "similarity")?;
        for row in 0..batch.num_rows() {
            let date = started.is_valid(row).then(|| local_date(started.value(row), zone)).flatten();
            let grade = grade_of(grades.value(row));
            let one = Row {
                id: ids.value(row),
                date,
                grade,
                friction: friction.value(row),
                turns: turns.value(row) as u32,
            };
            self.all.add(&one, 0.0);
            if theme.is_valid(row) {
                self.themes.entry(theme.value(row) as u32).or_default().add(&one, similarity.value(row));
            }
            if let Some(date) = date {
                let day = self.days.entry(date).or_default();
                day.0 += 1;
                day.1 += u64::from(grade == Grade::Bad);
            }
            self.undated += u64::from(date.is_none());
            self.without_user_turns += u64::from(user_turns.value(row) == 0);
        }
        Ok(())
    }

    fn count_signals(&mut self, engine: &Engine) -> Result<(), PipelineError> {
        let sql = "SELECT s.conversation_id, s.kind, c.friction, a.theme FROM signals s \
                   JOIN conversations c ON s.conversation_id = c.conversation_id \
                   JOIN assignments a ON s.conversation_id = a.conversation_id ORDER BY s.conversation_id, s.kind";
        engine.for_each(sql, |batch| {
            let (ids, kinds) = (text(&batch, "conversation_id")?, text(&batch, "kind")?);
            let (friction, theme) =
                (numbers::<Float32Type>(&batch, "friction")?, numbers::<Int32Type>(&batch, "theme")?);
            for row in 0..batch.num_rows() {
                let Some(kind) = SignalKind::parse(kinds.value(row)) else { continue };
                *self.all.signals.entry(kind).or_default() += 1;
                if theme.is_valid(row) {
                    let tally = self.themes.entry(theme.value(row) as u32).or_default();
                    *tally.signals.entry(kind).or_default() += 1;
                }
                keep_best(self.by_signal.entry(kind).or_default(), friction.value(row), ids.value(row));
            }
            Ok(())
        })?;
        Ok(())
    }

    fn count_users(&mut self, engine: &Engine) -> Result<(), PipelineError> {
        let sql = "SELECT a.theme, count(DISTINCT c.user_id) AS users FROM conversations c \
                   JOIN assignments a ON c.conversation_id = a.conversation_id GROUP BY a.theme";
        self.for_themes(engine, sql, "users", |tally, users| tally.users = users)?;
        let all = engine.collect("SELECT count(DISTINCT user_id) AS users FROM conversations")?;
        let answered = engine
            .collect("SELECT count(DISTINCT conversation_id) AS n FROM turns WHERE role = 'assistant'")?;
        self.answered =
            answered.first().map_or(0, |b| b.column(0).as_primitive::<Int64Type>().value(0) as u64);
        self.users = all.first().map_or(0, |b| b.column(0).as_primitive::<Int64Type>().value(0) as u64);
        Ok(())
    }

    fn count_tones(&mut self, engine: &Engine) -> Result<(), PipelineError> {
        let toned = "FROM turns t JOIN assignments a ON t.conversation_id = a.conversation_id \
                     WHERE t.tone_negative IS NOT NULL";
        let negative = "AND t.tone_negative > t.tone_neutral AND t.tone_negative > t.tone_positive";
        let all = format!("SELECT a.theme, count(*) AS n {toned} GROUP BY a.theme");
        self.for_themes(engine, &all, "n", |tally, n| tally.toned_turns.0 = n)?;
        let bad = format!("SELECT a.theme, count(*) AS n {toned} {negative} GROUP BY a.theme");
        self.for_themes(engine, &bad, "n", |tally, n| tally.toned_turns.1 = n)
    }

    fn for_themes(
        &mut self,
        engine: &Engine,
        sql: &str,
        name: &str,
        set: impl Fn(&mut Tally, u64),
    ) -> Result<(), PipelineError> {
        engine.for_each(sql, |batch| {
            let (theme, count) =
                (numbers::<Int32Type>(&batch, "theme")?, numbers::<Int64Type>(&batch, name)?);
            for row in (0..batch.num_rows()).filter(|row| theme.is_valid(*row)) {
                if let Some(tally) = self.themes.get_mut(&(theme.value(row) as u32)) {
                    set(tally, count.value(row) as u64);
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Every date of the period, gaps filled with zeros.
    pub fn all_days(&self) -> Vec<(NaiveDate, u64, u64)> {
        let (Some(first), Some(last)) = (self.days.keys().next(), self.days.keys().last()) else {
            return Vec::new();
        };
        let dates = first.iter_days().take_while(|date| date <= last);
        dates.map(|date| self.days.get(&date).map_or((date, 0, 0), |(n, bad)| (date, *n, *bad))).collect()
    }

    /// Mondays of every week of the period.
    pub fn weeks(&self) -> Vec<NaiveDate> {
        let mondays: BTreeSet<NaiveDate> =
            self.all_days().into_iter().map(|(date, _, _)| monday(date)).collect();
        mondays.into_iter().collect()
    }
}

struct Row<'a> {
    id: &'a str,
    date: Option<NaiveDate>,
    grade: Grade,
    friction: f32,
    turns: u32,
}

impl Tally {
    fn add(&mut self, row: &Row<'_>, similarity: f32) {
        self.conversations += 1;
        self.grades[row.grade as usize] += 1;
        self.friction += f64::from(row.friction);
        self.turns.push(row.turns);
        if let Some(date) = row.date {
            *self.weeks.entry(monday(date)).or_default() += 1;
        }
        keep_best(&mut self.worst, row.friction, row.id);
        keep_best(&mut self.typical, similarity, row.id);
    }

    /// Conversations graded bad.
    pub fn bad(&self) -> u64 {
        self.grades[Grade::Bad as usize]
    }
}

/// Keeps the `CANDIDATES` largest, ties by id.
fn keep_best(best: &mut Vec<(f32, String)>, value: f32, id: &str) {
    let at = best.partition_point(|(other, name)| *other > value || (*other == value && name.as_str() < id));
    if at < CANDIDATES {
        best.insert(at, (value, id.to_owned()));
        best.truncate(CANDIDATES);
    }
}

fn monday(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday()))).unwrap_or(date)
}

fn grade_of(word: &str) -> Grade {
    match word {
        "bad" => Grade::Bad,
        "mixed" => Grade::Mixed,
        _ => Grade::Good,
    }
}
