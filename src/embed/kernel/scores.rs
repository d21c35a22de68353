//! After a product of which only the best is wanted: scores above a bar, the two greatest, and a pair measured again.

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
    let (mut firsts, mut seconds) = ([f32::NEG_INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    unsafe {
        let (mut first, mut second) = (L::splat(f32::NEG_INFINITY), L::splat(f32::NEG_INFINITY));
        for place in (0..scores.len()).step_by(LANES) {
            let score = L::load(scores.as_ptr().add(place));
            second = L::max(second, L::min(first, score));
            first = L::max(first, score);
        }
        let greatest = L::largest(first);
        // Of the lane that holds it the second counts, of all others the first.
        L::store(firsts.as_mut_ptr(), first);
        L::store(seconds.as_mut_ptr(), second);
        let lane = firsts.iter().position(|value| *value == greatest).unwrap_or(0);
        firsts[lane] = seconds[lane];
        (greatest, L::largest(L::load(firsts.as_ptr())))
    }
}

/// Squared distance of two vectors of equal length in double precision: 0 for equal ones, and only for those.
///
/// Plain Rust, which rounds every operation by itself: the same bits whatever it is compiled for.
#[inline(always)]
pub fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
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
