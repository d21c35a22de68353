//! x86-64 with AMX: the same exact products as everywhere, in tiles of bytes.
//!
//! A tile register multiplies bytes only. A 16-bit integer is a signed high byte times 256 plus an unsigned low
//! byte, so one product of 16-bit integers is four of bytes, shifted into place: the sum is the same integer, bit by
//! bit, and still comes several times sooner (Intel Architecture Instruction Set Extensions, chapter "AMX").

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::sync::OnceLock;

use super::avx512::Avx512;
use super::lanes::LANES;
use super::product::{Finish, Finisher, Line, Product};

/// The lanes of everything that is not a product.
pub type Vectors = Avx512<true>;

/// Inputs that one step of the tiles takes.
pub const STEP: usize = 64;
/// Rows of a tile of activations.
const ROWS: usize = 16;

/// 64 bytes, aligned: a row of a tile.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Bytes(pub [u8; 64]);

/// Whether the processor has tiles of bytes and the system lets this process use them.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let leaves = __cpuid(0).eax;
        // Bit 24: tiles; bit 25: products of bytes.
        leaves >= 7 && __cpuid_count(7, 0).edx >> 24 & 3 == 3 && permitted()
    })
}

/// Asks the system for the tile registers, which it gives to no process unasked.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    /// `arch_prctl`, `ARCH_REQ_XCOMP_PERM` and the number of the tiles' data (Linux, `arch/x86/include/uapi`).
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: asks for a permission; touches no memory of ours.
    unsafe {
        asm!(
            "syscall", inout("rax") result, in("rdi") REQUEST, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack)
        );
    }
    result == 0
}

/// Other systems are not asked: nobody here could try it.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Packed weights as tiles: panel, step of 64 inputs, high or low byte, four inputs, column, input. Empty where the
/// machine has no tiles or `depth` is no multiple of 64.
pub fn bytes(weights: &[Line], depth: usize) -> Vec<Bytes> {
    if !available() || !depth.is_multiple_of(STEP) {
        return Vec::new();
    }
    let mut bytes = vec![Bytes([0; 64]); weights.len()];
    // A line holds two inputs of 16 columns, a row of a tile four: two lines make one row.
    for (pair, line) in weights.iter().enumerate() {
        let (step, place) = (pair / (2 * ROWS), pair % (2 * ROWS));
        let row = 2 * ROWS * step + place / 2;
        for (i, integer) in line.0.iter().enumerate() {
            let at = 4 * (i / 2) + 2 * (place % 2) + i % 2;
            bytes[row].0[at] = (integer >> 8) as u8;
            bytes[row + ROWS].0[at] = *integer as u8;
        }
    }
    bytes
}

/// Sums of one block: high by high byte, high by low, low by high, low by low; 16 rows of 16 columns each.
type Sums = [[Bytes; ROWS]; 4];

thread_local! {
    /// A product's activations as tiles, and the sums of two blocks.
    static ROOM: RefCell<(Vec<Bytes>, [Sums; 2])> =
        const { RefCell::new((Vec::new(), [[[Bytes([0; 64]); ROWS]; 4]; 2])) };
}

/// Shapes of all eight registers: 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = Shapes {
    palette: 1,
    start: 0,
    reserved: [0; 14],
    bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Multiplies block by block of 16 rows and 16 columns; the weights must have their bytes.
#[inline(always)]
pub unsafe fn product(p: &mut Product<'_>) {
    let (rows, depth) = (p.left_scales.len(), p.right.depth());
    let steps = depth / STEP;
    let lines = 2 * rows.next_multiple_of(ROWS) * steps;
    ROOM.with_borrow_mut(|(left, sums)| unsafe {
        if left.len() < lines {
            left.resize(lines, Bytes([0; 64]));
        }
        // A closure, and so compiled without the instruction set: it only calls.
        multiply(p, left, steps, sums);
    });
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn multiply(p: &mut Product<'_>, left: &mut [Bytes], steps: usize, sums: &mut [Sums; 2]) {
    unsafe {
        split_rows(p.left, steps, left.as_mut_ptr());
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack));
        // Each finish compiled by itself, so that no row asks again which it is.
        match p.finish {
            Finish::Store => blocks(p, left, steps, sums, Finish::Store),
            Finish::Add => blocks(p, left, steps, sums, Finish::Add),
            Finish::Gelu => blocks(p, left, steps, sums, Finish::Gelu),
            Finish::AddGelu => blocks(p, left, steps, sums, Finish::AddGelu),
        }
        asm!("tilerelease", options(nomem, nostack));
    }
}

