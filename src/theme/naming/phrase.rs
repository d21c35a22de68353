//! Phrases: the stretches of a request that could stand as a title.
//!
//! "Hi, how do I change my address because I moved" holds "change my address". Words are dropped,
//! never added and never moved.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::terms::{clauses, is_telling, plain};

/// Most words of a title.
pub const MOST_WORDS: usize = 6;
/// Fewest words of a title.
const FEWEST_WORDS: usize = 2;

type Leads = Vec<Vec<&'static str>>;

/// What people say before what they want done, or before what it is about, or before anything.
static BEFORE_VERB: LazyLock<Leads> = LazyLock::new(|| leads(include_str!("words/before_verb.txt")));
static BEFORE_THING: LazyLock<Leads> = LazyLock::new(|| leads(include_str!("words/before_thing.txt")));
static FILLERS: LazyLock<Leads> = LazyLock::new(|| leads(include_str!("words/fillers.txt")));

/// Verbs of requests in their plain form.
static ACTIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| words(include_str!("words/actions.txt")));
/// Words that begin something new: a phrase may end before them.
static BREAKS: LazyLock<HashSet<&str>> = LazyLock::new(|| words(include_str!("words/breaks.txt")));
/// Words that a title cannot end with.
static LOOSE_ENDS: LazyLock<HashSet<&str>> = LazyLock::new(|| words(include_str!("words/loose_ends.txt")));
/// Words that point at something said elsewhere: no title holds one.
static POINTERS: LazyLock<HashSet<&str>> = LazyLock::new(|| words(include_str!("words/pointers.txt")));

/// Words of which a title holds none but as its first: whole sentences read badly.
const SPEAKERS: &[&str] = &["i", "im", "ive", "id", "you", "u", "we"];

/// Words that turn a sentence round: what comes after them is not what is wanted.
const NEGATIONS: &[&str] = &[
    "cannot", "cant", "couldnt", "didnt", "doesnt", "dont", "havent", "never", "no", "not", "unable", "wont",
];
/// Auxiliaries that a question begins with; without it "hasn't my card arrived" is no title.
const INVERTED: &[&str] = &[
    "arent", "couldnt", "didnt", "doesnt", "hadnt", "hasnt", "havent", "isnt", "wasnt", "werent", "wont",
    "wouldnt",
];

/// Auxiliaries that leave a plain verb behind in a question.
const TURNING: &[&str] = &["can", "did", "do", "does", "will", "would"];

fn words(list: &'static str) -> HashSet<&'static str> {
    list.split_whitespace().collect()
}

/// Longest first, so that none hides behind its own beginning.
fn leads(list: &'static str) -> Leads {
    let mut leads: Leads = list.lines().map(|line| line.split_whitespace().collect()).collect();
    leads.sort_by_key(|lead| std::cmp::Reverse(lead.len()));
    leads
}

/// What a phrase is, by how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With a verb in its plain form: "Change my address".
    Action,
    /// With anything else: "Delivery address".
    Thing,
}

/// A stretch of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// As it would be printed.
    pub text: String,
    /// What it is.
    pub kind: Kind,
    /// Its telling words in lower case, in order, each once.
    pub telling: Vec<String>,
    /// Words in it.
    pub length: usize,
}

/// Phrases of a request, in order, perhaps some of them twice.
pub fn phrases(text: &str) -> Vec<Phrase> {
    let mut found = Vec::new();
    for clause in clauses(text) {
        let clause: Vec<Word<'_>> = clause.split_whitespace().map(Word::of).collect();
        for (start, after_verb_lead) in starts(&clause) {
            let (words, kind) = without_leads(&clause[start..], after_verb_lead);
            found.extend(ends(&words).filter_map(|end| phrase(&words[..end], kind)));
        }
    }
    found
}

/// A word as it was said and as it is compared.
#[derive(Debug, Clone)]
struct Word<'t> {
    said: &'t str,
    plain: String,
}

impl<'t> Word<'t> {
    fn of(said: &'t str) -> Word<'t> {
        Word { said, plain: plain(said) }
    }
}

/// Where a clause may be entered: at its head, and after what asks for a deed in its middle
/// ("my card is lost how do I freeze it", "an app to track parcels"). True: a verb comes next.
fn starts(clause: &[Word<'_>]) -> Vec<(usize, bool)> {
    let mut starts = vec![(0, false)];
    for place in 1..clause.len() {
        if NEGATIONS.contains(&clause[place - 1].plain.as_str()) {
            break;
        }
        if let Some(length) = lead(&BEFORE_VERB, &clause[place..]) {
            starts.push((place + length, true));
        } else if clause[place - 1].plain == "to" && is_action(clause.get(place)) {
            starts.push((place, true));
        }
    }
    starts
}

/// What follows the leads, and what it must then be.
fn without_leads<'t>(mut words: &[Word<'t>], mut verb_next: bool) -> (Vec<Word<'t>>, Kind) {
    let (mut turned, mut perfect) = (false, false);
    loop {
        if let Some(length) = lead(&BEFORE_VERB, words) {
            (words, verb_next) = (&words[length..], true);
        } else if let Some(length) = lead(&BEFORE_THING, words) {
            let last = words[length - 1].plain.as_str();
            (turned, perfect) = (TURNING.contains(&last), ["had", "has", "have"].contains(&last));
            (words, verb_next) = (&words[length..], false);
        } else if verb_next && is_action(words.first()) {
            break;
        } else if let Some(length) = lead(&FILLERS, words) {
            words = &words[length..];
        } else {
            break;
        }
    }
    let mut words = without_speaker(words);
    // "How long does a transfer take": no title goes on past the verb that was turned round.
    if turned && !verb_next {
        let verb = words.iter().position(|word| is_action(Some(word)));
        words.truncate(verb.unwrap_or(words.len()));
    }
    // "Has my card been declined": "card declined".
    words.retain(|word| !perfect || word.plain != "been");
    let telling = words.first().is_some_and(|word| is_telling(&word.plain));
    let kind = if is_action(words.first()) || verb_next && telling { Kind::Action } else { Kind::Thing };
    (words, kind)
}

