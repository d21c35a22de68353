//! What a caller may set about themes, checked once.

use serde::{Deserialize, Serialize};

use super::ThemeError;
use super::blocks::Engine;

/// How rows are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Smoothed rows, Ward's tree cut into k clusters, mended by k-means.
    Ward,
    /// Every row belongs to the nearest of k centroids.
    KMeans,
    /// The same, centroids moved by batches of rows (Sculley, 2010).
    MiniBatch,
    /// Dense regions are themes; the rest is noise.
    Dbscan,
    /// The same without a radius.
    Hdbscan,
}

/// Number of themes, for Ward and k-means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum K {
    /// Chosen from the data, see [`super::choose`].
    Auto,
    /// Given: that many, or one per distinct row where there are fewer.
    Fixed(usize),
}

/// How themes are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThemeParams {
    /// How rows are grouped.
    pub algorithm: Algorithm,
    /// Number of themes (Ward, k-means).
    pub k: K,
    /// Largest number that `K::Auto` considers, at least 1; `None`: from the number of rows.
    pub k_max: Option<usize>,
    /// Rows that choosing k, the radius and the first centroids looks at, at least 2.
    pub sample: usize,
    /// Radius in 0..=2, as distance between unit vectors (DBSCAN); `None`: from the data.
    pub eps: Option<f64>,
    /// Whose code fits k-means and DBSCAN.
    pub engine: Engine,
    /// Fewest rows of a theme, at least 2 (HDBSCAN).
    pub min_cluster_size: usize,
    /// Other rows that a core distance reaches over, at least 1 (HDBSCAN); `None`: `min_cluster_size`.
    pub min_samples: Option<usize>,
    /// Rows within the radius, itself included, that make a row dense, at least 2 (DBSCAN).
    pub min_points: usize,
    /// Smallest theme, at least 1. Rows of smaller ones go to the nearest other theme (k-means
    /// with automatic k) or to noise (DBSCAN). A given k is kept as given.
    pub min_size: usize,
    /// Largest share of rows left as noise, 0..=1 (DBSCAN, HDBSCAN): those over it move to the theme of the
    /// nearest centroid, nearest first. 1 leaves noise as the algorithm says.
    pub max_outliers: f64,
    /// Seeds every draw.
    pub seed: u64,
    /// Keywords kept per theme.
    pub keywords: usize,
}

impl Default for ThemeParams {
    fn default() -> ThemeParams {
        ThemeParams {
            algorithm: Algorithm::Ward,
            k: K::Auto,
            k_max: None,
            sample: 5_000,
            eps: None,
            engine: Engine::default(),
            min_cluster_size: 10,
            min_samples: None,
            min_points: 8,
            min_size: 5,
            max_outliers: 1.0,
            seed: 0,
            keywords: 8,
        }
    }
}

impl ThemeParams {
    /// Refuses values out of range, naming the first one.
    pub fn validate(&self) -> Result<(), ThemeError> {
        let least = [
            ("k_max", self.k_max.unwrap_or(1), 1),
            ("sample", self.sample, 2),
            ("min_cluster_size", self.min_cluster_size, 2),
            ("min_samples", self.min_samples.unwrap_or(1), 1),
            ("min_points", self.min_points, 2),
            ("min_size", self.min_size, 1),
            ("k", if let K::Fixed(k) = self.k { k } else { 1 }, 1),
        ];
        for (name, value, least) in least {
            if value < least {
                return Err(ThemeError::Param {
                    name,
                    value: value.to_string(),
                    must: format!("be at least {least}"),
                });
            }
        }
        if !(0.0..=1.0).contains(&self.max_outliers) {
            return Err(ThemeError::Param {
                name: "max_outliers",
                value: self.max_outliers.to_string(),
                must: "be between 0 and 1".into(),
            });
        }
        match self.eps {
            Some(eps) if !(eps > 0.0 && eps <= 2.0) => Err(ThemeError::Param {
                name: "eps",
                value: eps.to_string(),
                must: "be above 0 and at most 2".into(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        assert!(ThemeParams::default().validate().is_ok());
        let bad = [
            (ThemeParams { k: K::Fixed(0), ..Default::default() }, "k"),
            (ThemeParams { k_max: Some(0), ..Default::default() }, "k_max"),
            (ThemeParams { min_points: 1, ..Default::default() }, "min_points"),
            (ThemeParams { eps: Some(f64::NAN), ..Default::default() }, "eps"),
            (ThemeParams { eps: Some(2.5), ..Default::default() }, "eps"),
            (ThemeParams { max_outliers: -0.1, ..Default::default() }, "max_outliers"),
            (ThemeParams { max_outliers: f64::NAN, ..Default::default() }, "max_outliers"),
        ];
        for (params, expected) in bad {
            let error = params.validate().expect_err(expected);
            assert!(matches!(error, ThemeError::Param { name, .. } if name == expected), "{error}");
        }
    }
}
