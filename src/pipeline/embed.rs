//! Stage `embed`: every distinct user text once through the encoder, its vector and its tone.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Int32Array, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float32Type, Int32Type, SchemaRef};
use datafusion::common::DataFusionError;
use serde::{Deserialize, Serialize};

use half::f16;
use rayon::prelude::*;

use super::PipelineError;
use super::rows::{TurnLists, TurnRow, instant, vector_type, vectors_of};
use crate::conversation::Role;
use crate::embed::cache::{Cache, Remembered};
use crate::embed::{EmbedError, Embedder};
use crate::engine::{Engine, RowFunction, row_error};
use crate::progress::Progress;
use crate::run::RunDraft;
use crate::table::{TableWriter, batches, column, numbers, schema, text};
use crate::tone::ToneHead;

/// Texts handed to the encoder at once: enough for every thread, few enough for a bar that moves.
const CHUNK_TEXTS: usize = 512;

/// What embedding found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EncodedFacts {
    /// All turns.
    pub turns: u64,
    /// User turns with text.
    pub user_turns: u64,
    /// Distinct texts among them.
    pub texts: u64,
    /// Tokens of the distinct texts.
    pub tokens: u64,
    /// Texts of which the middle was left out.
    pub shortened: u64,
    /// User turns whose most probable tone is negative.
    pub negative_turns: u64,
    /// Values of a vector.
    pub dimensions: usize,
}

/// Reads `staging/conversations.parquet` and, where there is a cache, what earlier nights made of its texts; leaves `embeddings/texts.parquet` and `turns/`.
pub fn run<E: Embedder + 'static>(
    engine: &Engine,
    encoder: impl FnOnce() -> Result<Arc<E>, EmbedError>,
    tone: ToneHead,
    cache: Option<Arc<Cache>>,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, EncodedFacts), PipelineError> {
    let encoder = encoder()?;
    let mut facts = flatten(encoder.as_ref(), draft)?;
    let dimensions = encoder.dimensions();
    facts.dimensions = dimensions;
    engine.register_function(encode_function(Reader { encoder, tone, cache }, progress.clone()));
    engine.register("texts_read", &draft.path("staging/texts.parquet"))?;
    progress.begin("embed", Some(facts.texts), "texts");
    let output = draft.path("embeddings/texts.parquet");
    let mut writer = TableWriter::create(&output, texts_schema(dimensions))?;
    let sql = "SELECT text_id, encode(text) AS encoded FROM texts_read ORDER BY text_id";
    engine.for_each(sql, |batch| {
        let encoded = column(&batch, "encoded")?.as_struct();
        facts.tokens += sum(encoded.column(1).as_primitive::<Int32Type>());
        facts.shortened += encoded.column(2).as_boolean().true_count() as u64;
        let mut columns = vec![column(&batch, "text_id")?.clone()];
        columns.extend(encoded.columns().iter().cloned());
        Ok(writer.write_columns(columns)?)
    })?;
    writer.finish()?;
    progress.finish(&format!(
        "{} distinct texts of {} user turns, {} tokens",
        facts.texts, facts.user_turns, facts.tokens
    ));
    facts.negative_turns = write_turns(engine, draft)?;
    Ok((facts.texts, facts))
}

fn sum(values: &Int32Array) -> u64 {
    values.values().iter().map(|v| *v as u64).sum()
}

/// One row per turn, and one row per distinct user text.
fn flatten(encoder: &impl Embedder, draft: &RunDraft) -> Result<EncodedFacts, PipelineError> {
    let mut turns = TableWriter::create(&draft.path("staging/turns.parquet"), flat_schema())?;
    let mut texts = TableWriter::create(&draft.path("staging/texts.parquet"), read_schema())?;
    let (mut seen, mut facts) = (HashSet::new(), EncodedFacts::default());
    for batch in batches(&draft.path("staging/conversations.parquet"))? {
        let batch = batch?;
        let ids = text(&batch, "conversation_id")?;
        let lists = TurnLists::new(column(&batch, "turns")?).map_err(crate::engine::EngineError::from)?;
        let mut flat = FlatTurns::default();
        let mut fresh: (Vec<String>, Vec<String>) = Default::default();
        let keyed: Vec<Vec<(TurnRow<'_>, Option<Keyed>)>> =
            (0..batch.num_rows()).into_par_iter().map(|row| keyed(encoder, lists.row(row))).collect();
        for (row, turns) in keyed.into_iter().enumerate() {
            for (index, (turn, keyed)) in turns.into_iter().enumerate() {
                facts.turns += 1;
                let text_id = keyed.map(|(key, normal)| {
                    facts.user_turns += 1;
                    let id = hex(&key);
                    if seen.insert(key) {
                        fresh.0.push(id.clone());
                        fresh.1.push(normal);
                    }
                    id
                });
                flat.push(ids.value(row), index, &turn, text_id);
            }
        }
        facts.texts += fresh.0.len() as u64;
        let fresh: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(fresh.0)), Arc::new(StringArray::from(fresh.1))];
        let (written, kept) =
            rayon::join(|| turns.write_columns(flat.columns()), || texts.write_columns(fresh));
        written.and(kept)?;
    }
    turns.finish()?;
    texts.finish()?;
    Ok(facts)
}

