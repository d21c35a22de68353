//! Lloyd's iterations on blocked products, and their mini-batch kin.

use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::assignment::Assignment;

/// What a centroid is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Geometry {
    /// The mean of its rows: least sum of squared distances (Lloyd 1982).
    #[default]
    Euclidean,
    /// The direction of that mean: greatest sum of cosines (Dhillon and Modha 2001, section 3).
    Spherical,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Lloyd {
    /// What a centroid is.
    pub geometry: Geometry,
    /// Iterations at most.
    pub iterations: usize,
    /// Centroids rest when the Frobenius norm of their move is at most this; 0: when nothing moves.
    pub tolerance: f64,
}

/// Where iterations led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// `(k, d)`.
    pub centroids: Array2<f32>,
    /// The nearest of these centroids for each row, ties by lower number.
    pub labels: Vec<u32>,
    /// Sum of squared distances of rows to them, at least 0.
    pub inertia: f64,
    /// Iterations done.
    pub iterations: usize,
}

impl Lloyd {
    /// Goes on from `start`, `(k, d)`, `k` at least 1, over `vectors`, `(n, d)`. A centroid without rows stays
    /// where it is.
    pub fn fit(&self, vectors: ArrayView2<'_, f32>, start: Array2<f32>) -> Fitted {
        let mut centroids = start;
        let mut before = centroids.clone();
        let mut assignment = Assignment::new(vectors, centroids.nrows());
        let mut iterations = 0;
        while iterations < self.iterations {
            let changes = assignment.update(&centroids, &before);
            iterations += 1;
            before.assign(&centroids);
            let (means, counts) = assignment.means();
            self.place(&mut centroids, &means, counts);
            let moved = before.iter().zip(&centroids).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            if changes == 0 || moved.sum::<f64>().sqrt() <= self.tolerance {
                break;
            }
        }
        assignment.update(&centroids, &before);
        let (labels, inertia) = assignment.settle(&centroids);
        Fitted { centroids, labels, inertia, iterations }
    }

    /// Mini-batch k-means (Sculley 2010, algorithm 1): each of `iterations` draws `batch` rows; a centroid moves
    /// to each of its rows by one over the rows it has had.
    pub fn fit_batches(
        &self,
        vectors: ArrayView2<'_, f32>,
        start: Array2<f32>,
        batch: usize,
        seed: u64,
    ) -> Fitted {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let mut centroids = start;
        let mut counts = vec![0i64; centroids.nrows()];
        let mut exact = centroids.mapv(f64::from);
        for _ in 0..self.iterations {
            let drawn: Vec<usize> = (0..batch).map(|_| rng.gen_range(0..vectors.nrows())).collect();
            let rows = vectors.select(Axis(0), &drawn);
            let labels = nearest(rows.view(), &centroids).0;
            for (row, &label) in rows.rows().into_iter().zip(&labels) {
                let label = label as usize;
                counts[label] += 1;
                let rate = 1.0 / counts[label] as f64;
                let pull = |to: &mut f64, value: &f32| *to += rate * (f64::from(*value) - *to);
                exact.row_mut(label).zip_mut_with(&row, pull);
            }
            self.place(&mut centroids, &exact, &counts);
        }
        let (labels, inertia) = nearest(vectors, &centroids);
        Fitted { centroids, labels, inertia, iterations: self.iterations }
    }

    /// Centroids at `means`, or in their direction; those without rows or direction stay.
    fn place(&self, centroids: &mut Array2<f32>, means: &Array2<f64>, counts: &[i64]) {
        for ((mut centroid, mean), &count) in centroids.rows_mut().into_iter().zip(means.rows()).zip(counts) {
            let length = match self.geometry {
                Geometry::Euclidean => 1.0,
                Geometry::Spherical => mean.dot(&mean).sqrt(),
            };
            if count > 0 && length > 1e-9 {
                centroid.zip_mut_with(&mean, |value, mean| *value = (mean / length) as f32);
            }
        }
    }
}

