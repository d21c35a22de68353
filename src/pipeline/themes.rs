//! Stage `themes`: conversation vectors to themes, the same ones as the night before where they still are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float32Array, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use ndarray::{Array2, ArrayView2, aview1};
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::ledger::{LastNight, Past};
use super::rows::{vector_at, vector_type, vectors_column};
use crate::progress::Progress;
use crate::run::{RunDraft, write_json, write_line};
use crate::table::{BATCH_ROWS, TableWriter, batches, column, schema, text, text_at};
use crate::theme::curation::{Curated, FIRST_PART, Skipped, apply};
use crate::theme::ledger::{Advance, Cluster, Event, LedgerTheme, Night, ThemeId, advance};
use crate::theme::{Clusters, K, Theme, ThemeParams, Themes, describe, find};

/// What the themes stage hands on: the themes themselves, without the rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ThemeSet {
    /// The night, as the ledger has it.
    pub night: String,
    /// The night it carries on; `None` on a first night.
    pub last_night: Option<String>,
    /// Those with conversations, largest first; hidden ones too.
    pub themes: Vec<ThemeEntry>,
    /// Conversations with a vector but in no theme.
    pub noise: u64,
    /// Conversations without any request.
    pub silent: u64,
    /// How themes were found, one sentence.
    pub method: String,
    /// What happened since the last night, by kind, but for what people hid or changed.
    pub events: BTreeMap<String, Vec<ThemeName>>,
    /// Edits made by hand that could not be applied.
    pub skipped: Vec<Skipped>,
}

/// A theme that something happened to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThemeName {
    /// Permanent.
    pub theme: ThemeId,
    /// Its name, or the last it had.
    pub name: String,
}

/// One theme, as `themes.json` lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThemeEntry {
    /// Permanent number, as in the tables.
    pub id: u32,
    /// The same as people write it, `t-000017`.
    pub theme: ThemeId,
    /// Name: given by people, else as on the night it was born.
    pub name: String,
    /// What tonight's conversations would have it called.
    pub automatic_name: String,
    /// Keywords, strongest first.
    pub keywords: Vec<String>,
    /// The most central request.
    pub representative: String,
    /// The conversation it is from.
    pub representative_conversation: String,
    /// Conversations in it.
    pub conversations: u64,
    /// Night of its birth.
    pub first_seen: String,
    /// Last night it was there.
    pub last_seen: String,
    /// Kept as it was by people.
    pub pinned: bool,
    /// Not shown, by people's wish.
    pub hidden: bool,
}

/// Which night it is, and what was before.
pub struct Tonight<'a> {
    /// The night.
    pub night: &'a str,
    /// Hash of the model.
    pub model: &'a str,
    /// Earlier nights and edits.
    pub past: &'a Past,
}

/// Conversations that carry a request: the rows that themes are made of.
pub struct Requests {
    /// Rising.
    pub ids: Vec<String>,
    /// First request of each.
    pub texts: Vec<String>,
    /// Vectors end to end.
    pub vectors: Vec<f32>,
    /// Conversations without a request, rising.
    pub silent: Vec<String>,
}

/// Reads `staging/scenes.parquet` and the last night; leaves `themes.json`, `ledger.json`, `events.json`,
/// `tune.json`, `assignments/`, `embeddings/conversations.parquet` and `model/`.
pub fn run(
    params: &ThemeParams,
    dimensions: usize,
    tonight: &Tonight<'_>,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ThemeSet), PipelineError> {
    let requests = load(draft)?;
    let vectors = requests.matrix(dimensions);
    let texts: Vec<&str> = requests.texts.iter().map(String::as_str).collect();
    let last = tonight.past.last_night(tonight.night);
    let most = if let K::Fixed(k) = params.k { k } else { usize::MAX };
    let warm = last.ledger.warm_start(most, tonight.model);
    let found = find(vectors.view(), &texts, params, &warm, progress)?;
    let Advance { ledger, events, ids } = carry_on(&requests, &found, &last, tonight)?;
    let placed = found.assignment.iter().map(|cluster| cluster.map(|cluster| ids[cluster as usize]));
    let placed: Vec<Option<ThemeId>> = placed.collect();
    let rows: Vec<_> = requests.ids.iter().map(String::as_str).zip(placed.iter().copied()).collect();
    let seen = apply(&ledger, &rows, vectors.view(), &tonight.past.curation)
        .map_err(|source| PipelineError::Edits { path: tonight.past.curation_file(), source })?;

    write_vectors(&requests, dimensions, draft)?;
    write_assignments(&requests, &placed, &seen, &similarities(vectors.view(), &seen), draft)?;
    write_centroids(&seen, dimensions, draft)?;
    write_json(&draft.path("model/curation.json"), &tonight.past.curation)?;
    write_line(&draft.path("ledger.json"), &ledger)?;
    write_json(&draft.path("events.json"), &events)?;
    write_json(&draft.path("tune.json"), &found.curve)?;
    let set = ThemeSet {
        night: tonight.night.to_owned(),
        last_night: (!last.ledger.night.is_empty()).then_some(last.ledger.night),
        themes: entries(&requests, vectors.view(), &texts, &found, &placed, &seen, params),
        noise: seen.assignment.iter().filter(|theme| theme.is_none()).count() as u64,
        silent: requests.silent.len() as u64,
        method: found.method.clone(),
        events: happened(&seen, &events),
        skipped: seen.skipped.clone(),
    };
    write_json(&draft.path("themes.json"), &set)?;
    Ok((set.themes.len() as u64, set))
}

