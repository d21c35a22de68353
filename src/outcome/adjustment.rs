//! One exposure compared among alike users, in every way we adjust.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::adjust::{
    AdjustError, Adjusted, Cuts, EValue, Standardized, Strata, StrataParams, Stratum, Units, e_value,
    fit_logistic, mantel_haenszel, standardize,
};
use super::estimate::{Interval, Z_95, Z_POWER_80};
use super::retention::Cell;

/// What users are adjusted for, each a whole number: days since their first activity when exposure began,
/// days active in the four weeks before, and conversations in the window in which exposure is looked for.
pub type Covariates = [u32; 3];

/// Users alike in all covariates, as nearly as their number allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    /// Their stratum of tenure and prior activity.
    pub history: u32,
    /// Their stratum of tenure, prior activity and conversations in the window.
    pub talk: u32,
    /// Means of their covariates.
    pub covariates: [f64; 3],
}

/// Fewest users in a stratum. Few are enough: the pooled difference is right for many small strata, and
/// wider ones leave confounding within (`examples/calibration` measures it).
const LEAST_USERS: u64 = 12;
const TENURE: Cuts = Cuts { most: 8, weight: 0.5 };
/// As many intervals as there are numbers of active days.
const PRIOR: Cuts = Cuts { most: 29, weight: 1.0 };
const CONVERSATIONS: Cuts = Cuts { most: 24, weight: 1.0 };

/// Users in layers: who is in which, and what those of each are like.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    history: Strata<2>,
    talk: Strata<3>,
    /// Number of the layer by its two strata.
    numbers: BTreeMap<(u32, u32), u32>,
    /// By number.
    pub layers: Vec<Layer>,
}

impl Layers {
    /// Cuts users, counted by their covariates, in any order.
    pub fn cut(counts: &[(Covariates, u64)]) -> Layers {
        let before = |covariates: &Covariates| [covariates[0], covariates[1]];
        let history = Strata::build(
            counts.iter().map(|(covariates, users)| (before(covariates), *users)),
            &StrataParams { least_users: LEAST_USERS, cuts: [TENURE, PRIOR] },
        );
        let talk = Strata::build(
            counts.iter().copied(),
            &StrataParams { least_users: LEAST_USERS, cuts: [TENURE, PRIOR, CONVERSATIONS] },
        );
        let mut sums: BTreeMap<(u32, u32), ([f64; 3], f64)> = BTreeMap::new();
        for (covariates, users) in counts {
            let both = history.of(&before(covariates)).zip(talk.of(covariates));
            let (sum, all) = sums.entry(both.unwrap_or_default()).or_default();
            sum.iter_mut().zip(covariates).for_each(|(s, c)| *s += f64::from(*c) * *users as f64);
            *all += *users as f64;
        }
        let numbers = sums.keys().copied().zip(0..).collect();
        let layer = |((history, talk), (sum, all)): ((u32, u32), ([f64; 3], f64))| Layer {
            history,
            talk,
            covariates: sum.map(|s| s / f64::max(all, 1.0)),
        };
        Layers { layers: sums.into_iter().map(layer).collect(), history, talk, numbers }
    }

    /// Number of the layer of users with these covariates; `None` when there were none such.
    pub fn of(&self, covariates: &Covariates) -> Option<u32> {
        let both = (self.history.of(&[covariates[0], covariates[1]])?, self.talk.of(covariates)?);
        self.numbers.get(&both).copied()
    }
}

/// Comparisons of one exposure's users with others like them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    /// Within strata of tenure and prior activity; `None` when no stratum has users on both sides.
    pub by_history: Option<Adjusted>,
    /// Within strata of tenure, prior activity and conversations in the window. Who talks more meets
    /// more of everything, so this takes out what `by_history` may not; but where exposure itself makes
    /// users talk less or more, this takes a part of its effect out too. So both are shown, and nothing
    /// is called that does not hold in both.
    pub by_conversations: Option<Adjusted>,
    /// The check: a logistic model of the same covariates, standardized over all users; `None` when
    /// the outcome does not vary.
    pub model: Option<Standardized>,
    /// For the ratio of the `cautious` comparison; `None` when it has none.
    pub e_value: Option<EValue>,
}

