//! `retry`: the same words again, or nearly (a typo, "again:", another case).

use std::collections::BTreeSet;

use super::scene::{Request, Scene};
use super::{Signal, SignalKind, SignalParams};

/// Words below which a repeated phrase says nothing ("what?", "which one").
const MIN_WORDS: usize = 3;

/// Words that may be put before a repeated request.
const MAX_PREFIX_WORDS: usize = 8;

pub(super) fn detect(scene: &Scene<'_>, params: &SignalParams) -> Option<Signal> {
    let requests = scene.requests();
    let mut turns = Vec::new();
    for (position, request) in requests.iter().enumerate() {
        let earlier = &requests[position.saturating_sub(params.lookback)..position];
        if earlier.iter().any(|before| repeats(before, request, params.retry_overlap)) {
            turns.push(request.index as u32);
        }
    }
    let strength = 1.0 - 0.4_f32.powi(turns.len() as i32);
    (!turns.is_empty()).then_some(Signal { kind: SignalKind::Retry, strength, turns })
}

/// True when `again` says `before` over.
fn repeats(before: &Request<'_>, again: &Request<'_>, overlap: f32) -> bool {
    if before.words.len() < MIN_WORDS || again.words.len() < MIN_WORDS {
        return false;
    }
    let longer = again.words.len().saturating_sub(before.words.len());
    if longer <= MAX_PREFIX_WORDS && again.words.ends_with(&before.words) {
        return true;
    }
    let tail = &again.words[longer.min(MAX_PREFIX_WORDS)..];
    numbers(&before.words) == numbers(&again.words)
        && [tail, &again.words].iter().any(|words| dice(&before.words, words) >= overlap)
        && same_content(&before.words, &again.words)
}

/// Numbers in a text: another number is another request.
pub(super) fn numbers(words: &[String]) -> Vec<&String> {
    words.iter().filter(|word| word.chars().any(|c| c.is_ascii_digit())).collect()
}

/// Sørensen-Dice overlap of the sets of three-letter pieces, 0..=1 (Dice 1945).
fn dice(a: &[String], b: &[String]) -> f32 {
    let (a, b) = (trigrams(&a.join(" ")), trigrams(&b.join(" ")));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    2.0 * a.intersection(&b).count() as f32 / (a.len() + b.len()) as f32
}

fn trigrams(text: &str) -> BTreeSet<[char; 3]> {
    let letters: Vec<char> = text.chars().collect();
    letters.windows(3).map(|w| [w[0], w[1], w[2]]).collect()
}

/// False when a word of `before` was exchanged for an unlike one: "in French" and "in Spanish" ask
/// for two things, "receive" and "recieve" for one.
fn same_content(before: &[String], again: &[String]) -> bool {
    let lost = before.iter().filter(|word| !again.contains(word));
    lost.clone()
        .all(|word| word.len() <= 2 || again.iter().any(|other| strsim::jaro_winkler(word, other) >= 0.85))
}
