//! The encoder with what it has done so far.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::item::Item;
use crate::cli::CliError;
use crate::cli::args::Embed;
use crate::embed::model::Prompt;
use crate::embed::{Backend, Embedder, EncodeParams, Encoder, Instructions, Model, ModelSource};

/// The encoder with what it has done so far.
pub struct Work {
    encoder: Encoder,
    texts: u64,
    /// Of all texts.
    tokens: u64,
    /// Of texts that were encoded: of equal ones in a batch only one is.
    encoded_tokens: u64,
    shortened: u64,
    /// Spent tokenising and encoding.
    time: Duration,
}

impl Work {
    /// Loads the model that the arguments name.
    ///
    /// # Errors
    /// There is no such model, prompt, backend or instruction set.
    pub fn load(args: &Embed) -> Result<Work, CliError> {
        let prompt = match (&args.prompt, &args.prompt_text) {
            (Some(name), _) => Prompt::Named(name.clone()),
            (_, Some(text)) => Prompt::Text(text.clone()),
            _ => Prompt::Default,
        };
        let backend = Backend::parse(&args.backend).ok_or_else(|| {
            CliError::BadInput(format!("--backend {}: is none of auto, kernel, candle", args.backend))
        })?;
        let instructions = match args.instructions.as_str() {
            "auto" => None,
            name => Some(Instructions::parse(name).ok_or_else(|| {
                let known = Instructions::ALL.map(Instructions::name).join(", ");
                CliError::BadInput(format!("--instructions {name}: is none of auto, {known}"))
            })?),
        };
        let model = Model::load(&ModelSource::parse(&args.model)).map_err(CliError::bad_input)?;
        let params = EncodeParams { backend, instructions, states: false, ..EncodeParams::default() };
        let encoder = Encoder::load(&model.with_prompt(prompt), params).map_err(CliError::bad_input)?;
        Ok(Work { encoder, texts: 0, tokens: 0, encoded_tokens: 0, shortened: 0, time: Duration::ZERO })
    }

    /// Length of a vector.
    pub fn dimensions(&self) -> usize {
        self.encoder.dimensions()
    }

    /// A vector per item; equal texts are encoded once.
    pub fn encode(&mut self, batch: &[Item]) -> Result<Vec<Vec<f32>>, CliError> {
        let start = Instant::now();
        let texts: Vec<Cow<'_, str>> = batch.iter().map(|item| self.encoder.normal(&item.text)).collect();
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
        let mut distinct: Vec<&str> = Vec::with_capacity(texts.len());
        let rows: Vec<usize> = texts
            .iter()
            .map(|text| {
                *places.entry(text).or_insert_with(|| {
                    distinct.push(text);
                    distinct.len() - 1
                })
            })
            .collect();
        let encoded = self.encoder.encode(&distinct).map_err(CliError::failed)?;
        self.time += start.elapsed();
        self.texts += batch.len() as u64;
        self.encoded_tokens += encoded.iter().map(|e| u64::from(e.tokens)).sum::<u64>();
        // What is counted must not depend on which texts happened to come together.
        self.tokens += rows.iter().map(|row| u64::from(encoded[*row].tokens)).sum::<u64>();
        self.shortened += rows.iter().filter(|row| encoded[**row].shortened).count() as u64;
        Ok(rows.into_iter().map(|row| encoded[row].vector.clone()).collect())
    }

    /// Tokens through the encoder, per second of tokenising and encoding.
    fn speed(&self) -> f64 {
        self.encoded_tokens as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// The sum of it in a line.
    pub fn line(&self) -> String {
        let shortened = match self.shortened {
            0 => String::new(),
            n => format!(", {n} too long to read whole"),
        };
        format!("{} texts, {} tokens, {:.0} tokens/s{shortened}", self.texts, self.tokens, self.speed())
    }

    /// The sum of it for programs; `unusable` records gave nothing.
    pub fn json(&self, unusable: u64) -> serde_json::Value {
        serde_json::json!({
            "texts": self.texts,
            "unusable": unusable,
            "tokens": self.tokens,
            "encoded_tokens": self.encoded_tokens,
            "shortened": self.shortened,
            "seconds": self.time.as_secs_f64(),
            "tokens_per_second": self.speed(),
            "backend": self.encoder.backend(),
            "instructions": self.encoder.instructions().map(Instructions::name),
        })
    }
}
