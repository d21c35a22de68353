//! The run: files in, a published run directory out.

mod assign;
mod cache;
mod curate;
mod embed;
mod encoder;
mod error;
mod finish;
mod first;
mod inputs;
mod ledger;
mod map;
mod outcomes;
mod parts;
mod read;
mod report;
mod rows;
mod signals;
mod themes;
mod tune;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use assign::{Assigned, assign, write_assigned};
pub use curate::{Desk, ThemeLine};
use encoder::SharedEncoder;
pub use error::PipelineError;
use first::First;
pub use inputs::{InputFile, fingerprint};
pub use read::{FileFacts, ReadSummary};
pub use tune::{Tuned, tune};

use crate::config::Plan;
use crate::embed::cache::CacheReport;
use crate::progress::Progress;
use crate::read::expand;
use crate::report::Report;
use crate::run::{LAYOUT, RunDraft, StageFacts, write_file, write_json};
use crate::tone::ToneHead;

/// What a run left behind.
pub struct Published {
    /// Its directory.
    pub dir: PathBuf,
    /// What it says.
    pub report: Report,
    /// Stages that an earlier, interrupted start had finished.
    pub resumed: usize,
    /// What reading found.
    pub read: ReadSummary,
    /// What the cache of embeddings did, where there is one.
    pub cache: Option<CacheReport>,
}

/// `run.json`
#[derive(Serialize)]
struct RunFacts<'a> {
    layout: u32,
    version: &'a str,
    started_at: DateTime<Utc>,
    night: &'a str,
    fingerprint: &'a str,
    seed: u64,
    model: &'a str,
    model_hash: &'a str,
    tone_hash: &'a str,
    inputs: &'a [InputFile],
    cache: Option<&'a CacheReport>,
    stages: &'a [StageFacts],
    seconds: f64,
    rows: BTreeMap<&'a str, u64>,
}

/// Runs the whole plan and publishes the result.
///
/// Every stage leaves its tables in the draft before it counts as done, so a run that dies is
/// resumed at the stage it died in, and nothing published is ever half-written.
pub fn run(plan: &Plan, progress: &Progress) -> Result<Published, PipelineError> {
    let started = Utc::now();
    let files = expand(&plan.conversations)?;
    cache::check(plan, &files)?;
    let model = plan.load_model()?;
    let model_hash = model.hash();
    let tone = ToneHead::bundled()?;
    let tone_hash = tone.hash()?;
    let inputs = inputs::hash(&files, plan.activity.as_deref(), progress)?;
    let past = ledger::Past::open(&plan.out)?;
    let fingerprint = fingerprint(plan, &model_hash, &tone_hash, &inputs, &past.hash())?;

    let mut draft = RunDraft::open(&plan.out, &fingerprint)?;
    let engine = first::engine(plan, &draft)?;
    write_file(&draft.path("config.toml"), plan.config.to_toml()?.as_bytes())?;

    let mut encoder = SharedEncoder::new(model.clone(), plan.encode);
    let cache = cache::open(plan, &model_hash, &tone_hash)?;
    let first = First { plan, files: &files, encoder: &mut encoder, tone, cache: cache.clone() };
    let (read, encoded) = first.run(&engine, &mut draft, progress)?;
    let cache = cache.map(|cache| cache.finish());
    let size = encoded.dimensions;
    let themes = draft.stage("themes", |d| {
        let night = past.tonight(d, started)?;
        let tonight = themes::Tonight { night: &night, model: &model_hash, past: &past };
        themes::run(&plan.themes, || encoder.get(), size, &tonight, d, progress)
    })?;
    let map = draft.stage("map", |d| map::run(plan.themes.seed, size, d, progress))?;
    draft.stage("finish", |d| finish::run(&plan.signals, read.conversations, &engine, d, progress))?;
    let outcomes = draft.stage("outcomes", |d| outcomes::run(&plan.outcomes, &read, &engine, d, progress))?;
    let facts = report::Facts {
        plan,
        read: &read,
        encoded: &encoded,
        themes: &themes,
        map: &map,
        outcomes: &outcomes,
        model: &model.name,
        model_hash: &model_hash,
    };
    let report: Report = draft.stage("report", |d| report::run(&facts, &engine, d, progress))?;

    let resumed = draft.resumed();
    let stages = draft.stages().to_vec();
    let seconds = (Utc::now() - started).num_milliseconds() as f64 / 1000.0;
    write_json(
        &draft.path("run.json"),
        &RunFacts {
            layout: LAYOUT,
            version: env!("CARGO_PKG_VERSION"),
            started_at: started,
            night: &themes.night,
            fingerprint: &fingerprint,
            seed: plan.config.seed,
            model: &model.name,
            model_hash: &model_hash,
            tone_hash: &tone_hash,
            inputs: &inputs,
            cache: cache.as_ref(),
            stages: &stages,
            seconds,
            rows: stages.iter().map(|stage| (stage.name.as_str(), stage.rows)).collect(),
        },
    )?;
    let dir = draft.publish(started)?;
    Ok(Published { dir, report, resumed, read, cache })
}
