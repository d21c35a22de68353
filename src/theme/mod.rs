//! Themes: what users come for, from the vectors of their conversations.
//!
//! A request's vector goes through a [`Clusterer`]; its clusters get a centroid, keywords, a name
//! and the request that speaks for them. Unless told, the number of themes is chosen from the data.

pub mod agglomerate;
mod assignment;
mod blocks;
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
mod label;
pub mod ledger;
mod lloyd;
pub mod map;
mod name;
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
}

/// One thing users come for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Theme {
    /// 0 is the largest; ties by first row.
    pub id: u32,
    /// Short title, unique among the themes.
    pub name: String,
    /// Telling words and pairs of words, strongest first. May be empty.
    pub keywords: Vec<String>,
    /// Row nearest to the centroid.
    pub representative: usize,
    /// Rows in it.
    pub size: usize,
    /// Direction of the rows' mean, `d` values of unit length.
    pub centroid: Vec<f32>,
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
    /// How they were found, one line for people.
    pub method: String,
}

/// Finds the themes of `vectors`, `(n, d)` unit rows; `texts` holds one request per row, for names.
///
/// The same rows in the same order give the same themes, whatever the number of threads.
///
/// # Errors
/// Parameters out of range, rows that do not match, vectors that are not finite.
pub fn find(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    progress: &Progress,
) -> Result<Themes, ThemeError> {
    params.validate()?;
    check_rows(vectors, texts)?;
    if vectors.nrows() == 0 {
        return Ok(Themes { method: "no rows".into(), ..Themes::default() });
    }
    let found = group(vectors, texts, params, progress)?;
    let themes = describe(vectors, texts, &found.clusters, params.keywords);
    let similarity = similarities(vectors, &found.clusters, &themes);
    progress.finish(&format!("{} themes", themes.len()));
    Ok(Themes {
        themes,
        assignment: found.clusters.labels,
        similarity,
        curve: found.curve,
        eps: found.eps,
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
    method: String,
}

/// Fits the algorithm that `params` names, with what it leaves open taken from the data.
fn group(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    progress: &Progress,
) -> Result<Found, ThemeError> {
    match (params.algorithm, params.k) {
        (Algorithm::Dbscan, _) => group_by_density(vectors, params, progress),
        (Algorithm::Hdbscan, _) => {
            progress.begin("themes", Some(1), "fits");
            let fit = Hdbscan { min_cluster_size: params.min_cluster_size, min_samples: params.min_samples };
            let clusters = fit.cluster(vectors)?;
            Ok(Found { clusters, curve: Vec::new(), eps: None, method: fit.describe() })
        }
        (Algorithm::KMeans | Algorithm::MiniBatch, K::Fixed(k)) => {
            progress.begin("themes", Some(1), "fits");
            let fit = kmeans(k, params);
            let clusters = fit.cluster(vectors)?;
            Ok(Found { clusters, curve: Vec::new(), eps: None, method: fit.describe() })
        }
        (Algorithm::KMeans | Algorithm::MiniBatch, K::Auto) => {
            // Chosen as for the tree; its own inertia only ever falls.
            let (chosen, curve) = agglomerate(vectors, texts, params, progress);
            let fit = kmeans(chosen.count, params);
            let clusters = fit.cluster(vectors)?.without_small(params.min_size, true, vectors);
            Ok(Found { clusters, method: chosen_method(fit.describe(), &curve), curve, eps: None })
        }
        (Algorithm::Ward, _) => {
            let (clusters, curve) = agglomerate(vectors, texts, params, progress);
            let clusters = match params.k {
                K::Fixed(_) => clusters,
                K::Auto => clusters.without_small(params.min_size, true, vectors),
            };
            let fit = Agglomeration { k: Some(clusters.count), ..agglomeration(params) };
            let method = fit.describe();
            Ok(Found { method: chosen_method(method, &curve), clusters, curve, eps: None })
        }
    }
}

fn agglomerate(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    params: &ThemeParams,
    progress: &Progress,
) -> (Clusters, Vec<CurvePoint>) {
    let fit = agglomeration(params);
    progress.begin("themes", Some(if fit.k.is_some() { 1 } else { 1 + choose::REFITS }), "fits");
    fit.fit(vectors, texts, progress)
}

fn agglomeration(params: &ThemeParams) -> Agglomeration {
    let k = match params.k {
        K::Fixed(k) => Some(k),
        K::Auto => None,
    };
    Agglomeration { k, k_max: params.k_max, sample: params.sample, seed: params.seed }
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
    Ok(Found { clusters, curve: Vec::new(), eps: Some(fit.eps), method: format!("{}{from}", fit.describe()) })
}

fn kmeans(k: usize, params: &ThemeParams) -> KMeans {
    KMeans {
        k,
        starts: STARTS,
        sample: params.sample,
        seed: params.seed,
        engine: params.engine,
        geometry: Geometry::Euclidean,
        batch: (params.algorithm == Algorithm::MiniBatch).then_some(BATCH),
    }
}

/// Centroid, keywords, name and representative of every cluster.
fn describe(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    clusters: &Clusters,
    keywords: usize,
) -> Vec<Theme> {
    let centroids = clusters.centroids(vectors);
    let members = members(vectors, clusters, &centroids);
    let terms = label::terms(texts, &members);
    let names = name::names(texts, &members, &terms);
    let theme = |(id, name): (usize, String)| Theme {
        id: id as u32,
        name,
        keywords: terms[id].keywords.iter().take(keywords).map(|term| term.text.clone()).collect(),
        representative: members[id][0],
        size: members[id].len(),
        centroid: centroids.row(id).to_vec(),
    };
    names.into_iter().enumerate().map(theme).collect()
}

/// Rows of each cluster, the most central first, equals in row order.
fn members(vectors: ArrayView2<'_, f32>, clusters: &Clusters, centroids: &Array2<f32>) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<(f32, usize)>> = vec![Vec::new(); clusters.count];
    for (row, label) in clusters.labels.iter().enumerate() {
        if let Some(label) = label.map(|label| label as usize) {
            members[label].push((vectors.row(row).dot(&centroids.row(label)), row));
        }
    }
    let central = |mut rows: Vec<(f32, usize)>| {
        rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        rows.into_iter().map(|(_, row)| row).collect()
    };
    members.into_iter().map(central).collect()
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
