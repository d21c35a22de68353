//! Speaks a plan: turns beats into turns, and notes which turns carry which signal.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand::seq::SliceRandom;

use super::grammar::{Binding, Template};
use super::lexicon::{Common, Exchange, Theme};
use super::plan::{Beat, Plan};
use super::truth::{Signal, SignalKind};
use super::voice::{Register, Voice, slip, tidy};
use crate::conversation::{Role, Turn};

/// User turns from which a conversation planned as long is recorded as such.
const LONG_USER_TURNS: usize = 8;

/// What a conversation is made from.
pub(super) struct Scene<'a> {
    pub(super) theme: &'a Theme,
    pub(super) common: &'a Common,
    pub(super) voice: &'a Voice,
    pub(super) plan: &'a Plan,
    pub(super) typo_share: f64,
}

/// Speaks a scene from its first moment on.
pub(super) fn perform<R: Rng>(scene: &Scene<'_>, at: DateTime<Utc>, rng: &mut R) -> (Vec<Turn>, Vec<Signal>) {
    let mut intents: Vec<usize> = (0..scene.theme.intents.len()).collect();
    let mut followups: Vec<usize> = (0..scene.theme.followups.len()).collect();
    intents.shuffle(rng);
    followups.shuffle(rng);
    let mut script = Script {
        scene,
        rng,
        now: at,
        turns: Vec::new(),
        marks: BTreeMap::new(),
        binding: Binding::default(),
        intents,
        followups,
        intent: 0,
        wordings: Vec::new(),
        asked: BTreeSet::new(),
    };
    for &beat in &scene.plan.beats {
        script.play(beat);
    }
    script.finish()
}

/// A conversation in the making.
struct Script<'a, R: Rng> {
    scene: &'a Scene<'a>,
    rng: &'a mut R,
    now: DateTime<Utc>,
    turns: Vec<Turn>,
    marks: BTreeMap<SignalKind, Signal>,
    binding: Binding,
    /// Intents and follow-ups not used yet.
    intents: Vec<usize>,
    followups: Vec<usize>,
    /// The intent of the present request.
    intent: usize,
    /// The present request as worded so far: turn and words.
    wordings: Vec<(usize, String)>,
    /// Asks of the present intent already used.
    asked: BTreeSet<usize>,
}

