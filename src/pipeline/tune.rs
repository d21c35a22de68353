//! What `tune` looks at: vectors of a published run of the same input, or of a draft that goes no
//! further than its signals.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray;
use ndarray::Array2;
use serde::Deserialize;

use super::encoder::SharedEncoder;
use super::first::First;
use super::rows::vector_at;
use super::signals::shortened;
use super::{InputFile, PipelineError, cache, fingerprint, first, inputs, ledger, themes};
use crate::config::{Config, EmbedConfig, Plan};
use crate::conversation::cue::carries_request;
use crate::embed::Model;
use crate::progress::Progress;
use crate::read::{SourceFile, expand};
use crate::run::{Run, RunDraft, read_json, write_file};
use crate::table::{batches, column, text};
use crate::theme::tune::{Sweep, sweep};
use crate::tone::ToneHead;

/// The sweeps, and where their vectors came from.
pub struct Tuned {
    /// What each value gives.
    pub sweep: Sweep,
    /// The run whose vectors were used; `None` where the input was read and embedded for this.
    pub run: Option<PathBuf>,
}

/// Conversations with a request: what they ask, and their vectors end to end.
#[derive(Default)]
struct Rows {
    texts: Vec<String>,
    vectors: Vec<f32>,
}

/// Sweeps over the vectors of `run`; without one, of the newest published run if it is of the plan's input; else
/// the input is read and embedded as a run does. Nothing is published, and `undertone run` goes on from there.
pub fn tune(plan: &Plan, run: Option<&Path>, progress: &Progress) -> Result<Tuned, PipelineError> {
    let (rows, run) = match run {
        Some(dir) => (published(&Run::open(dir)?)?, Some(dir.to_owned())),
        None => {
            let files = expand(&plan.conversations)?;
            let model = plan.load_model()?;
            let hashed = inputs::hash(&files, plan.activity.as_deref(), progress)?;
            let newest = Run::open(&plan.out.join("latest")).ok();
            match newest.filter(|run| is_of(run, plan, &model.hash(), &hashed)) {
                Some(run) => (published(&run)?, Some(run.dir)),
                None => (drafted(plan, &files, &model, &hashed, progress)?, None),
            }
        }
    };
    let dimensions = rows.vectors.len() / rows.texts.len().max(1);
    let vectors = Array2::from_shape_vec((rows.texts.len(), dimensions), rows.vectors)
        .unwrap_or_else(|_| Array2::zeros((0, dimensions)));
    let texts: Vec<&str> = rows.texts.iter().map(String::as_str).collect();
    Ok(Tuned { sweep: sweep(vectors.view(), &texts, &plan.themes, progress)?, run })
}

/// What `run.json` says about where vectors came from.
#[derive(Deserialize)]
struct Origin {
    version: String,
    model_hash: String,
    inputs: Vec<InputFile>,
}

/// True when the run's conversation vectors are those the plan would compute. A run that cannot be read is not.
fn is_of(run: &Run, plan: &Plan, model_hash: &str, hashed: &[InputFile]) -> bool {
    let Ok(origin) = read_json::<Origin>(&run.path("run.json")) else { return false };
    let Ok(written) = std::fs::read_to_string(run.path("config.toml")) else { return false };
    let Ok(config) = Config::parse(&written) else { return false };
    origin.version == env!("CARGO_PKG_VERSION")
        && origin.model_hash == model_hash
        && bearing(&config) == bearing(&plan.config)
        && contents(&origin.inputs, &config) == contents(hashed, &plan.config)
}

/// The part of a config that conversation vectors depend on.
fn bearing(config: &Config) -> (String, crate::config::Input, EmbedConfig) {
    let mut input = config.input.clone();
    input.conversations.clear();
    input.activity.clear();
    input.activity_columns = crate::config::Input::default().activity_columns;
    input.max_reject_share = 0.0;
    let batch_tokens = EmbedConfig::default().batch_tokens;
    (config.product.timezone.clone(), input, EmbedConfig { batch_tokens, ..config.embed.clone() })
}

/// Contents of the conversation files, in any order; the activity table is the last input.
fn contents<'a>(inputs: &'a [InputFile], config: &Config) -> Vec<&'a str> {
    let others = usize::from(!config.input.activity.is_empty());
    let files = &inputs[..inputs.len().saturating_sub(others)];
    let mut contents: Vec<&str> = files.iter().map(|file| file.blake3.as_str()).collect();
    contents.sort_unstable();
    contents
}

/// Rows of a published run, in its order.
fn published(run: &Run) -> Result<Rows, PipelineError> {
    let mut asked: HashMap<String, String> = HashMap::new();
    for batch in batches(&run.path("turns/part-0.parquet"))? {
        let batch = batch?;
        let (ids, roles) = (text(&batch, "conversation_id")?, text(&batch, "role")?);
        let texts = text(&batch, "text")?;
        for row in (0..batch.num_rows()).filter(|row| roles.value(*row) == "user") {
            // Turns are in order: the first request is met first.
            if !asked.contains_key(ids.value(row)) && carries_request(texts.value(row)) {
                asked.insert(ids.value(row).to_owned(), shortened(texts.value(row)));
            }
        }
    }
    let mut rows = Rows::default();
    for batch in batches(&run.path("embeddings/conversations.parquet"))? {
        let batch = batch?;
        let ids = text(&batch, "conversation_id")?;
        let vectors = column(&batch, "vector")?.as_fixed_size_list();
        for row in 0..batch.num_rows() {
            if let Some(vector) = vector_at(vectors, row) {
                rows.texts.push(asked.remove(ids.value(row)).unwrap_or_default());
                rows.vectors.extend(vector);
            }
        }
    }
    Ok(rows)
}

/// Rows of a draft: the first stages of the run that the plan describes.
fn drafted(
    plan: &Plan,
    files: &[SourceFile],
    model: &Model,
    hashed: &[InputFile],
    progress: &Progress,
) -> Result<Rows, PipelineError> {
    let tone = ToneHead::bundled()?;
    let (model_hash, tone_hash) = (model.hash(), tone.hash()?);
    let past = ledger::Past::open(&plan.out)?;
    let fingerprint = fingerprint(plan, &model_hash, &tone_hash, hashed, &past.hash())?;
    let mut draft = RunDraft::open(&plan.out, &fingerprint)?;
    let engine = first::engine(plan, &draft)?;
    write_file(&draft.path("config.toml"), plan.config.to_toml()?.as_bytes())?;
    let cache = cache::open(plan, &model_hash, &tone_hash)?;
    let mut encoder = SharedEncoder::new(model.clone(), plan.encode);
    First { plan, files, encoder: &mut encoder, tone, cache: cache.clone() }
        .run(&engine, &mut draft, progress)?;
    cache.map(|cache| cache.finish());
    let requests = themes::load(&draft)?;
    Ok(Rows { texts: requests.texts, vectors: requests.vectors })
}
