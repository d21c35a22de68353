//! Exposures after which users came back less, or more; and those of which nobody can tell.

use std::collections::BTreeMap;

use super::{Finding, FindingKind, percent, score, span};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::{Interval, Verdict};

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

/// One finding for each exposure after which fewer users came back than alike others, beyond chance: that
/// of the outcome most users were followed for, in the order W1, W4, then the rest.
///
/// None for exposures after which more came back: what made users come with it may bring them back too,
/// and nobody has to act on it.
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
    let (here, there) = match effect.adjusted.cautious() {
        Some(alike) => (alike.exposed_rate, alike.unexposed_rate),
        None => (exposed.interval.value, unexposed.interval.value),
    };
    Finding {
        id: format!(
            "{}-{}",
            effect.exposure.replace(':', "-"),
            effect.outcome.to_lowercase().replace('+', "plus")
        ),
        kind: FindingKind::Retention,
        headline: format!(
            "{} return less often: {} were {}, against {} of users like them",
            input.who(effect),
            percent(here),
            input.meaning(effect),
            percent(there)
        ),
        detail: detail(effect),
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
        overturn: overturn(effect),
    }
}

/// "−12 points (95% interval −16 to −8)"
fn points_between(difference: &Interval) -> String {
    format!(
        "{} points (95% interval {} to {})",
        points(difference.value),
        points(difference.low),
        points(difference.high)
    )
}

fn detail(effect: &Effect) -> String {
    let Effect { exposed, unexposed, outcome, .. } = effect;
    let mut text = format!(
        "{outcome}: {} of {} users (95% interval {}), others {} of {} ({}).",
        exposed.count,
        exposed.of,
        span(&exposed.interval),
        unexposed.count,
        unexposed.of,
        span(&unexposed.interval)
    );
    if let Some([history, conversations]) = effect.adjusted.differences() {
        text.push_str(&format!(
            " Among users of like tenure and prior activity {}, and of as many conversations {}.",
            points_between(&history),
            points_between(&conversations)
        ));
    }
    text.push_str(" An association: what the two groups differ in beyond that is not known.");
    text
}

fn overturn(effect: &Effect) -> String {
    let hidden = match effect.adjusted.e_value {
        Some(needed) if needed.limit > 1.0 => format!(
            "Something unmeasured that makes both the exposure and the outcome at least {:.1} times as likely \
             (E-value; {:.1} to move the interval to none); or the",
            needed.estimate, needed.limit
        ),
        _ => "The".to_owned(),
    };
    format!("{hidden} difference going away in the next cohort. An experiment would settle it.")
}

/// Points of a hundred, signed.
fn points(value: f64) -> String {
    format!("{:+.0}", value * 100.0).replace('-', "−")
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
        sentences.push(format!(
            "{}: whether they are {} more or less often than others like them ({}; {} against {} \
             users). A difference of {:.0} points or more would have shown.",
            input.who(effect),
            input.meaning(effect),
            points_between(&effect.difference),
            effect.exposed.of,
            effect.unexposed.of,
            effect.minimum_detectable * 100.0
        ));
    }
    sentences
}
