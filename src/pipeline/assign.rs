//! New conversations into a run's themes, without fitting anything anew and without touching the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Float32Array, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use ndarray::{Array2, ArrayView2, aview1};
use serde::Serialize;

use super::curate::Desk;
use super::encoder::SharedEncoder;
use super::first::First;
use super::themes::{Requests, load};
use super::{PipelineError, first, ledger};
use crate::config::{Config, Plan};
use crate::progress::Progress;
use crate::read::expand;
use crate::run::{Run, RunDraft, RunError, read_json};
use crate::table::{BATCH_ROWS, TableWriter, schema};
use crate::theme::Algorithm;
use crate::theme::curation::apply;
use crate::theme::ledger::{LedgerTheme, ThemeId};
use crate::tone::ToneHead;

/// Names tried for a folder of scratch tables.
const ATTEMPTS: u32 = 100;

/// Where a conversation belongs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assigned {
    /// The conversation.
    pub conversation_id: String,
    /// Its theme after edits; `None` for those like no theme, and those without a request.
    pub theme: Option<ThemeId>,
    /// The theme's name.
    pub name: Option<String>,
    /// Cosine to the theme's centroid, -1..=1.
    pub similarity: Option<f32>,
}

/// Puts every conversation of `patterns` into a theme of `run`, by rising id.
///
/// Read, encoded and summed up by the same stages as a run, with the run's own config but for its limits
/// of dates; then each goes to the nearest theme that was found, and the run's edits apply.
///
/// # Errors
/// Input as for a run; a run of another model.
pub fn assign(
    run: &Run,
    patterns: &[String],
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Assigned>, PipelineError> {
    let plan = plan(run, patterns, threads)?;
    let desk = Desk::open(run)?;
    let curation = ledger::read_curation(&run.path("model/curation.json"))?;
    let model = plan.load_model()?;
    same_model(run, &model.hash())?;
    let files = expand(&plan.conversations)?;
    let scratch = Scratch::create()?;
    let mut draft = RunDraft::open(&scratch.0, "assign")?;
    let engine = first::engine(&plan, &draft)?;
    let (tone, mut encoder) = (ToneHead::bundled()?, SharedEncoder::new(model, plan.encode));
    let first = First { plan: &plan, files: &files, encoder: &mut encoder, tone, cache: None };
    let (_, encoded) = first.run(&engine, &mut draft, progress)?;
    let requests = load(&draft)?;
    let vectors = requests.matrix(encoded.dimensions);
    let found = nearest(&desk, vectors.view(), &plan);
    let rows: Vec<_> = requests.ids.iter().map(String::as_str).zip(found).collect();
    let seen = apply(&desk.ledger, &rows, vectors.view(), &curation)
        .map_err(|source| PipelineError::Edits { path: run.path("model/curation.json"), source })?;
    // The themes as they were seen that night: `apply` saw only the new conversations.
    let whole = desk.seen_with(&curation)?;
    Ok(named(&requests, &vectors, &seen.assignment, &whole.ledger.themes))
}

/// The run's plan for other input.
fn plan(run: &Run, patterns: &[String], threads: usize) -> Result<Plan, PipelineError> {
    let path = run.path("config.toml");
    let stored = |reason: String| PipelineError::StoredConfig { path: path.clone(), reason };
    let text = std::fs::read_to_string(&path).map_err(|error| stored(error.to_string()))?;
    let mut config = Config::parse(&text).map_err(|problems| stored(problems.to_string()))?;
    config.input.conversations = patterns.to_vec();
    config.input.activity.clear();
    config.input.since.clear();
    config.input.until.clear();
    config.cache.file.clear();
    let mut plan = config.plan().map_err(|problems| stored(problems.to_string()))?;
    plan.threads = threads;
    Ok(plan)
}

fn same_model(run: &Run, here: &str) -> Result<(), PipelineError> {
    let facts: serde_json::Value = read_json(&run.path("run.json"))?;
    let hash = facts.get("model_hash").and_then(serde_json::Value::as_str).unwrap_or_default();
    if hash == here {
        return Ok(());
    }
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    Err(PipelineError::OtherModel { path: run.dir.clone(), run: short(hash), here: short(here) })
}

/// The nearest active theme of each row. Where themes leave rows out (density), only within the reach
/// that the theme had that night.
fn nearest(desk: &Desk, vectors: ArrayView2<'_, f32>, plan: &Plan) -> Vec<Option<ThemeId>> {
    let fits = |theme: &&LedgerTheme| theme.centroid.len() == vectors.ncols();
    let themes: Vec<&LedgerTheme> = desk.ledger.active().filter(fits).collect();
    let leaves_out = matches!(plan.themes.algorithm, Algorithm::Dbscan | Algorithm::Hdbscan);
    let reach = if leaves_out { desk.reach() } else { Default::default() };
    let of_row = |row: ndarray::ArrayView1<'_, f32>| {
        let mut best: Option<(f32, ThemeId)> = None;
        for theme in &themes {
            let cosine = row.dot(&aview1(&theme.centroid));
            let within = !leaves_out || reach.get(&theme.id).is_some_and(|least| cosine >= *least);
            if within && best.is_none_or(|(most, _)| cosine > most) {
                best = Some((cosine, theme.id));
            }
        }
        best.map(|(_, theme)| theme)
    };
    vectors.rows().into_iter().map(of_row).collect()
}

