//! What `themes.json` lists: the themes after edits, described by the conversations in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Names, Requests, ThemeEntry};
use crate::theme::curation::{Curated, FIRST_PART};
use crate::theme::ledger::{LedgerTheme, ThemeId};
use crate::theme::{Encode, Given, Theme, ThemeError, describe};

/// Themes with conversations, largest first.
pub fn entries(
    requests: &Requests,
    names: &Names<'_>,
    seen: &Curated,
    encode: &mut Encode<'_>,
) -> Result<Vec<ThemeEntry>, ThemeError> {
    let held: BTreeSet<ThemeId> = seen.assignment.iter().flatten().copied().collect();
    let (shown, bare): (Vec<&LedgerTheme>, Vec<&LedgerTheme>) =
        seen.ledger.active().partition(|theme| held.contains(&theme.id));
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    let labels: BTreeMap<ThemeId, u32> = shown.iter().map(|theme| theme.id).zip(0..).collect();
    let labels: Vec<Option<u32>> =
        seen.assignment.iter().map(|theme| labels.get(theme.as_ref()?).copied()).collect();
    let given = Given {
        kept: shown.iter().map(|theme| (!is_unnamed_part(theme)).then_some(theme.name.as_str())).collect(),
        taken: bare.iter().map(|theme| theme.name.as_str()).collect(),
    };
    let described = describe(names.vectors, names.texts, &labels, names.params, Some(encode), &given)?;
    let entry = |(theme, described): (&&LedgerTheme, Theme)| ThemeEntry {
        id: theme.id.number(),
        theme: theme.id,
        name: described.name,
        automatic_name: described.automatic_name,
        keywords: described.keywords,
        representative: requests.texts[described.representative].clone(),
        representative_conversation: requests.ids[described.representative].clone(),
        conversations: theme.size,
        auc: described.separation.map(|separation| separation.auc),
        auc_against: described.separation.map(|separation| shown[separation.against as usize].id.number()),
        first_seen: theme.first_seen.clone(),
        last_seen: theme.last_seen.clone(),
        pinned: theme.edits.pinned,
        hidden: theme.edits.hidden,
    };
    let mut entries: Vec<ThemeEntry> = shown.iter().zip(described).map(entry).collect();
    entries.sort_by_key(|entry| (std::cmp::Reverse(entry.conversations), entry.id));
    Ok(entries)
}

/// A part of a split is only called "X, part 1" until its conversations say what it is.
fn is_unnamed_part(theme: &LedgerTheme) -> bool {
    theme.edits.name.is_none() && theme.id.number() >= FIRST_PART
}
