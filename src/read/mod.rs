//! Exports of conversations and tables of activity, in the formats they come in.
//!
//! Conversations stream through a `Sink` one at a time, so memory does not grow with a file. A
//! record that cannot be used becomes a `Reject` with its place and a reason, and reading goes on.

pub mod activity;
mod columns;
mod container;
mod fields;
mod format;
pub mod labelled;
mod mend;
mod messages;
mod record;
mod rows;
mod source;
mod thread;
pub mod time;

use serde::Serialize;

use crate::conversation::Conversation;

pub use fields::Mapping;
pub use format::{Draft, Format, content_hash};
pub use record::is_cut;
pub use source::{ReadParams, SourceFile, expand, read_file, text_stream};
pub use thread::{NO_TURNS, Part, Piece, Thread};

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reject {
    /// File it came from, as given.
    pub file: String,
    /// Line (or row) it begins at, from 1.
    pub line: u64,
    /// Byte it begins at in the decompressed file, from 0.
    pub offset: u64,
    /// Why, with a hint; never the text itself.
    pub reason: String,
}

impl Reject {
    /// True for the record in which a file breaks off: named, but no fault of the record's own.
    pub fn is_cut_off(&self) -> bool {
        self.reason.starts_with(CUT_OFF)
    }
}

/// How the reason of a cut-off record begins.
const CUT_OFF: &str = "the file is cut off here";

/// Where a record stands, for rejects and for breaking ties between duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line or array element, from 1.
    pub line: u64,
    /// Byte offset in the decompressed file.
    pub offset: u64,
}

/// Receives what a reader finds, in file order.
pub trait Sink {
    /// A whole conversation. Errors are the sink's own (a full disk, say) and end the reading.
    fn conversation(&mut self, place: Place, conversation: Conversation) -> Result<(), ReadError>;
    /// Turns of a conversation whose others stand elsewhere. Errors as above.
    fn part(&mut self, place: Place, part: Part) -> Result<(), ReadError>;
    /// A record that could not be used.
    fn reject(&mut self, reject: Reject) -> Result<(), ReadError>;
    /// Something odd that lost no conversation: counted by kind.
    fn oddity(&mut self, oddity: Oddity);
    /// Bytes of the file on disk consumed since the last call.
    fn consumed(&mut self, bytes: u64);
}

/// Oddities that are repaired and counted, not rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// The file ends in the middle of a record or of a compressed block.
    CutOff,
    /// Bytes that are not UTF-8 became U+FFFD.
    InvalidUtf8,
    /// NUL bytes were removed from a text.
    NulByte,
    /// A turn with no text stays, and says nothing.
    EmptyTurn,
    /// A turn of a role we do not know was left out.
    UnknownRole,
    /// A turn's time lies before the turn above it.
    ClockBackwards,
    /// A time without a zone was read in the configured zone.
    ZonelessTime,
    /// A time that is no time was left out.
    BadTime,
    /// A part that is not text (image, audio, tool call) became a placeholder.
    NonText,
    /// The conversation had no id; one was made from its content.
    MadeId,
    /// A traced body ends in the middle; what stands before was read.
    CutBody,
}

impl Oddity {
    /// Its name in `run.json` and in the report's data quality.
    pub fn name(self) -> &'static str {
        match self {
            Oddity::CutOff => "cut_off",
            Oddity::InvalidUtf8 => "invalid_utf8",
            Oddity::NulByte => "nul_byte",
            Oddity::EmptyTurn => "empty_turn",
            Oddity::UnknownRole => "unknown_role",
            Oddity::ClockBackwards => "clock_backwards",
            Oddity::ZonelessTime => "zoneless_time",
            Oddity::BadTime => "bad_time",
            Oddity::NonText => "non_text",
            Oddity::MadeId => "made_id",
            Oddity::CutBody => "cut_body",
        }
    }

    /// What it means and what was done, one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Oddity::CutOff => "A file ends in the middle; every whole record before the cut was read.",
            Oddity::InvalidUtf8 => "Bytes that are not UTF-8 were replaced by U+FFFD.",
            Oddity::NulByte => "NUL bytes were removed from a text.",
            Oddity::EmptyTurn => "Turns without text are kept and say nothing.",
            Oddity::UnknownRole => "Turns of a role we do not know were left out.",
            Oddity::ClockBackwards => {
                "A turn's time lies before the turn above it; the order of the file is kept."
            }
            Oddity::ZonelessTime => "Times without a zone were read in the configured zone.",
            Oddity::BadTime => "Times that are no times were left out.",
            Oddity::NonText => "Images, audio and tool calls became placeholders.",
            Oddity::MadeId => "Conversations without an id were given one made from their content.",
            Oddity::CutBody => "Bodies of traces that end in the middle were read up to the cut.",
        }
    }

    /// Every oddity.
    pub const ALL: [Oddity; 11] = [
        Oddity::CutOff,
        Oddity::InvalidUtf8,
        Oddity::NulByte,
        Oddity::EmptyTurn,
        Oddity::UnknownRole,
        Oddity::ClockBackwards,
        Oddity::ZonelessTime,
        Oddity::BadTime,
        Oddity::NonText,
        Oddity::MadeId,
        Oddity::CutBody,
    ];
}

/// Reading could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A pattern is not a pattern.
    #[error("`{pattern}` is not a file pattern: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// A pattern matches nothing.
    #[error("no file matches `{0}`; patterns are relative to the current folder")]
    NoMatch(String),
    /// No reader knows this content.
    #[error("{file}: {reason}; set `[input] format` to one of {}", Format::names().join(", "))]
    UnknownFormat {
        /// The file.
        file: String,
        /// What was seen.
        reason: String,
    },
    /// The sink refused.
    #[error(transparent)]
    Sink(Box<dyn std::error::Error + Send + Sync>),
}
