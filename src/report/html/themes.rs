//! Themes: the picture, the table, and a section for each theme with its conversations.

use minijinja::Value;
use serde::Serialize;

use super::conversations::{Homes, transcripts};
use super::theme::ThemeSection;
use super::{Chip, Templates, markup};
use crate::report::chart::{self, Scale};
use crate::report::format;
use crate::report::view::{Report, ThemeFacts};

/// Fewer points are no map.
const FEWEST_POINTS: usize = 30;

/// Rows of the picture shown at once.
const SHOWN: usize = 20;

/// What `themes.html` prints.
#[derive(Serialize)]
struct Themes<'a> {
    groups: [Vec<&'a ThemeRow<'a>>; 2],
    rows: &'a [ThemeRow<'a>],
    share_axis: Value,
    bad_axis: Value,
    overall_bad: Option<String>,
    map: Option<Value>,
    mapped: usize,
    outcome: Option<&'a str>,
    has_weeks: bool,
    news: &'a [String],
    sections: Value,
    others: Value,
    other_count: usize,
}

/// A theme in the picture and in the table. `sort` values are plain numbers for the script.
#[derive(Serialize)]
pub(super) struct ThemeRow<'a> {
    id: u32,
    name: &'a str,
    keywords: String,
    conversations: u64,
    share: f64,
    users: u64,
    friction: f64,
    friction_step: usize,
    bad: String,
    bad_lines: (String, String),
    bad_sort: f64,
    negative: f64,
    turns: String,
    turns_sort: f64,
    share_bar: Value,
    bad_dot: Value,
    spark: Value,
    effect_lines: Option<(String, String)>,
    effect_sort: Option<f64>,
    chip: Option<Chip>,
}

/// The axes all themes share.
struct Axes {
    share: Scale,
    bad: Scale,
    overall_bad: Option<f64>,
}

pub(super) fn section(
    templates: &Templates,
    report: &Report,
    homes: &Homes,
) -> Result<Value, minijinja::Error> {
    let axes = Axes::of(report);
    let outcome = main_outcome(report);
    let rows: Vec<ThemeRow<'_>> =
        report.themes.iter().map(|theme| ThemeRow::of(theme, &axes, outcome)).collect();
    let split = rows.len().min(SHOWN);
    let mut sections = String::new();
    for (theme, row) in report.themes.iter().zip(&rows) {
        let conversations = transcripts(templates, report, homes.in_theme(theme.id))?;
        sections += &templates
            .fill("theme.html", ThemeSection::of(report, theme, row, conversations, homes))?
            .to_string();
    }
    let view = Themes {
        groups: [rows[..split].iter().collect(), rows[split..].iter().collect()],
        rows: &rows,
        share_axis: markup(axes.share.axis(chart::percent_tick)),
        bad_axis: markup(axes.bad.axis(chart::percent_tick)),
        overall_bad: axes.overall_bad.map(format::percent),
        map: (report.map.points.len() >= FEWEST_POINTS)
            .then(|| markup(chart::map::picture(&report.map, &report.themes))),
        mapped: report.map.points.len(),
        outcome,
        has_weeks: report.themes.iter().any(|theme| theme.weekly.len() > 1),
        news: &report.theme_news,
        sections: markup(sections),
        others: transcripts(templates, report, &homes.homeless)?,
        other_count: homes.homeless.len(),
    };
    templates.fill("themes.html", view)
}

impl Axes {
    fn of(report: &Report) -> Axes {
        let share = report.themes.iter().map(|theme| theme.share).fold(0.0, f64::max);
        let bad = report.themes.iter().map(|theme| theme.bad.interval.high).fold(0.0, f64::max);
        let all = report.overview.conversations;
        Axes {
            share: Scale::from_zero(share, 1.0),
            bad: Scale::from_zero(bad, 1.0),
            overall_bad: (all > 0).then(|| report.overview.bad as f64 / all as f64),
        }
    }
}

/// The outcome of the table's last column: whichever the first effect of a theme is about.
pub(crate) fn main_outcome(report: &Report) -> Option<&str> {
    report.themes.iter().find_map(|theme| theme.effects.first()).map(|effect| effect.outcome.as_str())
}

impl<'a> ThemeRow<'a> {
    fn of(theme: &'a ThemeFacts, axes: &Axes, outcome: Option<&str>) -> ThemeRow<'a> {
        let effect = theme.effects.iter().find(|effect| Some(effect.outcome.as_str()) == outcome);
        ThemeRow {
            id: theme.id,
            name: &theme.name,
            keywords: theme.keywords.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", "),
            conversations: theme.conversations,
            share: theme.share,
            users: theme.users,
            friction: theme.friction,
            friction_step: chart::bar::friction_step(theme.friction),
            bad: format::rate(&theme.bad),
            bad_lines: two_lines(&format::rate(&theme.bad)),
            bad_sort: theme.bad.interval.value,
            negative: theme.negative_turn_share,
            turns: format::median(theme.median_turns),
            turns_sort: theme.median_turns,
            share_bar: markup(chart::bar::share(theme.share, theme.friction, &axes.share)),
            bad_dot: markup(chart::interval::dot(&theme.bad, &axes.bad, "plain", axes.overall_bad)),
            spark: markup(chart::sparkline::line(&theme.weekly)),
            effect_lines: effect.map(|effect| two_lines(&format::points(&effect.difference))),
            effect_sort: effect.map(|effect| effect.difference.value),
            chip: effect.map(|effect| effect.verdict.into()),
        }
    }
}

/// Estimate and interval apart, for narrow columns.
fn two_lines(statement: &str) -> (String, String) {
    let (estimate, interval) = statement.split_once(" (").unwrap_or((statement, ""));
    (estimate.into(), interval.trim_end_matches(')').into())
}