impl Adjustment {
    /// Compares the `exposed` cells, by layer, with the rest of `all`.
    pub fn new(layers: &[Layer], all: &[Cell], exposed: &[(u32, Cell)]) -> Adjustment {
        let mut fine: Vec<Stratum> =
            all.iter().map(|&cell| Stratum { exposed: Cell::default(), unexposed: cell }).collect();
        for &(layer, cell) in exposed {
            let stratum = &mut fine[layer as usize];
            stratum.exposed = stratum.exposed + cell;
            stratum.unexposed = stratum.unexposed - cell;
        }
        let pool = |number: fn(&Layer) -> u32| {
            let most = layers.iter().map(|layer| number(layer) + 1).max().unwrap_or(0);
            let mut strata = vec![Stratum::default(); most as usize];
            for (layer, part) in layers.iter().zip(&fine) {
                let whole = &mut strata[number(layer) as usize];
                whole.exposed = whole.exposed + part.exposed;
                whole.unexposed = whole.unexposed + part.unexposed;
            }
            mantel_haenszel(&strata)
        };
        let (by_history, by_conversations) = (pool(|layer| layer.history), pool(|layer| layer.talk));
        let model = model(layers, &fine);
        let mut adjustment = Adjustment { by_history, by_conversations, model, e_value: None };
        let cautious = adjustment.cautious();
        adjustment.e_value = cautious.and_then(|adjusted| adjusted.ratio).as_ref().map(e_value);
        adjustment
    }

    /// Both adjusted differences; `None` unless there are both.
    pub fn differences(&self) -> Option<[Interval; 2]> {
        Some([self.by_history?.difference, self.by_conversations?.difference])
    }

    /// The comparison whose difference is the nearer to 0; `None` unless there are both.
    pub fn cautious(&self) -> Option<Adjusted> {
        let (a, b) = (self.by_history?, self.by_conversations?);
        Some(if a.difference.value.abs() <= b.difference.value.abs() { a } else { b })
    }

    /// The larger of both p, 0..=1: that the difference is there whichever way it is adjusted is doubted
    /// as much as the more doubtful of the two (Berger 1982, "Multiparameter hypothesis testing and
    /// acceptance sampling": intersection-union). 1 when they lie on different sides, or one is missing.
    pub fn p(&self) -> f64 {
        match (self.by_history, self.by_conversations) {
            (Some(a), Some(b)) if a.difference.value * b.difference.value >= 0.0 => a.p.max(b.p),
            _ => 1.0,
        }
    }

    /// Smallest difference that both tests find together in 80 of 100 cases, 0..=1.
    pub fn minimum_detectable(&self) -> Option<f64> {
        let [a, b] = [self.by_history?, self.by_conversations?].map(|adjusted| adjusted.minimum_detectable);
        Some(found_by_both(a.min(b), a.max(b)))
    }
}

