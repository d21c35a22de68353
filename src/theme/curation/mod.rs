//! What people change about themes by hand, kept apart from what is found, applied every night.
//!
//! A [`Curation`] is a log of edits, `themes.curation.json` beside the runs. Clustering and the
//! ledger never see it: they go on with the themes as found, so that two themes merged by hand are
//! found apart, matched apart and merged again each night. [`apply`] turns a night's ledger and
//! assignment into what people want to see.

mod apply;
mod edit;
mod pin;
mod resolve;

use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, State, ThemeId};

pub use apply::{Curated, Skipped, apply};
pub use pin::least_cosine;

/// Version of the curation's JSON. A reader refuses one it does not know.
pub const CURATION_FORMAT: u32 = 1;
/// Parts of themes split by hand are numbered from here, so that a night already under way cannot
/// give the same id to a theme it finds.
pub const FIRST_PART: u32 = 500_000;
/// Themes named in a hint.
const HINTS: usize = 3;

/// All edits, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curation {
    /// [`CURATION_FORMAT`].
    pub format: u32,
    /// The next id for a part of a split theme. Never goes back, not even when an edit is undone.
    pub next_part: ThemeId,
    /// The log.
    pub edits: Vec<Entry>,
}

impl Default for Curation {
    fn default() -> Curation {
        Curation { format: CURATION_FORMAT, next_part: ThemeId::new(FIRST_PART), edits: Vec::new() }
    }
}

/// One edit and the night it was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Night of the ledger that the person looked at.
    pub at: String,
    /// What they did.
    #[serde(flatten)]
    pub edit: Edit,
}

/// What people can do to a theme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "lowercase")]
pub enum Edit {
    /// Call it so from now on.
    Rename {
        /// The theme.
        theme: ThemeId,
        /// Its name, not blank.
        name: String,
    },
    /// Put its conversations, tonight's and later ones, into another.
    Merge {
        /// The theme that goes.
        theme: ThemeId,
        /// The theme that stays.
        into: ThemeId,
    },
    /// Put each of its conversations into the nearest of its parts.
    Split {
        /// The theme that goes.
        theme: ThemeId,
        /// The themes in its place, at least two.
        parts: Vec<Part>,
        /// Hash of the model whose vectors the centroids are.
        model: String,
    },
    /// Keep it as it is: conversations near this centroid stay in it, whatever is found.
    Pin {
        /// The theme.
        theme: ThemeId,
        /// Its centroid when it was pinned, `d` values of unit length.
        centroid: Vec<f32>,
        /// Cosine from which a conversation is in it, -1..=1; see [`least_cosine`].
        least_cosine: f64,
        /// Hash of the model whose vectors the centroid is.
        model: String,
    },
    /// Let it go its way again.
    Unpin {
        /// The theme.
        theme: ThemeId,
    },
    /// Do not show it.
    Hide {
        /// The theme.
        theme: ThemeId,
    },
    /// Show it again.
    Unhide {
        /// The theme.
        theme: ThemeId,
    },
}

/// A theme that came from a split by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Permanent, from [`FIRST_PART`] on.
    pub id: ThemeId,
    /// Direction of its mean when it was split off, `d` values of unit length.
    pub centroid: Vec<f32>,
}

impl Edit {
    /// The theme it is about.
    pub fn theme(&self) -> ThemeId {
        match self {
            Edit::Rename { theme, .. }
            | Edit::Merge { theme, .. }
            | Edit::Split { theme, .. }
            | Edit::Pin { theme, .. }
            | Edit::Unpin { theme }
            | Edit::Hide { theme }
            | Edit::Unhide { theme } => *theme,
        }
    }
}

