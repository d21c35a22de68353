//! The parameters of a simulated world, read from TOML and checked.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};

use super::lexicon::Lexicon;

/// What the simulated product and its users are like. Absent keys take the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Length of the period in days: 14 or more, so that somebody's second week is seen.
    pub days: u32,
    /// New users arrive during the first so many days: 1..=`days`.
    pub arrival_days: u32,
    /// First day of the period, UTC, written as a string: `"2026-09-01"`.
    pub start: NaiveDate,
    /// What meeting friction in the first seven days adds to the probability of coming back in any
    /// later week; negative drives people away. -1..=1.
    pub friction_effect: f64,
    /// What each week after the second multiplies the probability of coming back by: 0..=1.
    pub weekly_decay: f64,
    /// Share of visits that go to one of the user's one to three own themes: 0..=1.
    pub taste_share: f64,
    /// Share of conversations without friction that end in a thanks: 0..=1.
    pub closing_share: f64,
    /// Share of conversations much longer than their theme's others: 0..=1.
    pub long_share: f64,
    /// Probability that a user's turn has a slip of the keyboard, on average: 0..=1.
    pub typo_share: f64,
    /// Kinds of users by how active they are.
    pub levels: Vec<Level>,
    /// Rates of each built-in theme; a world file changes only those it names.
    #[serde(deserialize_with = "overlay")]
    pub themes: BTreeMap<String, ThemeRates>,
}

/// A level of activity, hidden from undertone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Its name in the truth.
    pub name: String,
    /// Its weight among users: 0 or more.
    pub share: f64,
    /// Mean number of conversations in the first seven days, after the first one.
    pub first_week: f64,
    /// Probability of coming back in days 7..=13 when nothing planted acts on it: 0..=1.
    pub returns: f64,
    /// Mean number of conversations in a later week with a return.
    pub later_week: f64,
}

/// How often a theme comes up and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThemeRates {
    /// Weight among conversations: 0 or more.
    pub traffic: f64,
    /// Probability that a conversation in it has friction: 0..=1.
    pub friction: f64,
    /// What a conversation in it during the first seven days adds to the probability of coming
    /// back, apart from friction: -1..=1.
    pub return_effect: f64,
}

/// The keys of a theme a world file may change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeChange {
    traffic: Option<f64>,
    friction: Option<f64>,
    return_effect: Option<f64>,
}

/// Why a world cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldError {
    /// Where: a line of the file, or a key.
    pub place: String,
    /// What is wrong there, with the value.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for WorldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} (hint: {})", self.place, self.problem, self.hint)
    }
}

impl std::error::Error for WorldError {}

/// Name, traffic, friction, return effect. Three themes frustrate, one brings people back.
const DEFAULT_THEMES: &[(&str, f64, f64, f64)] = &[
    ("billing", 0.05, 0.08, 0.0),
    ("code_help", 0.07, 0.07, 0.0),
    ("data_export", 0.12, 0.70, 0.0),
    ("document_search", 0.05, 0.09, 0.0),
    ("draft_email", 0.08, 0.05, 0.0),
    ("image_generation", 0.06, 0.58, 0.0),
    ("integrations", 0.05, 0.10, 0.0),
    ("login", 0.06, 0.62, 0.0),
    ("meeting_notes", 0.11, 0.05, 0.20),
    ("recipes", 0.04, 0.05, 0.0),
    ("slides", 0.05, 0.08, 0.0),
    ("spreadsheet", 0.06, 0.09, 0.0),
    ("sql", 0.05, 0.08, 0.0),
    ("summarise", 0.06, 0.05, 0.0),
    ("translation", 0.05, 0.05, 0.0),
    ("travel", 0.05, 0.07, 0.0),
];

impl Default for World {
    fn default() -> World {
        let level = |name: &str, share, first_week, returns, later_week| Level {
            name: name.to_owned(),
            share,
            first_week,
            returns,
            later_week,
        };
        World {
            days: 42,
            arrival_days: 28,
            start: NaiveDate::from_ymd_opt(2026, 9, 1).unwrap_or_default(),
            friction_effect: -0.36,
            weekly_decay: 0.92,
            taste_share: 0.88,
            closing_share: 0.45,
            long_share: 0.035,
            typo_share: 0.10,
            levels: vec![
                level("light", 0.5, 0.4, 0.52, 0.5),
                level("regular", 0.35, 1.2, 0.58, 0.9),
                level("heavy", 0.15, 2.6, 0.66, 1.6),
            ],
            themes: default_themes(),
        }
    }
}

fn default_themes() -> BTreeMap<String, ThemeRates> {
    let rates = |&(name, traffic, friction, return_effect): &(&str, f64, f64, f64)| {
        (name.to_owned(), ThemeRates { traffic, friction, return_effect })
    };
    DEFAULT_THEMES.iter().map(rates).collect()
}

