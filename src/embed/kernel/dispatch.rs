//! Which instructions this machine has, and the kernels compiled for each of them.

use super::attention::{Attention, attention};
use super::lanes::Portable;
use super::product::{Product, product};
use super::rows;
use super::scores;

/// An instruction set there are kernels for. All of them give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// x86-64: AMX tiles of bytes for products, AVX-512 VNNI for the rest; Linux.
    Amx,
    /// x86-64: AVX-512 F, BW and VNNI.
    Avx512Vnni,
    /// x86-64: AVX-512 F and BW.
    Avx512,
    /// x86-64: AVX2 and FMA.
    Avx2,
    /// 64-bit ARM.
    Neon,
    /// Plain Rust on anything.
    Portable,
}

impl Instructions {
    /// Fastest first.
    pub const ALL: [Instructions; 6] = [
        Instructions::Amx,
        Instructions::Avx512Vnni,
        Instructions::Avx512,
        Instructions::Avx2,
        Instructions::Neon,
        Instructions::Portable,
    ];

    /// The fastest this machine has.
    pub fn best() -> Instructions {
        Instructions::ALL.into_iter().find(|set| set.available()).unwrap_or(Instructions::Portable)
    }

    /// Whether this machine has them.
    pub fn available(self) -> bool {
        self.kernels().is_some()
    }

