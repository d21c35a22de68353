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
use crate::theme::map::{Map, MapParams, MapPoint, layout};

/// Conversations that points are drawn from, about; of more, those whose ids hash lowest.
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
    let (themes, conversations) = themes(draft)?;
    let highest = highest_hash(conversations);
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for batch in batches(&draft.path("embeddings/conversations.parquet"))? {
        let batch = batch?;
        let (named, vectors) =
            (text(&batch, "conversation_id")?, column(&batch, "vector")?.as_fixed_size_list());
        for row in 0..batch.num_rows() {
            let id = named.value(row);
            let Some(vector) = vector_at(vectors, row).filter(|_| hash(id) <= highest) else {
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
    let point = |point: &MapPoint| Point {
        conversation_id: &ids[point.row],
        x: point.x,
        y: point.y,
        theme: point.theme,
    };
    let points: Vec<Point<'_>> = map.points.iter().map(point).collect();
    write_json(&draft.path("map.json"), &points)?;
    Ok((points.len() as u64, map))
}

/// The theme of every conversation that has one, and the number of all conversations.
fn themes(draft: &RunDraft) -> Result<(HashMap<String, u32>, u64), PipelineError> {
    let (mut themes, mut conversations) = (HashMap::new(), 0);
    for batch in batches(&draft.path("assignments/part-0.parquet"))? {
        let batch = batch?;
        conversations += batch.num_rows() as u64;
        let (ids, theme) = (text(&batch, "conversation_id")?, numbers::<Int32Type>(&batch, "theme")?);
        let placed = (0..batch.num_rows()).filter(|row| theme.is_valid(*row));
        themes.extend(placed.map(|row| (ids.value(row).to_owned(), theme.value(row) as u32)));
    }
    Ok((themes, conversations))
}

/// The hash up to which about `MOST_ROWS` of `conversations` are drawn. It only falls as they grow in number:
/// who is drawn tomorrow was drawn today or is new.
fn highest_hash(conversations: u64) -> u64 {
    if conversations <= MOST_ROWS { u64::MAX } else { u64::MAX / conversations * MOST_ROWS }
}

fn hash(id: &str) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_bounded_and_nested() {
        let drawn = |all: u64| -> Vec<u64> {
            (0..all).filter(|id| hash(&format!("c{id}")) <= highest_hash(all)).collect()
        };
        assert_eq!(drawn(1_000).len(), 1_000);
        let (fewer, more) = (drawn(100_000), drawn(200_000));
        for drawn in [&fewer, &more] {
            assert!((49_000..51_000).contains(&drawn.len()), "{}", drawn.len());
        }
        assert!(more.iter().filter(|id| **id < 100_000).all(|id| fewer.binary_search(id).is_ok()));
    }
}
