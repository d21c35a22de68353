//! `rephrase`: asks again in other words. A template with new content ("now the same for X") is none.

use std::collections::BTreeSet;

use super::retry::numbers;
use super::scene::{Request, Scene, cosine};
use super::{Signal, SignalKind, SignalParams};
use crate::conversation::cue::words;

/// Words below which a turn is a remark, not a request put anew.
const MIN_WORDS: usize = 3;

/// Cosine from which a turn that follows the assistant's own question still counts.
const AFTER_QUESTION: f32 = 0.8;

/// Openings that ask for more of the kind, not for the same again.
const NEXT: [&str; 22] = [
    "yes",
    "yeah",
    "yep",
    "sure",
    "ok",
    "okay",
    "great",
    "perfect",
    "now",
    "next",
    "also",
    "and",
    "another",
    "what about",
    "how about",
    "same for",
    "the same",
    "do the same",
    "same thing",
    "can you also",
    "then",
    "one more",
];

pub(super) fn detect(scene: &Scene<'_>, params: &SignalParams, retry: Option<&Signal>) -> Option<Signal> {
    let requests = scene.requests();
    let mut turns = Vec::new();
    let mut strongest = 0.0_f32;
    for (position, request) in requests.iter().enumerate() {
        if retry.is_some_and(|signal| signal.turns.contains(&(request.index as u32))) {
            continue;
        }
        let earlier = &requests[position.saturating_sub(params.lookback)..position];
        // Who is asked something answers: only nearly the same words ask again then.
        let asked =
            scene.turns[..request.index].last().is_some_and(|turn| turn.text.trim_end().ends_with('?'));
        let threshold =
            if asked { params.rephrase_similarity.max(AFTER_QUESTION) } else { params.rephrase_similarity };
        let similarity = earlier
            .iter()
            .filter(|before| scene.answered_between(before.index, request.index))
            .filter_map(|before| same_request(before, request, threshold))
            .fold(None, |best: Option<f32>, s| Some(best.map_or(s, |b| b.max(s))));
        if let Some(similarity) = similarity {
            turns.push(request.index as u32);
            strongest = strongest.max(similarity);
        }
    }
    if turns.is_empty() {
        return None;
    }
    let margin = (strongest - params.rephrase_similarity) / (1.0 - params.rephrase_similarity).max(1e-3);
    let once = 0.5 + 0.3 * margin.clamp(0.0, 1.0);
    let strength = 1.0 - (1.0 - once).powi(turns.len() as i32);
    Some(Signal { kind: SignalKind::Rephrase, strength, turns })
}

/// The cosine when `again` means what `before` meant; `None` when it asks for something else.
fn same_request(before: &Request<'_>, again: &Request<'_>, threshold: f32) -> Option<f32> {
    if before.words.len() < MIN_WORDS || again.words.len() < MIN_WORDS {
        return None;
    }
    let similarity = cosine(before.turn.vector?, again.turn.vector?);
    let same = similarity >= threshold && !asks_for_next(again) && !is_template(before, again);
    (same && is_covered(before.turn.text) && is_covered(again.turn.text)).then_some(similarity)
}

/// Share of letters outside the Latin alphabet above which the encoder's cosines mean little: it
/// was trained on English and finds any two such texts alike.
const MAX_FOREIGN: f32 = 0.2;

/// English function words; a longer text without any of them is not English.
const ENGLISH: [&str; 40] = [
    "the", "a", "an", "is", "are", "to", "in", "of", "for", "on", "my", "i", "it", "how", "what", "can",
    "you", "do", "does", "not", "and", "with", "this", "that", "please", "me", "from", "why", "when",
    "where", "be", "have", "need", "want", "get", "im", "was", "your", "which", "into",
];

/// True for texts whose cosines can be trusted: English, or too short to tell.
fn is_covered(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let foreign = text.chars().filter(|c| c.is_alphabetic() && !c.is_ascii()).count();
    if foreign as f32 > MAX_FOREIGN * letters as f32 {
        return false;
    }
    let words = words(text);
    words.len() < 6 || words.iter().any(|word| ENGLISH.contains(&word.as_str()))
}

fn asks_for_next(again: &Request<'_>) -> bool {
    let start = again.words.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" ") + " ";
    NEXT.iter().any(|opening| start.starts_with(&format!("{opening} ")))
}

/// One form filled in twice: other numbers, or most words in place and a few exchanged.
fn is_template(before: &Request<'_>, again: &Request<'_>) -> bool {
    let given = numbers(&again.words);
    if !given.is_empty() && !numbers(&before.words).is_empty() && given != numbers(&before.words) {
        return true;
    }
    let frame = common_ends(&before.words, &again.words);
    let shorter = before.words.len().min(again.words.len());
    let kept = frame as f32 / shorter as f32;
    // A shared frame with new content in it, on both sides.
    kept >= 0.5 && exchanged(before, again) && exchanged(again, before)
}

/// Words the two have in common at the beginning and at the end.
fn common_ends(a: &[String], b: &[String]) -> usize {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(x, y)| x == y).count();
    head + tail
}

/// True when `from` has a content word that `to` lacks.
fn exchanged(from: &Request<'_>, to: &Request<'_>) -> bool {
    let there: BTreeSet<&String> = to.words.iter().collect();
    from.words.iter().any(|word| word.len() > 3 && !there.contains(word))
}
