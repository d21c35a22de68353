//! Stage `signals`: what each conversation shows by itself, and the vector that stands for it.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, Int32Array, ListArray, StringArray,
    StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float32Type, Int32Type};
use datafusion::common::DataFusionError;

use super::PipelineError;
use super::rows::{TurnLists, TurnRow, item, vector_at, vector_type, vectors_column};
use crate::conversation::Role;
use crate::conversation::cue::carries_request;
use crate::engine::{Engine, RowFunction};
use crate::progress::Progress;
use crate::run::RunDraft;
use crate::signal::friction::{Friction, measure};
use crate::signal::{Scene, SceneTurn, Signal, SignalParams, detect};
use crate::theme::represent::conversation_vector;
use crate::tone::Tone;

/// Characters of a request that names may be made from.
const REQUEST_CHARS: usize = 400;

/// Reads `staging/conversations.parquet`, `turns/` and `embeddings/texts.parquet`; leaves
/// `staging/scenes.parquet`: conversation_id, judged {signals, friction, grade, reasons, request,
/// vector}.
pub fn run(
    params: &SignalParams,
    (conversations, dimensions): (u64, usize),
    engine: &Engine,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ()), PipelineError> {
    engine.register("read_conversations", &draft.path("staging/conversations.parquet"))?;
    engine.register("flat_turns", &draft.path("staging/turns.parquet"))?;
    engine.register("texts", &draft.path("embeddings/texts.parquet"))?;
    engine.register_function(judge_function(params.clone(), dimensions, progress.clone()));
    progress.begin("signals", Some(conversations), "conversations");
    let sql = "WITH encoded AS (SELECT t.conversation_id, array_agg(named_struct('turn', t.turn, \
               'vector', e.vector, 'negative', e.tone_negative, 'neutral', e.tone_neutral, \
               'positive', e.tone_positive)) AS heard \
               FROM flat_turns t JOIN texts e ON t.text_id = e.text_id GROUP BY t.conversation_id) \
               SELECT c.conversation_id, judge(c.turns, v.heard) AS judged \
               FROM read_conversations c LEFT JOIN encoded v ON c.conversation_id = v.conversation_id \
               ORDER BY c.conversation_id";
    let rows = engine.write(sql, &draft.path("staging/scenes.parquet"))?;
    progress.finish(&format!("{rows} conversations"));
    Ok((rows, ()))
}

/// Fields of one signal inside a conversation row.
pub fn signal_fields() -> Fields {
    let turn = Arc::new(Field::new_list_field(DataType::Int32, false));
    Fields::from(vec![
        Field::new("kind", DataType::Utf8, false),
        Field::new("strength", DataType::Float32, false),
        Field::new("turns", DataType::List(turn), false),
    ])
}

fn judged_fields(dimensions: usize) -> Fields {
    Fields::from(vec![
        Field::new("signals", DataType::List(item(signal_fields())), false),
        Field::new("friction", DataType::Float32, false),
        Field::new("grade", DataType::Utf8, false),
        Field::new("reasons", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, false))), false),
        Field::new("request", DataType::Utf8, true),
        Field::new("vector", vector_type(dimensions), true),
    ])
}

/// `judge(turns, heard)`: signals, friction, grade and reasons of each conversation, its first
/// request and the vector that stands for it.
///
/// `heard` lists the user turns' vectors and tones in any order: their turn numbers put them back.
fn judge_function(params: SignalParams, dimensions: usize, progress: Progress) -> RowFunction {
    RowFunction::nested("judge", 2, DataType::Struct(judged_fields(dimensions)), move |columns, rows| {
        let turns = TurnLists::new(&columns[0])?;
        let heard = Heard::new(&columns[1])?;
        let mut judged = Vec::with_capacity(rows);
        for row in 0..rows {
            let turns = turns.row(row);
            let (vectors, tones) = heard.row(row, turns.len());
            let scene = scene(&turns, &vectors, &tones);
            let signals = detect(&scene, &params);
            let friction = measure(&scene, &signals, &params);
            judged.push(Judged {
                signals,
                friction,
                request: first_request(&scene),
                vector: represent(&scene),
            });
        }
        progress.advance(rows as u64);
        judged_column(&judged, dimensions)
    })
}

/// One row of the result.
struct Judged {
    signals: Vec<Signal>,
    friction: Friction,
    request: Option<String>,
    vector: Option<Vec<f32>>,
}

fn requests<'a>(scene: &'a Scene<'a>) -> impl Iterator<Item = &'a SceneTurn<'a>> {
    scene.turns.iter().filter(|turn| turn.role == Role::User && carries_request(turn.text))
}

/// The first request on one line, shortened: what names themes.
fn first_request(scene: &Scene<'_>) -> Option<String> {
    requests(scene).next().map(|turn| shortened(turn.text))
}

