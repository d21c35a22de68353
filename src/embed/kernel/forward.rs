//! The BERT forward pass over packed sequences: laid end to end, no padding, no mask.

use super::attention::Attention;
use super::dispatch::{Instructions, Kernels};
use super::product::{Finish, Panels, Product};

/// Most inputs a block of a matrix takes: more would leave activations too few bits (see `Panels::range`).
const MAX_DEPTH: usize = 384;

/// The numbers a forward pass needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Width of a layer, a multiple of 16.
    pub hidden: usize,
    /// Heads of attention; `hidden / heads` is 16, 32 or 64.
    pub heads: usize,
    /// Width inside the feed-forward part, a multiple of 16.
    pub intermediate: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Position of the first token in the table of positions.
    pub position_offset: usize,
    /// Added to variances.
    pub norm_eps: f32,
}

impl Shape {
    /// Why these kernels cannot carry such a model; `None` when they can.
    pub fn misfit(&self) -> Option<String> {
        let head = self.hidden / self.heads.max(1);
        if !self.hidden.is_multiple_of(16) || !self.intermediate.is_multiple_of(16) {
            return Some(format!("widths {} and {} are no multiples of 16", self.hidden, self.intermediate));
        }
        (![16, 32, 64].contains(&head) || head * self.heads != self.hidden)
            .then(|| format!("{} heads of width {head}; kernels take 16, 32 or 64", self.heads))
    }
}

/// Gain and shift of a layer normalisation, `hidden` values each.
#[derive(Debug)]
pub struct Norm {
    /// Multiplies.
    pub gain: Vec<f32>,
    /// Is added.
    pub shift: Vec<f32>,
}

/// A matrix as blocks of its inputs, with its bias.
#[derive(Debug)]
pub struct Linear {
    blocks: Vec<Panels>,
    bias: Vec<f32>,
}

impl Linear {
    /// Packs `(outputs, inputs)`, row-major.
    pub fn pack(weights: &[f32], bias: Vec<f32>, inputs: usize) -> Linear {
        let depth = block_depth(inputs);
        let block = |from| Panels::pack(weights, inputs, from, depth);
        Linear { blocks: (0..inputs).step_by(depth).map(block).collect(), bias }
    }

    /// `out = finish(x . matrix + bias)`, block after block of the inputs.
    fn times(&self, kernels: &Kernels, left: &[Rounded], finish: Finish, out: &mut [f32]) {
        let columns = self.bias.len();
        let last = self.blocks.len() - 1;
        for (index, (block, left)) in self.blocks.iter().zip(left).enumerate() {
            let bias = (index == 0).then_some(self.bias.as_slice());
            let finish = match (finish, index == 0, index == last) {
                (Finish::Gelu, true, false) => Finish::Store,
                (Finish::Gelu, false, true) => Finish::AddGelu,
                (finish, true, _) => finish,
                _ => Finish::Add,
            };
            left.times(kernels, block, bias, finish, out, columns);
        }
    }
}

/// The feed-forward part in slices of its inner width, so that a slice stays in the cache between its two products.
#[derive(Debug)]
pub struct FeedForward {
    up: Vec<Linear>,
    down: Vec<Panels>,
    bias: Vec<f32>,
}

impl FeedForward {
    /// `up` is `(intermediate, hidden)`, `down` `(hidden, intermediate)`, both row-major.
    pub fn pack(up: &[f32], up_bias: &[f32], down: &[f32], down_bias: Vec<f32>) -> FeedForward {
        let (hidden, intermediate) = (down_bias.len(), up_bias.len());
        let width = block_depth(intermediate);
        let starts = || (0..intermediate).step_by(width);
        let mut slices: Vec<Linear> = starts()
            .map(|from| {
                let rows = &up[from * hidden..][..width * hidden];
                Linear::pack(rows, up_bias[from..][..width].to_vec(), hidden)
            })
            .collect();
        // One range for all slices: the activations they share are rounded once.
        for block in 0..slices[0].blocks.len() {
            let range = slices.iter().map(|slice| slice.blocks[block].range()).fold(f32::MAX, f32::min);
            slices.iter_mut().for_each(|slice| slice.blocks[block].narrow(range));
        }
        let down = starts().map(|from| Panels::pack(down, intermediate, from, width)).collect();
        FeedForward { up: slices, down, bias: down_bias }
    }
}

