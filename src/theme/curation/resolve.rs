//! The log of edits, read from the oldest to the newest and checked against a ledger.

use std::collections::BTreeMap;

use super::{CURATION_FORMAT, Curation, CurationError, Edit, unknown};
use crate::theme::ledger::{Ledger, State, ThemeId};

/// What the log makes of one theme.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The name people gave it.
    pub name: Option<String>,
    /// The ledger's name, for hints; empty for parts.
    pub found_name: String,
    /// Not to be shown.
    pub hidden: bool,
    /// Place in the log of the pin in force.
    pub pin: Option<usize>,
    /// Where its conversations are now.
    pub replaced_by: Vec<ThemeId>,
    /// Replaced by a merge, not by a split.
    pub merged: bool,
}

/// What the log makes of every theme.
pub(super) struct Resolved {
    pub standings: BTreeMap<ThemeId, Standing>,
}

impl Resolved {
    /// Replays the log.
    ///
    /// # Errors
    /// The first edit that does not fit the ledger and the edits before it.
    pub(super) fn replay(ledger: &Ledger, curation: &Curation) -> Result<Resolved, CurationError> {
        if curation.format != CURATION_FORMAT {
            return Err(CurationError::Format { found: curation.format });
        }
        let standing = |name: &str| Standing { found_name: name.to_owned(), ..Standing::default() };
        let standings = ledger.themes.iter().map(|theme| (theme.id, standing(&theme.name))).collect();
        let mut resolved = Resolved { standings };
        for (place, entry) in curation.edits.iter().enumerate() {
            resolved.accept(&entry.edit, place)?;
        }
        Ok(resolved)
    }

    /// Takes the edit at `place` of the log.
    ///
    /// No edit may be about, or lead to, a theme that an earlier one replaced. So the log never
    /// leads into a theme it leads out of before, and applying it twice is applying it once.
    pub(super) fn accept(&mut self, edit: &Edit, place: usize) -> Result<(), CurationError> {
        let theme = edit.theme();
        self.known(theme)?;
        if let Edit::Merge { into, .. } = edit {
            self.known(*into)?;
            self.check_merge(theme, *into)?;
        }
        self.check_unreplaced(theme)?;
        let mut standing = self.standings.remove(&theme).unwrap_or_default();
        match edit {
            Edit::Rename { name, .. } if name.trim().is_empty() => {
                return Err(CurationError::BlankName { theme });
            }
            Edit::Rename { name, .. } => standing.name = Some(name.trim().to_owned()),
            Edit::Merge { into, .. } => {
                standing.replaced_by = vec![*into];
                standing.merged = true;
                standing.pin = None;
            }
            Edit::Split { parts, .. } => {
                self.add_parts(theme, parts)?;
                standing.replaced_by = parts.iter().map(|part| part.id).collect();
                standing.pin = None;
            }
            Edit::Pin { .. } => standing.pin = Some(place),
            Edit::Unpin { .. } => standing.pin = None,
            Edit::Hide { .. } => standing.hidden = true,
            Edit::Unhide { .. } => standing.hidden = false,
        }
        self.standings.insert(theme, standing);
        Ok(())
    }

    fn add_parts(&mut self, theme: ThemeId, parts: &[super::Part]) -> Result<(), CurationError> {
        let dimensions = parts.first().map_or(0, |part| part.centroid.len());
        if parts.len() < 2 || parts.iter().any(|part| part.centroid.len() != dimensions) {
            let reason = "it takes two parts or more, with centroids of one length".to_owned();
            return Err(CurationError::Parts { theme, reason });
        }
        let mut seen: Vec<ThemeId> = parts.iter().map(|part| part.id).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) || seen.contains(&theme) {
            let reason = "its parts must have ids of their own".to_owned();
            return Err(CurationError::Parts { theme, reason });
        }
        // A curated ledger, to which the log is applied again, lists the parts already.
        for id in seen {
            self.standings.entry(id).or_default();
        }
        Ok(())
    }

    fn known(&self, id: ThemeId) -> Result<(), CurationError> {
        if self.standings.contains_key(&id) {
            return Ok(());
        }
        Err(unknown(id, self.standings.iter().map(|(id, standing)| (*id, standing.shown()))))
    }

    fn check_unreplaced(&self, theme: ThemeId) -> Result<(), CurationError> {
        match self.standings.get(&theme) {
            Some(standing) if !standing.replaced_by.is_empty() => {
                Err(CurationError::Replaced { theme, by: self.ends(theme) })
            }
            _ => Ok(()),
        }
    }

    fn check_merge(&self, theme: ThemeId, into: ThemeId) -> Result<(), CurationError> {
        if theme == into {
            return Err(CurationError::IntoItself { theme });
        }
        if self.ends(into).contains(&theme) && self.standings.get(&into).is_some_and(|s| s.merged) {
            return Err(CurationError::Cycle { theme, into });
        }
        self.check_unreplaced(into)
    }

    /// Place in the log of the pin in force on a theme.
    pub(super) fn pin(&self, theme: ThemeId) -> Option<usize> {
        self.standings.get(&theme).and_then(|standing| standing.pin)
    }

    /// Where a theme's conversations end up: itself when it was not replaced.
    pub(super) fn ends(&self, theme: ThemeId) -> Vec<ThemeId> {
        match self.standings.get(&theme) {
            Some(standing) if !standing.replaced_by.is_empty() => {
                let mut ends: Vec<ThemeId> =
                    standing.replaced_by.iter().flat_map(|next| self.ends(*next)).collect();
                ends.sort_unstable();
                ends.dedup();
                ends
            }
            _ => vec![theme],
        }
    }

    /// Who goes by this name already, other than `theme`, among what is or may come to be seen.
    pub(super) fn holder(&self, ledger: &Ledger, theme: ThemeId, name: &str) -> Option<ThemeId> {
        let name = name.trim().to_lowercase();
        let live = |id: &ThemeId, standing: &Standing| {
            let gone = ledger.theme(*id).is_some_and(|theme| theme.state != State::Active);
            standing.replaced_by.is_empty() && (standing.name.is_some() || !gone)
        };
        let held = |(id, standing): (&ThemeId, &Standing)| {
            (*id != theme && live(id, standing) && standing.shown().to_lowercase() == name).then_some(*id)
        };
        self.standings.iter().find_map(held)
    }
}

impl Standing {
    fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.found_name)
    }
}
