//! k-means: the best of some k-means++ starts, taken over all rows.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans as Linfa, KMeansInit};
use linfa_nn::distance::Distance;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::ThemeError;
use super::blocks::Engine;
use super::cluster::{Clusterer, Clusters, draw_rows};
use super::distance::Euclidean;
use super::lloyd::{Fitted, Geometry, Lloyd};

/// Centroids have come to rest when the Frobenius norm of their move is below this.
const TOLERANCE: f64 = 1e-2;
/// Iterations at most: bounds the time of a fit that has not come to rest.
const ITERATIONS: usize = 30;
/// What a fresh start's inertia must save for it to replace the one that goes on from last night: starts differ
/// by less than this by luck alone.
const WORTH_A_CHANGE: f64 = 0.01;
/// Batches of a mini-batch fit.
const BATCHES: usize = 100;

/// k-means on unit rows.
///
/// Squared distance of unit vectors is `2 - 2 cos`, so near means similar. Starts are drawn on a sample of rows;
/// the best of them (lowest inertia) goes on over all rows.
#[derive(Debug, Clone)]
pub struct KMeans {
    /// Number of clusters, at least 1; one per distinct row at most.
    pub k: usize,
    /// Starts to choose from, at least 1.
    pub starts: usize,
    /// Rows that starts are tried on.
    pub sample: usize,
    /// Centroids that a night before left, `d` values each, the first `k` of them: tried first, and kept unless
    /// a fresh start is clearly better. None on a first night.
    pub warm: Vec<Vec<f32>>,
    /// Seeds the draws.
    pub seed: u64,
    /// Whose iterations. linfa's know neither spheres nor batches: for them `geometry` and `batch` do nothing.
    pub engine: Engine,
    /// What a centroid is.
    pub geometry: Geometry,
    /// Rows of a mini-batch, at least 1; `None`: all rows in every iteration.
    pub batch: Option<usize>,
}

impl Clusterer for KMeans {
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        let labels = match self.engine {
            Engine::Blocked => {
                self.fit(vectors).labels.into_iter().map(|label| Some(label as usize)).collect()
            }
            Engine::Linfa => self.fit_linfa(vectors)?.into_iter().map(Some).collect(),
        };
        Ok(Clusters::ranked(labels))
    }

    fn describe(&self) -> String {
        let spherical = if self.geometry == Geometry::Spherical { "spherical " } else { "" };
        let batches = self.batch.map(|rows| format!(", batches of {rows}")).unwrap_or_default();
        match self.engine {
            Engine::Blocked => format!("{spherical}k-means, k = {}{batches}", self.k),
            Engine::Linfa => format!("k-means (linfa), k = {}", self.k),
        }
    }
}

impl KMeans {
    /// The best start on the sample, then all of `vectors`, `(n, d)` finite rows, `n` at least 1.
    fn fit(&self, vectors: ArrayView2<'_, f32>) -> Fitted {
        let lloyd = Lloyd { geometry: self.geometry, iterations: ITERATIONS, tolerance: TOLERANCE };
        let rows = draw_rows(vectors.nrows(), self.sample, self.seed);
        let sample = vectors.select(Axis(0), &rows);
        let mut rng = Xoshiro256Plus::seed_from_u64(self.seed);
        let mut best: Option<(f64, Fitted, Option<Array2<f32>>)> = None;
        for start in self.starts(sample.view(), &mut rng) {
            let given = start.is_warm.then(|| start.centroids.clone());
            let next = lloyd.fit(sample.view(), start.centroids);
            let counted = if start.is_warm { next.inertia * (1.0 - WORTH_A_CHANGE) } else { next.inertia };
            if best.as_ref().is_none_or(|(least, ..)| counted < *least) {
                best = Some((counted, next, given));
            }
        }
        let Some((_, mut best, given)) = best else { return lloyd.fit(vectors, sample) };
        // Last night's centroids are of all rows: a sample would only move them about.
        if let Some(given) = given.filter(|_| rows.len() < vectors.nrows()) {
            best.centroids = given;
        }
        match self.batch {
            _ if rows.len() == vectors.nrows() => best,
            None => lloyd.fit(vectors, best.centroids),
            Some(batch) => {
                let lloyd = Lloyd { iterations: BATCHES, ..lloyd };
                lloyd.fit_batches(vectors, best.centroids, batch, self.seed)
            }
        }
    }

