//! Themes: the picture, the table, and a section for each theme with its conversations.

use minijinja::Value;
use serde::Serialize;

use super::conversations::{Homes, transcripts};
use super::{Chip, Templates, markup};
use crate::outcome::effect::Effect;
use crate::report::chart::{self, Scale};
use crate::report::view::{Report, ThemeFacts};
use crate::report::{format, names};

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
    outcome: Option<&'a str>,
    has_weeks: bool,
    sections: Value,
    others: Value,
    other_count: usize,
}

/// A theme in the picture and in the table. `sort` values are plain numbers for the script.
#[derive(Serialize)]
struct ThemeRow<'a> {
    id: u32,
    name: &'a str,
    keywords: String,
    conversations: u64,
    share: f64,
    users: u64,
    friction: f64,
    friction_step: usize,
    bad: String,
    bad_sort: f64,
    negative: f64,
    turns: String,
    turns_sort: f64,
    share_bar: Value,
    bad_dot: Value,
    spark: Value,
    effect: Option<String>,
    effect_sort: Option<f64>,
    chip: Option<Chip>,
}

/// The axes all themes share.
struct Axes {
    share: Scale,
    bad: Scale,
    overall_bad: Option<f64>,
}

pub(super) fn section(templates: &Templates, report: &Report, homes: &Homes) -> Result<Value, minijinja::Error> {
    let axes = Axes::of(report);
    let outcome = main_outcome(report);
    let rows: Vec<ThemeRow<'_>> = report.themes.iter().map(|theme| ThemeRow::of(theme, &axes, outcome)).collect();
    let split = rows.len().min(SHOWN);
    let mut sections = String::new();
    for (theme, row) in report.themes.iter().zip(&rows) {
        let conversations = transcripts(templates, report, homes.in_theme(theme.id))?;
        sections += &templates.fill("theme.html", ThemeSection::of(report, theme, row, conversations, homes))?.to_string();
    }
    let view = Themes {
        groups: [rows[..split].iter().collect(), rows[split..].iter().collect()],
        rows: &rows,
        share_axis: markup(axes.share.axis(chart::percent_tick)),
        bad_axis: markup(axes.bad.axis(chart::percent_tick)),
        overall_bad: axes.overall_bad.map(format::percent),
        outcome,
        has_weeks: report.themes.iter().any(|theme| theme.weekly.len() > 1),
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
            bad_sort: theme.bad.interval.value,
            negative: theme.negative_turn_share,
            turns: format::median(theme.median_turns),
            turns_sort: theme.median_turns,
            share_bar: markup(chart::bar::share(theme.share, theme.friction, &axes.share)),
            bad_dot: markup(chart::interval::dot(&theme.bad, &axes.bad, "plain", axes.overall_bad)),
            spark: markup(chart::sparkline::line(&theme.weekly)),
            effect: effect.map(|effect| format::points(&effect.difference)),
            effect_sort: effect.map(|effect| effect.difference.value),
            chip: effect.map(|effect| effect.verdict.into()),
        }
    }
}

/// What `theme.html` prints.
#[derive(Serialize)]
struct ThemeSection<'a> {
    row: &'a ThemeRow<'a>,
    keywords: &'a [String],
    representative: &'a str,
    bad_n: String,
    signals: Vec<SignalShare<'a>>,
    effects: Vec<EffectLine>,
    conversations: Value,
    shown: usize,
    elsewhere: Vec<Link<'a>>,
    is_first: bool,
}

#[derive(Serialize)]
struct SignalShare<'a> {
    name: &'a str,
    share: f64,
    everywhere: Option<f64>,
    bar: Value,
}

#[derive(Serialize)]
struct EffectLine {
    outcome: String,
    difference: String,
    n: String,
    q: String,
    chip: Chip,
}

/// A conversation of this theme that stands in another section.
#[derive(Serialize)]
struct Link<'a> {
    id: &'a str,
    target: String,
}

impl<'a> ThemeSection<'a> {
    fn of(
        report: &'a Report,
        theme: &'a ThemeFacts,
        row: &'a ThemeRow<'a>,
        conversations: Value,
        homes: &Homes,
    ) -> ThemeSection<'a> {
        let here = homes.in_theme(theme.id);
        let elsewhere = theme.examples.iter().filter(|id| report.conversations.contains_key(*id) && !here.contains(id));
        ThemeSection {
            row,
            keywords: &theme.keywords,
            representative: &theme.representative,
            bad_n: format::ratio_of(&theme.bad),
            signals: signal_shares(report, theme),
            effects: theme.effects.iter().map(EffectLine::of).collect(),
            conversations,
            shown: here.len(),
            elsewhere: elsewhere.map(|id| Link { id, target: names::conversation_target(id) }).collect(),
            is_first: report.themes.first().is_some_and(|first| first.id == theme.id),
        }
    }
}

/// Most common first; the mark is the signal's share over all conversations.
fn signal_shares<'a>(report: &Report, theme: &'a ThemeFacts) -> Vec<SignalShare<'a>> {
    let scale = Scale::from_zero(1.0, 1.0);
    let mut shares: Vec<SignalShare<'a>> = theme
        .signals
        .iter()
        .filter(|(_, share)| **share > 0.0)
        .map(|(name, &share)| {
            let all = report.signals.iter().find(|signal| signal.name == *name);
            let everywhere = all.map(|signal| signal.prevalence.interval.value);
            SignalShare { name, share, everywhere, bar: markup(chart::bar::marked(share, everywhere, &scale)) }
        })
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.name.cmp(b.name)));
    shares
}

impl EffectLine {
    fn of(effect: &Effect) -> EffectLine {
        EffectLine {
            outcome: effect.outcome.clone(),
            difference: format::points(&effect.difference),
            n: format!("{} exposed, {} not", format::counted(effect.exposed.of, "user"), format::count(effect.unexposed.of)),
            q: format::q_statement(effect.q),
            chip: effect.verdict.into(),
        }
    }
}
