//! `undertone embed`: texts in, vectors out.

mod input;
mod output;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::args::Embed;
use super::{CliError, Session};
use crate::embed::model::Prompt;
use crate::embed::{Backend, Embedder, EncodeParams, Encoder, Instructions, Model, ModelSource};
use input::{Item, Source};
use output::Output;

/// Texts encoded at once: every thread has enough of them, and memory does not follow the input's size.
const BATCH_TEXTS: usize = 2048;

pub fn run(args: &Embed, session: &Session) -> Result<(), CliError> {
    if args.json && args.out.as_os_str() == "-" {
        return Err(CliError::BadInput("--json prints on stdout, so vectors need --out FILE".into()));
    }
    let encoder = load(args)?;
    let mut source = Source::open(&args.input)?;
    let mut output = Output::create(&args.out, encoder.dimensions())?;
    session.progress.begin("embed", None, "texts");
    let mut work = Work { encoder, texts: 0, tokens: 0, shortened: 0, time: Duration::ZERO };
    loop {
        let batch = source.next(BATCH_TEXTS)?;
        if batch.is_empty() {
            break;
        }
        let vectors = work.encode(&batch)?;
        output.write(&batch, &vectors)?;
        session.progress.advance(batch.len() as u64);
    }
    output.finish()?;
    session.progress.finish(&work.line());
    if args.json {
        session.printer.data(&work.json().to_string());
    }
    Ok(())
}

fn load(args: &Embed) -> Result<Encoder, CliError> {
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
    Encoder::load(&model.with_prompt(prompt), params).map_err(CliError::bad_input)
}

/// The encoder with what it has done so far.
struct Work {
    encoder: Encoder,
    texts: u64,
    tokens: u64,
    shortened: u64,
    /// Spent tokenising and encoding.
    time: Duration,
}

impl Work {
    /// A vector per item; equal texts are encoded once.
    fn encode(&mut self, batch: &[Item]) -> Result<Vec<Vec<f32>>, CliError> {
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
        self.tokens += encoded.iter().map(|e| u64::from(e.tokens)).sum::<u64>();
        self.shortened += encoded.iter().filter(|e| e.shortened).count() as u64;
        Ok(rows.into_iter().map(|row| encoded[row].vector.clone()).collect())
    }

    fn speed(&self) -> f64 {
        self.tokens as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn line(&self) -> String {
        let shortened = match self.shortened {
            0 => String::new(),
            n => format!(", {n} too long to read whole"),
        };
        format!("{} texts, {} tokens, {:.0} tokens/s{shortened}", self.texts, self.tokens, self.speed())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "texts": self.texts,
            "tokens": self.tokens,
            "shortened": self.shortened,
            "seconds": self.time.as_secs_f64(),
            "tokens_per_second": self.speed(),
            "backend": self.encoder.backend(),
            "instructions": self.encoder.instructions().map(Instructions::name),
        })
    }
}
