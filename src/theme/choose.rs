//! How many themes there are, when nobody says.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ThemeError;
use super::cluster::{Clusterer, draw_rows};
use super::kmeans::KMeans;
use super::silhouette::silhouette;
use crate::progress::Progress;

/// Ratio of one candidate to the one before it.
const STEP: f64 = 1.15;
/// Largest automatic number of candidates' themes, whatever the number of rows.
const MOST: usize = 100;
/// Share of the best silhouette that a smaller number of themes must reach to be preferred.
const TOLERANCE: f64 = 0.95;

/// How well one number of themes fits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Number of themes.
    pub k: usize,
    /// Mean cosine silhouette on the sample, -1..=1.
    pub silhouette: f64,
}

/// Silhouettes of `candidates` on a seeded sample of at most `sample` rows of `vectors`, `(n, d)`.
///
/// Each candidate is fitted by its own seed on one thread's time, so the curve does not depend on
/// the number of threads.
pub fn trace(
    vectors: ArrayView2<'_, f32>,
    candidates: &[usize],
    sample: usize,
    seed: u64,
    progress: &Progress,
) -> Result<Vec<CurvePoint>, ThemeError> {
    let rows = draw_rows(vectors.nrows(), sample, seed);
    let drawn = vectors.select(Axis(0), &rows);
    candidates
        .par_iter()
        .with_max_len(1)
        .map(|&k| {
            let clusters = KMeans { k, starts: 1, sample, seed }.cluster(drawn.view())?;
            progress.advance(1);
            Ok(CurvePoint { k, silhouette: silhouette(drawn.view(), &clusters) })
        })
        .collect()
}

/// Numbers of themes worth trying for `rows` rows: from 2 up by `STEP` to `k_max`.
pub fn candidates(rows: usize, k_max: Option<usize>) -> Vec<usize> {
    let most =
        k_max.unwrap_or_else(|| MOST.min((2.0 * (rows as f64).sqrt()) as usize)).min(rows.saturating_sub(1));
    let mut candidates = Vec::new();
    let mut next = 2;
    while next < most {
        candidates.push(next);
        next = (next + 1).max((next as f64 * STEP).round() as usize);
    }
    if most >= 2 {
        candidates.push(most);
    }
    candidates
}

/// The smallest number of themes whose silhouette is within `TOLERANCE` of the best; 1 when none
/// is above 0.
pub fn pick(curve: &[CurvePoint]) -> usize {
    let best = curve.iter().map(|point| point.silhouette).fold(0.0, f64::max);
    let good = |point: &&CurvePoint| point.silhouette > 0.0 && point.silhouette >= TOLERANCE * best;
    curve.iter().filter(good).map(|point| point.k).min().unwrap_or(1)
}
