//! Sweeps: what each number of themes, radius and smallest theme would give, before one is chosen.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;

use super::budget::settle;
use super::choose::{REFITS, pick};
use super::cluster::{Clusterer, Clusters, draw_rows};
use super::dbscan::{QUANTILES, Radii};
use super::silhouette::silhouette;
use super::{Agglomeration, CurvePoint, Hdbscan, ThemeError, ThemeParams, agglomeration, check_rows};
use crate::progress::Progress;

/// Smallest themes tried for HDBSCAN, at most.
const SIZES: usize = 12;
/// Fewest rows a smallest theme may have on the sample: with two, every pair is a theme.
const LEAST_SIZE: usize = 3;
/// The greatest smallest theme tried is one in so many rows.
const ROWS_PER_GREATEST: usize = 25;

/// Share of the greatest score from which a point belongs to a top, and points below it that do not end one.
const NEAR_TOP: f64 = 0.9;
const GAP: usize = 2;

/// What one radius or one smallest theme gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DensityPoint {
    /// The radius, or the fewest rows of a theme, as a config would say it for all rows.
    pub value: f64,
    /// Themes.
    pub themes: usize,
    /// Share of rows in no theme, 0..=1, as the algorithm leaves them.
    pub outliers: f64,
    /// Share left by the budget `max_outliers`; equal to `outliers` without one.
    pub residual: f64,
    /// Mean cosine silhouette of the rows in a theme before any is moved, -1..=1.
    pub silhouette: f64,
    /// The same with outliers counting as 0: what points are compared by.
    pub score: f64,
}

/// A stretch of the curve of `k` close to its greatest score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Top {
    /// Its fewest themes.
    pub from: usize,
    /// Its most themes.
    pub to: usize,
    /// What would be chosen if it were the whole curve.
    pub centre: usize,
    /// Its greatest score.
    pub score: f64,
    /// True when the curve ends before the stretch does: more themes may score better still.
    pub is_open: bool,
}

/// The three sweeps over one set of rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// Rows there are.
    pub rows: usize,
    /// Rows looked at, at most the sample of the params.
    pub looked_at: usize,
    /// Numbers of themes for Ward and k-means, rising.
    pub k: Vec<CurvePoint>,
    /// What `k = "auto"` takes: the centre of the curve's top, not always one of its points.
    pub auto_k: usize,
    /// Stretches of `k` whose score is close to the greatest, rising.
    pub tops: Vec<Top>,
    /// `auto_k`, unless that lies between tops: then the best one's centre.
    pub best_k: usize,
    /// Radii for DBSCAN, rising.
    pub eps: Vec<DensityPoint>,
    /// Place in `eps` of the best one; `None` where none gives two themes.
    pub best_eps: Option<usize>,
    /// Smallest themes for HDBSCAN, rising.
    pub min_cluster_size: Vec<DensityPoint>,
    /// Place in `min_cluster_size` of the best one; `None` where none gives two themes.
    pub best_min_cluster_size: Option<usize>,
}

/// Tries k, `eps` and `min_cluster_size` on `vectors`, `(n, d)` unit rows of `texts`, whatever algorithm `params`
/// names; everything else is as `params` has it.
///
/// Each sweep looks at no more than `params.sample` rows. `min_points` and the smallest themes are thinned alike,
/// so that what is shown holds for all rows. The same rows in the same order give the same sweep.
///
/// # Errors
/// Parameters out of range, rows that do not match, vectors that are not finite.
pub fn sweep(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    progress: &Progress,
) -> Result<Sweep, ThemeError> {
    params.validate()?;
    check_rows(vectors, texts)?;
    let rows = draw_rows(vectors.nrows(), params.sample, params.seed);
    let drawn = vectors.select(Axis(0), &rows);
    let sample = Sample { rows: drawn.view(), all: vectors.nrows(), params };
    let sizes = sample.sizes();
    progress.begin("tune", Some(1 + REFITS + (QUANTILES.len() + sizes.len()) as u64), "fits");
    let fit = Agglomeration { k: None, ..agglomeration(params) };
    let (clusters, k) = if vectors.nrows() == 0 {
        (Clusters::ranked(Vec::new()), Vec::new())
    } else {
        fit.fit(vectors, texts, progress)
    };
    let eps = sample.radii(progress)?;
    let min_cluster_size = sample.smallest(&sizes, progress)?;
    progress.finish(&format!("{} of {} conversations looked at", rows.len(), vectors.nrows()));
    let auto_k = if k.is_empty() { clusters.count } else { pick(&k) };
    let tops = tops(&k);
    Ok(Sweep {
        rows: vectors.nrows(),
        looked_at: rows.len(),
        auto_k,
        best_k: between(&tops, auto_k).unwrap_or(auto_k),
        tops,
        k,
        best_eps: best(&eps),
        eps,
        best_min_cluster_size: best(&min_cluster_size),
        min_cluster_size,
    })
}

