//! Changing a run's themes by hand: what is seen, one edit at a time, the file of edits beside the runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray;
use ndarray::{Array2, Axis, aview1};
use serde::Serialize;

use super::PipelineError;
use super::ledger::{CURATION_FILE, found, read_curation};
use super::rows::vector_at;
use crate::run::{Run, RunError, read_json, write_json};
use crate::table::{TableError, batches, column, text};
use crate::theme::curation::{Curated, Curation, Edit, Entry, apply, find};
use crate::theme::ledger::{Ledger, LedgerTheme, State, ThemeId};
use crate::theme::{Clusterer, Engine, Geometry, KMeans};

/// Held while edits are read, changed and written.
const LOCK: &str = ".curation.lock";
/// Starts of the 2-means that proposes the parts of a split.
const STARTS: usize = 8;

/// A run's themes as found, with the edits that apply to them.
pub struct Desk {
    /// As found, before edits.
    pub ledger: Ledger,
    /// Conversations with a request, rising, with the theme found for each.
    rows: Vec<(String, Option<ThemeId>)>,
    /// `(n, d)` unit rows, theirs.
    vectors: Array2<f32>,
    /// All edits.
    curation: Curation,
    file: PathBuf,
    _lock: Option<File>,
}

/// One theme as `undertone themes list` has it.
#[derive(Debug, Clone, Serialize)]
pub struct ThemeLine {
    /// Permanent.
    pub id: ThemeId,
    /// The same as tables carry it.
    pub number: u32,
    /// Name.
    pub name: String,
    /// What the run's conversations would have it called.
    pub automatic_name: String,
    /// `active`, `retired` or `replaced`.
    pub state: State,
    /// Conversations in it.
    pub conversations: u64,
    /// Night of its birth.
    pub first_seen: String,
    /// Last night it was there.
    pub last_seen: String,
    /// Kept as it was.
    pub pinned: bool,
    /// Not shown.
    pub hidden: bool,
    /// The theme it was merged into.
    pub merged_into: Option<ThemeId>,
    /// The themes it was split into.
    pub split_into: Vec<ThemeId>,
}

impl Desk {
    /// To look.
    pub fn open(run: &Run) -> Result<Desk, PipelineError> {
        let file = runs_folder(run)?.join(CURATION_FILE);
        let (ledger, rows, vectors) = load(&run.dir)?;
        let curation = read_curation(&file)?;
        Ok(Desk { ledger, rows, vectors, curation, file, _lock: None })
    }

    /// To change: nobody else can until it is dropped.
    pub fn open_to_change(run: &Run) -> Result<Desk, PipelineError> {
        let path = runs_folder(run)?.join(LOCK);
        let lock = File::create(&path).map_err(|source| RunError::Io { path: path.clone(), source })?;
        lock.lock().map_err(|source| RunError::Io { path, source })?;
        Ok(Desk { _lock: Some(lock), ..Desk::open(run)? })
    }

    /// The themes with all edits applied.
    pub fn seen(&self) -> Result<Curated, PipelineError> {
        self.seen_with(&self.curation)
    }

    /// The themes with other edits applied: those of the run's night, say.
    pub fn seen_with(&self, curation: &Curation) -> Result<Curated, PipelineError> {
        let rows: Vec<_> = self.rows.iter().map(|(id, theme)| (id.as_str(), *theme)).collect();
        apply(&self.ledger, &rows, self.vectors.view(), curation)
            .map_err(|source| PipelineError::Edits { path: self.file.clone(), source })
    }

    /// The theme that a person means.
    pub fn theme(&self, text: &str) -> Result<ThemeId, PipelineError> {
        Ok(find(&self.seen()?.ledger, text)?)
    }

    /// Largest first; hidden, retired and replaced ones only when `all`.
    pub fn list(&self, all: bool) -> Result<Vec<ThemeLine>, PipelineError> {
        let seen = self.seen()?;
        let shown = |theme: &&LedgerTheme| all || (theme.state == State::Active && !theme.edits.hidden);
        let mut lines: Vec<ThemeLine> = seen.ledger.themes.iter().filter(shown).map(line).collect();
        lines.sort_by_key(|line| {
            (line.state != State::Active, std::cmp::Reverse(line.conversations), line.id)
        });
        Ok(lines)
    }

    /// Calls it so.
    pub fn rename(&mut self, theme: ThemeId, name: &str) -> Result<(), PipelineError> {
        Ok(self.curation.rename(&self.ledger, theme, name)?)
    }

    /// Puts the first into the second.
    pub fn merge(&mut self, theme: ThemeId, into: ThemeId) -> Result<(), PipelineError> {
        Ok(self.curation.merge(&self.ledger, theme, into)?)
    }

