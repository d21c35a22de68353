//! Which rows are on the map: drawn from every theme by its size, and a few at least from each.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use crate::theme::distinct::{keys, mixed};

/// Rows of a theme that are on the map whatever its size, where it has them.
const LEAST: usize = 8;

/// The stream of these draws, apart from those of the trees.
const STREAM: u64 = 0x6d61_7000;

/// A row on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drawn {
    /// From its values and the seed: its rank in the draw, and its own random bits.
    pub key: u64,
    /// Which row.
    pub row: usize,
}

/// At most `most` rows of `vectors`, `(n, d)`, with their `labels`, ascending by key.
///
/// A row is drawn by its own values, so that most rows of yesterday's map are on today's. Copies of
/// a row are drawn one by one.
pub fn draw(vectors: ArrayView2<'_, f32>, labels: &[Option<u32>], most: usize, seed: u64) -> Vec<Drawn> {
    let mut rows: Vec<Drawn> =
        keys(vectors, seed, STREAM).into_iter().zip(0..).map(|(key, row)| Drawn { key, row }).collect();
    rows.sort_unstable();
    tell_copies_apart(&mut rows);
    rows.sort_unstable();
    let mut strata: BTreeMap<Option<u32>, Vec<Drawn>> = BTreeMap::new();
    for drawn in rows {
        strata.entry(labels[drawn.row]).or_default().push(drawn);
    }
    let sizes: Vec<usize> = strata.values().map(Vec::len).collect();
    let mut drawn: Vec<Drawn> = std::iter::zip(strata.into_values(), quotas(&sizes, most))
        .flat_map(|(rows, quota)| rows.into_iter().take(quota))
        .collect();
    drawn.sort_unstable();
    drawn
}

/// Keys of their own for rows of equal values, which stand side by side.
fn tell_copies_apart(rows: &mut [Drawn]) {
    for copies in rows.chunk_by_mut(|a, b| a.key == b.key) {
        for (copy, drawn) in copies.iter_mut().enumerate().skip(1) {
            drawn.key = mixed(drawn.key ^ mixed(copy as u64));
        }
    }
}

/// Rows to draw from strata of these sizes, `most` together or all: `LEAST` from each or, with many
/// strata, an equal share, and the others in proportion to what is left.
fn quotas(sizes: &[usize], most: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    if total <= most {
        return sizes.to_vec();
    }
    let least = LEAST.min(most / sizes.len());
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| size.min(least)).collect();
    let left = total - quotas.iter().sum::<usize>();
    let open = most - quotas.iter().sum::<usize>();
    let mut remainders = Vec::new();
    for (stratum, &size) in sizes.iter().enumerate() {
        // In whole numbers: shares of a million rows must not depend on rounding.
        let share = (size - quotas[stratum]) as u128 * open as u128;
        quotas[stratum] += (share / left as u128) as usize;
        remainders.push((std::cmp::Reverse(share % left as u128), stratum));
    }
    remainders.sort_unstable();
    let missing = most - quotas.iter().sum::<usize>();
    remainders[..missing].iter().for_each(|&(_, stratum)| quotas[stratum] += 1);
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn quotas_add_up_and_small_themes_are_seen() {
        assert_eq!(quotas(&[3, 4], 10), [3, 4]);
        assert_eq!(quotas(&[], 10), [0usize; 0]);
        let drawn = quotas(&[10_000, 3, 40, 500], 200);
        assert_eq!(drawn.iter().sum::<usize>(), 200);
        assert_eq!((drawn[1], drawn[2]), (3, 9));
        assert!(drawn[0] > 150, "{drawn:?}");
        assert_eq!(quotas(&[9; 50], 20).iter().sum::<usize>(), 20);
        assert_eq!(quotas(&[9; 50], 60).iter().min(), Some(&1));
    }

    #[test]
    fn copies_are_drawn_one_by_one() {
        let vectors =
            Array2::from_shape_fn((400, 2), |(i, j)| if i < 200 { 1.0 } else { (i * 2 + j) as f32 });
        let drawn = draw(vectors.view(), &[Some(0); 400], 100, 0);
        let copies = drawn.iter().filter(|drawn| drawn.row < 200).count();
        assert!((30..=70).contains(&copies), "{copies}");
    }
}
