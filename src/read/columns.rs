//! Parquet as records: a row is an object of its columns, lists and structs nested.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use serde_json::{Map, Number, Value};

use super::rows::listed;
use crate::table::{TableError, open};

/// Bytes that the rows in memory may take on average.
const MOST_BYTES: usize = 64 << 20;

/// Streams the rows of a Parquet file as objects, with their numbers from 1; ends with the first error of
/// `each`.
pub fn read<E: From<TableError>>(
    path: &Path,
    mut each: impl FnMut(u64, Map<String, Value>) -> Result<(), E>,
) -> Result<(), E> {
    let (_, batches) = open(path, MOST_BYTES)?;
    let mut number = 0;
    for batch in batches {
        let batch = batch?;
        let columns = Columns::of(&batch)?;
        for row in 0..batch.num_rows() {
            number += 1;
            each(number, columns.row(row))?;
        }
    }
    Ok(())
}

/// A batch's columns, or a struct's members, of the few types that JSON knows.
struct Columns(Vec<(String, Column)>);

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Columns, TableError> {
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(batch.columns()).map(|(name, column)| Ok((name, Column::of(column)?)));
        columns.collect::<Result<_, TableError>>().map(Columns)
    }

    fn row(&self, row: usize) -> Map<String, Value> {
        self.0
            .iter()
            .map(|(name, column)| {
                let value = match column.value(row) {
                    Value::String(text) => listed(name, text),
                    other => other,
                };
                (name.clone(), value)
            })
            .collect()
    }
}

enum Column {
    Text(ArrayRef),
    Whole(ArrayRef),
    Real(ArrayRef),
    Flag(ArrayRef),
    /// Milliseconds since 1970; `true`: of a named zone.
    Time(ArrayRef, bool),
    List(ArrayRef, Box<Column>),
    Struct(ArrayRef, Columns),
    /// Types that no export of conversations keeps anything in.
    Other,
}

impl Column {
    fn of(array: &ArrayRef) -> Result<Column, TableError> {
        let to = |kind: &DataType| cast(array, kind).map_err(TableError::from);
        let millis = |zone| DataType::Timestamp(TimeUnit::Millisecond, zone);
        Ok(match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Column::Text(to(&DataType::Utf8)?)
            }
            DataType::Boolean => Column::Flag(array.clone()),
            DataType::Timestamp(_, Some(_)) => Column::Time(to(&millis(Some("UTC".into())))?, true),
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => {
                Column::Time(to(&millis(None))?, false)
            }
            kind if kind.is_integer() => Column::Whole(to(&DataType::Int64)?),
            kind if kind.is_floating() => Column::Real(to(&DataType::Float64)?),
            DataType::List(item) => {
                let list = to(&DataType::List(item.clone()))?;
                let inner = Column::of(list.as_list::<i32>().values())?;
                Column::List(list, Box::new(inner))
            }
            DataType::LargeList(item) => {
                let list = to(&DataType::List(item.clone()))?;
                let inner = Column::of(list.as_list::<i32>().values())?;
                Column::List(list, Box::new(inner))
            }
            DataType::Struct(fields) => {
                let members = array.as_struct().columns();
                let named = fields.iter().map(|field| field.name().clone()).zip(members);
                let named = named.map(|(name, column)| Ok((name, Column::of(column)?)));
                Column::Struct(array.clone(), Columns(named.collect::<Result<_, TableError>>()?))
            }
            _ => Column::Other,
        })
    }

    fn value(&self, row: usize) -> Value {
        let array = match self {
            Column::Text(array)
            | Column::Whole(array)
            | Column::Real(array)
            | Column::Flag(array)
            | Column::Time(array, _)
            | Column::List(array, _)
            | Column::Struct(array, _) => array,
            Column::Other => return Value::Null,
        };
        if array.is_null(row) {
            return Value::Null;
        }
        match self {
            Column::Text(array) => Value::String(array.as_string::<i32>().value(row).to_owned()),
            Column::Whole(array) => array.as_primitive::<Int64Type>().value(row).into(),
            Column::Real(array) => Number::from_f64(array.as_primitive::<Float64Type>().value(row))
                .map_or(Value::Null, Value::Number),
            Column::Flag(array) => array.as_boolean().value(row).into(),
            Column::Time(array, zoned) => {
                let at = DateTime::from_timestamp_millis(
                    array.as_primitive::<TimestampMillisecondType>().value(row),
                );
                let text = |at: DateTime<chrono::Utc>| {
                    if *zoned {
                        at.to_rfc3339_opts(SecondsFormat::Millis, true)
                    } else {
                        at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
                    }
                };
                at.map_or(Value::Null, |at| Value::String(text(at)))
            }
            Column::List(array, inner) => {
                let offsets = array.as_list::<i32>().value_offsets();
                (offsets[row] as usize..offsets[row + 1] as usize).map(|at| inner.value(at)).collect()
            }
            Column::Struct(_, members) => Value::Object(members.row(row)),
            Column::Other => Value::Null,
        }
    }
}
