//! Work along the rows of a matrix: layer normalisation, 16-bit rounding, sums for pooling.

use super::lanes::{LANES, Lanes};

/// `(x - mean) / sqrt(variance + eps) * gain + shift` for each row, in place (Ba, Kiros and Hinton, 2016, eq. 4).
///
/// `x`: whole rows of `gain.len()` values, a multiple of 16.
#[inline(always)]
pub unsafe fn normalise<L: Lanes>(x: &mut [f32], gain: &[f32], shift: &[f32], eps: f32) {
    let width = gain.len();
    debug_assert!(width.is_multiple_of(LANES) && shift.len() == width);
    for row in x.chunks_exact_mut(width) {
        let row = row.as_mut_ptr();
        unsafe {
            let mut sum = L::splat(0.0);
            for k in (0..width).step_by(LANES) {
                sum = L::add(sum, L::load(row.add(k)));
            }
            let mean = L::splat(L::sum(sum) / width as f32);
            let mut squares = L::splat(0.0);
            for k in (0..width).step_by(LANES) {
                let off = L::sub(L::load(row.add(k)), mean);
                squares = L::fma(off, off, squares);
            }
            let scale = L::splat(1.0 / (L::sum(squares) / width as f32 + eps).sqrt());
            for k in (0..width).step_by(LANES) {
                let off = L::mul(L::sub(L::load(row.add(k)), mean), scale);
                let (gain, shift) = (L::load(gain.as_ptr().add(k)), L::load(shift.as_ptr().add(k)));
                L::store(row.add(k), L::fma(off, gain, shift));
            }
        }
    }
}

/// Rounds rows to integers of -`range`..=`range`, each row by its own scale.
///
/// Row `i` is `x[i * stride..][..depth]`; it becomes `to[i * depth..][..depth]` and `scales[i]`, with
/// `x ~ to * scale`. `depth` is a multiple of 16.
#[inline(always)]
pub unsafe fn quantise<L: Lanes>(
    x: &[f32],
    stride: usize,
    depth: usize,
    range: f32,
    to: &mut [i16],
    scales: &mut [f32],
) {
    debug_assert!(depth.is_multiple_of(LANES) && depth <= stride);
    for (i, scale) in scales.iter_mut().enumerate() {
        let row = x[i * stride..][..depth].as_ptr();
        let to = to[i * depth..][..depth].as_mut_ptr();
        unsafe {
            let mut top = L::splat(1e-20);
            for k in (0..depth).step_by(LANES) {
                top = L::max(top, L::abs(L::load(row.add(k))));
            }
            let top = L::largest(top);
            *scale = top / range;
            let factor = L::splat(range / top);
            for k in (0..depth).step_by(LANES) {
                L::store_narrow(to.add(k), L::to_ints(L::mul(L::load(row.add(k)), factor)));
            }
        }
    }
}

/// Length of a row of integers, as a vector, at most; with less than 340 for rounding no sum of products of two such
/// rows can leave 32 bits (Cauchy and Schwarz): 46,340^2 < 2^31.
const LENGTH: f32 = 46_000.0;

/// Rounds rows of `depth` values to integers that make vectors of one length, each row by its own scale: `x ~ to *
/// scale`, no value off by more than 0.51 of it. `depth` is a multiple of 16, at most 65,536. A row of zeros has a scale of
/// 0: it loses nothing.
#[inline(always)]
pub unsafe fn quantise_to_length<L: Lanes>(x: &[f32], depth: usize, to: &mut [i16], scales: &mut [f32]) {
    debug_assert!(x.len() == scales.len() * depth && to.len() == x.len());
    for (i, scale) in scales.iter_mut().enumerate() {
        unsafe {
            let (x, to) = (x.as_ptr().add(i * depth), to.as_mut_ptr().add(i * depth));
            let (mut top, mut squares) = (L::splat(0.0), L::splat(0.0));
            for k in (0..depth).step_by(LANES) {
                let values = L::load(x.add(k));
                top = L::max(top, L::abs(values));
                squares = L::fma(values, values, squares);
            }
            let top = L::largest(top);
            // One great value among small ones meets the end of 16 bits first; below 1e-20 the factor would overflow.
            *scale = (L::sum(squares).sqrt() * 1.001 / LENGTH).max(top.max(1e-20) / 32_767.0);
            let factor = L::splat(1.0 / *scale);
            for k in (0..depth).step_by(LANES) {
                L::store_narrow(to.add(k), L::to_ints(L::mul(L::load(x.add(k)), factor)));
            }
            if top == 0.0 {
                *scale = 0.0;
            }
        }
    }
}

/// Mean of rows of `mean.len()` values, a multiple of 16; rows are added first to last.
#[inline(always)]
pub unsafe fn mean<L: Lanes>(x: &[f32], mean: &mut [f32]) {
    let width = mean.len();
    debug_assert!(width.is_multiple_of(LANES) && !x.is_empty());
    let rows = x.len() / width;
    for k in (0..width).step_by(LANES) {
        unsafe {
            let mut sum = L::splat(0.0);
            for row in 0..rows {
                sum = L::add(sum, L::load(x.as_ptr().add(row * width + k)));
            }
            L::store(mean.as_mut_ptr().add(k), L::div(sum, L::splat(rows as f32)));
        }
    }
}
