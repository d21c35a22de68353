//! Do groups of users have the event at the same rate over time?

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;
use statrs::function::gamma::gamma_ur;

use super::super::linear::Cholesky;
use super::{Subject, SurvivalError, by_time, check_length, check_times};

/// The log-rank test of two or more groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRank {
    /// Events of each group.
    pub observed: Vec<f64>,
    /// Events each group would have had at the common rate.
    pub expected: Vec<f64>,
    /// Chi-square of observed against expected.
    pub statistic: f64,
    /// Its degrees of freedom: groups ever at risk when an event happened, less one.
    pub degrees: u32,
    /// Probability of as large a statistic or larger when the rates are equal, 0..=1.
    pub p: f64,
}

/// Compares groups 0..`groups` (Mantel 1966; Kalbfleisch & Prentice 2002, section 1.5, with the
/// hypergeometric variance).
///
/// `group` gives each subject's group. Groups that nobody of was at risk at any event are left out.
pub fn log_rank(subjects: &[Subject], group: &[usize], groups: usize) -> Result<LogRank, SurvivalError> {
    check_times(subjects)?;
    check_length(subjects, "groups", group.len())?;
    let mut at_risk = vec![0.0; groups];
    for &g in group {
        at_risk[g] += 1.0;
    }
    let (mut observed, mut expected) = (vec![0.0; groups], vec![0.0; groups]);
    let mut variance = Array2::<f64>::zeros((groups, groups));
    for tied in by_time(subjects).chunk_by(|&i, &j| subjects[i].time == subjects[j].time) {
        let n: f64 = at_risk.iter().sum();
        let dead: Vec<usize> = tied.iter().filter(|&&i| subjects[i].event).map(|&i| group[i]).collect();
        let d = dead.len() as f64;
        dead.iter().for_each(|&g| observed[g] += 1.0);
        for g in 0..groups {
            expected[g] += d * at_risk[g] / n;
            // The last one at risk dies in its own group, whatever the rates: no variance.
            let spread = if n > 1.0 { d * (n - d) / (n - 1.0) * at_risk[g] / n } else { 0.0 };
            for h in 0..groups {
                let same = if g == h { 1.0 } else { 0.0 };
                variance[[g, h]] += spread * (same - at_risk[h] / n);
            }
        }
        tied.iter().for_each(|&i| at_risk[group[i]] -= 1.0);
    }
    if observed.iter().sum::<f64>() == 0.0 {
        return Err(SurvivalError::NoEvents);
    }
    let kept: Vec<usize> = (0..groups).filter(|&g| variance[[g, g]] > 0.0).collect();
    // The differences sum to 0: the last group follows from the others.
    let Some((_, free)) = kept.split_last().filter(|(_, free)| !free.is_empty()) else {
        return Err(SurvivalError::OneGroup);
    };
    let difference: Vec<f64> = free.iter().map(|&g| observed[g] - expected[g]).collect();
    let between = Array2::from_shape_fn((free.len(), free.len()), |(i, j)| variance[[free[i], free[j]]]);
    let factor = Cholesky::new(between.view()).map_err(|_| SurvivalError::OneGroup)?;
    let statistic: f64 = factor.solve(&difference).iter().zip(&difference).map(|(s, d)| s * d).sum();
    let degrees = free.len() as u32;
    Ok(LogRank { observed, expected, statistic, degrees, p: chi_square_p(statistic, degrees) })
}

/// Probability that a chi-square with `degrees` degrees of freedom is `statistic` or larger, 0..=1.
pub(in super::super) fn chi_square_p(statistic: f64, degrees: u32) -> f64 {
    match (statistic > 0.0, degrees) {
        (false, _) | (_, 0) => 1.0,
        // Keeps its digits however small.
        (true, 1) => erfc((statistic / 2.0).sqrt()),
        (true, _) => gamma_ur(f64::from(degrees) / 2.0, statistic / 2.0),
    }
}
