//! Vectors as JSON Lines or as a Parquet table.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use serde_json::Value;

use super::input::Item;
use crate::cli::CliError;
use crate::table::{TableWriter, schema};

/// Where vectors go.
pub struct Output {
    rows: Rows,
    draft: Option<Draft>,
}

enum Rows {
    /// The object each text came in with its `vector`.
    Lines(Box<dyn Write>),
    /// Columns `text` and `vector`; the length of a vector.
    Table(TableWriter, usize),
}

impl Output {
    /// `-` is standard output; `.parquet` a table; everything else JSON Lines. A file is there under its name
    /// once it is whole.
    pub fn create(path: &Path, dimensions: usize) -> Result<Output, CliError> {
        if path.as_os_str() == "-" {
            let rows = Rows::Lines(Box::new(BufWriter::new(std::io::stdout())));
            return Ok(Output { rows, draft: None });
        }
        let failed = |e| CliError::Failed(format!("{}: {e}", path.display()));
        let draft = Draft::of(path).map_err(failed)?;
        let place = draft.as_ref().map_or(path, |draft| &draft.part);
        let rows = if path.extension().is_some_and(|extension| extension == "parquet") {
            let vector = DataType::FixedSizeList(Arc::new(element()), dimensions as i32);
            let fields = vec![Field::new("text", DataType::Utf8, false), Field::new("vector", vector, false)];
            Rows::Table(TableWriter::create(place, schema(fields)).map_err(CliError::failed)?, dimensions)
        } else {
            Rows::Lines(Box::new(BufWriter::new(File::create(place).map_err(failed)?)))
        };
        Ok(Output { rows, draft })
    }

    /// One row per item.
    pub fn write(&mut self, items: &[Item], vectors: &[Vec<f32>]) -> Result<(), CliError> {
        match &mut self.rows {
            Rows::Lines(out) => {
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
            Rows::Table(writer, dimensions) => {
                let values = Float32Array::from_iter_values(vectors.iter().flatten().copied());
                let lists =
                    FixedSizeListArray::new(Arc::new(element()), *dimensions as i32, Arc::new(values), None);
                let texts: ArrayRef = Arc::new(StringArray::from_iter_values(items.iter().map(|i| &i.text)));
                writer.write_columns(vec![texts, Arc::new(lists)]).map_err(CliError::failed)
            }
        }
    }

    /// Flushes; a file has its name only after this.
    pub fn finish(self) -> Result<(), CliError> {
        match self.rows {
            Rows::Lines(mut out) => out.flush().map_err(CliError::failed)?,
            Rows::Table(writer, _) => drop(writer.finish().map_err(CliError::failed)?),
        }
        self.draft.map_or(Ok(()), |draft| draft.publish().map_err(CliError::failed))
    }
}

/// A file under another name until it is whole: what has the name meanwhile stays, and may be the input.
struct Draft {
    part: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// `None` for what is not a file, a pipe or a device: it is written as it is.
    fn of(path: &Path) -> io::Result<Option<Draft>> {
        let path = match fs::metadata(path) {
            Ok(facts) if !facts.is_file() => return Ok(None),
            Ok(_) => {
                // A file that may not be written must not be replaced either.
                OpenOptions::new().append(true).open(path)?;
                // Behind a link, or the link itself would be replaced.
                path.canonicalize()?
            }
            Err(_) => path.to_owned(),
        };
        let mut part = path.clone().into_os_string();
        part.push(format!(".{}.part", std::process::id()));
        Ok(Some(Draft { part: part.into(), path }))
    }

    fn publish(self) -> io::Result<()> {
        if let Ok(facts) = fs::metadata(&self.path) {
            fs::set_permissions(&self.part, facts.permissions())?;
        }
        fs::rename(&self.part, &self.path)
    }
}

impl Drop for Draft {
    /// Nothing is left of a file that did not become whole.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

fn element() -> Field {
    Field::new_list_field(DataType::Float32, false)
}
