//! Attention within one sequence: scores, softmax and weighted values, head by head.

use super::lanes::{LANES, Lanes};
use super::math;

/// One sequence's attention (Vaswani et al., 2017, eq. 1); the factor `1 / sqrt(d)` is already in the queries.
#[derive(Debug)]
pub struct Attention<'a> {
    /// `length` rows of `3 * width`: queries, keys, values, each head after head.
    pub qkv: &'a [f32],
    /// Heads; `width / heads` is 16, 32 or 64.
    pub heads: usize,
    /// Width of a layer.
    pub width: usize,
    /// `length` rows of `width`: the result.
    pub out: &'a mut [f32],
    /// Room for keys and scores, kept between calls.
    pub room: &'a mut Vec<f32>,
}

/// Queries whose scores are held at once.
const QUERIES: usize = 8;

impl Attention<'_> {
    /// Panics unless every slice has its length; makes room.
    pub fn check(&mut self) {
        let length = self.length();
        assert!(
            length > 0 && self.width.is_multiple_of(self.heads),
            "a sequence has tokens, a head its share"
        );
        assert_eq!(self.qkv.len(), length * 3 * self.width, "whole rows of queries, keys and values");
        assert_eq!(self.out.len(), length * self.width, "whole rows of results");
        let padded = length.next_multiple_of(LANES);
        let room = padded * (self.width / self.heads + QUERIES);
        if self.room.len() < room {
            self.room.resize(room, 0.0);
        }
    }

    fn length(&self) -> usize {
        self.out.len() / self.width
    }
}

/// `S` queries are scored and the values of `Q` added up at once, both divisors of `QUERIES`.
#[inline(always)]
pub unsafe fn attention<L: Lanes, const S: usize, const Q: usize>(a: &mut Attention<'_>) {
    unsafe {
        match a.width / a.heads {
            16 => heads::<L, 1, S, Q>(a),
            32 => heads::<L, 2, S, Q>(a),
            64 => heads::<L, 4, S, Q>(a),
            other => panic!("no kernel for heads of {other}"),
        }
    }
}

/// `D`: vectors of 16 in a head.
#[inline(always)]
unsafe fn heads<L: Lanes, const D: usize, const S: usize, const Q: usize>(a: &mut Attention<'_>) {
    let (length, stride) = (a.length(), 3 * a.width);
    let padded = length.next_multiple_of(LANES);
    let (keys, scores) = a.room.split_at_mut(padded * D * LANES);
    for head in 0..a.heads {
        let column = head * D * LANES;
        transpose(&a.qkv[a.width + column..], stride, D * LANES, length, padded, keys);
        for first in (0..length).step_by(QUERIES) {
            let count = QUERIES.min(length - first);
            // Rows past the last repeat it: computed, never used.
            let rows: [usize; QUERIES] = std::array::from_fn(|i| first + i.min(count - 1));
            unsafe {
                let queries = rows.map(|row| a.qkv.as_ptr().add(row * stride + column));
                score::<L, S>(queries, keys, D * LANES, padded, scores);
                for i in (0..count).step_by(Q) {
                    // A loop and no closure: closures are compiled without the instruction set.
                    let mut sums = [0.0; Q];
                    for (q, sum) in sums.iter_mut().enumerate() {
                        *sum = softmax::<L>(&mut scores[(i + q) * padded..][..padded], length);
                    }
                    let values = a.qkv.as_ptr().add(2 * a.width + column);
                    let mixed = mix::<L, D, Q>(&scores[i * padded..], padded, values, stride, length);
                    for (q, mixed) in mixed.iter().enumerate().take(count - i) {
                        let share = L::splat(1.0 / sums[q]);
                        let out = a.out.as_mut_ptr().add((first + i + q) * a.width + column);
                        for (d, value) in mixed.iter().enumerate() {
                            L::store(out.add(d * LANES), L::mul(*value, share));
                        }
                    }
                }
            }
        }
    }
}

/// `(length, depth)` with rows `stride` apart to `(depth, padded)`; padding is zero.
#[inline(always)]
fn transpose(from: &[f32], stride: usize, depth: usize, length: usize, padded: usize, to: &mut [f32]) {
    for j in 0..length {
        for (d, value) in from[j * stride..][..depth].iter().enumerate() {
            to[d * padded + j] = *value;
        }
    }
    for row in to.chunks_exact_mut(padded).take(depth) {
        row[length..].fill(0.0);
    }
}

/// Scores of `QUERIES` queries against all keys, `S` at a time: as many sums as the registers hold.
#[inline(always)]
unsafe fn score<L: Lanes, const S: usize>(
    queries: [*const f32; QUERIES],
    keys: &[f32],
    depth: usize,
    padded: usize,
    scores: &mut [f32],
) {
    for first in (0..QUERIES).step_by(S) {
        for j in (0..padded).step_by(LANES) {
            unsafe {
                let mut sums = [L::splat(0.0); S];
                for d in 0..depth {
                    let key = L::load(keys.as_ptr().add(d * padded + j));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = L::fma(L::splat(*queries[first + i].add(d)), key, *sum);
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    L::store(scores.as_mut_ptr().add((first + i) * padded + j), sum);
                }
            }
        }
    }
}

/// Scores become `e^(score - largest)`; returns their sum. What lies past `length` becomes nothing.
#[inline(always)]
unsafe fn softmax<L: Lanes>(scores: &mut [f32], length: usize) -> f32 {
    scores[length..].fill(f32::MIN);
    let (padded, row) = (scores.len(), scores.as_mut_ptr());
    unsafe {
        let mut top = L::splat(f32::MIN);
        for j in (0..padded).step_by(LANES) {
            top = L::max(top, L::load(row.add(j)));
        }
        let top = L::splat(L::largest(top));
        let mut sum = L::splat(0.0);
        for j in (0..padded).step_by(LANES) {
            let value = math::exp::<L>(L::sub(L::load(row.add(j)), top));
            sum = L::add(sum, value);
            L::store(row.add(j), value);
        }
        L::sum(sum)
    }
}

/// Values of `Q` queries: `(Q, D)` vectors, not yet divided by the softmax's sum.
#[inline(always)]
unsafe fn mix<L: Lanes, const D: usize, const Q: usize>(
    weights: &[f32],
    padded: usize,
    values: *const f32,
    stride: usize,
    length: usize,
) -> [[L::Floats; D]; Q] {
    unsafe {
        let mut sums = [[L::splat(0.0); D]; Q];
        for j in 0..length {
            let mut value = [L::splat(0.0); D];
            for (d, value) in value.iter_mut().enumerate() {
                *value = L::load(values.add(j * stride + d * LANES));
            }
            for (q, sums) in sums.iter_mut().enumerate() {
                let weight = L::splat(*weights.as_ptr().add(q * padded + j));
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = L::fma(weight, value, *sum);
                }
            }
        }
        sums
    }
}
