//! The edits applied on top of a night.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayView1, ArrayView2, aview1};
use serde::{Deserialize, Serialize};

use super::edit::direction;
use super::resolve::Resolved;
use super::{Curation, CurationError, Edit, Entry, Part, unknown};
use crate::theme::ledger::{Edits, Event, Ledger, LedgerTheme, Member, State, ThemeId};

/// A night as people want to see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curated {
    /// With the edits marked, sizes, states, names and centroids brought up to date, and the parts
    /// of split themes added.
    pub ledger: Ledger,
    /// The theme of each row, in the order given.
    pub assignment: Vec<Option<ThemeId>>,
    /// Edits that could not be applied and why.
    pub skipped: Vec<Skipped>,
}

/// An edit that rests on vectors of another model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The theme.
    pub theme: ThemeId,
    /// Why, and what to do.
    pub reason: String,
}

/// Applies `curation` to a night: `rows` are its conversations, each once, with the theme found for
/// them, and `vectors` theirs, `(n, d)` unit rows in the same order.
///
/// First each row within reach of a pinned centroid goes to the nearest such theme; then merges
/// and splits are followed in the order they were made; then names and hiding. A pin holds its rows;
/// it does not keep out others that clustering finds with them. Applied to its own
/// result it changes nothing, and the order of rows changes nothing.
///
/// # Errors
/// A theme, in the rows or the edits, that the ledger does not have; edits that contradict each
/// other; rows and vectors that do not match.
pub fn apply(
    ledger: &Ledger,
    rows: &[Member<'_>],
    vectors: ArrayView2<'_, f32>,
    curation: &Curation,
) -> Result<Curated, CurationError> {
    if vectors.nrows() != rows.len() {
        return Err(CurationError::Rows { rows: rows.len(), vectors: vectors.nrows() });
    }
    let resolved = Resolved::replay(ledger, curation)?;
    if let Some(id) = rows.iter().filter_map(|row| row.1).find(|id| ledger.theme(*id).is_none()) {
        return Err(unknown(id, ledger.themes.iter().map(|theme| (theme.id, theme.name.as_str()))));
    }
    let (steps, skipped) = Steps::read(ledger, curation, &resolved);
    let assignment: Vec<Option<ThemeId>> =
        rows.iter().zip(vectors.rows()).map(|(row, vector)| steps.follow(row.1, vector)).collect();
    let themes = Themes::tally(ledger, rows, vectors, &assignment);
    let themes = themes.brought_up_to_date(&steps, &resolved);
    Ok(Curated { ledger: Ledger { themes, ..ledger.clone() }, assignment, skipped })
}

impl Curated {
    /// The night's events without those that the edits made untrue or nobody's business: of hidden
    /// and replaced themes, and the end of a theme that a pin keeps.
    pub fn events<'a>(&self, events: &'a [Event]) -> Vec<&'a Event> {
        let is_told = |event: &&Event| {
            let Some(theme) = self.ledger.theme(event.theme()) else { return true };
            let kept = matches!(event, Event::Retired { .. }) && theme.edits.pinned;
            !theme.edits.hidden && theme.state != State::Replaced && !kept
        };
        events.iter().filter(is_told).collect()
    }
}

/// A pin in force.
struct Attractor<'a> {
    theme: ThemeId,
    centroid: &'a [f32],
    least_cosine: f64,
}

/// What happens to a row.
enum Step<'a> {
    Merge { theme: ThemeId, into: ThemeId },
    Split { theme: ThemeId, parts: &'a [Part], at: &'a str },
}

/// What happens to every row, in order.
struct Steps<'a> {
    attractors: Vec<Attractor<'a>>,
    steps: Vec<Step<'a>>,
}