/// Permanent ids for what was found.
fn carry_on(
    requests: &Requests,
    found: &Themes,
    last: &LastNight,
    tonight: &Tonight<'_>,
) -> Result<Advance, PipelineError> {
    let clusters: Vec<Cluster<'_>> =
        found.themes.iter().map(|theme| Cluster { name: &theme.name, centroid: &theme.centroid }).collect();
    let members: Vec<_> =
        requests.ids.iter().map(String::as_str).zip(found.assignment.iter().copied()).collect();
    let before: Vec<_> = last.members.iter().map(|(id, theme)| (id.as_str(), *theme)).collect();
    let night = Night { date: tonight.night, model: tonight.model, clusters: &clusters, members: &members };
    Ok(advance(&last.ledger, &before, &night)?)
}

/// Cosine of each row to the centroid of its theme after edits, -1..=1; `None` for noise.
fn similarities(vectors: ArrayView2<'_, f32>, seen: &Curated) -> Vec<Option<f32>> {
    let centroids: BTreeMap<ThemeId, &[f32]> =
        seen.ledger.active().map(|theme| (theme.id, theme.centroid.as_slice())).collect();
    let cosine = |(row, theme): (usize, &Option<ThemeId>)| {
        let centroid = centroids.get(theme.as_ref()?).filter(|centroid| centroid.len() == vectors.ncols())?;
        Some(vectors.row(row).dot(&aview1(centroid)).clamp(-1.0, 1.0))
    };
    seen.assignment.iter().enumerate().map(cosine).collect()
}

/// What `themes.json` lists: keywords and representatives are those of the themes after edits.
fn entries(
    requests: &Requests,
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    found: &Themes,
    placed: &[Option<ThemeId>],
    seen: &Curated,
    params: &ThemeParams,
) -> Vec<ThemeEntry> {
    let held: BTreeSet<ThemeId> = seen.assignment.iter().flatten().copied().collect();
    let shown: Vec<&LedgerTheme> = seen.ledger.active().filter(|theme| held.contains(&theme.id)).collect();
    let numbers: BTreeMap<ThemeId, u32> = shown.iter().map(|theme| theme.id).zip(0..).collect();
    let described: BTreeMap<ThemeId, Theme> = if placed == seen.assignment {
        // Nothing was moved by hand: described already.
        let first = |theme: &Theme| Some((placed[theme.representative]?, theme.clone()));
        found.themes.iter().filter_map(first).collect()
    } else {
        let labels = seen.assignment.iter().map(|theme| theme.and_then(|id| numbers.get(&id).copied()));
        let clusters = Clusters { labels: labels.collect(), count: shown.len() };
        let described = describe(vectors, texts, &clusters, params.keywords);
        shown.iter().map(|theme| theme.id).zip(described).collect()
    };
    let mut taken: BTreeSet<String> = shown.iter().map(|theme| theme.name.clone()).collect();
    let entry = |theme: &&LedgerTheme| {
        let seen_as = described.get(&theme.id)?;
        // A part of a split is only called "X, part 1" until its conversations say what it is.
        let is_unnamed_part = theme.edits.name.is_none() && theme.id.number() >= FIRST_PART;
        let better = is_unnamed_part && taken.insert(seen_as.name.clone());
        Some(ThemeEntry {
            id: theme.id.number(),
            theme: theme.id,
            name: if better { seen_as.name.clone() } else { theme.name.clone() },
            automatic_name: seen_as.name.clone(),
            keywords: seen_as.keywords.clone(),
            representative: requests.texts[seen_as.representative].clone(),
            representative_conversation: requests.ids[seen_as.representative].clone(),
            conversations: theme.size,
            first_seen: theme.first_seen.clone(),
            last_seen: theme.last_seen.clone(),
            pinned: theme.edits.pinned,
            hidden: theme.edits.hidden,
        })
    };
    let mut entries: Vec<ThemeEntry> = shown.iter().filter_map(entry).collect();
    entries.sort_by_key(|entry| (std::cmp::Reverse(entry.conversations), entry.id));
    entries
}

/// Tonight's events by kind, those that people still want to hear of.
fn happened(seen: &Curated, events: &[Event]) -> BTreeMap<String, Vec<ThemeName>> {
    let mut happened: BTreeMap<String, Vec<ThemeName>> = BTreeMap::new();
    for event in seen.events(events).into_iter().filter(|event| event.kind() != "continued") {
        let theme = event.theme();
        let name = seen.ledger.theme(theme).map(|theme| theme.name.clone()).unwrap_or_default();
        happened.entry(event.kind().to_owned()).or_default().push(ThemeName { theme, name });
    }
    happened
}

