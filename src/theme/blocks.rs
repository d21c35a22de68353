//! Distances between many rows at once, as blocked matrix products.
//!
//! `|x - y|^2 = |x|^2 + |y|^2 - 2 x.y`, and the products of a block of rows with another run at the speed of
//! the matrix kernel, ten times that of one pair after the other. What the shortcut loses to rounding near zero
//! is made good: products only say which pairs may matter, and those are measured again by their
//! differences, in double precision. Blocks do not depend on the number of threads, nor do results.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows of the left side of a product; both sides and the result stay in the second-level cache.
pub const ROWS: usize = 256;
/// Rows of the right side of a product.
pub const COLUMNS: usize = 512;
/// Values looked at together: whether any of them matters is one test.
const LANES: usize = 32;

/// Whose code fits k-means and DBSCAN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Ours, on blocked products.
    #[default]
    Blocked,
    /// linfa's, one pair after the other: slower, kept to check ours against.
    Linfa,
}

/// Rows with what distances between them need.
#[derive(Debug)]
pub struct Rows<'a> {
    values: CowArray<'a, f32, Ix2>,
    /// Half the squared length of each row.
    halves: Vec<f32>,
    /// How far `half + half - product` may be from half the squared distance.
    slack: f32,
}

/// A row near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its number.
    pub row: u32,
    /// Squared Euclidean distance.
    pub squared: f64,
}

impl<'a> Rows<'a> {
    /// `values`: `(n, d)`, finite. Copied only where rows are not contiguous.
    pub fn new(values: ArrayView2<'a, f32>) -> Rows<'a> {
        let values = if values.is_standard_layout() {
            CowArray::from(values)
        } else {
            CowArray::from(values.as_standard_layout().into_owned())
        };
        let squares = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let halves: Vec<f32> =
            values.rows().into_iter().map(|row| (squares(slice(&row)) / 2.0) as f32).collect();
        let longest = halves.iter().fold(0.0, |longest: f32, half| longest.max(*half));
        let slack = rounding(values.ncols(), longest);
        Rows { values, halves, slack }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.values.nrows()
    }

    /// Half the squared length of each row.
    pub fn halves(&self) -> &[f32] {
        &self.halves
    }

    /// The rows of a block.
    pub fn block(&self, from: usize, most: usize) -> ArrayView2<'_, f32> {
        self.values.slice(s![from..(from + most).min(self.count()), ..])
    }

    /// The given rows, copied.
    pub fn select(&self, rows: &[usize]) -> Array2<f32> {
        self.values.select(Axis(0), rows)
    }

    /// Squared distance by differences in double precision: 0 for equal rows, and only for those.
    pub fn squared(&self, a: usize, b: usize) -> f64 {
        squared(slice(&self.values.row(a)), slice(&self.values.row(b)))
    }

    /// The `m` nearest other rows of each row, nearest first, ties by lower row number; all others where there
    /// are fewer.
    pub fn nearest(&self, m: usize) -> Vec<Vec<Neighbour>> {
        let m = m.min(self.count().saturating_sub(1));
        let of_block = |from: usize| {
            let mut near: Vec<Nearest> =
                (from..self.count().min(from + ROWS)).map(|_| Nearest::new(m)).collect();
            let seen = |row: usize, first: usize, products: &[f32]| {
                let near: &mut Nearest = &mut near[row];
                let row = from + row;
                let halves = &self.halves[first..first + products.len()];
                let mut bar = self.bar(row, near.reach());
                for (chunk, (products, halves)) in
                    products.chunks(LANES).zip(halves.chunks(LANES)).enumerate()
                {
                    if !any_above(products, halves, bar) {
                        continue;
                    }
                    for (lane, (product, half)) in products.iter().zip(halves).enumerate() {
                        let other = first + chunk * LANES + lane;
                        if product - half > bar && other != row {
                            near.offer(other as u32, self.squared(row, other));
                            bar = self.bar(row, near.reach());
                        }
                    }
                }
            };
            self.each_product(self.block(from, ROWS), seen);
            near.into_iter().map(|near| near.found).collect::<Vec<_>>()
        };
        blocks(self.count(), ROWS).into_par_iter().flat_map_iter(of_block).collect()
    }

    /// Distance of each row to its `k`-th nearest other row; to the farthest where there are fewer than `k`, 0
    /// for `k = 0` or a single row.
    pub fn kth_distances(&self, k: usize) -> Vec<f64> {
        self.nearest(k).iter().map(|near| near.last().map_or(0.0, |last| last.squared.sqrt())).collect()
    }