impl<'a> Steps<'a> {
    fn read(ledger: &Ledger, curation: &'a Curation, resolved: &Resolved) -> (Steps<'a>, Vec<Skipped>) {
        let (mut attractors, mut steps, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        // Parts of splits that are skipped: edits that build on them cannot be applied either.
        let mut absent = BTreeSet::new();
        let stale =
            |done: &str, again: &str| format!("{done} with another model's vectors; {again} it again");
        for (place, Entry { at, edit }) in curation.edits.iter().enumerate() {
            let theme = edit.theme();
            let into = if let Edit::Merge { into, .. } = edit { *into } else { theme };
            let reason = match edit {
                Edit::Pin { .. } if resolved.pin(theme) != Some(place) => continue,
                _ if absent.contains(&theme) || absent.contains(&into) => {
                    "builds on a split that was skipped".into()
                }
                Edit::Split { model, .. } if *model != ledger.model => stale("split", "split"),
                Edit::Pin { model, .. } if *model != ledger.model => stale("pinned", "pin"),
                Edit::Merge { into, .. } => {
                    steps.push(Step::Merge { theme, into: *into });
                    continue;
                }
                Edit::Split { parts, .. } => {
                    steps.push(Step::Split { theme, parts, at });
                    continue;
                }
                Edit::Pin { centroid, least_cosine, .. } => {
                    attractors.push(Attractor { theme, centroid, least_cosine: *least_cosine });
                    continue;
                }
                _ => continue,
            };
            if let Edit::Split { parts, .. } = edit {
                absent.extend(parts.iter().map(|part| part.id));
            }
            skipped.push(Skipped { theme, reason });
        }
        attractors.sort_by_key(|attractor| attractor.theme);
        (Steps { attractors, steps }, skipped)
    }

    fn follow(&self, found: Option<ThemeId>, vector: ArrayView1<'_, f32>) -> Option<ThemeId> {
        let mut theme = self.attracted(vector).or(found)?;
        for step in &self.steps {
            match step {
                Step::Merge { theme: from, into } if *from == theme => theme = *into,
                Step::Split { theme: from, parts, .. } if *from == theme => {
                    theme = nearest_part(parts, vector).unwrap_or(theme);
                }
                _ => {}
            }
        }
        Some(theme)
    }

    /// The pinned theme with the highest cosine of those in whose reach the row is.
    fn attracted(&self, vector: ArrayView1<'_, f32>) -> Option<ThemeId> {
        let mut best: Option<(f64, ThemeId)> = None;
        for pin in self.attractors.iter().filter(|pin| pin.centroid.len() == vector.len()) {
            let cosine = f64::from(vector.dot(&aview1(pin.centroid)));
            if cosine >= pin.least_cosine && best.is_none_or(|(most, _)| cosine > most) {
                best = Some((cosine, pin.theme));
            }
        }
        best.map(|(_, theme)| theme)
    }
}

fn nearest_part(parts: &[Part], vector: ArrayView1<'_, f32>) -> Option<ThemeId> {
    let mut best: Option<(f32, ThemeId)> = None;
    for part in parts.iter().filter(|part| part.centroid.len() == vector.len()) {
        let cosine = vector.dot(&aview1(&part.centroid));
        if best.is_none_or(|(most, _)| cosine > most) {
            best = Some((cosine, part.id));
        }
    }
    best.map(|(_, id)| id)
}

/// Who is in which theme now.
struct Themes<'a> {
    ledger: &'a Ledger,
    sizes: BTreeMap<ThemeId, u64>,
    /// New directions of the themes that rows joined or left.
    moved: BTreeMap<ThemeId, Vec<f32>>,
}

impl<'a> Themes<'a> {
    fn tally(
        ledger: &'a Ledger,
        rows: &[Member<'_>],
        vectors: ArrayView2<'_, f32>,
        assignment: &[Option<ThemeId>],
    ) -> Themes<'a> {
        let mut sizes = BTreeMap::new();
        assignment.iter().flatten().for_each(|theme| *sizes.entry(*theme).or_insert(0) += 1);
        let differ = rows.iter().zip(assignment).filter(|(row, now)| row.1 != **now);
        let changed: BTreeSet<ThemeId> =
            differ.flat_map(|(row, now)| row.1.into_iter().chain(*now)).collect();
        // By conversation, as sums of floats hang on their order.
        let mut order: Vec<usize> = (0..rows.len())
            .filter(|&row| assignment[row].is_some_and(|theme| changed.contains(&theme)))
            .collect();
        order.sort_by(|&a, &b| rows[a].0.cmp(rows[b].0));
        let mut members: BTreeMap<ThemeId, Vec<usize>> = BTreeMap::new();
        for row in order {
            if let Some(theme) = assignment[row] {
                members.entry(theme).or_default().push(row);
            }
        }
        let centre = |rows: Vec<usize>| direction(rows.iter().map(|&row| vectors.row(row)), vectors.ncols());
        let moved = members.into_iter().map(|(theme, rows)| (theme, centre(rows))).collect();
        Themes { ledger, sizes, moved }
    }

