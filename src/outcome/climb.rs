//! Newton's method up a likelihood, with step halving, and the signs that it has no summit.

use ndarray::Array2;

use super::linear::Cholesky;

/// A likelihood where it was evaluated.
pub(super) struct Place {
    /// Its logarithm.
    pub value: f64,
    /// First derivatives, k long.
    pub gradient: Vec<f64>,
    /// Information: minus the second derivatives, or what is expected of them, (k, k); only the lower
    /// triangle is read.
    pub information: Array2<f64>,
}

/// The summit.
pub(super) struct Summit {
    /// Where it is.
    pub at: Vec<f64>,
    /// The logarithm of the likelihood there.
    pub value: f64,
    /// Information there; the lower triangle.
    pub information: Array2<f64>,
}

/// Why there is no summit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSummit {
    /// This column is constant, or a combination of those before it.
    Collinear(usize),
    /// The likelihood grows without end as this coefficient does: some value of the column goes
    /// with one outcome only (Albert & Anderson 1984).
    Separated(usize),
    /// Too many steps.
    Lost,
}

/// A step shorter than this (columns scaled to unit spread) ends the climb.
const SHORT_STEP: f64 = 1e-10;
/// With less than this to gain ...
const NO_GAIN: f64 = 1e-8;
/// ... a likelihood with a summit asks for no step as long as this; one without asks for about 1.
const LONG_STEP: f64 = 0.1;
const MOST_STEPS: usize = 200;
const MOST_HALVINGS: usize = 30;

/// Climbs from 0. Columns should have about unit spread, so that steps can be told long or short.
pub(super) fn climb(size: usize, evaluate: impl Fn(&[f64]) -> Place) -> Result<Summit, NoSummit> {
    let mut at = vec![0.0; size];
    let mut here = evaluate(&at);
    if size == 0 {
        return Ok(Summit { at, value: here.value, information: here.information });
    }
    let mut longest = 0;
    for taken in 0..MOST_STEPS {
        let factor = Cholesky::new(here.information.view()).map_err(|column| match taken {
            0 => NoSummit::Collinear(column),
            // Information that was there at the start and has run out.
            _ => NoSummit::Separated(longest),
        })?;
        let step = factor.solve(&here.gradient);
        let gain: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
        longest = (0..size).max_by(|&i, &j| step[i].abs().total_cmp(&step[j].abs())).unwrap_or(0);
        let length = step[longest].abs();
        if length < SHORT_STEP {
            return Ok(Summit { at, value: here.value, information: here.information });
        }
        if gain < NO_GAIN && length > LONG_STEP {
            return Err(NoSummit::Separated(longest));
        }
        let (mut share, mut better) = (1.0, None);
        for _ in 0..MOST_HALVINGS {
            let next: Vec<f64> = at.iter().zip(&step).map(|(b, s)| b + share * s).collect();
            let there = evaluate(&next);
            // Close to the summit rounding alone may lower the value.
            if there.value >= here.value - 1e-12 * here.value.abs() {
                better = Some((next, there));
                break;
            }
            share *= 0.5;
        }
        match better {
            Some((next, there)) => (at, here) = (next, there),
            // No way up: this is the summit as far as arithmetic can tell.
            None if gain < NO_GAIN => {
                return Ok(Summit { at, value: here.value, information: here.information });
            }
            None => return Err(NoSummit::Lost),
        }
    }
    Err(NoSummit::Lost)
}
