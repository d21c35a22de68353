//! The seam between themes and the algorithms that group rows.

use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

use super::ThemeError;

/// Which cluster each row is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// `n` labels in `0..count`; `None` is noise.
    pub labels: Vec<Option<u32>>,
    /// Number of clusters; none is empty.
    pub count: usize,
}

/// Groups rows.
pub trait Clusterer: Sync {
    /// Groups `vectors`, `(n, d)` finite unit rows, `n` at least 1.
    ///
    /// The same rows in the same order give the same clusters, whatever the number of threads.
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError>;

    /// What it does and with which values, for people.
    fn describe(&self) -> String;
}

impl Clusters {
    /// Clusters numbered by size, largest first, ties by first row; empty ones are gone.
    pub fn ranked(labels: Vec<Option<usize>>) -> Clusters {
        let most = labels.iter().flatten().max().map_or(0, |label| label + 1);
        let mut sizes = vec![0usize; most];
        let mut first = vec![usize::MAX; most];
        for (row, label) in labels.iter().enumerate().filter_map(|(row, label)| label.map(|l| (row, l))) {
            sizes[label] += 1;
            first[label] = first[label].min(row);
        }
        let mut order: Vec<usize> = (0..most).filter(|&label| sizes[label] > 0).collect();
        order.sort_by_key(|&label| (std::cmp::Reverse(sizes[label]), first[label]));
        let mut rank = vec![0u32; most];
        order.iter().zip(0..).for_each(|(&label, place)| rank[label] = place);
        let labels = labels.into_iter().map(|label| label.map(|label| rank[label])).collect();
        Clusters { labels, count: order.len() }
    }

    /// Rows per cluster.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.labels.iter().flatten().for_each(|&label| sizes[label as usize] += 1);
        sizes
    }

    /// Directions of the clusters' means, `(count, d)` unit rows.
    ///
    /// Summed in double precision and row order. A mean that cancels out stays zero.
    pub fn centroids(&self, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut sums = Array2::<f64>::zeros((self.count, vectors.ncols()));
        for (row, label) in vectors.rows().into_iter().zip(&self.labels) {
            if let Some(label) = *label {
                sums.row_mut(label as usize).zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
            }
        }
        for mut sum in sums.axis_iter_mut(Axis(0)) {
            let norm = sum.dot(&sum).sqrt();
            if norm > 1e-9 {
                sum.mapv_inplace(|value| value / norm);
            }
        }
        sums.mapv(|value| value as f32)
    }

    /// The same without clusters under `least` rows: their rows go to the nearest centroid that
    /// stays when `reassign`, else to noise. The largest always stays when `reassign`.
    pub fn without_small(self, least: usize, reassign: bool, vectors: ArrayView2<'_, f32>) -> Clusters {
        let staying = self.sizes().iter().filter(|&&size| size >= least).count();
        let staying = if reassign { staying.max(1) } else { staying };
        if staying >= self.count {
            return self;
        }
        let centroids = self.centroids(vectors);
        let place = |(row, label): (usize, &Option<u32>)| match *label {
            Some(label) if (label as usize) < staying => Some(label as usize),
            Some(_) if reassign => {
                let products = centroids.slice(ndarray::s![..staying, ..]).dot(&vectors.row(row));
                Some(greatest(products.iter().copied()))
            }
            _ => None,
        };
        Clusters::ranked(self.labels.iter().enumerate().map(place).collect())
    }
}

/// At most `most` of `rows` rows, drawn without replacement, ascending. All of them when they fit.
pub fn draw_rows(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut drawn = rand::seq::index::sample(&mut rng, rows, most).into_vec();
    drawn.sort_unstable();
    drawn
}

/// Place of the greatest value, the first of equals; 0 when there is none.
pub fn greatest(values: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, value) in values.enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn clusters_are_ranked_by_size_then_first_row() {
        let clusters = Clusters::ranked(vec![Some(7), None, Some(3), Some(5), Some(5), Some(3)]);
        assert_eq!(clusters.labels, [Some(2), None, Some(0), Some(1), Some(1), Some(0)]);
        assert_eq!(clusters.count, 3);
        assert_eq!(clusters.sizes(), [2, 2, 1]);
        assert_eq!(Clusters::ranked(vec![None, None]).count, 0);
    }

    #[test]
    fn small_clusters_dissolve() {
        let vectors = array![[1.0f32, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.8, 0.6]];
        let clusters = Clusters::ranked(vec![Some(0), Some(0), Some(1), Some(1), Some(2)]);
        let moved = clusters.clone().without_small(2, true, vectors.view());
        assert_eq!(moved.labels, [Some(0), Some(0), Some(1), Some(1), Some(0)]);
        let noise = clusters.clone().without_small(2, false, vectors.view());
        assert_eq!(noise.labels[4], None);
        assert_eq!(clusters.clone().without_small(9, true, vectors.view()).count, 1);
        assert_eq!(clusters.without_small(9, false, vectors.view()).count, 0);
    }
}
