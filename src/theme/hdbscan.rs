//! HDBSCAN*: crowds of any density, without a radius.

use ndarray::ArrayView2;

use super::ThemeError;
use super::blocks::Rows;
use super::cluster::{Clusterer, Clusters};
use super::condensed_tree::CondensedTree;
use super::spanning_tree::spanning_tree;

/// HDBSCAN* (Campello, Moulavi, Sander 2013) with excess of mass; the whole is never a cluster.
#[derive(Debug, Clone)]
pub struct Hdbscan {
    /// Fewest rows of a cluster, at least 2.
    pub min_cluster_size: usize,
    /// The core distance is that to the `min_samples`-th other row, at least 1; `None`: `min_cluster_size`.
    pub min_samples: Option<usize>,
}

/// Clusters with how strongly rows belong to them.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityClusters {
    /// Clusters, noise left out.
    pub clusters: Clusters,
    /// `n` values in 0..=1: `lambda` at which the row left its cluster as a share of the cluster's greatest; 0 for
    /// noise.
    pub strengths: Vec<f32>,
}

impl Clusterer for Hdbscan {
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        Ok(self.fit(vectors)?.clusters)
    }

    fn describe(&self) -> String {
        format!("HDBSCAN, at least {} together, density over {}", self.min_cluster_size, self.min_samples())
    }
}

impl Hdbscan {
    /// Clusters of `vectors`, `(n, d)` finite rows, `n` at least 1, by Euclidean distance.
    ///
    /// Time `O(n^2 d)`, memory `O(n (d + min_samples))`. Equal to Python's `hdbscan` at equal parameters, up to
    /// rows whose edges tie: there both take one of several spanning trees.
    ///
    /// # Errors
    /// `min_cluster_size` under 2, `min_samples` under 1.
    pub fn fit(&self, vectors: ArrayView2<'_, f32>) -> Result<DensityClusters, ThemeError> {
        self.check()?;
        let n = vectors.nrows();
        if n == 0 {
            return Ok(DensityClusters { clusters: Clusters::ranked(Vec::new()), strengths: Vec::new() });
        }
        let rows = Rows::new(vectors);
        let edges = spanning_tree(&rows, self.min_samples());
        let found = CondensedTree::new(n, &edges, self.min_cluster_size).excess_of_mass();
        Ok(DensityClusters { clusters: Clusters::ranked(found.labels), strengths: found.strengths })
    }

    fn min_samples(&self) -> usize {
        self.min_samples.unwrap_or(self.min_cluster_size)
    }

    fn check(&self) -> Result<(), ThemeError> {
        let least = [("min_cluster_size", self.min_cluster_size, 2), ("min_samples", self.min_samples(), 1)];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => Err(ThemeError::Param {
                name,
                value: value.to_string(),
                must: format!("be at least {least}"),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::{Array2, s};
    use serde::Deserialize;

    /// A case of `tests/reference/hdbscan_fixtures.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        rows: Vec<Vec<f32>>,
        min_cluster_size: usize,
        min_samples: usize,
        /// -1 is noise.
        labels: Vec<i64>,
        strengths: Vec<f32>,
    }

    #[test]
    fn clusters_and_strengths_are_those_of_the_python_package() {
        let text = include_str!("../../tests/fixtures/cluster/hdbscan.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let width = case.rows[0].len();
            let vectors = Array2::from_shape_fn((case.rows.len(), width), |(i, j)| case.rows[i][j]);
            let fit =
                Hdbscan { min_cluster_size: case.min_cluster_size, min_samples: Some(case.min_samples) };
            let ours = fit.fit(vectors.view()).unwrap();
            let theirs = case.labels.iter().map(|label| usize::try_from(*label).ok()).collect();
            assert_eq!(ours.clusters, Clusters::ranked(theirs), "{}", case.name);
            for (row, (ours, theirs)) in ours.strengths.iter().zip(&case.strengths).enumerate() {
                assert!((ours - theirs).abs() < 1e-4, "{}: row {row}: {ours} {theirs}", case.name);
            }
        }
    }

    #[test]
    fn few_rows_and_copies_are_answered() {
        let fit = Hdbscan { min_cluster_size: 3, min_samples: None };
        let vectors = mixture(12, 4, 2, 0.1, 1);
        for rows in 0..6 {
            let found = fit.fit(vectors.slice(s![..rows, ..])).unwrap();
            assert_eq!((found.clusters.labels.len(), found.strengths.len()), (rows, rows));
        }
        let copies = Array2::from_elem((20, 4), 0.5f32);
        let found = fit.fit(copies.view()).unwrap();
        assert_eq!((found.clusters.count, found.strengths), (0, vec![0.0; 20]), "the whole is no cluster");
        let two = Array2::from_shape_fn((20, 2), |(row, column)| f32::from(row % 2 == column));
        let found = fit.fit(two.view()).unwrap();
        assert_eq!((found.clusters.sizes(), found.strengths), (vec![10, 10], vec![1.0; 20]));
        let zeros = Array2::<f32>::zeros((7, 3));
        assert_eq!(fit.cluster(zeros.view()).unwrap().count, 0);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let vectors = mixture(12, 4, 2, 0.1, 1);
        for (fit, expected) in [
            (Hdbscan { min_cluster_size: 1, min_samples: None }, "min_cluster_size"),
            (Hdbscan { min_cluster_size: 5, min_samples: Some(0) }, "min_samples"),
        ] {
            let refused = fit.cluster(vectors.view());
            assert!(matches!(refused, Err(ThemeError::Param { name, .. }) if name == expected));
        }
    }
}
