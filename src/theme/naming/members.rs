//! The rows of each theme as naming sees them: most central first, in two folds, whatever order they came in.

use std::cmp::Ordering;

use ndarray::{ArrayView2, aview1};
use rayon::prelude::*;

/// One distinct text in so many is held out.
const FOLDS: u64 = 5;
/// Fewest rows that name a theme while others are held out; below, all of them name it.
const LEAST_NAMING: usize = 4;

/// One theme's rows.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Rows in the theme.
    pub size: usize,
    /// Direction of their mean, `d` values of unit length; zeros where it cancels out.
    pub centroid: Vec<f32>,
    /// The same of the naming rows alone.
    pub centre: Vec<f32>,
    /// The row nearest to the centroid, of equals the first by text.
    pub representative: usize,
    /// Rows that the label is made from, the most central first.
    pub naming: Vec<usize>,
    /// Rows that it is scored on, in order of text. No text is in both.
    pub held_out: Vec<usize>,
}

/// Members of each label in `0..count`, of `(n, d)` unit rows; rows without a label are in none.
///
/// Equal texts fall on the same side: a row's fold is a hash of what was said, letter case and
/// white space aside. Sums run in order of text, so that their bits do not tell the order of rows.
pub fn members(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    labels: &[Option<u32>],
    count: usize,
) -> Vec<Members> {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (row, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            rows[*label as usize].push(row);
        }
    }
    rows.into_par_iter().map(|rows| of_theme(vectors, texts, rows)).collect()
}

fn of_theme(vectors: ArrayView2<'_, f32>, texts: &[&str], mut rows: Vec<usize>) -> Members {
    rows.par_sort_unstable_by(|&a, &b| {
        texts[a].cmp(texts[b]).then_with(|| compare(vectors, a, b)).then(a.cmp(&b))
    });
    let centroid = mean_direction(vectors, &rows);
    let (held_out, mut naming): (Vec<usize>, Vec<usize>) =
        rows.iter().partition(|&&row| is_held_out(texts[row]));
    if naming.len() < LEAST_NAMING {
        naming.clone_from(&rows);
    }
    let centre = by_centrality(vectors, &mut naming);
    let cosine = |row: usize| vectors.row(row).dot(&aview1(&centroid));
    // Strictly nearer: of equals the first by text stays.
    let representative =
        rows.iter().copied().reduce(|best, row| if cosine(row) > cosine(best) { row } else { best });
    let shared = naming.len() == rows.len();
    Members {
        size: rows.len(),
        centroid,
        centre,
        representative: representative.unwrap_or_default(),
        naming,
        held_out: if shared { Vec::new() } else { held_out },
    }
}

/// Sorts rows by falling cosine to their own mean, which it returns; equals stay in order.
fn by_centrality(vectors: ArrayView2<'_, f32>, rows: &mut [usize]) -> Vec<f32> {
    let centre = mean_direction(vectors, rows);
    rows.sort_by_cached_key(|&row| std::cmp::Reverse(Total(vectors.row(row).dot(&aview1(&centre)))));
    centre
}

/// Direction of the mean, summed in double precision in the order given.
fn mean_direction(vectors: ArrayView2<'_, f32>, rows: &[usize]) -> Vec<f32> {
    let mut sum = vec![0f64; vectors.ncols()];
    for &row in rows {
        sum.iter_mut().zip(vectors.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if norm > 1e-9 { norm.recip() } else { 1.0 };
    sum.iter().map(|value| (value * scale) as f32).collect()
}

/// True for about one in [`FOLDS`] of distinct texts.
fn is_held_out(text: &str) -> bool {
    let mut hash = blake3::Hasher::new();
    for word in text.split_whitespace() {
        hash.update(word.to_lowercase().as_bytes());
        hash.update(b" ");
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first) % FOLDS == 0
}

fn compare(vectors: ArrayView2<'_, f32>, a: usize, b: usize) -> Ordering {
    let pairs = vectors.row(a).into_iter().zip(vectors.row(b)).map(|(a, b)| a.total_cmp(b));
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A float in its total order.
#[derive(PartialEq)]
struct Total(f32);

impl Eq for Total {}

impl Ord for Total {
    fn cmp(&self, other: &Total) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Total) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn folds_are_of_texts_not_of_rows() {
        let said: Vec<String> = (0..200).map(|i| format!("request {}", i % 100)).collect();
        let held: Vec<bool> = said.iter().map(|text| is_held_out(text)).collect();
        assert_eq!(held[..100], held[100..]);
        let share = held.iter().filter(|held| **held).count();
        assert!((20..=60).contains(&share), "{share}");
        assert_eq!(is_held_out("Reset  my\tpassword"), is_held_out("reset my password "));
    }

    #[test]
    fn the_order_of_rows_changes_no_member() {
        let texts: Vec<String> = (0..60).map(|i| format!("say {i}")).collect();
        let vectors = Array2::from_shape_fn((60, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
        let order: Vec<usize> = (0..60).map(|i| i * 7 % 60).collect();
        let labels: Vec<Option<u32>> =
            (0..60).map(|i| (i % 5 > 0).then_some(u32::from(i % 3 == 0))).collect();
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let one = members(vectors.view(), &plain, &labels, 2);
        let moved: Vec<&str> = order.iter().map(|&i| plain[i]).collect();
        let moved_labels: Vec<Option<u32>> = order.iter().map(|&i| labels[i]).collect();
        let other = members(vectors.select(ndarray::Axis(0), &order).view(), &moved, &moved_labels, 2);
        for (one, other) in one.iter().zip(&other) {
            assert_eq!((one.size, &one.centroid), (other.size, &other.centroid));
            let said = |rows: &[usize], texts: &[&str]| {
                rows.iter().map(|&r| texts[r].to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(said(&one.naming, &plain), said(&other.naming, &moved));
            assert_eq!(said(&one.held_out, &plain), said(&other.held_out, &moved));
            assert_eq!(plain[one.representative], moved[other.representative]);
            assert!(!one.held_out.is_empty() && one.held_out.len() + one.naming.len() == one.size);
        }
    }
}
