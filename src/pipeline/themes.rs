//! Stage `themes`: conversation vectors to themes, their names, and who belongs to which.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float32Array, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::rows::{vector_at, vector_type, vectors_column};
use crate::embed::{EmbedError, Encoder};
use crate::progress::Progress;
use crate::run::{RunDraft, write_json};
use crate::table::{BATCH_ROWS, TableWriter, batches, column, schema, text, text_at};
use crate::theme::{ThemeParams, Themes, encode_with, find};

/// What the themes stage hands on: the themes themselves, without the rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ThemeSet {
    /// Largest first.
    pub themes: Vec<ThemeEntry>,
    /// Conversations with a vector but in no theme.
    pub noise: u64,
    /// Conversations that the budget `max_outliers` moved out of the noise.
    #[serde(default)]
    pub moved: u64,
    /// Conversations without any request.
    pub silent: u64,
    /// How themes were found, one sentence.
    pub method: String,
}

/// One theme, as `themes.json` lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThemeEntry {
    /// Number, 0 the largest.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Keywords, strongest first.
    pub keywords: Vec<String>,
    /// The most central request.
    pub representative: String,
    /// The conversation it is from.
    pub representative_conversation: String,
    /// Conversations in it.
    pub conversations: u64,
    /// How well the name alone finds held-out members against those of `auc_against`, 0..=1.
    #[serde(default)]
    pub auc: Option<f64>,
    /// The nearest theme.
    #[serde(default)]
    pub auc_against: Option<u32>,
}

/// Conversations that carry a request: the rows that themes are made of.
pub struct Requests {
    /// Conversations, in order of id.
    pub ids: Vec<String>,
    /// Their first requests, shortened.
    pub texts: Vec<String>,
    /// Their vectors, end to end.
    pub vectors: Vec<f32>,
    silent: Vec<String>,
}

/// Reads `staging/scenes.parquet`; leaves `themes.json`, `tune.json`, `assignments/`,
/// `embeddings/conversations.parquet` and `model/centroids.parquet`.
pub fn run(
    params: &ThemeParams,
    encoder: impl FnOnce() -> Result<Arc<Encoder>, EmbedError>,
    dimensions: usize,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ThemeSet), PipelineError> {
    let requests = load(draft)?;
    let rows = requests.ids.len();
    let vectors = Array2::from_shape_vec((rows, dimensions), requests.vectors.clone())
        .unwrap_or_else(|_| Array2::zeros((0, dimensions)));
    let texts: Vec<&str> = requests.texts.iter().map(String::as_str).collect();
    let mut found = find(vectors.view(), &texts, params, progress)?;
    if !found.themes.is_empty() {
        found.describe(vectors.view(), &texts, params, &mut encode_with(encoder()?.as_ref()))?;
    }
    write_vectors(&requests, dimensions, draft)?;
    write_assignments(&requests, &found, draft)?;
    write_centroids(&found, dimensions, draft)?;
    let set = ThemeSet {
        themes: found.themes.iter().map(|theme| entry(theme, &requests)).collect(),
        noise: found.assignment.iter().filter(|theme| theme.is_none()).count() as u64,
        moved: found.moved as u64,
        silent: requests.silent.len() as u64,
        method: found.method.clone(),
    };
    write_json(&draft.path("themes.json"), &set)?;
    write_json(&draft.path("tune.json"), &found.curve)?;
    Ok((set.themes.len() as u64, set))
}

fn entry(theme: &crate::theme::Theme, requests: &Requests) -> ThemeEntry {
    ThemeEntry {
        id: theme.id,
        name: theme.name.clone(),
        keywords: theme.keywords.clone(),
        representative: requests.texts[theme.representative].clone(),
        representative_conversation: requests.ids[theme.representative].clone(),
        conversations: theme.size as u64,
        auc: theme.separation.map(|separation| separation.auc),
        auc_against: theme.separation.map(|separation| separation.against),
    }
}

/// The rows that `staging/scenes.parquet` holds.
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

/// Every conversation once, in order of id; theme and similarity are null where it has none.
fn write_assignments(requests: &Requests, found: &Themes, draft: &RunDraft) -> Result<(), PipelineError> {
    let of_rows = requests.ids.iter().zip(&found.assignment).zip(&found.similarity);
    let assigned = of_rows.map(|((id, theme), similarity)| (id, theme.map(|t| (t as i32, *similarity))));
    let mut rows: Vec<(&String, Option<(i32, f32)>)> =
        assigned.chain(requests.silent.iter().map(|id| (id, None))).collect();
    rows.sort_by(|a, b| a.0.cmp(b.0));
    let fields = vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("theme", DataType::Int32, true),
        Field::new("similarity", DataType::Float32, true),
    ];
    let mut writer = TableWriter::create(&draft.path("assignments/part-0.parquet"), schema(fields))?;
    for block in rows.chunks(BATCH_ROWS) {
        writer.write_columns(vec![
            Arc::new(StringArray::from_iter_values(block.iter().map(|row| row.0))),
            Arc::new(block.iter().map(|row| row.1.map(|(theme, _)| theme)).collect::<Int32Array>()),
            Arc::new(block.iter().map(|row| row.1.map(|(_, s)| s)).collect::<Float32Array>()),
        ])?;
    }
    writer.finish()?;
    Ok(())
}

fn write_centroids(found: &Themes, dimensions: usize, draft: &RunDraft) -> Result<(), PipelineError> {
    let fields = vec![
        Field::new("theme", DataType::Int32, false),
        Field::new("centroid", vector_type(dimensions), true),
    ];
    let mut writer = TableWriter::create(&draft.path("model/centroids.parquet"), schema(fields))?;
    let centroids = found.themes.iter().map(|theme| Some(theme.centroid.as_slice()));
    writer.write_columns(vec![
        Arc::new(Int32Array::from_iter_values(found.themes.iter().map(|theme| theme.id as i32))),
        Arc::new(vectors_column(centroids, dimensions).map_err(crate::table::TableError::from)?),
    ])?;
    writer.finish()?;
    Ok(())
}
