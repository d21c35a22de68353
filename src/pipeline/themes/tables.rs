//! What the themes stage reads and writes as tables.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float32Array, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use ndarray::Array2;

use crate::pipeline::PipelineError;
use crate::pipeline::rows::{vector_at, vector_type, vectors_column};
use crate::run::RunDraft;
use crate::table::{BATCH_ROWS, TableWriter, batches, column, schema, text, text_at};
use crate::theme::curation::Curated;
use crate::theme::ledger::{LedgerTheme, ThemeId};

/// Conversations that carry a request: the rows that themes are made of.
pub struct Requests {
    /// Conversations, in order of id.
    pub ids: Vec<String>,
    /// Their first requests, shortened.
    pub texts: Vec<String>,
    /// Their vectors, end to end.
    pub vectors: Vec<f32>,
    /// Conversations without a request, in order of id.
    pub silent: Vec<String>,
}

impl Requests {
    /// The vectors as `(n, d)` rows.
    pub fn matrix(&self, dimensions: usize) -> Array2<f32> {
        Array2::from_shape_vec((self.ids.len(), dimensions), self.vectors.clone())
            .unwrap_or_else(|_| Array2::zeros((0, dimensions)))
    }
}

/// The requests of a draft's `staging/scenes.parquet`.
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

pub(super) fn write_vectors(
    requests: &Requests,
    dimensions: usize,
    draft: &RunDraft,
) -> Result<(), PipelineError> {
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
pub(super) fn write_assignments(
    requests: &Requests,
    found: &[Option<ThemeId>],
    seen: &Curated,
    similarity: &[Option<f32>],
    draft: &RunDraft,
) -> Result<(), PipelineError> {
    type Row<'a> = (&'a String, Option<ThemeId>, Option<ThemeId>, Option<f32>);
    let placed = seen.assignment.iter().zip(found).zip(similarity);
    let of_rows =
        requests.ids.iter().zip(placed).map(|(id, ((theme, found), near))| (id, *theme, *found, *near));
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

pub(super) fn write_centroids(
    seen: &Curated,
    dimensions: usize,
    draft: &RunDraft,
) -> Result<(), PipelineError> {
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