fn named(
    requests: &Requests,
    vectors: &Array2<f32>,
    assignment: &[Option<ThemeId>],
    themes: &[LedgerTheme],
) -> Vec<Assigned> {
    let known = |id: ThemeId| themes.iter().find(|theme| theme.id == id);
    let place = |(row, id): (usize, &String)| {
        let theme = assignment[row].and_then(known);
        let near = theme.filter(|theme| theme.centroid.len() == vectors.ncols());
        Assigned {
            conversation_id: id.clone(),
            theme: theme.map(|theme| theme.id),
            name: theme.map(|theme| theme.name.clone()),
            similarity: near.map(|theme| vectors.row(row).dot(&aview1(&theme.centroid)).clamp(-1.0, 1.0)),
        }
    };
    let silent =
        |id: &String| Assigned { conversation_id: id.clone(), theme: None, name: None, similarity: None };
    let mut all: Vec<Assigned> = requests.ids.iter().enumerate().map(place).collect();
    all.extend(requests.silent.iter().map(silent));
    all.sort_by(|a, b| a.conversation_id.cmp(&b.conversation_id));
    all
}

/// Writes them as Parquet: conversation_id, theme (its number), name, similarity.
pub fn write_assigned(assigned: &[Assigned], path: &Path) -> Result<(), PipelineError> {
    let fields = vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("theme", DataType::Int32, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("similarity", DataType::Float32, true),
    ];
    let mut writer = TableWriter::create(path, schema(fields))?;
    for block in assigned.chunks(BATCH_ROWS) {
        let number = |row: &Assigned| row.theme.map(|theme| theme.number() as i32);
        writer.write_columns(vec![
            Arc::new(StringArray::from_iter_values(block.iter().map(|row| &row.conversation_id))),
            Arc::new(block.iter().map(number).collect::<Int32Array>()),
            Arc::new(block.iter().map(|row| row.name.as_deref()).collect::<StringArray>()),
            Arc::new(block.iter().map(|row| row.similarity).collect::<Float32Array>()),
        ])?;
    }
    writer.finish()?;
    Ok(())
}

/// A folder for tables that nobody needs afterwards, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Scratch, PipelineError> {
        let (folder, process) = (std::env::temp_dir(), std::process::id());
        for attempt in 0..ATTEMPTS {
            let path = folder.join(format!("undertone-assign-{process}-{attempt}"));
            match private(&path) {
                Ok(()) => return Ok(Scratch(path)),
                // Somebody else's, or left by a process that was killed: never used as it is.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(RunError::Io { path, source }.into()),
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(RunError::Io { path: folder, source }.into())
    }
}

/// Conversations are nobody else's business, in a folder that all users share as well.
fn private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
