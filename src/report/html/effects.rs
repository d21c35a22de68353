//! Forest plots: every theme and signal against every outcome.

use minijinja::Value;
use serde::Serialize;

use super::retention::largest;
use super::{Chip, markup};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::Verdict;
use crate::report::chart::{self, Scale};
use crate::report::view::{Report, RetentionFacts};
use crate::report::{format, names};

/// All effects on one outcome.
#[derive(Serialize)]
pub(super) struct Forest<'a> {
    outcome: &'a str,
    meaning: Option<&'a str>,
    axis: Value,
    /// Rows of the plot, and rows folded away because the list is long and they tell nothing.
    groups: [Vec<EffectRow>; 2],
    count: usize,
    told: usize,
}

#[derive(Serialize)]
struct EffectRow {
    kind: &'static str,
    name: String,
    target: Option<String>,
    plot: Value,
    difference: String,
    exposed: String,
    exposed_n: String,
    unexposed: String,
    unexposed_n: String,
    ratio: Option<String>,
    p: String,
    q: String,
    detectable: String,
    chip: Chip,
}

/// One forest per outcome in the order outcomes first appear; rows from worst to best.
pub(super) fn forests<'a>(report: &'a Report, facts: &'a RetentionFacts) -> Vec<Forest<'a>> {
    let mut outcomes: Vec<&str> = Vec::new();
    for effect in &facts.effects {
        if !outcomes.contains(&effect.outcome.as_str()) {
            outcomes.push(&effect.outcome);
        }
    }
    let ends =
        facts.effects.iter().flat_map(|effect| [effect.difference.low.abs(), effect.difference.high.abs()]);
    // One scale for all outcomes: the same length means the same number of points everywhere.
    let scale = Scale::around_zero(largest(ends).min(0.5));
    let forest = |outcome: &'a str| {
        let mut effects: Vec<&Effect> =
            facts.effects.iter().filter(|effect| effect.outcome == outcome).collect();
        effects.sort_by(|a, b| {
            a.difference.value.total_cmp(&b.difference.value).then(a.exposure.cmp(&b.exposure))
        });
        Forest {
            outcome,
            meaning: names::outcome_meaning(report, outcome),
            axis: markup(scale.axis(chart::points_tick)),
            count: effects.len(),
            told: effects.iter().filter(|effect| is_told(effect)).count(),
            groups: fold(effects)
                .map(|part| part.into_iter().map(|effect| EffectRow::of(report, effect, &scale)).collect()),
        }
    };
    let mut forests: Vec<Forest<'_>> = outcomes.into_iter().map(forest).collect();
    // The outcome that says most comes first, and open; the order of equals stays.
    forests.sort_by_key(|forest| std::cmp::Reverse(forest.told));
    forests
}

/// A plot longer than this keeps only rows with a verdict in sight.
const LONG: usize = 30;

fn fold(effects: Vec<&Effect>) -> [Vec<&Effect>; 2] {
    let is_long = effects.len() > LONG;
    let (shown, folded) = effects.into_iter().partition(|effect| !is_long || is_told(effect));
    [shown, folded]
}

fn is_told(effect: &Effect) -> bool {
    effect.verdict != Verdict::CannotTell
}

impl EffectRow {
    fn of(report: &Report, effect: &Effect, scale: &Scale) -> EffectRow {
        let exposure = names::exposure(report, &effect.exposure);
        EffectRow {
            kind: exposure.kind,
            name: exposure.name,
            target: exposure.target,
            plot: markup(chart::difference::row(&effect.difference, effect.verdict, scale)),
            difference: format::points(&effect.difference),
            exposed: format::rate(&effect.exposed),
            exposed_n: format::ratio_of(&effect.exposed),
            unexposed: format::rate(&effect.unexposed),
            unexposed_n: format::ratio_of(&effect.unexposed),
            ratio: effect.ratio.as_ref().map(format::ratio),
            p: format::p_value(effect.p),
            q: format::q_statement(effect.q),
            detectable: format!("{:.1} pts", effect.minimum_detectable * 100.0),
            chip: effect.verdict.into(),
        }
    }
}