/// Reads the `[themes.*]` tables as changes to the defaults.
fn overlay<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, ThemeRates>, D::Error> {
    let changes = BTreeMap::<String, ThemeChange>::deserialize(from)?;
    let mut themes = default_themes();
    for (name, change) in changes {
        let Some(rates) = themes.get_mut(&name) else {
            let known: Vec<&str> = Lexicon::names().collect();
            let message = format!("unknown theme `{name}`; the themes are {}", known.join(", "));
            return Err(serde::de::Error::custom(message));
        };
        rates.traffic = change.traffic.unwrap_or(rates.traffic);
        rates.friction = change.friction.unwrap_or(rates.friction);
        rates.return_effect = change.return_effect.unwrap_or(rates.return_effect);
    }
    Ok(themes)
}

impl World {
    /// Reads a world file.
    ///
    /// # Errors
    /// On anything that is not TOML, unknown keys or themes, and values out of range.
    pub fn from_toml(text: &str) -> Result<World, WorldError> {
        let world: World = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            WorldError {
                place: line
                    .map_or_else(|| "world file".to_owned(), |line| format!("world file, line {line}")),
                problem: error.message().to_owned(),
                hint: "leave a key out to keep its default; dates and names are quoted strings".to_owned(),
            }
        })?;
        world.check()?;
        Ok(world)
    }

    /// Finds the first value out of range.
    fn check(&self) -> Result<(), WorldError> {
        within("days", f64::from(self.days), 14.0, 3650.0)?;
        within("arrival_days", f64::from(self.arrival_days), 1.0, f64::from(self.days))?;
        within("friction_effect", self.friction_effect, -1.0, 1.0)?;
        let shares = [
            ("weekly_decay", self.weekly_decay),
            ("taste_share", self.taste_share),
            ("closing_share", self.closing_share),
            ("long_share", self.long_share),
            ("typo_share", self.typo_share),
        ];
        for (key, share) in shares {
            within(key, share, 0.0, 1.0)?;
        }
        for level in &self.levels {
            let key = |field: &str| format!("levels.{}.{field}", level.name);
            within(&key("share"), level.share, 0.0, f64::MAX)?;
            within(&key("first_week"), level.first_week, 0.0, 50.0)?;
            within(&key("returns"), level.returns, 0.0, 1.0)?;
            within(&key("later_week"), level.later_week, 0.0, 50.0)?;
        }
        for (name, theme) in &self.themes {
            within(&format!("themes.{name}.traffic"), theme.traffic, 0.0, f64::MAX)?;
            within(&format!("themes.{name}.friction"), theme.friction, 0.0, 1.0)?;
            within(&format!("themes.{name}.return_effect"), theme.return_effect, -1.0, 1.0)?;
        }
        some_weight("levels", self.levels.iter().map(|level| level.share))?;
        some_weight("themes", self.themes.values().map(|theme| theme.traffic))
    }
}

fn within(key: &str, value: f64, low: f64, high: f64) -> Result<(), WorldError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let hint = if high == f64::MAX { format!("{low} or more") } else { format!("from {low} to {high}") };
    Err(WorldError { place: key.to_owned(), problem: format!("{value} is out of range"), hint })
}

fn some_weight(key: &str, weights: impl Iterator<Item = f64>) -> Result<(), WorldError> {
    let sum = weights.fold(0.0, |sum, weight| sum + weight);
    if sum > 0.0 && sum.is_finite() {
        return Ok(());
    }
    Err(WorldError {
        place: key.to_owned(),
        problem: format!("the weights add up to {sum}"),
        hint: "give at least one of them a positive weight".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound_and_cover_the_lexicon() {
        let world = World::from_toml("").unwrap();
        assert_eq!(world, World::default());
        assert!(Lexicon::names().eq(world.themes.keys().map(String::as_str)));
    }

    #[test]
    fn a_file_changes_only_what_it_names() {
        let world = World::from_toml("days = 60\n[themes.sql]\nfriction = 0.9").unwrap();
        assert_eq!((world.days, world.arrival_days), (60, 28));
        assert_eq!(world.themes["sql"], ThemeRates { traffic: 0.05, friction: 0.9, return_effect: 0.0 });
        assert_eq!(world.themes["login"], World::default().themes["login"]);
    }

    #[test]
    fn errors_say_place_and_problem() {
        let cases = [
            ("days = 42\ndayz = 3", "line 2", "dayz"),
            ("[themes.gardening]\nfriction = 0.1", "world file", "gardening"),
            ("typo_share = 1.5", "typo_share", "1.5"),
            ("days = 20\narrival_days = 21", "arrival_days", "21"),
            ("levels = []", "levels", "add up to 0"),
            ("[themes.sql]\nfriction = nan", "themes.sql.friction", "NaN"),
            ("days = ", "line 1", ""),
        ];
        for (text, place, problem) in cases {
            let error = World::from_toml(text).unwrap_err();
            assert!(error.place.contains(place) && error.problem.contains(problem), "{text}: {error}");
            assert!(!error.hint.is_empty());
        }
    }

    #[test]
    fn survives_its_own_json() {
        let json = serde_json::to_string(&World::default()).unwrap();
        assert_eq!(serde_json::from_str::<World>(&json).unwrap(), World::default());
    }
}
