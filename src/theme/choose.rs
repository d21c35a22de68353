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
/// Most themes considered unless told otherwise: a page nobody reads to the end.
const MOST: usize = 100;
/// Share of the best silhouette that a smaller number of themes must reach to be preferred.
const TOLERANCE: f64 = 0.95;
/// Fewest themes that weak structure may be cut into.
const FEW: usize = 8;
/// Silhouette under which there is no substantial structure (Kaufman & Rousseeuw 1990, chapter 2).
const STRUCTURE: f64 = 0.25;

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
/// Every fit starts from the same seed, so the curve does not depend on the number of threads.
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
///
/// The best itself creeps up with k on real requests (near-synonyms can always be split), and runs
/// to the end of any grid. Fewer than `FEW` themes only count with a silhouette of `STRUCTURE`:
/// weak data often scores best cut into two heaps, which tells nobody anything.
pub fn pick(curve: &[CurvePoint]) -> usize {
    let strong = |point: &&CurvePoint| point.k >= FEW || point.silhouette >= STRUCTURE;
    let eligible: Vec<&CurvePoint> = curve.iter().filter(strong).collect();
    let eligible = if eligible.is_empty() { curve.iter().collect() } else { eligible };
    let best = eligible.iter().map(|point| point.silhouette).fold(0.0, f64::max);
    let good = eligible.iter().filter(|point| point.silhouette > 0.0 && point.silhouette >= TOLERANCE * best);
    good.map(|point| point.k).min().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(usize, f64)]) -> Vec<CurvePoint> {
        points.iter().map(|&(k, silhouette)| CurvePoint { k, silhouette }).collect()
    }

    #[test]
    fn candidates_rise_to_the_limit() {
        assert_eq!(candidates(10_000, Some(12)), [2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
        assert_eq!(candidates(1_000_000, None).last(), Some(&MOST));
        assert_eq!(candidates(3, None), [2]);
        assert_eq!(candidates(5, Some(99)), [2, 3, 4]);
        assert!(candidates(2, None).is_empty());
        assert!(candidates(0, None).is_empty());
        assert!(candidates(100, Some(1)).is_empty());
    }

    #[test]
    fn the_smallest_good_number_is_picked() {
        assert_eq!(pick(&curve(&[(8, 0.10), (16, 0.195), (32, 0.2), (64, 0.201)])), 16);
        assert_eq!(pick(&curve(&[(2, 0.2), (8, 0.10), (16, 0.15)])), 16, "two weak heaps");
        assert_eq!(pick(&curve(&[(2, 0.3), (3, 0.6), (8, 0.5)])), 3, "three clear ones");
        assert_eq!(pick(&curve(&[(2, 0.1), (3, 0.2)])), 3, "nothing else to pick from");
        assert_eq!(pick(&curve(&[(2, -0.1), (3, 0.0)])), 1);
        assert_eq!(pick(&[]), 1);
    }
}
