//! Retention as Markdown: named outcomes, cohorts, and every effect in a table.

use super::{Text, chip};
use crate::outcome::effect::Effect;
use crate::outcome::retention::{Cohort, CurvePoint};
use crate::report::format;
use crate::report::names::exposure;
use crate::report::text::escape_markdown as escape;
use crate::report::view::{Report, RetentionFacts};

pub(super) fn retention(text: &mut Text, report: &Report, facts: &RetentionFacts) {
    let table = &facts.table;
    text.heading("Retention");
    text.paragraph(format_args!(
        "{}; activity from {}; last complete day {}.",
        format::counted(table.users, "user"),
        escape(&facts.source),
        escape(&format::date(&table.last_complete_date))
    ));
    let points = table.points.iter().map(|point| {
        vec![
            escape(&point.name),
            escape(&format::rate(&point.rate)),
            format::ratio_of(&point.rate),
            escape(&point.meaning),
        ]
    });
    text.table(&["Outcome", "Retained:", "n:", "Meaning"], points);
    text.paragraph(format_args!("On exactly day n: {}", curve(&table.n_day)));
    text.paragraph(format_args!("On day n or later: {}", curve(&table.unbounded)));
    cohorts(text, facts);
    text.paragraph("### What is associated with returning");
    text.table(
        &[
            "Theme or signal",
            "Outcome",
            "Met it:",
            "Others:",
            "Difference:",
            "Risk ratio:",
            "q:",
            "Detectable:",
            "Verdict",
        ],
        facts.effects.iter().map(|effect| effect_row(report, effect)),
    );
    if facts.suppressed > 0 {
        let left_out = format::counted(facts.suppressed, "comparison");
        text.paragraph(format_args!("{left_out} left out because one side had too few users."));
    }
}

/// The days people ask for; the page has them all.
fn curve(points: &[CurvePoint]) -> String {
    let asked =
        points.iter().filter(|point| matches!(point.day, 1..=3) || (point.day > 0 && point.day % 7 == 0));
    let shown: Vec<String> = asked
        .map(|point| format!("D{} {}", point.day, escape(&format::percent(point.rate.interval.value))))
        .collect();
    if shown.is_empty() { "no day is complete yet.".into() } else { shown.join(", ") }
}

fn cohorts(text: &mut Text, facts: &RetentionFacts) {
    let weeks = facts.table.cohorts.iter().map(|cohort| cohort.cells.len()).max().unwrap_or(0);
    if weeks == 0 {
        return;
    }
    let names: Vec<String> = (0..weeks).map(|week| format!("Week {week}:")).collect();
    let mut columns = vec!["First week", "Users:"];
    columns.extend(names.iter().map(String::as_str));
    let row = |cohort: &Cohort| {
        let cell = |week: usize| match cohort.cells.get(week).copied().flatten() {
            Some(cell) => format!(
                "{}/{}{}",
                cell.retained,
                cell.eligible,
                if cell.incomplete { " (incomplete)" } else { "" }
            ),
            None => "–".into(),
        };
        let head = [escape(&format::day(&cohort.week)), format::count(cohort.users)];
        head.into_iter().chain((0..weeks).map(cell)).collect()
    };
    text.table(&columns, facts.table.cohorts.iter().map(row));
}

fn effect_row(report: &Report, effect: &Effect) -> Vec<String> {
    let exposure = exposure(report, &effect.exposure);
    let group = |rate| format!("{}, {}", escape(&format::rate(rate)), format::ratio_of(rate));
    vec![
        format!("{} {}", exposure.kind, escape(&exposure.name)).trim().to_string(),
        escape(&effect.outcome),
        group(&effect.exposed),
        group(&effect.unexposed),
        escape(&format::points(&effect.difference)),
        effect.ratio.as_ref().map_or_else(|| "undefined".into(), format::ratio),
        escape(&format::p_value(effect.q)),
        format!("{:.1} pts", effect.minimum_detectable * 100.0),
        chip(effect.verdict),
    ]
}
