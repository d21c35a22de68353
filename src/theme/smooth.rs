//! Neighbourhood smoothing: each request moved towards those most like it, before themes are cut.
//!
//! One request's wording is noise; what its neighbours share is the intent. A few steps of a random
//! walk on the graph of nearest neighbours (Szummer and Jaakkola, 2001; the smoothing of Li et al.,
//! 2018, section 3) bring near-synonyms together and leave gaps where there are some.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::words::Words;

/// Share of the common direction that is taken away first: all requests of a product are alike in it.
const CENTRE: f32 = 0.5;
/// Share of words in common in who is near whom.
const WORDS: f32 = 0.3;
/// Fewest neighbours a row is smoothed with.
const FEWEST_NEIGHBOURS: usize = 5;
/// Steps on the graph; neighbours are found anew before each.
const STEPS: usize = 2;
/// Nearest neighbours that steady a row before its silhouette is taken, and the weight of each.
const STEADYING: usize = 3;
const STEADYING_WEIGHT: f32 = 0.75;
/// Rows multiplied with all others at a time.
const BLOCK: usize = 64;

/// Rows prepared for clustering.
#[derive(Debug, Clone)]
pub struct Smoothed {
    /// `(n, d)` unit rows after all steps: what is clustered.
    pub rows: Array2<f32>,
    /// `(n, d)` unit rows only just steadied: what a clustering is judged on. Fully smoothed rows
    /// would flatter every clustering of them.
    pub judged: Array2<f32>,
}

/// Rows of unit length with `CENTRE` of their weighted mean taken away; a zero row stays zero.
pub fn centred(rows: ArrayView2<'_, f32>, weights: &[f32]) -> Array2<f32> {
    let mut mean = Array1::<f64>::zeros(rows.ncols());
    for (row, weight) in rows.rows().into_iter().zip(weights) {
        mean.zip_mut_with(&row, |mean, value| *mean += f64::from(*weight) * f64::from(*value));
    }
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mean = mean.mapv(|sum| (sum / total.max(1e-9)) as f32 * CENTRE);
    let mut rows = &rows - &mean;
    rows.axis_iter_mut(Axis(0)).into_par_iter().for_each(scale);
    rows
}

/// Nearest neighbours each of `rows` rows is smoothed with; an edge counts in both directions.
///
/// A graph of nearest neighbours is connected when their number grows with the logarithm of the rows
/// (Brito et al., 1997). With `log2(n) - 4`: 5 up to 724 rows, 8 from 2,897 to 5,000.
fn neighbour_count(rows: usize) -> usize {
    ((rows.max(1) as f64).log2().round() as usize).saturating_sub(4).max(FEWEST_NEIGHBOURS)
}

/// Smooths `rows`, `(n, d)` centred unit rows; `words` are of the same rows.
pub fn smooth(rows: &Array2<f32>, words: &Words) -> Smoothed {
    let mut smoothed = rows.clone();
    let mut judged = None;
    for _ in 0..STEPS {
        let near = neighbours(smoothed.view(), words, neighbour_count(rows.nrows()));
        judged.get_or_insert_with(|| steady(rows, &near));
        smoothed = step(&smoothed, &near);
    }
    Smoothed { rows: smoothed, judged: judged.unwrap_or_else(|| rows.clone()) }
}

/// Rows that were not among `known`, each moved towards those most like it there.
///
/// `rows`: `(m, d)`; `known`, `smoothed`: `(n, d)`, before and after smoothing.
pub fn smooth_like(rows: ArrayView2<'_, f32>, known: &Array2<f32>, smoothed: &Array2<f32>) -> Array2<f32> {
    let count = neighbour_count(known.nrows());
    let mut moved = rows.to_owned();
    moved.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().for_each(|mut block| {
        let cosines = block.dot(&known.t());
        for (mut row, cosines) in block.rows_mut().into_iter().zip(cosines.rows()) {
            for (other, cosine) in largest(cosines, usize::MAX, count) {
                row.scaled_add(cosine.max(0.0), &smoothed.row(other));
            }
            scale(row);
        }
    });
    moved
}

