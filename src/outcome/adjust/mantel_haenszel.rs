//! Differences and ratios within strata, pooled (Mantel & Haenszel 1959).

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::super::estimate::{Interval, Z_95, detectable, difference_between, wilson_of};
use super::super::retention::Cell;
use super::exact::exact_p;

/// Users alike in what is adjusted for, exposed and not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stratum {
    /// Exposed users.
    pub exposed: Cell,
    /// Unexposed users.
    pub unexposed: Cell,
}

/// Exposed against unexposed users, compared within strata.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub struct Adjusted {
    /// Risk difference exposed - unexposed with its 95 % interval, -1..=1.
    pub difference: Interval,
    /// Standard error of the difference (Sato).
    pub error: f64,
    /// Risk ratio with its interval; `None` when nobody exposed, or nobody unexposed, had the outcome.
    pub ratio: Option<Interval>,
    /// Two-sided p of no association within any stratum, 0..=1.
    pub p: f64,
    /// Rate of the exposed with every stratum weighted as in `difference`, 0..=1.
    pub exposed_rate: f64,
    /// Rate of the unexposed with the same weights, 0..=1.
    pub unexposed_rate: f64,
    /// Smallest difference found with 80 % power at these sizes, 0..=1.
    pub minimum_detectable: f64,
    /// Strata with users on both sides.
    pub strata: u32,
    /// Exposed users in strata without an unexposed one, and the other way round: not compared.
    pub left_out: u64,
}

/// Below this distance of the expected count from its bounds the normal approximation is not trusted
/// (Mantel & Fleiss 1980, "Minimum expected cell size requirements for the Mantel-Haenszel
/// one-degree-of-freedom chi-square test and a related rapid procedure").
const LEAST_ROOM: f64 = 5.0;

/// Sums over strata with users on both sides.
#[derive(Default)]
struct Sums {
    rates: WeightedRates,
    sato_p: f64,
    sato_q: f64,
    ratio_spread: f64,
    /// Exposed users with the outcome beyond expectation, and the variance of that.
    excess: f64,
    variance: f64,
    /// How far the expected count is from the smallest and from the largest possible.
    above_least: f64,
    below_most: f64,
    strata: u32,
    left_out: u64,
}

impl Sums {
    fn add(&mut self, stratum: &Stratum) {
        let Stratum { exposed, unexposed } = stratum;
        if exposed.eligible == 0 || unexposed.eligible == 0 {
            self.left_out += exposed.eligible + unexposed.eligible;
            return;
        }
        let (n1, n0) = (exposed.eligible as f64, unexposed.eligible as f64);
        let (a, c, n) = (exposed.retained as f64, unexposed.retained as f64, n1 + n0);
        let events = a + c;
        self.strata += 1;
        self.rates.add(n1, a, n0, c);
        self.sato_p += (n1 * n1 * c - n0 * n0 * a + n1 * n0 * (n0 - n1) / 2.0) / (n * n);
        self.sato_q += (a * (n0 - c) + c * (n1 - a)) / (2.0 * n);
        self.ratio_spread += (n1 * n0 * events - a * c * n) / (n * n);
        let expected = n1 * events / n;
        self.excess += a - expected;
        self.variance += n1 * n0 * events * (n - events) / (n * n * (n - 1.0));
        self.above_least += expected - (events - n0).max(0.0);
        self.below_most += n1.min(events) - expected;
    }
}

/// Rates of the exposed and of the unexposed, every stratum with weight n1 n0 / n.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::outcome) struct WeightedRates {
    weight: f64,
    exposed: f64,
    unexposed: f64,
    /// Sums of weight^2 / n1 and weight^2 / n0.
    exposed_spread: f64,
    unexposed_spread: f64,
}

/// The exposed and the unexposed as if drawn simply: rates, and how many users would know as much.
pub(in crate::outcome) struct Effective {
    pub exposed: f64,
    pub n1: f64,
    pub unexposed: f64,
    pub n0: f64,
}

/// An adjusted variance smaller than this share of that of simple samples is not believed: it comes
/// from strata whose few users happened to do all the same.
const LEAST_SHARE: f64 = 0.05;