impl Requests {
    /// The vectors as `(n, d)` rows.
    pub fn matrix(&self, dimensions: usize) -> Array2<f32> {
        Array2::from_shape_vec((self.ids.len(), dimensions), self.vectors.clone())
            .unwrap_or_else(|_| Array2::zeros((0, dimensions)))
    }
}

/// The requests of a draft's scenes.
pub fn load(draft: &RunDraft) -> Result<Requests, PipelineError> {
    let mut requests = Requests { ids: vec![], texts: vec![], vectors: vec![], silent: vec![] };
    for batch in batches(&draft.path("staging/scenes.parquet"))? {
        let batch = batch?;
        let ids = text(&batch, "conversation_id")?;
        let judged = column(&batch, "judged")?.as_struct();
        let missing = |name: &str| crate::table::TableError::Column(name.to_owned());
        let part = |name: &str| judged.column_by_name(name).ok_or_else(|| missing(name));
        let (asked, vectors) = (part("request")?.as_string::<i32>(), part("vector")?.as_fixed_size_list());
        for row in 0..batch.num_rows() {
            let id = ids.value(row).to_owned();
            match (text_at(asked, row), vector_at(vectors, row)) {
                (Some(asked), Some(vector)) => {
                    requests.ids.push(id);
                    requests.texts.push(asked.to_owned());
                    requests.vectors.extend(vector);
                }
                _ => requests.silent.push(id),
            }
        }
    }
    Ok(requests)
}

fn write_vectors(requests: &Requests, dimensions: usize, draft: &RunDraft) -> Result<(), PipelineError> {
    let fields = vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("vector", vector_type(dimensions), true),
    ];
    let mut writer = TableWriter::create(&draft.path("embeddings/conversations.parquet"), schema(fields))?;
    let blocks = requests.vectors.chunks(BATCH_ROWS * dimensions.max(1));
    for (ids, block) in requests.ids.chunks(BATCH_ROWS).zip(blocks) {
        let vectors = vectors_column(block.chunks(dimensions).map(Some), dimensions)
            .map_err(crate::table::TableError::from)?;
        writer.write_columns(vec![Arc::new(StringArray::from_iter_values(ids)), Arc::new(vectors)])?;
    }
    writer.finish()?;
    Ok(())
}

/// Every conversation once, in order of id: its theme after edits and as found, and how near it is; null where
/// it has none.
fn write_assignments(
    requests: &Requests,
    found: &[Option<ThemeId>],
    seen: &Curated,
    similarity: &[Option<f32>],
    draft: &RunDraft,
) -> Result<(), PipelineError> {
    type Row<'a> = (&'a String, Option<ThemeId>, Option<ThemeId>, Option<f32>);
    let placed = seen.assignment.iter().zip(found).zip(similarity);
    let of_rows = requests.ids.iter().zip(placed).map(|(id, ((theme, found), near))| (id, *theme, *found, *near));
    let mut rows: Vec<Row<'_>> =
        of_rows.chain(requests.silent.iter().map(|id| (id, None, None, None))).collect();
    rows.sort_by(|a, b| a.0.cmp(b.0));
    let fields = vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("theme", DataType::Int32, true),
        Field::new("found", DataType::Int32, true),
        Field::new("similarity", DataType::Float32, true),
    ];
    let mut writer = TableWriter::create(&draft.path("assignments/part-0.parquet"), schema(fields))?;
    let number = |theme: Option<ThemeId>| theme.map(|theme| theme.number() as i32);
    for block in rows.chunks(BATCH_ROWS) {
        writer.write_columns(vec![
            Arc::new(StringArray::from_iter_values(block.iter().map(|row| row.0))),
            Arc::new(block.iter().map(|row| number(row.1)).collect::<Int32Array>()),
            Arc::new(block.iter().map(|row| number(row.2)).collect::<Int32Array>()),
            Arc::new(block.iter().map(|row| row.3).collect::<Float32Array>()),
        ])?;
    }
    writer.finish()?;
    Ok(())
}

fn write_centroids(seen: &Curated, dimensions: usize, draft: &RunDraft) -> Result<(), PipelineError> {
    let fields = vec![
        Field::new("theme", DataType::Int32, false),
        Field::new("centroid", vector_type(dimensions), true),
    ];
    let mut writer = TableWriter::create(&draft.path("model/centroids.parquet"), schema(fields))?;
    let fits = |theme: &&LedgerTheme| theme.centroid.len() == dimensions;
    let themes: Vec<&LedgerTheme> = seen.ledger.active().filter(fits).collect();
    let centroids = themes.iter().map(|theme| Some(theme.centroid.as_slice()));
    writer.write_columns(vec![
        Arc::new(Int32Array::from_iter_values(themes.iter().map(|theme| theme.id.number() as i32))),
        Arc::new(vectors_column(centroids, dimensions).map_err(crate::table::TableError::from)?),
    ])?;
    writer.finish()?;
    Ok(())
}
