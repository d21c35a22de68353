//! DBSCAN: themes where requests crowd, noise elsewhere.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use linfa::ParamGuard;
use linfa::traits::Transformer;
use linfa_clustering::Dbscan as Linfa;
use linfa_nn::CommonNearestNeighbour;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::ThemeError;
use super::blocks::{Engine, Rows};
use super::cluster::{Clusterer, Clusters, draw_rows};
use super::distance::Euclidean;
use super::silhouette::silhouette;
use super::union_find::UnionFind;

/// Tiles of pairs from one look at the clusters to the next.
const TILES: usize = 64;
/// Shares of rows that a radius tried would make dense, ascending.
pub const QUANTILES: [f64; 12] = [0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95];
/// Just past the row it was measured to, so that it counts: linfa's radius is open.
const WIDER: f64 = 1.0 + 1e-4;
/// Copies of a row must find each other in spite of rounding.
const LEAST_RADIUS: f64 = 1e-3;
/// Fewest `min_points` on a sample: with two, every pair is dense.
const LEAST_POINTS: usize = 3;

/// DBSCAN (Ester et al. 1996) on unit rows.
#[derive(Debug, Clone)]
pub struct Dbscan {
    /// Radius, distance between unit vectors in 0..=2. Closed for the blocked engine, as in the paper; open for
    /// linfa's.
    pub eps: f64,
    /// Rows within the radius, itself included, that make a row dense.
    pub min_points: usize,
    /// Whose code.
    pub engine: Engine,
}

impl Clusterer for Dbscan {
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        match self.engine {
            Engine::Blocked => Ok(Clusters::ranked(self.labels(vectors))),
            Engine::Linfa => self.linfa(vectors),
        }
    }

    fn describe(&self) -> String {
        let whose = if self.engine == Engine::Linfa { " (linfa)" } else { "" };
        format!("DBSCAN{whose}, radius {:.3}, at least {} within it", self.eps, self.min_points)
    }
}

impl Dbscan {
    /// Lowest dense row of each row's cluster; `None` is noise. A row at the edge of clusters, near to dense rows
    /// but not dense, goes with the dense neighbour that comes first.
    fn labels(&self, vectors: ArrayView2<'_, f32>) -> Vec<Option<usize>> {
        let rows = Rows::new(vectors);
        let density = Mutex::new(Density::new(rows.count(), self.min_points));
        // What was known of clusters a while ago. Rows once together stay so, so that old news is no false news.
        let clusters: Vec<AtomicU32> = (0..rows.count() as u32).map(AtomicU32::new).collect();
        // Pairs within a cluster say nothing new: left out where they are found, there is no crowd of them.
        let known = |i: usize, j: usize| clusters[i].load(Relaxed) == clusters[j].load(Relaxed);
        let tiles = AtomicUsize::new(0);
        rows.pairs_within(self.eps, known, |pairs| {
            // A thread that panicked leaves no half of a pair behind that another could see: it ends them all.
            let mut density = density.lock().unwrap_or_else(PoisonError::into_inner);
            pairs.iter().for_each(|&(a, b)| density.join(a, b));
            if tiles.fetch_add(1, Relaxed) % TILES == TILES - 1 {
                clusters.iter().zip(density.snapshot()).for_each(|(to, cluster)| to.store(cluster, Relaxed));
            }
        });
        density.into_inner().unwrap_or_else(PoisonError::into_inner).labels()
    }

    fn linfa(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        // Linear search: in 384 dimensions every tree visits nearly all leaves and loses to it
        // (4,000 rows, linfa's own distance: 6.0 s against 9.2 s ball tree and 14.3 s k-d tree).
        let labels = Linfa::params_with(self.min_points, Euclidean, CommonNearestNeighbour::LinearSearch)
            .tolerance(self.eps as f32)
            .check()
            .map_err(|error| ThemeError::Fit { algorithm: "DBSCAN", reason: error.to_string() })?
            .transform(&vectors);
        Ok(Clusters::ranked(labels.to_vec()))
    }
}

/// Dense rows and their clusters, as neighbours become known.
///
/// Only rows not yet dense keep their neighbours, fewer than `min_points` each: memory is `O(n min_points)`
/// however many pairs are near. A row that becomes dense joins those it kept and forgets them; what is near to
/// it but not dense keeps it in turn.
struct Density {
    min_points: usize,
    /// Neighbours of each row that is not dense yet.
    kept: Vec<Vec<u32>>,
    dense: Vec<bool>,
    clusters: UnionFind,
}