impl<R: Rng> Script<'_, R> {
    fn play(&mut self, beat: Beat) {
        let (theme, common) = (self.scene.theme, self.scene.common);
        match beat {
            Beat::Greeting => self.exchange(&common.greetings),
            Beat::Request => self.request(),
            Beat::Clarify => self.clarify(),
            Beat::Answer => self.answer(""),
            Beat::Amend => {
                let amends = self.draw_from(&common.amends);
                self.answer(&amends);
            }
            Beat::Miss => self.miss(),
            Beat::Rephrase { angry } => self.rephrase(angry),
            Beat::Retry { angry } => self.retry(angry),
            Beat::Complain => self.complain(),
            Beat::Apologise => {
                let apology = self.draw_from(&common.apologies);
                self.assistant(&apology);
            }
            Beat::FollowUp => match self.followups.pop() {
                Some(next) => self.exchange(&theme.followups[next..=next]),
                None => self.exchange(&theme.again),
            },
            Beat::Again => self.exchange(&theme.again),
            Beat::Close => self.close(),
        }
    }

    /// A new request, in the person's manner.
    fn request(&mut self) {
        self.binding.renew();
        self.asked.clear();
        self.wordings.clear();
        self.intent = self.intents.pop().unwrap_or_else(|| self.intent_with_content());
        let ask = self.ask_in_character();
        let framed = self.frame(&ask);
        let turn = self.user(&framed);
        self.wordings.push((turn, ask));
        let pastes = &self.scene.theme.pastes;
        if !pastes.is_empty() && self.rng.gen_bool(0.09) {
            let paste = self.draw_from(pastes);
            self.turns[turn].text.push_str("\n\n");
            self.turns[turn].text.push_str(&paste);
        }
    }

    /// An intent that may come twice, since its slots make it another request each time.
    fn intent_with_content(&mut self) -> usize {
        let intents = &self.scene.theme.intents;
        let with_slots: Vec<usize> =
            (0..intents.len()).filter(|&at| !intents[at].asks[0].slots().is_empty()).collect();
        with_slots.choose(self.rng).copied().unwrap_or(0)
    }

    /// Terse people take the shorter of two wordings, talkative ones the longer.
    fn ask_in_character(&mut self) -> String {
        let first = self.ask();
        let longer = match self.scene.voice.register {
            Register::Plain => return first.1,
            Register::Terse => false,
            Register::Chatty | Register::Polite => true,
        };
        let second = self.ask();
        let (kept, other) =
            if (second.1.len() > first.1.len()) == longer { (second, first) } else { (first, second) };
        self.asked.remove(&other.0);
        self.asked.insert(kept.0);
        kept.1
    }

    /// One ask of the present intent, not used before if there is one left.
    fn ask(&mut self) -> (usize, String) {
        let asks = &self.scene.theme.intents[self.intent].asks;
        let fresh: Vec<usize> = (0..asks.len()).filter(|at| !self.asked.contains(at)).collect();
        let at = fresh.choose(self.rng).copied().unwrap_or_else(|| self.rng.gen_range(0..asks.len()));
        self.asked.insert(at);
        (at, self.draw(&asks[at]))
    }

    /// Puts an opening, a context and an ending around an ask, as the person tends to.
    fn frame(&mut self, ask: &str) -> String {
        let (opening, context, ending) = self.scene.voice.frame();
        let common = self.scene.common;
        let openings = if self.turns.len() > 2 { &common.transitions } else { &common.openings };
        let mut text = String::new();
        if self.rng.gen_bool(opening) {
            text = self.draw_from(openings) + " ";
        }
        let context = if self.rng.gen_bool(context) {
            self.draw_from(&self.scene.theme.contexts)
        } else {
            String::new()
        };
        let first = !context.is_empty() && self.rng.gen_bool(0.3);
        let parts = if first { [context, ask.to_owned()] } else { [ask.to_owned(), context] };
        for part in parts.iter().filter(|part| !part.is_empty()) {
            text.push_str(&sentence(part));
            text.push(' ');
        }
        if self.rng.gen_bool(ending) {
            text.push_str(&sentence(&self.draw_from(&self.scene.common.endings)));
        }
        text
    }

    fn clarify(&mut self) {
        let Some(Exchange(question, reply)) = self.scene.theme.clarify.choose(self.rng) else {
            return;
        };
        let (question, reply) = (self.draw(question), self.draw(reply));
        self.assistant(&question);
        self.user(&reply);
    }

    fn answer(&mut self, lead: &str) {
        let common = self.scene.common;
        let mut text = self.draw_from(&self.scene.theme.intents[self.intent].answers);
        if !lead.is_empty() {
            text = format!("{lead} {text}");
        } else if self.rng.gen_bool(0.22) {
            text = format!("{} {text}", self.draw_from(&common.leads));
        }
        if self.rng.gen_bool(0.2) {
            text = format!("{text} {}", self.draw_from(&common.tails));
        }
        self.assistant(&text);
    }

    fn miss(&mut self) {
        let own = self.rng.gen_bool(0.65);
        let misses = if own { &self.scene.theme.misses } else { &self.scene.common.misses };
        let miss = self.draw_from(misses);
        self.assistant(&miss);
    }

    /// The same request in other words: of several wordings the one least like those before.
    fn rephrase(&mut self, angry: bool) {
        let before = self.asked.clone();
        let mut best: Option<(f64, usize, String)> = None;
        for _ in 0..6 {
            self.asked.clone_from(&before);
            let (at, ask) = self.ask();
            let alike = self.wordings.iter().map(|(_, said)| likeness(said, &ask)).fold(0.0, f64::max);
            if best.as_ref().is_none_or(|(least, ..)| alike < *least) {
                best = Some((alike, at, ask));
            }
        }
        let Some((_, at, ask)) = best else { return };
        self.asked = before;
        self.asked.insert(at);
        let common = self.scene.common;
        let lead = self.draw_from(if angry { &common.protests } else { &common.restatements });
        let turn = self.user(&format!("{lead} {}", sentence(&ask)));
        let of = self.wordings.first().map_or(turn, |(first, _)| *first);
        self.mark_pair(SignalKind::Rephrase, turn, of);
        if angry {
            self.mark(SignalKind::NegativeTone, turn);
        }
        self.wordings.push((turn, ask));
    }

    /// The last wording once more: to the letter, or nearly.
    fn retry(&mut self, angry: bool) {
        let Some((of, ask)) = self.wordings.last().cloned() else {
            return;
        };
        let said = self.turns[of].text.clone();
        let text = if angry {
            let protests = [
                "same answer again, useless.",
                "no!! again:",
                "still wrong.",
                "this is ridiculous.",
                "come on, that's not an answer.",
                "wrong.",
            ];
            let protest = protests.choose(self.rng).copied().unwrap_or_default();
            format!("{protest} {said}")
        } else {
            self.nearly(said)
        };
        let turn = self.push(Role::User, text);
        self.mark_pair(SignalKind::Retry, turn, of);
        if angry {
            self.mark(SignalKind::NegativeTone, turn);
        }
        self.wordings.push((turn, ask));
    }

    fn nearly(&mut self, said: String) -> String {
        match self.rng.gen_range(0..10) {
            0..=5 => said,
            6 => format!("again: {said}"),
            7 => format!("{said} ?"),
            8 => slip(&said, self.rng),
            _ => said.trim_end_matches(['.', '?', '!']).to_lowercase(),
        }
    }

    fn complain(&mut self) {
        let own = self.rng.gen_bool(0.5);
        let complaints = if own { &self.scene.theme.complaints } else { &self.scene.common.complaints };
        let complaint = self.draw_from(complaints);
        let turn = self.user(&complaint);
        self.mark(SignalKind::NegativeTone, turn);
    }

    fn close(&mut self) {
        let own = &self.scene.theme.closings;
        let closings =
            if !own.is_empty() && self.rng.gen_bool(0.35) { own } else { &self.scene.common.closings };
        let Some(Exchange(thanks, reply)) = closings.choose(self.rng) else {
            return;
        };
        let (thanks, reply) = (self.draw(thanks), self.draw(reply));
        let turn = self.user(&thanks);
        self.mark(SignalKind::Closing, turn);
        if self.rng.gen_bool(0.6) {
            self.assistant(&reply);
        }
    }

    fn exchange(&mut self, exchanges: &[Exchange]) {
        let Some(Exchange(said, reply)) = exchanges.choose(self.rng) else {
            return;
        };
        let (said, reply) = (self.draw(said), self.draw(reply));
        self.user(&said);
        self.assistant(&reply);
    }

    fn draw(&mut self, template: &Template) -> String {
        template.draw(&self.scene.theme.slots, &mut self.binding, self.rng)
    }

    fn draw_from(&mut self, templates: &[Template]) -> String {
        templates.choose(self.rng).map(|template| self.draw(template)).unwrap_or_default()
    }

    fn user(&mut self, text: &str) -> usize {
        let text = self.scene.voice.write(text, self.scene.typo_share, self.rng);
        self.push(Role::User, text)
    }

    fn assistant(&mut self, text: &str) {
        self.push(Role::Assistant, tidy(&address(text)));
    }

    /// Adds a turn after the time it takes to read, think and type, or to generate.
    fn push(&mut self, role: Role, text: String) -> usize {
        let words = text.split_whitespace().count() as i64;
        let seconds = match role {
            _ if self.turns.is_empty() => 0,
            Role::User => words + (3.0 + self.rng.gen_range(0.0..2.4f64).exp() * 12.0) as i64,
            _ => 1 + words / 12 + self.rng.gen_range(0..8),
        };
        self.now += Duration::seconds(seconds);
        self.turns.push(Turn { role, text, at: Some(self.now) });
        self.turns.len() - 1
    }

    fn mark(&mut self, kind: SignalKind, turn: usize) {
        self.marks.entry(kind).or_insert_with(|| Signal::new(kind)).turns.push(turn);
    }

    fn mark_pair(&mut self, kind: SignalKind, turn: usize, of: usize) {
        self.mark(kind, turn);
        if let Some(signal) = self.marks.get_mut(&kind) {
            signal.of.push(of);
        }
    }

    /// Marks what only the whole conversation shows.
    fn finish(mut self) -> (Vec<Turn>, Vec<Signal>) {
        let user_turns: Vec<usize> = (0..self.turns.len()).filter(|&at| self.turns[at].is_user()).collect();
        if let (true, Some(&last)) = (self.scene.plan.abandoned, user_turns.last()) {
            self.mark(SignalKind::Abandonment, last);
        }
        if self.scene.plan.long && user_turns.len() >= LONG_USER_TURNS {
            for turn in user_turns {
                self.mark(SignalKind::Long, turn);
            }
        }
        (self.turns, self.marks.into_values().collect())
    }
}

/// Turns what users call theirs into what the assistant calls the user's.
fn address(text: &str) -> String {
    let word = |word: &str| match word {
        "my" | "our" => "your".to_owned(),
        "My" | "Our" => "Your".to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Closes a sentence that is still open, with a question mark where it starts like a question.
fn sentence(text: &str) -> String {
    const QUESTIONS: &[&str] =
        &["can", "could", "how", "what", "what's", "where", "which", "who", "why", "is", "are", "does"];
    if text.ends_with(['.', '?', '!', ':']) {
        return text.to_owned();
    }
    let first = text.split(' ').next().unwrap_or_default();
    let mark = if QUESTIONS.contains(&first) && !text.contains('?') { '?' } else { '.' };
    format!("{text}{mark}")
}

/// Jaccard likeness of two texts' sets of words, 0..=1.
pub(super) fn likeness(one: &str, other: &str) -> f64 {
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let (one, other) = (words(one), words(other));
    let shared = one.intersection(&other).count();
    let all = one.len() + other.len() - shared;
    if all == 0 { 1.0 } else { shared as f64 / all as f64 }
}
