//! `closing`: the user's last words are thanks or "solved".

use super::scene::Scene;
use super::{Signal, SignalKind};
use crate::conversation::cue::{Cue, recognise, words};

/// Longest turn, in words, whose thanks are a closing rather than politeness before a request.
const MAX_WORDS: usize = 25;

/// Phrases that say it worked.
const SOLVED: [&str; 16] = [
    "that works", "it works", "works now", "that worked", "it worked", "that fixed", "fixed it", "solved",
    "problem solved", "all set", "got it working", "exactly what i needed", "what i needed", "that helps",
    "that helped", "thats it",
];

/// Words of thanks.
const THANKS: [&str; 8] = ["thanks", "thank", "thx", "cheers", "ty", "appreciate", "perfect", "thankyou"];

/// Words that turn thanks into a complaint or a further request.
const BUT: [&str; 14] = [
    "but", "still", "not", "nothing", "however", "wrong", "useless", "though", "doesnt", "didnt", "isnt", "cant",
    "wont", "no",
];

pub(super) fn detect(scene: &Scene<'_>) -> Option<Signal> {
    let last = scene.last_user()?;
    let text = scene.turns[last].text;
    let sure = match recognise(text) {
        Some(Cue::Thanks) => 1.0,
        Some(Cue::Farewell) => 0.7,
        _ if text.contains('?') => return None,
        _ => thanks_in_passing(text)?,
    };
    Some(Signal { kind: SignalKind::Closing, strength: sure, turns: vec![last as u32] })
}

fn thanks_in_passing(text: &str) -> Option<f32> {
    let words = words(text);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if words.len() > MAX_WORDS || has(&BUT) {
        return None;
    }
    let line = format!(" {} ", words.join(" "));
    if SOLVED.iter().any(|phrase| line.contains(&format!(" {phrase} "))) {
        return Some(0.9);
    }
    // "thanks" first, or last after a remark; "thanks in advance" ends a request.
    let edge = |word: Option<&String>| word.is_some_and(|w| THANKS.contains(&w.as_str()));
    let polite = line.contains(" in advance ");
    let short = words.len() <= 12;
    (short && !polite && edge(words.first())).then_some(0.8)
}
