//! A small grammar: templates with slots and alternatives, from which wordings are drawn.
//!
//! `{slot}` takes a value from the slot's list and keeps it for the rest of the request, so that
//! two templates of one request speak of the same things. `{*slot}` draws without keeping, and
//! `{+slot}` replaces the kept value by one not used before (new content). `[a|b|]` is one of
//! its alternatives, drawn every time; slot values are templates too, so `[Q3|third-quarter] report`
//! is one value with two wordings. Slots inside a kept value are kept with it, apart from slots of
//! the same name elsewhere. A backslash makes the next character literal.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::SliceRandom;

/// A parsed template.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Slot(Draw, String),
    Choice(Vec<Template>),
}

/// How a slot takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draw {
    Kept,
    Passing,
    Renewed,
}

/// Where a template is being drawn.
#[derive(Debug, Clone, Copy)]
enum Scope<'a> {
    /// On its own.
    Top,
    /// Inside the kept value of this slot: what is drawn belongs to that value.
    Kept(&'a str),
    /// Inside a value that nobody keeps.
    Passing,
}

/// Slot names and what they may say.
pub(super) type Slots = BTreeMap<String, Vec<Template>>;

/// The values a request has settled on, and those spent earlier in the conversation.
#[derive(Debug, Default, Clone)]
pub(super) struct Binding {
    kept: BTreeMap<String, usize>,
    spent: BTreeSet<(String, usize)>,
}

impl Binding {
    /// Forgets what the request was about, but not what has been used up.
    pub(super) fn renew(&mut self) {
        self.kept.clear();
    }

    fn keep(&mut self, slot: &str, value: usize) {
        let inside = format!("{slot}/");
        self.kept.retain(|key, _| !key.starts_with(&inside));
        self.kept.insert(slot.to_owned(), value);
        self.spent.insert((slot.to_owned(), value));
    }

    /// An unspent value out of `count`, or any when all are spent.
    fn unspent(&self, slot: &str, count: usize, rng: &mut impl Rng) -> usize {
        let free: Vec<usize> =
            (0..count).filter(|value| !self.spent.contains(&(slot.to_owned(), *value))).collect();
        free.choose(rng).copied().unwrap_or_else(|| rng.gen_range(0..count))
    }
}

impl Template {
    /// Reads a template; the error says what is wrong and where (in characters).
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let template = sequence(&chars, &mut at, false)?;
        if at < chars.len() {
            return Err(format!("unexpected `{}` at {at} in: {text}", chars[at]));
        }
        Ok(template)
    }

    /// The slots the template names, alternatives included.
    pub(super) fn slots(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(_) => {}
                Piece::Slot(_, name) => names.push(name.as_str()),
                Piece::Choice(options) => names.extend(options.iter().flat_map(Template::slots)),
            }
        }
        names
    }

    /// Draws one wording. Slots absent from `slots` come out empty (a test sees to it that none is).
    pub(super) fn draw(&self, slots: &Slots, binding: &mut Binding, rng: &mut impl Rng) -> String {
        let mut out = String::new();
        self.append(slots, Scope::Top, binding, rng, &mut out);
        out
    }

    fn append(
        &self,
        slots: &Slots,
        scope: Scope<'_>,
        binding: &mut Binding,
        rng: &mut impl Rng,
        out: &mut String,
    ) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Choice(options) => {
                    let option = rng.gen_range(0..options.len());
                    options[option].append(slots, scope, binding, rng, out);
                }
                Piece::Slot(draw, name) => {
                    let Some(values) = slots.get(name).filter(|values| !values.is_empty()) else {
                        continue;
                    };
                    let (draw, key) = match scope {
                        Scope::Top => (*draw, name.clone()),
                        Scope::Kept(outer) => (Draw::Kept, format!("{outer}/{name}")),
                        Scope::Passing => (Draw::Passing, name.clone()),
                    };
                    let value = pick(draw, &key, values.len(), binding, rng);
                    let inner = if draw == Draw::Passing { Scope::Passing } else { Scope::Kept(&key) };
                    values[value].append(slots, inner, binding, rng, out);
                }
            }
        }
    }
}

fn pick(draw: Draw, slot: &str, count: usize, binding: &mut Binding, rng: &mut impl Rng) -> usize {
    if draw == Draw::Passing {
        return rng.gen_range(0..count);
    }
    match binding.kept.get(slot) {
        Some(&value) if draw == Draw::Kept => value,
        _ => {
            let value = binding.unspent(slot, count, rng);
            binding.keep(slot, value);
            value
        }
    }
}

