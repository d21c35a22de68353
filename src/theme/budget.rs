//! The outlier budget: how much noise may stay, and who leaves it first.

use std::cmp::Ordering;

use ndarray::ArrayView2;

use super::cluster::{Clusters, greatest};

/// Clusters after the budget was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Noise over the budget is in the cluster of the nearest centroid.
    pub clusters: Clusters,
    /// Rows moved in.
    pub moved: usize,
    /// Rows that stay noise.
    pub residual: usize,
}

/// Moves noise into the cluster of the nearest centroid, the nearest rows first, until its share of
/// all rows is at most `max_outliers`, 0..=1; 1 moves nothing.
///
/// `vectors`: `(n, d)` unit rows; near is by cosine, equals in row order. Centroids are those before
/// any row moved: who comes in does not pull others after it. Without a cluster there is nowhere to
/// go and all noise stays.
pub fn settle(clusters: Clusters, vectors: ArrayView2<'_, f32>, max_outliers: f64) -> Settled {
    let noise = clusters.labels.iter().filter(|label| label.is_none()).count();
    let over = noise.saturating_sub(allowed(clusters.labels.len(), max_outliers));
    if over == 0 || clusters.count == 0 {
        return Settled { clusters, moved: 0, residual: noise };
    }
    let centroids = clusters.centroids(vectors);
    let mut outliers: Vec<(f32, usize, usize)> = Vec::with_capacity(noise);
    for (row, _) in clusters.labels.iter().enumerate().filter(|(_, label)| label.is_none()) {
        let cosines = centroids.dot(&vectors.row(row));
        let nearest = greatest(cosines.iter().copied());
        outliers.push((cosines[nearest], row, nearest));
    }
    outliers.sort_by(nearest_first);
    let mut labels: Vec<Option<usize>> =
        clusters.labels.iter().map(|label| label.map(|label| label as usize)).collect();
    outliers[..over].iter().for_each(|&(_, row, nearest)| labels[row] = Some(nearest));
    Settled { clusters: Clusters::ranked(labels), moved: over, residual: noise - over }
}

/// Most rows that may be noise: `max_outliers` of `rows`, rounded down but for the rounding of the product.
fn allowed(rows: usize, max_outliers: f64) -> usize {
    (max_outliers * rows as f64 + 1e-9) as usize
}

fn nearest_first(a: &(f32, usize, usize), b: &(f32, usize, usize)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Two bundles of ten rows on the axes; outliers at growing angles from the first axis.
    fn planted() -> (Array2<f32>, Clusters) {
        let angles: Vec<f32> = (0..10)
            .map(|i| 0.001 * i as f32)
            .chain((0..10).map(|i| 1.5708 + 0.001 * i as f32))
            .chain([0.9, 0.2, 0.5, -0.1, 1.2])
            .collect();
        let vectors = Array2::from_shape_fn((25, 2), |(i, j)| match j {
            0 => angles[i].cos(),
            _ => angles[i].sin(),
        });
        let labels = (0..25).map(|row| (row < 20).then_some(row / 10)).collect();
        (vectors, Clusters::ranked(labels))
    }

    #[test]
    fn the_nearest_move_first_until_the_budget_is_met() {
        let (vectors, clusters) = planted();
        let settled = settle(clusters.clone(), vectors.view(), 0.08);
        assert_eq!((settled.moved, settled.residual), (3, 2));
        // By angle to the nearest bundle: 0.1 (row 23), 0.2 (21), 0.37 (24), 0.5 (22), 0.67 (20).
        assert_eq!(settled.clusters.labels[20..], [None, Some(0), None, Some(0), Some(1)]);
        assert_eq!(settled.clusters.sizes(), [12, 11]);
        let all = settle(clusters.clone(), vectors.view(), 0.0);
        assert_eq!((all.moved, all.residual), (5, 0));
        assert_eq!(all.clusters.labels[20], Some(1));
        assert_eq!(all, settle(clusters, vectors.view(), 0.0));
    }

    #[test]
    fn a_budget_that_is_met_moves_nothing() {
        let (vectors, clusters) = planted();
        for budget in [0.2, 0.5, 1.0] {
            let settled = settle(clusters.clone(), vectors.view(), budget);
            assert_eq!((&settled.clusters, settled.moved, settled.residual), (&clusters, 0, 5), "{budget}");
        }
        assert_eq!((allowed(20, 0.15), allowed(10, 0.3), allowed(7, 0.5)), (3, 3, 3));
    }

    #[test]
    fn without_a_cluster_all_stays_noise() {
        let (vectors, _) = planted();
        let settled = settle(Clusters::ranked(vec![None; 25]), vectors.view(), 0.0);
        assert_eq!((settled.moved, settled.residual), (0, 25));
    }
}