    /// All pairs of a tile no farther apart than `radius`, `(i, j)` with `i < j`, as offsets into the tile's
    /// rows and columns; pairs that `known` answers are left out.
    pub fn pairs_within(
        &self,
        (rows_from, columns_from): (usize, usize),
        radius: f64,
        known: impl Fn(usize, usize) -> bool,
    ) -> Vec<(u16, u16)> {
        let (left, right) = (self.block(rows_from, COLUMNS), self.block(columns_from, COLUMNS));
        let products = left.dot(&right.t());
        let halves = &self.halves[columns_from..columns_from + right.nrows()];
        let reach = (radius * radius / 2.0) as f32;
        let margin = 2.0 * self.slack + reach * f32::EPSILON;
        let mut pairs = Vec::new();
        for (row, products) in products.rows().into_iter().enumerate() {
            let i = rows_from + row;
            let bar = self.halves[i] - reach - margin;
            let sure = self.halves[i] - reach + margin;
            // On the diagonal a pair is seen twice.
            let skip = if rows_from == columns_from { (row + 1) / LANES } else { 0 };
            let chunks = slice(&products).chunks(LANES).zip(halves.chunks(LANES)).enumerate().skip(skip);
            for (chunk, (products, halves)) in chunks {
                if !any_above(products, halves, bar) {
                    continue;
                }
                for (lane, (product, half)) in products.iter().zip(halves).enumerate() {
                    let column = chunk * LANES + lane;
                    let (score, j) = (product - half, columns_from + column);
                    if score > bar
                        && j > i
                        && !known(i, j)
                        && (score > sure || self.squared(i, j).sqrt() <= radius)
                    {
                        pairs.push((row as u16, column as u16));
                    }
                }
            }
        }
        pairs
    }

    /// Calls `seen(row of left, first column, products with the columns from there)` for all products of `left`,
    /// rows of this width, with all rows, columns ascending.
    pub fn each_product(&self, left: ArrayView2<'_, f32>, mut seen: impl FnMut(usize, usize, &[f32])) {
        let mut products = Array2::<f32>::zeros((left.nrows(), COLUMNS));
        for first in blocks(self.count(), COLUMNS) {
            let right = self.block(first, COLUMNS);
            let mut products = products.slice_mut(s![.., ..right.nrows()]);
            general_mat_mul(1.0, &left, &right.t(), 0.0, &mut products);
            products
                .rows()
                .into_iter()
                .enumerate()
                .for_each(|(row, products)| seen(row, first, slice(&products)));
        }
    }

    /// What `product - half` of another row must exceed to be nearer to `row` than `squared`.
    pub fn bar(&self, row: usize, squared: f64) -> f32 {
        self.halves[row] - (squared / 2.0) as f32 - self.slack * 2.0
    }
}

/// The nearest rows found so far, ascending.
#[derive(Debug)]
struct Nearest {
    found: Vec<Neighbour>,
    most: usize,
}

impl Nearest {
    fn new(most: usize) -> Nearest {
        Nearest { found: Vec::with_capacity(most + 1), most }
    }

    /// Squared distance that a row must be under to come in: below anything once nothing can.
    fn reach(&self) -> f64 {
        match self.found.last() {
            _ if self.most == 0 => f64::NEG_INFINITY,
            Some(last) if self.found.len() == self.most && last.squared == 0.0 => f64::NEG_INFINITY,
            Some(last) if self.found.len() == self.most => last.squared,
            _ => f64::INFINITY,
        }
    }

    /// Rows are offered by rising number, so of equals the earlier stays before the later.
    fn offer(&mut self, row: u32, squared: f64) {
        if squared < self.reach() {
            let place = self.found.partition_point(|near| near.squared <= squared);
            self.found.insert(place, Neighbour { row, squared });
            self.found.truncate(self.most);
        }
    }
}

/// Whether any `product - half` lies above `bar`. No early exit: that would keep it from vector registers.
pub fn any_above(products: &[f32], halves: &[f32], bar: f32) -> bool {
    products.iter().zip(halves).fold(false, |any, (product, half)| any | (product - half > bar))
}

/// How far `half + half - product` of two rows of `width` may be from half their squared distance; `longest`: the
/// greatest half of a squared length.
///
/// A sum of d products is off by d units of rounding at most (Higham 2002, section 3.1); the rest is for the
/// halves and the two subtractions.
pub fn rounding(width: usize, longest: f32) -> f32 {
    (width + 8) as f32 * f32::EPSILON * longest
}

/// Numbers of the first rows of blocks of `size`.
pub fn blocks(rows: usize, size: usize) -> Vec<usize> {
    (0..rows).step_by(size).collect()
}

