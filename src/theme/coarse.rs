//! Scores of many pairs at once in 16-bit integers: twenty times as fast as in single precision, off by a known bound.
//!
//! A score is `x.y - |y|^2 / 2`, so that `|x - y|^2 = |x|^2 - 2 score`: of several `y` the greatest score is the
//! nearest. Scores only say which pairs may matter; what they leave open is measured again, so nothing that is found
//! depends on them. They run on the encoder's kernels (`embed::kernel`), where every instruction set gives the same bits.

use rayon::prelude::*;

use crate::embed::kernel::{Finish, Instructions, Kernels, Panels, Product, fetch};

/// Rows rounded by one task.
const CHUNK: usize = 256;
/// Integers, marks and columns come by as many.
const LANES: usize = 16;
/// Share of the integers' step that rounding may take away: half, and what the division before it loses.
const ROUNDED: f64 = 0.51;
/// Single precision on the way from a sum of integers to a score: six roundings at most, each 2^-24 (Higham 2002,
/// section 3.1); twice that.
const SINGLE: f64 = 12.0 / (1u64 << 24) as f64;

/// The left side: rows as integers.
#[derive(Debug)]
pub struct Left {
    kernels: &'static Kernels,
    depth: usize,
    /// `(n, depth)`.
    integers: Vec<i16>,
    /// What an integer of each row stands for.
    scales: Vec<f32>,
    /// `sqrt(d)`: how far a row may be from its integers, in steps.
    root: f64,
}

/// The right side: a block of rows, or centroids.
#[derive(Debug)]
pub struct Right {
    panels: Panels,
    /// Minus half of each squared length; minus infinity for columns that only fill up.
    biases: Vec<f32>,
    count: usize,
    /// Greatest length.
    length: f64,
    /// Greatest distance of a row from its integers.
    loss: f64,
}

/// Room for scores, and for rows that do not lie next to each other.
#[derive(Debug, Default)]
pub struct Room {
    integers: Vec<i16>,
    scales: Vec<f32>,
    scores: Vec<f32>,
}

/// The fastest kernels of this machine.
pub fn kernels() -> &'static Kernels {
    // The portable ones are always there.
    Instructions::best().kernels().unwrap_or_else(|| unreachable!("every machine runs plain Rust"))
}

impl Left {
    /// `values`: `(count, width)` finite, row after row; and half the squared length of each.
    pub fn of(values: &[f32], count: usize, width: usize) -> (Left, Vec<f32>) {
        let kernels = kernels();
        let depth = width.max(1).next_multiple_of(LANES);
        let (mut integers, mut scales) = (vec![0; count * depth], vec![0.0; count]);
        let mut halves = vec![0.0; count];
        let origin = vec![0.0; width];
        let chunks = integers.par_chunks_mut(CHUNK * depth).zip(scales.par_chunks_mut(CHUNK));
        chunks.zip(halves.par_chunks_mut(CHUNK)).enumerate().for_each(
            |(chunk, ((integers, scales), halves))| {
                let values = &values[chunk * CHUNK * width..][..scales.len() * width];
                for (row, half) in halves.iter_mut().enumerate() {
                    *half = (kernels.squared_distance(&values[row * width..][..width], &origin) / 2.0) as f32;
                }
                let values = padded(values, width, depth, scales.len());
                kernels.quantise_to_length(&values, depth, integers, scales);
            },
        );
        (Left { kernels, depth, integers, scales, root: (width as f64).sqrt() }, halves)
    }

