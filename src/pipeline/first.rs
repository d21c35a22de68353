//! The first stages, the same for `run`, `tune` and `assign`: files to a vector per conversation.

use std::sync::Arc;

use super::embed::EncodedFacts;
use super::encoder::SharedEncoder;
use super::{PipelineError, ReadSummary, embed, read, signals};
use crate::config::Plan;
use crate::embed::cache::Cache;
use crate::engine::{Engine, EngineParams};
use crate::progress::Progress;
use crate::read::SourceFile;
use crate::run::RunDraft;
use crate::tone::ToneHead;

/// The plan's engine, which spills into the draft.
pub fn engine(plan: &Plan, draft: &RunDraft) -> Result<Engine, PipelineError> {
    Ok(Engine::local(&EngineParams {
        threads: plan.threads,
        memory_bytes: plan.memory_bytes,
        spill_dir: draft.path("staging").join("spill"),
    })?)
}

/// What conversations are read and encoded from, and with.
pub struct First<'a> {
    /// How.
    pub plan: &'a Plan,
    /// The export.
    pub files: &'a [SourceFile],
    /// Asked only if there is something to encode.
    pub encoder: &'a mut SharedEncoder,
    /// Of user turns.
    pub tone: ToneHead,
    /// Embeddings of earlier nights.
    pub cache: Option<Arc<Cache>>,
}

impl First<'_> {
    /// Stages `read`, `embed` and `signals`; leaves `staging/scenes.parquet` and what they name.
    pub fn run(
        self,
        engine: &Engine,
        draft: &mut RunDraft,
        progress: &Progress,
    ) -> Result<(ReadSummary, EncodedFacts), PipelineError> {
        let First { plan, files, encoder, tone, cache } = self;
        if !draft.is_done("embed") {
            // The model is unpacked while files are read.
            encoder.load_meanwhile();
        }
        let read = draft.stage("read", |d| read::run(plan, files, engine, d, progress))?;
        let encoded =
            draft.stage("embed", |d| embed::run(engine, || encoder.get(), tone, cache, d, progress))?;
        let size = (read.conversations, encoded.dimensions);
        draft.stage("signals", |d| signals::run(&plan.signals, size, engine, d, progress))?;
        Ok((read, encoded))
    }
}
