//! Opens an input: lines or the rows of a table, told by `--format` or by content.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::SchemaRef;

use super::item::Found;
use super::lines_in::{LineFormat, Lines};
use super::rows_in::Rows;
use crate::cli::CliError;
use crate::cli::args::InputFormat;
use crate::read::text_stream;

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct SourceParams {
    /// `-` is standard input.
    pub path: PathBuf,
    /// What it is.
    pub format: InputFormat,
    /// Field or column that holds the text.
    pub field: String,
}

impl SourceParams {
    /// What to call the input.
    pub fn name(&self) -> String {
        if self.is_stdin() { "standard input".into() } else { self.path.display().to_string() }
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

/// What the texts of an input come with.
#[derive(Debug, Clone)]
pub enum Carried {
    /// Lines: nothing, or the fields of their object.
    Lines,
    /// Columns of a table, the text's among them, a `vector` not.
    Columns(SchemaRef),
}

impl Carried {
    /// What places are counted in.
    pub fn unit(&self) -> &'static str {
        match self {
            Carried::Lines => "line",
            Carried::Columns(_) => "row",
        }
    }
}

/// Where texts come from.
pub enum Source {
    /// A line each.
    Lines(Lines),
    /// A row each.
    Rows(Rows),
}

impl Source {
    /// Opens it; gzip and zstd are unpacked, Parquet is told by its first bytes.
    ///
    /// # Errors
    /// It cannot be read, or is not of the format that was named.
    pub fn open(params: &SourceParams) -> Result<(Source, Carried), CliError> {
        let bad = |reason: String| CliError::BadInput(format!("{}: {reason}", params.name()));
        let lines = |stream: std::io::Result<Box<dyn BufRead + Send>>| {
            let stream = stream.map_err(|e| bad(e.to_string()))?;
            let format = match params.format {
                InputFormat::Text => LineFormat::Text,
                InputFormat::Jsonl => LineFormat::Objects,
                InputFormat::Auto | InputFormat::Parquet => LineFormat::Either,
            };
            let lines = Lines::new(stream, format, params.field.clone(), params.name());
            Ok((Source::Lines(lines), Carried::Lines))
        };
        if params.is_stdin() {
            return match params.format {
                InputFormat::Parquet => Err(bad("Parquet is read from a file: --input FILE".into())),
                _ => lines(text_stream(BufReader::with_capacity(1 << 16, std::io::stdin()))),
            };
        }
        let path = &params.path;
        if path.is_dir() {
            return Err(bad(
                "is a folder; name a file, or feed several: cat FOLDER/* | undertone embed".into()
            ));
        }
        let mut file = BufReader::new(File::open(path).map_err(|e| bad(e.to_string()))?);
        let is_table = match params.format {
            InputFormat::Parquet => true,
            InputFormat::Text | InputFormat::Jsonl => false,
            InputFormat::Auto => {
                is_parquet(path) || file.fill_buf().map_err(|e| bad(e.to_string()))?.starts_with(b"PAR1")
            }
        };
        if !is_table {
            return lines(text_stream(file));
        }
        let rows = Rows::open(path, &params.field)?;
        let carried = Carried::Columns(rows.carried());
        Ok((Source::Rows(rows), carried))
    }
}

/// Whether its name says that a file is a table.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

impl Iterator for Source {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        match self {
            Source::Lines(lines) => lines.next(),
            Source::Rows(rows) => rows.next(),
        }
    }
}
