//! Two nights, or two releases: what changed because other themes came up, and what within themes.

mod influence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::adjust::mantel_haenszel::WeightedRates;
use super::estimate::{Interval, Rate, Z_95, benjamini_hochberg, score_test_p};
use influence::{Errors, errors};

/// One conversation (with its friction), or one user (with an outcome), before or after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// False before, true after.
    pub after: bool,
    /// Whose, by any number; the same user before and after by the same.
    pub user: u32,
    /// The theme, by any number; conversations without one share a number of their own.
    pub theme: u32,
    /// What is compared, 0..=1: friction, or 1 for a user retained and 0 for one not.
    pub value: f64,
}

/// A difference of means in three terms that add up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// Mean before, and of how many observations.
    pub before: Mean,
    /// Mean after.
    pub after: Mean,
    /// After - before; the sum of the three terms, in this order.
    pub difference: Interval,
    /// Other shares of the themes, each with its mean from before.
    pub mix: Interval,
    /// Other means within the themes, each with its share from before.
    pub within: Interval,
    /// Shares and means that changed together.
    pub interaction: Interval,
    /// Every theme on either side, by number.
    pub themes: Vec<ThemeChange>,
}

/// A mean of observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Observations.
    pub of: u64,
    /// Their mean, 0..=1.
    pub value: f64,
}

/// What became of one theme.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThemeChange {
    /// Its number.
    pub theme: u32,
    /// Its observations before.
    pub before: Mean,
    /// Its observations after.
    pub after: Mean,
    /// Change of its share of all observations with its 95 % interval, -1..=1.
    pub share: Interval,
    /// Benjamini-Hochberg q of the share's change over all themes, 0..=1.
    pub q: f64,
    /// What may be said of it.
    pub kind: ChangeKind,
    /// Its part of `Decomposition::mix`.
    pub mix: f64,
    /// Its part of `Decomposition::within`.
    pub within: f64,
    /// Its part of `Decomposition::interaction`.
    pub interaction: f64,
}

/// New, gone, grown, shrunk or steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Not there before, and more often after than chance explains.
    New,
    /// Not there after.
    Gone,
    /// A larger share.
    Grown,
    /// A smaller share.
    Shrunk,
    /// No change that chance does not explain.
    Steady,
}

/// Counts and sums of one theme, or of everything, on one side.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    n: f64,
    sum: f64,
}

impl Side {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
    }

    fn mean(self) -> f64 {
        if self.n > 0.0 { self.sum / self.n } else { 0.0 }
    }

    fn describe(self) -> Mean {
        Mean { of: self.n as u64, value: self.mean() }
    }
}

/// One theme's shares and means, before and after.
#[derive(Debug, Clone, Copy)]
struct Theme {
    id: u32,
    sides: [Side; 2],
    shares: [f64; 2],
}

impl Theme {
    fn on_both_sides(&self) -> bool {
        self.sides[0].n > 0.0 && self.sides[1].n > 0.0
    }

    /// The mean that a change of its share counts with: the one from before, or the only one there is.
    fn standing(&self) -> f64 {
        self.sides[usize::from(self.sides[0].n == 0.0)].mean()
    }

    /// Change of its mean; 0 for a theme that is new or gone, whose whole effect is one of shares.
    fn change(&self) -> f64 {
        if self.on_both_sides() { self.sides[1].mean() - self.sides[0].mean() } else { 0.0 }
    }

    /// Its part of mix, within and interaction.
    fn terms(&self) -> [f64; 3] {
        let shift = self.shares[1] - self.shares[0];
        [shift * self.standing(), self.shares[0] * self.change(), shift * self.change()]
    }
}

