//! How many themes there are, when nobody says: silhouette and bootstrap stability together.
//!
//! Neither is enough by itself. The silhouette of real requests creeps up as near-synonyms are split
//! (155 to 220 for the 77 intents of banking77); stability prefers two or three heaps. Their product
//! has a broad top; the number chosen is the top's centre, not its highest point, which moves with
//! every row.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::refine::{Partition, nearest};
use super::sample::Sample;
use super::smooth::Smoothed;
use super::ward::Tree;
use crate::progress::Progress;

/// Refits that stability is measured on, and the share of rows each is fitted on.
pub const REFITS: u64 = 6;
const REFIT_SHARE: f64 = 0.8;
/// Passes of k-means after a cut.
const PASSES: usize = 5;
/// Ratio of one candidate to the one before it.
const STEP: f64 = 1.06;
/// Most themes considered unless told otherwise, and rows a theme has at least on average.
pub const MOST: usize = 250;
const ROWS_PER_THEME: usize = 3;
/// Cosine distance that a silhouette is divided by at least: without it, splitting what already lies
/// close together always pays.
const SILHOUETTE_FLOOR: f64 = 0.6;
/// How much better candidates outweigh worse ones when the centre is taken.
const SHARPNESS: f64 = 10.0;
/// Score under which there is no structure: one theme. (400 random directions: 0.045; the least
/// structured real set seen: 0.12.)
pub const LEAST_SCORE: f64 = 0.08;

/// How well one number of themes fits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Number of themes.
    pub k: usize,
    /// Mean cosine silhouette of steadied rows, -1..=1, small distances counted as `SILHOUETTE_FLOOR`.
    pub silhouette: f64,
    /// Mean adjusted Rand index between the themes and refits on part of the rows, -0.5..=1.
    pub stability: f64,
    /// Their product, at least 0.
    pub score: f64,
}

/// Numbers of themes worth trying for `rows` distinct rows: from 2 up by `STEP`.
pub fn candidates(rows: usize, k_max: Option<usize>) -> Vec<usize> {
    let most = k_max.unwrap_or(MOST).min(rows / ROWS_PER_THEME);
    let mut candidates = Vec::new();
    let mut next = 2.0_f64;
    while next as usize <= most {
        candidates.push(next as usize);
        next = (next.floor() + 1.0).max(next * STEP);
    }
    candidates
}

/// Scores `candidates` on the rows of `sample`, of which `smoothed` and `tree` are.
pub fn trace(
    sample: &Sample,
    smoothed: &Smoothed,
    tree: &Tree,
    candidates: &[usize],
    seed: u64,
    progress: &Progress,
) -> Vec<CurvePoint> {
    let fit = |tree: &Tree, rows: ArrayView2<'_, f32>, weights: &[f32]| -> Vec<Partition> {
        let cut = |&k: &usize| Partition::of(&tree.cut(k)).refined(rows, weights, PASSES);
        candidates.par_iter().with_max_len(1).map(cut).collect()
    };
    let whole = fit(tree, smoothed.rows.view(), &sample.weights);
    let judge = |found: &Partition| silhouette(smoothed.judged.view(), found, &sample.weights);
    let silhouettes: Vec<f64> = whole.par_iter().map(judge).collect();
    progress.advance(1);
    let mut agreement = vec![0.0; candidates.len()];
    let most = (sample.weights.len() as f64 * REFIT_SHARE) as usize;
    for refit in 0..REFITS {
        let drawn = sample.draw(most, seed, refit);
        let rows = drawn.smooth().rows;
        let found = fit(&Tree::grow(rows.view(), &drawn.weights), rows.view(), &drawn.weights);
        let agreements = found.par_iter().zip(&whole).map(|(found, whole)| {
            let labels = nearest(smoothed.rows.view(), found.centroids(rows.view(), &drawn.weights).view());
            Partition::of(&labels).agreement(whole, &sample.weights)
        });
        let agreements: Vec<f64> = agreements.collect();
        agreement.iter_mut().zip(agreements).for_each(|(sum, value)| *sum += value);
        progress.advance(1);
    }
    let point = |((&k, silhouette), agreement): ((&usize, f64), f64)| {
        let stability = agreement / REFITS as f64;
        CurvePoint { k, silhouette, stability, score: silhouette.max(0.0) * stability.max(0.0) }
    };
    candidates.iter().zip(silhouettes).zip(agreement).map(point).collect()
}

