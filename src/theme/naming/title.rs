//! Names: a short title a product manager would give a theme.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use super::terms::{Terms, clauses, is_telling, plain, stem};

/// Central requests looked at for a title.
const CENTRAL_REQUESTS: usize = 40;
/// Most words of a title.
const MOST_WORDS: usize = 6;
/// Keywords of a theme of which a title must hold one.
const TOP_KEYWORDS: usize = 3;
/// Keywords in a name made of keywords.
const JOINED_KEYWORDS: usize = 3;

/// What people say before they say what they want, longest first where one begins another.
static LEADS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("leads.txt").lines().collect());

/// Words a title cannot end with.
static LOOSE_ENDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("loose_ends.txt").split_whitespace().collect());

/// Words that point at something said elsewhere: no title holds one.
const POINTERS: &[&str] =
    &["he", "her", "him", "it", "its", "she", "that", "thats", "them", "these", "they", "this", "those"];

/// Words a title had better not begin with, and what one that does is worth.
const SPEAKERS: &[&str] = &["i", "you", "u", "we", "someone"];
const SPEAKER_SHARE: f64 = 0.6;

/// A name per theme, no two alike. `members`: rows of `texts`, most central first.
///
/// The best clause of a central request, where it says what many others say too; else the
/// strongest keywords: "Activate my card", or "Refund · card · payment".
pub fn names(texts: &[&str], members: &[Vec<usize>], terms: &[Terms]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(members.len());
    for (number, (rows, terms)) in members.iter().zip(terms).enumerate() {
        let central: Vec<&str> = rows.iter().take(CENTRAL_REQUESTS).map(|&row| texts[row]).collect();
        let several = || joined(terms).filter(|_| terms.keywords.len() > 1);
        let name = title(&central, terms)
            .or_else(several)
            .or_else(|| phrase(&central, terms))
            .or_else(|| joined(terms))
            .or_else(|| beginning(&central))
            .unwrap_or_else(|| format!("Theme {}", number + 1));
        let name = distinct(name, phrase(&central, terms), terms, &taken);
        taken.insert(name.to_lowercase());
        names.push(name);
    }
    names
}

/// The clause that holds most of what the theme is about for its length.
fn title(central: &[&str], terms: &Terms) -> Option<String> {
    let mut best: Option<(f64, String)> = None;
    for words in central.iter().flat_map(|text| clauses(text)).filter_map(trimmed) {
        let Some(weight) = weigh(&words, terms) else { continue };
        // Strictly more: of equals the most central request's stays.
        if best.as_ref().is_none_or(|(most, _)| weight > *most) {
            best = Some((weight, capitalised(&words)));
        }
    }
    best.map(|(_, title)| title)
}

/// A clause without its lead, if what is left is of a title's length and whole.
fn trimmed(clause: &str) -> Option<Vec<&str>> {
    let mut words: Vec<&str> = clause.split_whitespace().collect();
    while let Some(lead) = lead(&words) {
        words.drain(..lead);
    }
    let whole = !LOOSE_ENDS.contains(plain(words.last()?).as_str());
    let whole = whole && !words.iter().any(|word| POINTERS.contains(&plain(word).as_str()));
    (whole && (2..=MOST_WORDS).contains(&words.len())).then_some(words)
}

/// Number of words that lead in.
fn lead(words: &[&str]) -> Option<usize> {
    let begins = |lead: &&&str| {
        let mut place = words.iter();
        lead.split(' ').all(|word| place.next().is_some_and(|other| plain(other) == word))
    };
    LEADS.iter().find(begins).map(|lead| lead.split(' ').count())
}