    /// Last night's centroids, if any, and fresh draws: all that are tried.
    fn starts<'a>(
        &'a self,
        sample: ArrayView2<'a, f32>,
        rng: &'a mut Xoshiro256Plus,
    ) -> impl Iterator<Item = Start> + 'a {
        let fits = self.warm.iter().filter(|centroid| centroid.len() == sample.ncols()).take(self.k);
        let given: Vec<f32> = fits.flatten().copied().collect();
        let given = Array2::from_shape_vec((given.len() / sample.ncols().max(1), sample.ncols()), given)
            .unwrap_or_else(|_| Array2::zeros((0, sample.ncols())));
        (0..self.starts.max(1)).map(move |place| {
            let is_warm = place == 0 && given.nrows() > 0;
            let from = if is_warm { given.view() } else { given.slice(ndarray::s![..0, ..]) };
            let centroids = spread_from(sample, from, self.k, rng);
            Start { centroids, is_warm }
        })
    }

    /// The same by linfa.
    fn fit_linfa(&self, vectors: ArrayView2<'_, f32>) -> Result<Array1<usize>, ThemeError> {
        let rows = draw_rows(vectors.nrows(), self.sample, self.seed);
        let sample = vectors.select(Axis(0), &rows);
        let mut rng = Xoshiro256Plus::seed_from_u64(self.seed);
        let mut best: Option<(f64, Linfa<f32, Euclidean>)> = None;
        for start in self.starts(sample.view(), &mut rng) {
            let next = fit_linfa(sample.view(), start.centroids, TOLERANCE)?;
            let weight = if start.is_warm { 1.0 - WORTH_A_CHANGE } else { 1.0 };
            let counted = f64::from(next.inertia()) * weight;
            if best.as_ref().is_none_or(|(least, _)| counted < *least) {
                best = Some((counted, next));
            }
        }
        let missing = || ThemeError::Fit { algorithm: "k-means", reason: "no start was tried".into() };
        let (_, mut best) = best.ok_or_else(missing)?;
        if rows.len() < vectors.nrows() {
            best = fit_linfa(vectors, best.centroids().clone(), TOLERANCE)?;
        }
        Ok(best.predict(&vectors))
    }
}

/// Where iterations begin.
struct Start {
    centroids: Array2<f32>,
    /// From last night on.
    is_warm: bool,
}

/// linfa's iterations over `vectors`, `(n, d)`, from `centroids`, `(k, d)`.
fn fit_linfa(
    vectors: ArrayView2<'_, f32>,
    centroids: Array2<f32>,
    tolerance: f64,
) -> Result<Linfa<f32, Euclidean>, ThemeError> {
    // Never drawn from: the start is given. linfa asks for a generator all the same.
    let unused = Xoshiro256Plus::seed_from_u64(0);
    Linfa::params_with(centroids.nrows(), unused, Euclidean)
        .n_runs(1)
        .max_n_iterations(ITERATIONS as u64)
        .tolerance(tolerance as f32)
        .init_method(KMeansInit::Precomputed(centroids))
        .fit(&DatasetBase::from(vectors))
        .map_err(|error| ThemeError::Fit { algorithm: "k-means", reason: error.to_string() })
}

/// k-means++ (Arthur & Vassilvitskii 2007): each next centroid is a row drawn in proportion to its
/// squared distance from the nearest one so far. `(k, d)`, fewer where rows run out of difference.
///
/// One centroid at a time is a product of a matrix and a vector, bound by memory: nothing to block. By
/// differences, so that copies of a centroid are at exactly 0 and never drawn.
pub fn spread_start(vectors: ArrayView2<'_, f32>, k: usize, rng: &mut impl Rng) -> Array2<f32> {
    spread_from(vectors, vectors.slice(ndarray::s![..0, ..]), k, rng)
}

