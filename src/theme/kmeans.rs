//! k-means: linfa's Lloyd iterations from our own k-means++ start.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans as Lloyd, KMeansInit};
use linfa_nn::distance::Distance;
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::ThemeError;
use super::cluster::{Clusterer, Clusters, draw_rows};
use super::distance::Euclidean;

/// Centroids have come to rest when the Frobenius norm of their move is below this.
const TOLERANCE: f32 = 1e-2;
/// Iterations at most: bounds the time of a fit that has not come to rest.
const ITERATIONS: u64 = 30;

/// k-means on unit rows.
///
/// Squared distance of unit vectors is `2 - 2 cos`, so near means similar. Starts are drawn on a
/// sample of rows; the best of them (lowest inertia) goes on over all rows.
#[derive(Debug, Clone)]
pub struct KMeans {
    /// Number of clusters, at least 1; one per distinct row at most.
    pub k: usize,
    /// Starts to choose from, at least 1.
    pub starts: usize,
    /// Rows that starts are tried on.
    pub sample: usize,
    /// Seeds the draws.
    pub seed: u64,
}

impl Clusterer for KMeans {
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        let rows = draw_rows(vectors.nrows(), self.sample, self.seed);
        let mut fitted = self.best_start(vectors.select(Axis(0), &rows).view())?;
        if rows.len() < vectors.nrows() {
            fitted = fit(vectors, fitted.centroids().clone())?;
        }
        let labels = fitted.predict(&vectors);
        Ok(Clusters::ranked(labels.into_iter().map(Some).collect()))
    }

    fn describe(&self) -> String {
        format!("k-means, k = {}", self.k)
    }
}

impl KMeans {
    /// The fit with the lowest inertia; the first of equals.
    fn best_start(&self, vectors: ArrayView2<'_, f32>) -> Result<Lloyd<f32, Euclidean>, ThemeError> {
        let mut rng = Xoshiro256Plus::seed_from_u64(self.seed);
        let mut best = fit(vectors, spread_start(vectors, self.k, &mut rng))?;
        for _ in 1..self.starts {
            let next = fit(vectors, spread_start(vectors, self.k, &mut rng))?;
            if next.inertia() < best.inertia() {
                best = next;
            }
        }
        Ok(best)
    }
}

/// Lloyd's iterations over `vectors`, `(n, d)`, from `centroids`, `(k, d)`.
fn fit(vectors: ArrayView2<'_, f32>, centroids: Array2<f32>) -> Result<Lloyd<f32, Euclidean>, ThemeError> {
    // Never drawn from: the start is given. linfa asks for a generator all the same.
    let unused = Xoshiro256Plus::seed_from_u64(0);
    Lloyd::params_with(centroids.nrows(), unused, Euclidean)
        .n_runs(1)
        .max_n_iterations(ITERATIONS)
        .tolerance(TOLERANCE)
        .init_method(KMeansInit::Precomputed(centroids))
        .fit(&DatasetBase::from(vectors))
        .map_err(|error| ThemeError::Fit { algorithm: "k-means", reason: error.to_string() })
}

/// k-means++ (Arthur & Vassilvitskii 2007): each next centroid is a row drawn in proportion to its
/// squared distance from the nearest one so far. `(k, d)`, fewer where rows run out of difference.
///
/// linfa's own recomputes all distances for every centroid, `O(n k^2 d)`; this one is `O(n k d)`.
fn spread_start(vectors: ArrayView2<'_, f32>, k: usize, rng: &mut impl Rng) -> Array2<f32> {
    let mut chosen = vec![rng.gen_range(0..vectors.nrows())];
    let mut nearest = Array1::from_elem(vectors.nrows(), f64::INFINITY);
    while chosen.len() < k {
        let last = vectors.row(chosen[chosen.len() - 1]);
        Zip::from(vectors.rows())
            .and(&mut nearest)
            .par_for_each(|row, nearest| *nearest = nearest.min(f64::from(Euclidean.rdistance(row, last))));
        // Fails only when no row differs from every centroid: more would be copies.
        let Ok(weights) = WeightedIndex::new(&nearest) else { break };
        chosen.push(weights.sample(rng));
    }
    vectors.select(Axis(0), &chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn kmeans(k: usize) -> KMeans {
        KMeans { k, starts: 2, sample: 100, seed: 3 }
    }

    #[test]
    fn separate_bundles_are_found() {
        let vectors = array![[1.0f32, 0.0], [0.0, 1.0], [0.8, 0.6], [0.99, 0.14], [0.14, 0.99], [1.0, 0.0]];
        let clusters = kmeans(2).cluster(vectors.view()).unwrap();
        assert_eq!(clusters.labels, [Some(0), Some(1), Some(0), Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn there_are_no_more_clusters_than_distinct_rows() {
        let vectors = array![[1.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]];
        assert_eq!(kmeans(9).cluster(vectors.view()).unwrap().count, 2);
        assert_eq!(kmeans(1).cluster(vectors.view()).unwrap().count, 1);
    }

    #[test]
    fn a_fit_on_a_sample_labels_every_row() {
        let vectors = Array2::from_shape_fn((40, 2), |(row, column)| f32::from(row % 2 == column));
        let params = KMeans { sample: 10, ..kmeans(2) };
        assert_eq!(params.cluster(vectors.view()).unwrap().sizes(), [20, 20]);
    }
}