/// Weight of the telling words per root of length; `None` when one of them is the request's own,
/// or none is a top keyword.
fn weigh(words: &[&str], terms: &Terms) -> Option<f64> {
    let telling: BTreeSet<String> =
        words.iter().map(|word| plain(word)).filter(|word| is_telling(word)).collect();
    let top = terms.keywords.iter().take(TOP_KEYWORDS).flat_map(|term| term.text.split(' '));
    let top: Vec<&str> = top.map(stem).collect();
    if words.iter().any(|word| word.chars().any(|c| c.is_ascii_digit()))
        || !telling.iter().any(|word| top.contains(&stem(word)))
    {
        return None;
    }
    // "I charged a fee" is half of "why was I charged a fee".
    let share = if SPEAKERS.contains(&plain(words[0]).as_str()) { SPEAKER_SHARE } else { 1.0 };
    let weights =
        telling.iter().map(|word| terms.weights.get(word).copied()).collect::<Option<Vec<f64>>>()?;
    Some(share * weights.iter().sum::<f64>() / (words.len() as f64).sqrt())
}

/// Words joined, the first letter large; shouting is lowered.
fn capitalised(words: &[&str]) -> String {
    let text = words.join(" ");
    let shouted = words.len() > 1 && !text.chars().any(char::is_lowercase);
    let text = if shouted { text.to_lowercase() } else { text };
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn joined(terms: &Terms) -> Option<String> {
    let words: Vec<&str> =
        terms.keywords.iter().take(JOINED_KEYWORDS).map(|term| term.text.as_str()).collect();
    (!words.is_empty()).then(|| capitalised(&[words.join(" · ").as_str()]))
}

/// The most central short request with no word of its own: what greetings are named by.
fn phrase(central: &[&str], terms: &Terms) -> Option<String> {
    let shared = |word: &&str| {
        let word = plain(word);
        !is_telling(&word) || terms.weights.contains_key(&word)
    };
    let short = |text: &&str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let said = (1..=MOST_WORDS).contains(&words.len()) && text.chars().all(|c| !c.is_ascii_digit());
        (said && text.chars().any(char::is_alphabetic) && words.iter().all(|word| shared(word)))
            .then(|| capitalised(&words))
    };
    central.iter().find_map(short)
}

/// The first words of the most central request that has any.
fn beginning(central: &[&str]) -> Option<String> {
    let text = central.iter().find(|text| !text.trim().is_empty())?;
    Some(capitalised(&text.split_whitespace().take(MOST_WORDS).collect::<Vec<_>>()))
}

/// The name with the first keyword it lacks that makes it unlike those taken, else `other`, else
/// with a number.
fn distinct(name: String, other: Option<String>, terms: &Terms, taken: &HashSet<String>) -> String {
    let free = |name: &String| !taken.contains(&name.to_lowercase());
    if free(&name) {
        return name;
    }
    let said = name.to_lowercase();
    let new = terms.keywords.iter().filter(|term| !said.contains(&term.text));
    let longer = new.map(|term| format!("{name} · {}", term.text));
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    longer.chain(other).chain(numbered).find(free).unwrap_or_else(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::naming::terms;

    fn names_of(texts: &[&str], members: &[Vec<usize>]) -> Vec<String> {
        names(texts, members, &terms::terms(texts, members))
    }

    #[test]
    fn a_shared_request_becomes_the_title() {
        let texts = [
            "Hi, how do I activate my card?",
            "please activate my new card",
            "activate card",
            "can I activate the card",
            "I lost 20 dollars",
            "lost dollars abroad",
            "where are the dollars I lost",
            "lost my dollars",
        ];
        let names = names_of(&texts, &[vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
        assert!(["Activate card", "Activate my card"].contains(&names[0].as_str()), "{names:?}");
        assert!(names[1].to_lowercase().contains("dollars"), "{names:?}");
    }

    #[test]
    fn words_of_one_request_name_nothing() {
        let texts = ["invoice for Jane", "invoice from Omar", "the invoice to Lin", "an invoice by Ada"];
        assert_eq!(names_of(&texts, &[vec![0, 1, 2, 3]]), ["Invoice"]);
    }

    #[test]
    fn no_two_names_are_alike() {
        let texts = ["reset password", "reset password", "reset password", "reset password", "", "", "12 34"];
        let names = names_of(&texts, &[vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), 4, "{names:?}");
        assert_eq!(names[0], "Reset password");
        assert_eq!(names[2], "Theme 3");
    }
}
