//! Making edits: checked against the run's ledger before they enter the log.

use ndarray::{ArrayView1, ArrayView2};

use super::resolve::Resolved;
use super::{Curation, CurationError, Edit, Entry, Part, least_cosine};
use crate::theme::ledger::{Ledger, ThemeId};

impl Curation {
    /// Calls a theme `name` from now on.
    ///
    /// # Errors
    /// An unknown or replaced theme, a blank name, or one that another theme has.
    pub fn rename(&mut self, ledger: &Ledger, theme: ThemeId, name: &str) -> Result<(), CurationError> {
        if let Some(holder) = Resolved::replay(ledger, self)?.holder(ledger, theme, name) {
            return Err(CurationError::NameTaken { name: name.trim().to_owned(), holder });
        }
        self.push(ledger, Edit::Rename { theme, name: name.trim().to_owned() })
    }

    /// Puts the conversations of `theme`, these and later ones, into `into`.
    ///
    /// # Errors
    /// Unknown or replaced themes, a theme into itself, or into one that was merged into it.
    pub fn merge(&mut self, ledger: &Ledger, theme: ThemeId, into: ThemeId) -> Result<(), CurationError> {
        self.push(ledger, Edit::Merge { theme, into })
    }

    /// Splits a theme in the parts that `sub_labels` names, and returns the new ids, by label.
    ///
    /// `members` are the vectors of its conversations, `(m, d)` unit rows ordered by conversation
    /// id, and `sub_labels` their `m` labels `0..parts`, none empty: of a further 2-means, say.
    /// Later conversations go to the part whose centroid is nearest.
    ///
    /// # Errors
    /// An unknown or replaced theme, no members, or labels that make no two parts.
    pub fn split(
        &mut self,
        ledger: &Ledger,
        theme: ThemeId,
        members: ArrayView2<'_, f32>,
        sub_labels: &[u32],
    ) -> Result<Vec<ThemeId>, CurationError> {
        if members.nrows() == 0 {
            return Err(CurationError::NoMembers { theme, action: "split" });
        }
        if members.nrows() != sub_labels.len() {
            return Err(CurationError::Rows { rows: sub_labels.len(), vectors: members.nrows() });
        }
        let count = sub_labels.iter().max().map_or(0, |most| *most as usize + 1);
        let most = members.nrows();
        if count > most || (0..count as u32).any(|label| !sub_labels.contains(&label)) {
            let reason = "its parts must be numbered from 0 without gaps".to_owned();
            return Err(CurationError::Parts { theme, reason });
        }
        let mut next = self.next_part;
        let mut parts = Vec::with_capacity(count);
        for label in 0..count as u32 {
            let rows = members.rows().into_iter().zip(sub_labels).filter(|(_, l)| **l == label);
            parts.push(Part { id: next, centroid: direction(rows.map(|(row, _)| row), members.ncols()) });
            next = next.next();
        }
        let ids = parts.iter().map(|part| part.id).collect();
        self.push(ledger, Edit::Split { theme, parts, model: ledger.model.clone() })?;
        self.next_part = next;
        Ok(ids)
    }

    /// Keeps a theme as it is tonight.
    ///
    /// `vectors` are the run's conversation vectors, `(n, d)` unit rows in any order, and
    /// `is_member` tells which of the `n` are in the theme; see [`least_cosine`].
    ///
    /// # Errors
    /// An unknown or replaced theme, or one without members.
    pub fn pin(
        &mut self,
        ledger: &Ledger,
        theme: ThemeId,
        centroid: &[f32],
        vectors: ArrayView2<'_, f32>,
        is_member: &[bool],
    ) -> Result<(), CurationError> {
        if vectors.nrows() != is_member.len() {
            return Err(CurationError::Rows { rows: is_member.len(), vectors: vectors.nrows() });
        }
        let found = least_cosine(centroid, vectors, is_member);
        let least_cosine = found.ok_or(CurationError::NoMembers { theme, action: "pin" })?;
        let centroid = centroid.to_vec();
        self.push(ledger, Edit::Pin { theme, centroid, least_cosine, model: ledger.model.clone() })
    }

    /// Adds an edit that needs nothing measured: unpin, hide, unhide, or one from elsewhere.
    ///
    /// # Errors
    /// One that does not fit the ledger and the edits before it.
    pub fn push(&mut self, ledger: &Ledger, edit: Edit) -> Result<(), CurationError> {
        Resolved::replay(ledger, self)?.accept(&edit, self.edits.len())?;
        self.edits.push(Entry { at: ledger.night.clone(), edit });
        Ok(())
    }

    /// Takes back the newest edit and returns it. Ids it gave stay given.
    pub fn undo(&mut self) -> Option<Entry> {
        self.edits.pop()
    }
}

/// Direction of the rows' mean, `d` values of unit length; zeros when it cancels out. Summed in
/// double precision and the order given.
pub(super) fn direction<'a>(rows: impl Iterator<Item = ArrayView1<'a, f32>>, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0f64; dimensions];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if norm > 1e-9 { norm.recip() } else { 0.0 };
    sum.into_iter().map(|value| (value * scale) as f32).collect()
}