/// Splits the difference of the means (Kitagawa 1955, "Components of a difference between two rates";
/// in three terms as Winsborough & Dickinson 1971 have it).
///
/// Intervals follow from how far each observation moves a term (the delta method), summed by user; see
/// `influence`. `alpha` is the false discovery rate at which a theme's change of share is named. `None`
/// when a side is empty. Cost: a sort of the observations; memory: their order, and the themes. The
/// result does not depend on the order given.
pub fn decompose(observations: &[Observation], alpha: f64) -> Option<Decomposition> {
    let mut counted: BTreeMap<u32, [Side; 2]> = BTreeMap::new();
    let mut order: Vec<&Observation> = observations.iter().collect();
    order.sort_unstable_by(|a, b| {
        let key = |o: &Observation| (o.user, o.theme, o.after);
        key(a).cmp(&key(b)).then(a.value.total_cmp(&b.value))
    });
    let mut all = [Side::default(); 2];
    for observation in &order {
        let side = usize::from(observation.after);
        counted.entry(observation.theme).or_default()[side].add(observation.value);
        all[side].add(observation.value);
    }
    if all.iter().any(|side| side.n == 0.0) {
        return None;
    }
    let shares = |sides: &[Side; 2]| [sides[0].n / all[0].n, sides[1].n / all[1].n];
    let themes: Vec<Theme> =
        counted.into_iter().map(|(id, sides)| Theme { id, sides, shares: shares(&sides) }).collect();
    let errors = errors(&order, &themes, &all);
    let [mix, within, interaction] =
        [0, 1, 2].map(|term| themes.iter().map(|theme| theme.terms()[term]).sum::<f64>());
    let least = least_half(&all);
    let term = |value: f64, error: f64| {
        let half = (Z_95 * error).max(least);
        Interval { value, low: value - half, high: value + half }
    };
    Some(Decomposition {
        before: all[0].describe(),
        after: all[1].describe(),
        difference: term(mix + within + interaction, errors.difference),
        mix: term(mix, errors.mix),
        within: term(within, errors.within),
        interaction: term(interaction, errors.interaction),
        themes: changes(&themes, &all, &errors, alpha),
    })
}

/// Half the width left open when all values on both sides are 0, or 1: nothing varies, and an interval
/// without width would claim certainty. By the rule of three on each side (Hanley & Lippman-Hand 1983).
fn least_half(all: &[Side; 2]) -> f64 {
    let same = |value: f64| all.iter().all(|side| side.sum == value * side.n);
    if same(0.0) || same(1.0) { (3.0 / all[0].n).hypot(3.0 / all[1].n).min(1.0) } else { 0.0 }
}

fn changes(themes: &[Theme], all: &[Side; 2], errors: &Errors, alpha: f64) -> Vec<ThemeChange> {
    let tested: Vec<(Interval, f64)> =
        themes.iter().zip(&errors.shares).map(|(theme, &error)| share_change(theme, all, error)).collect();
    let p: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
    let changes = themes.iter().zip(tested).zip(benjamini_hochberg(&p)).map(|((theme, (share, _)), q)| {
        let [mix, within, interaction] = theme.terms();
        let [before, after] = theme.sides.map(Side::describe);
        let kind = match (q <= alpha && share.excludes_zero(), share.value > 0.0) {
            (false, _) => ChangeKind::Steady,
            (true, true) if before.of == 0 => ChangeKind::New,
            (true, true) => ChangeKind::Grown,
            (true, false) if after.of == 0 => ChangeKind::Gone,
            (true, false) => ChangeKind::Shrunk,
        };
        ThemeChange { theme: theme.id, before, after, share, q, kind, mix, within, interaction }
    });
    changes.collect()
}

/// Change of a theme's share with its interval, and the p of no change: Newcombe's interval and the test
/// of two rates, among as many observations as would know as much if all were of different users.
fn share_change(theme: &Theme, all: &[Side; 2], error: f64) -> (Interval, f64) {
    let [before, after] = theme.sides;
    let mut rates = WeightedRates::default();
    rates.add(all[1].n, after.n, all[0].n, before.n);
    let as_if = rates.effective(error * error);
    let fewer = (all[1].n / as_if.n1).max(1.0);
    let rate =
        |own: Side, all: Side| Rate::new((own.n / fewer).round() as u64, (all.n / fewer).round() as u64);
    (as_if.difference(), score_test_p(&rate(after, all[1]), &rate(before, all[0])))
}

#[cfg(test)]
mod tests;
