//! One night: match, give ids, log.

use std::collections::BTreeSet;

use super::matching::{Cosines, Match, is_part, is_source, match_up};
use super::overlap::Overlap;
use super::{
    Cluster, Edits, Event, Evidence, Flow, LEDGER_FORMAT, Ledger, LedgerError, LedgerTheme, Member, Night,
    State, ThemeId, cosine, rounded,
};

/// The ledger after a night.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// As of tonight.
    pub ledger: Ledger,
    /// What happened, by kind (`continued`, `born`, `split`, `merged`, `retired`), then by theme.
    pub events: Vec<Event>,
    /// The permanent id of each of tonight's clusters 0..k.
    pub ids: Vec<ThemeId>,
}

impl Advance {
    /// By cluster, the name its theme has from before; `None` for those born tonight.
    pub fn kept_names(&self) -> Vec<Option<&str>> {
        let kept = |id: &ThemeId| {
            let theme = self.ledger.theme(*id)?;
            (theme.first_seen != self.ledger.night).then_some(theme.name.as_str())
        };
        self.ids.iter().map(kept).collect()
    }

    /// Calls tonight's clusters: `names` holds, by cluster, a name and an automatic one. Themes from before
    /// take the latter only. The names of those born must be unlike the ones from before.
    pub fn call(&mut self, names: &[(&str, &str)]) {
        for (id, (name, automatic)) in self.ids.iter().zip(names) {
            let Ok(place) = self.ledger.themes.binary_search_by_key(id, |theme| theme.id) else { continue };
            let theme = &mut self.ledger.themes[place];
            (*automatic).clone_into(&mut theme.automatic_name);
            if theme.first_seen == self.ledger.night {
                (*name).clone_into(&mut theme.name);
            }
        }
    }
}

/// Carries `last`, with each conversation's place last night, on through tonight.
///
/// Neither the order of conversations nor the numbering of clusters changes the ledger or the
/// events. `O(n log n)` for n conversations, plus `O(t^2 k)` for t themes ever and k clusters.
///
/// # Errors
/// See [`LedgerError`].
pub fn advance(last: &Ledger, members: &[Member<'_>], tonight: &Night<'_>) -> Result<Advance, LedgerError> {
    last.validate()?;
    check(last, tonight)?;
    let themes: Vec<ThemeId> = last.themes.iter().map(|theme| theme.id).collect();
    let active: Vec<bool> = last.themes.iter().map(|theme| theme.state == State::Active).collect();
    let overlap = Overlap::count(&themes, members, tonight.members, tonight.clusters.len())?;
    let cosines = cosines(last, tonight);
    let order = overlap.canonical_order();
    let matches = match_up(&overlap, &cosines, &active, &order);
    let (ids, next_id) = give_ids(last, &matches, &order);
    let log = Log { last, overlap: &overlap, cosines: &cosines, matches: &matches, ids: &ids };
    let events = log.events();
    let ledger = Ledger {
        format: LEDGER_FORMAT,
        night: tonight.date.to_owned(),
        model: tonight.model.to_owned(),
        next_id,
        themes: themes_of(last, tonight, &overlap, &ids),
    };
    Ok(Advance { ledger, events, ids })
}

fn check(last: &Ledger, tonight: &Night<'_>) -> Result<(), LedgerError> {
    if tonight.date <= last.night.as_str() {
        return Err(LedgerError::NotLater { ledger: last.night.clone(), tonight: tonight.date.to_owned() });
    }
    let expected = tonight.clusters.first().map_or(0, |cluster| cluster.centroid.len());
    for (cluster, Cluster { centroid, .. }) in tonight.clusters.iter().enumerate() {
        let found = centroid.iter().filter(|value| value.is_finite()).count();
        if found != expected || centroid.len() != expected {
            return Err(LedgerError::Centroid { cluster, found, expected });
        }
    }
    Ok(())
}

/// Matched clusters take the old id, the others new ones in their canonical order.
fn give_ids(last: &Ledger, matches: &[Match], order: &[usize]) -> (Vec<ThemeId>, ThemeId) {
    let mut next = last.next_id;
    let mut ids = vec![next; matches.len()];
    for &cluster in order {
        ids[cluster] = match matches[cluster].theme() {
            Some(theme) => last.themes[theme].id,
            None => {
                let fresh = next;
                next = next.next();
                fresh
            }
        };
    }
    (ids, next)
}

fn cosines(last: &Ledger, tonight: &Night<'_>) -> Cosines {
    let same_model = last.model == tonight.model;
    let row = |theme: &LedgerTheme| {
        let cosine = |cluster: &Cluster<'_>| {
            let comparable = same_model && theme.centroid.len() == cluster.centroid.len();
            comparable.then(|| cosine(&theme.centroid, cluster.centroid))
        };
        tonight.clusters.iter().map(cosine).collect()
    };
    last.themes.iter().map(row).collect()
}