/// The nearest of `centroids`, `(k, d)`, for each row of `vectors`, `(n, d)`, ties by lower number, and the sum of
/// squared distances to them.
pub fn nearest(vectors: ArrayView2<'_, f32>, centroids: &Array2<f32>) -> (Vec<u32>, f64) {
    let mut assignment = Assignment::new(vectors, centroids.nrows());
    assignment.update(centroids, centroids);
    assignment.settle(centroids)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::s;

    const LLOYD: Lloyd = Lloyd { geometry: Geometry::Euclidean, iterations: 50, tolerance: 0.0 };

    /// Lloyd's iterations as in the book, in double precision.
    fn plainly(vectors: &Array2<f32>, start: &Array2<f32>, iterations: usize) -> Vec<u32> {
        let mut centroids = start.mapv(f64::from);
        let mut labels = vec![0u32; vectors.nrows()];
        for _ in 0..iterations {
            for (row, label) in vectors.rows().into_iter().zip(&mut labels) {
                let distance = |centroid: ndarray::ArrayView1<'_, f64>| -> f64 {
                    centroid.iter().zip(row).map(|(a, b)| (a - f64::from(*b)).powi(2)).sum()
                };
                let distances: Vec<f64> = centroids.rows().into_iter().map(distance).collect();
                let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
                *label = nearest.unwrap() as u32;
            }
            for (label, mut centroid) in (0u32..).zip(centroids.rows_mut()) {
                let own: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == label).collect();
                if !own.is_empty() {
                    let mean = vectors.mapv(f64::from).select(Axis(0), &own).mean_axis(Axis(0)).unwrap();
                    centroid.assign(&mean);
                }
            }
        }
        labels
    }

    #[test]
    fn iterations_are_lloyds() {
        let vectors = mixture(900, 33, 7, 1.2, 3);
        let start = vectors.slice(s![..9, ..]).to_owned();
        let fitted = LLOYD.fit(vectors.view(), start.clone());
        assert!(fitted.iterations > 3 && fitted.iterations < 50, "{}", fitted.iterations);
        assert_eq!(fitted.labels, plainly(&vectors, &start, 50));
        let squares = vectors.rows().into_iter().zip(&fitted.labels).map(|(row, &label)| {
            let difference = &row - &fitted.centroids.row(label as usize);
            f64::from(difference.dot(&difference))
        });
        assert!((squares.sum::<f64>() - fitted.inertia).abs() < 1e-3 * fitted.inertia);
    }

    #[test]
    fn inertia_falls() {
        let vectors = mixture(2_000, 24, 10, 1.5, 5);
        let start = vectors.slice(s![..12, ..]).to_owned();
        let after = |iterations| Lloyd { iterations, ..LLOYD }.fit(vectors.view(), start.clone()).inertia;
        let falling: Vec<f64> = [0, 1, 2, 5, 20].into_iter().map(after).collect();
        assert!(falling.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{falling:?}");
        assert!(falling[4] < 0.95 * falling[0]);
        let batches = LLOYD.fit_batches(vectors.view(), start.clone(), 300, 1).inertia;
        assert!(batches < 0.95 * falling[0] && batches < 1.05 * falling[4], "{batches} {falling:?}");
    }

    #[test]
    fn spherical_centroids_have_unit_length() {
        let vectors = mixture(500, 16, 4, 0.8, 6);
        let spherical = Lloyd { geometry: Geometry::Spherical, ..LLOYD };
        for fitted in [
            spherical.fit(vectors.view(), vectors.slice(s![..4, ..]).to_owned()),
            spherical.fit_batches(vectors.view(), vectors.slice(s![..4, ..]).to_owned(), 100, 2),
        ] {
            assert!(fitted.centroids.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5));
        }
    }

    #[test]
    fn centroids_without_rows_and_zero_rows_stay_finite() {
        let mut vectors = mixture(40, 8, 2, 0.1, 7);
        vectors.row_mut(5).fill(0.0);
        let mut start = vectors.slice(s![3..7, ..]).to_owned();
        start.row_mut(0).fill(-9.0);
        for geometry in [Geometry::Euclidean, Geometry::Spherical] {
            let fitted = Lloyd { geometry, ..LLOYD }.fit(vectors.view(), start.clone());
            assert!(fitted.centroids.iter().all(|value| value.is_finite()) && fitted.inertia.is_finite());
        }
    }

    #[test]
    fn threads_change_nothing() {
        let vectors = mixture(5_000, 20, 9, 1.5, 8);
        let start = vectors.slice(s![..11, ..]).to_owned();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let all = LLOYD.fit(vectors.view(), start.clone());
                (all, LLOYD.fit_batches(vectors.view(), start.clone(), 700, 3))
            })
        };
        assert_eq!(on(1), on(3));
    }
}