/// The rows looked at.
struct Sample<'a> {
    rows: ArrayView2<'a, f32>,
    /// Rows there are.
    all: usize,
    params: &'a ThemeParams,
}

impl Sample<'_> {
    /// DBSCAN at quantiles of the distances to the `min_points`-th row; copies of a radius once.
    fn radii(&self, progress: &Progress) -> Result<Vec<DensityPoint>, ThemeError> {
        if self.all == 0 {
            return Ok(Vec::new());
        }
        let radii = Radii::of(self.rows, self.all, self.params.min_points);
        let point = |fit: &super::Dbscan| {
            let clusters = fit.cluster(self.rows)?;
            progress.advance(1);
            Ok(self.point(fit.eps, clusters))
        };
        let points: Result<Vec<DensityPoint>, ThemeError> =
            radii.fits.par_iter().with_max_len(1).map(point).collect();
        let mut points = points?;
        points.dedup_by(|a, b| a.value == b.value);
        Ok(points)
    }

    /// A geometric grid of smallest themes, for all rows.
    fn sizes(&self) -> Vec<usize> {
        let least = (LEAST_SIZE as f64 / self.share()).ceil();
        let most = (self.all / ROWS_PER_GREATEST) as f64;
        let ratio = (most.max(least) / least).powf(1.0 / (SIZES - 1) as f64);
        let mut sizes: Vec<usize> =
            (0..SIZES).map(|step| (least * ratio.powi(step as i32)).round() as usize).collect();
        sizes.dedup();
        if self.all == 0 { Vec::new() } else { sizes }
    }

    fn smallest(&self, sizes: &[usize], progress: &Progress) -> Result<Vec<DensityPoint>, ThemeError> {
        let thinned = |size: usize, least: usize| ((size as f64 * self.share()).round() as usize).max(least);
        let point = |&size: &usize| {
            let fit = Hdbscan {
                min_cluster_size: thinned(size, 2),
                min_samples: self.params.min_samples.map(|samples| thinned(samples, 1)),
            };
            let clusters = fit.cluster(self.rows)?;
            progress.advance(1);
            Ok(self.point(size as f64, clusters))
        };
        // One after another: each uses all threads, and its lists of neighbours take memory.
        sizes.iter().map(point).collect()
    }

    fn share(&self) -> f64 {
        self.rows.nrows() as f64 / self.all.max(1) as f64
    }

    fn point(&self, value: f64, clusters: Clusters) -> DensityPoint {
        let rows = clusters.labels.len().max(1) as f64;
        let outliers = clusters.labels.iter().filter(|label| label.is_none()).count() as f64 / rows;
        let (themes, silhouette) = (clusters.count, silhouette(self.rows, &clusters));
        let residual = settle(clusters, self.rows, self.params.max_outliers).residual as f64 / rows;
        DensityPoint { value, themes, outliers, residual, silhouette, score: (1.0 - outliers) * silhouette }
    }
}

/// Stretches of at least `NEAR_TOP` of the greatest score, gaps of up to `GAP` points closed.
fn tops(curve: &[CurvePoint]) -> Vec<Top> {
    let greatest = curve.iter().map(|point| point.score).fold(0.0, f64::max);
    let high: Vec<usize> = (0..curve.len())
        .filter(|&place| greatest > 0.0 && curve[place].score >= NEAR_TOP * greatest)
        .collect();
    high.chunk_by(|a, b| b - a <= GAP + 1)
        .map(|stretch| {
            let (from, to) = (stretch[0], stretch[stretch.len() - 1]);
            let points = &curve[from..=to];
            Top {
                from: curve[from].k,
                to: curve[to].k,
                centre: pick(points),
                score: points.iter().map(|point| point.score).fold(0.0, f64::max),
                is_open: to + 1 == curve.len(),
            }
        })
        .collect()
}

/// The centre of the best top where `k` is in none of several, closed ones first: past the end of an open one it may
/// still rise, and themes that are split for ever are no themes.
fn between(tops: &[Top], k: usize) -> Option<usize> {
    if k < 2 || tops.len() < 2 || tops.iter().any(|top| (top.from..=top.to).contains(&k)) {
        return None;
    }
    let order = |a: &&Top, b: &&Top| b.is_open.cmp(&a.is_open).then(a.score.total_cmp(&b.score));
    tops.iter().rev().max_by(order).map(|top| top.centre)
}

