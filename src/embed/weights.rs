//! The tensors of a model, checked, widened to f32, under BERT's own names.

use std::collections::HashMap;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Storage, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::EmbedError;
use super::model::{Layout, Model, ModelError};

const FILE: &str = "model.safetensors";

/// Tensors of the embedding block.
const EMBEDDINGS: [&str; 5] = [
    "word_embeddings.weight",
    "position_embeddings.weight",
    "token_type_embeddings.weight",
    "LayerNorm.weight",
    "LayerNorm.bias",
];

/// Linear maps and norms of a layer; each has a weight and a bias.
const LAYER: [&str; 8] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];

/// Weights by name, without what stands before BERT's names: `embeddings.LayerNorm.weight`,
/// `encoder.layer.0.attention.self.query.weight` (out, in). f32, on the CPU.
///
/// The reference path and the packed kernel both take theirs from here.
#[derive(Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    /// Reads the encoder's weights, of any float type, and leaves out what it does not use (the
    /// pooler, a language-model head). A tensor inside the encoder that BERT has not is an error:
    /// the model computes something else than we would. So is one with a value that is no number:
    /// it would make every vector one.
    pub fn load(model: &Model, layout: &Layout) -> Result<Weights, EmbedError> {
        let malformed = |reason: String| EmbedError::from(ModelError::malformed(FILE, reason));
        let file = SafeTensors::deserialize(&model.weights).map_err(|e| malformed(e.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.iter() {
            let Some(own) = name.strip_prefix(&layout.weight_prefix) else { continue };
            let Some(own) = used_name(own, layout.layers).map_err(malformed)? else { continue };
            let dtype = view.dtype();
            if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
                let reason = format!("tensor `{name}` is {dtype:?}; supported: F32, F16, BF16, F64");
                return Err(malformed(reason));
            }
            let tensor = view.load(&Device::Cpu)?.to_dtype(DType::F32)?;
            if let Some((place, value)) = not_finite(&tensor)? {
                let reason = format!(
                    "tensor `{name}` has the value {value} at place {place} of {}: the file is damaged, or \
                     its training failed; get it again from where it came from",
                    tensor.elem_count()
                );
                return Err(malformed(reason));
            }
            tensors.insert(own, tensor);
        }
        Ok(Weights { tensors })
    }

    /// Moves a tensor out, row by row. Errors name a missing tensor or another shape than `shape`.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedError> {
        Ok(self.tensor(name, shape)?.flatten_all()?.to_vec1()?)
    }

    /// Moves a tensor out; errors as `take`.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, EmbedError> {
        let tensor = self.tensors.remove(name);
        Ok(check(name, tensor.as_ref(), shape)?.clone())
    }

    /// Moves the tensors of one layer out, named as if it were the first.
    pub fn layer(&mut self, index: usize, layout: &Layout) -> Result<HashMap<String, Tensor>, EmbedError> {
        let mut own = HashMap::new();
        for part in LAYER {
            for kind in ["weight", "bias"] {
                let shape = layer_shape(part, kind, layout);
                let tensor = self.tensor(&format!("encoder.layer.{index}.{part}.{kind}"), &shape)?;
                own.insert(format!("layer.0.{part}.{kind}"), tensor);
            }
        }
        Ok(own)
    }
}

/// The first value that is infinite or no number, with its place; `tensor` is f32, whole, on the CPU.
fn not_finite(tensor: &Tensor) -> Result<Option<(usize, f32)>, EmbedError> {
    /// Values looked at before asking: without a question in it the loop runs sixteen at a time.
    const BLOCK: usize = 4096;
    const EXPONENT: u32 = 0x7f80_0000;
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
        return Ok(None);
    };
    let values = &storage.as_slice::<f32>()?[start..end];
    let largest = |block: &[f32]| block.iter().fold(0, |most, v| most.max(v.to_bits() & EXPONENT));
    let block = values.chunks(BLOCK).position(|block| largest(block) == EXPONENT);
    let Some(block) = block else { return Ok(None) };
    let mut places = values.iter().copied().enumerate().skip(block * BLOCK);
    Ok(places.find(|(_, value)| !value.is_finite()))
}

fn check<'a>(name: &str, tensor: Option<&'a Tensor>, shape: &[usize]) -> Result<&'a Tensor, ModelError> {
    match tensor {
        None => Err(ModelError::malformed(FILE, format!("no tensor `{name}`, which config.json promises"))),
        Some(tensor) if tensor.dims() != shape => {
            let found = tensor.dims();
            let reason = format!("tensor `{name}` has shape {found:?}, by config.json it has {shape:?}");
            Err(ModelError::malformed(FILE, reason))
        }
        Some(tensor) => Ok(tensor),
    }
}

fn layer_shape(part: &str, kind: &str, layout: &Layout) -> Vec<usize> {
    let (hidden, inner) = (layout.hidden, layout.intermediate);
    match (part, kind) {
        ("intermediate.dense", "weight") => vec![inner, hidden],
        ("intermediate.dense", _) => vec![inner],
        ("output.dense", "weight") => vec![hidden, inner],
        (part, "weight") if !part.ends_with("LayerNorm") => vec![hidden, hidden],
        _ => vec![hidden],
    }
}

/// The name BERT has for a tensor; `None` for one that no vector needs.
fn used_name(name: &str, layers: usize) -> Result<Option<String>, String> {
    // The names TensorFlow gave to the two halves of a norm.
    let name =
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
    let unknown =
        || format!("tensor `{name}` is no part of a BERT encoder: the model computes something else");
    if let Some(part) = name.strip_prefix("embeddings.") {
        return match part {
            // Ramps that old versions of transformers saved; they are computed.
            "position_ids" | "token_type_ids" => Ok(None),
            part if EMBEDDINGS.contains(&part) => Ok(Some(name)),
            _ => Err(unknown()),
        };
    }
    let Some(part) = name.strip_prefix("encoder.") else { return Ok(None) };
    let (index, part) =
        part.strip_prefix("layer.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
    let index: usize = index.parse().map_err(|_| unknown())?;
    let (part, kind) = part.rsplit_once('.').ok_or_else(unknown)?;
    if !LAYER.contains(&part) || !["weight", "bias"].contains(&kind) {
        return Err(unknown());
    }
    // Layers past those the config counts are left unused by the model's own library too.
    Ok((index < layers).then_some(name))
}
