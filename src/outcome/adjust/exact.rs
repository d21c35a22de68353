//! The exact test of no association within strata, for counts too small for a normal approximation.

use super::super::estimate::{hypergeometric_weights, share_no_more_probable};
use super::mantel_haenszel::Stratum;

/// Weights this small against the most probable value cannot be seen in a p.
const NEGLIGIBLE: f64 = 1e-30;

/// Two-sided p, 0..=1: the probability, all margins fixed, of every total of exposed users with the
/// outcome that is no more probable than the one seen. The total's distribution is the convolution of
/// the strata's hypergeometric ones (Cox 1966; Agresti 2013, "Categorical data analysis", section
/// 7.3.5). For one stratum this is Fisher's test.
pub(super) fn exact_p(strata: &[Stratum]) -> f64 {
    let mut total = Distribution { lowest: 0, weights: vec![1.0] };
    let mut seen = 0;
    for Stratum { exposed, unexposed } in strata {
        if exposed.eligible == 0 || unexposed.eligible == 0 {
            continue;
        }
        seen += exposed.retained;
        let events = exposed.retained + unexposed.retained;
        let (lowest, weights) = hypergeometric_weights(exposed.eligible, unexposed.eligible, events);
        total = total.plus(&Distribution { lowest, weights }.trim());
    }
    match seen.checked_sub(total.lowest).map(|at| at as usize) {
        Some(at) if at < total.weights.len() => share_no_more_probable(&total.weights, at),
        // Trimmed off: less probable than can be told.
        _ => 0.0,
    }
}

/// Weights, the largest about 1, of the whole numbers from `lowest` on.
struct Distribution {
    lowest: u64,
    weights: Vec<f64>,
}

impl Distribution {
    fn trim(self) -> Distribution {
        let counts = |weight: &&f64| **weight >= NEGLIGIBLE;
        let before = self.weights.iter().take_while(|weight| !counts(weight)).count();
        let weights = self.weights[before..].iter().take_while(counts).copied().collect();
        Distribution { lowest: self.lowest + before as u64, weights }
    }

    fn plus(&self, other: &Distribution) -> Distribution {
        let mut weights = vec![0.0; self.weights.len() + other.weights.len() - 1];
        for (i, a) in self.weights.iter().enumerate() {
            for (j, b) in other.weights.iter().enumerate() {
                weights[i + j] += a * b;
            }
        }
        let largest = weights.iter().fold(0.0, |most: f64, weight| most.max(*weight));
        weights.iter_mut().for_each(|weight| *weight /= largest);
        Distribution { lowest: self.lowest + other.lowest, weights }.trim()
    }
}
