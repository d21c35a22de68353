//! Stage `map`: a sample of conversations laid out in two dimensions, for the report's picture.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int32Type;
use ndarray::Array2;
use serde::Serialize;

use super::PipelineError;
use super::rows::vector_at;
use crate::progress::Progress;
use crate::run::{RunDraft, write_json};
use crate::table::{batches, column, numbers, text};
use crate::theme::ThemeError;
use crate::theme::map::{Map, MapParams, layout};

/// Conversations that points are drawn from; of more, the share whose ids hash lowest.
const MOST_ROWS: u64 = 50_000;

/// A point, as `map.json` lists it.
#[derive(Serialize)]
struct Point<'a> {
    conversation_id: &'a str,
    x: f32,
    y: f32,
    theme: Option<u32>,
}

/// Reads `embeddings/conversations.parquet` and `assignments/`; leaves `map.json`.
pub fn run(
    seed: u64,
    dimensions: usize,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, Map), PipelineError> {
    let themes = themes(draft)?;
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for batch in batches(&draft.path("embeddings/conversations.parquet"))? {
        let batch = batch?;
        let (named, vectors) =
            (text(&batch, "conversation_id")?, column(&batch, "vector")?.as_fixed_size_list());
        for row in 0..batch.num_rows() {
            let id = named.value(row);
            let Some(vector) = vector_at(vectors, row).filter(|_| is_drawn(id, themes.len() as u64)) else {
                continue;
            };
            ids.push(id.to_owned());
            labels.push(themes.get(id).copied());
            values.extend(vector);
        }
    }
    let vectors = Array2::from_shape_vec((ids.len(), dimensions), values)
        .map_err(|error| ThemeError::Fit { algorithm: "map", reason: error.to_string() })?;
    let map = layout(vectors.view(), &labels, &MapParams { seed, ..MapParams::default() }, progress)?;
    let points = map.points.iter();
    let points: Vec<Point<'_>> = points
        .map(|point| Point { conversation_id: &ids[point.row], x: point.x, y: point.y, theme: point.theme })
        .collect();
    write_json(&draft.path("map.json"), &points)?;
    Ok((points.len() as u64, map))
}

/// The theme of every conversation that has one.
fn themes(draft: &RunDraft) -> Result<HashMap<String, u32>, PipelineError> {
    let mut themes = HashMap::new();
    for batch in batches(&draft.path("assignments/part-0.parquet"))? {
        let batch = batch?;
        let (ids, theme) = (text(&batch, "conversation_id")?, numbers::<Int32Type>(&batch, "theme")?);
        let placed = (0..batch.num_rows()).filter(|row| theme.is_valid(*row));
        themes.extend(placed.map(|row| (ids.value(row).to_owned(), theme.value(row) as u32)));
    }
    Ok(themes)
}

/// True for about `MOST_ROWS` of `all` ids, always the same ones.
fn is_drawn(id: &str, all: u64) -> bool {
    let hash = blake3::hash(id.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&hash.as_bytes()[..8]);
    all <= MOST_ROWS || u64::from_le_bytes(head) % all < MOST_ROWS
}
