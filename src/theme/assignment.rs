//! Which centroid is nearest to each row, from one iteration of k-means to the next.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::blocks::{ROWS, Rows, STRIP};
use super::coarse::{Right, Room, kernels, marked};
use crate::embed::kernel::Kernels;

/// Parts that rows are summed in: fixed, so that the sums are, and few, as each holds all centroids.
const PARTS: usize = 16;
/// A block with a greater share of open rows is multiplied whole: picking them out would cost more.
const MOST_OPEN: (usize, usize) = (3, 4);
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

/// Centroids with what scores of them need.
struct Targets<'c> {
    kernels: &'static Kernels,
    centroids: &'c Array2<f32>,
    right: Right,
    /// How far each has moved since the last assignment, and the two that moved most.
    moves: Vec<f32>,
    most: (u32, f32),
    next_most: f32,
}

/// Where a block of rows is worked on.
#[derive(Default)]
struct Desk {
    open: Vec<usize>,
    /// Rows of a strip that go from a cluster to another.
    moved: Vec<(usize, u32, u32)>,
    room: Room,
    marks: Vec<u16>,
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
        let targets = Targets::new(centroids, before);
        let size = self.places.len().div_ceil(PARTS).next_multiple_of(ROWS);
        let rows = &self.rows;
        let part = |(part, places): (usize, &mut [Place])| {
            let mut changed = Sums::empty(centroids.nrows(), centroids.ncols());
            let mut desk = Desk::default();
            for (block, places) in places.chunks_mut(ROWS).enumerate() {
                targets.assign(rows, part * size + block * ROWS, places, &mut desk, &mut changed);
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
            kernels().squared_distance(self.rows.values(row, row + 1), slice(centroids, label))
        };
        let squares: Vec<f64> = labels.par_iter().enumerate().map(squared).collect();
        (labels, squares.iter().sum())
    }
}

impl<'c> Targets<'c> {
    fn new(centroids: &'c Array2<f32>, before: &Array2<f32>) -> Targets<'c> {
        let halves: Vec<f32> = centroids
            .rows()
            .into_iter()
            .map(|row| (row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / 2.0) as f32)
            .collect();
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
        let right = Right::of(centroids.as_slice().unwrap_or(&[]), centroids.ncols(), &halves);
        Targets { kernels: kernels(), centroids, right, moves, most, next_most }
    }

    /// Takes a block of rows to their centroids.
    fn assign(
        &self,
        rows: &Rows<'_>,
        from: usize,
        places: &mut [Place],
        Desk { open, moved, room, marks }: &mut Desk,
        changed: &mut Sums,
    ) {
        open.clear();
        open.extend((0..places.len()).filter(|&row| !self.stays(&mut places[row])).map(|row| from + row));
        if open.len() * MOST_OPEN.1 > places.len() * MOST_OPEN.0 {
            open.clear();
            open.extend(from..from + places.len());
        }
        marks.resize(self.right.stride() / 16, 0);
        let soon = open.get(STRIP..).unwrap_or(&[]).iter().copied().chain(from + places.len()..);
        let mut soon = soon.take(open.len());
        for open in open.chunks(STRIP) {
            let scores = rows.left().scores(open, &self.right, room);
            for (&row, scores) in open.iter().zip(scores) {
                soon.by_ref().take(1).for_each(|row| rows.left().fetch(row));
                let place = self.place(rows, row, scores, marks);
                let before = std::mem::replace(&mut places[row - from], place);
                if place.label != before.label {
                    rows.fetch(row);
                    moved.push((row, before.label, place.label));
                }
            }
            for (row, before, after) in moved.drain(..) {
                changed.shift(self.kernels, before, after, rows.values(row, row + 1));
            }
        }
    }

    /// The nearest centroid of a row, and its bounds.
    fn place(&self, rows: &Rows<'_>, row: usize, scores: &[f32], marks: &mut [u16]) -> Place {
        let half = rows.halves()[row];
        let slack = rows.left().slack(row, half, &self.right);
        let (greatest, next) = self.kernels.two_greatest(scores);
        // Any of these may be the nearest; mostly there is one.
        let least = (greatest - 2.0 * slack).next_down();
        let contested = next > least;
        self.kernels.above(scores, if contested { least } else { greatest.next_down() }, marks);
        let (mut label, mut nearest) = (0, f64::INFINITY);
        for place in marked(marks) {
            let squared = if contested { self.squared(rows, row, place) } else { 0.0 };
            if squared < nearest {
                (label, nearest) = (place as u32, squared);
            }
        }
        let distance = |score: f32, slack: f32| (2.0 * (half - score + slack)).max(0.0).sqrt();
        let own = scores[label as usize];
        let others = if own == greatest { next } else { greatest };
        Place { label, own: distance(own, slack), others: distance(others, -slack) }
    }

    fn squared(&self, rows: &Rows<'_>, row: usize, label: usize) -> f64 {
        self.kernels.squared_distance(rows.values(row, row + 1), slice(self.centroids, label as u32))
    }

    /// Whether the row's centroid must still be the nearest; moves the bounds on.
    fn stays(&self, place: &mut Place) -> bool {
        if place.label == NOWHERE.label {
            return false;
        }
        let others_moved = if place.label == self.most.0 { self.next_most } else { self.most.1 };
        place.own = (place.own + self.moves[place.label as usize]) * (1.0 + WIDER);
        place.others = (place.others - others_moved) * (1.0 - WIDER);
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
    fn shift(&mut self, kernels: &Kernels, from: u32, to: u32, row: &[f32]) {
        self.changes += 1;
        let width = row.len();
        for (label, sign) in [(to, 1), (from, -1)].into_iter().filter(|(label, _)| *label != NOWHERE.label) {
            self.counts[label as usize] += sign;
            if let Some(sums) = self.sums.as_slice_mut() {
                kernels.accumulate(&mut sums[label as usize * width..][..width], row, sign as f64);
            }
        }
    }
}

/// Distance of two vectors, rounded up.
fn distance((a, b): (ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)) -> f32 {
    let squared: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    squared.sqrt() as f32 * (1.0 + WIDER)
}

/// A centroid's values.
fn slice(centroids: &Array2<f32>, label: u32) -> &[f32] {
    let width = centroids.ncols();
    &centroids.as_slice().unwrap_or(&[])[label as usize * width..][..width]
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::s;

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
