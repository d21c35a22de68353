//! How a user turn sounds: P(negative), P(neutral), P(positive) from the encoder's layer states.

mod calibrate;
mod corpus;
mod dataset;
mod head;
mod score;
#[cfg(test)]
mod tests;
mod train;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use corpus::{BoxError, SplitCounts, TrainingReport, train_from_csv};
pub use dataset::{Dataset, Row, Split};
pub use head::ToneHead;
pub use score::{Scores, confusion};
pub use train::{Candidate, Example, TrainParams, Training, train};

/// How one user turn sounds: three calibrated probabilities that add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    /// P(negative), 0..=1.
    pub negative: f32,
    /// P(neutral), 0..=1.
    pub neutral: f32,
    /// P(positive), 0..=1.
    pub positive: f32,
}

impl Tone {
    /// The likeliest label; of equals, the one further left in negative, neutral, positive.
    pub fn label(&self) -> ToneLabel {
        let rest = self.neutral.max(self.positive);
        if self.negative >= rest {
            ToneLabel::Negative
        } else if self.neutral >= self.positive {
            ToneLabel::Neutral
        } else {
            ToneLabel::Positive
        }
    }

    /// P(positive) - P(negative), -1..=1: the one number whose change within a conversation counts.
    pub fn balance(&self) -> f32 {
        self.positive - self.negative
    }

    /// The probabilities by `ToneLabel::index`.
    pub fn probabilities(&self) -> [f32; 3] {
        [self.negative, self.neutral, self.positive]
    }
}

impl From<[f64; 3]> for Tone {
    fn from([negative, neutral, positive]: [f64; 3]) -> Tone {
        Tone { negative: negative as f32, neutral: neutral as f32, positive: positive as f32 }
    }
}

/// The three tones, in the order of the head's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToneLabel {
    /// Displeased, angry, sad, afraid.
    Negative,
    /// Matter of fact.
    Neutral,
    /// Pleased, thankful, amused.
    Positive,
}

impl ToneLabel {
    /// All three, by index.
    pub const ALL: [ToneLabel; 3] = [ToneLabel::Negative, ToneLabel::Neutral, ToneLabel::Positive];

    /// `negative`, `neutral` or `positive`; `None` for any other word.
    pub fn parse(word: &str) -> Option<ToneLabel> {
        ToneLabel::ALL.into_iter().find(|label| label.name() == word)
    }

    /// The word in data files.
    pub fn name(self) -> &'static str {
        ["negative", "neutral", "positive"][self.index()]
    }

    /// 0, 1 or 2.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A head could not be read, used or trained.
#[derive(Debug, thiserror::Error)]
pub enum ToneError {
    /// States of another encoder than the head was trained on.
    #[error(
        "tone head reads {expected} state values per text, got {found}; it was trained on another encoder: train one for yours with `undertone model train-tone`"
    )]
    Length {
        /// Values the head reads.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A state is NaN or infinite.
    #[error("state value {index} is not a finite number")]
    NotFinite {
        /// Its place in the slice.
        index: usize,
    },
    /// The head's file is not one.
    #[error("tone head: {0}")]
    Malformed(String),
    /// A training file could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A training file's contents cannot be used.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// Where, what, and what would do.
        reason: String,
    },
    /// Too little to train on.
    #[error("cannot train: {0}")]
    Unfit(String),
    /// The solver gave up.
    #[error("logistic regression: {0}")]
    Solver(String),
    /// The encoder failed on a training text.
    #[error("encoding training texts: {0}")]
    Encode(BoxError),
}
