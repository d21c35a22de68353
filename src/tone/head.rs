//! The tone head: a linear softmax over standardised states, and its file.

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};

use super::{Tone, ToneError};

/// The head compiled into the binary, trained on the bundled encoder's states.
const BUNDLED: &[u8] = include_bytes!("../../models/tone/head.safetensors");

/// A trained head: `softmax((W (x - mean) / scale + b) / temperature)` over `d` state values.
#[derive(Debug, Clone, PartialEq)]
pub struct ToneHead {
    /// Per-feature mean of the training states, `d` values.
    mean: Vec<f32>,
    /// Per-feature standard deviation of the training states, `d` values, all > 0.
    scale: Vec<f32>,
    /// Rows negative, neutral, positive, each `d` values; all of them exact in f16.
    weights: [Vec<f32>; 3],
    /// One per row.
    bias: [f32; 3],
    /// Divides the logits, > 0.
    temperature: f32,
}

impl ToneHead {
    /// The head in the binary; fails only if the file was damaged before compiling.
    pub fn bundled() -> Result<ToneHead, ToneError> {
        ToneHead::from_bytes(BUNDLED)
    }

    /// Puts a head together, rounding `weights` to f16 as its file does.
    ///
    /// `mean`, `scale` and each row of `weights` have `d` values. The temperature starts at 1.
    pub(super) fn new(mean: Vec<f32>, scale: Vec<f32>, weights: [Vec<f32>; 3], bias: [f32; 3]) -> ToneHead {
        // Rounded before calibration, so that the figures reported are those of the file.
        let weights = weights.map(|row| row.into_iter().map(|w| f16::from_f32(w).to_f32()).collect());
        ToneHead { mean, scale, weights, bias, temperature: 1.0 }
    }

    /// The same head with logits divided by `temperature` (> 0).
    pub(super) fn with_temperature(self, temperature: f32) -> ToneHead {
        ToneHead { temperature, ..self }
    }

    /// State values `d` read per text: layers (embedding layer first) times hidden width.
    pub fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// What logits are divided by; above 1 the raw head was too sure of itself.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }

    /// The tone of one text from its `d` states (`Encoding::states`).
    ///
    /// Errors: a slice of another length, or a value that is no finite number.
    pub fn predict(&self, states: &[f32]) -> Result<Tone, ToneError> {
        let temperature = f64::from(self.temperature);
        Ok(Tone::from(softmax(self.logits(states)?.map(|z| z / temperature))))
    }

    /// `W (x - mean) / scale + b`, before the temperature.
    pub(super) fn logits(&self, states: &[f32]) -> Result<[f64; 3], ToneError> {
        if states.len() != self.dimensions() {
            return Err(ToneError::Length { expected: self.dimensions(), found: states.len() });
        }
        if let Some(index) = states.iter().position(|x| !x.is_finite()) {
            return Err(ToneError::NotFinite { index });
        }
        let [negative, neutral, positive] = &self.weights;
        let mut sums = self.bias.map(f64::from);
        for (i, x) in states.iter().enumerate() {
            // In f64 throughout: no finite state can overflow, so no probability is ever NaN.
            let x = (f64::from(*x) - f64::from(self.mean[i])) / f64::from(self.scale[i]);
            sums[0] += x * f64::from(negative[i]);
            sums[1] += x * f64::from(neutral[i]);
            sums[2] += x * f64::from(positive[i]);
        }
        Ok(sums)
    }

    /// Reads a head's file: safetensors with `mean` (d), `scale` (d), `weights` (3, d), `bias` (3)
    /// and `temperature` (1), each f32 or f16.
    ///
    /// Errors: no safetensors, a tensor missing or of another shape or type, values that are not
    /// finite, a scale or temperature that is not positive.
    pub fn from_bytes(bytes: &[u8]) -> Result<ToneHead, ToneError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| ToneError::Malformed(e.to_string()))?;
        let mean = floats(&file, "mean", None)?;
        let d = mean.len();
        let scale = floats(&file, "scale", Some(&[d]))?;
        let weights = floats(&file, "weights", Some(&[3, d]))?;
        let bias = floats(&file, "bias", Some(&[3]))?;
        let temperature = floats(&file, "temperature", Some(&[1]))?[0];
        if temperature <= 0.0 || scale.iter().any(|&s| s <= 0.0) {
            return Err(ToneError::Malformed("scale and temperature must be above 0".into()));
        }
        let row = |r: usize| weights[r * d..(r + 1) * d].to_vec();
        let weights = [row(0), row(1), row(2)];
        Ok(ToneHead { mean, scale, weights, bias: [bias[0], bias[1], bias[2]], temperature })
    }

    /// The head's file: weights as f16, everything else as f32; equal heads give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ToneError> {
        let d = self.dimensions();
        let weights: Vec<u8> =
            self.weights.iter().flatten().flat_map(|&w| f16::from_f32(w).to_le_bytes()).collect();
        let [mean, scale, bias, temperature] =
            [&self.mean[..], &self.scale, &self.bias, &[self.temperature]].map(le_bytes);
        let tensors = [
            ("weights", Dtype::F16, vec![3, d], &weights),
            ("mean", Dtype::F32, vec![d], &mean),
            ("scale", Dtype::F32, vec![d], &scale),
            ("bias", Dtype::F32, vec![3], &bias),
            ("temperature", Dtype::F32, vec![1], &temperature),
        ];
        let views = tensors
            .into_iter()
            .map(|(name, kind, shape, data)| Ok((name, TensorView::new(kind, shape, data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        views.and_then(|views| serialize(views, None)).map_err(|e| ToneError::Malformed(e.to_string()))
    }

    /// sha256 of the head's file, hexadecimal; equal hashes predict alike.
    pub fn hash(&self) -> Result<String, ToneError> {
        Ok(Sha256::digest(self.to_bytes()?).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// `exp(z) / sum(exp(z))`, shifted by the largest so that nothing overflows.
pub(super) fn softmax(logits: [f64; 3]) -> [f64; 3] {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts = logits.map(|z| (z - top).exp());
    let sum: f64 = parts.iter().sum();
    parts.map(|part| part / sum)
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// One tensor widened to f32; `shape` `None` takes any vector.
fn floats(file: &SafeTensors<'_>, name: &str, shape: Option<&[usize]>) -> Result<Vec<f32>, ToneError> {
    let tensor = file.tensor(name).map_err(|e| ToneError::Malformed(format!("{name}: {e}")))?;
    let fits = shape.map_or(tensor.shape().len() == 1, |shape| tensor.shape() == shape);
    if !fits {
        let wanted = shape.map_or("(d)".to_owned(), |shape| format!("{shape:?}"));
        return Err(ToneError::Malformed(format!(
            "{name} has shape {:?}, expected {wanted}",
            tensor.shape()
        )));
    }
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => {
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        Dtype::F16 => {
            tensor.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        other => return Err(ToneError::Malformed(format!("{name} is {other:?}, expected F32 or F16"))),
    };
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(values),
        false => Err(ToneError::Malformed(format!("{name} holds values that are not finite"))),
    }
}
