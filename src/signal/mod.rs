//! Named, deterministic signals of how a conversation went, each with the turns that prove it.
//!
//! To add one: a file with a `fn detect(&Scene, &Params) -> Option<Signal>` and a line in
//! `SignalKind::ALL` and `detect`.

mod abandonment;
mod closing;
pub mod friction;
pub mod length;
mod rephrase;
mod retry;
mod scene;

use serde::{Deserialize, Serialize};

pub use scene::{Scene, SceneTurn, cosine};

/// The kinds of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// Asks again in other words.
    Rephrase,
    /// Asks again in the same words.
    Retry,
    /// Ends on an unmet request.
    Abandonment,
    /// Ends with thanks or "solved".
    Closing,
    /// Far more turns than its theme's conversations have.
    Long,
    /// Far fewer turns than its theme's conversations have.
    Short,
}

impl SignalKind {
    /// Every kind, in the order reports list them.
    pub const ALL: [SignalKind; 6] = [
        SignalKind::Rephrase,
        SignalKind::Retry,
        SignalKind::Abandonment,
        SignalKind::Closing,
        SignalKind::Long,
        SignalKind::Short,
    ];

    /// Its name in every table.
    pub fn name(self) -> &'static str {
        match self {
            SignalKind::Rephrase => "rephrase",
            SignalKind::Retry => "retry",
            SignalKind::Abandonment => "abandonment",
            SignalKind::Closing => "closing",
            SignalKind::Long => "long",
            SignalKind::Short => "short",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<SignalKind> {
        SignalKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it means, one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            SignalKind::Rephrase => "The user asks for the same thing again in other words.",
            SignalKind::Retry => "The user asks for the same thing again in the same words.",
            SignalKind::Abandonment => {
                "The conversation ends on a request that was not met, or right after trouble."
            }
            SignalKind::Closing => "The user ends with thanks or says that it is solved.",
            SignalKind::Long => "Far more turns than is usual for its theme.",
            SignalKind::Short => "Far fewer turns than is usual for its theme.",
        }
    }

    /// Does it count towards friction?
    pub fn is_friction(self) -> bool {
        matches!(self, SignalKind::Rephrase | SignalKind::Retry | SignalKind::Abandonment)
    }
}

/// One signal in one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Which.
    pub kind: SignalKind,
    /// How strong, 0..=1.
    pub strength: f32,
    /// Indices of the turns that prove it, ascending, never empty.
    pub turns: Vec<u32>,
}

/// Thresholds. The defaults were measured on simulated truth and read through on real chats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalParams {
    /// Cosine from which two requests may mean the same, 0..=1.
    pub rephrase_similarity: f32,
    /// How many of the user's turns back a repetition is looked for, at least 1.
    pub lookback: usize,
    /// Share of common three-letter pieces from which two texts are the same words, 0..=1.
    pub retry_overlap: f32,
    /// P(negative) from which a turn counts as negative, 0..=1.
    pub negative_tone: f32,
    /// Robust z of log turns from which a conversation is long or short, > 0.
    pub length_z: f64,
    /// Conversations a theme needs before lengths are compared within it.
    pub length_min_theme: usize,
}

impl Default for SignalParams {
    fn default() -> SignalParams {
        SignalParams {
            rephrase_similarity: 0.66,
            lookback: 3,
            retry_overlap: 0.8,
            negative_tone: 0.6,
            length_z: 2.5,
            length_min_theme: 20,
        }
    }
}

/// All signals that one conversation shows by itself (`long` and `short` need its theme).
pub fn detect(scene: &Scene<'_>, params: &SignalParams) -> Vec<Signal> {
    let retry = retry::detect(scene, params);
    let rephrase = rephrase::detect(scene, params, retry.as_ref());
    let closing = closing::detect(scene);
    let trouble: Vec<u32> = [&retry, &rephrase].into_iter().flatten().flat_map(|s| s.turns.clone()).collect();
    let abandonment = if closing.is_some() { None } else { abandonment::detect(scene, params, &trouble) };
    [rephrase, retry, abandonment, closing].into_iter().flatten().collect()
}
