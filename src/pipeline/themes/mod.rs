//! Stage `themes`: conversation vectors to themes, the same ones as the night before where they still are.

mod entries;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{ArrayView2, aview1};
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::ledger::{LastNight, Past};
use crate::embed::{EmbedError, Encoder};
use crate::progress::Progress;
use crate::run::{RunDraft, write_json, write_line};
use crate::theme::curation::{Curated, Edit, Skipped, apply};
use crate::theme::ledger::{Advance, Cluster, Event, Night, ThemeId, advance};
use crate::theme::{Encode, Given, K, ThemeError, ThemeParams, Themes, encode_with, find, remembering};
pub use tables::{Requests, load};
use tables::{write_assignments, write_centroids, write_vectors};

/// What the themes stage hands on: the themes themselves, without the rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ThemeSet {
    /// The night, as the ledger has it.
    pub night: String,
    /// The night it carries on; `None` on a first night.
    pub last_night: Option<String>,
    /// Those with conversations, largest first; hidden ones too.
    pub themes: Vec<ThemeEntry>,
    /// Conversations with a vector but in no theme.
    pub noise: u64,
    /// Conversations that the budget `max_outliers` moved out of the noise.
    pub moved: u64,
    /// Conversations without any request.
    pub silent: u64,
    /// How themes were found, one sentence.
    pub method: String,
    /// What happened since the last night, by kind, but for what people hid or changed.
    pub events: BTreeMap<String, Vec<ThemeName>>,
    /// Edits made by hand that could not be applied.
    pub skipped: Vec<Skipped>,
}

/// A theme that something happened to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThemeName {
    /// Permanent.
    pub theme: ThemeId,
    /// Its name, or the last it had.
    pub name: String,
}

/// One theme, as `themes.json` lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThemeEntry {
    /// Permanent number, as in the tables.
    pub id: u32,
    /// The same as people write it, `t-000017`.
    pub theme: ThemeId,
    /// Name: given by people, else as on the night it was born.
    pub name: String,
    /// What tonight's conversations would have it called, had none been given before.
    pub automatic_name: String,
    /// Keywords, strongest first.
    pub keywords: Vec<String>,
    /// The most central request.
    pub representative: String,
    /// The conversation it is from.
    pub representative_conversation: String,
    /// Conversations in it.
    pub conversations: u64,
    /// How well the name alone finds held-out members against those of `auc_against`, 0..=1.
    pub auc: Option<f64>,
    /// The number of the nearest theme.
    pub auc_against: Option<u32>,
    /// Night of its birth.
    pub first_seen: String,
    /// Last night it was there.
    pub last_seen: String,
    /// Kept as it was by people.
    pub pinned: bool,
    /// Not shown, by people's wish.
    pub hidden: bool,
}

/// Which night it is, and what was before.
pub struct Tonight<'a> {
    /// The night.
    pub night: &'a str,
    /// Hash of the model.
    pub model: &'a str,
    /// Earlier nights and edits.
    pub past: &'a Past,
}

/// Reads `staging/scenes.parquet` and the last night; leaves `themes.json`, `ledger.json`, `events.json`,
/// `tune.json`, `assignments/`, `embeddings/conversations.parquet` and `model/`.
pub fn run(
    params: &ThemeParams,
    encoder: impl FnOnce() -> Result<Arc<Encoder>, EmbedError>,
    dimensions: usize,
    tonight: &Tonight<'_>,
    draft: &RunDraft,
    progress: &Progress,
) -> Result<(u64, ThemeSet), PipelineError> {
    let requests = load(draft)?;
    let vectors = requests.matrix(dimensions);
    let texts: Vec<&str> = requests.texts.iter().map(String::as_str).collect();
    let last = tonight.past.last_night(tonight.night);
    let most = if let K::Fixed(k) = params.k { k } else { usize::MAX };
    let warm = last.ledger.warm_start(most, tonight.model);
    let mut found = find(vectors.view(), &texts, params, &warm, progress)?;
    let mut advanced = carry_on(&requests, &found, &last, tonight)?;
    let encoder = if found.themes.is_empty() { None } else { Some(encoder()?) };
    let mut encode = remembering(|texts| match &encoder {
        Some(encoder) => encode_with(encoder.as_ref())(texts),
        None => Err(ThemeError::Encode("there are no themes to name".into())),
    });
    let names = Names { vectors: vectors.view(), texts: &texts, params };
    names.call(&mut found, &mut advanced, tonight, &mut encode)?;
    let Advance { ledger, events, ids } = advanced;
    let placed = found.assignment.iter().map(|cluster| cluster.map(|cluster| ids[cluster as usize]));
    let placed: Vec<Option<ThemeId>> = placed.collect();
    let rows: Vec<_> = requests.ids.iter().map(String::as_str).zip(placed.iter().copied()).collect();
    let seen = apply(&ledger, &rows, vectors.view(), &tonight.past.curation)
        .map_err(|source| PipelineError::Edits { path: tonight.past.curation_file(), source })?;

    write_vectors(&requests, dimensions, draft)?;
    write_assignments(&requests, &placed, &seen, &similarities(vectors.view(), &seen), draft)?;
    write_centroids(&seen, dimensions, draft)?;
    write_json(&draft.path("model/curation.json"), &tonight.past.curation)?;
    write_line(&draft.path("ledger.json"), &ledger)?;
    write_json(&draft.path("events.json"), &events)?;
    write_json(&draft.path("tune.json"), &found.curve)?;
    let set = ThemeSet {
        night: tonight.night.to_owned(),
        last_night: (!last.ledger.night.is_empty()).then_some(last.ledger.night),
        themes: entries::entries(&requests, &names, &seen, &mut encode)?,
        noise: seen.assignment.iter().filter(|theme| theme.is_none()).count() as u64,
        moved: found.moved as u64,
        silent: requests.silent.len() as u64,
        method: found.method.clone(),
        events: happened(&seen, &events),
        skipped: seen.skipped.clone(),
    };
    write_json(&draft.path("themes.json"), &set)?;
    Ok((set.themes.len() as u64, set))
}

