//! One theme's section: request, figures, signals, outcomes, conversations.

use minijinja::Value;
use serde::Serialize;

use super::conversations::Homes;
use super::themes::ThemeRow;
use super::{Chip, markup};
use crate::outcome::effect::Effect;
use crate::report::chart::{self, Scale};
use crate::report::view::{Report, ThemeFacts};
use crate::report::{format, names};

/// What `theme.html` prints.
#[derive(Serialize)]
pub(super) struct ThemeSection<'a> {
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
    pub(super) fn of(
        report: &'a Report,
        theme: &'a ThemeFacts,
        row: &'a ThemeRow<'a>,
        conversations: Value,
        homes: &Homes,
    ) -> ThemeSection<'a> {
        let here = homes.in_theme(theme.id);
        let elsewhere =
            theme.examples.iter().filter(|id| report.conversations.contains_key(*id) && !here.contains(id));
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
    let all =
        theme.signals.values().copied().chain(report.signals.iter().map(|s| s.prevalence.interval.value));
    let scale = Scale::from_zero(all.fold(0.0, f64::max), 1.0);
    let mut shares: Vec<SignalShare<'a>> = theme
        .signals
        .iter()
        .filter(|(_, share)| **share > 0.0)
        .map(|(name, &share)| {
            let all = report.signals.iter().find(|signal| signal.name == *name);
            let everywhere = all.map(|signal| signal.prevalence.interval.value);
            SignalShare {
                name,
                share,
                everywhere,
                bar: markup(chart::bar::marked(share, everywhere, &scale)),
            }
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
            n: format!(
                "{} exposed, {} not",
                format::counted(effect.exposed.of, "user"),
                format::count(effect.unexposed.of)
            ),
            q: format::q_statement(effect.q),
            chip: effect.verdict.into(),
        }
    }
}
