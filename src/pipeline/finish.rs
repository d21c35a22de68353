//! Stage `finish`: lengths against the own theme, then the final `conversations/` and `signals/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Int32Array, ListArray, RecordBatch, StringArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Int64Type, SchemaRef};

use super::PipelineError;
use super::rows::instant;
use crate::engine::{Engine, EngineError};
use crate::progress::Progress;
use crate::run::RunDraft;
use crate::signal::length::{TypicalLength, detect};
use crate::signal::{Signal, SignalKind, SignalParams};
use crate::table::{TableWriter, column, lists, numbers, schema, text};

/// Reads the staging tables and `assignments/`; leaves `conversations/` and `signals/`.
pub fn run(
    params: &SignalParams,
    conversations: u64,
    engine: &Engine,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ()), PipelineError> {
    engine.register("read_conversations", &draft.path("staging/conversations.parquet"))?;
    engine.register("flat_turns", &draft.path("staging/turns.parquet"))?;
    engine.register("scenes", &draft.path("staging/scenes.parquet"))?;
    engine.register("assignments", &draft.path("assignments/part-0.parquet"))?;
    progress.begin("lengths", Some(conversations), "conversations");
    let typical = typical_lengths(params, engine)?;
    let mut output = Output::create(draft)?;
    let sql = "WITH spoken AS (SELECT conversation_id, count(*) AS user_turns FROM flat_turns \
               WHERE role = 'user' GROUP BY conversation_id) \
               SELECT c.conversation_id, c.user_id, c.started_at, c.metadata, c.turn_count, \
               coalesce(u.user_turns, 0) AS user_turns, a.theme, s.judged['signals'] AS signals, \
               s.judged['friction'] AS friction, s.judged['grade'] AS grade, s.judged['reasons'] AS reasons \
               FROM read_conversations c \
               JOIN assignments a ON c.conversation_id = a.conversation_id \
               JOIN scenes s ON c.conversation_id = s.conversation_id \
               LEFT JOIN spoken u ON c.conversation_id = u.conversation_id ORDER BY c.conversation_id";
    engine.for_each(sql, |batch| {
        progress.advance(batch.num_rows() as u64);
        output.write(&batch, &typical, params)
    })?;
    let rows = output.conversations.finish()?;
    let signals = output.signals.finish()?;
    progress.finish(&format!("{signals} signals in {rows} conversations"));
    Ok((signals, ()))
}

/// Usual number of turns of every theme that has enough conversations.
fn typical_lengths(
    params: &SignalParams,
    engine: &Engine,
) -> Result<BTreeMap<i32, TypicalLength>, PipelineError> {
    let mut turns: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    let sql = "SELECT a.theme, c.turn_count FROM read_conversations c \
               JOIN assignments a ON c.conversation_id = a.conversation_id WHERE a.theme IS NOT NULL";
    engine.for_each(sql, |batch| {
        let (theme, count) =
            (numbers::<Int32Type>(&batch, "theme")?, numbers::<Int32Type>(&batch, "turn_count")?);
        for row in 0..batch.num_rows() {
            turns.entry(theme.value(row)).or_default().push(count.value(row) as u32);
        }
        Ok(())
    })?;
    Ok(TypicalLength::of_each(&turns, params))
}

struct Output {
    conversations: TableWriter,
    signals: TableWriter,
}

fn reasons_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, false)))
}

fn conversations_schema() -> SchemaRef {
    schema(vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("user_id", DataType::Utf8, true),
        Field::new("started_at", instant(), true),
        Field::new("metadata", DataType::Utf8, false),
        Field::new("turns", DataType::Int32, false),
        Field::new("user_turns", DataType::Int32, false),
        Field::new("friction", DataType::Float32, false),
        Field::new("grade", DataType::Utf8, false),
        Field::new("reasons", reasons_type(), false),
    ])
}