/// Last night's themes brought up to date, and the new ones.
fn themes_of(last: &Ledger, tonight: &Night<'_>, overlap: &Overlap, ids: &[ThemeId]) -> Vec<LedgerTheme> {
    let was_active = |theme: &&LedgerTheme| theme.state == State::Active && ids.contains(&theme.id);
    let mut names: BTreeSet<String> =
        last.themes.iter().filter(was_active).map(|theme| theme.name.clone()).collect();
    let mut themes = Vec::with_capacity(last.themes.len());
    for theme in &last.themes {
        let Some(cluster) = ids.iter().position(|id| *id == theme.id) else {
            let state = if theme.state == State::Active { State::Retired } else { theme.state };
            // A centroid of another model points nowhere in tonight's space.
            let kept = last.model == tonight.model;
            let centroid = if kept { theme.centroid.clone() } else { Vec::new() };
            themes.push(LedgerTheme { state, centroid, ..theme.clone() });
            continue;
        };
        let back = theme.state != State::Active;
        let name = if back { unique(&theme.name, theme.id, &mut names) } else { theme.name.clone() };
        themes.push(LedgerTheme {
            name,
            edits: theme.edits.clone(),
            first_seen: theme.first_seen.clone(),
            ..seen(theme.id, cluster, tonight, overlap)
        });
    }
    let mut fresh: Vec<usize> = (0..ids.len()).filter(|&cluster| ids[cluster] >= last.next_id).collect();
    fresh.sort_by_key(|&cluster| ids[cluster]);
    for cluster in fresh {
        let theme = seen(ids[cluster], cluster, tonight, overlap);
        let name = unique(&theme.automatic_name, theme.id, &mut names);
        themes.push(LedgerTheme { name, ..theme });
    }
    themes
}

/// A cluster as a theme that has no past.
fn seen(id: ThemeId, cluster: usize, tonight: &Night<'_>, overlap: &Overlap) -> LedgerTheme {
    let found = tonight.clusters[cluster];
    LedgerTheme {
        id,
        name: found.name.to_owned(),
        automatic_name: found.name.to_owned(),
        edits: Edits::default(),
        state: State::Active,
        size: overlap.size(cluster),
        first_seen: tonight.date.to_owned(),
        last_seen: tonight.date.to_owned(),
        centroid: found.centroid.to_vec(),
    }
}

/// The name, with the id where another theme has it already.
fn unique(name: &str, id: ThemeId, names: &mut BTreeSet<String>) -> String {
    let name = if names.contains(name) { format!("{name} ({id})") } else { name.to_owned() };
    names.insert(name.clone());
    name
}

/// What the events are read from: old themes are rows, tonight's clusters columns.
struct Log<'a> {
    last: &'a Ledger,
    overlap: &'a Overlap,
    cosines: &'a Cosines,
    matches: &'a [Match],
    ids: &'a [ThemeId],
}

