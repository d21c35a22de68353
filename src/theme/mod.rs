//! Themes: what users come for, from the vectors of their conversations.
//!
//! A request's vector goes through a [`Clusterer`]; its clusters get a centroid, keywords, a name
//! and the request that speaks for them. Unless told, the number of themes is chosen from the data.

pub mod agglomerate;
mod assignment;
mod blocks;
mod budget;
mod carry;
pub mod choose;
pub mod cluster;
mod coarse;
mod condensed_tree;
pub mod curation;
mod dbscan;
mod distance;
mod distinct;
mod hdbscan;
mod kmeans;
pub mod ledger;
mod lloyd;
pub mod map;
pub mod naming;
mod one_to_one;
mod params;
mod refine;
pub mod represent;
mod sample;
pub mod score;
mod silhouette;
mod smooth;
mod spanning_tree;
pub mod trend;
pub mod tune;
mod union_find;
mod ward;
mod words;

use ndarray::{Array2, ArrayView1, ArrayView2, aview1};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
pub use agglomerate::Agglomeration;
pub use blocks::Engine;
pub use choose::CurvePoint;
pub use cluster::{Clusterer, Clusters};
pub use dbscan::Dbscan;
pub use hdbscan::Hdbscan;
pub use kmeans::{KMeans, spread_start};
pub use lloyd::{Geometry, Lloyd};
pub use naming::{Encode, Given, Separation, describe, encode_with, remembering};
pub use params::{Algorithm, K, ThemeParams};
pub use score::{Scores, score};

/// Starts tried for the final fit, against an unlucky first draw.
const STARTS: usize = 3;

/// Rows of a mini-batch.
const BATCH: usize = 1_024;

/// Themes cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// A parameter is out of range.
    #[error("themes.{name} = {value} must {must}")]
    Param {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must do.
        must: String,
    },
    /// Vectors and texts are not of the same rows.
    #[error("{vectors} vectors but {texts} texts: each row needs both")]
    Rows {
        /// Vectors given.
        vectors: usize,
        /// Texts given.
        texts: usize,
    },
    /// A vector holds NaN or an infinity.
    #[error("the vector of row {row} holds {value}: re-embed it or leave it out")]
    NotFinite {
        /// Its row.
        row: usize,
        /// The first such value.
        value: f32,
    },
    /// The algorithm gave up.
    #[error("{algorithm}: {reason}")]
    Fit {
        /// Which one.
        algorithm: &'static str,
        /// What it said.
        reason: String,
    },
    /// A label could not be embedded.
    #[error("names could not be embedded: {0}")]
    Encode(String),
}

/// One thing users come for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Theme {
    /// The label of its rows; as [`find`] numbers them 0 is the largest, ties by first row.
    pub id: u32,
    /// Short title, unique among the themes: the one it keeps, else `automatic_name` or the next best that is free.
    pub name: String,
    /// The title that its rows would have it called; another than `name` where that was given before.
    pub automatic_name: String,
    /// Telling words and pairs of words, strongest first. May be empty.
    pub keywords: Vec<String>,
    /// Row nearest to the centroid.
    pub representative: usize,
    /// Rows in it.
    pub size: usize,
    /// Direction of the rows' mean, `d` values of unit length.
    pub centroid: Vec<f32>,
    /// How well the name alone finds held-out members; `None` without an encoder, or with too few.
    pub separation: Option<Separation>,
}

/// All themes of a set of rows, and which row is in which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Themes {
    /// Largest first.
    pub themes: Vec<Theme>,
    /// `n` theme ids; `None` is noise.
    pub assignment: Vec<Option<u32>>,
    /// `n` cosines, -1..=1, of each row to its own centroid; 0 for noise.
    pub similarity: Vec<f32>,
    /// What was tried to choose the number of themes, by rising `k`; empty when it was given.
    pub curve: Vec<CurvePoint>,
    /// Radius used (DBSCAN).
    pub eps: Option<f64>,
    /// Rows that the budget `max_outliers` moved out of the noise.
    pub moved: usize,
    /// How they were found, one line for people.
    pub method: String,
}

