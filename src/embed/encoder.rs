//! Distinct texts, sorted by length, in batches of a token budget, over all threads.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::bert::Bert;
use super::model::Model;
use super::tokens::{TextTokenizer, Tokens};
use super::{EmbedError, Embedder};

/// How texts are batched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeParams {
    /// Tokens one forward pass may carry; larger uses caches better, smaller balances threads.
    pub batch_tokens: usize,
}

impl Default for EncodeParams {
    fn default() -> EncodeParams {
        EncodeParams { batch_tokens: 1024 }
    }
}

/// What the encoder knows of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// Final-layer mean over tokens, unit length, `d` values.
    pub vector: Vec<f32>,
    /// Mean over tokens of every layer, embedding layer first, `states * h` values.
    pub states: Vec<f32>,
    /// True when the middle of the text was left out (over `MAX_WINDOWS` windows).
    pub shortened: bool,
    /// Tokens read, special tokens included.
    pub tokens: u32,
}

/// The sentence-transformer with its tokenizer.
pub struct Encoder {
    tokenizer: TextTokenizer,
    bert: Bert,
    params: EncodeParams,
}

/// One window of one text, waiting for its batch.
struct Slot {
    text: usize,
    window: usize,
}

impl Encoder {
    /// Loads a model.
    pub fn load(model: &Model, params: EncodeParams) -> Result<Encoder, EmbedError> {
        Ok(Encoder { tokenizer: TextTokenizer::load(model)?, bert: Bert::load(model)?, params })
    }

    /// Runs every batch, each on one thread.
    fn forward(&self, tokens: &[Tokens], batches: &[Vec<Slot>]) -> Result<Vec<Vec<Vec<f32>>>, EmbedError> {
        batches
            .par_iter()
            .with_max_len(1)
            .map(|slots| {
                let windows: Vec<&[u32]> =
                    slots.iter().map(|s| tokens[s.text].windows[s.window].as_slice()).collect();
                self.bert.pooled(&windows)
            })
            .collect()
    }

    /// Batches of equal-length windows within the token budget.
    fn batches(&self, tokens: &[Tokens]) -> Vec<Vec<Slot>> {
        let mut by_length: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
        for (text, t) in tokens.iter().enumerate() {
            for (window, ids) in t.windows.iter().enumerate() {
                by_length.entry(ids.len()).or_default().push(Slot { text, window });
            }
        }
        let mut batches = Vec::new();
        // Longest first, so that the last batches to finish are short ones.
        for (length, mut slots) in by_length.into_iter().rev() {
            let rows = (self.params.batch_tokens / length).max(1);
            while !slots.is_empty() {
                let rest = slots.split_off(rows.min(slots.len()));
                batches.push(std::mem::replace(&mut slots, rest));
            }
        }
        batches
    }

    fn join(&self, tokens: &Tokens, windows: Vec<Vec<f32>>) -> Encoding {
        let lengths: Vec<usize> = tokens.windows.iter().map(Vec::len).collect();
        let states = weighted_mean(&windows, &lengths);
        let mut vector = states[states.len() - self.bert.hidden()..].to_vec();
        normalize(&mut vector);
        let tokens_read = lengths.iter().sum::<usize>() as u32;
        Encoding { vector, states, shortened: tokens.shortened, tokens: tokens_read }
    }
}

impl Embedder for Encoder {
    fn dimensions(&self) -> usize {
        self.bert.hidden()
    }

    fn encode(&self, texts: &[&str]) -> Result<Vec<Encoding>, EmbedError> {
        let tokens =
            texts.par_iter().map(|text| self.tokenizer.tokenize(text)).collect::<Result<Vec<_>, _>>()?;
        let batches = self.batches(&tokens);
        let pooled = self.forward(&tokens, &batches)?;
        let mut windows: Vec<Vec<Vec<f32>>> =
            tokens.iter().map(|t| vec![Vec::new(); t.windows.len()]).collect();
        for (slot, row) in batches.iter().flatten().zip(pooled.into_iter().flatten()) {
            windows[slot.text][slot.window] = row;
        }
        Ok(tokens.iter().zip(windows).map(|(t, w)| self.join(t, w)).collect())
    }
}

/// Mean of rows, weighted by tokens: the mean over all tokens of the text.
fn weighted_mean(rows: &[Vec<f32>], weights: &[usize]) -> Vec<f32> {
    if let [only] = rows {
        return only.clone();
    }
    let total: usize = weights.iter().sum();
    let mut mean = vec![0.0; rows[0].len()];
    for (row, &weight) in rows.iter().zip(weights) {
        let share = weight as f32 / total as f32;
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += share * value;
        }
    }
    mean
}

/// Scales to unit length; a zero vector stays zero.
pub fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}