    /// Scores of the rows at `places`, strictly ascending, each as long as the right's stride, in their order.
    pub fn scores<'r>(
        &self,
        places: &[usize],
        right: &Right,
        room: &'r mut Room,
    ) -> std::slice::ChunksExact<'r, f32> {
        let (stride, depth) = (right.stride(), self.depth);
        room.scores.resize(room.scores.len().max(places.len() * stride), 0.0);
        let out = &mut room.scores[..places.len() * stride];
        let (left, left_scales) = match places {
            [first, .., last] if last - first + 1 == places.len() => {
                (&self.integers[first * depth..(last + 1) * depth], &self.scales[*first..=*last])
            }
            _ => {
                room.integers.clear();
                room.scales.clear();
                for &place in places {
                    room.integers.extend_from_slice(&self.integers[place * depth..][..depth]);
                    room.scales.push(self.scales[place]);
                }
                (&room.integers[..], &room.scales[..])
            }
        };
        self.kernels.product(Product {
            left,
            left_scales,
            right: &right.panels,
            bias: Some(&right.biases),
            finish: Finish::Store,
            out,
            stride,
        });
        out.chunks_exact(stride)
    }

    /// Asks memory for the row at `place`, if there is one, whose scores will be wanted soon.
    pub fn fetch(&self, place: usize) {
        if let Some(integers) = self.integers.get(place * self.depth..(place + 1) * self.depth) {
            fetch(integers);
        }
    }

    /// How far the scores of row `place`, half of whose squared length is `half`, may be from the truth.
    ///
    /// `x.y - x'.y' = (x - x').y + x'.(y - y')`, with `'` for what the integers stand for: by Cauchy and Schwarz no
    /// more than `|x - x'| |y| + |x'| |y - y'|`.
    pub fn slack(&self, place: usize, half: f32, right: &Right) -> f32 {
        let length = (2.0 * f64::from(half)).sqrt();
        let loss = ROUNDED * f64::from(self.scales[place]) * self.root;
        let rounded = loss * right.length + (length + loss) * right.loss;
        let exact = length * right.length + f64::from(half) + right.length.powi(2) / 2.0;
        ((rounded + SINGLE * exact) * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE
    }
}

impl Right {
    /// `values`: `(count, width)` finite, row after row; `halves`: half of each squared length.
    pub fn of(values: &[f32], width: usize, halves: &[f32]) -> Right {
        let depth = width.max(1).next_multiple_of(LANES);
        let columns = halves.len().next_multiple_of(LANES);
        let mut biases: Vec<f32> = halves.iter().map(|half| -half).collect();
        biases.resize(columns, f32::NEG_INFINITY);
        let (mut integers, mut scales) = (vec![0; columns * depth], vec![0.0; columns]);
        let values = padded(values, width, depth, columns);
        kernels().quantise_to_length(&values, depth, &mut integers, &mut scales);
        let greatest = |values: &[f32]| values.iter().fold(0.0, |greatest: f32, v| greatest.max(*v));
        Right {
            count: halves.len(),
            length: (2.0 * f64::from(greatest(halves))).sqrt() * (1.0 + 1e-6),
            loss: ROUNDED * f64::from(greatest(&scales)) * (width as f64).sqrt(),
            panels: Panels::of_integers(&integers, depth, scales),
            biases,
        }
    }

    /// Rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Scores of one row of the left: the rows and some that only fill up.
    pub fn stride(&self) -> usize {
        self.biases.len()
    }
}

/// Rows of `width` values widened to `depth` with zeros, `rows` of them; as they are where that changes nothing.
fn padded(values: &[f32], width: usize, depth: usize, rows: usize) -> std::borrow::Cow<'_, [f32]> {
    if values.len() == rows * depth {
        return values.into();
    }
    let mut wide = vec![0.0; rows * depth];
    for (wide, values) in wide.chunks_exact_mut(depth).zip(values.chunks_exact(width)) {
        wide[..width].copy_from_slice(values);
    }
    wide.into()
}

/// Places of the marked ones, ascending.
pub fn marked(marks: &[u16]) -> impl Iterator<Item = usize> {
    marks.iter().enumerate().flat_map(|(group, &mark)| {
        let mut left = mark;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place < LANES).then_some(group * LANES + place)
        })
    })
}
