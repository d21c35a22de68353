//! After a product of which only the best is wanted: scores above a bar, the two greatest, and rows looked at again in
//! double precision.

use super::lanes::{LANES, Lanes};

/// Marks scores above `bar`: bit `i` of `marks[j]` is that of score `16 j + i`. 16 scores for each mark.
#[inline(always)]
pub unsafe fn above<L: Lanes>(scores: &[f32], bar: f32, marks: &mut [u16]) {
    debug_assert!(scores.len() == LANES * marks.len());
    unsafe {
        let bar = L::splat(bar);
        for (place, mark) in marks.iter_mut().enumerate() {
            *mark = L::above(L::load(scores.as_ptr().add(place * LANES)), bar);
        }
    }
}

/// The greatest score and the next, which is the same where two are the greatest. `scores`: a multiple of 16, no NaN.
#[inline(always)]
pub unsafe fn two_greatest<L: Lanes>(scores: &[f32]) -> (f32, f32) {
    debug_assert!(scores.len().is_multiple_of(LANES));
    unsafe {
        let (mut first, mut second) = (L::splat(f32::NEG_INFINITY), L::splat(f32::NEG_INFINITY));
        for place in (0..scores.len()).step_by(LANES) {
            let score = L::load(scores.as_ptr().add(place));
            second = L::max(second, L::min(first, score));
            first = L::max(first, score);
        }
        let (mut firsts, mut seconds) = ([0.0; LANES], [0.0; LANES]);
        L::store(firsts.as_mut_ptr(), first);
        L::store(seconds.as_mut_ptr(), second);
        // Halves folded onto each other; of two pairs the next is the lesser first or a second.
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                let (a, b) = (firsts[i], firsts[i + half]);
                let (more, less) = if a > b { (a, b) } else { (b, a) };
                let next = if seconds[i] > seconds[i + half] { seconds[i] } else { seconds[i + half] };
                (firsts[i], seconds[i]) = (more, if less > next { less } else { next });
            }
            half /= 2;
        }
        (firsts[0], seconds[0])
    }
}

/// Values whose distance is summed side by side.
const SUMS: usize = 8;

/// Squared distance of two vectors of equal length in double precision: 0 for equal ones, and only for those.
///
/// Plain Rust, which rounds every operation by itself: the same bits whatever it is compiled for.
#[inline(always)]
pub unsafe fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    debug_assert!(a.len() == b.len());
    let mut sums = [0.0f64; SUMS];
    let mut from = 0;
    while from + SUMS <= a.len() {
        // SAFETY: both have that many. Whole arrays, as checks of every value would keep them from vector registers.
        let (x, y) = unsafe {
            let (x, y) = (a.as_ptr().add(from), b.as_ptr().add(from));
            (x.cast::<[f32; SUMS]>().read_unaligned(), y.cast::<[f32; SUMS]>().read_unaligned())
        };
        for lane in 0..SUMS {
            let difference = f64::from(x[lane]) - f64::from(y[lane]);
            sums[lane] += difference * difference;
        }
        from += SUMS;
    }
    let mut rest = 0.0;
    for (x, y) in a[from..].iter().zip(&b[from..]) {
        rest += (f64::from(*x) - f64::from(*y)).powi(2);
    }
    sums.iter().sum::<f64>() + rest
}

/// Adds `factor` times a row to sums in double precision; as many as those. The same bits everywhere, too.
#[inline(always)]
pub unsafe fn accumulate(sums: &mut [f64], row: &[f32], factor: f64) {
    debug_assert!(sums.len() == row.len());
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += factor * f64::from(*value);
    }
}

/// Asks memory for values that will be read soon, while something else is calculated. Only ever a matter of time.
pub fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>().max(1)).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
