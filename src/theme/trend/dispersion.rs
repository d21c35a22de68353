//! How much more than chance the weeks differ anyway.

use serde::{Deserialize, Serialize};

use super::Week;

/// Below this expected count Pearson's statistic does not follow its distribution (Cochran 1954,
/// "Some methods for strengthening the common chi-squared tests", section 2).
const SMALLEST_EXPECTED: f64 = 5.0;
/// Fewest degrees of freedom, over weeks and themes, for a factor to be believed: with fewer it
/// is mostly noise.
const FEWEST_FREEDOM: f64 = 10.0;

/// The factor by which the variance of a theme's weekly count exceeds the binomial one, 1 or more.
///
/// One user's conversations are alike, so a week of 2,000 conversations holds fewer than 2,000
/// independent ones, and a test that ignores it cries wolf. Counts are divided by the factor before
/// testing (the design effect of Kish 1965, "Survey sampling", section 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// The factor.
    pub factor: f64,
    /// Themes it was measured on; 0 when there was too little data and 1 was assumed.
    pub themes: usize,
}

impl Dispersion {
    /// Measures it on the weeks before, which hold no change that is to be found.
    ///
    /// Per theme Pearson's chi-squared of its counts against one share for all weeks, over its
    /// degrees of freedom (McCullagh & Nelder 1989, "Generalized linear models", section 4.5); of
    /// the themes the median, so that a few that do change do not hide the others, over the median
    /// of chi-squared itself (Wilson & Hilferty 1931). Counts under 5 expected are not used.
    pub(super) fn measure(weeks: &[&Week], themes: usize) -> Dispersion {
        let weeks: Vec<&&Week> = weeks.iter().filter(|week| week.total > 0).collect();
        let assumed = Dispersion { factor: 1.0, themes: 0 };
        let freedom = weeks.len().saturating_sub(1) as f64;
        let mut ratios: Vec<f64> =
            (0..themes).filter_map(|theme| chi_squared(&weeks, theme)).map(|chi| chi / freedom).collect();
        if ratios.len() as f64 * freedom < FEWEST_FREEDOM {
            return assumed;
        }
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.len() / 2;
        let median =
            if ratios.len() % 2 == 1 { ratios[middle] } else { (ratios[middle - 1] + ratios[middle]) / 2.0 };
        let expected = (1.0 - 2.0 / (9.0 * freedom)).powi(3);
        Dispersion { factor: (median / expected).max(1.0), themes: ratios.len() }
    }

    /// The count and what it is of, as if independent.
    pub(super) fn deflate(&self, (count, of): (u64, u64)) -> (u64, u64) {
        let part = |value: u64| (value as f64 / self.factor).round() as u64;
        (part(count).min(part(of)), part(of))
    }
}

/// Of a theme's weekly counts; `None` when too few are expected.
fn chi_squared(weeks: &[&&Week], theme: usize) -> Option<f64> {
    let total: u64 = weeks.iter().map(|week| week.total).sum();
    let hits: u64 = weeks.iter().map(|week| week.counts[theme]).sum();
    let share = hits as f64 / total as f64;
    let mut chi = 0.0;
    for week in weeks {
        let expected = share * week.total as f64;
        if expected < SMALLEST_EXPECTED || week.total as f64 - expected < SMALLEST_EXPECTED {
            return None;
        }
        let off = week.counts[theme] as f64 - expected;
        chi += off * off / (expected * (1.0 - share));
    }
    Some(chi)
}