/// Largest divisor of `inputs` that is a multiple of 16 and at most `MAX_DEPTH`.
fn block_depth(inputs: usize) -> usize {
    (1..=MAX_DEPTH / 16).rev().map(|n| 16 * n).find(|depth| inputs.is_multiple_of(*depth)).unwrap_or(inputs)
}

/// One transformer layer.
#[derive(Debug)]
pub struct Layer {
    /// Queries (already divided by the root of the head's width), keys and values in one product.
    pub qkv: Linear,
    /// After attention.
    pub output: Linear,
    /// After the first residual.
    pub output_norm: Norm,
    /// The two products with GELU between them.
    pub feed_forward: FeedForward,
    /// After the second residual.
    pub norm: Norm,
}

/// The whole model, packed.
#[derive(Debug)]
pub struct PackedBert {
    /// Its numbers.
    pub shape: Shape,
    /// `(vocabulary, hidden)`
    pub words: Vec<f32>,
    /// `(positions, hidden)`, the token type's vector added.
    pub positions: Vec<f32>,
    /// After the sum of both.
    pub embedding_norm: Norm,
    /// From the first to the last.
    pub layers: Vec<Layer>,
}

/// What a forward pass leaves of each sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    /// Mean over tokens of every layer, embedding layer first, `(layers + 1) * hidden` values, or of the last
    /// alone, `hidden` values.
    pub means: Vec<f32>,
    /// The last layer's first token, `hidden` values.
    pub first: Vec<f32>,
}

/// Buffers of one thread, grown once and kept.
#[derive(Debug, Default)]
pub struct Room {
    x: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    inner: Vec<f32>,
    attention: Vec<f32>,
    left: Vec<Rounded>,
    inner_left: Rounded,
}

/// Rows of activations as integers.
#[derive(Debug, Default)]
struct Rounded {
    values: Vec<i16>,
    scales: Vec<f32>,
}

impl PackedBert {
    /// All sequences of a batch, each by itself: no row depends on another sequence.
    ///
    /// `every_layer`: means of all layers and not of the last alone.
    /// Ids must lie in the vocabulary and sequences be no longer than the positions; panics otherwise.
    pub fn pooled(
        &self,
        set: Instructions,
        sequences: &[&[u32]],
        every_layer: bool,
        room: &mut Room,
    ) -> Vec<Pooled> {
        let kernels = set.kernels().expect("instructions this machine has");
        let hidden = self.shape.hidden;
        let states = if every_layer { self.layers.len() + 1 } else { 1 };
        let nothing = || Pooled { means: vec![0.0; states * hidden], first: vec![0.0; hidden] };
        let mut pooled: Vec<Pooled> = sequences.iter().map(|_| nothing()).collect();
        let rows = self.embed(kernels, sequences, room);
        if every_layer {
            self.pool(kernels, 0, sequences, &room.x[..rows * hidden], &mut pooled);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.attend(kernels, layer, sequences, rows, room);
            self.feed(kernels, layer, rows, room);
            let state = if every_layer { index + 1 } else { 0 };
            if every_layer || index + 1 == self.layers.len() {
                self.pool(kernels, state, sequences, &room.x[..rows * hidden], &mut pooled);
            }
        }
        let mut at = 0;
        for (sequence, pooled) in sequences.iter().zip(&mut pooled) {
            pooled.first.copy_from_slice(&room.x[at * hidden..][..hidden]);
            at += sequence.len();
        }
        pooled
    }

    /// Words and positions; returns the number of rows.
    fn embed(&self, kernels: &Kernels, sequences: &[&[u32]], room: &mut Room) -> usize {
        let hidden = self.shape.hidden;
        let rows = sequences.iter().map(|s| s.len()).sum();
        grow(&mut room.x, rows * hidden);
        grow(&mut room.qkv, 3 * rows * hidden);
        grow(&mut room.mixed, rows * hidden);
        let ids = sequences.iter().flat_map(|s| s.iter().enumerate());
        for ((position, id), x) in ids.zip(room.x.chunks_exact_mut(hidden)) {
            let word = &self.words[*id as usize * hidden..][..hidden];
            let place = &self.positions[(position + self.shape.position_offset) * hidden..][..hidden];
            for ((x, word), place) in x.iter_mut().zip(word).zip(place) {
                *x = word + place;
            }
        }
        let norm = &self.embedding_norm;
        kernels.normalise(&mut room.x[..rows * hidden], &norm.gain, &norm.shift, self.shape.norm_eps);
        rows
    }

