//! The model's weights put into the kernel's form, and the forward pass on it.

use std::cell::RefCell;

use rayon::prelude::*;

use super::EmbedError;
use super::bert::Pooled;
use super::kernel::{FeedForward, Instructions, Layer, Linear, Norm, PackedBert, Room, Shape};
use super::model::{Activation, Layout, Model, Pooling};
use super::weights::Weights;

thread_local! {
    /// Buffers of each worker thread.
    static ROOM: RefCell<Room> = RefCell::default();
}

/// A model packed for this machine's processor.
pub struct Packed {
    bert: PackedBert,
    instructions: Instructions,
    pooling: Pooling,
}

/// Why the kernels cannot carry a model, which then runs on candle; `None` when they can.
pub fn misfit(layout: &Layout) -> Option<String> {
    match &layout.activation {
        Activation::Gelu => shape(layout).misfit(),
        Activation::Other(name) => Some(format!("its activation is {name}; kernels have gelu")),
    }
}

impl Packed {
    /// Reads and packs the weights; `misfit(layout)` must be `None` and the machine have `instructions`.
    pub fn load(model: &Model, layout: &Layout, instructions: Instructions) -> Result<Packed, EmbedError> {
        let mut weights = Weights::load(model, layout)?;
        let hidden = layout.hidden;
        let words = weights.take("embeddings.word_embeddings.weight", &[layout.vocab, hidden])?;
        let mut positions =
            weights.take("embeddings.position_embeddings.weight", &[layout.positions, hidden])?;
        let kinds = weights.take("embeddings.token_type_embeddings.weight", &[layout.token_types, hidden])?;
        // A text is of the first type throughout: its vector goes with every position.
        for (value, kind) in positions.iter_mut().zip(kinds[..hidden].iter().cycle()) {
            *value += kind;
        }
        let embedding_norm = norm(&mut weights, "embeddings.LayerNorm", hidden)?;
        let raw = (0..layout.layers)
            .map(|index| RawLayer::take(&mut weights, index, layout))
            .collect::<Result<Vec<_>, _>>()?;
        let layers = raw.into_par_iter().map(RawLayer::pack).collect();
        let bert = PackedBert { shape: shape(layout), words, positions, embedding_norm, layers };
        Ok(Packed { bert, instructions, pooling: layout.pooling })
    }

    /// Which instructions it runs on.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Width `h` of a layer.
    pub fn hidden(&self) -> usize {
        self.bert.shape.hidden
    }

    /// Pooled states of windows of any lengths, each independent of the others bit by bit; of every layer, or of
    /// the last alone.
    pub fn pooled(&self, windows: &[&[u32]], every_layer: bool) -> Vec<Pooled> {
        let pooled =
            ROOM.with_borrow_mut(|room| self.bert.pooled(self.instructions, windows, every_layer, room));
        let hidden = self.hidden();
        pooled
            .into_iter()
            .map(|window| Pooled {
                vector: match self.pooling {
                    Pooling::Mean => window.means[window.means.len() - hidden..].to_vec(),
                    Pooling::Cls => window.first,
                },
                states: window.means,
            })
            .collect()
    }
}

fn shape(layout: &Layout) -> Shape {
    Shape {
        hidden: layout.hidden,
        heads: layout.heads,
        intermediate: layout.intermediate,
        layers: layout.layers,
        position_offset: layout.position_offset,
        norm_eps: layout.norm_eps as f32,
    }
}

fn norm(weights: &mut Weights, name: &str, hidden: usize) -> Result<Norm, EmbedError> {
    Ok(Norm {
        gain: weights.take(&format!("{name}.weight"), &[hidden])?,
        shift: weights.take(&format!("{name}.bias"), &[hidden])?,
    })
}

/// A layer's tensors as the file has them, before the work of packing.
struct RawLayer {
    /// Weight and bias of queries, keys, values, output, up and down.
    maps: [(Vec<f32>, Vec<f32>); 6],
    output_norm: Norm,
    norm: Norm,
    head: usize,
}

impl RawLayer {
    fn take(weights: &mut Weights, index: usize, layout: &Layout) -> Result<RawLayer, EmbedError> {
        let (hidden, inner) = (layout.hidden, layout.intermediate);
        let prefix = format!("encoder.layer.{index}.");
        let mut map = |name: &str, outputs: usize, inputs: usize| -> Result<_, EmbedError> {
            let weight = weights.take(&format!("{prefix}{name}.weight"), &[outputs, inputs])?;
            Ok((weight, weights.take(&format!("{prefix}{name}.bias"), &[outputs])?))
        };
        let maps = [
            map("attention.self.query", hidden, hidden)?,
            map("attention.self.key", hidden, hidden)?,
            map("attention.self.value", hidden, hidden)?,
            map("attention.output.dense", hidden, hidden)?,
            map("intermediate.dense", inner, hidden)?,
            map("output.dense", hidden, inner)?,
        ];
        Ok(RawLayer {
            maps,
            output_norm: norm(weights, &format!("{prefix}attention.output.LayerNorm"), hidden)?,
            norm: norm(weights, &format!("{prefix}output.LayerNorm"), hidden)?,
            head: hidden / layout.heads,
        })
    }

    fn pack(self) -> Layer {
        let [(mut qkv, mut qkv_bias), key, value, output, up, down] = self.maps;
        // Scores are divided by the root of the head's width here, once and for all.
        let share = 1.0 / (self.head as f32).sqrt();
        qkv.iter_mut().chain(&mut qkv_bias).for_each(|weight| *weight *= share);
        for (weight, bias) in [key, value] {
            qkv.extend(weight);
            qkv_bias.extend(bias);
        }
        let hidden = self.norm.gain.len();
        Layer {
            qkv: Linear::pack(&qkv, qkv_bias, hidden),
            output: Linear::pack(&output.0, output.1, hidden),
            output_norm: self.output_norm,
            feed_forward: FeedForward::pack(&up.0, &up.1, &down.0, down.1),
            norm: self.norm,
        }
    }
}
