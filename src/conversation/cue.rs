//! Short phrases that carry no request: greetings, thanks, bare confirmations. English only.

/// What a turn that carries no request is doing instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cue {
    /// "hi there"
    Greeting,
    /// "thanks, that works"
    Thanks,
    /// "yes please", "ok"
    Confirmation,
    /// "bye"
    Farewell,
}

/// Longest phrase, in words, that can be nothing but a cue.
const MAX_WORDS: usize = 9;

const GREETINGS: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "heya",
    "hiya",
    "yo",
    "howdy",
    "greetings",
    "morning",
    "afternoon",
    "evening",
    "sup",
];
const THANKS: &[&str] = &[
    "thanks",
    "thank",
    "thx",
    "ty",
    "thankyou",
    "cheers",
    "perfect",
    "great",
    "awesome",
    "excellent",
    "brilliant",
    "lovely",
    "works",
    "worked",
    "solved",
    "fixed",
    "appreciate",
    "appreciated",
    "helpful",
    "helped",
    "legend",
    "lifesaver",
];
const CONFIRMATIONS: &[&str] = &[
    "yes", "yeah", "yep", "yup", "ok", "okay", "k", "sure", "right", "correct", "no", "nope", "nah", "fine",
    "good", "cool", "alright", "agreed", "exactly", "indeed", "please", "continue", "go", "proceed", "done",
    "nice",
];
const FAREWELLS: &[&str] = &["bye", "goodbye", "cya", "later", "night", "goodnight", "farewell"];

/// Words that may stand in a cue without making it a request.
const FILLERS: &[&str] = &[
    "a",
    "again",
    "ahead",
    "all",
    "am",
    "and",
    "any",
    "are",
    "at",
    "be",
    "been",
    "bit",
    "bot",
    "but",
    "buddy",
    "can",
    "did",
    "do",
    "doing",
    "everyone",
    "everything",
    "exactly",
    "folks",
    "for",
    "friend",
    "from",
    "good",
    "got",
    "guys",
    "have",
    "help",
    "here",
    "how",
    "i",
    "im",
    "is",
    "it",
    "its",
    "ill",
    "just",
    "lot",
    "lots",
    "ll",
    "looks",
    "m",
    "man",
    "mate",
    "me",
    "much",
    "my",
    "need",
    "needed",
    "now",
    "nothing",
    "of",
    "oh",
    "on",
    "one",
    "really",
    "s",
    "see",
    "so",
    "that",
    "thats",
    "the",
    "there",
    "this",
    "time",
    "to",
    "today",
    "too",
    "u",
    "up",
    "very",
    "was",
    "wanted",
    "well",
    "what",
    "will",
    "with",
    "ya",
    "you",
    "your",
    "youre",
    "re",
    "job",
    "quick",
    "team",
    "day",
    "else",
    "not",
    "perfectly",
    "super",
    "that'll",
    "hope",
    "hopefully",
];

/// Words of a text: lower case, letters and digits, apostrophes dropped.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

/// What the turn does, if it is nothing but a cue; `None` when it may carry a request.
pub fn recognise(text: &str) -> Option<Cue> {
    if text.contains('?') && !text.to_lowercase().contains("how are you") {
        return None;
    }
    let words = words(text);
    if words.len() > MAX_WORDS {
        return None;
    }
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let lists = [GREETINGS, THANKS, CONFIRMATIONS, FAREWELLS, FILLERS];
    if !words.iter().all(|word| lists.iter().any(|list| list.contains(&word.as_str()))) {
        return None;
    }
    let negated = words.iter().any(|word| matches!(word.as_str(), "not" | "nope" | "nothing" | "no"));
    match () {
        () if has(THANKS) && !negated => Some(Cue::Thanks),
        () if has(FAREWELLS) => Some(Cue::Farewell),
        () if has(GREETINGS) => Some(Cue::Greeting),
        () if has(CONFIRMATIONS) || words.is_empty() => Some(Cue::Confirmation),
        () => None,
    }
}

/// True when the turn asks or tells something beyond a cue.
pub fn carries_request(text: &str) -> bool {
    !text.trim().is_empty() && recognise(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_told_from_requests() {
        for (text, cue) in [
            ("hi there!", Some(Cue::Greeting)),
            ("Thanks, that works for me", Some(Cue::Thanks)),
            ("ok", Some(Cue::Confirmation)),
            ("yes please go ahead", Some(Cue::Confirmation)),
            ("bye for now", Some(Cue::Farewell)),
            ("!!!", Some(Cue::Confirmation)),
            ("hi, my export fails", None),
            ("is it fixed?", None),
            ("that is not helpful", None),
            ("thanks, now translate it to French", None),
        ] {
            assert_eq!(recognise(text), cue, "{text}");
        }
        assert!(carries_request("export my data"));
        assert!(!carries_request("   "));
    }
}