impl WeightedRates {
    /// A stratum of `n1` exposed, `a` of them with the outcome, and `n0` unexposed, `c` with it.
    pub fn add(&mut self, n1: f64, a: f64, n0: f64, c: f64) {
        let weight = n1 * n0 / (n1 + n0);
        self.weight += weight;
        self.exposed += weight * a / n1;
        self.unexposed += weight * c / n0;
        self.exposed_spread += weight * weight / n1;
        self.unexposed_spread += weight * weight / n0;
    }

    /// Users whose simple rates would differ with `variance` (Kish 1965, "Survey sampling", section
    /// 8.2: the design effect). Where the rates have no variance, neither more nor fewer than there are.
    pub fn effective(&self, variance: f64) -> Effective {
        let w = self.weight;
        let (exposed, unexposed) = ((self.exposed / w).min(1.0), (self.unexposed / w).min(1.0));
        let (n1, n0) = (w * w / self.exposed_spread, w * w / self.unexposed_spread);
        let alike = exposed * (1.0 - exposed) / n1 + unexposed * (1.0 - unexposed) / n0;
        let effect = if alike > 0.0 { (variance / alike).max(LEAST_SHARE) } else { 1.0 };
        Effective { exposed, n1: n1 / effect, unexposed, n0: n0 / effect }
    }
}

impl Effective {
    /// Newcombe's interval.
    pub fn difference(&self) -> Interval {
        difference_between(&wilson_of(self.exposed, self.n1), &wilson_of(self.unexposed, self.n0))
    }
}

/// Pools the strata; `None` when no stratum has users on both sides.
///
/// Difference: weights n1 n0 / n (Mantel & Haenszel; Greenland & Robins 1985, "Estimation of a common
/// effect parameter from sparse follow-up data"), variance of Sato 1989 ("On the variance estimator for
/// the Mantel-Haenszel risk difference"), right both for few large strata and for many small ones. Its
/// interval is Newcombe's for the weighted rates among as many users as would give Sato's variance in
/// simple samples: for a single stratum exactly that of the crude difference, and without any outcome
/// no point. Ratio: Greenland & Robins 1985, variance of its logarithm. p: Cochran-Mantel-Haenszel
/// without continuity correction, or the exact conditional test where counts are small.
pub fn mantel_haenszel(strata: &[Stratum]) -> Option<Adjusted> {
    let mut sums = Sums::default();
    strata.iter().for_each(|stratum| sums.add(stratum));
    if sums.strata == 0 {
        return None;
    }
    let w = sums.rates.weight;
    let difference = (sums.rates.exposed - sums.rates.unexposed) / w;
    let variance = (difference * sums.sato_p + sums.sato_q).max(0.0) / (w * w);
    let as_if = sums.rates.effective(variance);
    Some(Adjusted {
        difference: as_if.difference(),
        error: variance.sqrt(),
        ratio: ratio(&sums),
        p: p(&sums, strata),
        exposed_rate: as_if.exposed,
        unexposed_rate: as_if.unexposed,
        minimum_detectable: detectable(as_if.n1, as_if.unexposed, as_if.n0),
        strata: sums.strata,
        left_out: sums.left_out,
    })
}

fn ratio(sums: &Sums) -> Option<Interval> {
    let (exposed, unexposed) = (sums.rates.exposed, sums.rates.unexposed);
    if exposed == 0.0 || unexposed == 0.0 {
        return None;
    }
    let value = exposed / unexposed;
    let spread = Z_95 * (sums.ratio_spread / (exposed * unexposed)).max(0.0).sqrt();
    Some(Interval { value, low: value * (-spread).exp(), high: value * spread.exp() })
}

fn p(sums: &Sums, strata: &[Stratum]) -> f64 {
    if sums.variance == 0.0 {
        return 1.0;
    }
    if sums.above_least.min(sums.below_most) < LEAST_ROOM {
        return exact_p(strata);
    }
    erfc((sums.excess * sums.excess / sums.variance / 2.0).sqrt())
}
