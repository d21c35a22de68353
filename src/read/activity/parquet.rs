//! Activity tables that come as Parquet: any sensible column type to user, time and event.

use std::path::Path;

use chrono::DateTime;
use chrono_tz::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMillisecondType};

use super::super::Place;
use super::super::time::{epoch, local_time, parse_time, plausible};
use super::{ActivityColumns, ActivityError, Sink, locate, no_time};
use crate::table::{TableError, batches, text_at};

type Moment = (DateTime<chrono::Utc>, bool);

/// Streams the rows of a Parquet file into `sink`; rejects carry the row number as their line.
pub(super) fn read_parquet(
    path: &Path,
    columns: &ActivityColumns,
    zone: Tz,
    sink: &mut Sink<'_>,
) -> Result<(), ActivityError> {
    let mut line = 0;
    for batch in batches(path)? {
        let batch = batch?;
        let present: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let (user, at, event) = locate(path, columns, &present)?;
        let users = words(path, &batch, user)?;
        let times = Times::of(path, &batch, at)?;
        let events = event.map(|index| words(path, &batch, index)).transpose()?;
        for row in 0..batch.num_rows() {
            line += 1;
            let place = Place { line, offset: 0 };
            let Some(user) = text_at(&users, row).filter(|user| !user.trim().is_empty()) else {
                sink.refuse(place, "user_id is empty".to_owned());
                continue;
            };
            let event = events.as_ref().and_then(|events| text_at(events, row));
            match times.at(row, zone) {
                Ok(moment) => sink.keep(user, moment, event.filter(|event| !event.is_empty()))?,
                Err(reason) => sink.refuse(place, reason),
            }
        }
    }
    Ok(())
}

/// A column of ids or names as text; numbers are written out.
fn words(path: &Path, batch: &RecordBatch, index: usize) -> Result<StringArray, ActivityError> {
    let column = batch.column(index);
    let kind = column.data_type();
    if kind.is_nested() || kind.is_floating() || kind.is_temporal() {
        return Err(wrong_type(path, batch, index, "text or whole numbers"));
    }
    Ok(cast(column, &DataType::Utf8).map_err(TableError::from)?.as_string::<i32>().clone())
}

fn wrong_type(path: &Path, batch: &RecordBatch, index: usize, expected: &'static str) -> ActivityError {
    let schema = batch.schema();
    let field = schema.field(index);
    let (column, found) = (field.name().clone(), field.data_type().to_string());
    ActivityError::ColumnType { path: path.to_owned(), column, found, expected }
}

/// A column of times in one of the ways files hold them.
enum Times {
    /// Milliseconds since 1970 UTC.
    Instants(ArrayRef),
    /// Milliseconds since 1970 on a clock of an unnamed zone.
    Local(ArrayRef),
    /// Epoch numbers.
    Numbers(ArrayRef),
    /// Text.
    Words(StringArray),
}

impl Times {
    fn of(path: &Path, batch: &RecordBatch, index: usize) -> Result<Times, ActivityError> {
        let column = batch.column(index);
        let millis = |zone| DataType::Timestamp(TimeUnit::Millisecond, zone);
        let to = |kind| cast(column, &kind).map_err(TableError::from);
        Ok(match column.data_type() {
            DataType::Timestamp(_, Some(_)) => Times::Instants(to(millis(Some("UTC".into())))?),
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => {
                Times::Local(to(millis(None))?)
            }
            DataType::Float32 | DataType::Float64 => Times::Numbers(to(DataType::Float64)?),
            kind if kind.is_integer() => {
                // Through whole numbers first, so that an unsigned overflow becomes a null.
                let whole = to(DataType::Int64)?;
                Times::Numbers(cast(&whole, &DataType::Float64).map_err(TableError::from)?)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Times::Words(words(path, batch, index)?)
            }
            _ => return Err(wrong_type(path, batch, index, "times")),
        })
    }

    /// The time of a row, or why there is none.
    fn at(&self, row: usize, zone: Tz) -> Result<Moment, String> {
        let column: &dyn Array = match self {
            Times::Instants(column) | Times::Local(column) | Times::Numbers(column) => column,
            Times::Words(column) => column,
        };
        if column.is_null(row) {
            return Err(no_time(true));
        }
        match self {
            Times::Instants(column) => {
                let millis = column.as_primitive::<TimestampMillisecondType>().value(row);
                let at = DateTime::from_timestamp_millis(millis).and_then(plausible);
                at.map(|at| (at, false)).ok_or_else(|| no_time(false))
            }
            Times::Local(column) => {
                let millis = column.as_primitive::<TimestampMillisecondType>().value(row);
                let naive = DateTime::from_timestamp_millis(millis).map(|at| at.naive_utc());
                let at = naive.and_then(|naive| local_time(naive, zone)).and_then(plausible);
                at.map(|at| (at, true)).ok_or_else(|| no_time(false))
            }
            Times::Numbers(column) => {
                let number = column.as_primitive::<Float64Type>().value(row);
                epoch(number).map(|at| (at, false)).ok_or_else(|| no_time(false))
            }
            Times::Words(column) => {
                let stamp = column.value(row);
                parse_time(stamp, zone).ok_or_else(|| no_time(stamp.trim().is_empty()))
            }
        }
    }
}
