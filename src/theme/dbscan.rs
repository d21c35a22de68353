//! DBSCAN: themes where requests crowd, noise elsewhere.

use linfa::ParamGuard;
use linfa::traits::Transformer;
use linfa_clustering::Dbscan as Linfa;
use linfa_nn::CommonNearestNeighbour;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::ThemeError;
use super::cluster::{Clusterer, Clusters, draw_rows};
use super::distance::Euclidean;
use super::silhouette::silhouette;

/// Rows of the sample multiplied with all rows at a time.
const BLOCK: usize = 64;
/// Shares of rows that a radius tried would make dense, ascending.
const QUANTILES: [f64; 12] = [0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95];
/// Just past the row it was measured to, so that it counts: linfa's radius is open.
const WIDER: f64 = 1.0 + 1e-4;
/// Copies of a row must find each other in spite of rounding.
const LEAST_RADIUS: f64 = 1e-3;
/// Fewest `min_points` on a sample: with two, every pair is dense.
const LEAST_POINTS: usize = 3;

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
        // (4,000 rows, linfa's own distance: 6.0 s against 9.2 s ball tree and 14.3 s k-d tree).
        let labels = Linfa::params_with(self.min_points, Euclidean, CommonNearestNeighbour::LinearSearch)
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

/// A radius from the data: of `QUANTILES` of the distances to the `min_points`-th row, itself
/// included (Ester et al. 1996, section 4.2), the one whose clusters score the best silhouette,
/// noise counting as 0; the smaller of equals.
///
/// Not the knee of that curve: in 384 dimensions it lies where themes have long run into one
/// another (hwu64: one theme, banking77: two). Looks at a seeded sample of at most `sample` rows
/// with `min_points` thinned alike. At least `LEAST_RADIUS`.
pub fn find_radius(
    vectors: ArrayView2<'_, f32>,
    min_points: usize,
    sample: usize,
    seed: u64,
) -> Result<f64, ThemeError> {
    let rows = draw_rows(vectors.nrows(), sample, seed);
    let drawn = vectors.select(Axis(0), &rows);
    let share = rows.len() as f64 / vectors.nrows().max(1) as f64;
    let min_points = ((min_points as f64 * share).round() as usize).max(LEAST_POINTS.min(min_points));
    let distances = nth_distances(drawn.view(), min_points);
    let radius = |quantile: &f64| {
        let place = (quantile * distances.len() as f64) as usize;
        distances.get(place).map_or(LEAST_RADIUS, |distance| (distance * WIDER).max(LEAST_RADIUS))
    };
    let scored = QUANTILES
        .par_iter()
        .with_max_len(1)
        .map(|quantile| {
            let fit = Dbscan { eps: radius(quantile), min_points };
            let clusters = fit.cluster(drawn.view())?;
            let kept = clusters.labels.iter().flatten().count() as f64 / rows.len().max(1) as f64;
            Ok((fit.eps, kept * silhouette(drawn.view(), &clusters)))
        })
        .collect::<Result<Vec<(f64, f64)>, ThemeError>>()?;
    // No two clusters anywhere: the widest radius keeps the most rows.
    let widest = scored.last().map_or(LEAST_RADIUS, |(eps, _)| *eps);
    let best = scored.into_iter().rev().filter(|(_, score)| *score > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    Ok(best.map_or(widest, |(eps, _)| eps))
}

/// Distance of each row to its `nth` nearest, itself included, ascending.
fn nth_distances(vectors: ArrayView2<'_, f32>, nth: usize) -> Vec<f64> {
    let of_block = |block: ArrayView2<'_, f32>| {
        let cosines = block.dot(&vectors.t());
        cosines.rows().into_iter().map(|row| nth_distance(row.to_vec(), nth)).collect::<Vec<_>>()
    };
    let mut distances: Vec<f64> =
        vectors.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().flat_map_iter(of_block).collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// Distance to the `nth` nearest row, from its cosines with all of them.
fn nth_distance(mut cosines: Vec<f32>, nth: usize) -> f64 {
    let place = nth.clamp(1, cosines.len()) - 1;
    let (_, cosine, _) = cosines.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
    (2.0 - 2.0 * f64::from(*cosine)).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Two tight bundles of ten and three rows on their own.
    fn vectors() -> Array2<f32> {
        let angle = |row: usize| match row {
            0..10 => 0.001 * row as f32,
            10..20 => 1.5 + 0.001 * row as f32,
            _ => 2.0 + 0.4 * (row - 19) as f32,
        };
        Array2::from_shape_fn(
            (23, 2),
            |(row, column)| if column == 0 { angle(row).cos() } else { angle(row).sin() },
        )
    }

    #[test]
    fn crowds_are_clusters_and_the_rest_is_noise() {
        let vectors = vectors();
        let clusters = Dbscan { eps: 0.05, min_points: 4 }.cluster(vectors.view()).unwrap();
        assert_eq!(clusters.sizes(), [10, 10]);
        assert!(clusters.labels[20..].iter().all(Option::is_none));
        let eps = find_radius(vectors.view(), 4, 100, 0).unwrap();
        assert_eq!(Dbscan { eps, min_points: 4 }.cluster(vectors.view()).unwrap().count, 2);
    }

    #[test]
    fn copies_and_single_rows_have_a_radius() {
        let copies = Array2::from_shape_fn((5, 2), |(_, column)| [0.6f32, 0.8][column]);
        let eps = find_radius(copies.view(), 3, 100, 0).unwrap();
        assert_eq!(Dbscan { eps, min_points: 3 }.cluster(copies.view()).unwrap().sizes(), [5]);
        let single = find_radius(copies.slice(ndarray::s![..1, ..]), 3, 100, 0).unwrap();
        assert!(single > 0.0 && single.is_finite());
    }
}