/// Squared distance of two vectors of equal length, in double precision.
fn squared(a: &[f32], b: &[f32]) -> f64 {
    const SUMS: usize = 8;
    let mut sums = [0.0f64; SUMS];
    let (whole_a, whole_b) = (a.chunks_exact(SUMS), b.chunks_exact(SUMS));
    let rest = whole_a.remainder().iter().zip(whole_b.remainder());
    let rest: f64 = rest.map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
    for (a, b) in whole_a.zip(whole_b) {
        for lane in 0..SUMS {
            let difference = f64::from(a[lane]) - f64::from(b[lane]);
            sums[lane] += difference * difference;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A row of a matrix in standard layout.
fn slice<'r>(row: &'r ndarray::ArrayView1<'_, f32>) -> &'r [f32] {
    row.as_slice().unwrap_or(&[])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    /// `(n, d)` unit rows around `centres` directions.
    pub fn mixture(rows: usize, width: usize, centres: usize, spread: f32, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let directions = Array2::from_shape_fn((centres, width), |_| rng.gen_range(-1.0f32..1.0));
        let mut vectors = Array2::from_shape_fn((rows, width), |(row, column)| {
            directions[[row % centres, column]] + spread * rng.gen_range(-1.0f32..1.0)
        });
        for mut row in vectors.rows_mut() {
            let norm = row.dot(&row).sqrt();
            row /= norm;
        }
        vectors
    }

    /// The definition, pair by pair.
    fn nearest_by_pairs(rows: &Rows<'_>, m: usize) -> Vec<Vec<Neighbour>> {
        let of = |row: usize| {
            let others = (0..rows.count()).filter(|other| *other != row);
            let mut near: Vec<Neighbour> = others
                .map(|other| Neighbour { row: other as u32, squared: rows.squared(row, other) })
                .collect();
            near.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.row.cmp(&b.row)));
            near.truncate(m);
            near
        };
        (0..rows.count()).map(of).collect()
    }

    #[test]
    fn the_nearest_are_those_of_the_definition() {
        let mut vectors = mixture(700, 40, 5, 0.5, 1);
        // Copies: ties at zero, with more copies than neighbours asked for.
        for row in 100..120 {
            let copy = vectors.row(600).to_owned();
            vectors.row_mut(row).assign(&copy);
        }
        vectors.row_mut(3).fill(0.0);
        let rows = Rows::new(vectors.view());
        for m in [0, 1, 5, 30] {
            assert_eq!(rows.nearest(m), nearest_by_pairs(&rows, m));
        }
        let few = Rows::new(vectors.slice(s![..4, ..]));
        assert_eq!(few.nearest(9), nearest_by_pairs(&few, 3));
        assert_eq!(Rows::new(vectors.slice(s![..1, ..])).kth_distances(4), [0.0]);
        assert!(
            rows.kth_distances(7)
                .iter()
                .zip(rows.nearest(7))
                .all(|(d, near)| d * d - near[6].squared < 1e-12)
        );
    }

    #[test]
    fn near_copies_are_told_apart() {
        // 1e-5 apart: the products alone are all 1.
        let vectors = Array2::from_shape_fn((50, 2), |(row, column)| {
            let angle = 1e-5 * ((row * 7) % 50) as f64;
            (if column == 0 { angle.cos() } else { angle.sin() }) as f32
        });
        let rows = Rows::new(vectors.view());
        assert_eq!(rows.nearest(4), nearest_by_pairs(&rows, 4));
    }

    #[test]
    fn pairs_within_are_those_of_the_definition() {
        let vectors = mixture(COLUMNS + 90, 24, 6, 0.6, 2);
        let rows = Rows::new(vectors.view());
        // A radius that is the distance of a pair: closed.
        let radius = rows.squared(5, 11).sqrt();
        let mut found = Vec::new();
        for tile in [(0, 0), (0, COLUMNS), (COLUMNS, COLUMNS)] {
            let pairs = rows.pairs_within(tile, radius, |_, _| false);
            found.extend(pairs.iter().map(|(i, j)| (tile.0 + usize::from(*i), tile.1 + usize::from(*j))));
        }
        found.sort_unstable();
        let n = rows.count();
        let all = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let expected: Vec<_> = all.filter(|(i, j)| rows.squared(*i, *j).sqrt() <= radius).collect();
        assert!(expected.len() > n && expected.contains(&(5, 11)));
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_in_another_layout_are_the_same() {
        let vectors = mixture(60, 8, 3, 0.5, 4);
        let turned = vectors.t().as_standard_layout().into_owned();
        assert_eq!(Rows::new(turned.t()).nearest(3), Rows::new(vectors.view()).nearest(3));
    }
}