/// Key and normal form of a user's text.
type Keyed = ([u8; 16], String);

/// Turns, those of the user that say something with their key.
fn keyed<'a>(encoder: &impl Embedder, turns: Vec<TurnRow<'a>>) -> Vec<(TurnRow<'a>, Option<Keyed>)> {
    let mut keyed = Vec::with_capacity(turns.len());
    for turn in turns {
        let normal = (turn.role == Role::User).then(|| encoder.normal(turn.text));
        let said = normal.filter(|text| !text.trim().is_empty()).map(Cow::into_owned);
        keyed.push((turn, said.map(|normal| (key(&normal), normal))));
    }
    keyed
}

/// What a text goes by, in tables and in the cache: the first half of its blake3.
fn key(text: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    key
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct FlatTurns<'a> {
    ids: Vec<&'a str>,
    indices: Vec<i32>,
    roles: Vec<&'a str>,
    texts: Vec<&'a str>,
    times: Vec<Option<i64>>,
    text_ids: Vec<Option<String>>,
}

impl<'a> FlatTurns<'a> {
    fn push(&mut self, id: &'a str, index: usize, turn: &TurnRow<'a>, text_id: Option<String>) {
        self.ids.push(id);
        self.indices.push(index as i32);
        self.roles.push(turn.role.as_str());
        self.texts.push(turn.text);
        self.times.push(turn.at);
        self.text_ids.push(text_id);
    }

    fn columns(self) -> Vec<ArrayRef> {
        vec![
            Arc::new(StringArray::from(self.ids)),
            Arc::new(Int32Array::from(self.indices)),
            Arc::new(StringArray::from(self.roles)),
            Arc::new(StringArray::from(self.texts)),
            Arc::new(TimestampMillisecondArray::from(self.times).with_timezone("UTC")),
            Arc::new(StringArray::from(self.text_ids)),
        ]
    }
}

fn flat_schema() -> SchemaRef {
    schema(vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("turn", DataType::Int32, false),
        Field::new("role", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("at", instant(), true),
        Field::new("text_id", DataType::Utf8, true),
    ])
}

fn read_schema() -> SchemaRef {
    schema(vec![Field::new("text_id", DataType::Utf8, false), Field::new("text", DataType::Utf8, false)])
}

fn encoded_fields(dimensions: usize) -> Fields {
    Fields::from(vec![
        Field::new("vector", vector_type(dimensions), true),
        Field::new("tokens", DataType::Int32, false),
        Field::new("shortened", DataType::Boolean, false),
        Field::new("tone_negative", DataType::Float32, false),
        Field::new("tone_neutral", DataType::Float32, false),
        Field::new("tone_positive", DataType::Float32, false),
    ])
}

fn texts_schema(dimensions: usize) -> SchemaRef {
    let id = Field::new("text_id", DataType::Utf8, false);
    schema(std::iter::once(id).chain(encoded_fields(dimensions).iter().map(|f| f.as_ref().clone())).collect())
}

/// Everything a text goes through: the cache, or the encoder and the tone head.
struct Reader<E> {
    encoder: Arc<E>,
    tone: ToneHead,
    cache: Option<Arc<Cache>>,
}