fn signals_schema() -> SchemaRef {
    let turn = Arc::new(Field::new_list_field(DataType::Int32, false));
    schema(vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("strength", DataType::Float32, false),
        Field::new("turns", DataType::List(turn), false),
    ])
}

impl Output {
    fn create(draft: &RunDraft) -> Result<Output, PipelineError> {
        Ok(Output {
            conversations: TableWriter::create(
                &draft.path("conversations/part-0.parquet"),
                conversations_schema(),
            )?,
            signals: TableWriter::create(&draft.path("signals/part-0.parquet"), signals_schema())?,
        })
    }

    fn write(
        &mut self,
        batch: &RecordBatch,
        typical: &BTreeMap<i32, TypicalLength>,
        params: &SignalParams,
    ) -> Result<(), EngineError> {
        let user_turns = numbers::<Int64Type>(batch, "user_turns")?;
        let user_turns = Int32Array::from_iter_values(user_turns.values().iter().map(|n| *n as i32));
        let same = |name: &str| column(batch, name).cloned();
        self.conversations.write_columns(vec![
            same("conversation_id")?,
            same("user_id")?,
            same("started_at")?,
            same("metadata")?,
            same("turn_count")?,
            Arc::new(user_turns),
            same("friction")?,
            same("grade")?,
            same("reasons")?,
        ])?;
        let (ids, theme) = (text(batch, "conversation_id")?, numbers::<Int32Type>(batch, "theme")?);
        let turns = numbers::<Int32Type>(batch, "turn_count")?;
        let mut rows = SignalRows::default();
        for row in 0..batch.num_rows() {
            let id = ids.value(row);
            signals_at(lists(batch, "signals")?, row).into_iter().for_each(|signal| rows.push(id, signal));
            if theme.is_valid(row)
                && let Some(typical) = typical.get(&theme.value(row))
                && let Some(signal) = detect(turns.value(row) as u32, typical, params)
            {
                rows.push(id, signal);
            }
        }
        Ok(self.signals.write_columns(rows.columns()?)?)
    }
}

/// The signals of one conversation row.
fn signals_at(column: &ListArray, row: usize) -> Vec<Signal> {
    let values = column.value(row);
    let Some(signals) = values.as_struct_opt() else { return Vec::new() };
    let (kinds, strengths) =
        (signals.column(0).as_string::<i32>(), signals.column(1).as_primitive::<Float32Type>());
    let turns = signals.column(2).as_list::<i32>();
    let signal = |at: usize| {
        let cited = turns.value(at);
        let cited = cited.as_primitive::<Int32Type>().values().iter().map(|t| *t as u32).collect();
        Some(Signal {
            kind: SignalKind::parse(kinds.value(at))?,
            strength: strengths.value(at),
            turns: cited,
        })
    };
    (0..signals.len()).filter_map(signal).collect()
}

#[derive(Default)]
struct SignalRows<'a>(Vec<(&'a str, Signal)>);

impl<'a> SignalRows<'a> {
    fn push(&mut self, id: &'a str, signal: Signal) {
        self.0.push((id, signal));
    }

    fn columns(self) -> Result<Vec<ArrayRef>, EngineError> {
        let turns =
            Int32Array::from_iter_values(self.0.iter().flat_map(|(_, s)| s.turns.iter().map(|t| *t as i32)));
        let lists = ListArray::new(
            Arc::new(Field::new_list_field(DataType::Int32, false)),
            OffsetBuffer::from_lengths(self.0.iter().map(|(_, s)| s.turns.len())),
            Arc::new(turns),
            None,
        );
        Ok(vec![
            Arc::new(StringArray::from_iter_values(self.0.iter().map(|(id, _)| id))),
            Arc::new(StringArray::from_iter_values(self.0.iter().map(|(_, s)| s.kind.name()))),
            Arc::new(Float32Array::from_iter_values(self.0.iter().map(|(_, s)| s.strength))),
            Arc::new(lists),
        ])
    }
}
