//! Distances between many rows at once, by blocks.
//!
//! Scores of a block of rows with another (`coarse.rs`) say which pairs may matter; those are measured again by their
//! differences, in double precision. Blocks do not depend on the number of threads, nor do results.

use ndarray::{ArrayView2, CowArray, Ix2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::coarse::{Left, Right, Room, kernels, marked};
use crate::embed::kernel::{Kernels, fetch};

/// Rows of the left side that one task takes through a group of blocks.
pub const ROWS: usize = 256;
/// Rows of the right side that are multiplied together, rounded once for all of the left.
pub const COLUMNS: usize = 512;
/// Rows whose scores with a block are there at a time: they stay in the second-level cache.
pub const STRIP: usize = 32;
/// Blocks of the right side that are there at a time: bounds memory, 4 bytes a value.
const GROUP: usize = 8;

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
    kernels: &'static Kernels,
    /// Half the squared length of each row.
    halves: Vec<f32>,
    left: Left,
}

/// A row near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its number.
    pub row: u32,
    /// Squared Euclidean distance.
    pub squared: f64,
}

/// A row's scores with a block of others.
#[derive(Debug)]
pub struct Scores<'s> {
    kernels: &'static Kernels,
    /// The first of the others.
    first: usize,
    scores: &'s [f32],
    /// Half the row's squared length.
    half: f32,
    slack: f32,
}

impl<'a> Rows<'a> {
    /// `values`: `(n, d)`, finite. Copied only where rows are not contiguous; 2 bytes a value are kept beside them.
    pub fn new(values: ArrayView2<'a, f32>) -> Rows<'a> {
        let values = if values.is_standard_layout() {
            CowArray::from(values)
        } else {
            CowArray::from(values.as_standard_layout().into_owned())
        };
        let (count, width) = values.dim();
        let all = values.as_slice().unwrap_or(&[]);
        let (left, halves) = Left::of(all, count, width);
        Rows { values, kernels: kernels(), halves, left }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.values.nrows()
    }

    /// Half the squared length of each row.
    pub fn halves(&self) -> &[f32] {
        &self.halves
    }

    /// Rows `from..to`, one after the other.
    pub fn values(&self, from: usize, to: usize) -> &[f32] {
        let width = self.values.ncols();
        &self.values.as_slice().unwrap_or(&[])[from * width..to * width]
    }

    /// Asks memory for a row that will be read soon.
    pub fn fetch(&self, row: usize) {
        fetch(self.values(row, row + 1));
    }

    /// All rows as the left side of products.
    pub fn left(&self) -> &Left {
        &self.left
    }

    /// The rows from `first` on as the right side, `COLUMNS` at most.
    pub fn right(&self, first: usize) -> Right {
        let last = self.count().min(first + COLUMNS);
        Right::of(self.values(first, last), self.values.ncols(), &self.halves[first..last])
    }

    /// Squared distance by differences in double precision: 0 for equal rows, and only for those.
    pub fn squared(&self, a: usize, b: usize) -> f64 {
        self.kernels.squared_distance(self.values(a, a + 1), self.values(b, b + 1))
    }

    /// The `m` nearest other rows of each row, nearest first, ties by lower row number; all others where there
    /// are fewer.
    pub fn nearest(&self, m: usize) -> Vec<Vec<Neighbour>> {
        let m = m.min(self.count().saturating_sub(1));
        let all: Vec<usize> = (0..self.count()).collect();
        let mut near: Vec<Nearest> = all.iter().map(|_| Nearest::new(m)).collect();
        self.sweep(&all, &mut near, |row, near, scores| {
            scores.nearer(near.reach(), |other| {
                if other != row {
                    near.offer(other as u32, self.squared(row, other));
                }
                near.reach()
            });
        });
        near.into_iter().map(|near| near.found).collect()
    }

    /// Distance of each row to its `k`-th nearest other row; to the farthest where there are fewer than `k`, 0
    /// for `k = 0` or a single row.
    pub fn kth_distances(&self, k: usize) -> Vec<f64> {
        self.nearest(k).iter().map(|near| near.last().map_or(0.0, |last| last.squared.sqrt())).collect()
    }

    /// Shows the scores of the rows `lefts`, strictly ascending, with all rows to `seen(row, state, scores)`, a block
    /// of columns after the other, columns ascending; each row comes with its own of `states`.
    pub fn sweep<T: Send>(
        &self,
        lefts: &[usize],
        states: &mut [T],
        seen: impl Fn(usize, &mut T, &Scores<'_>) + Sync,
    ) {
        for group in blocks(self.count(), COLUMNS).chunks(GROUP) {
            let rights: Vec<Right> = group.par_iter().map(|&first| self.right(first)).collect();
            lefts.par_chunks(ROWS).zip(states.par_chunks_mut(ROWS)).for_each(|(lefts, states)| {
                let mut room = Room::default();
                for (&first, right) in group.iter().zip(&rights) {
                    for (lefts, states) in lefts.chunks(STRIP).zip(states.chunks_mut(STRIP)) {
                        let scores = self.left.scores(lefts, right, &mut room);
                        for ((&row, state), scores) in lefts.iter().zip(states).zip(scores) {
                            seen(row, state, &self.scores_of(row, first, right, scores));
                        }
                    }
                }
            });
        }
    }

    fn scores_of<'s>(&self, row: usize, first: usize, right: &Right, scores: &'s [f32]) -> Scores<'s> {
        let half = self.halves[row];
        Scores { kernels: self.kernels, first, scores, half, slack: self.left.slack(row, half, right) }
    }

