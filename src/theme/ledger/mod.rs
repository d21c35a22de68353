//! The ledger: which of tonight's clusters is which theme of the nights before.
//!
//! Clustering numbers its clusters anew every night. [`advance`] gives each the permanent id of the
//! theme it carries on, by the conversations both nights hold, else by centroid, and logs what
//! happened: `continued`, `born`, `split`, `merged`, `retired` (after MONIC, Spiliopoulou, Ntoutsi,
//! Theodoridis & Schult 2006, "MONIC: modeling and monitoring cluster transitions", KDD). What
//! people changed by hand is no part of it: [`super::curation`] is applied on top every night.

mod event;
mod id;
mod matching;
mod night;
mod overlap;
mod warm;

use serde::{Deserialize, Serialize};

pub use event::{Event, Evidence, Flow};
pub use id::{NotAnId, ThemeId};
pub use matching::{LEAST_COMMON, MAJORITY, SAME_DIRECTION, SUBSTANTIAL};
pub use night::{Advance, advance};
pub use overlap::{Member, Placed};

/// Version of the ledger's JSON. A reader refuses one it does not know.
pub const LEDGER_FORMAT: u32 = 1;

/// Whether a theme has conversations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In the last night.
    #[default]
    Active,
    /// Not in the last night; comes back under its id when it is found again.
    Retired,
    /// By hand, in curated ledgers only: its conversations are in the themes that `edits` names.
    Replaced,
}

/// What people did to a theme.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Edits {
    /// The name they gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// They want it kept as it was then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// They do not want to see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// The theme they merged it into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<ThemeId>,
    /// The themes they split it into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub split_into: Vec<ThemeId>,
}

impl Edits {
    fn is_none(&self) -> bool {
        *self == Edits::default()
    }
}

/// One theme through the nights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerTheme {
    /// Permanent.
    pub id: ThemeId,
    /// What it is called: by people, else as on the night it was born. Unique among active themes.
    pub name: String,
    /// What tonight's conversations would have it called.
    pub automatic_name: String,
    /// What people did to it.
    #[serde(default, skip_serializing_if = "Edits::is_none")]
    pub edits: Edits,
    /// Whether it has conversations.
    pub state: State,
    /// Conversations on the night it was last seen; 0 for a replaced theme.
    pub size: u64,
    /// Night of its birth.
    pub first_seen: String,
    /// Last night it was there.
    pub last_seen: String,
    /// Direction of its mean when last seen, `d` values of unit length; empty when it comes from
    /// an earlier model and cannot be compared.
    pub centroid: Vec<f32>,
}

/// All themes that ever were, as of one night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// [`LEDGER_FORMAT`].
    pub format: u32,
    /// The night; empty before the first.
    pub night: String,
    /// Hash of the model whose vectors the centroids are.
    pub model: String,
    /// The first id not yet given.
    pub next_id: ThemeId,
    /// By rising id.
    pub themes: Vec<LedgerTheme>,
}

impl Default for Ledger {
    /// The ledger before the first night.
    fn default() -> Ledger {
        Ledger {
            format: LEDGER_FORMAT,
            night: String::new(),
            model: String::new(),
            next_id: ThemeId::new(0),
            themes: Vec::new(),
        }
    }
}

impl Ledger {
    /// A theme by id.
    pub fn theme(&self, id: ThemeId) -> Option<&LedgerTheme> {
        self.themes.binary_search_by_key(&id, |theme| theme.id).ok().map(|place| &self.themes[place])
    }

    /// Themes that have conversations, by rising id.
    pub fn active(&self) -> impl Iterator<Item = &LedgerTheme> {
        self.themes.iter().filter(|theme| theme.state == State::Active)
    }

    /// Refuses a ledger that cannot be carried on: of another format, put out of order by a hand, or
    /// curated.
    pub fn validate(&self) -> Result<(), LedgerError> {
        if self.format != LEDGER_FORMAT {
            return Err(LedgerError::Format { found: self.format });
        }
        if let Some(pair) = self.themes.windows(2).find(|pair| pair[0].id >= pair[1].id) {
            return Err(LedgerError::Order { id: pair[1].id });
        }
        let is_made = |theme: &&LedgerTheme| theme.state == State::Replaced || theme.id >= self.next_id;
        match self.themes.iter().find(is_made) {
            Some(theme) => Err(LedgerError::Curated { id: theme.id }),
            None => Ok(()),
        }
    }
}

/// One of tonight's clusters.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// Automatic name.
    pub name: &'a str,
    /// Direction of its mean, `d` finite values of unit length.
    pub centroid: &'a [f32],
}

/// What clustering found tonight.
#[derive(Debug, Clone, Copy)]
pub struct Night<'a> {
    /// When: ISO date (or date and time) of the data, later than the last night's.
    pub date: &'a str,
    /// Hash of the model whose vectors the centroids are.
    pub model: &'a str,
    /// The clusters 0..k.
    pub clusters: &'a [Cluster<'a>],
    /// Each conversation once, in any order, and its cluster; `None` is noise.
    pub members: &'a [Placed<'a>],
}

/// The ledger cannot be carried on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Written by another version.
    #[error("the ledger has format {found}, this version reads {LEDGER_FORMAT}")]
    Format {
        /// The format it has.
        found: u32,
    },
    /// Not as it was written.
    #[error("the ledger lists {id} twice or out of order: it was changed by hand; use an earlier run's")]
    Order {
        /// Where.
        id: ThemeId,
    },
    /// With edits made by hand applied.
    #[error("the ledger holds {id} by hand: carry on the ledger as found, not the curated one")]
    Curated {
        /// A theme that was not found but made.
        id: ThemeId,
    },
    /// Nights out of order.
    #[error("tonight is {tonight} but the ledger is already at {ledger}: carry on an earlier run's")]
    NotLater {
        /// The ledger's night.
        ledger: String,
        /// Tonight.
        tonight: String,
    },
    /// A conversation occurs twice.
    #[error("conversation `{conversation}` is given twice for {night}: each needs one place")]
    Duplicate {
        /// The conversation.
        conversation: String,
        /// Which list.
        night: &'static str,
    },
    /// A conversation is in a cluster that does not exist.
    #[error("conversation `{conversation}` is in cluster {cluster} of {clusters}")]
    Cluster {
        /// The conversation.
        conversation: String,
        /// Its cluster.
        cluster: u32,
        /// How many there are.
        clusters: usize,
    },
    /// A centroid of another length, or not finite.
    #[error("the centroid of cluster {cluster} has {found} finite values, others have {expected}")]
    Centroid {
        /// Its cluster.
        cluster: usize,
        /// Finite values it has.
        found: usize,
        /// Values the others have.
        expected: usize,
    },
}

/// Cosine of unit vectors of one length, -1..=1, to six decimals: JSON carries those unharmed.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    rounded(dot.clamp(-1.0, 1.0))
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::theme) mod world;
