//! The exponential and GELU, sixteen at a time.

use super::lanes::Lanes;

/// `e^x`, relative error below 3e-7 for x in -87..=88; smaller x count as -87.
///
/// Range reduction by ln 2 in two parts and the degree-5 polynomial of Cephes `expf` (Moshier, 1989).
#[inline(always)]
pub unsafe fn exp<L: Lanes>(x: L::Floats) -> L::Floats {
    unsafe {
        let x = L::max(x, L::splat(-87.0));
        let whole = L::to_ints(L::mul(x, L::splat(std::f32::consts::LOG2_E)));
        let n = L::to_floats(whole);
        let r = L::fma(n, L::splat(-0.693_359_375), x);
        let r = L::fma(n, L::splat(2.121_944_4e-4), r);
        let mut p = L::splat(1.987_569_1e-4);
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
            p = L::fma(p, r, L::splat(c));
        }
        let p = L::fma(p, L::mul(r, r), L::add(r, L::splat(1.0)));
        L::mul(p, L::power_of_two(whole))
    }
}

/// GELU in its exact form, `x / 2 * (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016, eq. 1), within 3e-7 * max(1, |x|).
#[inline(always)]
pub unsafe fn gelu<L: Lanes>(x: L::Floats) -> L::Floats {
    unsafe {
        let half = L::mul(x, L::splat(0.5));
        L::fma(half, erf::<L>(L::mul(x, L::splat(std::f32::consts::FRAC_1_SQRT_2))), half)
    }
}

/// The error function within 2e-7: the minimax quotient of an odd polynomial of degree 13 and an even one of
/// degree 8, on -3.9..=3.9 (coefficients as in Eigen's and XLA's single-precision erf).
#[inline(always)]
unsafe fn erf<L: Lanes>(x: L::Floats) -> L::Floats {
    unsafe {
        let x = L::max(L::min(x, L::splat(3.925)), L::splat(-3.925));
        let x2 = L::mul(x, x);
        let mut p = L::splat(-2.726_142_3e-10);
        for c in
            [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2]
        {
            p = L::fma(p, x2, L::splat(c));
        }
        let mut q = L::splat(-1.456_607_2e-5);
        for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
            q = L::fma(q, x2, L::splat(c));
        }
        L::div(L::mul(p, x), q)
    }
}
