//! Vectors as JSON Lines or as a Parquet table.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use serde_json::Value;

use super::input::Item;
use crate::cli::CliError;
use crate::table::{TableWriter, schema};

/// Where vectors go.
pub enum Output {
    /// The object each text came in with its `vector`.
    Lines(Box<dyn Write>),
    /// Columns `text` and `vector`; the length of a vector.
    Table(TableWriter, usize),
}

impl Output {
    /// `-` is standard output; `.parquet` a table; everything else JSON Lines.
    pub fn create(path: &Path, dimensions: usize) -> Result<Output, CliError> {
        if path.as_os_str() == "-" {
            return Ok(Output::Lines(Box::new(BufWriter::new(std::io::stdout()))));
        }
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let vector = DataType::FixedSizeList(Arc::new(element()), dimensions as i32);
            let fields = vec![Field::new("text", DataType::Utf8, false), Field::new("vector", vector, false)];
            let writer = TableWriter::create(path, schema(fields)).map_err(CliError::failed)?;
            return Ok(Output::Table(writer, dimensions));
        }
        let file = File::create(path).map_err(|e| CliError::Failed(format!("{}: {e}", path.display())))?;
        Ok(Output::Lines(Box::new(BufWriter::new(file))))
    }

    /// One row per item.
    pub fn write(&mut self, items: &[Item], vectors: &[Vec<f32>]) -> Result<(), CliError> {
        match self {
            Output::Lines(out) => {
                for (item, vector) in items.iter().zip(vectors) {
                    let mut object = item.object.clone().unwrap_or_default();
                    if item.object.is_none() {
                        object.insert("text".into(), Value::from(item.text.as_str()));
                    }
                    object.insert("vector".into(), serde_json::json!(vector));
                    serde_json::to_writer(&mut *out, &object).map_err(CliError::failed)?;
                    out.write_all(b"\n").map_err(CliError::failed)?;
                }
                Ok(())
            }
            Output::Table(writer, dimensions) => {
                let values = Float32Array::from_iter_values(vectors.iter().flatten().copied());
                let lists =
                    FixedSizeListArray::new(Arc::new(element()), *dimensions as i32, Arc::new(values), None);
                let texts: ArrayRef = Arc::new(StringArray::from_iter_values(items.iter().map(|i| &i.text)));
                writer.write_columns(vec![texts, Arc::new(lists)]).map_err(CliError::failed)
            }
        }
    }

    /// Flushes; a table is whole only after this.
    pub fn finish(self) -> Result<(), CliError> {
        match self {
            Output::Lines(mut out) => out.flush().map_err(CliError::failed),
            Output::Table(writer, _) => writer.finish().map(|_| ()).map_err(CliError::failed),
        }
    }
}

fn element() -> Field {
    Field::new_list_field(DataType::Float32, false)
}
