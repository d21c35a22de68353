//! DBSCAN: themes where requests crowd, noise elsewhere.

use linfa::ParamGuard;
use linfa::traits::Transformer;
use linfa_clustering::Dbscan as Linfa;
use linfa_nn::CommonNearestNeighbour;
use linfa_nn::distance::L2Dist;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::ThemeError;
use super::cluster::{Clusterer, Clusters, draw_rows};

/// Rows of the sample multiplied with all rows at a time.
const BLOCK: usize = 64;

/// DBSCAN (Ester et al. 1996) on unit rows.
#[derive(Debug, Clone)]
pub struct Dbscan {
    /// Radius, distance between unit vectors in 0..=2.
    pub eps: f64,
    /// Rows within the radius, itself included, that make a row dense.
    pub min_points: usize,
}

impl Clusterer for Dbscan {
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        // Linear search: in 384 dimensions every tree visits nearly all leaves and loses to it
        // (4,000 rows: 6.0 s against 9.2 s ball tree and 14.3 s k-d tree).
        let labels = Linfa::params_with(self.min_points, L2Dist, CommonNearestNeighbour::LinearSearch)
            .tolerance(self.eps as f32)
            .check()
            .map_err(|error| ThemeError::Fit { algorithm: "DBSCAN", reason: error.to_string() })?
            .transform(&vectors);
        Ok(Clusters::ranked(labels.to_vec()))
    }

    fn describe(&self) -> String {
        format!("DBSCAN, radius {:.3}, at least {} within it", self.eps, self.min_points)
    }
}

/// A radius from the data: the knee of the sorted distances to the `min_points`-th row, itself
/// included (Ester et al. 1996, section 4.2), on a seeded sample of at most `sample` rows.
///
/// The knee is the point furthest below the chord from the curve's first to its last point
/// (Satopää et al. 2011). The smallest radius ever given is 1e-3, so that copies find each other.
pub fn find_radius(vectors: ArrayView2<'_, f32>, min_points: usize, sample: usize, seed: u64) -> f64 {
    let rows = draw_rows(vectors.nrows(), sample, seed);
    let drawn = vectors.select(Axis(0), &rows);
    let mut distances: Vec<f64> = drawn
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .flat_map_iter(|block| {
            let cosines = block.dot(&vectors.t());
            cosines.rows().into_iter().map(|row| nth_distance(row.to_vec(), min_points)).collect::<Vec<_>>()
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.get(knee(&distances)).copied().unwrap_or(0.0).max(1e-3)
}

/// Distance to the `nth` nearest row, from its cosines with all of them.
fn nth_distance(mut cosines: Vec<f32>, nth: usize) -> f64 {
    let place = nth.clamp(1, cosines.len()) - 1;
    let (_, cosine, _) = cosines.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
    (2.0 - 2.0 * f64::from(*cosine)).max(0.0).sqrt()
}

/// Place of the point of a rising curve that lies furthest below its chord; the last of a straight one.
fn knee(rising: &[f64]) -> usize {
    let Some(last) = rising.len().checked_sub(1) else { return 0 };
    let slope = (rising[last] - rising[0]) / last.max(1) as f64;
    let below = |place: usize| rising[0] + slope * place as f64 - rising[place];
    (0..=last).rev().max_by(|&a, &b| below(a).total_cmp(&below(b))).unwrap_or(last)
}