    /// In two, where its conversations part most clearly; returns their ids.
    pub fn split(&mut self, theme: ThemeId) -> Result<Vec<ThemeId>, PipelineError> {
        let seen = self.seen()?;
        let rows: Vec<usize> =
            (0..self.rows.len()).filter(|&row| seen.assignment[row] == Some(theme)).collect();
        let members = self.vectors.select(Axis(0), &rows);
        let labels = if members.nrows() == 0 { Vec::new() } else { halves(&members)? };
        Ok(self.curation.split(&self.ledger, theme, members.view(), &labels)?)
    }

    /// Keeps it as it is in this run.
    pub fn pin(&mut self, theme: ThemeId) -> Result<(), PipelineError> {
        let seen = self.seen()?;
        let is_member: Vec<bool> = seen.assignment.iter().map(|of| *of == Some(theme)).collect();
        let centroid = seen.ledger.theme(theme).map(|theme| theme.centroid.clone()).unwrap_or_default();
        Ok(self.curation.pin(&self.ledger, theme, &centroid, self.vectors.view(), &is_member)?)
    }

    /// Unpin, hide, unhide.
    pub fn push(&mut self, edit: Edit) -> Result<(), PipelineError> {
        Ok(self.curation.push(&self.ledger, edit)?)
    }

    /// Takes back the newest edit.
    pub fn undo(&mut self) -> Option<Entry> {
        self.curation.undo()
    }

    /// Writes the edits, each of which was checked when it was made.
    pub fn save(&self) -> Result<(), PipelineError> {
        Ok(write_json(&self.file, &self.curation)?)
    }

    /// For each active theme as found the least cosine of its conversations to its centroid.
    pub fn reach(&self) -> BTreeMap<ThemeId, f32> {
        let mut reach = BTreeMap::new();
        for ((_, theme), vector) in self.rows.iter().zip(self.vectors.rows()) {
            let Some(theme) = theme.and_then(|id| self.ledger.theme(id)) else { continue };
            if theme.centroid.len() == vector.len() {
                let cosine = vector.dot(&aview1(&theme.centroid));
                let least = reach.entry(theme.id).or_insert(cosine);
                *least = cosine.min(*least);
            }
        }
        reach
    }
}

fn line(theme: &LedgerTheme) -> ThemeLine {
    ThemeLine {
        id: theme.id,
        number: theme.id.number(),
        name: theme.name.clone(),
        automatic_name: theme.automatic_name.clone(),
        state: theme.state,
        conversations: if theme.state == State::Active { theme.size } else { 0 },
        first_seen: theme.first_seen.clone(),
        last_seen: theme.last_seen.clone(),
        pinned: theme.edits.pinned,
        hidden: theme.edits.hidden,
        merged_into: theme.edits.merged_into,
        split_into: theme.edits.split_into.clone(),
    }
}

fn halves(members: &Array2<f32>) -> Result<Vec<u32>, PipelineError> {
    let fit = KMeans {
        k: 2,
        starts: STARTS,
        sample: usize::MAX,
        warm: Vec::new(),
        seed: 0,
        engine: Engine::Blocked,
        geometry: Geometry::Spherical,
        batch: None,
    };
    Ok(fit.cluster(members.view())?.labels.into_iter().flatten().collect())
}

/// The folder that a run, `latest` included, lies in.
fn runs_folder(run: &Run) -> Result<PathBuf, PipelineError> {
    let io = |source| RunError::Io { path: run.dir.clone(), source };
    let dir = fs::canonicalize(&run.dir).map_err(io)?;
    Ok(dir.parent().map_or_else(|| dir.clone(), Path::to_owned))
}

/// The ledger as found, the conversations with a request and what was found for them, and their vectors.
type Loaded = (Ledger, Vec<(String, Option<ThemeId>)>, Array2<f32>);

fn load(dir: &Path) -> Result<Loaded, PipelineError> {
    let missing = |reason: &str| PipelineError::NoLedger { path: dir.to_owned(), reason: reason.to_owned() };
    if !dir.join("ledger.json").is_file() {
        return Err(missing("it has no ledger.json, as runs of earlier versions"));
    }
    let ledger: Ledger = read_json(&dir.join("ledger.json"))?;
    ledger.validate()?;
    let found: BTreeMap<String, Option<ThemeId>> = found(dir)?.into_iter().collect();
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for batch in batches(&dir.join("embeddings/conversations.parquet"))? {
        let batch = batch?;
        let ids = text(&batch, "conversation_id")?;
        let vectors = column(&batch, "vector")?
            .as_fixed_size_list_opt()
            .ok_or_else(|| TableError::Column("vector".into()))?;
        for row in 0..batch.num_rows() {
            let id = ids.value(row);
            if let (Some(vector), Some(theme)) = (vector_at(vectors, row), found.get(id)) {
                rows.push((id.to_owned(), *theme));
                values.extend(vector);
            }
        }
    }
    let dimensions = if rows.is_empty() { 0 } else { values.len() / rows.len() };
    let vectors = Array2::from_shape_vec((rows.len(), dimensions), values)
        .map_err(|_| missing("its vectors are of different lengths"))?;
    Ok((ledger, rows, vectors))
}