    /// The word for it: `amx`, `avx512-vnni`, `avx512`, `avx2`, `neon` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Amx => "amx",
            Instructions::Avx512Vnni => "avx512-vnni",
            Instructions::Avx512 => "avx512",
            Instructions::Avx2 => "avx2",
            Instructions::Neon => "neon",
            Instructions::Portable => "portable",
        }
    }

    /// The set of that name.
    pub fn parse(name: &str) -> Option<Instructions> {
        Instructions::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Its kernels; `None` where the machine lacks the instructions.
    pub fn kernels(self) -> Option<&'static Kernels> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Amx => {
                (Instructions::Avx512Vnni.available() && super::amx::available()).then_some(&amx::KERNELS)
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Vnni => (Instructions::Avx512.available()
                && is_x86_feature_detected!("avx512vnni"))
            .then_some(&avx512_vnni::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => (Instructions::Avx2.available()
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw"))
            .then_some(&avx512::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
                .then_some(&avx2::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => Some(&neon::KERNELS),
            Instructions::Portable => Some(&portable::KERNELS),
            #[allow(unreachable_patterns, reason = "the rest belongs to other processors")]
            _ => None,
        }
    }
}

/// Every operation of the forward pass, compiled for one instruction set.
///
/// Given out by `Instructions::kernels` only where the machine has the instructions, which is what makes calling
/// them sound.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    product: unsafe fn(&mut Product<'_>),
    attention: unsafe fn(&mut Attention<'_>),
    normalise: unsafe fn(&mut [f32], &[f32], &[f32], f32),
    quantise: unsafe fn(&[f32], usize, usize, f32, &mut [i16], &mut [f32]),
    mean: unsafe fn(&[f32], &mut [f32]),
    above: unsafe fn(&[f32], f32, &mut [u16]),
    two_greatest: unsafe fn(&[f32]) -> (f32, f32),
    squared_distance: unsafe fn(&[f32], &[f32]) -> f64,
    accumulate: unsafe fn(&mut [f64], &[f32], f64),
    quantise_to_length: unsafe fn(&[f32], usize, &mut [i16], &mut [f32]),
}

impl Kernels {
    /// See `Product`.
    pub fn product(&self, mut product: Product<'_>) {
        product.check();
        // SAFETY: the machine has the instructions; every slice has its length.
        unsafe { (self.product)(&mut product) }
    }

    /// See `Attention`.
    pub fn attention(&self, mut attention: Attention<'_>) {
        attention.check();
        // SAFETY: as above.
        unsafe { (self.attention)(&mut attention) }
    }

    /// See `rows::normalise`.
    pub fn normalise(&self, x: &mut [f32], gain: &[f32], shift: &[f32], eps: f32) {
        assert!(gain.len().is_multiple_of(16) && gain.len() == shift.len(), "widths are multiples of 16");
        // SAFETY: as above; rows are cut by the slice's own methods.
        unsafe { (self.normalise)(x, gain, shift, eps) }
    }

    /// See `rows::quantise`.
    pub fn quantise(
        &self,
        x: &[f32],
        stride: usize,
        depth: usize,
        range: f32,
        to: &mut [i16],
        scales: &mut [f32],
    ) {
        assert!(depth.is_multiple_of(16), "depths are multiples of 16");
        // SAFETY: as above.
        unsafe { (self.quantise)(x, stride, depth, range, to, scales) }
    }

    /// See `rows::mean`.
    pub fn mean(&self, x: &[f32], mean: &mut [f32]) {
        assert!(
            mean.len().is_multiple_of(16) && !x.is_empty(),
            "widths are multiples of 16, sequences have rows"
        );
        // SAFETY: as above.
        unsafe { (self.mean)(x, mean) }
    }

    /// See `scores::above`.
    pub fn above(&self, scores: &[f32], bar: f32, marks: &mut [u16]) {
        assert!(scores.len() == 16 * marks.len(), "16 scores for each mark");
        // SAFETY: as above.
        unsafe { (self.above)(scores, bar, marks) }
    }

    /// See `scores::two_greatest`.
    pub fn two_greatest(&self, scores: &[f32]) -> (f32, f32) {
        assert!(scores.len().is_multiple_of(16), "scores come by 16");
        // SAFETY: as above.
        unsafe { (self.two_greatest)(scores) }
    }

    /// See `scores::squared_distance`.
    pub fn squared_distance(&self, a: &[f32], b: &[f32]) -> f64 {
        assert!(a.len() == b.len(), "vectors of one length");
        // SAFETY: as above.
        unsafe { (self.squared_distance)(a, b) }
    }

    /// See `scores::accumulate`.
    pub fn accumulate(&self, sums: &mut [f64], row: &[f32], factor: f64) {
        assert!(sums.len() == row.len(), "a sum for every value");
        // SAFETY: as above.
        unsafe { (self.accumulate)(sums, row, factor) }
    }

    /// See `rows::quantise_to_length`.
    pub fn quantise_to_length(&self, x: &[f32], depth: usize, to: &mut [i16], scales: &mut [f32]) {
        assert!(depth.is_multiple_of(16) && depth <= 65_536, "depths are multiples of 16, 65,536 at most");
        assert!(x.len() == scales.len() * depth && to.len() == x.len(), "a scale for every row");
        // SAFETY: as above.
        unsafe { (self.quantise_to_length)(x, depth, to, scales) }
    }
}

/// A module with all kernels for one instruction set: rows and panels of a product's tile,
/// queries scored and queries mixed at once.
macro_rules! kernels {
    ($name:ident, $lanes:ty, $rows:literal, $panels:literal, $scores:literal, $queries:literal $(, $feature:literal)*) => {
        mod $name {
            use super::*;

            pub static KERNELS: Kernels = Kernels {
                product: multiply,
                attention: attend,
                normalise,
                quantise,
                mean,
                above,
                two_greatest,
                squared_distance,
                accumulate,
                quantise_to_length,
            };

            $(#[target_feature(enable = $feature)])*
            unsafe fn multiply(p: &mut Product<'_>) {
                unsafe { product::<$lanes, $rows, $panels>(p) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn attend(a: &mut Attention<'_>) {
                unsafe { attention::<$lanes, $scores, $queries>(a) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn normalise(x: &mut [f32], gain: &[f32], shift: &[f32], eps: f32) {
                unsafe { rows::normalise::<$lanes>(x, gain, shift, eps) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn quantise(
                x: &[f32], stride: usize, depth: usize, range: f32, to: &mut [i16], scales: &mut [f32],
            ) {
                unsafe { rows::quantise::<$lanes>(x, stride, depth, range, to, scales) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn mean(x: &[f32], mean: &mut [f32]) {
                unsafe { rows::mean::<$lanes>(x, mean) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn above(x: &[f32], bar: f32, marks: &mut [u16]) {
                unsafe { scores::above::<$lanes>(x, bar, marks) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn two_greatest(x: &[f32]) -> (f32, f32) {
                unsafe { scores::two_greatest::<$lanes>(x) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
                unsafe { scores::squared_distance(a, b) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn accumulate(sums: &mut [f64], row: &[f32], factor: f64) {
                unsafe { scores::accumulate(sums, row, factor) }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn quantise_to_length(x: &[f32], depth: usize, to: &mut [i16], scales: &mut [f32]) {
                unsafe { rows::quantise_to_length::<$lanes>(x, depth, to, scales) }
            }
        }
    };
}

/// As `avx512_vnni`, but for products whose weights have tiles.
#[cfg(target_arch = "x86_64")]
mod amx {
    use super::*;

    pub static KERNELS: Kernels = Kernels { product: multiply, ..avx512_vnni::KERNELS };

    unsafe fn multiply(p: &mut Product<'_>) {
        unsafe {
            if p.right.bytes().is_empty() {
                (avx512_vnni::KERNELS.product)(p)
            } else {
                super::super::amx::product(p)
            }
        }
    }
}
#[cfg(target_arch = "x86_64")]
kernels!(
    avx512_vnni,
    super::super::avx512::Avx512<true>,
    12,
    2,
    8,
    4,
    "avx512f,avx512bw,avx512vnni,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
kernels!(avx512, super::super::avx512::Avx512<false>, 12, 2, 8, 4, "avx512f,avx512bw,avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx2, super::super::avx2::Avx2, 6, 1, 4, 2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
kernels!(neon, super::super::neon::Neon, 4, 1, 4, 2, "neon");
kernels!(portable, Portable, 4, 1, 4, 2);
