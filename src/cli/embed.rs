//! `undertone embed`: texts in, vectors out.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};

use super::args::Embed;
use super::{CliError, Session};
use crate::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
use crate::table::{BATCH_ROWS, TableWriter, schema};

pub fn run(args: &Embed, session: &Session) -> Result<(), CliError> {
    let model = Model::load(&ModelSource::parse(&args.model)).map_err(CliError::bad_input)?;
    let encoder = Encoder::load(&model, EncodeParams::default()).map_err(CliError::failed)?;
    let mut input = open(&args.input)?;
    let mut output = Output::create(&args.out, encoder.dimensions())?;
    session.progress.begin("embed", None, "texts");
    let (start, mut texts, mut tokens) = (Instant::now(), 0_u64, 0_u64);
    loop {
        let batch = next_batch(&mut *input, texts)?;
        if batch.is_empty() {
            break;
        }
        let borrowed: Vec<&str> = batch.iter().map(String::as_str).collect();
        let encoded = encoder.encode(&borrowed).map_err(CliError::failed)?;
        tokens += encoded.iter().map(|e| u64::from(e.tokens)).sum::<u64>();
        texts += batch.len() as u64;
        let vectors: Vec<Vec<f32>> = encoded.into_iter().map(|e| e.vector).collect();
        output.write(&batch, &vectors)?;
        session.progress.advance(batch.len() as u64);
    }
    output.finish()?;
    let speed = tokens as f64 / start.elapsed().as_secs_f64().max(1e-9);
    session.progress.finish(&format!("{texts} texts, {tokens} tokens, {speed:.0} tokens/s"));
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|e| CliError::BadInput(format!("{}: {e}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Up to `BATCH_ROWS` texts; a line that is a JSON object gives its `text`.
fn next_batch(input: &mut dyn BufRead, before: u64) -> Result<Vec<String>, CliError> {
    let mut batch = Vec::new();
    let mut line = Vec::new();
    while batch.len() < BATCH_ROWS {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(CliError::failed)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        batch.push(if text.starts_with('{') {
            let number = before + batch.len() as u64 + 1;
            let value: serde_json::Value = serde_json::from_str(text).map_err(|e| {
                CliError::BadInput(format!("line {number}: not JSON at column {}", e.column()))
            })?;
            let missing = || CliError::BadInput(format!("line {number}: the object has no `text`"));
            value.get("text").and_then(serde_json::Value::as_str).ok_or_else(missing)?.to_owned()
        } else {
            text.to_owned()
        });
    }
    Ok(batch)
}

enum Output {
    Lines(Box<dyn Write>),
    Table(TableWriter, usize),
}

impl Output {
    fn create(path: &Path, dimensions: usize) -> Result<Output, CliError> {
        if path.as_os_str() == "-" {
            return Ok(Output::Lines(Box::new(BufWriter::new(std::io::stdout()))));
        }
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let vector = DataType::FixedSizeList(Arc::new(item()), dimensions as i32);
            let fields = vec![Field::new("text", DataType::Utf8, false), Field::new("vector", vector, false)];
            return Ok(Output::Table(
                TableWriter::create(path, schema(fields)).map_err(CliError::failed)?,
                dimensions,
            ));
        }
        let file = File::create(path).map_err(|e| CliError::Failed(format!("{}: {e}", path.display())))?;
        Ok(Output::Lines(Box::new(BufWriter::new(file))))
    }

    fn write(&mut self, texts: &[String], vectors: &[Vec<f32>]) -> Result<(), CliError> {
        match self {
            Output::Lines(out) => {
                for (text, vector) in texts.iter().zip(vectors) {
                    let line = serde_json::json!({"text": text, "vector": vector});
                    writeln!(out, "{line}").map_err(CliError::failed)?;
                }
                Ok(())
            }
            Output::Table(writer, dimensions) => {
                let values = Float32Array::from_iter_values(vectors.iter().flatten().copied());
                let lists =
                    FixedSizeListArray::new(Arc::new(item()), *dimensions as i32, Arc::new(values), None);
                let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
                writer.write_columns(vec![texts, Arc::new(lists)]).map_err(CliError::failed)
            }
        }
    }

    fn finish(self) -> Result<(), CliError> {
        match self {
            Output::Lines(mut out) => out.flush().map_err(CliError::failed),
            Output::Table(writer, _) => writer.finish().map(|_| ()).map_err(CliError::failed),
        }
    }
}

fn item() -> Field {
    Field::new_list_field(DataType::Float32, false)
}
