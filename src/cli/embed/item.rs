//! What an input gives: texts with the fields they came with, and records that cannot be used.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::cli::CliError;

/// Texts that are held at once: every thread has enough of them, and memory does not follow the input's size.
pub const BATCH_TEXTS: usize = 2048;
/// Bytes that are held at once, but for one record longer than that.
pub const BATCH_BYTES: usize = 8 << 20;

/// A text, with the fields it came with.
#[derive(Debug)]
pub struct Item {
    /// What is encoded.
    pub text: String,
    /// What is written beside its vector.
    pub beside: Beside,
    /// Whether bytes that are not UTF-8 became U+FFFD.
    pub mended: bool,
}

/// What a text came with.
#[derive(Debug)]
pub enum Beside {
    /// Nothing: the line was the text.
    Nothing,
    /// The text of its JSON object without a `vector` and without the brace that closes it.
    Object(String),
    /// Its row in a table.
    Row {
        /// Rows read together, without a column `vector`.
        rows: Arc<RecordBatch>,
        /// Which of them.
        row: usize,
        /// Its share of their bytes.
        bytes: usize,
    },
}

impl Item {
    /// Bytes it takes, about.
    pub fn bytes(&self) -> usize {
        let beside = match &self.beside {
            Beside::Nothing => 0,
            Beside::Object(open) => open.len(),
            Beside::Row { bytes, .. } => *bytes,
        };
        self.text.len() + beside
    }
}

/// A record that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its line or row, from 1.
    pub place: u64,
    /// Why, with a hint; never the text itself.
    pub reason: String,
}

/// The next thing of an input.
#[derive(Debug)]
pub enum Found {
    /// A text.
    Item(Item),
    /// A record that cannot be used; more may follow.
    Bad(Bad),
    /// The input breaks off here.
    CutOff(Bad),
    /// Reading cannot go on.
    Failed(CliError),
}

impl Found {
    /// Bytes it takes, about.
    pub fn bytes(&self) -> usize {
        match self {
            Found::Item(item) => item.bytes(),
            _ => 0,
        }
    }
}
