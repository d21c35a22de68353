//! Where vectors go: standard output, or a file that has its name once it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::input::{Carried, is_parquet};
use super::item::Item;
use super::lines_out;
use super::table_out::Table;
use crate::cli::CliError;

/// Where vectors go.
pub struct Output {
    rows: Rows,
    draft: Option<Draft>,
    /// What to call it.
    name: String,
    /// Name of the field that holds the text.
    field: String,
    /// Whether the reader of the pipe has gone.
    closed: bool,
}

enum Rows {
    Lines(Box<dyn Write>),
    Table(Box<Table>),
}

/// How an output ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Where the rows are that did not get the output's own name.
    pub aside: Option<PathBuf>,
    /// Items that had fields beside the text, and a table without columns for them.
    pub lost: u64,
}

impl Output {
    /// `-` is standard output; `.parquet` a table; everything else JSON Lines.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, field: &str, dimensions: usize, carried: Carried) -> Result<Output, CliError> {
        let is_stdout = path.as_os_str() == "-";
        let name = if is_stdout { "standard output".into() } else { path.display().to_string() };
        let bad = |e: io::Error| CliError::BadInput(format!("--out {name}: {e}"));
        let draft = if is_stdout { None } else { Draft::of(path).map_err(bad)? };
        let rows = if is_stdout {
            Rows::Lines(Box::new(BufWriter::new(io::stdout())))
        } else {
            let place = draft.as_ref().map_or(path, |draft| &draft.part);
            // A table too is begun here: better an error now than after the first batch.
            let file = File::create(place).map_err(bad)?;
            if is_parquet(path) {
                Rows::Table(Box::new(Table::new(place, field, dimensions, carried)))
            } else {
                Rows::Lines(Box::new(BufWriter::with_capacity(1 << 18, file)))
            }
        };
        Ok(Output { rows, draft, name, field: field.to_owned(), closed: false })
    }

    /// One row per item.
    pub fn write(&mut self, items: Vec<Item>, vectors: &[Vec<f32>]) -> Result<(), CliError> {
        let written = match &mut self.rows {
            Rows::Lines(out) => lines_out::write(out, &self.field, items, vectors),
            Rows::Table(table) => return table.write(items, vectors),
        };
        self.check(written)
    }

    /// Hands on what has been written, where somebody may be waiting for it.
    pub fn flush(&mut self) -> Result<(), CliError> {
        let flushed = match &mut self.rows {
            Rows::Lines(out) => out.flush(),
            Rows::Table(_) => Ok(()),
        };
        self.check(flushed)
    }

    /// Whether nobody reads what is written: the reader's choice, not an error.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends it. A file gets its name if it is `whole`; if not, what had the name stays, and the rows are kept
    /// beside it.
    pub fn finish(mut self, whole: bool) -> Result<Ended, CliError> {
        self.flush()?;
        let lost = match self.rows {
            Rows::Lines(_) => 0,
            Rows::Table(table) => table.finish()?,
        };
        let failed = |e| CliError::Failed(format!("{}: {e}", self.name));
        let aside = match self.draft {
            Some(draft) if whole => draft.publish().map(|()| None),
            Some(draft) => draft.set_aside().map(Some),
            None => Ok(None),
        };
        Ok(Ended { aside: aside.map_err(failed)?, lost })
    }

    fn check(&mut self, written: io::Result<()>) -> Result<(), CliError> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            written => written.map_err(|e| CliError::Failed(format!("{}: {e}", self.name)))?,
        }
        Ok(())
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
            Ok(facts) if facts.is_dir() => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder; name a file in it"));
            }
            Ok(facts) if !facts.is_file() => return Ok(None),
            Ok(_) => {
                // A file that may not be written must not be replaced either.
                OpenOptions::new().append(true).open(path)?;
                // Behind a link, or the link itself would be replaced.
                path.canonicalize()?
            }
            Err(_) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                path.to_owned()
            }
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

    /// Keeps the rows as `NAME.incomplete.EXTENSION`.
    fn set_aside(self) -> io::Result<PathBuf> {
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(".incomplete");
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        let aside = self.path.with_file_name(name);
        fs::rename(&self.part, &aside)?;
        Ok(aside)
    }
}

impl Drop for Draft {
    /// Nothing is left of a file that nobody was told about.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}
