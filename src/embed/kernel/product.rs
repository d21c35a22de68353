//! Matrix products of 16-bit integers: weights packed once, exact sums, and what follows a product fused to it.

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Bytes};
use super::lanes::{LANES, Lanes};
use super::math;

/// Largest integer of a packed weight. Fewer bits than 16 leave room for activations, which need it more: sums are
/// kept in 32 bits.
const WEIGHT_RANGE: f32 = 2047.0;

/// A block of a weight matrix as the product reads it.
///
/// `columns` outputs in panels of 16, `depth` inputs in pairs: panel, pair, column, half of the pair.
#[derive(Debug)]
pub struct Panels {
    columns: usize,
    depth: usize,
    weights: Vec<Line>,
    /// The same as high and low bytes, where the machine has tiles: panel, step of 64 inputs, high or low, four
    /// inputs, column, input. Else empty.
    #[cfg(target_arch = "x86_64")]
    bytes: Vec<Bytes>,
    /// What an integer weight of each column stands for.
    scales: Vec<f32>,
    /// Largest activation with which no sum can leave 32 bits.
    range: f32,
}

/// 64 bytes, aligned: a cache line, a register.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [i16; 2 * LANES]);

impl Panels {
    /// Packs inputs `from..from + depth` of `weights`, which is `(columns, inputs)`, row-major.
    ///
    /// `columns` and `depth` are multiples of 16.
    pub fn pack(weights: &[f32], inputs: usize, from: usize, depth: usize) -> Panels {
        let columns = weights.len() / inputs;
        assert!(columns.is_multiple_of(LANES) && depth.is_multiple_of(LANES), "widths are multiples of 16");
        let row = |column: usize| &weights[column * inputs + from..][..depth];
        let scales: Vec<f32> = (0..columns)
            .map(|c| row(c).iter().fold(1e-20_f32, |top, w| top.max(w.abs())) / WEIGHT_RANGE)
            .collect();
        let integers = scales
            .iter()
            .enumerate()
            .flat_map(|(column, scale)| row(column).iter().map(move |value| nearest_even(value / scale)));
        Panels::of_integers(&integers.collect::<Vec<i16>>(), depth, scales)
    }

    /// Packs `(columns, depth)` integers, row-major, each of which stands for so much as its column's scale says.
    ///
    /// Both are multiples of 16. Rows on the left may go beyond `range` where other reasons keep sums in 32 bits.
    pub fn of_integers(integers: &[i16], depth: usize, scales: Vec<f32>) -> Panels {
        let columns = scales.len();
        assert!(columns.is_multiple_of(LANES) && depth.is_multiple_of(LANES), "widths are multiples of 16");
        assert_eq!(integers.len(), columns * depth, "columns x depth values");
        let mut packed = vec![Line([0; 2 * LANES]); columns * depth / (2 * LANES)];
        let mut heaviest = 1_i64;
        for (column, integers) in integers.chunks_exact(depth.max(1)).enumerate() {
            let lane = column % LANES;
            let panel = &mut packed[column / LANES * depth / 2..][..depth / 2];
            for (line, pair) in panel.iter_mut().zip(integers.chunks_exact(2)) {
                line.0[2 * lane..2 * lane + 2].copy_from_slice(pair);
            }
            let weight: i64 = integers.iter().map(|integer| i64::from(integer.unsigned_abs())).sum();
            heaviest = heaviest.max(weight);
        }
        let range = (i64::from(i32::MAX) / heaviest).min(i64::from(i16::MAX)) as f32;
        Panels {
            columns,
            depth,
            #[cfg(target_arch = "x86_64")]
            bytes: amx::bytes(&packed, depth),
            weights: packed,
            scales,
            range,
        }
    }

    /// Outputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Weights as bytes, empty where the machine has no tiles for them.
    #[cfg(target_arch = "x86_64")]
    pub fn bytes(&self) -> &[Bytes] {
        &self.bytes
    }

    /// Inputs.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The range activations are rounded to.
    pub fn range(&self) -> f32 {
        self.range
    }

    /// Lowers the range, to share rounded activations with another matrix.
    pub fn narrow(&mut self, range: f32) {
        self.range = self.range.min(range);
    }
}

/// The nearest integer, halves to even, of what is below 2^22: adding 1.5 * 2^23 leaves no room for more. The
/// standard library's goes through libm on plain x86-64.
fn nearest_even(value: f32) -> i16 {
    const ROOM: f32 = 12_582_912.0;
    ((value + ROOM) - ROOM) as i16
}

/// What becomes of a product before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It replaces what was there.
    Store,
    /// It is added to what was there: the residual, or the inputs of an earlier block.
    Add,
    /// Its GELU replaces what was there.
    Gelu,
    /// It is added, and the GELU of the sum replaces what was there.
    AddGelu,
}

/// One product: `out[i][j] = finish(left[i] . right[j] * scales + bias[j])`.
#[derive(Debug)]
pub struct Product<'a> {
    /// `rows x depth` integers.
    pub left: &'a [i16],
    /// What an integer of each row stands for; as many as rows.
    pub left_scales: &'a [f32],
    /// The weights.
    pub right: &'a Panels,
    /// One per column; none counts as zeros.
    pub bias: Option<&'a [f32]>,
    /// What to do with it.
    pub finish: Finish,
    /// Rows of `stride` values, of which the first `columns` are written.
    pub out: &'a mut [f32],
    /// At least `columns`.
    pub stride: usize,
}

