//! Labelled texts from a CSV like GoEmotions'.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use super::{ToneError, ToneLabel};

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Weights are fitted on it.
    Train,
    /// Penalty and temperature are picked on it.
    Dev,
    /// Figures are measured on it.
    Test,
}

impl Split {
    /// `train`, `dev`, `valid`, `validation` or `test`; `None` for any other word.
    pub fn parse(word: &str) -> Option<Split> {
        match word {
            "train" => Some(Split::Train),
            "dev" | "valid" | "validation" => Some(Split::Dev),
            "test" => Some(Split::Test),
            _ => None,
        }
    }
}

/// One labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text as written.
    pub text: String,
    /// How it sounds to its annotators.
    pub label: ToneLabel,
    /// What it is for.
    pub split: Split,
}

/// A file's labelled texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Rows labelled negative, neutral or positive, in file order.
    pub rows: Vec<Row>,
    /// Rows left out, by the label they had (`mixed`, `ambiguous`...).
    pub skipped: BTreeMap<String, u64>,
}

/// The columns read; others are ignored.
#[derive(Deserialize)]
struct Record {
    text: String,
    label: String,
    split: String,
}

impl Dataset {
    /// Reads a CSV with columns `text`, `label` and `split`, plain or gzip (told by its first bytes).
    ///
    /// Errors: an unreadable file, a missing column, a broken record, an unknown split.
    pub fn read(path: &Path) -> Result<Dataset, ToneError> {
        let stream = open(path).map_err(|source| ToneError::Io { path: path.to_owned(), source })?;
        let malformed = |reason: String| ToneError::Data { path: path.to_owned(), reason };
        let mut reader = csv::Reader::from_reader(stream);
        let headers = reader.headers().map_err(|e| malformed(e.to_string()))?.clone();
        if let Some(missing) =
            ["text", "label", "split"].iter().find(|name| !headers.iter().any(|h| h == **name))
        {
            return Err(malformed(format!("no column `{missing}`; the file needs text, label and split")));
        }
        let mut dataset = Dataset::default();
        let mut raw = csv::StringRecord::new();
        while reader.read_record(&mut raw).map_err(|e| malformed(e.to_string()))? {
            let line = raw.position().map_or(0, csv::Position::line);
            let record: Record =
                raw.deserialize(Some(&headers)).map_err(|e| malformed(format!("line {line}: {e}")))?;
            dataset.push(record).map_err(|reason| malformed(format!("line {line}: {reason}")))?;
        }
        Ok(dataset)
    }

    fn push(&mut self, record: Record) -> Result<(), String> {
        let Record { text, label, split } = record;
        let split = Split::parse(&split)
            .ok_or_else(|| format!("split is `{split}`; expected train, dev, valid, validation or test"))?;
        match ToneLabel::parse(&label) {
            Some(label) => self.rows.push(Row { text, label, split }),
            None => *self.skipped.entry(label).or_default() += 1,
        }
        Ok(())
    }

    /// The rows of one split, in file order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.split == split)
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::new(File::open(path)?);
    let gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}
