//! The BERT forward pass on candle: the reference path, one layer at a time.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Embedding, LayerNorm, Module, VarBuilder};
use candle_transformers::models::bert::{BertEncoder, Config};

use super::EmbedError;
use super::model::{Model, ModelError};

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
}

impl Bert {
    /// Reads weights of any float type and widens them to f32.
    pub fn load(model: &Model) -> Result<Bert, EmbedError> {
        let config: Config = serde_json::from_slice(&model.config)
            .map_err(|e| ModelError::Malformed { file: "config.json", reason: e.to_string() })?;
        let device = Device::Cpu;
        let tensors = candle_core::safetensors::load_buffer(&model.weights, &device)
            .map_err(|e| ModelError::Malformed { file: "model.safetensors", reason: e.to_string() })?;
        let mut tensors = tensors
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)))
            .collect::<Result<HashMap<String, Tensor>, candle_core::Error>>()?;
        let one_layer = Config { num_hidden_layers: 1, ..config.clone() };
        let layers = (0..config.num_hidden_layers)
            .map(|index| {
                let own = take_layer(&mut tensors, index);
                BertEncoder::load(VarBuilder::from_tensors(own, DType::F32, &device), &one_layer)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let hidden = config.hidden_size;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &device).pp("embeddings");
        Ok(Bert {
            words: candle_nn::embedding(config.vocab_size, hidden, vb.pp("word_embeddings"))?,
            positions: vb.get((config.max_position_embeddings, hidden), "position_embeddings.weight")?,
            kind: vb.get((config.type_vocab_size, hidden), "token_type_embeddings.weight")?.get(0)?,
            norm: candle_nn::layer_norm(hidden, config.layer_norm_eps, vb.pp("LayerNorm"))?,
            layers,
            hidden,
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

    /// Mean-pooled state of every layer for windows of one common length.
    ///
    /// `windows`: `(b, l)` ids. Returns `b` rows of `(states * h)` values, embedding layer first.
    /// Equal lengths mean no padding and no mask, so a row does not depend on its neighbours.
    pub fn pooled(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let (rows, length) = (windows.len(), windows[0].len());
        let ids: Vec<u32> = windows.iter().flat_map(|w| w.iter().copied()).collect();
        let ids = Tensor::from_vec(ids, (rows, length), &Device::Cpu)?;
        let positions = self.positions.narrow(0, 0, length)?.broadcast_add(&self.kind)?;
        let mut state = self.norm.forward(&self.words.forward(&ids)?.broadcast_add(&positions)?)?;
        let no_mask = Tensor::zeros((1, 1, 1, length), DType::F32, &Device::Cpu)?;
        let mut pooled = vec![Vec::with_capacity(self.states() * self.hidden); rows];
        append_means(&state, &mut pooled)?;
        for layer in &self.layers {
            state = layer.forward(&state, &no_mask)?;
            append_means(&state, &mut pooled)?;
        }
        Ok(pooled)
    }
}

/// Moves the tensors of one layer out, renamed as if it were the first.
fn take_layer(tensors: &mut HashMap<String, Tensor>, index: usize) -> HashMap<String, Tensor> {
    let prefix = format!("encoder.layer.{index}.");
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    names
        .into_iter()
        .filter_map(|name| {
            let own = format!("layer.0.{}", &name[prefix.len()..]);
            tensors.remove(&name).map(|tensor| (own, tensor))
        })
        .collect()
}

/// Mean over real tokens, which here are all of them.
fn append_means(state: &Tensor, pooled: &mut [Vec<f32>]) -> Result<(), EmbedError> {
    for (row, means) in pooled.iter_mut().zip(state.mean(1)?.to_vec2::<f32>()?) {
        row.extend(means);
    }
    Ok(())
}