impl Product<'_> {
    /// Panics unless every slice has its length; after this the tiles may use pointers.
    pub fn check(&self) {
        let rows = self.left_scales.len();
        assert_eq!(self.left.len(), rows * self.right.depth, "left has rows x depth values");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.right.columns), "one bias per column");
        assert!(self.stride >= self.right.columns, "rows hold their columns");
        assert!(
            rows == 0 || self.out.len() >= (rows - 1) * self.stride + self.right.columns,
            "out has all rows"
        );
    }
}

/// Multiplies with a tile of at most `R` rows and `P` panels held in registers.
///
/// Panels outside, rows inside: a panel stays in the first cache while all rows pass, and weights are read once.
#[inline(always)]
pub unsafe fn product<L: Lanes, const R: usize, const P: usize>(p: &mut Product<'_>) {
    unsafe {
        // The usual depths as constants: every row of a tile is then a fixed distance away, at no cost.
        match p.right.depth {
            384 => panels::<L, R, P, 384>(p),
            256 => panels::<L, R, P, 256>(p),
            _ => panels::<L, R, P, 0>(p),
        }
    }
}

/// `D`: the depth, or 0 where it is only known when running.
#[inline(always)]
unsafe fn panels<L: Lanes, const R: usize, const P: usize, const D: usize>(p: &mut Product<'_>) {
    let panels = p.right.columns / LANES;
    let mut panel = 0;
    while panel + P <= panels {
        unsafe { rows::<L, R, P, D>(p, panel) };
        panel += P;
    }
    while panel < panels {
        unsafe { rows::<L, R, 1, D>(p, panel) };
        panel += 1;
    }
}

/// All rows through `P` panels: whole tiles, then ever smaller ones for what is left.
#[inline(always)]
unsafe fn rows<L: Lanes, const R: usize, const P: usize, const D: usize>(p: &mut Product<'_>, panel: usize) {
    let rows = p.left_scales.len();
    let mut row = 0;
    while row + R <= rows {
        unsafe { tile::<L, R, P, D>(p, row, panel) };
        row += R;
    }
    while row + 4 <= rows {
        unsafe { tile::<L, 4, P, D>(p, row, panel) };
        row += 4;
    }
    while row < rows {
        unsafe { tile::<L, 1, P, D>(p, row, panel) };
        row += 1;
    }
}

#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const P: usize, const D: usize>(
    p: &mut Product<'_>,
    row: usize,
    panel: usize,
) {
    let depth = if D == 0 { p.right.depth } else { D };
    unsafe {
        let mut left = p.left.as_ptr().add(row * depth);
        let mut right = p.right.weights.as_ptr().cast::<i16>().add(panel * depth * LANES);
        let mut sums = [[L::no_ints(); P]; R];
        for _ in 0..depth / 2 {
            let mut weights = [L::no_ints(); P];
            for (j, weight) in weights.iter_mut().enumerate() {
                *weight = L::load_pairs(right.add(j * depth * LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let activation = L::splat_pair(left.add(i * depth));
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = L::add_products(*sum, activation, weight);
                }
            }
            left = left.add(2);
            right = right.add(2 * LANES);
        }
        for j in 0..P {
            let finisher = Finisher::<L>::new(p, (panel + j) * LANES);
            for (i, sums) in sums.iter().enumerate() {
                finisher.finish(p, row + i, sums[j], p.finish);
            }
        }
    }
}

/// What turns the sums of 16 columns into results.
pub struct Finisher<L: Lanes> {
    column: usize,
    scale: L::Floats,
    bias: L::Floats,
}

impl<L: Lanes> Finisher<L> {
    /// For columns `column..column + 16`, which must exist.
    #[inline(always)]
    pub unsafe fn new(p: &Product<'_>, column: usize) -> Finisher<L> {
        unsafe {
            let scale = L::load(p.right.scales.as_ptr().add(column));
            // No closure here or in any other kernel: closures are compiled without the instruction set.
            let bias = match p.bias {
                Some(bias) => L::load(bias.as_ptr().add(column)),
                None => L::splat(0.0),
            };
            Finisher { column, scale, bias }
        }
    }

    /// Writes the results of one row, which must exist; `finish` is the product's own.
    #[inline(always)]
    pub unsafe fn finish(&self, p: &mut Product<'_>, row: usize, sums: L::Ints, finish: Finish) {
        unsafe {
            let out = p.out.as_mut_ptr().add(row * p.stride + self.column);
            let scale = L::mul(self.scale, L::splat(*p.left_scales.as_ptr().add(row)));
            let value = L::fma(L::to_floats(sums), scale, self.bias);
            let value = match finish {
                Finish::Store => value,
                Finish::Add => L::add(L::load(out), value),
                Finish::Gelu => math::gelu::<L>(value),
                Finish::AddGelu => math::gelu::<L>(L::add(L::load(out), value)),
            };
            L::store(out, value);
        }
    }
}
