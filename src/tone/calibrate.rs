//! Temperature scaling: one number that makes a head as sure as it is right.

use super::ToneLabel;
use super::head::softmax;

/// Temperatures searched, as natural logarithms: 0.05 to 20.
const LOG_RANGE: (f64, f64) = (-3.0, 3.0);

/// Golden-section steps; each shrinks the range by 0.618, 60 leave 2e-12 of it.
const STEPS: usize = 60;

/// Mean negative log-likelihood in nats of `labels` under `softmax(logits / temperature)`.
pub fn mean_nll(logits: &[[f64; 3]], labels: &[ToneLabel], temperature: f64) -> f64 {
    let total: f64 = logits
        .iter()
        .zip(labels)
        .map(|(z, label)| {
            // Below the smallest normal number a logarithm would be infinite.
            -softmax(z.map(|z| z / temperature))[label.index()].max(f64::MIN_POSITIVE).ln()
        })
        .sum();
    total / logits.len().max(1) as f64
}

/// The temperature of least mean NLL (Guo et al. 2017, section 4.2).
///
/// By golden-section search over `ln T`, where the loss has one minimum.
pub fn fit_temperature(logits: &[[f64; 3]], labels: &[ToneLabel]) -> f64 {
    let loss = |log: f64| mean_nll(logits, labels, log.exp());
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = LOG_RANGE;
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_a, mut at_b) = (loss(a), loss(b));
    for _ in 0..STEPS {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - golden * (high - low);
            at_a = loss(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + golden * (high - low);
            at_b = loss(b);
        }
    }
    ((low + high) / 2.0).exp()
}
