//! Stage `outcomes`: retention and effects over the tables just written.

use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::read::ReadSummary;
use crate::engine::Engine;
use crate::outcome::effect::Effect;
use crate::outcome::retention::RetentionTable;
use crate::outcome::{JoinCounts, OutcomeParams, measure, write_effects};
use crate::progress::Progress;
use crate::run::RunDraft;

/// What the outcomes stage hands on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutcomeFacts {
    /// Retention of all users; `None` without users or times.
    pub retention: Option<RetentionTable>,
    /// Every comparison shown.
    pub effects: Vec<Effect>,
    /// Comparisons left out for too few users.
    pub suppressed: u64,
    /// Outcomes refused because they overlap the exposure window: a sentence each.
    pub refused: Vec<String>,
    /// How definitions were applied: a sentence each.
    pub notes: Vec<String>,
    /// What joined.
    pub counts: JoinCounts,
    /// Where activity came from.
    pub source: String,
}

/// Makes the tables that outcomes are measured on known to the engine.
pub fn register(engine: &Engine, has_activity: bool, draft: &RunDraft) -> Result<(), PipelineError> {
    engine.register("conversations", &draft.path("conversations/part-0.parquet"))?;
    engine.register("assignments", &draft.path("assignments/part-0.parquet"))?;
    engine.register("signals", &draft.path("signals/part-0.parquet"))?;
    let activity = draft.path("staging/activity.parquet");
    if !has_activity {
        let sql = "SELECT user_id, started_at AS at, CAST(NULL AS VARCHAR) AS event FROM conversations \
                   WHERE user_id IS NOT NULL AND started_at IS NOT NULL ORDER BY user_id, at";
        engine.write(sql, &activity)?;
    }
    engine.register("activity", &activity)?;
    Ok(())
}

/// Reads the final tables; leaves `exposures/` and `effects.parquet`.
pub fn run(
    params: &OutcomeParams,
    read: &ReadSummary,
    engine: &Engine,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, OutcomeFacts), PipelineError> {
    register(engine, read.activity.is_some(), draft)?;
    let exposures = draft.path("exposures/part-0.parquet");
    if let Some(folder) = exposures.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| crate::run::RunError::Io { path: folder.to_owned(), source })?;
    }
    let measured = measure(engine, params, &exposures, progress)?;
    let source = match read.activity {
        Some(_) => "the activity table",
        None => {
            "the conversations themselves (no activity table was given): a user who came back without \
                 starting a conversation counts as away"
        }
    };
    let facts = match measured {
        Some(outcomes) => OutcomeFacts {
            retention: Some(outcomes.retention),
            effects: outcomes.effects,
            suppressed: outcomes.suppressed,
            refused: outcomes.refused,
            notes: outcomes.notes,
            counts: outcomes.counts,
            source: source.to_owned(),
        },
        None => OutcomeFacts {
            retention: None,
            effects: Vec::new(),
            suppressed: 0,
            refused: Vec::new(),
            notes: vec![crate::outcome::NO_USERS.to_owned()],
            counts: JoinCounts::default(),
            source: source.to_owned(),
        },
    };
    write_effects(&facts.effects, &draft.path("effects.parquet"))?;
    Ok((facts.effects.len() as u64, facts))
}