/// What themes are named from.
struct Names<'a> {
    /// `(n, d)` unit rows.
    vectors: ArrayView2<'a, f32>,
    /// A request per row.
    texts: &'a [&'a str],
    params: &'a ThemeParams,
}

impl Names<'_> {
    /// Names what was found: themes from before keep their names, those born tonight find ones of their own.
    fn call(
        &self,
        found: &mut Themes,
        advanced: &mut Advance,
        tonight: &Tonight<'_>,
        encode: &mut Encode<'_>,
    ) -> Result<(), ThemeError> {
        let by_hand = tonight.past.curation.edits.iter().filter_map(|entry| match &entry.edit {
            Edit::Rename { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let given = Given { kept: advanced.kept_names(), taken: by_hand.collect() };
        if !found.themes.is_empty() {
            found.describe(self.vectors, self.texts, self.params, encode, &given)?;
        }
        let names: Vec<(&str, &str)> =
            found.themes.iter().map(|theme| (theme.name.as_str(), theme.automatic_name.as_str())).collect();
        advanced.call(&names);
        Ok(())
    }
}

/// Permanent ids for what was found.
fn carry_on(
    requests: &Requests,
    found: &Themes,
    last: &LastNight,
    tonight: &Tonight<'_>,
) -> Result<Advance, PipelineError> {
    let clusters: Vec<Cluster<'_>> =
        found.themes.iter().map(|theme| Cluster { name: &theme.name, centroid: &theme.centroid }).collect();
    let members: Vec<_> =
        requests.ids.iter().map(String::as_str).zip(found.assignment.iter().copied()).collect();
    let before: Vec<_> = last.members.iter().map(|(id, theme)| (id.as_str(), *theme)).collect();
    let night = Night { date: tonight.night, model: tonight.model, clusters: &clusters, members: &members };
    Ok(advance(&last.ledger, &before, &night)?)
}

/// Cosine of each row to the centroid of its theme after edits, -1..=1; `None` for noise.
fn similarities(vectors: ArrayView2<'_, f32>, seen: &Curated) -> Vec<Option<f32>> {
    let centroids: BTreeMap<ThemeId, &[f32]> =
        seen.ledger.active().map(|theme| (theme.id, theme.centroid.as_slice())).collect();
    let cosine = |(row, theme): (usize, &Option<ThemeId>)| {
        let centroid = centroids.get(theme.as_ref()?).filter(|centroid| centroid.len() == vectors.ncols())?;
        Some(vectors.row(row).dot(&aview1(centroid)).clamp(-1.0, 1.0))
    };
    seen.assignment.iter().enumerate().map(cosine).collect()
}

/// Tonight's events by kind, those that people still want to hear of.
fn happened(seen: &Curated, events: &[Event]) -> BTreeMap<String, Vec<ThemeName>> {
    let mut happened: BTreeMap<String, Vec<ThemeName>> = BTreeMap::new();
    for event in seen.events(events).into_iter().filter(|event| event.kind() != "continued") {
        let theme = event.theme();
        let name = seen.ledger.theme(theme).map(|theme| theme.name.clone()).unwrap_or_default();
        happened.entry(event.kind().to_owned()).or_default().push(ThemeName { theme, name });
    }
    happened
}
