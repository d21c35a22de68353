//! Conversations as table rows, and rows as conversations again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float16Array, Int32Array, ListArray, StringArray,
    StructArray, TimestampMillisecondArray, UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{
    DataType, Field, Fields, Float16Type, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use half::f16;

use crate::conversation::{Conversation, Role, Turn};
use crate::read::Place;
use crate::table::schema;

/// Milliseconds since 1970 in UTC.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// `FixedSizeList<Float16>` of `dimensions` values.
pub fn vector_type(dimensions: usize) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float16, false)), dimensions as i32)
}

/// Fields of one turn inside a conversation row.
pub fn turn_fields() -> Fields {
    Fields::from(vec![
        Field::new("role", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("at", instant(), true),
    ])
}

/// A list column's item field.
pub fn item(fields: Fields) -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Struct(fields), false))
}

/// Rows as read, before order and duplicates are settled.
pub fn raw_schema() -> SchemaRef {
    schema(vec![
        Field::new("conversation_id", DataType::Utf8, false),
        Field::new("user_id", DataType::Utf8, true),
        Field::new("started_at", instant(), true),
        Field::new("metadata", DataType::Utf8, false),
        Field::new("turns", DataType::List(item(turn_fields())), false),
        Field::new("turn_count", DataType::Int32, false),
        Field::new("content_hash", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("offset", DataType::UInt64, false),
    ])
}

/// One conversation as read.
pub struct RawRow {
    /// The conversation.
    pub conversation: Conversation,
    /// Its content hash.
    pub content_hash: String,
    /// Its file.
    pub file: Arc<str>,
    /// Its place in the file.
    pub place: Place,
}

/// Columns of `raw_schema`.
pub fn raw_columns(rows: &[RawRow]) -> Vec<ArrayRef> {
    let all = || rows.iter().map(|row| &row.conversation);
    let metadata = all().map(|c| serde_json::to_string(&c.metadata).unwrap_or_else(|_| "{}".into()));
    let turns: Vec<&[Turn]> = all().map(|c| c.turns.as_slice()).collect();
    vec![
        Arc::new(StringArray::from_iter_values(all().map(|c| &c.id))),
        Arc::new(all().map(|c| c.user_id.as_deref()).collect::<StringArray>()),
        Arc::new(instants(all().map(|c| c.started_at))),
        Arc::new(StringArray::from_iter_values(metadata)),
        Arc::new(turns_column(&turns)),
        Arc::new(Int32Array::from_iter_values(all().map(|c| c.turns.len() as i32))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.content_hash))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &*row.file))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.place.line))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.place.offset))),
    ]
}

/// Times as a column.
pub fn instants(times: impl Iterator<Item = Option<DateTime<Utc>>>) -> TimestampMillisecondArray {
    let millis: TimestampMillisecondArray = times.map(|at| at.map(|at| at.timestamp_millis())).collect();
    millis.with_timezone("UTC")
}

/// A list of turns per row.
pub fn turns_column(rows: &[&[Turn]]) -> ListArray {
    let turns = || rows.iter().copied().flatten();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(turns().map(|turn| turn.role.as_str()).collect::<Vec<&str>>())),
        Arc::new(StringArray::from(turns().map(|turn| turn.text.as_str()).collect::<Vec<&str>>())),
        Arc::new(instants(turns().map(|turn| turn.at))),
    ];
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len()));
    let values = StructArray::new(turn_fields(), columns, None);
    ListArray::new(item(turn_fields()), offsets, Arc::new(values), None)
}

/// One turn of a row, borrowed from its column.
#[derive(Debug, Clone, Copy)]
pub struct TurnRow<'a> {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: &'a str,
    /// When, milliseconds since 1970.
    pub at: Option<i64>,
}

/// A column of turn lists.
pub struct TurnLists<'a> {
    lists: &'a ListArray,
    roles: &'a StringArray,
    texts: &'a StringArray,
    times: &'a TimestampMillisecondArray,
}

impl<'a> TurnLists<'a> {
    /// Wraps the column, checking its type once.
    pub fn new(column: &'a ArrayRef) -> Result<TurnLists<'a>, DataFusionError> {
        let wrong = || DataFusionError::Execution(format!("not a column of turns: {}", column.data_type()));
        let lists = column.as_list_opt::<i32>().ok_or_else(wrong)?;
        let values = lists.values().as_struct_opt().ok_or_else(wrong)?;
        let part = |name: &str| values.column_by_name(name).ok_or_else(wrong);
        Ok(TurnLists {
            lists,
            roles: part("role")?.as_string_opt::<i32>().ok_or_else(wrong)?,
            texts: part("text")?.as_string_opt::<i32>().ok_or_else(wrong)?,
            times: part("at")?.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?,
        })
    }

    /// The turns of one row.
    pub fn row(&self, row: usize) -> Vec<TurnRow<'a>> {
        let offsets = self.lists.value_offsets();
        (offsets[row] as usize..offsets[row + 1] as usize)
            .map(|at| TurnRow {
                role: Role::parse(self.roles.value(at)).unwrap_or(Role::Tool),
                text: self.texts.value(at),
                at: self.times.is_valid(at).then(|| self.times.value(at)),
            })
            .collect()
    }
}

/// Unit vectors of `dimensions` values as an f16 column; `None` rows are null.
pub fn vectors_column<'a>(
    vectors: impl Iterator<Item = Option<&'a [f32]>>,
    dimensions: usize,
) -> Result<FixedSizeListArray, ArrowError> {
    let (mut values, mut valid) = (Vec::new(), Vec::new());
    for vector in vectors {
        valid.push(vector.is_some());
        match vector {
            Some(vector) => values.extend(vector.iter().map(|v| f16::from_f32(*v))),
            None => values.resize(values.len() + dimensions, f16::ZERO),
        }
    }
    vectors_of(values, Some(valid.into()), dimensions)
}

/// The same of values end to end; rows that `valid` denies are null.
pub fn vectors_of(
    values: Vec<f16>,
    valid: Option<NullBuffer>,
    dimensions: usize,
) -> Result<FixedSizeListArray, ArrowError> {
    let item = Arc::new(Field::new_list_field(DataType::Float16, false));
    FixedSizeListArray::try_new(item, dimensions as i32, Arc::new(Float16Array::from(values)), valid)
}

/// The f32 values of one row of an f16 vector column; `None` where null.
pub fn vector_at(column: &FixedSizeListArray, row: usize) -> Option<Vec<f32>> {
    if column.is_null(row) {
        return None;
    }
    let values = column.value(row);
    let values = values.as_primitive_opt::<Float16Type>()?;
    Some(values.values().iter().map(|v| v.to_f32()).collect())
}
