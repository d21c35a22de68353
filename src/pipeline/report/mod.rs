//! Stage `report`: findings with their evidence, and the pages that say them.

mod assemble;
mod news;
mod pages;
mod quality;
mod survey;

use super::PipelineError;
use super::embed::EncodedFacts;
use super::outcomes::{self, OutcomeFacts};
use super::read::ReadSummary;
use super::themes::ThemeSet;
use crate::config::Plan;
use crate::engine::Engine;
use crate::outcome::join::register_local_date;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::{RunDraft, read_json, write_file, write_json};
use crate::theme::map::Map;

/// What earlier stages handed on.
pub struct Facts<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Of stage `read`.
    pub read: &'a ReadSummary,
    /// Of stage `embed`.
    pub encoded: &'a EncodedFacts,
    /// Of stage `themes`.
    pub themes: &'a ThemeSet,
    /// Of stage `map`.
    pub map: &'a Map,
    /// Of stage `outcomes`.
    pub outcomes: &'a OutcomeFacts,
    /// The model's name.
    pub model: &'a str,
    /// The model's hash.
    pub model_hash: &'a str,
}

/// Reads the final tables; leaves `findings.json`, `report.json`, `report.html`, `report.md`.
pub fn run(
    facts: &Facts<'_>,
    engine: &Engine,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, Report), PipelineError> {
    progress.begin("report", Some(4), "steps");
    outcomes::register(engine, facts.read.activity.is_some(), draft)?;
    engine.register("turns", &draft.path("turns/part-0.parquet"))?;
    register_local_date(engine, facts.plan.zone);
    let survey = survey::survey(engine, facts.plan.zone)?;
    progress.advance(1);
    let mut report = assemble::assemble(facts, &survey);
    report.curve = read_json(&draft.path("tune.json"))?;
    let wanted = assemble::choose_conversations(&mut report, &survey, facts.plan);
    report.conversations = pages::load(engine, &wanted, facts.plan)?;
    assemble::point_at_turns(&mut report);
    progress.advance(1);
    write_json(&draft.path("findings.json"), &report.findings)?;
    write_file(&draft.path("report.json"), report::json(&report).as_bytes())?;
    write_file(&draft.path("report.md"), report::markdown(&report).as_bytes())?;
    progress.advance(1);
    write_file(&draft.path("report.html"), report::html(&report)?.as_bytes())?;
    progress.advance(1);
    progress.finish(&format!("{} findings", report.findings.len()));
    Ok((report.findings.len() as u64, report))
}
