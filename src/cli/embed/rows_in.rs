//! Rows in: the texts of a Parquet table, each with the row it stands in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::item::{BATCH_BYTES, Bad, Beside, Found, Item};
use crate::cli::CliError;
use crate::table::{TableError, open};

/// The rows of a table.
pub struct Rows {
    path: PathBuf,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, TableError>> + Send>,
    /// Columns that are carried, by number in the table; the text's number among them.
    columns: Vec<usize>,
    text: usize,
    carried: SchemaRef,
    /// Rows read together, their texts, and the next of them.
    held: Option<(Arc<RecordBatch>, StringArray)>,
    next: usize,
    /// Rows handed out.
    number: u64,
}

impl Rows {
    /// Opens the table at `path`, whose column `field` holds the texts.
    ///
    /// # Errors
    /// It is not Parquet, or has no such column of text.
    pub fn open(path: &Path, field: &str) -> Result<Rows, CliError> {
        let (schema, batches) = open(path, BATCH_BYTES).map_err(CliError::bad_input)?;
        let columns: Vec<usize> =
            (0..schema.fields().len()).filter(|c| schema.field(*c).name() != "vector").collect();
        let bad = |what: &str| {
            let texts = schema.fields().iter().filter(|f| is_text(f.data_type()));
            let names = texts.map(|f| format!("`{}`", f.name())).collect::<Vec<_>>().join(", ");
            let path = path.display();
            CliError::BadInput(format!(
                "{path}: {what}; --text-field names a column of text, here {}",
                if names.is_empty() { "none" } else { &names }
            ))
        };
        let text = columns.iter().position(|c| schema.field(*c).name() == field);
        let text = text.ok_or_else(|| bad(&format!("no column `{field}`")))?;
        let found = schema.field(columns[text]);
        if !is_text(found.data_type()) {
            return Err(bad(&format!("column `{field}` is {}, not text", found.data_type())));
        }
        let mut fields: Vec<_> = columns.iter().map(|c| schema.fields()[*c].clone()).collect();
        if is_binary(found.data_type()) {
            // Old writers mark text as bytes; what is written is text.
            fields[text] = Arc::new(Field::new(field, DataType::Utf8, true));
        }
        let carried = Arc::new(Schema::new(fields));
        let batches = Box::new(batches);
        Ok(Rows { path: path.to_owned(), batches, columns, text, carried, held: None, next: 0, number: 0 })
    }

    /// Columns that its rows come with.
    pub fn carried(&self) -> SchemaRef {
        self.carried.clone()
    }

    fn hold(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        let bad = |e| CliError::BadInput(format!("{}, row {}: {e}", self.path.display(), self.number + 1));
        let mut columns: Vec<_> = self.columns.iter().map(|c| batch.column(*c).clone()).collect();
        let texts = cast(&columns[self.text], &DataType::Utf8).map_err(bad)?;
        if is_binary(columns[self.text].data_type()) {
            columns[self.text] = texts.clone();
        }
        let rows = RecordBatch::try_new(self.carried.clone(), columns).map_err(bad)?;
        self.held = Some((Arc::new(rows), texts.as_string::<i32>().clone()));
        self.next = 0;
        Ok(())
    }

    fn row(&mut self) -> Option<Found> {
        let (rows, texts) = self.held.as_ref().filter(|(rows, _)| self.next < rows.num_rows())?;
        let row = self.next;
        self.next += 1;
        self.number += 1;
        if texts.is_null(row) {
            let reason = format!("`{}` is null or not UTF-8", self.carried.field(self.text).name());
            return Some(Found::Bad(Bad { place: self.number, reason }));
        }
        let bytes = rows.get_array_memory_size() / rows.num_rows();
        let beside = Beside::Row { rows: rows.clone(), row, bytes };
        Some(Found::Item(Item { text: texts.value(row).to_owned(), beside, mended: false }))
    }
}

fn is_binary(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        kind => is_binary(kind),
    }
}

impl Iterator for Rows {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.row() {
                return Some(found);
            }
            let held = match self.batches.next()? {
                Ok(batch) => self.hold(&batch),
                Err(error) => {
                    let place = format!("{}, row {}", self.path.display(), self.number + 1);
                    Err(CliError::BadInput(format!("{place}: {error}")))
                }
            };
            if let Err(error) = held {
                self.batches = Box::new(std::iter::empty());
                self.held = None;
                return Some(Found::Failed(error));
            }
        }
    }
}
