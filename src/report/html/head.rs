//! Title, period, head figures, the volume by day; and the data-quality rows at the foot.

use minijinja::Value;
use serde::Serialize;

use super::markup;
use crate::report::view::{Overview, QualityLevel, Report};
use crate::report::{chart, format};

/// What `head.html` prints.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    title: &'a str,
    period: Option<String>,
    figures: Vec<Figure>,
    days: Value,
    first_day: Option<String>,
    last_day: Option<String>,
    busiest: String,
}

/// One head figure with what it counts and what to know about it.
#[derive(Serialize)]
struct Figure {
    label: &'static str,
    value: String,
    note: String,
}

pub(super) fn view(report: &Report) -> Head<'_> {
    let overview = &report.overview;
    let busiest = overview.days.iter().map(|day| day.conversations).max().unwrap_or(0);
    Head {
        title: &report.title,
        period: format::period(overview.first_date.as_deref(), overview.last_date.as_deref()),
        figures: figures(overview),
        days: markup(chart::days::columns(&overview.days)),
        first_day: overview.days.first().map(|day| format::day(&day.date)),
        last_day: overview.days.last().map(|day| format::day(&day.date)),
        busiest: format::count(busiest),
    }
}

fn figures(overview: &Overview) -> Vec<Figure> {
    let share = |part: u64| format::percent(part as f64 / overview.conversations as f64);
    let is_empty = overview.conversations == 0;
    let users = match overview.users {
        0 => ("–".to_string(), "the export names no users".to_string()),
        n => (format::count(n), "named in the export".to_string()),
    };
    let bad = if is_empty { "–".into() } else { share(overview.bad) };
    let grades = match is_empty {
        true => "nothing to grade".into(),
        false => format!("{} good, {} mixed", share(overview.good), share(overview.mixed)),
    };
    let negative =
        if overview.user_turns == 0 { "–".into() } else { format::percent(overview.negative_turn_share) };
    let figure = |label, value, note| Figure { label, value, note };
    vec![
        figure(
            "Conversations",
            format::count(overview.conversations),
            format::counted(overview.turns, "turn"),
        ),
        figure("Users", users.0, users.1),
        figure(
            "Themes",
            format::count(overview.themes),
            format!("{} in none", format::counted(overview.unassigned, "conversation")),
        ),
        figure("Went badly", bad, grades),
        figure(
            "Negative tone",
            negative,
            format!("of {}", format::counted(overview.user_turns, "user turn")),
        ),
    ]
}

/// One row of the data-quality section.
#[derive(Serialize)]
pub(super) struct QualityRow<'a> {
    label: &'a str,
    meaning: &'a str,
    amount: String,
    level: &'static str,
    mark: &'static str,
    word: &'static str,
}

pub(super) fn quality(report: &Report) -> Vec<QualityRow<'_>> {
    let row = |fact: &'_ crate::report::view::QualityFact| {
        let amount = match fact.of {
            Some(of) if of > 0 => format!(
                "{} of {} ({})",
                format::count(fact.count),
                format::count(of),
                format::percent(fact.count as f64 / of as f64)
            ),
            _ => format::count(fact.count),
        };
        let (level, mark, word) = match fact.level {
            QualityLevel::Fine => ("fine", "✓", "fine"),
            QualityLevel::Note => ("note", "i", "note"),
            QualityLevel::Warning => ("warning", "!", "warning"),
        };
        (amount, level, mark, word)
    };
    let facts = report.quality.iter();
    let rows = facts.map(|fact| {
        let (amount, level, mark, word) = row(fact);
        QualityRow { label: &fact.label, meaning: &fact.meaning, amount, level, mark, word }
    });
    rows.collect()
}
