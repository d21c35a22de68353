//! How a person writes: register, case, punctuation and slips of the keyboard.

use rand::Rng;
use rand::seq::SliceRandom;

/// A person's way of writing, the same in all their conversations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Voice {
    pub(super) register: Register,
    /// Writes everything in lower case.
    pub(super) lowercase: bool,
    /// Leaves out the last full stop.
    pub(super) unpunctuated: bool,
    /// Multiplies the world's share of typos.
    pub(super) clumsiness: f64,
}

/// How many words a person makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Terse,
    Plain,
    Chatty,
    Polite,
}

impl Voice {
    /// Draws a way of writing.
    pub(super) fn draw(rng: &mut impl Rng) -> Voice {
        let registers =
            [(Register::Terse, 22), (Register::Plain, 42), (Register::Chatty, 18), (Register::Polite, 18)];
        let register =
            registers.choose_weighted(rng, |(_, weight)| *weight).map_or(Register::Plain, |(it, _)| *it);
        let casual = register != Register::Polite;
        Voice {
            register,
            lowercase: rng.gen_bool(if casual { 0.38 } else { 0.05 }),
            unpunctuated: rng.gen_bool(if casual { 0.6 } else { 0.15 }),
            clumsiness: [0.2, 0.6, 1.0, 2.2].choose(rng).copied().unwrap_or(1.0),
        }
    }

    /// Probability of an opening, a context sentence and an ending around a request.
    pub(super) fn frame(&self) -> (f64, f64, f64) {
        match self.register {
            Register::Terse => (0.02, 0.05, 0.02),
            Register::Plain => (0.10, 0.24, 0.06),
            Register::Chatty => (0.45, 0.60, 0.22),
            Register::Polite => (0.50, 0.35, 0.50),
        }
    }

    /// Writes `text` as this person would.
    pub(super) fn write(&self, text: &str, typo_share: f64, rng: &mut impl Rng) -> String {
        let mut text = tidy(text);
        if self.lowercase {
            text = text.to_lowercase();
        }
        if self.unpunctuated && text.ends_with('.') {
            text.pop();
        }
        let share = (typo_share * self.clumsiness).clamp(0.0, 1.0);
        if rng.gen_bool(share) { slip(&text, rng) } else { text }
    }
}

/// Mends what templates leave behind: double spaces, spaces before commas, `a` before a vowel,
/// small letters at the start of a sentence.
pub(super) fn tidy(text: &str) -> String {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    for at in 0..words.len().saturating_sub(1) {
        if words[at] == "a" && starts_with_vowel_sound(&words[at + 1]) {
            words[at].push('n');
        }
    }
    let joined = words
        .join(" ")
        .replace(" ,", ",")
        .replace(" .", ".")
        .replace(" ?", "?")
        .replace(" !", "!")
        .replace(" :", ":");
    let joined = joined.replace(",,", ",").replace(",.", ".").replace("?.", "?").replace("!.", "!");
    let mut out = String::with_capacity(joined.len());
    let (mut ended, mut spaced) = (true, true);
    for char in joined.chars() {
        if ended && spaced && char.is_alphanumeric() {
            out.extend(char.to_uppercase());
        } else {
            out.push(char);
        }
        match char {
            '.' | '!' | '?' => (ended, spaced) = (true, false),
            ' ' => spaced = true,
            _ => (ended, spaced) = (false, false),
        }
    }
    out
}

fn starts_with_vowel_sound(word: &str) -> bool {
    let word = word.trim_start_matches(['"', '(']);
    let lower = word.to_ascii_lowercase();
    let silent = ["hour", "honest", "html"].iter().any(|start| lower.starts_with(start));
    let spelled = ["SQL", "HR", "XML", "NDA", "xlsx"].iter().any(|start| word.starts_with(start));
    let consonant = ["one", "eu", "uni", "use"].iter().any(|start| lower.starts_with(start));
    silent || spelled || (lower.starts_with(['a', 'e', 'i', 'o', 'u']) && !consonant && lower.len() > 1)
}

/// One slip inside one longer word: two letters swapped, one lost, one doubled.
pub(super) fn slip(text: &str, rng: &mut impl Rng) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let plain = |word: &String| word.len() >= 4 && word.chars().all(|c| c.is_ascii_alphabetic());
    let candidates: Vec<usize> = (0..words.len()).filter(|&at| plain(&words[at])).collect();
    let Some(&at) = candidates.choose(rng) else {
        return text.to_owned();
    };
    let mut letters: Vec<char> = words[at].chars().collect();
    let place = rng.gen_range(1..letters.len() - 1);
    match rng.gen_range(0..3) {
        0 => letters.swap(place, place + 1),
        1 => drop(letters.remove(place)),
        _ => letters.insert(place, letters[place]),
    }
    words[at] = letters.into_iter().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn tidy_mends_seams() {
        let cases = [
            ("write  a email , please . then a user", "Write an email, please. Then a user"),
            ("a hour? yes", "An hour? Yes"),
            ("version 2.3 of a user", "Version 2.3 of a user"),
            ("\"see you\" please", "\"see you\" please"),
        ];
        for (raw, mended) in cases {
            assert_eq!(tidy(raw), mended);
        }
    }

    #[test]
    fn a_slip_touches_one_word() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let text = "please export everything tomorrow";
        for _ in 0..100 {
            let slipped = slip(text, &mut rng);
            let changed = slipped.split(' ').zip(text.split(' ')).filter(|(a, b)| a != b).count();
            assert!(changed <= 1 && slipped.split(' ').count() == 4, "{slipped}");
        }
    }
}
