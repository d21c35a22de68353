//! Sixteen numbers at once: what every instruction set must do, and the plain Rust that says what that means.

/// Numbers in one vector, on every machine: the order of every sum follows from it, so it is part of the result.
pub const LANES: usize = 16;

/// One instruction set.
///
/// All of them give the same bits for the same input: sums and products are IEEE single precision with one
/// rounding each (`fma` rounds once), products of 16-bit integers are exact, and whatever is reduced to one
/// number is reduced in the order of `Portable`.
///
/// # Safety
/// Pointers must be valid for the 16 (or as said) elements read or written; they need no alignment. An
/// implementation may only be called on a machine that has its instructions.
pub unsafe trait Lanes: Copy {
    /// 16 x f32.
    type Floats: Copy;
    /// 16 x i32; as pairs of 16-bit integers, 16 x (i16, i16).
    type Ints: Copy;

    /// The same number 16 times.
    unsafe fn splat(value: f32) -> Self::Floats;
    /// Reads 16.
    unsafe fn load(from: *const f32) -> Self::Floats;
    /// Writes 16.
    unsafe fn store(to: *mut f32, values: Self::Floats);
    /// `a + b`
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a - b`
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b`
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a / b`
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The larger; no NaN may come in.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The smaller; no NaN may come in.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Without the sign.
    unsafe fn abs(a: Self::Floats) -> Self::Floats;
    /// To the nearest integer, halves to even; values must fit an i32.
    unsafe fn to_ints(a: Self::Floats) -> Self::Ints;
    /// Exact up to 2^24, rounded to nearest beyond.
    unsafe fn to_floats(a: Self::Ints) -> Self::Floats;
    /// 2^n for n in -126..=127.
    unsafe fn power_of_two(n: Self::Ints) -> Self::Floats;
    /// Sum in the order of `Portable`.
    unsafe fn sum(a: Self::Floats) -> f32;
    /// Largest of the 16.
    unsafe fn largest(a: Self::Floats) -> f32;
    /// Bit `i`: whether `a[i] > b[i]`.
    unsafe fn above(a: Self::Floats, b: Self::Floats) -> u16;

    /// Sixteen zeros.
    unsafe fn no_ints() -> Self::Ints;
    /// Reads 16 pairs, 32 integers.
    unsafe fn load_pairs(from: *const i16) -> Self::Ints;
    /// Reads one pair and repeats it 16 times.
    unsafe fn splat_pair(from: *const i16) -> Self::Ints;
    /// `sum + a.0 * b.0 + a.1 * b.1` per lane; the caller sees to it that nothing overflows.
    unsafe fn add_products(sum: Self::Ints, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Writes 16 integers, which must fit, as 16-bit ones.
    unsafe fn store_narrow(to: *mut i16, values: Self::Ints);
}

/// Plain Rust, on every machine: what the others are tested against.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn each<T: Copy, U>(a: [T; LANES], f: impl Fn(T) -> U) -> [U; LANES] {
    a.map(f)
}

#[inline(always)]
fn both<T: Copy, U: Copy, V>(a: [T; LANES], b: [U; LANES], f: impl Fn(T, U) -> V) -> [V; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Halves folded onto each other: 16 to 8, 4, 2, 1.
#[inline(always)]
fn fold(a: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut a = a;
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            a[i] = f(a[i], a[i + half]);
        }
        half /= 2;
    }
    a[0]
}

unsafe impl Lanes for Portable {
    type Floats = [f32; LANES];
    /// A pair is two halves of an i32, the first in the lower.
    type Ints = [i32; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; LANES] {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; LANES] {
        unsafe { from.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: [f32; LANES]) {
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(values) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| x - y)
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| x * y)
    }
    #[inline(always)]
    unsafe fn div(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| x / y)
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn max(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        both(a, b, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    unsafe fn abs(a: [f32; LANES]) -> [f32; LANES] {
        each(a, f32::abs)
    }
    #[inline(always)]
    unsafe fn to_ints(a: [f32; LANES]) -> [i32; LANES] {
        each(a, |x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    unsafe fn to_floats(a: [i32; LANES]) -> [f32; LANES] {
        each(a, |x| x as f32)
    }
    #[inline(always)]
    unsafe fn power_of_two(n: [i32; LANES]) -> [f32; LANES] {
        each(n, |x| f32::from_bits(((x + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn sum(a: [f32; LANES]) -> f32 {
        fold(a, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn largest(a: [f32; LANES]) -> f32 {
        fold(a, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn above(a: [f32; LANES], b: [f32; LANES]) -> u16 {
        (0..LANES).fold(0, |bits, i| bits | u16::from(a[i] > b[i]) << i)
    }
    #[inline(always)]
    unsafe fn no_ints() -> [i32; LANES] {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn load_pairs(from: *const i16) -> [i32; LANES] {
        let pairs = unsafe { from.cast::<[[i16; 2]; LANES]>().read_unaligned() };
        each(pairs, join)
    }
    #[inline(always)]
    unsafe fn splat_pair(from: *const i16) -> [i32; LANES] {
        [join(unsafe { from.cast::<[i16; 2]>().read_unaligned() }); LANES]
    }
    #[inline(always)]
    unsafe fn add_products(sum: [i32; LANES], a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
        let products = both(a, b, |x, y| {
            i32::from(x as i16) * i32::from(y as i16)
                + i32::from((x >> 16) as i16) * i32::from((y >> 16) as i16)
        });
        both(sum, products, |x, y| x.wrapping_add(y))
    }
    #[inline(always)]
    unsafe fn store_narrow(to: *mut i16, values: [i32; LANES]) {
        unsafe { to.cast::<[i16; LANES]>().write_unaligned(each(values, |x| x as i16)) }
    }
}

#[inline(always)]
fn join([low, high]: [i16; 2]) -> i32 {
    i32::from(low as u16) | i32::from(high) << 16
}
