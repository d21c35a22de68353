//! Signals: how common each is, what it means, where to see it.

use minijinja::Value;
use serde::Serialize;

use super::markup;
use crate::report::chart::{self, Scale};
use crate::report::view::{Report, SignalFacts};
use crate::report::{format, names};

/// What `signals.html` prints.
#[derive(Serialize)]
pub(super) struct Signals<'a> {
    groups: Vec<Group<'a>>,
    axis: Value,
}

/// Signals that count towards friction, and the others.
#[derive(Serialize)]
struct Group<'a> {
    title: &'static str,
    rows: Vec<SignalRow<'a>>,
}

#[derive(Serialize)]
struct SignalRow<'a> {
    anchor: String,
    name: &'a str,
    meaning: &'a str,
    rate: String,
    n: String,
    plot: Value,
    examples: Vec<String>,
}

pub(super) fn view(report: &Report) -> Signals<'_> {
    let largest = report.signals.iter().map(|signal| signal.prevalence.interval.high).fold(0.0, f64::max);
    let scale = Scale::from_zero(largest, 1.0);
    let group = |title, is_friction: bool| {
        let signals = report.signals.iter().filter(|signal| signal.is_friction == is_friction);
        Group { title, rows: signals.map(|signal| SignalRow::of(report, signal, &scale)).collect() }
    };
    let mut groups = vec![group("Signs of friction", true), group("Other signs", false)];
    groups.retain(|group| !group.rows.is_empty());
    Signals { groups, axis: markup(scale.axis(chart::percent_tick)) }
}

impl<'a> SignalRow<'a> {
    fn of(report: &Report, signal: &'a SignalFacts, scale: &Scale) -> SignalRow<'a> {
        let tone = if signal.is_friction { "worse" } else { "better" };
        let examples = signal.examples.iter().filter(|id| report.conversations.contains_key(*id));
        SignalRow {
            anchor: names::signal_target(&signal.name),
            name: &signal.name,
            meaning: &signal.meaning,
            rate: format::rate(&signal.prevalence),
            n: format::ratio_of(&signal.prevalence),
            plot: markup(chart::interval::dot(&signal.prevalence, scale, tone, None)),
            examples: examples.map(|id| names::conversation_target(id)).collect(),
        }
    }
}
