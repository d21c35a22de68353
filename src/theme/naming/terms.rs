//! Keywords: the words and pairs of words that tell one theme from the others.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use rayon::prelude::*;

/// Requests per theme that words are counted in, the most central first: enough for stable
/// counts, and a bound on memory however large a theme is.
const COUNTED_REQUESTS: usize = 1_000;
/// Share of a theme's requests that must hold a word before it may name the theme.
const LEAST_SHARE: f64 = 0.06;
/// Longest word kept, in characters; longer ones are links, hashes or scripts without spaces.
const LONGEST_WORD: usize = 24;
/// Share of a word's requests in which a pair must hold it to speak for it ("gift card" for "gift").
const PAIR_SHARE: f64 = 0.6;

/// Words that tell nothing: English in full, function words of eight other languages.
static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/stop.txt").split_whitespace().collect());

/// A word or a pair of neighbouring words.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Lower case; two words are one space apart.
    pub text: String,
    /// c-TF-IDF, at least 0.
    pub weight: f64,
    /// Requests of the theme that hold it.
    pub requests: usize,
}

/// What one theme's requests say more than the others'.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Strongest first, each word in one of them only.
    pub keywords: Vec<Term>,
    /// Weight of every word that enough requests share.
    pub weights: HashMap<String, f64>,
}

/// Terms of each theme. `members`: the theme's rows of `texts`, most central first.
///
/// c-TF-IDF (Grootendorst 2022, equation 2): `tf * ln(1 + A / f)`, where `f` counts a term over all
/// themes and `A` is the mean number of terms per theme. `tf` is the share of the theme's requests
/// that hold the term, not of its words: one long request must not name a theme.
pub fn terms<R: AsRef<[usize]> + Sync>(texts: &[&str], members: &[R]) -> Vec<Terms> {
    let counts: Vec<HashMap<String, usize>> =
        members.par_iter().map(|rows| count(texts, rows.as_ref())).collect();
    let mut everywhere: HashMap<&str, usize> = HashMap::new();
    for (term, requests) in counts.iter().flatten() {
        *everywhere.entry(term).or_default() += requests;
    }
    let mean = everywhere.values().sum::<usize>() as f64 / members.len().max(1) as f64;
    let weigh = |(counts, rows): (&HashMap<String, usize>, &R)| {
        let requests = rows.as_ref().len().min(COUNTED_REQUESTS);
        // A word of one request names that request, and may name a person; one of a few requests
        // out of hundreds is an instance of the theme, not the theme.
        let least = if requests >= 4 { (requests as f64 * LEAST_SHARE).ceil().max(2.0) as usize } else { 1 };
        let shared = counts.iter().filter(|(_, count)| **count >= least);
        let weigh = |(text, &count): (&String, &usize)| Term {
            text: text.clone(),
            weight: count as f64 / requests as f64 * (1.0 + mean / everywhere[text.as_str()] as f64).ln(),
            requests: count,
        };
        rank(shared.map(weigh).collect())
    };
    counts.iter().zip(members).map(weigh).collect()
}

fn rank(mut terms: Vec<Term>) -> Terms {
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.text.cmp(&b.text)));
    let single = terms.iter().filter(|term| !term.text.contains(' '));
    let weights = single.map(|term| (term.text.clone(), term.weight)).collect();
    Terms { keywords: fold(&terms), weights }
}

/// Requests that hold each term.
fn count(texts: &[&str], rows: &[usize]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for &row in rows.iter().take(COUNTED_REQUESTS) {
        for term in terms_of(texts[row]) {
            *counts.entry(term).or_insert(0) += 1;
        }
    }
    counts
}

/// Words and pairs of neighbouring words of a text, each once. Stop words break pairs, and so does
/// punctuation.
fn terms_of(text: &str) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for clause in clauses(text) {
        let mut before: Option<String> = None;
        for word in clause.split_whitespace() {
            let word = Some(plain(word)).filter(|word| is_telling(word));
            if let (Some(first), Some(second)) = (&before, &word) {
                if first != second {
                    terms.insert(format!("{first} {second}"));
                }
            }
            terms.extend(word.clone());
            before = word;
        }
    }
    terms
}

