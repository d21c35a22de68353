//! One exposure compared among alike users, in every way we adjust.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::adjust::{
    AdjustError, Adjusted, EValue, Standardized, Strata, StrataParams, Stratum, Units, e_value, fit_logistic,
    mantel_haenszel, standardize,
};
use super::estimate::Interval;
use super::retention::Cell;

/// What users are adjusted for, each a whole number, in the order in which strata are cut: days since
/// their first activity when exposure began, days active in the four weeks before, and conversations in
/// the window in which exposure is looked for.
pub type Covariates = [u32; 3];

/// Users alike in all covariates, as nearly as their number allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    /// Number of the stratum of users alike in tenure and prior activity that it is a part of.
    pub history: u32,
    /// Means of the covariates of its users.
    pub covariates: [f64; 3],
}

/// Cuts users, counted by their covariates, into layers; the strata say who is in which.
pub fn cut_layers(counts: &[(Covariates, u64)], params: &StrataParams) -> (Strata<3>, Vec<Layer>) {
    let strata = Strata::build(counts.iter().copied(), params);
    let mut sums = vec![([0.0; 3], 0.0); strata.count() as usize];
    for (covariates, users) in counts {
        if let Some(stratum) = strata.of(covariates) {
            let (sum, all) = &mut sums[stratum as usize];
            sum.iter_mut().zip(covariates).for_each(|(s, c)| *s += f64::from(*c) * *users as f64);
            *all += *users as f64;
        }
    }
    let layer = |((sum, all), &history): (([f64; 3], f64), &u32)| Layer {
        history,
        covariates: sum.map(|s| s / all.max(1.0)),
    };
    let layers = sums.into_iter().zip(strata.parents()).map(layer).collect();
    (strata, layers)
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
    /// For the one of the two adjusted ratios that is nearer to 1; `None` when one has no value.
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
        let histories = layers.iter().map(|layer| layer.history + 1).max().unwrap_or(0);
        let mut coarse = vec![Stratum::default(); histories as usize];
        for (layer, stratum) in layers.iter().zip(&fine) {
            let whole = &mut coarse[layer.history as usize];
            whole.exposed = whole.exposed + stratum.exposed;
            whole.unexposed = whole.unexposed + stratum.unexposed;
        }
        let (by_history, by_conversations) = (mantel_haenszel(&coarse), mantel_haenszel(&fine));
        let ratios = [by_history, by_conversations].map(|adjusted| adjusted?.ratio);
        let e_value = match ratios {
            [Some(a), Some(b)] => {
                Some(e_value(if a.value.ln().abs() <= b.value.ln().abs() { &a } else { &b }))
            }
            _ => None,
        };
        Adjustment { by_history, by_conversations, model: model(layers, &fine), e_value }
    }

    /// Both adjusted differences; `None` unless there are both.
    pub fn differences(&self) -> Option<[Interval; 2]> {
        Some([self.by_history?.difference, self.by_conversations?.difference])
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

    /// The larger of both smallest detectable differences.
    pub fn minimum_detectable(&self) -> Option<f64> {
        Some(self.by_history?.minimum_detectable.max(self.by_conversations?.minimum_detectable))
    }
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
    fn layers_know_their_history_and_their_means() {
        let counts = [([0, 0, 1], 40), ([0, 0, 3], 40), ([0, 9, 1], 50), ([0, 9, 2], 10)];
        let params = StrataParams { least_users: 30, most_cuts: 8 };
        let (strata, layers) = cut_layers(&counts, &params);
        let of: Vec<_> = counts.iter().map(|(covariates, _)| strata.of(covariates)).collect();
        assert_eq!(of, [Some(0), Some(1), Some(2), Some(2)]);
        let histories: Vec<u32> = layers.iter().map(|layer| layer.history).collect();
        assert_eq!(histories, [0, 0, 1]);
        assert!((layers[2].covariates[2] - 70.0 / 60.0).abs() < 1e-12);
    }

    #[test]
    fn heavy_users_are_compared_with_heavy_users() {
        // The exposed stay 10 points less among light and among heavy users, and yet more overall.
        let layers =
            [0.0, 20.0].map(|days| Layer { history: u32::from(days > 0.0), covariates: [0.0, days, 2.0] });
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
}
