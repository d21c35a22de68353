//! What is worth saying: statements ranked by size, certainty and reach, each with its evidence.

use serde::{Deserialize, Serialize};

use crate::outcome::estimate::{Interval, Rate, Verdict};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A theme's conversations go wrong more often than the rest.
    ThemeFriction,
    /// A theme's conversations go well more often than the rest.
    ThemeSuccess,
    /// Users of a theme, or users who met a signal, return less or more often.
    Retention,
    /// A signal is far more common in one theme than elsewhere.
    ThemeSignal,
}

/// One statement with its numbers and its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable within the run, e.g. `theme-3-friction`.
    pub id: String,
    /// What it is about.
    pub kind: FindingKind,
    /// One line a product manager repeats in a meeting.
    pub headline: String,
    /// The numbers in a sentence or two.
    pub detail: String,
    /// In which direction, and whether we may say so.
    pub verdict: Verdict,
    /// The theme it is about, if one.
    pub theme: Option<u32>,
    /// The signal it is about, if one.
    pub signal: Option<String>,
    /// The outcome it is about, e.g. `D7`, or `bad conversations`.
    pub outcome: String,
    /// Rate in the group it is about.
    pub group: Rate,
    /// Rate in everybody else.
    pub rest: Rate,
    /// Difference of the two rates with its 95 % interval (Newcombe).
    pub difference: Interval,
    /// Benjamini-Hochberg q over the family of comparisons it was picked from.
    pub q: f64,
    /// Sorting key: size x certainty x reach, higher first.
    pub score: f64,
    /// Conversations that show it, with the turns to look at.
    pub evidence: Vec<Evidence>,
    /// What observation would overturn it, one sentence.
    pub overturn: String,
}

/// A conversation that shows a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Conversation id.
    pub conversation_id: String,
    /// Turns to look at, from 0.
    pub turns: Vec<u32>,
    /// Why it is shown, a few words.
    pub note: String,
}