impl Log<'_> {
    fn events(&self) -> Vec<Event> {
        let (themes, clusters) = (0..self.last.themes.len(), 0..self.ids.len());
        let mut events = Vec::new();
        let mut parts = BTreeSet::new();
        let mut gone: BTreeSet<usize> = themes.clone().filter(|&theme| self.is_gone(theme)).collect();
        for theme in themes.filter(|&theme| self.last.themes[theme].state == State::Active) {
            let into: Vec<usize> = clusters.clone().filter(|&c| is_part(self.overlap, theme, c)).collect();
            if into.len() >= 2 {
                events.push(self.split(theme, &into));
                parts.extend(into);
                gone.remove(&theme);
            }
        }
        for cluster in clusters.clone() {
            let sources = self.sources(cluster, &gone);
            if sources.len() >= 2 {
                events.push(self.merged(cluster, &sources));
                sources.iter().for_each(|theme| {
                    gone.remove(theme);
                });
            }
        }
        for cluster in clusters {
            match self.matches[cluster] {
                Match::Members(theme) => events.push(self.continued(theme, cluster, Evidence::Members)),
                Match::Centroid(theme) => events.push(self.continued(theme, cluster, Evidence::Centroid)),
                Match::Nothing if parts.contains(&cluster) => {}
                Match::Nothing => events.push(self.born(cluster)),
            }
        }
        events.extend(gone.into_iter().map(|theme| self.retired(theme)));
        events.sort_by_key(Event::place);
        events
    }

    fn is_gone(&self, theme: usize) -> bool {
        self.last.themes[theme].state == State::Active
            && !self.matches.iter().any(|found| found.theme() == Some(theme))
    }

    /// Themes that this cluster swallowed, and the one it carries on.
    fn sources(&self, cluster: usize, gone: &BTreeSet<usize>) -> Vec<usize> {
        let own = self.matches[cluster].theme();
        let mut sources: Vec<usize> =
            gone.iter().copied().filter(|&theme| is_source(self.overlap, theme, cluster)).collect();
        sources.extend(own.filter(|&theme| self.overlap.common(theme, cluster) > 0));
        sources
    }

    fn flow(&self, theme: usize, cluster: usize, other: ThemeId) -> Flow {
        Flow {
            theme: other,
            common: self.overlap.common(theme, cluster),
            of_old: rounded(self.overlap.of_old(theme, cluster)),
            of_new: rounded(self.overlap.of_new(theme, cluster)),
            cosine: self.cosines[theme][cluster],
        }
    }

    fn continued(&self, theme: usize, cluster: usize, by: Evidence) -> Event {
        let old = &self.last.themes[theme];
        let returned_from = (old.state == State::Retired).then(|| old.last_seen.clone());
        Event::Continued { theme: old.id, by, flow: self.flow(theme, cluster, old.id), returned_from }
    }

    fn split(&self, theme: usize, into: &[usize]) -> Event {
        let mut parts: Vec<Flow> = into.iter().map(|&c| self.flow(theme, c, self.ids[c])).collect();
        sort_flows(&mut parts);
        Event::Split { theme: self.last.themes[theme].id, parts }
    }

    fn merged(&self, cluster: usize, sources: &[usize]) -> Event {
        let mut flows: Vec<Flow> =
            sources.iter().map(|&theme| self.flow(theme, cluster, self.last.themes[theme].id)).collect();
        sort_flows(&mut flows);
        Event::Merged { into: self.ids[cluster], sources: flows }
    }

    fn born(&self, cluster: usize) -> Event {
        let flows =
            (0..self.last.themes.len()).map(|theme| self.flow(theme, cluster, self.last.themes[theme].id));
        Event::Born {
            theme: self.ids[cluster],
            size: self.overlap.size(cluster),
            seen_before: self.overlap.held(cluster),
            nearest: nearest(flows),
        }
    }

    fn retired(&self, theme: usize) -> Event {
        let flows = (0..self.ids.len()).map(|cluster| self.flow(theme, cluster, self.ids[cluster]));
        Event::Retired {
            theme: self.last.themes[theme].id,
            still_held: self.overlap.kept(theme),
            nearest: nearest(flows),
        }
    }
}

/// Most conversations first, then the lower id.
fn sort_flows(flows: &mut [Flow]) {
    flows.sort_by_key(|flow| (std::cmp::Reverse(flow.common), flow.theme));
}

/// The flow with most common conversations, then the highest cosine, then the lower id.
fn nearest(flows: impl Iterator<Item = Flow>) -> Option<Flow> {
    let known = |flow: &Flow| flow.common > 0 || flow.cosine.is_some();
    let cosine = |flow: &Flow| flow.cosine.unwrap_or(-2.0);
    flows.filter(known).max_by(|a, b| {
        a.common
            .cmp(&b.common)
            .then_with(|| cosine(a).total_cmp(&cosine(b)))
            .then_with(|| b.theme.cmp(&a.theme))
    })
}
