//! What a night did to the themes, with the numbers that justify each statement.

use serde::{Deserialize, Serialize};

use super::ThemeId;

/// What spoke for a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The conversations that both nights hold.
    Members,
    /// The centroids: too few conversations are common to both.
    Centroid,
}

/// How much of an old theme and of one of tonight's are the same conversations.
///
/// Shares count only conversations that both nights hold and are 0 where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The theme at the other end.
    pub theme: ThemeId,
    /// Conversations in both.
    pub common: u64,
    /// Their share of the old theme, 0..=1.
    pub of_old: f64,
    /// Their share of tonight's theme, 0..=1.
    pub of_new: f64,
    /// Cosine of the centroids, -1..=1; none when they come from different models.
    pub cosine: Option<f64>,
}

/// One thing that happened to a theme between two nights.
///
/// Each of tonight's themes is in exactly one of `continued`, `born` and the parts of a `split` (a
/// part that keeps or regains an id is also `continued`); each active theme of last night that is
/// gone is in exactly one of `retired`, `split` and the sources of a `merged`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// It is still there, or is there again.
    Continued {
        /// The theme.
        theme: ThemeId,
        /// What spoke for it.
        by: Evidence,
        /// From itself to itself.
        flow: Flow,
        /// For a theme that comes back: the night it was last seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        returned_from: Option<String>,
    },
    /// Nothing of last night is like it.
    Born {
        /// The theme.
        theme: ThemeId,
        /// Conversations in it.
        size: u64,
        /// How many of them last night held too, in whatever theme.
        seen_before: u64,
        /// The old theme most of them are from, or else the nearest by centroid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nearest: Option<Flow>,
    },
    /// Its conversations are now in several themes that consist mostly of them.
    Split {
        /// The old theme.
        theme: ThemeId,
        /// The themes it went into, the largest first; the first may keep its id.
        parts: Vec<Flow>,
    },
    /// Several old themes are now one.
    Merged {
        /// Tonight's theme.
        into: ThemeId,
        /// The old themes, the one that gave most first; `into` may be among them.
        sources: Vec<Flow>,
    },
    /// It is gone and in no theme's place.
    Retired {
        /// The theme.
        theme: ThemeId,
        /// Its conversations that tonight holds, in whatever theme.
        still_held: u64,
        /// The theme that most of them went into, or else the nearest by centroid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nearest: Option<Flow>,
    },
}

impl Event {
    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Continued { .. } => "continued",
            Event::Born { .. } => "born",
            Event::Split { .. } => "split",
            Event::Merged { .. } => "merged",
            Event::Retired { .. } => "retired",
        }
    }

    /// The theme it is about.
    pub fn theme(&self) -> ThemeId {
        match self {
            Event::Continued { theme, .. }
            | Event::Born { theme, .. }
            | Event::Split { theme, .. }
            | Event::Retired { theme, .. } => *theme,
            Event::Merged { into, .. } => *into,
        }
    }

    /// Place in the log: by kind, then by theme.
    pub(super) fn place(&self) -> (u8, ThemeId) {
        let kind = match self {
            Event::Continued { .. } => 0,
            Event::Born { .. } => 1,
            Event::Split { .. } => 2,
            Event::Merged { .. } => 3,
            Event::Retired { .. } => 4,
        };
        (kind, self.theme())
    }
}
