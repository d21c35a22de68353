//! Spherical k-means passes that mend a cut, and whom a row is nearest to.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::cluster::greatest;
use super::score::adjusted_rand;

/// Rows multiplied with all centroids at a time.
const BLOCK: usize = 128;

/// A partition of weighted rows: labels in `0..count`, none of them empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// One per row.
    pub labels: Vec<usize>,
    /// Number of parts.
    pub count: usize,
}

impl Partition {
    /// Labels renumbered by first row, unused ones gone.
    pub fn of(labels: &[usize]) -> Partition {
        let most = labels.iter().max().map_or(0, |label| label + 1);
        let mut numbers = vec![usize::MAX; most];
        let mut count = 0;
        let renumber = |&label: &usize| {
            if numbers[label] == usize::MAX {
                numbers[label] = count;
                count += 1;
            }
            numbers[label]
        };
        let labels = labels.iter().map(renumber).collect();
        Partition { labels, count }
    }

    /// At most `passes` of moving every row to its nearest centroid (Dhillon and Modha, 2001, section 3);
    /// stops when nothing moves. Parts that run empty are gone.
    pub fn refined(mut self, rows: ArrayView2<'_, f32>, weights: &[f32], passes: usize) -> Partition {
        for _ in 0..passes {
            let next = Partition::of(&nearest(rows, self.centroids(rows, weights).view()));
            if next == self {
                break;
            }
            self = next;
        }
        self
    }

    /// Directions of the parts' weighted sums, `(count, d)`; summed in double precision and row order.
    pub fn centroids(&self, rows: ArrayView2<'_, f32>, weights: &[f32]) -> Array2<f32> {
        let mut sums = Array2::<f64>::zeros((self.count, rows.ncols()));
        for ((row, &label), weight) in rows.rows().into_iter().zip(&self.labels).zip(weights) {
            sums.row_mut(label)
                .zip_mut_with(&row, |sum, value| *sum += f64::from(*weight) * f64::from(*value));
        }
        for mut sum in sums.axis_iter_mut(Axis(0)) {
            let norm = sum.dot(&sum).sqrt();
            if norm > 1e-12 {
                sum /= norm;
            }
        }
        sums.mapv(|value| value as f32)
    }

    /// Adjusted Rand index with another partition of the same rows; 1 for equal ones.
    pub fn agreement(&self, other: &Partition, weights: &[f32]) -> f64 {
        let mut cells = vec![vec![0.0; other.count]; self.count];
        for ((&own, &others), weight) in self.labels.iter().zip(&other.labels).zip(weights) {
            cells[own][others] += f64::from(*weight);
        }
        adjusted_rand(&cells)
    }

    /// Sum of weights of each part.
    pub fn sizes(&self, weights: &[f32]) -> Vec<f64> {
        let mut sizes = vec![0.0; self.count];
        self.labels.iter().zip(weights).for_each(|(&label, weight)| sizes[label] += f64::from(*weight));
        sizes
    }
}

/// The centroid with the largest product for each row, the first of equals.
pub fn nearest(rows: ArrayView2<'_, f32>, centroids: ArrayView2<'_, f32>) -> Vec<usize> {
    let of_block = |block: ArrayView2<'_, f32>| {
        let products = block.dot(&centroids.t());
        products.rows().into_iter().map(|row| greatest(row.iter().copied())).collect::<Vec<_>>()
    };
    rows.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().flat_map_iter(of_block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_go_where_they_belong() {
        let rows = array![[1.0f32, 0.0], [0.98, 0.2], [0.0, 1.0], [0.2, 0.98], [0.1, 0.99]];
        let mended = Partition::of(&[5, 2, 2, 2, 2]).refined(rows.view(), &[1.0; 5], 9);
        assert_eq!(mended, Partition { labels: vec![0, 0, 1, 1, 1], count: 2 });
        assert_eq!(mended.sizes(&[1.0, 2.0, 1.0, 1.0, 4.0]), [3.0, 6.0]);
    }

    #[test]
    fn weights_pull() {
        let rows = array![[1.0f32, 0.0], [0.0, 1.0]];
        let centroid = Partition::of(&[0, 0]).centroids(rows.view(), &[3.0, 1.0]);
        assert!((centroid[[0, 0]] / centroid[[0, 1]] - 3.0).abs() < 1e-5);
    }
}
