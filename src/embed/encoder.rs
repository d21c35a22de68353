//! Texts to windows, windows to batches of a token budget, batches over all threads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::bert::{Bert, Pooled};
use super::kernel::Instructions;
use super::model::{Layout, Model};
use super::packed::{self, Packed};
use super::tokens::{TextTokenizer, Tokens};
use super::{EmbedError, Embedder};

/// What computes the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The packed kernel where it can carry the model and the machine has instructions for it,
    /// candle otherwise: the portable kernel keeps the bits, at an eighth of candle's speed.
    #[default]
    Auto,
    /// The packed kernel; a model it cannot carry is an error.
    Kernel,
    /// candle in f32: the reference.
    Candle,
}

impl Backend {
    /// `auto`, `kernel` or `candle`.
    pub fn parse(name: &str) -> Option<Backend> {
        match name {
            "auto" => Some(Backend::Auto),
            "kernel" => Some(Backend::Kernel),
            "candle" => Some(Backend::Candle),
            _ => None,
        }
    }

    /// What this means on this machine: `Auto` is candle for every model where there is only the
    /// portable kernel. Their bits differ, and a cache must not mix them.
    pub fn here(self) -> Backend {
        self.on(Instructions::best())
    }

    fn on(self, best: Instructions) -> Backend {
        match (self, best) {
            (Backend::Auto, Instructions::Portable) => Backend::Candle,
            (backend, _) => backend,
        }
    }
}

/// How texts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeParams {
    /// Tokens one forward pass may carry; no result depends on it.
    pub batch_tokens: usize,
    /// What computes it.
    pub backend: Backend,
    /// Instructions of the kernel; `None` for the best this machine has.
    pub instructions: Option<Instructions>,
    /// Whether every layer's mean is wanted (`Encoding::states`), as the tone head does.
    pub states: bool,
    /// Whether every vector is scaled to unit length, also where the model leaves it its own: who
    /// takes products of vectors for cosines needs that.
    pub unit_length: bool,
}

impl Default for EncodeParams {
    fn default() -> EncodeParams {
        EncodeParams {
            batch_tokens: 192,
            backend: Backend::Auto,
            instructions: None,
            states: true,
            unit_length: false,
        }
    }
}

/// candle multiplies larger matrices better.
const CANDLE_BATCHES: usize = 4;

/// What the encoder knows of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The last layer pooled as the model pools, `d` values: of unit length where the model's
    /// `modules.json` ends with Normalize or `EncodeParams::unit_length` asks for it, of the length
    /// the pooling gives otherwise. A text of several windows has the mean of their pooled vectors,
    /// weighted by tokens and scaled, where it is, after that.
    pub vector: Vec<f32>,
    /// Mean over tokens of every layer, embedding layer first, `states * h` values; empty where not wanted.
    pub states: Vec<f32>,
    /// True when the middle of the text was left out (over `MAX_WINDOWS` windows).
    pub shortened: bool,
    /// Tokens read, special tokens included.
    pub tokens: u32,
}

/// The sentence-transformer with its tokenizer.
pub struct Encoder {
    tokenizer: TextTokenizer,
    path: Path,
    params: EncodeParams,
    /// Whether vectors are scaled to unit length.
    unit_length: bool,
}

/// The two ways to compute the same thing.
enum Path {
    Packed(Packed),
    Candle(Bert),
}

/// One window of one text, waiting for its batch.
struct Slot {
    text: usize,
    window: usize,
}

impl Encoder {
    /// Loads a model.
    pub fn load(model: &Model, params: EncodeParams) -> Result<Encoder, EmbedError> {
        let layout = Layout::read(model)?;
        let (tokenizer, path) =
            rayon::join(|| TextTokenizer::load(model, &layout), || Path::load(model, &layout, &params));
        let unit_length = layout.normalize || params.unit_length;
        Ok(Encoder { tokenizer: tokenizer?, path: path?, params, unit_length })
    }

    /// `kernel` or `candle`, whichever computes.
    pub fn backend(&self) -> &'static str {
        match self.path {
            Path::Packed(_) => "kernel",
            Path::Candle(_) => "candle",
        }
    }

    /// The kernel's instructions; `None` on candle, which chooses its own.
    pub fn instructions(&self) -> Option<Instructions> {
        match &self.path {
            Path::Packed(packed) => Some(packed.instructions()),
            Path::Candle(_) => None,
        }
    }

    /// Windows in batches: packed ones in the order of the texts, candle's by equal length.
    fn batches(&self, tokens: &[Tokens]) -> Vec<Vec<Slot>> {
        let lengths = tokens.iter().enumerate().flat_map(|(text, tokens)| {
            let slot = move |(window, ids): (usize, &Vec<u32>)| (ids.len(), Slot { text, window });
            tokens.windows.iter().enumerate().map(slot)
        });
        match self.path {
            Path::Packed(_) => {
                let total: usize = tokens.iter().flat_map(|t| &t.windows).map(Vec::len).sum();
                // Few texts are cut smaller, so that every thread has its share.
                let share = total.div_ceil(4 * rayon::current_num_threads());
                cut(lengths, self.params.batch_tokens.min(share))
            }
            Path::Candle(_) => {
                let mut by_length: BTreeMap<usize, Vec<(usize, Slot)>> = BTreeMap::new();
                lengths.for_each(|(length, slot)| by_length.entry(length).or_default().push((length, slot)));
                // Longest first, so that the last batches to finish are short ones.
                let budget = CANDLE_BATCHES * self.params.batch_tokens;
                by_length.into_values().rev().flat_map(|slots| cut(slots.into_iter(), budget)).collect()
            }
        }
    }

    fn join(&self, tokens: &Tokens, windows: Vec<Pooled>) -> Encoding {
        let lengths: Vec<usize> = tokens.windows.iter().map(Vec::len).collect();
        let (states, vectors): (Vec<_>, Vec<_>) = windows.into_iter().map(|w| (w.states, w.vector)).unzip();
        let mut vector = weighted_mean(vectors, &lengths);
        if self.unit_length {
            normalize(&mut vector);
        }
        let tokens_read = lengths.iter().sum::<usize>() as u32;
        let states = if self.params.states { weighted_mean(states, &lengths) } else { Vec::new() };
        Encoding { vector, states, shortened: tokens.shortened, tokens: tokens_read }
    }
}