    fn attend(&self, kernels: &Kernels, layer: &Layer, sequences: &[&[u32]], rows: usize, room: &mut Room) {
        let hidden = self.shape.hidden;
        let size = rows * hidden;
        round(kernels, &room.x[..size], &layer.qkv, &mut room.left);
        layer.qkv.times(kernels, &room.left, Finish::Store, &mut room.qkv);
        let mut at = 0;
        for sequence in sequences {
            let length = sequence.len();
            kernels.attention(Attention {
                qkv: &room.qkv[3 * at * hidden..][..3 * length * hidden],
                heads: self.shape.heads,
                width: hidden,
                out: &mut room.mixed[at * hidden..][..length * hidden],
                room: &mut room.attention,
            });
            at += length;
        }
        round(kernels, &room.mixed[..size], &layer.output, &mut room.left);
        let x = &mut room.x[..size];
        layer.output.times(kernels, &room.left, Finish::Add, x);
        kernels.normalise(x, &layer.output_norm.gain, &layer.output_norm.shift, self.shape.norm_eps);
    }

    fn feed(&self, kernels: &Kernels, layer: &Layer, rows: usize, room: &mut Room) {
        let hidden = self.shape.hidden;
        let x = &mut room.x[..rows * hidden];
        let part = &layer.feed_forward;
        round(kernels, x, &part.up[0], &mut room.left);
        for (index, (up, down)) in part.up.iter().zip(&part.down).enumerate() {
            let width = up.bias.len();
            grow(&mut room.inner, rows * width);
            up.times(kernels, &room.left, Finish::Gelu, &mut room.inner);
            room.inner_left.fill(kernels, &room.inner[..rows * width], width, 0, down);
            let bias = (index == 0).then_some(part.bias.as_slice());
            room.inner_left.times(kernels, down, bias, Finish::Add, x, hidden);
        }
        kernels.normalise(x, &layer.norm.gain, &layer.norm.shift, self.shape.norm_eps);
    }

    fn pool(&self, kernels: &Kernels, state: usize, sequences: &[&[u32]], x: &[f32], pooled: &mut [Pooled]) {
        let hidden = self.shape.hidden;
        let mut at = 0;
        for (sequence, pooled) in sequences.iter().zip(pooled) {
            let rows = &x[at * hidden..][..sequence.len() * hidden];
            kernels.mean(rows, &mut pooled.means[state * hidden..][..hidden]);
            at += sequence.len();
        }
    }
}

/// Rows of `x` as integers, block after block of the inputs of `matrix`.
fn round(kernels: &Kernels, x: &[f32], matrix: &Linear, left: &mut Vec<Rounded>) {
    let inputs: usize = matrix.blocks.iter().map(Panels::depth).sum();
    left.resize_with(matrix.blocks.len(), Rounded::default);
    let mut from = 0;
    for (block, left) in matrix.blocks.iter().zip(left) {
        left.fill(kernels, x, inputs, from, block);
        from += block.depth();
    }
}

impl Rounded {
    /// Inputs `from..from + depth` of rows of `stride`, rounded for `block`.
    fn fill(&mut self, kernels: &Kernels, x: &[f32], stride: usize, from: usize, block: &Panels) {
        let (rows, depth) = (x.len() / stride, block.depth());
        self.values.resize(rows * depth, 0);
        self.scales.resize(rows, 0.0);
        kernels.quantise(&x[from..], stride, depth, block.range(), &mut self.values, &mut self.scales);
    }

    fn times(
        &self,
        kernels: &Kernels,
        right: &Panels,
        bias: Option<&[f32]>,
        finish: Finish,
        out: &mut [f32],
        stride: usize,
    ) {
        kernels.product(Product {
            left: &self.values,
            left_scales: &self.scales,
            right,
            bias,
            finish,
            out,
            stride,
        });
    }
}

fn grow(buffer: &mut Vec<f32>, size: usize) {
    if buffer.len() < size {
        buffer.resize(size, 0.0);
    }
}
