//! Distinct rows in an order of their own: what makes themes independent of the order of the input.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// The distinct rows of a matrix, sorted, with how often each occurs.
#[derive(Debug, Clone)]
pub struct Distinct {
    /// `(m, d)` distinct rows, ascending by their first differing value.
    pub rows: Array2<f32>,
    /// `m` counts, at least 1.
    pub counts: Vec<f32>,
    /// `n` places in `rows`, one per row given.
    pub places: Vec<usize>,
}

impl Distinct {
    /// Of `vectors`, `(n, d)` finite rows.
    pub fn of(vectors: ArrayView2<'_, f32>) -> Distinct {
        let mut order: Vec<usize> = (0..vectors.nrows()).collect();
        order.par_sort_unstable_by(|&a, &b| compare(vectors.row(a), vectors.row(b)).then(a.cmp(&b)));
        let (mut firsts, mut counts, mut places) = (Vec::new(), Vec::new(), vec![0; order.len()]);
        for &row in &order {
            match firsts.last() {
                Some(&first) if compare(vectors.row(first), vectors.row(row)).is_eq() => {}
                _ => {
                    firsts.push(row);
                    counts.push(0.0);
                }
            }
            places[row] = firsts.len() - 1;
            counts[firsts.len() - 1] += 1.0;
        }
        Distinct { rows: vectors.select(Axis(0), &firsts), counts, places }
    }

    /// A text for each distinct row: of the texts of its copies the first by alphabet.
    pub fn texts<'t>(&self, texts: &[&'t str]) -> Vec<&'t str> {
        let mut firsts: Vec<Option<&str>> = vec![None; self.counts.len()];
        for (&place, &text) in self.places.iter().zip(texts) {
            if firsts[place].is_none_or(|first| text < first) {
                firsts[place] = Some(text);
            }
        }
        firsts.into_iter().map(Option::unwrap_or_default).collect()
    }
}

/// Places of at most `most` of `rows` that `stream` draws without replacement, ascending.
///
/// A row is drawn by a hash of its own values: the rows of yesterday are drawn again today, whatever
/// came in between.
pub fn draw(rows: ArrayView2<'_, f32>, most: usize, seed: u64, stream: u64) -> Vec<usize> {
    if rows.nrows() <= most {
        return (0..rows.nrows()).collect();
    }
    let mut keyed: Vec<(u64, usize)> = keys(rows, seed, stream).into_iter().zip(0..).collect();
    keyed.sort_unstable();
    let mut drawn: Vec<usize> = keyed[..most].iter().map(|(_, row)| *row).collect();
    drawn.sort_unstable();
    drawn
}

/// A hash of each row's own values, for draws of this seed and stream; equal for equal rows.
pub fn keys(rows: ArrayView2<'_, f32>, seed: u64, stream: u64) -> Vec<u64> {
    let key = mixed(seed ^ mixed(stream.wrapping_add(1)));
    (0..rows.nrows())
        .into_par_iter()
        .map(|row| rows.row(row).iter().fold(key, |hash, v| mixed(hash ^ u64::from(v.to_bits()))))
        .collect()
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014, figure 16).
pub fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn compare(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> std::cmp::Ordering {
    let differs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
    differs.unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn copies_are_counted_and_order_is_forgotten() {
        let one = Distinct::of(array![[2.0f32, 1.0], [1.0, 5.0], [2.0, 1.0], [1.0, 3.0]].view());
        assert_eq!(one.rows, array![[1.0, 3.0], [1.0, 5.0], [2.0, 1.0]]);
        assert_eq!((one.counts, one.places), (vec![1.0, 1.0, 2.0], vec![2, 1, 2, 0]));
        assert_eq!(Distinct::of(Array2::zeros((0, 3)).view()).rows.nrows(), 0);
    }

    #[test]
    fn a_draw_keeps_what_it_drew_when_rows_come_in() {
        let rows = Array2::from_shape_fn((200, 2), |(i, j)| (i * 7 + j) as f32);
        let before: Vec<f32> =
            draw(rows.slice(ndarray::s![..190, ..]), 40, 3, 0).iter().map(|&r| rows[[r, 0]]).collect();
        let after: Vec<f32> = draw(rows.view(), 40, 3, 0).iter().map(|&r| rows[[r, 0]]).collect();
        assert_eq!((before.len(), after.len()), (40, 40));
        let kept = before.iter().filter(|value| after.contains(value)).count();
        assert!((34..=40).contains(&kept), "{kept}");
        assert_ne!(draw(rows.view(), 40, 3, 0), draw(rows.view(), 40, 3, 1));
        assert_eq!(draw(rows.view(), 500, 3, 0).len(), 200);
    }
}
