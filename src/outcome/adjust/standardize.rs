//! What a logistic model says of everybody exposed against everybody unexposed (g-computation).

use serde::{Deserialize, Serialize};

use super::super::estimate::{Interval, Z_95};
use super::super::linear::quadratic_form;
use super::logistic::{LogisticFit, Units, logistic};

/// The mean outcome of all users, were all exposed and were none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub struct Standardized {
    /// Were all exposed, 0..=1.
    pub exposed: f64,
    /// Were none, 0..=1.
    pub unexposed: f64,
    /// The difference with its 95 % interval, -1..=1.
    pub difference: Interval,
    /// Standard error of the difference.
    pub error: f64,
}

/// Predicts every unit's outcome with covariate `exposure` set to 1 and to 0, and averages (Robins
/// 1986; Hernan & Robins 2020, "Causal inference: what if", section 13.2).
///
/// The error follows from the fit's robust covariance by the delta method (Ge et al. 2011,
/// "Covariate-adjusted difference in proportions from clinical trials using logistic regression and
/// weighted risk differences", section 2.2): covariates count as given, not as drawn.
pub fn standardize(fit: &LogisticFit, units: &Units<'_>, exposure: usize) -> Standardized {
    let size = fit.coefficients.len();
    let (mut all, mut total) = ([0.0; 2], 0.0);
    let mut gradient = vec![0.0; size];
    for (row, x) in units.rows.outer_iter().enumerate() {
        let count = units.counts.map_or(1.0, |counts| counts[row]);
        total += count;
        let with = |j: usize, exposed: f64| match j {
            0 => 1.0,
            _ if j - 1 == exposure => exposed,
            _ => x[j - 1],
        };
        for (exposed, sign) in [(1.0, 1.0), (0.0, -1.0)] {
            let index: f64 = (0..size).map(|j| fit.coefficients[j] * with(j, exposed)).sum();
            all[exposed as usize] += count * logistic(index);
            let slope = sign * count * logistic(index) * logistic(-index);
            (0..size).for_each(|j| gradient[j] += slope * with(j, exposed));
        }
    }
    gradient.iter_mut().for_each(|g| *g /= total);
    let [unexposed, exposed] = all.map(|sum| sum / total);
    let error = quadratic_form(fit.covariance.view(), &gradient).max(0.0).sqrt();
    let value = exposed - unexposed;
    let end = |z: f64| (value + z * error).clamp(-1.0, 1.0);
    Standardized {
        exposed,
        unexposed,
        difference: Interval { value, low: end(-Z_95), high: end(Z_95) },
        error,
    }
}
