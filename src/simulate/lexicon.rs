//! What the simulated product's users and assistant may say: one TOML file per theme, one shared.

use std::sync::OnceLock;

use serde::Deserialize;

use super::grammar::{Slots, Template};

/// Theme files, named by the theme's name.
const FILES: &[(&str, &str)] = &[
    ("billing", include_str!("themes/billing.toml")),
    ("code_help", include_str!("themes/code_help.toml")),
    ("data_export", include_str!("themes/data_export.toml")),
    ("document_search", include_str!("themes/document_search.toml")),
    ("draft_email", include_str!("themes/draft_email.toml")),
    ("image_generation", include_str!("themes/image_generation.toml")),
    ("integrations", include_str!("themes/integrations.toml")),
    ("login", include_str!("themes/login.toml")),
    ("meeting_notes", include_str!("themes/meeting_notes.toml")),
    ("recipes", include_str!("themes/recipes.toml")),
    ("slides", include_str!("themes/slides.toml")),
    ("spreadsheet", include_str!("themes/spreadsheet.toml")),
    ("sql", include_str!("themes/sql.toml")),
    ("summarise", include_str!("themes/summarise.toml")),
    ("translation", include_str!("themes/translation.toml")),
    ("travel", include_str!("themes/travel.toml")),
];

/// The words used whatever the theme.
const COMMON: &str = include_str!("themes/common.toml");

/// Everything that can be said, parsed.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// Themes, in order of name.
    pub(super) themes: Vec<Theme>,
    /// What belongs to no theme.
    pub(super) common: Common,
}

/// One theme's grammar.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Theme {
    /// Its key in the world and in the truth.
    #[serde(skip)]
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) title: String,
    /// What is asked for, each in several wordings.
    pub(super) intents: Vec<Intent>,
    /// Sentences that may stand before or after a request.
    pub(super) contexts: Vec<Template>,
    /// Content pasted below a request.
    #[serde(default)]
    pub(super) pastes: Vec<Template>,
    /// Further steps on an answer, with the answer to each.
    pub(super) followups: Vec<Exchange>,
    /// The same again for something else, with the answer.
    pub(super) again: Vec<Exchange>,
    /// The assistant asks back, the user tells.
    pub(super) clarify: Vec<Exchange>,
    /// Answers that miss the request.
    pub(super) misses: Vec<Template>,
    /// Remarks of people who have had enough.
    pub(super) complaints: Vec<Template>,
    /// Closings that fit this theme besides the common ones.
    #[serde(default)]
    pub(super) closings: Vec<Exchange>,
    /// The theme's words.
    pub(super) slots: Slots,
}

/// One thing that may be asked, and how it is answered well.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    /// Wordings of the same request: at least four.
    pub(super) asks: Vec<Template>,
    /// Answers that meet it.
    pub(super) answers: Vec<Template>,
}

/// Two turns that belong together.
#[derive(Debug, Deserialize)]
pub(super) struct Exchange(pub(super) Template, pub(super) Template);

/// Words of every theme.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    /// A conversation opened with nothing but a greeting, and its answer.
    pub(super) greetings: Vec<Exchange>,
    /// What chatty and polite people put before a request.
    pub(super) openings: Vec<Template>,
    /// What stands before a further request in the same conversation.
    pub(super) transitions: Vec<Template>,
    /// What they put after it.
    pub(super) endings: Vec<Template>,
    /// Leads into a second wording, without anger.
    pub(super) restatements: Vec<Template>,
    /// Leads into a second wording, with it.
    pub(super) protests: Vec<Template>,
    /// Misses that fit any theme.
    pub(super) misses: Vec<Template>,
    /// Angry remarks that fit any theme.
    pub(super) complaints: Vec<Template>,
    /// The assistant's apologies that mend nothing.
    pub(super) apologies: Vec<Template>,
    /// Openings of an answer that comes right after a miss.
    pub(super) amends: Vec<Template>,
    /// First words of an answer, now and then.
    pub(super) leads: Vec<Template>,
    /// Last words of an answer, now and then.
    pub(super) tails: Vec<Template>,
    /// Closings, and what the assistant says to them.
    pub(super) closings: Vec<Exchange>,
    /// Words shared by all themes.
    pub(super) slots: Slots,
}

impl Lexicon {
    /// The built-in lexicon, parsed once.
    pub(super) fn built_in() -> &'static Lexicon {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        // The files are compiled in and a test reads them: failing here is a fault of the build.
        LEXICON.get_or_init(|| Lexicon::parse().expect("the built-in themes are well formed"))
    }

    fn parse() -> Result<Lexicon, String> {
        let common: Common = toml::from_str(COMMON).map_err(|e| format!("common.toml: {e}"))?;
        let mut themes = Vec::with_capacity(FILES.len());
        for &(name, text) in FILES {
            let mut theme: Theme = toml::from_str(text).map_err(|e| format!("{name}.toml: {e}"))?;
            theme.name = name;
            for (slot, values) in &common.slots {
                theme.slots.entry(slot.clone()).or_insert_with(|| values.clone());
            }
            themes.push(theme);
        }
        Ok(Lexicon { themes, common })
    }

    /// Names of all themes, sorted.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Template, D::Error> {
        let text = String::deserialize(from)?;
        Template::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(theme: &Theme) -> Vec<&Template> {
        let pairs = theme.followups.iter().chain(&theme.again).chain(&theme.clarify).chain(&theme.closings);
        let intents = theme.intents.iter().flat_map(|intent| intent.asks.iter().chain(&intent.answers));
        pairs
            .flat_map(|pair| [&pair.0, &pair.1])
            .chain(intents)
            .chain(&theme.contexts)
            .chain(&theme.pastes)
            .chain(&theme.misses)
            .chain(&theme.complaints)
            .chain(theme.slots.values().flatten())
            .collect()
    }

    #[test]
    fn every_theme_parses_and_names_only_slots_that_exist() {
        let lexicon = Lexicon::parse().unwrap();
        assert!(lexicon.themes.len() >= 14);
        for theme in &lexicon.themes {
            for template in templates(theme) {
                for slot in template.slots() {
                    assert!(theme.slots.contains_key(slot), "{}: no slot `{slot}`", theme.name);
                }
            }
        }
    }

    #[test]
    fn every_theme_has_enough_to_say() {
        for theme in &Lexicon::built_in().themes {
            assert!(theme.intents.len() >= 3, "{}", theme.name);
            assert!(
                theme.intents.iter().all(|intent| intent.asks.len() >= 4 && !intent.answers.is_empty()),
                "{}",
                theme.name
            );
            assert!(theme.followups.len() >= 7 && theme.again.len() >= 2, "{}", theme.name);
            assert!(!theme.clarify.is_empty() && theme.misses.len() >= 4, "{}", theme.name);
        }
    }
}
