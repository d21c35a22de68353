//! Parquet out: the columns or fields that texts came with, then `vector`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::error::ArrowError;

use super::columns::Columns;
use super::input::Carried;
use super::item::{BATCH_BYTES, BATCH_TEXTS, Beside, Item};
use crate::cli::CliError;
use crate::table::{TableWriter, schema};

/// A table that is being written.
pub struct Table {
    place: PathBuf,
    field: String,
    dimensions: usize,
    carried: Carried,
    /// From the first batch on, which decides what columns there are.
    begun: Option<(TableWriter, Columns)>,
    waiting: Vec<Item>,
    bytes: usize,
    values: Vec<f32>,
    lost: u64,
}

impl Table {
    /// Begins a table at `place`; `field` names the column of texts, vectors have `dimensions` values.
    pub fn new(place: &Path, field: &str, dimensions: usize, carried: Carried) -> Table {
        Table {
            place: place.to_owned(),
            field: field.to_owned(),
            dimensions,
            carried,
            begun: None,
            waiting: Vec::new(),
            bytes: 0,
            values: Vec::new(),
            lost: 0,
        }
    }

    /// A row per item. Batches are cut by the items alone, whenever they come: so are the bytes of the file.
    pub fn write(&mut self, items: Vec<Item>, vectors: &[Vec<f32>]) -> Result<(), CliError> {
        for (item, vector) in items.into_iter().zip(vectors) {
            self.bytes += item.bytes();
            self.waiting.push(item);
            self.values.extend(vector);
            if self.waiting.len() >= BATCH_TEXTS || self.bytes >= BATCH_BYTES {
                self.write_waiting()?;
            }
        }
        Ok(())
    }

    /// Ends the file; of how many items fields had no column.
    pub fn finish(mut self) -> Result<u64, CliError> {
        if self.begun.is_none() || !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        if let Some((writer, _)) = self.begun {
            writer.finish().map_err(CliError::failed)?;
        }
        Ok(self.lost)
    }

    fn write_waiting(&mut self) -> Result<(), CliError> {
        let items = std::mem::take(&mut self.waiting);
        let values = std::mem::take(&mut self.values);
        self.bytes = 0;
        if self.begun.is_none() {
            self.begun = Some(self.begin(&items)?);
        }
        let Some((writer, columns)) = &mut self.begun else { return Ok(()) };
        let mut arrays: Vec<ArrayRef> = match &self.carried {
            Carried::Lines => {
                let (fields, lost) = columns.arrays(&items);
                self.lost += lost;
                let texts = StringArray::from_iter_values(items.iter().map(|item| &item.text));
                [vec![Arc::new(texts) as ArrayRef], fields].concat()
            }
            Carried::Columns(_) if items.is_empty() => return Ok(()),
            Carried::Columns(_) => gather(&items).map_err(CliError::failed)?.columns().to_vec(),
        };
        let (size, values) = (self.dimensions as i32, Arc::new(Float32Array::from(values)));
        let vectors = FixedSizeListArray::try_new(Arc::new(element()), size, values, None);
        arrays.push(Arc::new(vectors.map_err(CliError::failed)?));
        writer.write_columns(arrays).map_err(CliError::failed)
    }

    fn begin(&self, items: &[Item]) -> Result<(TableWriter, Columns), CliError> {
        let columns = Columns::of(items, &self.field);
        let mut fields = match &self.carried {
            Carried::Lines => {
                [vec![Field::new(&self.field, DataType::Utf8, false)], columns.fields()].concat()
            }
            Carried::Columns(schema) => schema.fields().iter().map(|field| field.as_ref().clone()).collect(),
        };
        let vector = DataType::FixedSizeList(Arc::new(element()), self.dimensions as i32);
        fields.push(Field::new("vector", vector, false));
        let writer = TableWriter::create(&self.place, schema(fields)).map_err(CliError::failed)?;
        Ok((writer, columns))
    }
}

/// The rows that `items` stand in, as one batch.
///
/// # Errors
/// There is none, or the batch would be too large.
pub fn gather(items: &[Item]) -> Result<RecordBatch, ArrowError> {
    let mut batches: Vec<&Arc<RecordBatch>> = Vec::new();
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        let Beside::Row { rows, row, .. } = &item.beside else { continue };
        // Items of one batch follow one another.
        if batches.last().is_none_or(|last| !Arc::ptr_eq(last, rows)) {
            batches.push(rows);
        }
        places.push((batches.len() - 1, *row));
    }
    let batches: Vec<&RecordBatch> = batches.into_iter().map(Arc::as_ref).collect();
    interleave_record_batch(&batches, &places)
}

fn element() -> Field {
    Field::new_list_field(DataType::Float32, false)
}
