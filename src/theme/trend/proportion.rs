//! Proportions, their difference, and many of them at once.
//!
//! As in `outcome::estimate`, which is a row above and cannot be called from here.

use serde::{Deserialize, Serialize};

/// An estimate with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Point estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Two-sided 95 % point of the standard normal.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// 95 % score interval of a proportion (Wilson 1927; Newcombe 1998a, method 3), within 0..=1.
///
/// Nobody to count (`of` = 0) gives rate 0 in the interval 0..=1: nothing is known.
pub fn wilson(count: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval { value: 0.0, low: 0.0, high: 1.0 };
    }
    let n = of as f64;
    let rate = count as f64 / n;
    let z2 = Z_95 * Z_95;
    let centre = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends the formula gives exactly 0 and 1; arithmetic does not.
    let low = if count == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if count == of { 1.0 } else { (centre + half).min(1.0) };
    Interval { value: rate, low, high }
}

/// Difference of two proportions, `a - b`, each a count and what it is of, with Newcombe's hybrid
/// score interval, -1..=1 (Newcombe 1998b, "Interval estimation for the difference between
/// independent proportions", method 10).
pub fn newcombe_difference(a: (u64, u64), b: (u64, u64)) -> Interval {
    let (a, b) = (wilson(a.0, a.1), wilson(b.0, b.1));
    let value = a.value - b.value;
    Interval {
        value,
        low: value - (a.value - a.low).hypot(b.high - b.value),
        high: value + (a.high - a.value).hypot(b.value - b.low),
    }
}

/// Two-sided p of Fisher's exact test of equal proportions, 0..=1: the probability, margins fixed,
/// of all tables no more probable than the one seen (Fisher 1935; Agresti 2013, "Categorical data
/// analysis", section 3.5.1). An empty side contradicts nothing: 1. Counts must not exceed what
/// they are of.
pub fn fisher_exact_p(a: (u64, u64), b: (u64, u64)) -> f64 {
    let (n_a, n_b, hits) = (a.1, b.1, a.0 + b.0);
    let lowest = hits.saturating_sub(n_b);
    let highest = hits.min(n_a);
    // P(x + 1) / P(x) of the hypergeometric distribution.
    let step = |x: u64| {
        let rise = (n_a - x) as f64 * (hits - x) as f64;
        rise / ((x + 1) as f64 * (n_b + x + 1 - hits) as f64)
    };
    // Weights relative to the mode cannot overflow; those that underflow do not count.
    let mode =
        (((n_a + 1) as f64 * (hits + 1) as f64 / (n_a + n_b + 2) as f64) as u64).clamp(lowest, highest);
    let mut weights = vec![1.0_f64; (highest - lowest + 1) as usize];
    for x in mode..highest {
        weights[(x + 1 - lowest) as usize] = weights[(x - lowest) as usize] * step(x);
    }
    for x in (lowest..mode).rev() {
        weights[(x - lowest) as usize] = weights[(x + 1 - lowest) as usize] / step(x);
    }
    // Tables exactly as probable as the one seen must count in spite of rounding.
    let bar = weights[(a.0 - lowest) as usize] * (1.0 + 1e-7);
    let extreme: f64 = weights.iter().filter(|&&weight| weight <= bar).sum();
    (extreme / weights.iter().sum::<f64>()).min(1.0)
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
