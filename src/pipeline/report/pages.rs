//! Transcripts of the conversations that the report shows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int32Type, TimestampMillisecondType};

use crate::config::Plan;
use crate::engine::Engine;
use crate::pipeline::PipelineError;
use crate::report::view::{ConversationPage, TurnView};
use crate::table::{TableError, lists, numbers, schema, text, text_at};

/// Pages of the `wanted` conversations, by id.
pub fn load(
    engine: &Engine,
    wanted: &BTreeSet<String>,
    plan: &Plan,
) -> Result<BTreeMap<String, ConversationPage>, PipelineError> {
    let ids = StringArray::from_iter_values(wanted);
    let field = Field::new("id", DataType::Utf8, false);
    let batch = RecordBatch::try_new(schema(vec![field]), vec![std::sync::Arc::new(ids)])
        .map_err(TableError::from)?;
    engine.register_rows("wanted", batch)?;
    let mut pages = BTreeMap::new();
    let heads = "SELECT c.conversation_id, c.user_id, c.started_at, c.friction, c.grade, c.reasons, a.theme \
                 FROM conversations c JOIN wanted w ON c.conversation_id = w.id \
                 JOIN assignments a ON c.conversation_id = a.conversation_id ORDER BY c.conversation_id";
    engine.for_each(heads, |batch| Ok(add_heads(&batch, &mut pages)?))?;
    let turns = "SELECT t.* FROM turns t JOIN wanted w ON t.conversation_id = w.id \
                 ORDER BY t.conversation_id, t.turn";
    engine.for_each(turns, |batch| Ok(add_turns(&batch, plan, &mut pages)?))?;
    let signals = "SELECT s.* FROM signals s JOIN wanted w ON s.conversation_id = w.id \
                   ORDER BY s.conversation_id, s.kind";
    engine.for_each(signals, |batch| Ok(mark_signals(&batch, &mut pages)?))?;
    pages.values_mut().for_each(|page| shorten(page, plan.report.max_turns));
    Ok(pages)
}

type Pages = BTreeMap<String, ConversationPage>;

fn add_heads(batch: &RecordBatch, pages: &mut Pages) -> Result<(), TableError> {
    let (ids, users, grades) =
        (text(batch, "conversation_id")?, text(batch, "user_id")?, text(batch, "grade")?);
    let (started, friction) = (
        numbers::<TimestampMillisecondType>(batch, "started_at")?,
        numbers::<Float32Type>(batch, "friction")?,
    );
    let (reasons, theme) = (lists(batch, "reasons")?, numbers::<Int32Type>(batch, "theme")?);
    for row in 0..batch.num_rows() {
        let why = reasons.value(row);
        let at = started.is_valid(row).then(|| DateTime::from_timestamp_millis(started.value(row))).flatten();
        pages.insert(
            ids.value(row).to_owned(),
            ConversationPage {
                id: ids.value(row).to_owned(),
                user_id: text_at(users, row).map(str::to_owned),
                started_at: at.map(|at| at.to_rfc3339()),
                theme: theme.is_valid(row).then(|| theme.value(row) as u32),
                friction: round(friction.value(row)),
                grade: grades.value(row).to_owned(),
                reasons: why.as_string::<i32>().iter().flatten().map(str::to_owned).collect(),
                turns: Vec::new(),
                omitted_turns: 0,
            },
        );
    }
    Ok(())
}

/// The shortest decimal that is the same f32.
fn round(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn add_turns(batch: &RecordBatch, plan: &Plan, pages: &mut Pages) -> Result<(), TableError> {
    let (ids, roles, texts) = (text(batch, "conversation_id")?, text(batch, "role")?, text(batch, "text")?);
    let (turn, at) =
        (numbers::<Int32Type>(batch, "turn")?, numbers::<TimestampMillisecondType>(batch, "at")?);
    let tone = |name| numbers::<Float32Type>(batch, name);
    let tones = [tone("tone_negative")?, tone("tone_neutral")?, tone("tone_positive")?];
    for row in 0..batch.num_rows() {
        let Some(page) = pages.get_mut(ids.value(row)) else { continue };
        let time = at.is_valid(row).then(|| DateTime::from_timestamp_millis(at.value(row))).flatten();
        page.turns.push(TurnView {
            index: turn.value(row) as u32,
            role: roles.value(row).to_owned(),
            text: cut(texts.value(row), plan.report.max_turn_chars),
            at: time.map(|t| t.with_timezone(&plan.zone).format("%H:%M:%S").to_string()),
            tone: tones[0].is_valid(row).then(|| tones.map(|tone| tone.value(row))),
            signals: Vec::new(),
        });
    }
    Ok(())
}

/// The first characters of a long text, with a word on what is missing.
fn cut(text: &str, limit: usize) -> String {
    let Some((at, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let missing = text[at..].chars().count();
    format!("{}… [{missing} more characters]", &text[..at])
}

fn mark_signals(batch: &RecordBatch, pages: &mut Pages) -> Result<(), TableError> {
    let (ids, kinds, cited) = (text(batch, "conversation_id")?, text(batch, "kind")?, lists(batch, "turns")?);
    for row in 0..batch.num_rows() {
        let Some(page) = pages.get_mut(ids.value(row)) else { continue };
        let turns = cited.value(row);
        for turn in turns.as_primitive::<Int32Type>().values() {
            if let Some(view) = page.turns.get_mut(*turn as usize) {
                view.signals.push(kinds.value(row).to_owned());
            }
        }
    }
    Ok(())
}

/// Leaves out turns of a long conversation: the head, the tail and turns that signals cite stay.
fn shorten(page: &mut ConversationPage, most: usize) {
    let all = page.turns.len();
    if all <= most {
        return;
    }
    // Whole-conversation signals cite nearly every turn: they do not make a turn worth showing.
    let cited = |turn: &TurnView| turn.signals.iter().any(|name| name != "long" && name != "short");
    let mut keep: BTreeSet<usize> = (0..most / 4).chain(all - most / 4..all).collect();
    let marked = page.turns.iter().enumerate().filter(|(_, turn)| cited(turn)).map(|(index, _)| index);
    for index in marked {
        if keep.len() < most {
            keep.insert(index);
        }
    }
    let mut index = 0;
    page.turns.retain(|_| {
        index += 1;
        keep.contains(&(index - 1))
    });
    page.omitted_turns = (all - page.turns.len()) as u64;
}