impl Themes {
    /// Names the themes anew with the encoder: titles and keywords by what they mean, scored.
    ///
    /// `vectors`, `texts`: the rows they were found in. `given`: titles from before.
    ///
    /// # Errors
    /// As [`describe`].
    pub fn describe(
        &mut self,
        vectors: ArrayView2<'_, f32>,
        texts: &[&str],
        params: &ThemeParams,
        encode: &mut Encode<'_>,
        given: &Given<'_>,
    ) -> Result<(), ThemeError> {
        self.themes = describe(vectors, texts, &self.assignment, params, Some(encode), given)?;
        Ok(())
    }
}

/// Finds the themes of `vectors`, `(n, d)` unit rows; `texts` holds one request per row, for names.
///
/// Names come from words alone; [`Themes::describe`] names with the encoder.
/// `warm` holds the centroids of last night's themes, `d` values each, none on a first night: rows stay with
/// them unless a fresh look is clearly better ([`carry`]). Density needs none.
///
/// The same rows in the same order give the same themes, whatever the number of threads.
///
/// # Errors
/// Parameters out of range, rows that do not match, vectors that are not finite.
pub fn find(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    warm: &[Vec<f32>],
    progress: &Progress,
) -> Result<Themes, ThemeError> {
    params.validate()?;
    check_rows(vectors, texts)?;
    if vectors.nrows() == 0 {
        return Ok(Themes { method: "no rows".into(), ..Themes::default() });
    }
    let found = group(vectors, texts, params, warm, progress)?.within(params.max_outliers, vectors);
    let themes = describe(vectors, texts, &found.clusters.labels, params, None, &Given::default())?;
    let similarity = similarities(vectors, &found.clusters, &themes);
    progress.finish(&format!("{} themes", themes.len()));
    Ok(Themes {
        themes,
        assignment: found.clusters.labels,
        similarity,
        curve: found.curve,
        eps: found.eps,
        moved: found.moved,
        method: found.method,
    })
}

fn check_rows(vectors: ArrayView2<'_, f32>, texts: &[&str]) -> Result<(), ThemeError> {
    if vectors.nrows() != texts.len() {
        return Err(ThemeError::Rows { vectors: vectors.nrows(), texts: texts.len() });
    }
    check_finite(vectors)
}

fn check_finite(vectors: ArrayView2<'_, f32>) -> Result<(), ThemeError> {
    match vectors.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, _), &value)) => Err(ThemeError::NotFinite { row, value }),
        None => Ok(()),
    }
}

/// Clusters, and what choosing them was based on.
struct Found {
    clusters: Clusters,
    curve: Vec<CurvePoint>,
    eps: Option<f64>,
    moved: usize,
    method: String,
}

impl Found {
    fn new(clusters: Clusters, curve: Vec<CurvePoint>, method: String) -> Found {
        Found { clusters, curve, eps: None, moved: 0, method }
    }

    /// Noise over the budget moved in, and said.
    fn within(self, max_outliers: f64, vectors: ArrayView2<'_, f32>) -> Found {
        let rows = self.clusters.labels.len();
        let settled = budget::settle(self.clusters, vectors, max_outliers);
        let mut method = self.method;
        if settled.moved > 0 {
            let (moved, residual) = (settled.moved, settled.residual);
            let before = moved + residual;
            let share = residual as f64 / rows as f64 * 100.0;
            method += &format!(
                "; {moved} of {before} outliers moved to the nearest theme (max_outliers = {max_outliers}), \
                 {residual} left ({share:.1} %)"
            );
        }
        Found { clusters: settled.clusters, moved: settled.moved, method, ..self }
    }
}

