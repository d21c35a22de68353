//! The `Report` value: every fact a page shows, as plain data. Renderers add nothing but form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::outcome::effect::Effect;
use crate::outcome::estimate::Rate;
use crate::outcome::retention::RetentionTable;
use crate::theme::CurvePoint;
use crate::theme::map::Map;

/// Everything `report.html`, `report.md` and `report --format json` say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Product name from the config.
    pub title: String,
    /// What was read, in a glance.
    pub overview: Overview,
    /// What could not be used, and what to keep in mind.
    pub quality: Vec<QualityFact>,
    /// Ranked, most worth saying first.
    pub findings: Vec<Finding>,
    /// Comparisons looked at that cannot be told apart from noise: a sentence each.
    pub cannot_tell: Vec<String>,
    /// Largest first.
    pub themes: Vec<ThemeFacts>,
    /// Where conversations lie among each other; without points when there are too few.
    #[serde(default)]
    pub map: Map,
    /// What happened to themes since the night before, and how many are hidden: a sentence each.
    #[serde(default)]
    pub theme_news: Vec<String>,
    /// One per signal kind, in their fixed order.
    pub signals: Vec<SignalFacts>,
    /// `None` without users or times.
    pub retention: Option<RetentionFacts>,
    /// Conversations shown in full (evidence and examples), by id.
    pub conversations: BTreeMap<String, ConversationPage>,
    /// Definitions, parameters, versions, hashes: name and text.
    pub methods: Vec<Method>,
    /// What the number of themes was chosen from, by rising number; empty where it was given.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
}

/// Head figures.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Overview {
    /// Conversations analysed.
    pub conversations: u64,
    /// Distinct users; 0 when the export names none.
    pub users: u64,
    /// All turns.
    pub turns: u64,
    /// Turns of users.
    pub user_turns: u64,
    /// First and last date with a conversation (`YYYY-MM-DD`).
    pub first_date: Option<String>,
    /// See `first_date`.
    pub last_date: Option<String>,
    /// Number of themes.
    pub themes: u64,
    /// Conversations in no theme.
    pub unassigned: u64,
    /// Counts of conversations graded good, mixed, bad.
    pub good: u64,
    /// See `good`.
    pub mixed: u64,
    /// See `good`.
    pub bad: u64,
    /// Share of user turns whose most probable tone is negative, 0..=1.
    pub negative_turn_share: f64,
    /// Conversations and bad conversations by day, in order, gaps filled with zeros.
    pub days: Vec<DayCount>,
}

/// One day's volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DayCount {
    /// `YYYY-MM-DD` in the configured zone.
    pub date: String,
    /// Conversations that began that day.
    pub conversations: u64,
    /// Of these, graded bad.
    pub bad: u64,
}

/// One line of the data-quality section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QualityFact {
    /// Short name, e.g. "Rejected records".
    pub label: String,
    /// How many.
    pub count: u64,
    /// Of how many, where a share makes sense.
    pub of: Option<u64>,
    /// How much a reader should care.
    pub level: QualityLevel,
    /// What it means and what was done, one sentence.
    pub meaning: String,
}

/// How much a data-quality fact matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QualityLevel {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// Changes what the report can say.
    Warning,
}

/// One theme.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThemeFacts {
    /// Permanent theme number.
    pub id: u32,
    /// A name a product manager understands.
    pub name: String,
    /// Keywords, strongest first.
    pub keywords: Vec<String>,
    /// The most central request, redacted to one line.
    pub representative: String,
    /// Conversations in it.
    pub conversations: u64,
    /// Share of all conversations, 0..=1.
    pub share: f64,
    /// Distinct users in it.
    pub users: u64,
    /// Mean friction of its conversations, 0..=1.
    pub friction: f64,
    /// Share graded bad, with a 95 % Wilson interval.
    pub bad: Rate,
    /// Share of user turns with negative tone, 0..=1.
    pub negative_turn_share: f64,
    /// Median number of turns.
    pub median_turns: f64,
    /// Conversations by week of the period, oldest first (sparkline).
    pub weekly: Vec<u64>,
    /// Share of its conversations with each signal: signal name -> share.
    pub signals: BTreeMap<String, f64>,
    /// Example conversations: ids into `Report::conversations`.
    pub examples: Vec<String>,
    /// The theme's effects on outcomes, if any were computed.
    pub effects: Vec<Effect>,
}

/// One signal kind over the whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignalFacts {
    /// Name as in `signals/`, e.g. `rephrase`.
    pub name: String,
    /// What it means, one sentence.
    pub meaning: String,
    /// Conversations with it.
    pub prevalence: Rate,
    /// True for signals that count towards friction.
    pub is_friction: bool,
    /// Example conversations: ids into `Report::conversations`.
    pub examples: Vec<String>,
}

/// The retention section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetentionFacts {
    /// N-day, unbounded and bracket retention, and weekly cohorts.
    pub table: RetentionTable,
    /// Every theme and signal effect computed, not only those worth a finding.
    pub effects: Vec<Effect>,
    /// Comparisons left out because a cell had too few users.
    pub suppressed: u64,
    /// Where activity came from: the activity table, or the conversations themselves.
    pub source: String,
}

/// A conversation as a reader sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConversationPage {
    /// Its id.
    pub id: String,
    /// Its user, if known.
    pub user_id: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: Option<String>,
    /// Its theme, if any.
    pub theme: Option<u32>,
    /// Friction, 0..=1.
    pub friction: f64,
    /// `good`, `mixed` or `bad`.
    pub grade: String,
    /// Why, e.g. "asked again in other words twice; left without an answer".
    pub reasons: Vec<String>,
    /// Turns shown; long conversations keep head, tail and every turn a signal cites.
    pub turns: Vec<TurnView>,
    /// Turns left out.
    pub omitted_turns: u64,
}

/// One turn of a `ConversationPage`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TurnView {
    /// Position in the conversation, from 0.
    pub index: u32,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Text, shortened if very long.
    pub text: String,
    /// `HH:MM:SS`, if known.
    pub at: Option<String>,
    /// P(negative), P(neutral), P(positive) for user turns.
    pub tone: Option<[f32; 3]>,
    /// Names of the signals that cite this turn.
    pub signals: Vec<String>,
}

/// One entry of the methods appendix.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Method {
    /// Heading.
    pub name: String,
    /// Plain text, one paragraph.
    pub text: String,
}