/// The difference that two tests find together with 80 % power, who alone would find `small` and `large`.
///
/// Power is the chance that two correlated normal variables both pass the 95 % point. The finer adjustment
/// estimates the same as the coarser with noise of its own, so that their correlation is the ratio of their
/// errors (Hausman 1978, "Specification tests in econometrics", section 2), and errors are as the
/// detectable differences.
fn found_by_both(small: f64, large: f64) -> f64 {
    let correlation = small / large;
    // Tests that agree always are as good as one; one that finds nothing makes both find nothing.
    if !(correlation < 0.999_999) || large >= 1.0 {
        return large;
    }
    let reach = Z_95 + Z_POWER_80;
    let power = |difference: f64| {
        let bars = [small, large].map(|alone| Z_95 - difference / alone * reach);
        both_pass(bars[0], bars[1], correlation)
    };
    let (mut low, mut high) = (large, (1.5 * large).min(1.0));
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if power(middle) >= 0.8 {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Chance that two normal variables of this `correlation`, below 1, are above `a` and `b`: the integral
/// over the first of what the second then does, by Simpson's rule.
fn both_pass(a: f64, b: f64, correlation: f64) -> f64 {
    const PIECES: u32 = 400;
    let rest = (1.0 - correlation * correlation).sqrt();
    let at = |x: f64| {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        density * 0.5 * erfc((b - correlation * x) / rest / std::f64::consts::SQRT_2)
    };
    // Beyond 8 there is nothing.
    let (from, to) = (a.max(-8.0), 8.0);
    if from >= to {
        return 0.0;
    }
    let step = (to - from) / f64::from(PIECES);
    let inner: f64 = (1..PIECES).map(|i| (2 + 2 * (i % 2)) as f64 * at(from + f64::from(i) * step)).sum();
    (at(from) + inner + at(to)) * step / 3.0
}

/// Users with and without the outcome by layer and exposure, as rows of a logistic model: exposure, then
/// the logarithm of each covariate and its square, those that vary and say something new.
fn model(layers: &[Layer], strata: &[Stratum]) -> Option<Standardized> {
    let (mut rows, mut outcomes, mut counts): (Vec<[f64; 7]>, Vec<bool>, Vec<f64>) = Default::default();
    for (layer, stratum) in layers.iter().zip(strata) {
        for (exposed, cell) in [(1.0, stratum.exposed), (0.0, stratum.unexposed)] {
            for (outcome, users) in [(true, cell.retained), (false, cell.eligible - cell.retained)] {
                if users > 0 {
                    let [a, b, c] = layer.covariates.map(f64::ln_1p);
                    rows.push([exposed, a, b, c, a * a, b * b, c * c]);
                    outcomes.push(outcome);
                    counts.push(users as f64);
                }
            }
        }
    }
    let mut kept: Vec<usize> = (0..7).collect();
    // Each failure names a column to do without; exposure comes first and is never a combination.
    while !kept.is_empty() {
        let design = Array2::from_shape_fn((rows.len(), kept.len()), |(row, j)| rows[row][kept[j]]);
        let units = Units { rows: design.view(), outcomes: &outcomes, counts: Some(&counts), users: None };
        match fit_logistic(&units) {
            Ok(fit) => return Some(standardize(&fit, &units, 0)),
            Err(AdjustError::Collinear { covariate }) if covariate > 0 => {
                kept.remove(covariate);
            }
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_know_their_strata_and_their_means() {
        let counts = [([0, 0, 1], 40), ([0, 0, 3], 40), ([0, 9, 1], 20), ([0, 9, 2], 5)];
        let cut = Layers::cut(&counts);
        let of: Vec<_> = counts.iter().map(|(covariates, _)| cut.of(covariates)).collect();
        assert_eq!(of, [Some(0), Some(1), Some(2), Some(2)]);
        let strata: Vec<_> = cut.layers.iter().map(|layer| (layer.history, layer.talk)).collect();
        assert_eq!(strata, [(0, 0), (0, 1), (1, 2)]);
        assert!((cut.layers[2].covariates[2] - 30.0 / 25.0).abs() < 1e-12);
        assert_eq!(cut.of(&[1, 1, 1]), None);
    }

    #[test]
    fn heavy_users_are_compared_with_heavy_users() {
        // The exposed stay 10 points less among light and among heavy users, and yet more overall.
        let stratum = |days: f64| u32::from(days > 0.0);
        let layers = [0.0, 20.0].map(|days| Layer {
            history: stratum(days),
            talk: stratum(days),
            covariates: [0.0, days, 2.0],
        });
        let cell = |retained, eligible| Cell { retained, eligible };
        let all = [cell(280, 1000), cell(820, 1000)];
        let exposed = [(0, cell(40, 200)), (1, cell(640, 800))];
        let found = Adjustment::new(&layers, &all, &exposed);
        let [history, conversations] = found.differences().expect("both");
        assert!((history.value + 0.1).abs() < 1e-12 && history.high < 0.0);
        assert_eq!(history, conversations);
        let model = found.model.expect("a fit");
        assert!((model.difference.value + 0.1).abs() < 0.02);
        let needed = found.e_value.expect("ratios");
        assert!(needed.estimate > 1.3 && needed.limit > 1.0 && needed.limit < needed.estimate);
    }

    #[test]
    fn two_tests_find_together_a_little_less_than_one() {
        // Independent variables; and print: at correlation 1/2 both are above 0 in a third of cases.
        assert!((both_pass(0.3, -0.2, 0.0) - 0.382_088_577_8 * 0.579_259_709_4).abs() < 1e-9);
        assert!((both_pass(0.0, 0.0, 0.5) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(found_by_both(0.1, 0.1), 0.1);
        let both = found_by_both(0.095, 0.1);
        assert!(both > 0.101 && both < 0.108, "{both}");
        // One that is far the finer adds nothing.
        assert!((found_by_both(0.03, 0.1) - 0.1).abs() < 1e-4);
        assert_eq!(found_by_both(0.2, 1.0), 1.0);
    }
}
