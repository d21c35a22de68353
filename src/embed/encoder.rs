//! Distinct texts, sorted by length, in batches of a token budget, over all threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

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
    workers: Vec<ThreadPool>,
}

/// One window of one text, waiting for its batch.
struct Slot {
    text: usize,
    window: usize,
}

impl Encoder {
    /// Loads a model for as many workers as the current rayon pool has threads.
    pub fn load(model: &Model, params: EncodeParams) -> Result<Encoder, EmbedError> {
        let workers = (0..rayon::current_num_threads())
            .map(|_| ThreadPoolBuilder::new().num_threads(1).build())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Encoder { tokenizer: TextTokenizer::load(model)?, bert: Bert::load(model)?, params, workers })
    }

    /// Runs every batch, each within one worker.
    ///
    /// candle splits a matrix product over the pool it finds itself in. A pool of one thread each
    /// keeps a product on the core that owns its batch: 1.6 times the tokens per second of a
    /// shared pool on two cores.
    fn forward(&self, tokens: &[Tokens], batches: &[Vec<Slot>]) -> Result<Vec<Vec<Vec<f32>>>, EmbedError> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(batches.len()));
        let work = || {
            while let Some((index, slots)) = take(&next, batches) {
                let windows: Vec<&[u32]> =
                    slots.iter().map(|s| tokens[s.text].windows[s.window].as_slice()).collect();
                let pooled = self.bert.pooled(&windows);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((index, pooled));
            }
        };
        std::thread::scope(|scope| {
            for worker in &self.workers {
                scope.spawn(|| worker.install(work));
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, pooled)| pooled).collect()
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

/// The next batch nobody has taken.
fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
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
