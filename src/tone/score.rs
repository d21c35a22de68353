//! How well predicted tones agree with labels.

use serde::{Deserialize, Serialize};

use super::{Tone, ToneLabel};

/// Equal-width confidence bins of the calibration error.
const BINS: usize = 15;

/// Agreement of predictions with labels, over `n` texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Texts scored.
    pub n: u64,
    /// Share whose likeliest label is right, 0..=1.
    pub accuracy: f64,
    /// Unweighted mean of the F1 of the labels that occur, 0..=1.
    pub macro_f1: f64,
    /// P(a negative text has a higher P(negative) than another), ties half, 0..=1 (Mann-Whitney);
    /// NaN is never written: 0.5 where either side is empty.
    pub auc_negative: f64,
    /// Expected calibration error of the likeliest label, 15 equal-width bins, 0..=1 (Guo et al.
    /// 2017, "On Calibration of Modern Neural Networks", section 2).
    pub ece: f64,
}

impl Scores {
    /// Scores `tones` against `labels`, pair by pair; a longer slice's rest is not read. All zero
    /// (but `auc_negative`) when there is nothing to score.
    pub fn of(tones: &[Tone], labels: &[ToneLabel]) -> Scores {
        let pairs: Vec<(Tone, ToneLabel)> = tones.iter().copied().zip(labels.iter().copied()).collect();
        let table = confusion(tones, labels);
        let right: u64 = (0..3).map(|i| table[i][i]).sum();
        Scores {
            n: pairs.len() as u64,
            accuracy: share(right as f64, pairs.len() as f64),
            macro_f1: macro_f1(&table),
            auc_negative: auc_negative(&pairs),
            ece: calibration_error(&pairs),
        }
    }
}

/// Counts by `[label][predicted]`, both by `ToneLabel::index`.
pub fn confusion(tones: &[Tone], labels: &[ToneLabel]) -> [[u64; 3]; 3] {
    let mut table = [[0; 3]; 3];
    for (tone, label) in tones.iter().zip(labels) {
        table[label.index()][tone.label().index()] += 1;
    }
    table
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Mean over labels of `2 tp / (2 tp + fp + fn)`; a label neither present nor predicted is left out.
fn macro_f1(table: &[[u64; 3]; 3]) -> f64 {
    let f1: Vec<f64> = (0..3)
        .filter_map(|i| {
            let present: u64 = table[i].iter().sum();
            let predicted: u64 = table.iter().map(|row| row[i]).sum();
            let both = present + predicted;
            (both > 0).then(|| 2.0 * table[i][i] as f64 / both as f64)
        })
        .collect();
    share(f1.iter().sum(), f1.len() as f64)
}

/// Area under the ROC curve by mean ranks (Mann & Whitney 1947).
fn auc_negative(pairs: &[(Tone, ToneLabel)]) -> f64 {
    let mut ranked: Vec<(f32, bool)> =
        pairs.iter().map(|(tone, label)| (tone.negative, *label == ToneLabel::Negative)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = ranked.iter().filter(|(_, negative)| *negative).count() as f64;
    let others = ranked.len() as f64 - positives;
    if positives == 0.0 || others == 0.0 {
        return 0.5;
    }
    let (mut rank_sum, mut below) = (0.0, 0.0);
    for tie in ranked.chunk_by(|a, b| a.0 == b.0) {
        let mean_rank = below + (tie.len() as f64 + 1.0) / 2.0;
        rank_sum += mean_rank * tie.iter().filter(|(_, negative)| *negative).count() as f64;
        below += tie.len() as f64;
    }
    (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * others)
}

/// Sum over bins of `n_bin / n * |accuracy - mean confidence|`.
fn calibration_error(pairs: &[(Tone, ToneLabel)]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for (tone, label) in pairs {
        let guess = tone.label();
        let confidence = f64::from(tone.probabilities()[guess.index()]);
        // Bins are open on the left, (m-1)/15 < confidence <= m/15, as in the paper.
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        bins[bin].0 += confidence;
        bins[bin].1 += f64::from(u8::from(guess == *label));
    }
    let gap: f64 = bins.iter().map(|(confidence, right): &(f64, f64)| (right - confidence).abs()).sum();
    share(gap, pairs.len() as f64)
}