/// The greatest score above 0, the smaller value of equals.
fn best(points: &[DensityPoint]) -> Option<usize> {
    let above = points.iter().enumerate().rev().filter(|(_, point)| point.score > 0.0);
    above.max_by(|a, b| a.1.score.total_cmp(&b.1.score)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::super::{Algorithm, Dbscan, dbscan::find_radius, find};
    use super::*;
    use ndarray::Array2;

    fn swept(vectors: &Array2<f32>, params: &ThemeParams) -> Sweep {
        sweep(vectors.view(), &vec![""; vectors.nrows()], params, &Progress::silent()).unwrap()
    }

    #[test]
    fn planted_blobs_are_found_by_each_sweep() {
        let vectors = mixture(420, 24, 6, 0.35, 3);
        let params = ThemeParams { k_max: Some(20), ..Default::default() };
        let found = swept(&vectors, &params);
        assert_eq!((found.rows, found.looked_at, found.best_k), (420, 420, 6), "{:?}", found.k);
        let eps = found.eps[found.best_eps.unwrap()];
        let size = found.min_cluster_size[found.best_min_cluster_size.unwrap()];
        assert_eq!((eps.themes, size.themes), (6, 6), "{found:#?}");
        assert!(found.eps.is_sorted_by(|a, b| a.value < b.value));
        assert!(found.min_cluster_size.is_sorted_by(|a, b| a.value < b.value));
        assert_eq!(found, swept(&vectors, &params), "deterministic");
    }

    #[test]
    fn the_sweep_marks_what_the_run_takes() {
        let vectors = mixture(300, 16, 5, 0.6, 8);
        let params = ThemeParams::default();
        let found = swept(&vectors, &params);
        let radius = find_radius(vectors.view(), params.min_points, params.sample, params.seed).unwrap();
        let eps = found.eps[found.best_eps.unwrap()];
        assert_eq!(eps.value, radius);
        let fit = Dbscan { eps: radius, min_points: params.min_points, engine: params.engine };
        assert_eq!(fit.cluster(vectors.view()).unwrap().count, eps.themes);
        let curve = find(vectors.view(), &vec![""; 300], &params, &[], &Progress::silent()).unwrap().curve;
        assert_eq!(found.k, curve);
    }

    #[test]
    fn the_budget_shows_as_residual() {
        let vectors = mixture(300, 16, 5, 0.9, 9);
        let params = ThemeParams { max_outliers: 0.1, ..Default::default() };
        let found = swept(&vectors, &params);
        for point in found.eps.iter().chain(&found.min_cluster_size) {
            let expected = if point.themes == 0 { point.outliers } else { point.outliers.min(0.1) };
            assert!((point.residual - expected).abs() < 1e-9, "{point:?}");
        }
        for algorithm in [Algorithm::Dbscan, Algorithm::Hdbscan] {
            let params = ThemeParams { algorithm, eps: Some(found.eps[1].value), ..params.clone() };
            let free = ThemeParams { max_outliers: 1.0, ..params.clone() };
            let of = |params: &ThemeParams| {
                find(vectors.view(), &vec![""; 300], params, &[], &Progress::silent()).unwrap()
            };
            let noise =
                |themes: &super::super::Themes| themes.assignment.iter().filter(|t| t.is_none()).count();
            let (settled, before) = (of(&params), of(&free));
            assert_eq!(before.moved, 0);
            if !before.themes.is_empty() {
                assert!(noise(&settled) <= 30, "{}", settled.method);
                assert_eq!(settled.moved, noise(&before) - noise(&settled));
                assert!(settled.moved == 0 || settled.method.contains("max_outliers"), "{}", settled.method);
            }
        }
    }

    #[test]
    fn a_number_between_two_tops_is_moved_to_the_better_closed_one() {
        let curve: Vec<CurvePoint> = (2..60)
            .map(|k| {
                let score = match k {
                    8..=12 => 0.25,
                    45.. => 0.26,
                    _ => 0.2,
                };
                CurvePoint { k, silhouette: score, stability: 1.0, score }
            })
            .collect();
        let tops = tops(&curve);
        let ends: Vec<(usize, usize, bool)> =
            tops.iter().map(|top| (top.from, top.to, top.is_open)).collect();
        assert_eq!(ends, [(8, 12, false), (45, 59, true)]);
        assert_eq!((between(&tops, 25), between(&tops, 50), between(&tops, 1)), (Some(10), None, None));
        assert_eq!(between(&tops[..1], 25), None, "one top: its shoulders count");
    }

    #[test]
    fn few_rows_copies_and_a_sample_are_answered() {
        for rows in [0, 1, 2, 9, 30] {
            let found = swept(&mixture(rows, 8, 2, 0.2, 4), &ThemeParams::default());
            assert_eq!(found.rows, rows);
        }
        let copies = Array2::from_elem((40, 4), 0.5f32);
        let found = swept(&copies, &ThemeParams::default());
        assert_eq!((found.best_k, found.best_eps, found.best_min_cluster_size), (1, None, None));
        let params = ThemeParams { sample: 150, k_max: Some(12), ..Default::default() };
        let found = swept(&mixture(600, 24, 6, 0.35, 3), &params);
        assert_eq!((found.looked_at, found.best_k), (150, 6));
        // Three of the sample are twelve of all.
        assert_eq!(found.min_cluster_size[0].value, 12.0);
        assert_eq!(found.min_cluster_size[found.best_min_cluster_size.unwrap()].themes, 6);
    }
}
