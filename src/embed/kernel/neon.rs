//! 64-bit ARM: four NEON registers hold the 16 lanes.

use std::arch::aarch64::*;

use super::lanes::Lanes;

/// The same expression for each of the four registers; a closure would be compiled without NEON.
macro_rules! four {
    ($i:ident => $value:expr) => {{
        #[rustfmt::skip]
        let four = [{ let $i = 0; $value }, { let $i = 1; $value }, { let $i = 2; $value }, { let $i = 3; $value }];
        four
    }};
}

/// NEON, which every 64-bit ARM has.
#[derive(Debug, Clone, Copy)]
pub struct Neon;

/// Lanes 0..4, 4..8, 8..12 and 12..16.
type Floats = [float32x4_t; 4];
type Ints = [int32x4_t; 4];

unsafe impl Lanes for Neon {
    type Floats = Floats;
    type Ints = Ints;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Floats {
        unsafe { four!(i => vld1q_f32(from.add(4 * i))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: Floats) {
        for (i, value) in values.into_iter().enumerate() {
            unsafe { vst1q_f32(to.add(4 * i), value) }
        }
    }
    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vaddq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vsubq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vmulq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vdivq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
        unsafe { four!(i => vfmaq_f32(c[i], a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vmaxq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        unsafe { four!(i => vminq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        unsafe { four!(i => vabsq_f32(a[i])) }
    }
    #[inline(always)]
    unsafe fn to_ints(a: Floats) -> Ints {
        unsafe { four!(i => vcvtnq_s32_f32(a[i])) }
    }
    #[inline(always)]
    unsafe fn to_floats(a: Ints) -> Floats {
        unsafe { four!(i => vcvtq_f32_s32(a[i])) }
    }
    #[inline(always)]
    unsafe fn power_of_two(n: Ints) -> Floats {
        unsafe { four!(i => vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n[i], vdupq_n_s32(127))))) }
    }
    #[inline(always)]
    unsafe fn sum(a: Floats) -> f32 {
        unsafe {
            let a = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
            let a = vadd_f32(vget_low_f32(a), vget_high_f32(a));
            vget_lane_f32::<0>(a) + vget_lane_f32::<1>(a)
        }
    }
    #[inline(always)]
    unsafe fn largest(a: Floats) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(a[0], a[2]), vmaxq_f32(a[1], a[3]))) }
    }
    #[inline(always)]
    unsafe fn above(a: Floats, b: Floats) -> u16 {
        unsafe {
            let lanes = vld1q_u32([1, 2, 4, 8].as_ptr());
            let bits = four!(i => vaddvq_u32(vandq_u32(vcgtq_f32(a[i], b[i]), lanes)));
            (bits[0] | bits[1] << 4 | bits[2] << 8 | bits[3] << 12) as u16
        }
    }
    #[inline(always)]
    unsafe fn no_ints() -> Ints {
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn load_pairs(from: *const i16) -> Ints {
        unsafe { four!(i => vreinterpretq_s32_s16(vld1q_s16(from.add(8 * i)))) }
    }
    #[inline(always)]
    unsafe fn splat_pair(from: *const i16) -> Ints {
        unsafe { [vdupq_n_s32(from.cast::<i32>().read_unaligned()); 4] }
    }
    #[inline(always)]
    unsafe fn add_products(sum: Ints, a: Ints, b: Ints) -> Ints {
        unsafe {
            four!(i => {
                let (a, b) = (vreinterpretq_s16_s32(a[i]), vreinterpretq_s16_s32(b[i]));
                let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
                vaddq_s32(sum[i], vpaddq_s32(low, vmull_high_s16(a, b)))
            })
        }
    }
    #[inline(always)]
    unsafe fn store_narrow(to: *mut i16, values: Ints) {
        for (i, value) in values.into_iter().enumerate() {
            unsafe { vst1_s16(to.add(4 * i), vmovn_s32(value)) }
        }
    }
}