/// An edit that cannot be made, or a curation that does not fit the ledger.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CurationError {
    /// Written by another version.
    #[error("the curation has format {found}, this version reads {CURATION_FORMAT}")]
    Format {
        /// The format it has.
        found: u32,
    },
    /// No such theme.
    #[error("there is no theme {wanted}{}", hint(.nearest))]
    Unknown {
        /// As it was given.
        wanted: String,
        /// The nearest there are, each `t-000017 (name)`.
        nearest: Vec<String>,
    },
    /// Merged into itself.
    #[error("{theme} cannot be merged into itself")]
    IntoItself {
        /// The theme.
        theme: ThemeId,
    },
    /// Merged into a theme that was merged into it.
    #[error(
        "{theme} cannot be merged into {into}, which was merged into {theme} itself; undo that merge first"
    )]
    Cycle {
        /// The theme to go.
        theme: ThemeId,
        /// The theme to stay.
        into: ThemeId,
    },
    /// The theme was merged or split before.
    #[error("{theme} was replaced by {}: use that instead, or undo the edit", list(.by))]
    Replaced {
        /// The theme.
        theme: ThemeId,
        /// Where its conversations are now.
        by: Vec<ThemeId>,
    },
    /// A blank name.
    #[error("the new name of {theme} is blank")]
    BlankName {
        /// The theme.
        theme: ThemeId,
    },
    /// A name that another theme has.
    #[error("{holder} is already called `{name}`: choose another name, or merge the two")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        holder: ThemeId,
    },
    /// Not a split.
    #[error("{theme} cannot be split: {reason}")]
    Parts {
        /// The theme.
        theme: ThemeId,
        /// What is wrong.
        reason: String,
    },
    /// Nothing to measure on.
    #[error("{theme} has no conversations in this run, so there is nothing to {action}")]
    NoMembers {
        /// The theme.
        theme: ThemeId,
        /// What was to be done.
        action: &'static str,
    },
    /// Rows and vectors are not of the same conversations.
    #[error("{vectors} vectors for {rows} conversations: each needs one")]
    Rows {
        /// Conversations given.
        rows: usize,
        /// Vectors given.
        vectors: usize,
    },
}

fn hint(nearest: &[String]) -> String {
    if nearest.is_empty() {
        "; there are none yet".into()
    } else {
        format!("; nearest: {}", nearest.join(", "))
    }
}

fn list(ids: &[ThemeId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// The theme that a person means by an id (`t-000017`, `17`) or by a name, capitals aside.
///
/// Give it the curated ledger, which is what the person sees.
///
/// # Errors
/// [`CurationError::Unknown`], naming the nearest by number, or by words in common.
pub fn find(ledger: &Ledger, wanted: &str) -> Result<ThemeId, CurationError> {
    let wanted = wanted.trim();
    let lower = wanted.to_lowercase();
    let named = ledger.themes.iter().filter(|theme| theme.name.to_lowercase() == lower);
    if let Some(theme) = named.max_by_key(|theme| theme.state == State::Active) {
        return Ok(theme.id);
    }
    match wanted.parse::<ThemeId>() {
        Ok(id) if ledger.theme(id).is_some() => Ok(id),
        Ok(id) => Err(unknown(id, ledger.themes.iter().map(|theme| (theme.id, theme.name.as_str())))),
        Err(_) => Err(unknown_name(wanted, &lower, ledger)),
    }
}

fn unknown_name(wanted: &str, lower: &str, ledger: &Ledger) -> CurationError {
    let shared = |name: &str| {
        let name = name.to_lowercase();
        lower.split_whitespace().filter(|word| name.split_whitespace().any(|other| other == *word)).count()
    };
    let mut near: Vec<_> = ledger.active().map(|theme| (shared(&theme.name), theme)).collect();
    near.sort_by_key(|(shared, theme)| (std::cmp::Reverse(*shared), std::cmp::Reverse(theme.size), theme.id));
    let nearest =
        near.iter().take(HINTS).map(|(_, theme)| format!("{} ({})", theme.id, theme.name)).collect();
    CurationError::Unknown { wanted: format!("`{wanted}`"), nearest }
}

fn unknown<'a>(id: ThemeId, known: impl Iterator<Item = (ThemeId, &'a str)>) -> CurationError {
    let mut near: Vec<(ThemeId, &str)> = known.collect();
    near.sort_by_key(|(other, _)| (other.number().abs_diff(id.number()), *other));
    let shown = |(id, name): &(ThemeId, &str)| {
        if name.is_empty() { id.to_string() } else { format!("{id} ({name})") }
    };
    CurationError::Unknown { wanted: id.to_string(), nearest: near.iter().take(HINTS).map(shown).collect() }
}

#[cfg(test)]
mod tests;