    fn brought_up_to_date(&self, steps: &Steps<'_>, resolved: &Resolved) -> Vec<LedgerTheme> {
        let mut themes: BTreeMap<ThemeId, LedgerTheme> =
            self.ledger.themes.iter().map(|theme| (theme.id, theme.clone())).collect();
        self.add_parts(steps, resolved, &mut themes);
        let split: BTreeSet<ThemeId> = steps
            .steps
            .iter()
            .map(|step| match step {
                Step::Merge { theme, .. } | Step::Split { theme, .. } => *theme,
            })
            .collect();
        for (id, theme) in &mut themes {
            let pin = steps.attractors.iter().find(|pin| pin.theme == *id);
            self.count(theme, pin, split.contains(id));
            mark(theme, resolved, pin.is_some(), split.contains(id));
        }
        let mut themes: Vec<LedgerTheme> = themes.into_values().collect();
        give_way(&mut themes);
        themes
    }

    /// Parts that the ledger does not have yet, called after the theme they are from.
    fn add_parts(&self, steps: &Steps<'_>, resolved: &Resolved, themes: &mut BTreeMap<ThemeId, LedgerTheme>) {
        for step in &steps.steps {
            let Step::Split { theme, parts, at } = step else { continue };
            let named = resolved.standings.get(theme).and_then(|standing| standing.name.clone());
            let whole = named.or_else(|| themes.get(theme).map(|whole| whole.name.clone()));
            let whole = whole.unwrap_or_else(|| theme.to_string());
            for (part, number) in parts.iter().zip(1..) {
                let name = format!("{whole}, part {number}");
                themes.entry(part.id).or_insert_with(|| LedgerTheme {
                    id: part.id,
                    name: name.clone(),
                    automatic_name: name,
                    edits: Edits::default(),
                    state: State::Active,
                    size: 0,
                    first_seen: (*at).to_owned(),
                    last_seen: (*at).to_owned(),
                    centroid: part.centroid.clone(),
                });
            }
        }
    }

    /// Size, state and centroid from who is in it now.
    fn count(&self, theme: &mut LedgerTheme, pin: Option<&Attractor<'_>>, is_replaced: bool) {
        let size = self.sizes.get(&theme.id).copied().unwrap_or(0);
        if is_replaced {
            (theme.state, theme.size) = (State::Replaced, 0);
        } else if size > 0 || pin.is_some() {
            (theme.state, theme.size) = (State::Active, size);
        } else if theme.state == State::Active {
            (theme.state, theme.size) = (State::Retired, 0);
        }
        if size > 0 {
            theme.last_seen.clone_from(&self.ledger.night);
        }
        if let Some(moved) = self.moved.get(&theme.id) {
            theme.centroid.clone_from(moved);
        }
        if let Some(pin) = pin {
            theme.centroid = pin.centroid.to_vec();
        }
    }
}

/// What people did to it, and the name they gave it.
fn mark(theme: &mut LedgerTheme, resolved: &Resolved, pinned: bool, is_replaced: bool) {
    let Some(standing) = resolved.standings.get(&theme.id) else { return };
    let by = if is_replaced { standing.replaced_by.as_slice() } else { &[] };
    theme.edits = Edits {
        name: standing.name.clone(),
        pinned,
        hidden: standing.hidden,
        merged_into: by.first().copied().filter(|_| standing.merged),
        split_into: if standing.merged { Vec::new() } else { by.to_vec() },
    };
    if let Some(name) = &standing.name {
        theme.name.clone_from(name);
    }
}

/// Where a name found is one that people gave to another theme, the one found takes its id along.
fn give_way(themes: &mut [LedgerTheme]) {
    let live = |theme: &&LedgerTheme| theme.state == State::Active;
    let given: BTreeSet<String> =
        themes.iter().filter(live).filter_map(|theme| theme.edits.name.clone()).collect();
    for theme in themes.iter_mut().filter(|theme| theme.edits.name.is_none()) {
        if given.contains(&theme.name) {
            theme.name = format!("{} ({})", theme.name, theme.id);
        }
    }
}
