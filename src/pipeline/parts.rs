//! Conversations in parts: every part to a table, the table in order, its rows put together.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, SchemaRef, TimestampMillisecondType, UInt64Type,
};

use super::PipelineError;
use super::rows::{TurnLists, instant, instants, item, turn_fields, turns_column};
use crate::conversation::{Conversation, Turn};
use crate::engine::{Engine, EngineError};
use crate::read::{NO_TURNS, Part, Piece, Place, ReadError, Thread, content_hash};
use crate::table::{BATCH_ROWS, TableError, TableWriter, batches, column, numbers, schema, text, text_at};

/// Bytes of text after which a batch of parts is written, whatever its rows.
const BATCH_BYTES: usize = 16 << 20;

/// Columns a part's turns and ids are kept in, besides its place among the others.
fn columns() -> SchemaRef {
    schema(vec![
        Field::new("group_id", DataType::Utf8, false),
        Field::new("thread", DataType::Utf8, true),
        Field::new("rank", DataType::Int32, false),
        Field::new("part_order", DataType::Int64, true),
        Field::new("replays", DataType::Boolean, false),
        Field::new("user_id", DataType::Utf8, true),
        Field::new("started_at", instant(), true),
        Field::new("metadata", DataType::Utf8, false),
        Field::new("turns", DataType::List(item(turn_fields())), false),
        Field::new("content_hash", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("offset", DataType::UInt64, false),
    ])
}

struct Row {
    part: Part,
    content_hash: String,
    file: Arc<str>,
    place: Place,
}

/// Takes parts to their table, which is made with the first of them.
pub struct Parts {
    path: PathBuf,
    writer: Option<TableWriter>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Parts {
    /// For a table at `path`.
    pub fn new(path: PathBuf) -> Parts {
        Parts { path, writer: None, rows: Vec::new(), bytes: 0 }
    }

    /// Adds one.
    pub fn push(&mut self, part: Part, file: Arc<str>, place: Place) -> Result<(), TableError> {
        self.bytes += part.draft.turns.iter().map(|turn| turn.text.len() + 32).sum::<usize>();
        let said = Conversation {
            id: part.draft.id.clone().unwrap_or_default(),
            user_id: part.draft.user_id.clone(),
            started_at: part.draft.started_at,
            turns: part.draft.turns.clone(),
            metadata: part.draft.metadata.clone(),
        };
        self.rows.push(Row { content_hash: content_hash(&said), part, file, place });
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// The table, where there was a part at all.
    pub fn finish(mut self) -> Result<Option<PathBuf>, TableError> {
        self.flush()?;
        let Some(writer) = self.writer else { return Ok(None) };
        writer.finish()?;
        Ok(Some(self.path))
    }

    fn flush(&mut self) -> Result<(), TableError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => TableWriter::create(&self.path, columns())?,
        };
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let drafts = || rows.iter().map(|row| &row.part.draft);
        let words = |words: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(words)) };
        let metadata = drafts().map(|d| serde_json::to_string(&d.metadata).unwrap_or_else(|_| "{}".into()));
        let turns: Vec<&[Turn]> = drafts().map(|draft| draft.turns.as_slice()).collect();
        writer.write_columns(vec![
            words(rows.iter().map(|row| row.part.group.as_str()).collect()),
            Arc::new(drafts().map(|draft| draft.id.as_deref()).collect::<StringArray>()),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::from(row.part.rank)))),
            Arc::new(rows.iter().map(|row| row.part.order).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.part.replays)).collect::<BooleanArray>()),
            Arc::new(drafts().map(|draft| draft.user_id.as_deref()).collect::<StringArray>()),
            Arc::new(instants(drafts().map(|draft| draft.started_at))),
            Arc::new(StringArray::from_iter_values(metadata)),
            Arc::new(turns_column(&turns)),
            words(rows.iter().map(|row| row.content_hash.as_str()).collect()),
            words(rows.iter().map(|row| &*row.file).collect()),
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.place.line))),
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.place.offset))),
        ])?;
        self.writer = Some(writer);
        Ok(())
    }
}