/// "I lost my card" says what happened without its first word, "can't I withdraw cash" without its
/// second. A question turned round otherwise leaves nothing.
fn without_speaker<'t>(words: &[Word<'t>]) -> Vec<Word<'t>> {
    let speaks = |place: usize| words.get(place).is_some_and(|w| ["i", "we"].contains(&w.plain.as_str()));
    let negates = |list: &[&str]| words.first().is_some_and(|word| list.contains(&word.plain.as_str()));
    if speaks(0) {
        words[1..].to_vec()
    } else if negates(NEGATIONS) && speaks(1) {
        [&words[..1], &words[2..]].concat()
    } else if negates(INVERTED) {
        Vec::new()
    } else {
        words.to_vec()
    }
}

fn is_action(word: Option<&Word<'_>>) -> bool {
    word.is_some_and(|word| ACTIONS.contains(word.plain.as_str()))
}

/// Number of words of the lead that `words` begin with.
fn lead(leads: &Leads, words: &[Word<'_>]) -> Option<usize> {
    let begins = |lead: &&Vec<&str>| {
        lead.len() <= words.len() && lead.iter().zip(words).all(|(part, word)| *part == word.plain)
    };
    leads.iter().find(begins).map(Vec::len)
}

/// Numbers of words after which a phrase may end: before a break, and at the end.
fn ends(words: &[Word<'_>]) -> impl Iterator<Item = usize> {
    let most = words.len().min(MOST_WORDS + 4);
    (FEWEST_WORDS..=most).filter(move |&end| end == words.len() || BREAKS.contains(words[end].plain.as_str()))
}

/// The words as a phrase, loose ends cut off; `None` where they could be no title.
fn phrase(mut words: &[Word<'_>], kind: Kind) -> Option<Phrase> {
    while let Some((last, rest)) = words.split_last() {
        if !LOOSE_ENDS.contains(last.plain.as_str()) {
            break;
        }
        words = rest;
    }
    let unfit = |word: &Word<'_>| {
        POINTERS.contains(word.plain.as_str()) || word.plain.chars().any(|c| c.is_ascii_digit())
    };
    let speaks = |word: &Word<'_>| SPEAKERS.contains(&word.plain.as_str());
    if !(FEWEST_WORDS..=MOST_WORDS).contains(&words.len()) || words.iter().any(|w| unfit(w) || speaks(w)) {
        return None;
    }
    let says = |word: &&Word<'_>| is_telling(&word.plain) || is_action(Some(word));
    let first = words[0].plain.as_str();
    let happened = first == "be" || first == "get" && words[1].plain.ends_with("ed");
    // "Never had a fee before" is about fees: the part of a sentence that says so is elsewhere.
    let denied = words.iter().take(2).any(|word| ["never", "not"].contains(&word.plain.as_str()));
    if words.iter().filter(says).count() < FEWEST_WORDS || happened || denied {
        return None;
    }
    let mut telling: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| is_telling(&word.plain)) {
        if !telling.contains(&word.plain) {
            telling.push(word.plain.clone());
        }
    }
    let said: Vec<&str> = words.iter().map(|word| word.said).collect();
    Some(Phrase { text: capitalised(&said.join(" ")), kind, telling, length: words.len() })
}

/// The first letter large; shouting is lowered.
pub fn capitalised(text: &str) -> String {
    let shouted = text.contains(' ') && !text.chars().any(char::is_lowercase);
    let text = if shouted { text.to_lowercase() } else { text.to_owned() };
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, Kind)> {
        phrases(text).into_iter().map(|phrase| (phrase.text, phrase.kind)).collect()
    }

    fn has(text: &str, title: &str, kind: Kind) {
        assert!(said(text).contains(&(title.into(), kind)), "{text}: {:?}", said(text));
    }

    #[test]
    fn what_leads_in_is_dropped() {
        has("Hi, how do I activate my new card?", "Activate my new card", Kind::Action);
        has("hello i'd like to please change delivery address now", "Change delivery address", Kind::Action);
        has("can you please tell me the supported countries", "Supported countries", Kind::Thing);
        has("where is the delivery address", "Delivery address", Kind::Thing);
        has("I lost my card", "Lost my card", Kind::Thing);
        has("why can't I withdraw cash", "Can't withdraw cash", Kind::Thing);
        has("why has my card been declined", "Card declined", Kind::Thing);
        assert!(said("why hasn't my card arrived").is_empty());
        assert!(said("how long does my transfer take").is_empty());
        has("can you frobnicate the gadget", "Frobnicate the gadget", Kind::Action);
    }

    #[test]
    fn phrases_end_where_something_new_begins() {
        has("I want to transfer money from my savings account today", "Transfer money", Kind::Action);
        has("my card is gone how do i freeze my account", "Freeze my account", Kind::Action);
        has("looking for an app to track parcels", "Track parcels", Kind::Action);
    }

    #[test]
    fn what_points_elsewhere_is_no_title() {
        assert!(said("please fix it").is_empty());
        assert!(said("order 66").is_empty());
        assert!(said("hello").is_empty());
        assert!(said("").is_empty());
        assert_eq!(capitalised("RESET MY PIN"), "Reset my pin");
    }
}