/// Reads pieces up to the end, or up to `|` or `]` when inside brackets.
fn sequence(chars: &[char], at: &mut usize, inside: bool) -> Result<Template, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    while let Some(&char) = chars.get(*at) {
        match char {
            '|' | ']' if inside => break,
            '[' => {
                flush(&mut text, &mut pieces);
                pieces.push(choice(chars, at)?);
                continue;
            }
            '{' => {
                flush(&mut text, &mut pieces);
                pieces.push(slot(chars, at)?);
                continue;
            }
            ']' | '}' => return Err(format!("`{char}` at {at} closes nothing", at = *at)),
            '\\' => {
                *at += 1;
                text.push(*chars.get(*at).ok_or("a backslash ends the template")?);
            }
            _ => text.push(char),
        }
        *at += 1;
    }
    flush(&mut text, &mut pieces);
    Ok(Template(pieces))
}

fn flush(text: &mut String, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

fn choice(chars: &[char], at: &mut usize) -> Result<Piece, String> {
    let opened = *at;
    let mut options = Vec::new();
    loop {
        *at += 1;
        options.push(sequence(chars, at, true)?);
        match chars.get(*at) {
            Some('|') => {}
            Some(_) => break,
            None => return Err(format!("`[` at {opened} is never closed")),
        }
    }
    *at += 1;
    Ok(Piece::Choice(options))
}

fn slot(chars: &[char], at: &mut usize) -> Result<Piece, String> {
    let rest = &chars[*at + 1..];
    let length = rest
        .iter()
        .position(|c| *c == '}')
        .ok_or_else(|| format!("`{{` at {at} is never closed", at = *at))?;
    let word: String = rest[..length].iter().collect();
    *at += length + 2;
    let (draw, name) = match word.chars().next() {
        Some('*') => (Draw::Passing, &word[1..]),
        Some('+') => (Draw::Renewed, &word[1..]),
        _ => (Draw::Kept, word.as_str()),
    };
    Ok(Piece::Slot(draw, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn slots() -> Slots {
        let fruit = ["pear", "[big|huge] plum", "fig"].iter().map(|text| Template::parse(text).unwrap());
        Slots::from([("fruit".to_owned(), fruit.collect())])
    }

    #[test]
    fn kept_slots_agree_and_renewed_ones_differ() {
        let template = Template::parse(r"{fruit}/{fruit}/{+fruit} \[x\]").unwrap();
        for seed in 0..200 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let said = template.draw(&slots(), &mut Binding::default(), &mut rng);
            let said = said.replace("huge", "big");
            let parts: Vec<&str> = said.trim_end_matches(" [x]").split('/').collect();
            assert_eq!(parts[0], parts[1], "{said}");
            assert_ne!(parts[1], parts[2], "{said}");
        }
    }

    #[test]
    fn a_kept_value_stays_whole() {
        let mut slots = slots();
        slots.insert("pie".to_owned(), vec![Template::parse("{*fruit} pie").unwrap()]);
        let template = Template::parse("{pie}={pie}, {fruit}={fruit}").unwrap();
        let mut apart = false;
        for seed in 0..50 {
            let said =
                template.draw(&slots, &mut Binding::default(), &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            let said = said.replace("huge", "big");
            let (pies, fruits) = said.split_once(", ").unwrap();
            let (pie, fruit) = (pies.split_once('=').unwrap(), fruits.split_once('=').unwrap());
            assert_eq!((pie.0, fruit.0), (pie.1, fruit.1), "{said}");
            apart |= pie.0 != format!("{} pie", fruit.0);
        }
        assert!(apart, "the pie's fruit is not the other fruit");
    }

    #[test]
    fn alternatives_are_all_reached() {
        let template = Template::parse("[a|b[1|2]|]").unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let seen: BTreeSet<String> =
            (0..200).map(|_| template.draw(&slots(), &mut Binding::default(), &mut rng)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["", "a", "b1", "b2"]);
    }

    #[test]
    fn broken_templates_say_where() {
        for (text, problem) in [
            ("a [b|c", "never closed"),
            ("a {b", "never closed"),
            ("a] b", "closes nothing"),
            ("a\\", "backslash"),
        ] {
            assert!(Template::parse(text).unwrap_err().contains(problem), "{text}");
        }
    }
}
