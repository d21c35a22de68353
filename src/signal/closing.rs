//! `closing`: the user's last words are thanks or "solved".

use super::scene::Scene;
use super::{Signal, SignalKind};
use crate::conversation::Role;
use crate::conversation::cue::{Cue, recognise, words};

/// Longest turn, in words, whose thanks are a closing rather than politeness before a request.
const MAX_WORDS: usize = 25;

/// Phrases that say it worked.
const SOLVED: [&str; 16] = [
    "that works",
    "it works",
    "works now",
    "that worked",
    "it worked",
    "that fixed",
    "fixed it",
    "solved",
    "problem solved",
    "all set",
    "got it working",
    "exactly what i needed",
    "what i needed",
    "that helps",
    "that helped",
    "thats it",
];

/// Words of thanks.
const THANKS: [&str; 8] = ["thanks", "thank", "thx", "cheers", "ty", "appreciate", "perfect", "thankyou"];

/// Words that turn thanks into a complaint or a further request.
const BUT: [&str; 14] = [
    "but", "still", "not", "nothing", "however", "wrong", "useless", "though", "doesnt", "didnt", "isnt",
    "cant", "wont", "no",
];

/// Phrases that end a conversation, whatever "no" stands before them.
const FINISHED: [&str; 6] =
    ["thats all", "that is all", "nothing else", "all i need", "all i needed", "all good"];

/// P(positive) from which thanks at the end of a turn are meant for what was answered.
const PLEASED: f32 = 0.5;

pub(super) fn detect(scene: &Scene<'_>) -> Option<Signal> {
    let last = scene.last_user()?;
    if scene.turns[..last].iter().all(|turn| turn.role == Role::User) {
        return None; // thanks before any answer are politeness
    }
    let turn = &scene.turns[last];
    let sure = match recognise(turn.text) {
        Some(Cue::Thanks) => 1.0,
        Some(Cue::Farewell) => 0.7,
        _ if turn.text.contains('?') => return None,
        _ => thanks_in_passing(turn.text, turn.tone.is_some_and(|tone| tone.positive >= PLEASED))?,
    };
    Some(Signal { kind: SignalKind::Closing, strength: sure, turns: vec![last as u32] })
}

fn thanks_in_passing(text: &str, pleased: bool) -> Option<f32> {
    let words = words(text);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let line = format!(" {} ", words.join(" "));
    let says = |list: &[&str]| list.iter().any(|phrase| line.contains(&format!(" {phrase} ")));
    let short = words.len() <= 12;
    if short && says(&FINISHED) {
        return Some(0.9);
    }
    if words.len() > MAX_WORDS || has(&BUT) {
        return None;
    }
    if says(&SOLVED) {
        return Some(0.9);
    }
    // "thanks in advance" ends a request, not a conversation.
    let polite = line.contains(" in advance ");
    let opens = words.first().is_some_and(|word| THANKS.contains(&word.as_str()));
    (short && !polite && (opens || (pleased && has(&THANKS)))).then_some(0.8)
}
