//! What happened to the themes overnight, in sentences.

use crate::pipeline::themes::{ThemeName, ThemeSet};

/// Names told of each kind of event.
const NAMED: usize = 4;
/// Kinds of event in the order they are told, with the word for each.
const KINDS: [(&str, &str); 4] =
    [("born", "new"), ("split", "split"), ("merged", "grown by a merge"), ("retired", "gone")];

/// Nothing on a first night without hidden themes.
pub fn sentences(set: &ThemeSet) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(night) = &set.last_night {
        let told: Vec<String> =
            KINDS.iter().filter_map(|(kind, word)| tell(set.events.get(*kind)?, word)).collect();
        let told = if told.is_empty() { "every theme goes on".to_owned() } else { told.join("; ") };
        // A night is a time; its date says enough. Nights without dates are only numbered.
        let night = night.split('T').next().filter(|date| date.starts_with(|c: char| c.is_ascii_digit()));
        let since = night
            .map_or_else(|| "Since the last night".to_owned(), |date| format!("Since the night of {date}"));
        sentences.push(format!("{since}: {told}."));
    }
    let hidden: Vec<u64> =
        set.themes.iter().filter(|theme| theme.hidden).map(|theme| theme.conversations).collect();
    if !hidden.is_empty() {
        let (count, held) = (hidden.len(), hidden.iter().sum::<u64>());
        let (themes, are) = if count == 1 { ("theme", "is") } else { ("themes", "are") };
        sentences.push(format!(
            "{count} hidden {themes} with {held} conversations {are} left out here and in the findings; shares \
             still count them."
        ));
    }
    sentences
}

/// `2 new (“A”, “B”)`
fn tell(themes: &[ThemeName], word: &str) -> Option<String> {
    if themes.is_empty() {
        return None;
    }
    let mut names: Vec<String> = themes.iter().take(NAMED).map(|theme| format!("“{}”", theme.name)).collect();
    if themes.len() > NAMED {
        names.push(format!("{} more", themes.len() - NAMED));
    }
    Some(format!("{} {word} ({})", themes.len(), names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::ledger::ThemeId;

    #[test]
    fn a_night_is_told_in_one_sentence() {
        let name = |number: u32| ThemeName { theme: ThemeId::new(number), name: format!("n{number}") };
        let mut set = ThemeSet { last_night: Some("2026-03-27T10:00:00Z".into()), ..ThemeSet::default() };
        assert_eq!(sentences(&set), ["Since the night of 2026-03-27: every theme goes on."]);
        set.events.insert("born".into(), (0..6).map(name).collect());
        set.events.insert("retired".into(), vec![name(9)]);
        let told = "Since the night of 2026-03-27: 6 new (“n0”, “n1”, “n2”, “n3”, 2 more); 1 gone (“n9”).";
        assert_eq!(sentences(&set), [told]);
        assert!(sentences(&ThemeSet::default()).is_empty());
    }
}
