//! Which centroid is nearest to each row, from one iteration of k-means to the next.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::blocks::{ROWS, Rows, rounding};

/// Parts that rows are summed in: fixed, so that the sums are, and few, as each holds all centroids.
const PARTS: usize = 16;
/// Bounds are widened by this share, for the rounding of their own sums.
const WIDER: f32 = 1e-5;

/// A row's cluster, and distances that save looking at it again (Hamerly 2010).
#[derive(Debug, Clone, Copy)]
struct Place {
    /// `u32::MAX` before the first assignment.
    label: u32,
    /// Its own centroid is at most this far.
    own: f32,
    /// All other centroids are at least this far.
    others: f32,
}

const NOWHERE: Place = Place { label: u32::MAX, own: f32::INFINITY, others: 0.0 };

/// Rows, their clusters, and the sums of those.
#[derive(Debug)]
pub struct Assignment<'a> {
    rows: Rows<'a>,
    places: Vec<Place>,
    sums: Sums,
}

/// Rows per cluster with their sums in double precision.
#[derive(Debug)]
struct Sums {
    /// `(k, d)`.
    sums: Array2<f64>,
    counts: Vec<i64>,
    /// Rows whose label changed.
    changes: usize,
}

/// Centroids with what products with them need.
struct Targets<'c> {
    centroids: &'c Array2<f32>,
    halves: Vec<f32>,
    /// How far `half + half - product` may be from half the squared distance.
    slack: f32,
    /// How far each has moved since the last assignment, and the two that moved most.
    moves: Vec<f32>,
    most: (u32, f32),
    next_most: f32,
}

impl<'a> Assignment<'a> {
    /// Of `vectors`, `(n, d)`, to `k` centroids: none yet.
    pub fn new(vectors: ArrayView2<'a, f32>, k: usize) -> Assignment<'a> {
        let (n, width) = vectors.dim();
        Assignment { rows: Rows::new(vectors), places: vec![NOWHERE; n], sums: Sums::empty(k, width) }
    }

    /// Takes every row to its nearest centroid, ties by lower number; `before`: where centroids were the last
    /// time. How many rows changed clusters.
    ///
    /// Rows whose own centroid must still be the nearest, for how far all have moved, are not looked at. Sums
    /// change by the rows that do, in order of rows within `PARTS` parts, and in order of those.
    pub fn update(&mut self, centroids: &Array2<f32>, before: &Array2<f32>) -> usize {
        let targets = Targets::new(&self.rows, centroids, before);
        let size = self.places.len().div_ceil(PARTS).next_multiple_of(ROWS);
        let rows = &self.rows;
        let part = |(part, places): (usize, &mut [Place])| {
            let mut changed = Sums::empty(centroids.nrows(), centroids.ncols());
            let mut products = Array2::zeros((ROWS, centroids.nrows()));
            for (block, places) in places.chunks_mut(ROWS).enumerate() {
                targets.assign(rows, part * size + block * ROWS, places, &mut products, &mut changed);
            }
            changed
        };
        let parts: Vec<Sums> =
            self.places.par_chunks_mut(size.max(1)).enumerate().with_max_len(1).map(part).collect();
        self.sums.changes = 0;
        parts.iter().for_each(|part| self.sums.add(part));
        self.sums.changes
    }

    /// Means of the rows of each cluster, `(k, d)`, zero where there are none, and how many there are.
    pub fn means(&self) -> (Array2<f64>, &[i64]) {
        let mut means = self.sums.sums.clone();
        for (mut mean, &count) in means.rows_mut().into_iter().zip(&self.sums.counts) {
            mean /= count.max(1) as f64;
        }
        (means, &self.sums.counts)
    }

    /// The clusters, and the sum of squared distances to their centroids, in order of rows.
    pub fn settle(self, centroids: &Array2<f32>) -> (Vec<u32>, f64) {
        let labels: Vec<u32> = self.places.iter().map(|place| place.label).collect();
        let squared = |(row, &label): (usize, &u32)| {
            let values = self.rows.block(row, 1);
            let differences = values.iter().zip(centroids.row(label as usize));
            differences.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>()
        };
        let squares: Vec<f64> =
            labels.par_iter().enumerate().map(|(row, label)| squared((row, label))).collect();
        (labels, squares.iter().sum())
    }
}

impl<'c> Targets<'c> {
    fn new(rows: &Rows<'_>, centroids: &'c Array2<f32>, before: &Array2<f32>) -> Targets<'c> {
        let halves: Vec<f32> = centroids.rows().into_iter().map(|row| row.dot(&row) / 2.0).collect();
        let longest = halves.iter().chain(rows.halves()).fold(0.0, |longest: f32, half| longest.max(*half));
        let moves: Vec<f32> = centroids.rows().into_iter().zip(before.rows()).map(distance).collect();
        let greatest = |but: u32| {
            let others = (0u32..).zip(&moves).filter(|(number, _)| *number != but);
            others.fold(
                (u32::MAX, 0.0),
                |most, (number, &moved)| if moved > most.1 { (number, moved) } else { most },
            )
        };
        let most = greatest(u32::MAX);
        let next_most = greatest(most.0).1;
        let slack = rounding(centroids.ncols(), longest);
        Targets { centroids, halves, slack, moves, most, next_most }
    }

