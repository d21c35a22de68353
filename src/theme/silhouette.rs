//! How well clusters hold together against how far apart they lie.

use ndarray::{ArrayView2, Axis};

use super::cluster::Clusters;

/// Rows multiplied at a time: the products of one block stay in cache.
const BLOCK: usize = 256;

/// Mean silhouette in -1..=1 (Rousseeuw 1987) with cosine distance; 0 for fewer than two clusters.
///
/// `vectors`: `(n, d)` unit rows. Exact, though no pair of rows is ever formed: the mean cosine
/// between a row and a set of unit rows is its product with the set's mean. Rows alone in their
/// cluster count as 0, as Rousseeuw has it; noise is left out.
pub fn silhouette(vectors: ArrayView2<'_, f32>, clusters: &Clusters) -> f64 {
    if clusters.count < 2 {
        return 0.0;
    }
    let sizes = clusters.sizes();
    let means = means(vectors, clusters, &sizes);
    let (mut sum, mut rows) = (0.0, 0usize);
    for (block, labels) in vectors.axis_chunks_iter(Axis(0), BLOCK).zip(clusters.labels.chunks(BLOCK)) {
        let cosines = block.dot(&means.t());
        for (cosines, label) in cosines.rows().into_iter().zip(labels) {
            let Some(own) = label.map(|label| label as usize) else { continue };
            rows += 1;
            if sizes[own] > 1 {
                sum += of_row(cosines.as_slice().unwrap_or(&[]), own, sizes[own] as f64);
            }
        }
    }
    sum / rows.max(1) as f64
}

fn means(vectors: ArrayView2<'_, f32>, clusters: &Clusters, sizes: &[usize]) -> ndarray::Array2<f32> {
    let mut means = ndarray::Array2::<f32>::zeros((clusters.count, vectors.ncols()));
    for (row, label) in vectors.rows().into_iter().zip(&clusters.labels) {
        if let Some(label) = *label {
            means.row_mut(label as usize).scaled_add(1.0, &row);
        }
    }
    for (mut mean, &size) in means.rows_mut().into_iter().zip(sizes) {
        mean /= size as f32;
    }
    means
}

/// `(b - a) / max(a, b)`, where the row itself leaves its own cluster's mean.
fn of_row(cosines: &[f32], own: usize, size: f64) -> f64 {
    let within = 1.0 - (f64::from(cosines[own]) * size - 1.0) / (size - 1.0);
    let others = cosines.iter().enumerate().filter(|(label, _)| *label != own).map(|(_, cosine)| *cosine);
    let nearest = 1.0 - f64::from(others.fold(f32::NEG_INFINITY, f32::max));
    let larger = within.max(nearest);
    if larger > 1e-9 { (nearest - within) / larger } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// The definition, pair by pair.
    fn by_pairs(vectors: &Array2<f32>, labels: &[u32]) -> f64 {
        let distance = |i: usize, j: usize| 1.0 - f64::from(vectors.row(i).dot(&vectors.row(j)));
        let to = |i: usize, label: u32| {
            let there: Vec<usize> = (0..labels.len()).filter(|&j| j != i && labels[j] == label).collect();
            there.iter().map(|&j| distance(i, j)).sum::<f64>() / there.len() as f64
        };
        let of = |i: usize| {
            let a = to(i, labels[i]);
            let b =
                (0..3).filter(|&label| label != labels[i]).map(|label| to(i, label)).fold(f64::MAX, f64::min);
            if a.is_nan() { 0.0 } else { (b - a) / a.max(b) }
        };
        (0..labels.len()).map(of).sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn agrees_with_the_definition() {
        let angles = [0.0f32, 0.2, 0.3, 1.2, 1.4, 2.9];
        let vectors =
            Array2::from_shape_fn((6, 2), |(i, j)| if j == 0 { angles[i].cos() } else { angles[i].sin() });
        let labels = [0, 0, 0, 1, 1, 2];
        let clusters = Clusters { labels: labels.iter().map(|&l| Some(l)).collect(), count: 3 };
        assert!((silhouette(vectors.view(), &clusters) - by_pairs(&vectors, &labels)).abs() < 1e-5);
    }

    #[test]
    fn one_cluster_has_none() {
        let clusters = Clusters { labels: vec![Some(0), Some(0)], count: 1 };
        assert_eq!(silhouette(array![[1.0f32], [1.0]].view(), &clusters), 0.0);
    }
}