impl Density {
    fn new(rows: usize, min_points: usize) -> Density {
        let alone_is_dense = min_points <= 1;
        Density {
            min_points,
            kept: vec![Vec::new(); rows],
            dense: vec![alone_is_dense; rows],
            clusters: UnionFind::new(rows),
        }
    }

    /// Takes in that `a` and `b` are near; each pair comes once.
    fn join(&mut self, a: u32, b: u32) {
        // Both first keep each other, so that the one that becomes dense is known to the one that does not.
        for (row, other) in [(a, b), (b, a)] {
            if !self.dense[row as usize] {
                self.kept[row as usize].push(other);
            }
        }
        for row in [a, b] {
            if !self.dense[row as usize] && self.kept[row as usize].len() + 1 >= self.min_points {
                self.dense[row as usize] = true;
                for other in std::mem::take(&mut self.kept[row as usize]) {
                    self.connect(row, other);
                }
            }
        }
        self.connect(a, b);
    }

    fn connect(&mut self, a: u32, b: u32) {
        if self.dense[a as usize] && self.dense[b as usize] {
            self.clusters.union(a, b);
        }
    }

    /// Equal numbers for dense rows known to be of one cluster, a number of its own for every other row.
    fn snapshot(&mut self) -> Vec<u32> {
        (0..self.dense.len() as u32).map(|row| self.clusters.find(row)).collect()
    }

    fn labels(mut self) -> Vec<Option<usize>> {
        let dense = self.dense;
        let mut cluster = |row: u32| self.clusters.find(row) as usize;
        let label = |(row, kept): (u32, &Vec<u32>)| match dense[row as usize] {
            true => Some(cluster(row)),
            false => kept.iter().filter(|&&other| dense[other as usize]).min().map(|&other| cluster(other)),
        };
        (0..).zip(&self.kept).map(label).collect()
    }
}