impl<E: Embedder> Reader<E> {
    /// One row per text, equal whether it was remembered or made now: vectors are rounded to f16 either way.
    fn read(&self, texts: &[&str]) -> Result<Vec<Remembered>, DataFusionError> {
        let keys: Vec<[u8; 16]> = texts.iter().map(|text| key(text)).collect();
        let mut known = match &self.cache {
            Some(cache) => cache.get(&keys),
            None => vec![None; texts.len()],
        };
        let fresh: Vec<usize> = (0..texts.len()).filter(|row| known[*row].is_none()).collect();
        let unread: Vec<&str> = fresh.iter().map(|row| texts[*row]).collect();
        let mut made = Vec::with_capacity(fresh.len());
        for (encoding, row) in self.encoder.encode(&unread).map_err(row_error)?.into_iter().zip(&fresh) {
            let tone = self.tone.predict(&encoding.states).map_err(row_error)?;
            let remembered = Remembered {
                vector: encoding.vector.iter().map(|value| f16::from_f32(*value)).collect(),
                tone: tone.probabilities(),
                tokens: encoding.tokens,
                shortened: encoding.shortened,
            };
            made.push((keys[*row], remembered));
        }
        if let Some(cache) = &self.cache {
            cache.put(&made);
        }
        for (row, (_, remembered)) in fresh.into_iter().zip(made) {
            known[row] = Some(remembered);
        }
        Ok(known.into_iter().flatten().collect())
    }
}

/// `encode(text)`: vector, tokens and tone of each text, in one pass of the encoder.
fn encode_function<E: Embedder + 'static>(reader: Reader<E>, progress: Progress) -> RowFunction {
    let dimensions = reader.encoder.dimensions();
    let output = DataType::Struct(encoded_fields(dimensions));
    RowFunction::new("encode", vec![DataType::Utf8], output, move |columns, rows| {
        let texts = columns[0].as_string::<i32>();
        let texts: Vec<&str> = (0..rows).map(|row| texts.value(row)).collect();
        let mut encoded = Encoded::default();
        for chunk in texts.chunks(CHUNK_TEXTS) {
            for text in reader.read(chunk)? {
                for (tones, tone) in encoded.tones.iter_mut().zip(text.tone) {
                    tones.push(tone);
                }
                encoded.tokens.push(text.tokens as i32);
                encoded.shortened.push(text.shortened);
                encoded.vectors.extend(text.vector);
            }
            progress.advance(chunk.len() as u64);
        }
        encoded.column(dimensions)
    })
}

#[derive(Default)]
struct Encoded {
    vectors: Vec<f16>,
    tokens: Vec<i32>,
    shortened: Vec<bool>,
    tones: [Vec<f32>; 3],
}

impl Encoded {
    fn column(self, dimensions: usize) -> Result<ArrayRef, DataFusionError> {
        let [negative, neutral, positive] = self.tones;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(vectors_of(self.vectors, None, dimensions)?),
            Arc::new(Int32Array::from(self.tokens)),
            Arc::new(BooleanArray::from(self.shortened)),
            Arc::new(Float32Array::from(negative)),
            Arc::new(Float32Array::from(neutral)),
            Arc::new(Float32Array::from(positive)),
        ];
        Ok(Arc::new(StructArray::try_new(encoded_fields(dimensions), columns, None)?))
    }
}

/// `turns/`: the flat turns with their tones; returns how many are most probably negative.
fn write_turns(engine: &Engine, draft: &RunDraft) -> Result<u64, PipelineError> {
    engine.register("flat_turns", &draft.path("staging/turns.parquet"))?;
    engine.register("texts", &draft.path("embeddings/texts.parquet"))?;
    let output = draft.path("turns/part-0.parquet");
    let sql = "SELECT t.conversation_id, t.turn, t.role, t.text, t.at, t.text_id, \
               e.tone_negative, e.tone_neutral, e.tone_positive \
               FROM flat_turns t LEFT JOIN texts e ON t.text_id = e.text_id \
               ORDER BY t.conversation_id, t.turn";
    engine.write(sql, &output)?;
    count_negative(&output)
}

fn count_negative(turns: &Path) -> Result<u64, PipelineError> {
    let mut negative = 0;
    for batch in batches(turns)? {
        let batch: RecordBatch = batch?;
        let tone = |name| numbers::<Float32Type>(&batch, name);
        let (a, b, c) = (tone("tone_negative")?, tone("tone_neutral")?, tone("tone_positive")?);
        let is_negative =
            |row: &usize| a.is_valid(*row) && a.value(*row) > b.value(*row) && a.value(*row) > c.value(*row);
        negative += (0..batch.num_rows()).filter(is_negative).count() as u64;
    }
    Ok(negative)
}
