//! Estimates as every table and page states them: a rate, an interval, a verdict.

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

/// A rate with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Numerator.
    pub count: u64,
    /// Denominator.
    pub of: u64,
    /// The rate and its interval, 0..=1; rate 0 in 0..=1 when `of` is 0.
    pub interval: Interval,
}

/// An estimate with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub struct Interval {
    /// Point estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How sure the numbers let us be, in the words the report uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval lies wholly on the bad side, after correction for many comparisons.
    Worse,
    /// The interval lies wholly on the good side, after correction for many comparisons.
    Better,
    /// The interval excludes any difference larger than the stated margin.
    NoDifference,
    /// None of these.
    CannotTell,
}

impl Verdict {
    /// The word used in tables and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Worse => "worse",
            Verdict::Better => "better",
            Verdict::NoDifference => "no difference",
            Verdict::CannotTell => "cannot tell",
        }
    }
}

/// Two-sided 95 % point of the standard normal.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// 80 % point of the standard normal: the power of `minimum_detectable_difference`.
pub(crate) const Z_POWER_80: f64 = 0.841_621_233_572_914_3;
/// Below this expected cell count the normal approximation of the score test is not trusted
/// (Cochran 1954, "Some methods for strengthening the common chi-squared tests", section 2).
const SMALLEST_EXPECTED_CELL: f64 = 5.0;

impl Rate {
    /// `count` of `of` with its Wilson interval; `count` must not exceed `of`.
    pub fn new(count: u64, of: u64) -> Rate {
        Rate { count, of, interval: wilson(count, of) }
    }
}

impl Interval {
    /// True when zero lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// True when the whole interval lies within `-margin..=margin`.
    pub fn lies_within(&self, margin: f64) -> bool {
        self.low >= -margin && self.high <= margin
    }
}

/// 95 % score interval of a proportion (Wilson 1927; Newcombe 1998a, method 3), within 0..=1.
///
/// Nobody to count (`of` = 0) gives rate 0 in the interval 0..=1: nothing is known.
pub fn wilson(count: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval { value: 0.0, low: 0.0, high: 1.0 };
    }
    let mut interval = wilson_of(count as f64 / of as f64, of as f64);
    // At the ends the formula gives exactly 0 and 1; arithmetic does not.
    if count == 0 {
        interval.low = 0.0;
    }
    if count == of {
        interval.high = 1.0;
    }
    interval
}

