//! JSON Lines out: what each text came with, then its vector.

use std::io::{self, Write};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};

use super::item::{Beside, Item};
use super::table_out::gather;

/// Writes a line per item.
///
/// An object's own fields stay as they are spelled; a table's columns are written as JSON, null where there is
/// no value. Numbers of a vector are the shortest that give the same f32 again.
///
/// # Errors
/// The stream refuses, or a column has no JSON form.
pub fn write(out: &mut dyn Write, field: &str, items: Vec<Item>, vectors: &[Vec<f32>]) -> io::Result<()> {
    let name = serde_json::to_string(field)?;
    let from_table = items.iter().any(|item| matches!(item.beside, Beside::Row { .. }));
    let mut rows =
        if from_table { rows(&items).map_err(io::Error::other)?.into_iter() } else { vec![].into_iter() };
    for (item, vector) in items.into_iter().zip(vectors) {
        let open = match item.beside {
            Beside::Object(open) => open,
            Beside::Nothing => format!("{{{name}:{}", serde_json::to_string(&item.text)?),
            Beside::Row { .. } => rows.next().unwrap_or_default(),
        };
        out.write_all(open.as_bytes())?;
        out.write_all(b",\"vector\":")?;
        serde_json::to_writer(&mut *out, vector)?;
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// The rows of items as JSON objects without their last brace.
fn rows(items: &[Item]) -> Result<Vec<String>, ArrowError> {
    let rows: RecordBatch = gather(items)?;
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    writer.write(&rows)?;
    writer.finish()?;
    // JSON has no line breaks of its own.
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|line| line.strip_suffix('}').unwrap_or(line).to_owned()).collect())
}
