//! Exposures after which users came back less, or more; and those of which nobody can tell.

use std::collections::BTreeMap;

use super::{Finding, FindingKind, percent, score, span};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::Verdict;

/// What retention findings are made from.
pub struct RetentionInput<'a> {
    /// Every comparison.
    pub effects: &'a [Effect],
    /// Outcome name to its meaning in words.
    pub meanings: &'a BTreeMap<String, String>,
    /// Theme number to its name.
    pub names: &'a BTreeMap<u32, String>,
    /// L, days in which exposure was looked for.
    pub window_days: u32,
}

impl RetentionInput<'_> {
    fn theme(&self, effect: &Effect) -> Option<u32> {
        effect.exposure.strip_prefix("theme:")?.parse().ok()
    }

    /// Who the exposed users are, in words.
    fn who(&self, effect: &Effect) -> String {
        let window = format!("in their first {} days", self.window_days);
        match effect.exposure.split_once(':') {
            Some(("theme", id)) => {
                let name = id.parse().ok().and_then(|id: u32| self.names.get(&id));
                format!("Users who came with “{}” {window}", name.map_or(id, String::as_str))
            }
            Some(("signal", kind)) => format!("Users with a conversation marked {kind} {window}"),
            Some(("grade", grade)) => format!("Users with a {grade} conversation {window}"),
            _ => format!("Users exposed to {} {window}", effect.exposure),
        }
    }

    fn meaning(&self, effect: &Effect) -> String {
        self.meanings.get(&effect.outcome).cloned().unwrap_or_else(|| effect.outcome.clone())
    }
}

/// One finding for each exposure after which fewer users came back than chance explains: that of the
/// outcome most users were followed for, in the order W1, W4, then the rest.
///
/// None for exposures after which more came back. Who uses the product most meets most of everything,
/// and stays: without adjustment that says who the exposed are, not what the exposure did.
pub fn retention_findings(input: &RetentionInput<'_>) -> Vec<Finding> {
    let mut best: BTreeMap<&str, &Effect> = BTreeMap::new();
    let order = |effect: &Effect| match effect.outcome.as_str() {
        "W1" => 0,
        "W4" => 1,
        _ => 2,
    };
    for effect in input.effects.iter().filter(|effect| effect.verdict == Verdict::Worse) {
        let known = best.entry(effect.exposure.as_str()).or_insert(effect);
        if order(effect) < order(known) {
            *known = effect;
        }
    }
    best.into_values().map(|effect| state(input, effect)).collect()
}

/// How much an exposure's finding counts: single signals say again, in parts, what bad conversations
/// say as a whole.
fn weight(effect: &Effect) -> f64 {
    if effect.exposure.starts_with("signal:") { 0.25 } else { 1.0 }
}

fn state(input: &RetentionInput<'_>, effect: &Effect) -> Finding {
    let Effect { exposed, unexposed, difference, .. } = effect;
    let reach = exposed.of as f64 / (exposed.of + unexposed.of).max(1) as f64;
    let meaning = input.meaning(effect);
    Finding {
        id: format!(
            "{}-{}",
            effect.exposure.replace(':', "-"),
            effect.outcome.to_lowercase().replace('+', "plus")
        ),
        kind: FindingKind::Retention,
        headline: format!(
            "{} return less often: {} were {meaning}, against {} of the others",
            input.who(effect),
            percent(exposed.interval.value),
            percent(unexposed.interval.value)
        ),
        detail: format!(
            "{}: {} of {} users (95% interval {}), others {} of {} ({}). An association, not adjusted for how \
             heavy a user was anyway.",
            effect.outcome,
            exposed.count,
            exposed.of,
            span(&exposed.interval),
            unexposed.count,
            unexposed.of,
            span(&unexposed.interval)
        ),
        verdict: effect.verdict,
        theme: input.theme(effect),
        signal: effect.exposure.strip_prefix("signal:").map(str::to_owned),
        outcome: effect.outcome.clone(),
        group: *exposed,
        rest: *unexposed,
        difference: *difference,
        q: effect.q,
        score: weight(effect) * score(difference, effect.q, reach),
        evidence: Vec::new(),
        overturn: "The difference going away among users who are equally active, or in the next cohort; an \
                   experiment would settle it."
            .to_owned(),
    }
}

/// Most comparisons that are listed as undecided.
const MOST: usize = 8;

/// A sentence for each of the largest exposures about which nothing can be said.
pub fn undecided(input: &RetentionInput<'_>) -> Vec<String> {
    let clear = |effect: &&Effect| matches!(effect.verdict, Verdict::Worse | Verdict::Better);
    let decided: Vec<&str> =
        input.effects.iter().filter(clear).map(|effect| effect.exposure.as_str()).collect();
    let is_open = |e: &&Effect| e.verdict == Verdict::CannotTell && !decided.contains(&e.exposure.as_str());
    let mut open: Vec<&Effect> = input.effects.iter().filter(is_open).collect();
    // A week says more than a single day of it; then by how many users it concerns.
    let order = |effect: &Effect| (!effect.outcome.starts_with('W'), std::cmp::Reverse(effect.exposed.of));
    open.sort_by(|a, b| {
        let names = || (&a.exposure, &a.outcome).cmp(&(&b.exposure, &b.outcome));
        order(a).cmp(&order(b)).then_with(names)
    });
    let mut told: Vec<&str> = Vec::new();
    let mut sentences = Vec::new();
    for effect in open {
        if told.contains(&effect.exposure.as_str()) || sentences.len() == MOST {
            continue;
        }
        told.push(&effect.exposure);
        let points = |value: f64| format!("{:+.0}", value * 100.0).replace('-', "−");
        sentences.push(format!(
            "{}: whether they are {} more or less often than others ({} points, 95% interval {} to {}; {} against {} \
             users). A difference of {:.0} points or more would have shown.",
            input.who(effect),
            input.meaning(effect),
            points(effect.difference.value),
            points(effect.difference.low),
            points(effect.difference.high),
            effect.exposed.of,
            effect.unexposed.of,
            effect.minimum_detectable * 100.0
        ));
    }
    sentences
}