/// The centre of the curve's top: the mean of `ln k`, weighted by `score^SHARPNESS`; 1 where no score
/// reaches `LEAST_SCORE`.
pub fn pick(curve: &[CurvePoint]) -> usize {
    let best = curve.iter().map(|point| point.score).fold(0.0, f64::max);
    if best < LEAST_SCORE {
        return 1;
    }
    let log = |place: usize| (curve[place].k as f64).ln();
    let (mut sum, mut total) = (0.0, 0.0);
    for (place, point) in curve.iter().enumerate() {
        // Candidates lie unevenly: each stands for the stretch around it.
        let (low, high) = (place.saturating_sub(1), (place + 1).min(curve.len() - 1));
        let stretch = if low == high { 1.0 } else { (log(high) - log(low)) / (high - low) as f64 };
        let weight = (point.score / best).powf(SHARPNESS) * stretch;
        sum += weight * log(place);
        total += weight;
    }
    (sum / total).exp().round() as usize
}

/// Weighted mean of `(b - a) / max(a, b, SILHOUETTE_FLOOR)` (Rousseeuw, 1987, with a floor), cosine
/// distance; rows alone in their part count as 0.
///
/// Exact though no pair of rows is formed: the mean cosine to a set of unit rows is the product with
/// the set's mean.
pub fn silhouette(rows: ArrayView2<'_, f32>, found: &Partition, weights: &[f32]) -> f64 {
    if found.count < 2 {
        return 0.0;
    }
    let sizes = found.sizes(weights);
    let mut sums = Array2::<f32>::zeros((found.count, rows.ncols()));
    for ((row, &label), &weight) in rows.rows().into_iter().zip(&found.labels).zip(weights) {
        sums.row_mut(label).scaled_add(weight, &row);
    }
    let (mut total, mut weight_sum) = (0.0, 0.0);
    let products = rows.dot(&sums.t());
    for ((products, &own), &weight) in products.rows().into_iter().zip(&found.labels).zip(weights) {
        weight_sum += f64::from(weight);
        if sizes[own] <= 1.0 {
            continue;
        }
        let mean = |label: usize, product: f32| 1.0 - f64::from(product) / sizes[label];
        let others = products.iter().enumerate().filter(|(label, _)| *label != own);
        let nearest = others.map(|(label, product)| mean(label, *product)).fold(f64::INFINITY, f64::min);
        let within = 1.0 - (f64::from(products[own]) - 1.0) / (sizes[own] - 1.0);
        total += f64::from(weight) * (nearest - within) / within.max(nearest).max(SILHOUETTE_FLOOR);
    }
    total / weight_sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(usize, f64)]) -> Vec<CurvePoint> {
        let point = |&(k, score)| CurvePoint { k, silhouette: score, stability: 1.0, score };
        points.iter().map(point).collect()
    }

    #[test]
    fn candidates_rise_to_the_limit() {
        assert_eq!(candidates(10_000, Some(12)), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert!(candidates(1_000_000, None).last().is_some_and(|&k| k > 230 && k <= MOST));
        assert_eq!(candidates(11, None), [2, 3]);
        assert!(candidates(5, None).is_empty() && candidates(100, Some(1)).is_empty());
    }

    #[test]
    fn the_centre_of_the_top_is_picked() {
        assert_eq!(pick(&curve(&[(2, 0.1), (4, 0.1), (8, 0.6), (16, 0.1)])), 8);
        assert_eq!(pick(&curve(&[(4, 0.1), (8, 0.5), (16, 0.5), (32, 0.5), (64, 0.1)])), 16, "a broad top");
        assert_eq!(pick(&curve(&[(2, 0.01), (4, 0.05)])), 1, "no structure");
        assert_eq!(pick(&curve(&[(3, 0.4)])), 3);
        assert_eq!(pick(&[]), 1);
    }

    #[test]
    fn the_silhouette_agrees_with_the_definition() {
        let angles = [0.0f32, 0.4, 0.6, 1.6, 1.9, 2.9];
        let rows =
            Array2::from_shape_fn((6, 2), |(i, j)| if j == 0 { angles[i].cos() } else { angles[i].sin() });
        let found = Partition { labels: vec![0, 0, 0, 1, 1, 2], count: 3 };
        let distance = |i: usize, j: usize| 1.0 - f64::from(rows.row(i).dot(&rows.row(j)));
        let mean = |i: usize, label: usize| {
            let there: Vec<f64> =
                (0..6).filter(|&j| j != i && found.labels[j] == label).map(|j| distance(i, j)).collect();
            there.iter().sum::<f64>() / there.len() as f64
        };
        let of = |i: usize| {
            let own = found.labels[i];
            let (a, b) =
                (mean(i, own), (0..3).filter(|l| *l != own).map(|l| mean(i, l)).fold(f64::MAX, f64::min));
            if a.is_nan() { 0.0 } else { (b - a) / a.max(b).max(SILHOUETTE_FLOOR) }
        };
        let expected = (0..6).map(of).sum::<f64>() / 6.0;
        assert!((silhouette(rows.view(), &found, &[1.0; 6]) - expected).abs() < 1e-5);
    }
}