/// The interval of `wilson` for a rate among `n` users, who need not be whole.
pub(crate) fn wilson_of(rate: f64, n: f64) -> Interval {
    let z2 = Z_95 * Z_95;
    let centre = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { value: rate, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Difference of two rates, `a - b`, with Newcombe's hybrid score interval, -1..=1
/// (Newcombe 1998b, "Interval estimation for the difference between independent proportions",
/// method 10).
pub fn newcombe_difference(a: &Rate, b: &Rate) -> Interval {
    difference_between(&a.interval, &b.interval)
}

/// Difference `a - b` whose interval recovers the variances from theirs (Zou & Donner 2008,
/// "Construction of confidence limits about effect measures", section 2); Newcombe's where `a` and `b`
/// are Wilson intervals.
pub(crate) fn difference_between(a: &Interval, b: &Interval) -> Interval {
    let value = a.value - b.value;
    Interval {
        value,
        low: value - (a.value - a.low).hypot(b.high - b.value),
        high: value + (a.high - a.value).hypot(b.value - b.low),
    }
}

/// Risk ratio `a / b` with the log-normal interval of Katz et al. 1978 ("Obtaining confidence
/// intervals for the risk ratio in cohort studies", method C); `None` when a rate is zero.
pub fn katz_ratio(a: &Rate, b: &Rate) -> Option<Interval> {
    if a.count == 0 || b.count == 0 {
        return None;
    }
    let value = a.interval.value / b.interval.value;
    let variance = |rate: &Rate| 1.0 / rate.count as f64 - 1.0 / rate.of as f64;
    let spread = Z_95 * (variance(a) + variance(b)).sqrt();
    Some(Interval { value, low: value * (-spread).exp(), high: value * spread.exp() })
}

/// Two-sided p of the hypothesis that two rates are equal, 0..=1.
///
/// The score test: difference over the standard error under the pooled rate, without continuity
/// correction (Agresti 2013, "Categorical data analysis", section 3.2.1). Where the smallest of
/// the four expected counts is below 5, Fisher's exact test instead. With both rates 0, both
/// rates 1, or an empty group, nothing contradicts equality and p = 1.
pub fn score_test_p(a: &Rate, b: &Rate) -> f64 {
    let (n_a, n_b) = (a.of as f64, b.of as f64);
    let (total, hits) = (n_a + n_b, (a.count + b.count) as f64);
    if n_a == 0.0 || n_b == 0.0 || hits == 0.0 || hits == total {
        return 1.0;
    }
    let smallest = n_a.min(n_b) * hits.min(total - hits) / total;
    if smallest < SMALLEST_EXPECTED_CELL {
        return fisher_exact_p(a, b);
    }
    let pooled = hits / total;
    let error = (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt();
    let z = (a.interval.value - b.interval.value).abs() / error;
    erfc(z / std::f64::consts::SQRT_2)
}

/// Two-sided p of Fisher's exact test, 0..=1: the probability, margins fixed, of all tables no more
/// probable than the one seen (Fisher 1935; Agresti 2013, section 3.5.1). An empty side contradicts
/// nothing: 1.
pub fn fisher_exact_p(a: &Rate, b: &Rate) -> f64 {
    let (lowest, weights) = hypergeometric_weights(a.of, b.of, a.count + b.count);
    share_no_more_probable(&weights, (a.count - lowest) as usize)
}

/// The hypergeometric distribution of how many of `hits` fall on the first of two groups of `n_a`
/// and `n_b`: the smallest number possible, and from it on weights relative to the mode's, which is 1.
/// They cannot overflow, and those that underflow do not count.
pub(crate) fn hypergeometric_weights(n_a: u64, n_b: u64, hits: u64) -> (u64, Vec<f64>) {
    let lowest = hits.saturating_sub(n_b);
    let highest = hits.min(n_a);
    // P(x + 1) / P(x).
    let step = |x: u64| {
        let rise = (n_a - x) as f64 * (hits - x) as f64;
        rise / ((x + 1) as f64 * (n_b + x + 1 - hits) as f64)
    };
    let mode =
        (((n_a + 1) as f64 * (hits + 1) as f64 / (n_a + n_b + 2) as f64) as u64).clamp(lowest, highest);
    let mut weights = vec![1.0_f64; (highest - lowest + 1) as usize];
    for x in mode..highest {
        weights[(x + 1 - lowest) as usize] = weights[(x - lowest) as usize] * step(x);
    }
    for x in (lowest..mode).rev() {
        weights[(x - lowest) as usize] = weights[(x + 1 - lowest) as usize] / step(x);
    }
    (lowest, weights)
}

/// Share of the whole weight on values no more probable than the one at `seen`, 0..=1.
pub(crate) fn share_no_more_probable(weights: &[f64], seen: usize) -> f64 {
    // Values exactly as probable as the one seen must count in spite of rounding.
    let bar = weights[seen] * (1.0 + 1e-7);
    let extreme: f64 = weights.iter().filter(|&&weight| weight <= bar).sum();
    (extreme / weights.iter().sum::<f64>()).min(1.0)
}

/// Smallest difference from the unexposed rate that a two-sided score test at 5 % finds with 80 %
/// power, 0..=1; 1 when these sizes would not find even the largest possible difference.
///
/// Solves `delta = z(0.975) s0 + z(0.8) s1` by bisection, where s0 and s1 are the standard errors
/// of the difference under the pooled rate and under the alternative (Fleiss, Levin & Paik 2003,
/// "Statistical methods for rates and proportions", section 4.2). The alternative lies on the
/// side with more room, which has the larger variance up to 1/2: the cautious choice.
/// `exposed` is a number of users; corrections for many comparisons are not included.
pub fn minimum_detectable_difference(exposed: u64, unexposed: &Rate) -> f64 {
    detectable(exposed as f64, unexposed.interval.value, unexposed.of as f64)
}

/// `minimum_detectable_difference` for `n1` exposed and `n2` unexposed users, who need not be whole,
/// and the `rate` of the latter.
pub(crate) fn detectable(n1: f64, rate: f64, n2: f64) -> f64 {
    if n1 <= 0.0 || n2 <= 0.0 {
        return 1.0;
    }
    let base = rate.min(1.0 - rate);
    let is_found = |delta: f64| {
        let other = base + delta;
        let pooled = (n1 * other + n2 * base) / (n1 + n2);
        let null = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2);
        let alternative = other * (1.0 - other) / n1 + base * (1.0 - base) / n2;
        delta >= Z_95 * null.max(0.0).sqrt() + Z_POWER_80 * alternative.max(0.0).sqrt()
    };
    let (mut low, mut high) = (0.0, 1.0 - base);
    if !is_found(high) {
        return 1.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if is_found(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Adjusted p values of one family of comparisons, in the order given, each 0..=1: the smallest
/// false discovery rate at which the comparison is still called (Benjamini & Hochberg 1995).
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut q = vec![1.0; p.len()];
    let mut smallest = 1.0_f64;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[index] * p.len() as f64 / (rank + 1) as f64);
        q[index] = smallest;
    }
    q
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const REFERENCE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/outcome/reference.json"));

    fn reference() -> Value {
        serde_json::from_str(REFERENCE).expect("the fixture is JSON")
    }

    #[track_caller]
    fn agree(ours: f64, theirs: &Value, what: &str) {
        let theirs = theirs.as_f64().expect("a number");
        let close = (ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-14;
        assert!(close, "{what}: ours {ours:e}, reference {theirs:e}");
    }

    #[test]
    fn counts_agree_with_statsmodels_and_scipy() {
        let reference = reference();
        let cases = reference["cases"].as_array().expect("cases");
        assert!(cases.len() >= 60);
        for case in cases {
            let count = |i: usize| case["table"][i].as_u64().expect("a count");
            let (a, b) = (Rate::new(count(0), count(1)), Rate::new(count(2), count(3)));
            let what = format!("{}", case["table"]);
            agree(a.interval.low, &case["wilson"][0], &what);
            agree(a.interval.high, &case["wilson"][1], &what);
            let difference = newcombe_difference(&a, &b);
            agree(difference.low, &case["newcombe"][0], &what);
            agree(difference.high, &case["newcombe"][1], &what);
            let ratio = katz_ratio(&a, &b);
            assert_eq!(ratio.is_none(), case["katz"].is_null(), "{what}");
            if let Some(ratio) = ratio {
                agree(ratio.low, &case["katz"][0], &what);
                agree(ratio.high, &case["katz"][1], &what);
            }
            agree(score_test_p(&a, &b), &case["p"], &what);
            let found = minimum_detectable_difference(a.of, &b);
            agree(found, &case["minimum_detectable"], &what);
        }
    }

    #[test]
    fn fisher_agrees_with_scipy() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/theme/trend.json"));
        let reference: Value = serde_json::from_str(text).expect("the fixture is JSON");
        let cases = reference["cases"].as_array().expect("cases");
        assert!(cases.len() >= 80);
        for case in cases {
            let count = |i: usize| case["table"][i].as_u64().expect("a count");
            let (a, b) = (Rate::new(count(0), count(1)), Rate::new(count(2), count(3)));
            agree(fisher_exact_p(&a, &b), &case["fisher"], &format!("{}", case["table"]));
        }
    }

    #[test]
    fn families_agree_with_statsmodels() {
        for family in reference()["families"].as_array().expect("families") {
            let numbers = |key: &str| -> Vec<f64> {
                let list = family[key].as_array().expect("a list");
                list.iter().map(|value| value.as_f64().expect("a number")).collect()
            };
            let q = benjamini_hochberg(&numbers("p"));
            assert_eq!(q.len(), numbers("q").len());
            for (ours, theirs) in q.iter().zip(numbers("q")) {
                agree(*ours, &theirs.into(), "q");
            }
        }
    }

    #[test]
    fn small_p_keep_their_digits() {
        // Phi(-8) twice, from tables of the normal distribution.
        let p = erfc(8.0 / std::f64::consts::SQRT_2);
        agree(p, &1.244_192_114_854_357e-15.into(), "p at z = 8");
    }

    #[test]
    fn nobody_is_no_evidence() {
        let nobody = Rate::new(0, 0);
        let some = Rate::new(3, 9);
        assert_eq!(nobody.interval, Interval { value: 0.0, low: 0.0, high: 1.0 });
        assert_eq!(score_test_p(&nobody, &some), 1.0);
        assert_eq!(minimum_detectable_difference(0, &some), 1.0);
        assert_eq!(katz_ratio(&nobody, &some), None);
    }

    #[test]
    fn published_example_of_newcombe() {
        // Newcombe 1998b, table II, comparison (a), method 10: 56/70 against 48/80.
        let difference = newcombe_difference(&Rate::new(56, 70), &Rate::new(48, 80));
        assert!((difference.low - 0.0524).abs() < 5e-5);
        assert!((difference.high - 0.3339).abs() < 5e-5);
    }
}