/// A radius from the data: of [`Radii`], the one whose clusters score the best silhouette, noise
/// counting as 0; the smaller of equals.
///
/// Not the knee of the distances' curve: in 384 dimensions it lies where themes have long run into one
/// another (hwu64: one theme, banking77: two). Looks at a seeded sample of at most `sample` rows.
pub fn find_radius(
    vectors: ArrayView2<'_, f32>,
    min_points: usize,
    sample: usize,
    seed: u64,
) -> Result<f64, ThemeError> {
    let rows = draw_rows(vectors.nrows(), sample, seed);
    let drawn = vectors.select(Axis(0), &rows);
    let score = |fit: &Dbscan| {
        let clusters = fit.cluster(drawn.view())?;
        let kept = clusters.labels.iter().flatten().count() as f64 / rows.len().max(1) as f64;
        Ok((fit.eps, kept * silhouette(drawn.view(), &clusters)))
    };
    let radii = Radii::of(drawn.view(), vectors.nrows(), min_points);
    let scored: Result<Vec<(f64, f64)>, ThemeError> =
        radii.fits.par_iter().with_max_len(1).map(score).collect();
    let scored = scored?;
    // No two clusters anywhere: the widest radius keeps the most rows.
    let widest = scored.last().map_or(LEAST_RADIUS, |(eps, _)| *eps);
    let best = scored.into_iter().rev().filter(|(_, score)| *score > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    Ok(best.map_or(widest, |(eps, _)| eps))
}

/// Radii worth trying: at [`QUANTILES`] of the distances to the `min_points`-th row, itself included
/// (Ester et al. 1996, section 4.2); at least `LEAST_RADIUS`.
pub struct Radii {
    /// A fit for each, ascending, with `min_points` thinned as the rows are.
    pub fits: Vec<Dbscan>,
}

impl Radii {
    /// For `drawn`, a sample of `all` rows.
    pub fn of(drawn: ArrayView2<'_, f32>, all: usize, min_points: usize) -> Radii {
        let share = drawn.nrows() as f64 / all.max(1) as f64;
        let min_points = ((min_points as f64 * share).round() as usize).max(LEAST_POINTS.min(min_points));
        let mut distances = Rows::new(drawn).kth_distances(min_points.saturating_sub(1));
        distances.sort_by(f64::total_cmp);
        let fit = |quantile: &f64| {
            let place = (quantile * distances.len() as f64) as usize;
            let eps = distances.get(place).map_or(LEAST_RADIUS, |at| (at * WIDER).max(LEAST_RADIUS));
            Dbscan { eps, min_points, engine: Engine::Blocked }
        };
        Radii { fits: QUANTILES.iter().map(fit).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::COLUMNS;
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::{Array2, s};

    fn dbscan(eps: f64, min_points: usize) -> Dbscan {
        Dbscan { eps, min_points, engine: Engine::Blocked }
    }

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
        for engine in [Engine::Blocked, Engine::Linfa] {
            let clusters = Dbscan { engine, ..dbscan(0.05, 4) }.cluster(vectors.view()).unwrap();
            assert_eq!(clusters.sizes(), [10, 10]);
            assert!(clusters.labels[20..].iter().all(Option::is_none));
        }
        let eps = find_radius(vectors.view(), 4, 100, 0).unwrap();
        assert_eq!(dbscan(eps, 4).cluster(vectors.view()).unwrap().count, 2);
        assert_eq!(dbscan(1e-6, 4).cluster(vectors.view()).unwrap().count, 0, "all noise");
        assert_eq!(dbscan(1e-6, 1).cluster(vectors.view()).unwrap().count, 23);
    }

    #[test]
    fn copies_and_single_rows_have_a_radius() {
        let copies = Array2::from_shape_fn((5, 2), |(_, column)| [0.6f32, 0.8][column]);
        let eps = find_radius(copies.view(), 3, 100, 0).unwrap();
        assert_eq!(dbscan(eps, 3).cluster(copies.view()).unwrap().sizes(), [5]);
        let single = find_radius(copies.slice(s![..1, ..]), 3, 100, 0).unwrap();
        assert!(single > 0.0 && single.is_finite());
        assert_eq!(dbscan(single, 3).cluster(copies.slice(s![..1, ..])).unwrap().count, 0);
    }

    /// The definition: clusters of dense rows by search, then the first dense neighbour of the others.
    fn by_search(vectors: &Array2<f32>, eps: f64, min_points: usize) -> Clusters {
        let rows = Rows::new(vectors.view());
        let n = rows.count();
        let others = |i: usize| (0..n).filter(move |&j| j != i);
        let near: Vec<Vec<usize>> =
            (0..n).map(|i| others(i).filter(|&j| rows.squared(i, j).sqrt() <= eps).collect()).collect();
        let dense: Vec<bool> = near.iter().map(|near| near.len() + 1 >= min_points).collect();
        let mut labels = vec![None; n];
        for start in (0..n).filter(|&row| dense[row]) {
            let mut waiting = vec![start];
            while let Some(row) = waiting.pop() {
                if labels[row].is_none() {
                    labels[row] = Some(start);
                    waiting.extend(near[row].iter().filter(|&&other| dense[other]));
                }
            }
        }
        let edge =
            |row: usize| near[row].iter().find(|&&other| dense[other]).and_then(|&other| labels[other]);
        Clusters::ranked((0..n).map(|row| if dense[row] { labels[row] } else { edge(row) }).collect())
    }

    #[test]
    fn clusters_are_those_of_the_definition_and_of_linfa() {
        // Several blocks of rows; radii from all noise to one cluster.
        let vectors = mixture(COLUMNS + 250, 16, 9, 0.9, 11);
        let distances = {
            let mut distances = Rows::new(vectors.view()).kth_distances(5);
            distances.sort_by(f64::total_cmp);
            distances
        };
        let mut counts = Vec::new();
        for share in [0.01, 0.2, 0.5, 0.8, 0.99] {
            let eps = distances[(share * distances.len() as f64) as usize] * WIDER;
            let ours = dbscan(eps, 6).cluster(vectors.view()).unwrap();
            assert_eq!(ours, by_search(&vectors, eps, 6), "radius {eps}");
            counts.push(ours.count);
            let theirs = Dbscan { engine: Engine::Linfa, ..dbscan(eps, 6) }.cluster(vectors.view()).unwrap();
            // Rows at the edge of several clusters may be in any of them.
            let same =
                ours.labels.iter().zip(&theirs.labels).filter(|(a, b)| a.is_some() == b.is_some()).count();
            assert_eq!((same, ours.count), (vectors.nrows(), theirs.count), "radius {eps}");
        }
        assert!(counts.iter().any(|&count| count > 3), "{counts:?}");
    }

    #[test]
    fn threads_change_nothing() {
        let vectors = mixture(1_700, 12, 9, 0.9, 12);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| dbscan(0.5, 5).cluster(vectors.view()).unwrap())
        };
        assert_eq!(on(1), on(3));
    }
}