    /// Takes a block of rows to their centroids; `products`: room for the block's.
    fn assign(
        &self,
        rows: &Rows<'_>,
        from: usize,
        places: &mut [Place],
        products: &mut Array2<f32>,
        changed: &mut Sums,
    ) {
        let block = rows.block(from, places.len());
        let mut open = Vec::with_capacity(places.len());
        for (row, place) in places.iter_mut().enumerate() {
            if !self.stays(block.row(row), rows.halves()[from + row], place) {
                open.push(row);
            }
        }
        let chosen = block.select(Axis(0), if open.len() < places.len() { &open } else { &[] });
        let left = if open.len() < places.len() { chosen.view() } else { block };
        let mut products = products.slice_mut(s![..left.nrows(), ..]);
        general_mat_mul(1.0, &left, &self.centroids.t(), 0.0, &mut products);
        for (&row, products) in open.iter().zip(products.rows()) {
            let half = rows.halves()[from + row];
            let (label, nearest, next) = two_nearest(products.as_slice().unwrap_or(&[]), &self.halves);
            let own = (2.0 * (half - nearest + self.slack)).max(0.0).sqrt();
            let others = (2.0 * (half - next - self.slack)).max(0.0).sqrt();
            if label != places[row].label {
                changed.shift(places[row].label, label, block.row(row).as_slice().unwrap_or(&[]));
            }
            places[row] = Place { label, own, others };
        }
    }

    /// Whether the row's centroid is still the nearest, by bounds, then by its distance; moves the bounds on.
    fn stays(&self, row: ndarray::ArrayView1<'_, f32>, half: f32, place: &mut Place) -> bool {
        if place.label == NOWHERE.label {
            return false;
        }
        let label = place.label as usize;
        let others_moved = if place.label == self.most.0 { self.next_most } else { self.most.1 };
        place.own = (place.own + self.moves[label]) * (1.0 + WIDER);
        place.others = (place.others - others_moved) * (1.0 - WIDER);
        if place.own < place.others {
            return true;
        }
        let score = row.dot(&self.centroids.row(label)) - self.halves[label];
        place.own = (2.0 * (half - score + self.slack)).max(0.0).sqrt();
        place.own < place.others
    }
}

impl Sums {
    fn empty(k: usize, width: usize) -> Sums {
        Sums { sums: Array2::zeros((k, width)), counts: vec![0; k], changes: 0 }
    }

    fn add(&mut self, other: &Sums) {
        self.sums += &other.sums;
        self.counts.iter_mut().zip(&other.counts).for_each(|(all, count)| *all += count);
        self.changes += other.changes;
    }

    /// `row` goes from a cluster, if it had one, to another.
    fn shift(&mut self, from: u32, to: u32, row: &[f32]) {
        self.changes += 1;
        let width = row.len();
        for (label, sign) in [(to, 1), (from, -1)].into_iter().filter(|(label, _)| *label != NOWHERE.label) {
            self.counts[label as usize] += sign;
            if let Some(sums) = self.sums.as_slice_mut() {
                let sums = &mut sums[label as usize * width..][..width];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += sign as f64 * f64::from(*value));
            }
        }
    }
}

/// Distance of two vectors, rounded up.
fn distance((a, b): (ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)) -> f32 {
    let squared: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    squared.sqrt() as f32 * (1.0 + WIDER)
}

/// The nearest centroid by `product - half`, the first of equals, that value, and the next best one.
///
/// The greatest values first, then the place: plain loops run in vector registers, one with all does not.
fn two_nearest(products: &[f32], halves: &[f32]) -> (u32, f32, f32) {
    const LANES: usize = 16;
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let lesser = |a: f32, b: f32| if b < a { b } else { a };
    let (mut first, mut second) = ([f32::NEG_INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for (products, halves) in products.chunks(LANES).zip(halves.chunks(LANES)) {
        for (lane, (product, half)) in products.iter().zip(halves).enumerate() {
            let score = product - half;
            second[lane] = greater(second[lane], lesser(first[lane], score));
            first[lane] = greater(first[lane], score);
        }
    }
    let mut best = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for score in first.into_iter().chain(second) {
        best = (greater(best.0, score), greater(best.1, lesser(best.0, score)));
    }
    let place = products.iter().zip(halves).position(|(product, half)| product - half == best.0);
    (place.unwrap_or(0) as u32, best.0, best.1)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;

    #[test]
    fn the_two_nearest_are_found_with_ties() {
        let scores: Vec<f32> = (0..37).map(|i| ((i * 29) % 31) as f32).collect();
        // 30 is at 24 alone; twice as great a value at 3 and 20 ties.
        assert_eq!(two_nearest(&scores, &[0.0; 37]).1, 30.0);
        let mut tied = scores.clone();
        (tied[3], tied[20]) = (60.0, 60.0);
        assert_eq!(two_nearest(&tied, &[0.0; 37]), (3, 60.0, 60.0));
        assert_eq!(two_nearest(&[1.0], &[0.5]), (0, 0.5, f32::NEG_INFINITY));
    }

    #[test]
    fn bounds_change_no_label() {
        let vectors = mixture(1_000, 30, 40, 1.5, 1);
        let mut centroids = vectors.slice(s![..25, ..]).to_owned();
        let mut bounded = Assignment::new(vectors.view(), 25);
        let mut before = centroids.clone();
        for pass in 0..12 {
            bounded.update(&centroids, &before);
            let mut afresh = Assignment::new(vectors.view(), 25);
            afresh.update(&centroids, &centroids);
            let labels =
                |from: &Assignment<'_>| from.places.iter().map(|place| place.label).collect::<Vec<_>>();
            assert_eq!(labels(&bounded), labels(&afresh), "pass {pass}");
            let apart =
                (&bounded.sums.sums - &afresh.sums.sums).iter().fold(0.0, |most: f64, d| most.max(d.abs()));
            assert!(bounded.sums.counts == afresh.sums.counts && apart < 1e-9, "pass {pass}");
            before = std::mem::replace(&mut centroids, bounded.means().0.mapv(|value| value as f32));
        }
    }
}
