//! What is worth saying: statements ranked by size, certainty and reach, each with its evidence.

mod retention;
mod theme;

use serde::{Deserialize, Serialize};

use crate::outcome::estimate::{Interval, Rate, Verdict};

pub use retention::{RetentionInput, retention_findings, undecided};
pub use theme::{ThemeCounts, theme_findings};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A theme's conversations go wrong more often than the rest.
    ThemeFriction,
    /// A theme's conversations go well more often than the rest.
    ThemeSuccess,
    /// Users of a theme, or users who met a signal, return less often.
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
    /// Difference with its 95 % interval: of the two rates (Newcombe), or for retention among alike users
    /// (`Effect::difference`).
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

/// What findings are held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindingParams {
    /// False discovery rate, 0..1.
    pub alpha: f64,
    /// Fewest conversations (or users) on either side.
    pub least: u64,
}

/// Most worth saying first: by score, then by id so that ties do not depend on chance.
pub fn rank(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    findings
}

/// Size x certainty x reach: |difference|, 1 - q, and the square root of the share of conversations
/// (or users) concerned, so that a theme nine times as large counts three times as much.
fn score(difference: &Interval, q: f64, reach: f64) -> f64 {
    difference.value.abs() * (1.0 - q) * reach.clamp(0.0, 1.0).sqrt()
}

/// "34%", or "3.4%" below ten.
fn percent(rate: f64) -> String {
    let value = rate * 100.0;
    if value >= 9.95 || value == 0.0 { format!("{value:.0}%") } else { format!("{value:.1}%") }
}

/// "29% to 41%"
fn span(interval: &Interval) -> String {
    format!("{} to {}", percent(interval.low.max(0.0)), percent(interval.high))
}