/// The same, going on from `given` centroids, `(g, d)`, which come first.
fn spread_from(
    vectors: ArrayView2<'_, f32>,
    given: ArrayView2<'_, f32>,
    k: usize,
    rng: &mut impl Rng,
) -> Array2<f32> {
    let mut nearest = Array1::from_elem(vectors.nrows(), f64::INFINITY);
    let come_nearer = |nearest: &mut Array1<f64>, centroid: ArrayView1<'_, f32>| {
        Zip::from(vectors.rows()).and(nearest).par_for_each(|row, nearest| {
            *nearest = nearest.min(f64::from(Euclidean.rdistance(row, centroid)))
        });
    };
    given.rows().into_iter().for_each(|centroid| come_nearer(&mut nearest, centroid));
    let mut chosen = Vec::new();
    if given.nrows() == 0 {
        chosen.push(rng.gen_range(0..vectors.nrows()));
    }
    while given.nrows() + chosen.len() < k {
        if let Some(&last) = chosen.last() {
            come_nearer(&mut nearest, vectors.row(last));
        }
        // Fails only when no row differs from every centroid: more would be copies.
        let Ok(weights) = WeightedIndex::new(&nearest) else { break };
        chosen.push(weights.sample(rng));
    }
    let mut centroids = Array2::zeros((given.nrows() + chosen.len(), vectors.ncols()));
    let all = given.rows().into_iter().chain(chosen.iter().map(|&row| vectors.row(row)));
    centroids.rows_mut().into_iter().zip(all).for_each(|(mut to, from)| to.assign(&from));
    centroids
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::{array, s};

    const ENGINES: [Engine; 2] = [Engine::Blocked, Engine::Linfa];

    fn kmeans(k: usize, engine: Engine) -> KMeans {
        let geometry = Geometry::Euclidean;
        KMeans { k, starts: 2, sample: 100, warm: Vec::new(), seed: 3, engine, geometry, batch: None }
    }

    #[test]
    fn separate_bundles_are_found() {
        let vectors = array![[1.0f32, 0.0], [0.0, 1.0], [0.8, 0.6], [0.99, 0.14], [0.14, 0.99], [1.0, 0.0]];
        for engine in ENGINES {
            let clusters = kmeans(2, engine).cluster(vectors.view()).unwrap();
            assert_eq!(clusters.labels, [Some(0), Some(1), Some(0), Some(0), Some(1), Some(0)]);
        }
    }

    #[test]
    fn there_are_no_more_clusters_than_distinct_rows() {
        let vectors = array![[1.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]];
        for engine in ENGINES {
            assert_eq!(kmeans(9, engine).cluster(vectors.view()).unwrap().count, 2);
            assert_eq!(kmeans(1, engine).cluster(vectors.view()).unwrap().count, 1);
            assert_eq!(kmeans(5, engine).cluster(vectors.slice(s![..1, ..])).unwrap().labels, [Some(0)]);
        }
    }

    #[test]
    fn last_nights_centroids_are_gone_on_from() {
        // Eight bundles found as four: which ones are together is luck, unless a night before says.
        let vectors = mixture(800, 16, 8, 0.5, 4);
        for engine in ENGINES {
            let kmeans = |k, engine| KMeans { sample: 800, ..kmeans(k, engine) };
            let first = kmeans(4, engine).cluster(vectors.view()).unwrap();
            let warm: Vec<Vec<f32>> =
                first.centroids(vectors.view()).rows().into_iter().map(|row| row.to_vec()).collect();
            for seed in 10..20 {
                let second = KMeans { seed, starts: 1, warm: warm.clone(), ..kmeans(4, engine) };
                let second = second.cluster(vectors.view()).unwrap();
                let same = first.labels.iter().zip(&second.labels).filter(|(a, b)| a == b).count();
                assert!(same >= 790, "{same} of 800");
            }
            // One that is missing is drawn; centroids of other lengths are none.
            let five = KMeans { warm: warm.clone(), ..kmeans(5, engine) };
            assert_eq!(five.cluster(vectors.view()).unwrap().count, 5);
            let foreign = KMeans { warm: vec![vec![1.0]], ..kmeans(4, engine) };
            assert_eq!(foreign.cluster(vectors.view()).unwrap(), first);
        }
    }

    #[test]
    fn a_fit_on_a_sample_labels_every_row() {
        let vectors = Array2::from_shape_fn((40, 2), |(row, column)| f32::from(row % 2 == column));
        for engine in ENGINES {
            let params = KMeans { sample: 10, ..kmeans(2, engine) };
            assert_eq!(params.cluster(vectors.view()).unwrap().sizes(), [20, 20]);
        }
        for batch in [1, 7] {
            let params = KMeans { sample: 10, batch: Some(batch), ..kmeans(2, Engine::Blocked) };
            assert_eq!(params.cluster(vectors.view()).unwrap().sizes(), [20, 20]);
        }
    }

    #[test]
    fn labels_are_linfas_from_the_same_start() {
        let vectors = mixture(1_500, 48, 12, 1.5, 9);
        // A row of each bundle: both then climb the same hill.
        let start = vectors.slice(s![..12, ..]).to_owned();
        // To the end: on the way linfa's means also count the centroid before.
        let lloyd = Lloyd { geometry: Geometry::Euclidean, iterations: 300, tolerance: 0.0 };
        let ours = lloyd.fit(vectors.view(), start.clone());
        let theirs = fit_linfa(vectors.view(), start, 1e-5).unwrap();
        let labels: Vec<u32> = theirs.predict(&vectors).iter().map(|label| *label as u32).collect();
        assert_eq!(ours.labels, labels);
        let apart = (&ours.centroids - theirs.centroids()).iter().fold(0.0f32, |most, d| most.max(d.abs()));
        assert!(apart < 1e-3, "{apart}");
    }
}