/// Puts the parts of the table `parts` together, one conversation in memory at a time, in order of id.
/// `ordered`: where the sorted table goes. Returns the number of parts that were there twice.
///
/// Parts of a group are of one conversation: the one that any of them names, else the group itself.
pub fn put_together(
    engine: &Engine,
    parts: &Path,
    ordered: &Path,
    each: &mut dyn FnMut(&str, Place, Conversation) -> Result<(), ReadError>,
) -> Result<u64, PipelineError> {
    engine.register("parts", parts)?;
    let sql = format!(
        "SELECT coalesce(named.thread, parts.group_id) AS thread_id, parts.*, \
                parts.rank = named.best AND parts.rank < {NO_TURNS} AS speaks \
         FROM parts JOIN (SELECT group_id, min(thread) AS thread, min(rank) AS best FROM parts GROUP BY group_id) \
                         AS named ON parts.group_id = named.group_id \
         ORDER BY thread_id, part_order NULLS LAST, file, line, content_hash"
    );
    engine.write(&sql, ordered)?;
    let mut building = Building::default();
    for batch in batches(ordered)? {
        building.batch(&batch?, each)?;
    }
    building.close(each)?;
    Ok(building.repeated)
}

/// The conversation whose rows are being read.
#[derive(Default)]
struct Building {
    thread: Option<(Thread, String, Place)>,
    /// Content of the parts that share the last order, to tell one that was exported twice.
    same: (Option<i64>, HashSet<String>),
    repeated: u64,
}

impl Building {
    fn batch(
        &mut self,
        batch: &RecordBatch,
        each: &mut dyn FnMut(&str, Place, Conversation) -> Result<(), ReadError>,
    ) -> Result<(), PipelineError> {
        let (ids, groups, hashes) =
            (text(batch, "thread_id")?, text(batch, "group_id")?, text(batch, "content_hash")?);
        let (users, files, metadata) =
            (text(batch, "user_id")?, text(batch, "file")?, text(batch, "metadata")?);
        let orders = numbers::<Int64Type>(batch, "part_order")?;
        let starts = numbers::<TimestampMillisecondType>(batch, "started_at")?;
        let (lines, offsets) =
            (numbers::<UInt64Type>(batch, "line")?, numbers::<UInt64Type>(batch, "offset")?);
        let (speaks, replays) = (flags(batch, "speaks")?, flags(batch, "replays")?);
        let turns = TurnLists::new(column(batch, "turns")?).map_err(EngineError::from)?;
        for row in 0..batch.num_rows() {
            let id = ids.value(row);
            if self.thread.as_ref().is_none_or(|(thread, ..)| thread.id() != id) {
                self.close(each)?;
                let place = Place { line: lines.value(row), offset: offsets.value(row) };
                self.thread = Some((Thread::new(id.to_owned()), files.value(row).to_owned(), place));
                self.same = (None, HashSet::new());
            }
            let order = orders.is_valid(row).then(|| orders.value(row));
            if self.is_repeated(order, hashes.value(row)) {
                self.repeated += 1;
                continue;
            }
            let facts: BTreeMap<String, String> =
                serde_json::from_str(metadata.value(row)).unwrap_or_default();
            let turn = |turn: super::rows::TurnRow<'_>| Turn {
                role: turn.role,
                text: turn.text.to_owned(),
                at: turn.at.and_then(DateTime::from_timestamp_millis),
            };
            let piece = Piece {
                group: groups.value(row).to_owned(),
                speaks: speaks.value(row),
                replays: replays.value(row),
                user_id: text_at(users, row).map(str::to_owned),
                started_at: starts
                    .is_valid(row)
                    .then(|| starts.value(row))
                    .and_then(DateTime::from_timestamp_millis),
                metadata: facts,
                turns: turns.row(row).into_iter().map(turn).collect(),
            };
            if let Some((thread, ..)) = &mut self.thread {
                thread.add(piece);
            }
        }
        Ok(())
    }

    /// Without an order of its own a row may say the same as another and be another.
    fn is_repeated(&mut self, order: Option<i64>, hash: &str) -> bool {
        if self.same.0 != order {
            self.same = (order, HashSet::new());
        }
        order.is_some() && !self.same.1.insert(hash.to_owned())
    }

    fn close(
        &mut self,
        each: &mut dyn FnMut(&str, Place, Conversation) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let Some((thread, file, place)) = self.thread.take() else { return Ok(()) };
        thread.finish().map_or(Ok(()), |conversation| each(&file, place, conversation))
    }
}

fn flags<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BooleanArray, TableError> {
    column(batch, name)?.as_boolean_opt().ok_or_else(|| TableError::Column(name.to_owned()))
}