/// The instructions the kernel is to use; `None` for candle.
fn instructions(
    params: &EncodeParams,
    misfit: Option<String>,
    best: Instructions,
) -> Result<Option<Instructions>, EmbedError> {
    // Who names instructions wants the kernel that has them.
    let backend = if params.instructions.is_some() { params.backend } else { params.backend.on(best) };
    match (backend, misfit) {
        (Backend::Candle, _) | (Backend::Auto, Some(_)) => Ok(None),
        (Backend::Kernel, Some(reason)) => Err(EmbedError::Unfit(reason)),
        (_, None) => {
            let instructions = params.instructions.unwrap_or(best);
            match instructions.available() {
                true => Ok(Some(instructions)),
                false => Err(EmbedError::NoInstructions(instructions.name())),
            }
        }
    }
}

impl Path {
    fn load(model: &Model, layout: &Layout, params: &EncodeParams) -> Result<Path, EmbedError> {
        match instructions(params, packed::misfit(layout), Instructions::best())? {
            Some(instructions) => Ok(Path::Packed(Packed::load(model, layout, instructions)?)),
            None => Ok(Path::Candle(Bert::load(model, layout)?)),
        }
    }

    /// One forward pass on the calling thread.
    fn pooled(&self, windows: &[&[u32]], every_layer: bool) -> Result<Vec<Pooled>, EmbedError> {
        match self {
            Path::Packed(packed) => Ok(packed.pooled(windows, every_layer)),
            Path::Candle(bert) => bert.pooled(windows),
        }
    }
}

impl Embedder for Encoder {
    fn dimensions(&self) -> usize {
        match &self.path {
            Path::Packed(packed) => packed.hidden(),
            Path::Candle(bert) => bert.hidden(),
        }
    }

    fn normal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.tokenizer.normal(text)
    }

    fn encode(&self, texts: &[&str]) -> Result<Vec<Encoding>, EmbedError> {
        let tokens =
            texts.par_iter().map(|text| self.tokenizer.tokenize(text)).collect::<Result<Vec<_>, _>>()?;
        let batches = self.batches(&tokens);
        let pooled = batches
            .par_iter()
            .with_max_len(1)
            .map(|slots| {
                let windows: Vec<&[u32]> =
                    slots.iter().map(|s| tokens[s.text].windows[s.window].as_slice()).collect();
                self.path.pooled(&windows, self.params.states)
            })
            .collect::<Result<Vec<_>, EmbedError>>()?;
        let mut windows: Vec<Vec<Option<Pooled>>> =
            tokens.iter().map(|t| vec![None; t.windows.len()]).collect();
        for (slot, row) in batches.iter().flatten().zip(pooled.into_iter().flatten()) {
            windows[slot.text][slot.window] = Some(row);
        }
        Ok(tokens.iter().zip(windows).map(|(t, w)| self.join(t, w.into_iter().flatten().collect())).collect())
    }
}

/// Cuts slots into batches of at most `budget` tokens, at least one slot each.
fn cut(slots: impl Iterator<Item = (usize, Slot)>, budget: usize) -> Vec<Vec<Slot>> {
    let (mut batches, mut batch, mut filled) = (Vec::new(), Vec::new(), 0);
    for (length, slot) in slots {
        if filled + length > budget && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            filled = 0;
        }
        filled += length;
        batch.push(slot);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Mean of rows, weighted by tokens: the mean over all tokens of the text.
fn weighted_mean(mut rows: Vec<Vec<f32>>, weights: &[usize]) -> Vec<f32> {
    if rows.len() == 1 {
        return rows.swap_remove(0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_kernel_where_it_is_fast() {
        let portable = Instructions::Portable;
        let chosen = |backend, asked, misfit: Option<&str>, best| {
            let params = EncodeParams { backend, instructions: asked, ..EncodeParams::default() };
            instructions(&params, misfit.map(str::to_owned), best).unwrap()
        };
        let best = Instructions::best();
        if best != portable {
            assert_eq!(chosen(Backend::Auto, None, None, best), Some(best));
        }
        assert_eq!(chosen(Backend::Auto, None, None, portable), None, "candle");
        assert_eq!(chosen(Backend::Auto, Some(portable), None, portable), Some(portable));
        assert_eq!(chosen(Backend::Kernel, None, None, portable), Some(portable));
        assert_eq!(chosen(Backend::Auto, None, Some("relu"), best), None);
        assert_eq!(chosen(Backend::Candle, None, None, best), None);
        // Texts kept by one are not taken for the other's.
        assert_eq!(Backend::Auto.on(portable), Backend::Candle);
        assert_eq!(Backend::Auto.on(Instructions::Avx2), Backend::Auto);
    }
}