/// A text cut at its punctuation, hyphens and apostrophes kept.
pub fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_alphanumeric() || c.is_whitespace() && c != '\n' || "'’-".contains(c);
    text.split(move |c: char| !inside(c)).filter(|clause| !clause.trim().is_empty())
}

/// A word in lower case without apostrophes and outer hyphens.
pub fn plain(word: &str) -> String {
    let word = word.trim_matches('-');
    word.chars().filter(|c| c.is_alphanumeric() || *c == '-').flat_map(char::to_lowercase).collect()
}

/// False for stop words, numbers, single letters and what is too long to be a word.
pub fn is_telling(word: &str) -> bool {
    let length = word.chars().count();
    (2..=LONGEST_WORD).contains(&length)
        && !word.chars().any(|c| c.is_ascii_digit())
        && !STOP_WORDS.contains(word)
}

/// Terms strongest first, so that no word is in two of them: a pair takes the place of a stronger
/// word it nearly always goes with, and gives way to one it does not.
fn fold(ranked: &[Term]) -> Vec<Term> {
    let mut kept: Vec<Term> = Vec::new();
    for term in ranked {
        let rivals: Vec<usize> = (0..kept.len()).filter(|&i| overlap(&kept[i].text, &term.text)).collect();
        let speaks_for = |rival: &Term| {
            !rival.text.contains(' ')
                && term.text.split(' ').any(|word| word == rival.text)
                && term.requests as f64 >= PAIR_SHARE * rival.requests as f64
        };
        match rivals[..] {
            [] => kept.push(term.clone()),
            [first, ..] if rivals.iter().all(|&rival| speaks_for(&kept[rival])) => {
                kept[first] = term.clone();
                rivals[1..].iter().rev().for_each(|&rival| drop(kept.remove(rival)));
            }
            _ => {}
        }
    }
    kept
}

/// True when the terms share a word, singular or plural.
fn overlap(a: &str, b: &str) -> bool {
    a.split(' ').any(|word| b.split(' ').any(|other| stem(word) == stem(other)))
}

/// A word without its plural or its commonest endings: rough, for comparing only.
pub fn stem(word: &str) -> &str {
    let cut = ["ing", "ies", "ed", "es", "s", "y", "e"].iter().find_map(|ending| word.strip_suffix(ending));
    cut.filter(|stem| stem.chars().count() >= 3 && !stem.ends_with('s')).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_numbers_and_letters_are_no_terms() {
        let terms: Vec<String> =
            terms_of("How do I export 30 rows to CSV, x please? Don't know").into_iter().collect();
        assert_eq!(terms, ["csv", "export", "rows"]);
        assert!(terms_of("gift card not working").contains("gift card"));
        assert!(!terms_of("gift. card").contains("gift card"));
    }

    #[test]
    fn each_theme_gets_its_own_words() {
        let texts = ["export my report", "export the report now", "reset my password", "password reset link"];
        let terms = terms(&texts, &[vec![0, 1], vec![2, 3]]);
        assert_eq!(terms[0].keywords[0].text, "export");
        assert_eq!(terms[1].keywords[0].text, "password");
    }

    #[test]
    fn a_pair_takes_the_place_of_its_words() {
        let term = |text: &str, weight, requests| Term { text: text.into(), weight, requests };
        let ranked =
            [term("gift", 3.0, 10), term("card", 2.5, 10), term("gift card", 2.0, 9), term("cards", 1.0, 4)];
        let folded: Vec<String> = fold(&ranked).into_iter().map(|term| term.text).collect();
        assert_eq!(folded, ["gift card"]);
        let ranked = [term("card", 2.5, 10), term("gift card", 2.0, 3), term("lost", 1.0, 4)];
        let folded: Vec<String> = fold(&ranked).into_iter().map(|term| term.text).collect();
        assert_eq!(folded, ["card", "lost"]);
    }

    #[test]
    fn stems_join_forms_of_a_word() {
        for (a, b) in
            [("card", "cards"), ("export", "exporting"), ("activate", "activated"), ("city", "cities")]
        {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
        assert_eq!(stem("class"), "class");
        assert_eq!(stem("bus"), "bus");
    }
}
