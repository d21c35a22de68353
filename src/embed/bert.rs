//! The BERT forward pass on candle: the reference path, one layer at a time.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Embedding, LayerNorm, Module, VarBuilder};
use candle_transformers::models::bert::{BertEncoder, Config, HiddenAct};

use super::EmbedError;
use super::model::{Activation, Layout, Model, ModelError, Pooling};
use super::weights::Weights;

/// Weights ready for use, f32, on the CPU.
///
/// Every layer is an encoder of its own, so that its state can be pooled: the tone head reads all
/// of them, where the final layer alone has forgotten most of the sentiment.
pub struct Bert {
    words: Embedding,
    positions: Tensor,
    kind: Tensor,
    norm: LayerNorm,
    layers: Vec<BertEncoder>,
    hidden: usize,
    position_offset: usize,
    pooling: Pooling,
}

/// What one window gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    /// Mean over tokens of every layer, embedding layer first, `states * h` values.
    pub states: Vec<f32>,
    /// The last layer pooled as the model pools, `h` values of the model's own length.
    pub vector: Vec<f32>,
}

impl Bert {
    /// Reads weights of any float type and widens them to f32.
    pub fn load(model: &Model, layout: &Layout) -> Result<Bert, EmbedError> {
        let config = one_layer(layout)?;
        let mut weights = Weights::load(model, layout)?;
        let hidden = layout.hidden;
        let mut embedding =
            |part: &str, shape: &[usize]| weights.tensor(&format!("embeddings.{part}"), shape);
        let words = embedding("word_embeddings.weight", &[layout.vocab, hidden])?;
        let positions = embedding("position_embeddings.weight", &[layout.positions, hidden])?;
        let kinds = embedding("token_type_embeddings.weight", &[layout.token_types, hidden])?;
        let scale = embedding("LayerNorm.weight", &[hidden])?;
        let shift = embedding("LayerNorm.bias", &[hidden])?;
        let layers = (0..layout.layers)
            .map(|index| {
                let own = VarBuilder::from_tensors(weights.layer(index, layout)?, DType::F32, &Device::Cpu);
                Ok(BertEncoder::load(own, &config)?)
            })
            .collect::<Result<Vec<_>, EmbedError>>()?;
        Ok(Bert {
            words: Embedding::new(words, hidden),
            positions,
            kind: kinds.get(0)?,
            norm: LayerNorm::new(scale, shift, layout.norm_eps),
            layers,
            hidden,
            position_offset: layout.position_offset,
            pooling: layout.pooling,
        })
    }

    /// Width `h` of a layer.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Number of pooled states: the embedding layer and every transformer layer.
    pub fn states(&self) -> usize {
        self.layers.len() + 1
    }

    /// Pooled states of windows of one common length.
    ///
    /// `windows`: `(b, l)` ids, `l` at most the layout's `window_tokens`. Returns `b` values.
    /// Equal lengths mean no padding and no mask, so a row does not depend on its neighbours.
    pub fn pooled(&self, windows: &[&[u32]]) -> Result<Vec<Pooled>, EmbedError> {
        let (rows, length) = (windows.len(), windows[0].len());
        let ids: Vec<u32> = windows.iter().flat_map(|w| w.iter().copied()).collect();
        let ids = Tensor::from_vec(ids, (rows, length), &Device::Cpu)?;
        let positions = self.positions.narrow(0, self.position_offset, length)?.broadcast_add(&self.kind)?;
        let mut state = self.norm.forward(&self.words.forward(&ids)?.broadcast_add(&positions)?)?;
        let no_mask = Tensor::zeros((1, 1, 1, length), DType::F32, &Device::Cpu)?;
        let mut states = vec![Vec::with_capacity(self.states() * self.hidden); rows];
        append_means(&state, &mut states)?;
        for layer in &self.layers {
            state = layer.forward(&state, &no_mask)?;
            append_means(&state, &mut states)?;
        }
        let vectors = self.vectors(&state, &states)?;
        Ok(states.into_iter().zip(vectors).map(|(states, vector)| Pooled { states, vector }).collect())
    }

    /// `last`: `(b, l, h)`; its means are already the end of `states`.
    fn vectors(&self, last: &Tensor, states: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        match self.pooling {
            Pooling::Mean => Ok(states.iter().map(|s| s[s.len() - self.hidden..].to_vec()).collect()),
            Pooling::Cls => Ok(last.narrow(1, 0, 1)?.squeeze(1)?.to_vec2()?),
        }
    }
}

/// candle's config of an encoder with a single layer.
fn one_layer(layout: &Layout) -> Result<Config, ModelError> {
    let hidden_act = match &layout.activation {
        Activation::Gelu => HiddenAct::Gelu,
        Activation::Other(name) => match name.as_str() {
            "relu" => HiddenAct::Relu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => HiddenAct::GeluApproximate,
            other => return Err(ModelError::unsupported("config.json", other, "gelu, gelu_new and relu")),
        },
    };
    Ok(Config {
        num_hidden_layers: 1,
        hidden_size: layout.hidden,
        num_attention_heads: layout.heads,
        intermediate_size: layout.intermediate,
        hidden_act,
        layer_norm_eps: layout.norm_eps,
        vocab_size: layout.vocab,
        max_position_embeddings: layout.positions,
        type_vocab_size: layout.token_types,
        ..Config::default()
    })
}

/// Mean over real tokens, which here are all of them.
fn append_means(state: &Tensor, pooled: &mut [Vec<f32>]) -> Result<(), EmbedError> {
    for (row, means) in pooled.iter_mut().zip(state.mean(1)?.to_vec2::<f32>()?) {
        row.extend(means);
    }
    Ok(())
}