/// Fits the algorithm that `params` names, with what it leaves open taken from the data.
fn group(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    warm: &[Vec<f32>],
    progress: &Progress,
) -> Result<Found, ThemeError> {
    match (params.algorithm, params.k) {
        (Algorithm::Dbscan, _) => group_by_density(vectors, params, progress),
        (Algorithm::Hdbscan, _) => {
            progress.begin("themes", Some(1), "fits");
            let fit = Hdbscan { min_cluster_size: params.min_cluster_size, min_samples: params.min_samples };
            let clusters = fit.cluster(vectors)?;
            Ok(Found::new(clusters, Vec::new(), fit.describe()))
        }
        (Algorithm::KMeans | Algorithm::MiniBatch, K::Fixed(k)) => {
            progress.begin("themes", Some(1), "fits");
            let fit = KMeans { warm: warm.to_vec(), ..kmeans(k, params) };
            let clusters = fit.cluster(vectors)?;
            Ok(Found::new(clusters, Vec::new(), fit.describe()))
        }
        (Algorithm::KMeans | Algorithm::MiniBatch, K::Auto) => {
            // Chosen as for the tree; its own inertia only ever falls.
            let (chosen, curve) = agglomerate(vectors, texts, params, warm, progress);
            let warm = match warm.len() {
                0 => Vec::new(),
                count if count == chosen.count => warm.to_vec(),
                _ => rows_of(&chosen.centroids(vectors)),
            };
            let fit = KMeans { warm, ..kmeans(chosen.count, params) };
            let clusters = fit.cluster(vectors)?.without_small(params.min_size, true, vectors);
            let method = chosen_method(fit.describe(), &curve);
            Ok(Found::new(clusters, curve, method))
        }
        (Algorithm::Ward, _) => {
            let (clusters, curve) = agglomerate(vectors, texts, params, warm, progress);
            let clusters = match params.k {
                K::Fixed(_) => clusters,
                K::Auto => clusters.without_small(params.min_size, true, vectors),
            };
            let fit = Agglomeration { k: Some(clusters.count), ..agglomeration(params) };
            let method = chosen_method(fit.describe(), &curve);
            Ok(Found::new(clusters, curve, method))
        }
    }
}

fn agglomerate(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    warm: &[Vec<f32>],
    progress: &Progress,
) -> (Clusters, Vec<CurvePoint>) {
    let fit = Agglomeration { warm: warm.to_vec(), ..agglomeration(params) };
    progress.begin("themes", Some(if fit.k.is_some() { 1 } else { 1 + choose::REFITS }), "fits");
    fit.fit(vectors, texts, progress)
}

fn agglomeration(params: &ThemeParams) -> Agglomeration {
    let k = match params.k {
        K::Fixed(k) => Some(k),
        K::Auto => None,
    };
    Agglomeration {
        k,
        k_max: params.k_max,
        sample: params.sample,
        least_rows: params.min_size,
        warm: Vec::new(),
        seed: params.seed,
    }
}

fn chosen_method(method: String, curve: &[CurvePoint]) -> String {
    match curve.last() {
        Some(last) => format!("{method}, chosen by silhouette and stability from 2 to {}", last.k),
        None => method,
    }
}

fn group_by_density(
    vectors: ArrayView2<'_, f32>,
    params: &ThemeParams,
    progress: &Progress,
) -> Result<Found, ThemeError> {
    progress.begin("themes", Some(1), "fits");
    let eps = match params.eps {
        Some(eps) => eps,
        None => dbscan::find_radius(vectors, params.min_points, params.sample, params.seed)?,
    };
    let fit = Dbscan { eps, min_points: params.min_points, engine: params.engine };
    let clusters = fit.cluster(vectors)?.without_small(params.min_size, false, vectors);
    let from = if params.eps.is_some() { "" } else { ", radius from the data" };
    let method = format!("{}{from}", fit.describe());
    Ok(Found { eps: Some(fit.eps), ..Found::new(clusters, Vec::new(), method) })
}

fn rows_of(matrix: &Array2<f32>) -> Vec<Vec<f32>> {
    matrix.rows().into_iter().map(|row| row.to_vec()).collect()
}

fn kmeans(k: usize, params: &ThemeParams) -> KMeans {
    KMeans {
        k,
        starts: STARTS,
        sample: params.sample,
        warm: Vec::new(),
        seed: params.seed,
        engine: params.engine,
        geometry: Geometry::Euclidean,
        batch: (params.algorithm == Algorithm::MiniBatch).then_some(BATCH),
    }
}

/// Cosine of each row to its own theme's centroid; 0 for noise.
fn similarities(vectors: ArrayView2<'_, f32>, clusters: &Clusters, themes: &[Theme]) -> Vec<f32> {
    let cosine = |(row, label): (ArrayView1<'_, f32>, &Option<u32>)| {
        label.map_or(0.0, |label| row.dot(&aview1(&themes[label as usize].centroid)).clamp(-1.0, 1.0))
    };
    vectors.rows().into_iter().zip(&clusters.labels).map(cosine).collect()
}

#[cfg(test)]
mod tests;