    /// All pairs no farther apart than `radius`, as `(i, j)` with `i < j`; pairs that `known` answers are left out.
    /// Handed to `take` as they are found, up to `COLUMNS^2` at a time, in no order.
    pub fn pairs_within(
        &self,
        radius: f64,
        known: impl Fn(usize, usize) -> bool + Sync,
        take: impl Fn(&[(u32, u32)]) + Sync,
    ) {
        let all: Vec<usize> = (0..self.count()).collect();
        blocks(self.count(), COLUMNS).into_par_iter().with_max_len(1).for_each(|first| {
            let right = self.right(first);
            let (mut room, mut pairs) = (Room::default(), Vec::new());
            for lefts in all[..first + right.count()].chunks(COLUMNS) {
                for lefts in lefts.chunks(STRIP) {
                    let scores = self.left.scores(lefts, &right, &mut room);
                    for (&i, scores) in lefts.iter().zip(scores) {
                        self.scores_of(i, first, &right, scores).within(radius, |j, sure| {
                            // On the diagonal a pair is seen twice.
                            if j > i && !known(i, j) && (sure || self.squared(i, j).sqrt() <= radius) {
                                pairs.push((i as u32, j as u32));
                            }
                        });
                    }
                }
                take(&pairs);
                pairs.clear();
            }
        });
    }
}

impl Scores<'_> {
    /// Calls `look` for others whose squared distance may be below `reach`, ascending, and for no other; what it
    /// returns is the reach from there on.
    pub fn nearer(&self, reach: f64, mut look: impl FnMut(usize) -> f64) {
        let (mut reach, mut bar) = (reach, self.bar(reach));
        for place in self.above(bar).iter() {
            if self.scores[place] > bar {
                let next = look(self.first + place);
                if next != reach {
                    (reach, bar) = (next, self.bar(next));
                }
            }
        }
    }

    /// Calls `look(other, sure)` for others that may be within `radius`, ascending; `sure`: they are.
    pub fn within(&self, radius: f64, mut look: impl FnMut(usize, bool)) {
        let half_squared = radius * radius / 2.0;
        let sure = f64::from(self.half) - half_squared + f64::from(self.slack);
        let sure = (sure as f32).next_up();
        for place in self.above(self.bar(radius * radius)).iter() {
            look(self.first + place, self.scores[place] > sure);
        }
    }

    /// What a score must exceed if the squared distance may be `squared` or less.
    fn bar(&self, squared: f64) -> f32 {
        let bar = f64::from(self.half) - squared / 2.0 - f64::from(self.slack);
        (bar as f32).next_down()
    }

    fn above(&self, bar: f32) -> Marks {
        let mut marks = Marks { marks: [0; COLUMNS / 16], used: self.scores.len() / 16 };
        self.kernels.above(self.scores, bar, &mut marks.marks[..marks.used]);
        marks
    }
}

/// Which scores of a block are above a bar.
struct Marks {
    marks: [u16; COLUMNS / 16],
    used: usize,
}

impl Marks {
    fn iter(&self) -> impl Iterator<Item = usize> {
        marked(&self.marks[..self.used])
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

/// Numbers of the first rows of blocks of `size`.
pub fn blocks(rows: usize, size: usize) -> Vec<usize> {
    (0..rows).step_by(size).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ndarray::{Array2, s};
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
        let found = std::sync::Mutex::new(Vec::new());
        let take = |pairs: &[(u32, u32)]| {
            found.lock().unwrap().extend(pairs.iter().map(|&(i, j)| (i as usize, j as usize)))
        };
        rows.pairs_within(radius, |_, _| false, take);
        let mut found = found.into_inner().unwrap();
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