/// Block after block; while the tiles work on one, the vectors finish the one before.
#[inline(always)]
unsafe fn blocks(p: &mut Product<'_>, left: &[Bytes], steps: usize, sums: &mut [Sums; 2], finish: Finish) {
    let (rows, panels) = (p.left_scales.len(), p.right.columns() / LANES);
    let share = ROWS.div_ceil(steps);
    unsafe {
        let mut before = Before { finisher: Finisher::new(p, 0), row: 0, end: 0 };
        let mut turn = 0;
        for panel in 0..panels {
            let right = p.right.bytes().as_ptr().add(panel * steps * 2 * ROWS);
            for row in (0..rows).step_by(ROWS) {
                let left = left.as_ptr().add(2 * row * steps);
                clear();
                for at in 0..steps {
                    step(left.add(2 * at * ROWS), right.add(2 * at * ROWS));
                    before.finish(p, &sums[1 - turn], share, finish);
                }
                before.finish(p, &sums[1 - turn], ROWS, finish);
                store(&mut sums[turn]);
                before = Before { finisher: Finisher::new(p, panel * LANES), row, end: rows.min(row + ROWS) };
                turn = 1 - turn;
            }
        }
        before.finish(p, &sums[1 - turn], ROWS, finish);
    }
}

/// A block whose sums are there and whose results, from `row` to `end`, are not yet written.
struct Before {
    finisher: Finisher<Vectors>,
    row: usize,
    end: usize,
}

impl Before {
    /// Writes at most `share` rows more.
    #[inline(always)]
    unsafe fn finish(&mut self, p: &mut Product<'_>, sums: &Sums, share: usize, finish: Finish) {
        let end = self.end.min(self.row + share);
        while self.row < end {
            unsafe {
                let line = self.row % ROWS;
                let middle =
                    _mm512_slli_epi32::<8>(_mm512_add_epi32(load(&sums[1][line]), load(&sums[2][line])));
                let outer =
                    _mm512_add_epi32(_mm512_slli_epi32::<16>(load(&sums[0][line])), load(&sums[3][line]));
                self.finisher.finish(p, self.row, _mm512_add_epi32(middle, outer), finish);
            }
            self.row += 1;
        }
    }
}

/// Rows of 16-bit integers as tiles: 16 rows, step of 64 inputs, high or low byte, row, input.
#[inline(always)]
unsafe fn split_rows(left: &[i16], steps: usize, tiles: *mut Bytes) {
    for (row, integers) in left.chunks_exact(steps * STEP).enumerate() {
        unsafe {
            let mut line = tiles.add(2 * (row - row % ROWS) * steps + row % ROWS);
            for at in (0..steps * STEP).step_by(STEP) {
                let first = _mm512_loadu_si512(integers.as_ptr().add(at).cast());
                let second = _mm512_loadu_si512(integers.as_ptr().add(at + STEP / 2).cast());
                let low = join(_mm512_cvtepi16_epi8(first), _mm512_cvtepi16_epi8(second));
                let (first, second) = (_mm512_srai_epi16::<8>(first), _mm512_srai_epi16::<8>(second));
                let high = join(_mm512_cvtepi16_epi8(first), _mm512_cvtepi16_epi8(second));
                _mm512_store_si512(line.cast(), high);
                _mm512_store_si512(line.add(ROWS).cast(), low);
                line = line.add(2 * ROWS);
            }
        }
    }
}

#[inline(always)]
unsafe fn load(line: &Bytes) -> __m512i {
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[inline(always)]
unsafe fn join(low: __m256i, high: __m256i) -> __m512i {
    unsafe { _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high) }
}

/// Sums start from nothing: high by high byte, high by low, low by high, low by low.
///
/// They may wrap around: the shifted total is taken modulo 2^32, and the caller knows it to fit.
#[inline(always)]
unsafe fn clear() {
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nomem, nostack));
    }
}

/// Adds the products of 64 inputs of 16 rows and 16 columns.
#[inline(always)]
unsafe fn step(left: *const Bytes, right: *const Bytes) {
    unsafe {
        asm!(
            "tileloadd tmm4, [{left} + {line}*1]",
            "tileloadd tmm6, [{right} + {line}*1]",
            "tileloadd tmm7, [{right} + {line}*1 + 1024]",
            "tileloadd tmm5, [{left} + {line}*1 + 1024]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbsud tmm1, tmm4, tmm7",
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbuud tmm3, tmm5, tmm7",
            left = in(reg) left,
            right = in(reg) right,
            line = in(reg) 64_usize,
            options(readonly, nostack)
        );
    }
}

/// Writes the sums out.
#[inline(always)]
unsafe fn store(sums: &mut Sums) {
    unsafe {
        asm!(
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 1024], tmm1",
            "tilestored [{sums} + {line}*1 + 2048], tmm2",
            "tilestored [{sums} + {line}*1 + 3072], tmm3",
            sums = in(reg) sums.as_mut_ptr(),
            line = in(reg) 64_usize,
            options(nostack)
        );
    }
}