/// The `most` nearest other rows of each row with their similarities, nearest first, ties by row.
fn neighbours(rows: ArrayView2<'_, f32>, words: &Words, most: usize) -> Vec<Vec<(usize, f32)>> {
    let starts: Vec<usize> = (0..rows.nrows()).step_by(BLOCK).collect();
    let of_block = |start: &usize| {
        let block = rows.slice(ndarray::s![*start..rows.nrows().min(start + BLOCK), ..]);
        let mut cosines = block.dot(&rows.t());
        words.blend(*start, &mut cosines, WORDS);
        let near = |(i, cosines): (usize, ArrayView1<'_, f32>)| largest(cosines, start + i, most);
        cosines.rows().into_iter().enumerate().map(near).collect::<Vec<_>>()
    };
    starts.par_iter().flat_map_iter(of_block).collect()
}

/// Places and values of the `most` largest, the place `but` left out.
fn largest(values: ArrayView1<'_, f32>, but: usize, most: usize) -> Vec<(usize, f32)> {
    let mut found: Vec<(usize, f32)> = Vec::with_capacity(most + 1);
    for (place, &value) in values.iter().enumerate() {
        if place == but || found.len() == most && value <= found[most - 1].1 {
            continue;
        }
        let at = found.partition_point(|(_, other)| *other >= value);
        found.insert(at, (place, value));
        found.truncate(most);
    }
    found
}

fn steady(rows: &Array2<f32>, near: &[Vec<(usize, f32)>]) -> Array2<f32> {
    let mut steadied = rows.clone();
    for (mut row, near) in steadied.rows_mut().into_iter().zip(near) {
        for (other, _) in near.iter().take(STEADYING) {
            row.scaled_add(STEADYING_WEIGHT, &rows.row(*other));
        }
        scale(row);
    }
    steadied
}

/// One step: each row becomes the mean of itself and its neighbours, weighted by cosine.
fn step(rows: &Array2<f32>, near: &[Vec<(usize, f32)>]) -> Array2<f32> {
    let mut edges: Vec<Vec<(usize, f32)>> = near.to_vec();
    for (row, near) in near.iter().enumerate() {
        near.iter().for_each(|&(other, cosine)| edges[other].push((row, cosine)));
    }
    let mut stepped = rows.clone();
    stepped.axis_iter_mut(Axis(0)).into_par_iter().zip(edges.par_iter_mut()).for_each(|(mut row, edges)| {
        // In order of rows, so that a sum has one value; an edge seen from both ends counts once.
        edges.sort_unstable_by_key(|(other, _)| *other);
        edges.dedup_by_key(|(other, _)| *other);
        for (other, cosine) in edges {
            row.scaled_add(cosine.max(0.0), &rows.row(*other));
        }
        scale(row);
    });
    stepped
}

/// To unit length, unless it has none.
fn scale(mut row: ndarray::ArrayViewMut1<'_, f32>) {
    let norm = row.dot(&row).sqrt();
    if norm > 1e-12 {
        row /= norm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn fan(angles: &[f32]) -> Array2<f32> {
        Array2::from_shape_fn(
            (angles.len(), 2),
            |(i, j)| if j == 0 { angles[i].cos() } else { angles[i].sin() },
        )
    }

    fn silent(rows: usize) -> Words {
        Words::of(&vec![""; rows])
    }

    #[test]
    fn neighbours_come_together_and_strangers_stay() {
        let rows = fan(&[0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 1.5, 1.55, 1.6, 1.65, 1.7, 1.75]);
        let smoothed = smooth(&rows, &silent(rows.nrows())).rows;
        let apart = |rows: &Array2<f32>, a: usize, b: usize| 1.0 - rows.row(a).dot(&rows.row(b));
        assert!(apart(&smoothed, 0, 5) < 0.2 * apart(&rows, 0, 5));
        assert!(apart(&smoothed, 0, 11) > 0.8);
        assert!(smoothed.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5));
    }

    #[test]
    fn the_largest_come_first_and_ties_by_place() {
        let values = array![0.5f32, 0.9, 0.5, 0.9, 0.1];
        assert_eq!(largest(values.view(), 4, 3), [(1, 0.9), (3, 0.9), (0, 0.5)]);
        assert_eq!(largest(values.view(), 1, 9).len(), 4);
    }

    #[test]
    fn nothing_and_little_are_answered() {
        assert_eq!(smooth(&Array2::zeros((0, 4)), &silent(0)).rows.nrows(), 0);
        assert_eq!(smooth(&fan(&[0.3]), &silent(1)).rows, fan(&[0.3]));
        let zeros = smooth(&centred(Array2::zeros((3, 4)).view(), &[1.0; 3]), &silent(3));
        assert!(zeros.rows.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn a_new_row_lands_among_its_like() {
        let rows = fan(&[0.0, 0.05, 0.1, 0.15, 0.2, 0.25]);
        let smoothed = smooth(&rows, &silent(rows.nrows())).rows;
        let new = smooth_like(fan(&[0.3]).view(), &rows, &smoothed);
        assert!(new.row(0).dot(&smoothed.row(3)) > 0.99);
    }
}