/// A request on one line, as far as names may be made from it.
pub fn shortened(request: &str) -> String {
    request.split_whitespace().collect::<Vec<&str>>().join(" ").chars().take(REQUEST_CHARS).collect()
}

fn represent(scene: &Scene<'_>) -> Option<Vec<f32>> {
    conversation_vector(requests(scene).filter_map(|turn| turn.vector))
}

fn scene<'a>(turns: &[TurnRow<'a>], vectors: &'a [Option<Vec<f32>>], tones: &[Option<Tone>]) -> Scene<'a> {
    let turns = turns.iter().zip(vectors).zip(tones).map(|((turn, vector), tone)| SceneTurn {
        role: turn.role,
        text: turn.text,
        vector: vector.as_deref().filter(|_| turn.role == Role::User),
        tone: *tone,
    });
    Scene { turns: turns.collect() }
}

/// The column of vectors and tones.
struct Heard<'a> {
    lists: &'a ListArray,
    turn: &'a Int32Array,
    vector: &'a FixedSizeListArray,
    tone: [&'a Float32Array; 3],
}

impl<'a> Heard<'a> {
    fn new(column: &'a ArrayRef) -> Result<Heard<'a>, DataFusionError> {
        let wrong = || {
            DataFusionError::Execution(format!("not a column of vectors and tones: {}", column.data_type()))
        };
        let lists = column.as_list_opt::<i32>().ok_or_else(wrong)?;
        let values = lists.values().as_struct_opt().ok_or_else(wrong)?;
        let part = |name: &str| values.column_by_name(name).ok_or_else(wrong);
        let tone = |name: &str| part(name)?.as_primitive_opt::<Float32Type>().ok_or_else(wrong);
        Ok(Heard {
            lists,
            turn: part("turn")?.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?,
            vector: part("vector")?.as_fixed_size_list_opt().ok_or_else(wrong)?,
            tone: [tone("negative")?, tone("neutral")?, tone("positive")?],
        })
    }

    fn row(&self, row: usize, turns: usize) -> (Vec<Option<Vec<f32>>>, Vec<Option<Tone>>) {
        let (mut vectors, mut tones) = (vec![None; turns], vec![None; turns]);
        if self.lists.is_valid(row) {
            let offsets = self.lists.value_offsets();
            for at in offsets[row] as usize..offsets[row + 1] as usize {
                let turn = self.turn.value(at) as usize;
                let [negative, neutral, positive] = self.tone.map(|tone| tone.value(at));
                vectors[turn] = vector_at(self.vector, at);
                tones[turn] = Some(Tone { negative, neutral, positive });
            }
        }
        (vectors, tones)
    }
}

/// Signals of many conversations as a column of lists.
pub fn signals_column<'a>(
    rows: impl Iterator<Item = &'a [Signal]> + Clone,
) -> Result<ListArray, DataFusionError> {
    let all = || rows.clone().flatten();
    let turns = Int32Array::from_iter_values(all().flat_map(|signal| signal.turns.iter().map(|t| *t as i32)));
    let turn_lists = ListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Int32, false)),
        OffsetBuffer::from_lengths(all().map(|signal| signal.turns.len())),
        Arc::new(turns),
        None,
    )?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(all().map(|signal| signal.kind.name()).collect::<Vec<&str>>())),
        Arc::new(Float32Array::from_iter_values(all().map(|signal| signal.strength))),
        Arc::new(turn_lists),
    ];
    let values = StructArray::try_new(signal_fields(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(rows.clone().map(<[Signal]>::len));
    Ok(ListArray::try_new(item(signal_fields()), offsets, Arc::new(values), None)?)
}

fn judged_column(judged: &[Judged], dimensions: usize) -> Result<ArrayRef, DataFusionError> {
    let reasons: Vec<&str> = judged.iter().flat_map(|j| &j.friction.reasons).map(String::as_str).collect();
    let reason_lists = ListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Utf8, false)),
        OffsetBuffer::from_lengths(judged.iter().map(|j| j.friction.reasons.len())),
        Arc::new(StringArray::from(reasons)),
        None,
    )?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(signals_column(judged.iter().map(|j| j.signals.as_slice()))?),
        Arc::new(Float32Array::from_iter_values(judged.iter().map(|j| j.friction.value))),
        Arc::new(StringArray::from_iter_values(judged.iter().map(|j| j.friction.grade.as_str()))),
        Arc::new(reason_lists),
        Arc::new(judged.iter().map(|j| j.request.as_deref()).collect::<StringArray>()),
        Arc::new(vectors_column(judged.iter().map(|j| j.vector.as_deref()), dimensions)?),
    ];
    Ok(Arc::new(StructArray::try_new(judged_fields(dimensions), columns, None)?))
}
