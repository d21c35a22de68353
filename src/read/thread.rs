//! Conversations whose turns stand in several records: rows of turns, or calls that each repeat the history.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::format::Draft;
use crate::conversation::{Conversation, Turn};

/// Rank of a part that says whose conversation it is, and nothing of what was said.
pub const NO_TURNS: u8 = 9;

/// Some turns of a conversation.
#[derive(Debug)]
pub struct Part {
    /// Parts of one group are of one conversation (a trace); where none of them names the conversation, the
    /// group is one.
    pub group: String,
    /// Of a group's parts those of the lowest rank speak; `NO_TURNS` never does.
    pub rank: u8,
    /// Place in the conversation: a number of its own or milliseconds since 1970; none: as files and lines go.
    pub order: Option<i64>,
    /// Whether it begins with turns of before.
    pub replays: bool,
    /// Its turns and ids; `id` is the conversation's, where it is known.
    pub draft: Draft,
}

/// One part, as it comes back from the table in order.
#[derive(Debug, Clone)]
pub struct Piece {
    /// See [`Part::group`].
    pub group: String,
    /// False for a part that only knows ids.
    pub speaks: bool,
    /// See [`Part::replays`].
    pub replays: bool,
    /// Whose, if it says.
    pub user_id: Option<String>,
    /// When it began, if it says.
    pub started_at: Option<DateTime<Utc>>,
    /// Free columns.
    pub metadata: BTreeMap<String, String>,
    /// Its turns.
    pub turns: Vec<Turn>,
}

/// A conversation being put together.
#[derive(Debug)]
pub struct Thread {
    id: String,
    user_id: Option<String>,
    started_at: Option<DateTime<Utc>>,
    metadata: BTreeMap<String, Option<String>>,
    turns: Vec<Turn>,
    last_group: Option<String>,
}

impl Thread {
    /// One of that id, still empty.
    pub fn new(id: String) -> Thread {
        Thread {
            id,
            user_id: None,
            started_at: None,
            metadata: BTreeMap::new(),
            turns: Vec::new(),
            last_group: None,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Adds the next part, in order.
    pub fn add(&mut self, piece: Piece) {
        self.user_id = self.user_id.take().or(piece.user_id);
        self.started_at = [self.started_at, piece.started_at].into_iter().flatten().min();
        for (key, value) in piece.metadata {
            // What differs from turn to turn says nothing of the conversation.
            let kept = self.metadata.entry(key).or_insert_with(|| Some(value.clone()));
            if kept.as_ref().is_some_and(|kept| *kept != value) {
                *kept = None;
            }
        }
        if !piece.speaks {
            return;
        }
        let goes_on = self.last_group.as_ref() == Some(&piece.group);
        if piece.replays {
            self.join(piece.turns, goes_on);
        } else {
            self.turns.extend(piece.turns);
        }
        self.last_group = Some(piece.group);
    }

    /// The conversation; `None` when nothing was said in it.
    pub fn finish(self) -> Option<Conversation> {
        if self.turns.is_empty() {
            return None;
        }
        let first = self.turns.iter().find_map(|turn| turn.at);
        Some(Conversation {
            id: self.id,
            user_id: self.user_id,
            started_at: [self.started_at, first].into_iter().flatten().min(),
            turns: self.turns,
            metadata: self.metadata.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        })
    }

    /// Adds what is new of a call's messages. What was said before is told by the user's turns: the last of
    /// this conversation that are the first of the call. `goes_on`: the call is of the same trace as the last.
    fn join(&mut self, call: Vec<Turn>, goes_on: bool) {
        let asked: Vec<usize> =
            call.iter().enumerate().filter(|(_, t)| t.is_user()).map(|(i, _)| i).collect();
        let known = self.overlap(&call, &asked);
        let from = match asked.get(known) {
            // New turns of the user's: they and everything after, after the answer that the call saw.
            Some(next) if known > 0 => {
                let between = asked[known - 1] + 1;
                if self.is_answered() { *next } else { between }
            }
            Some(_) => 0,
            // Nothing new: the same trace works on, or the user asks again, or has it answered again.
            None if goes_on || asked.is_empty() => {
                let after = asked.last().map_or(0, |last| last + 1);
                let said = self.since_last_question();
                let new: Vec<Turn> =
                    call.into_iter().skip(after).filter(|turn| !said.contains(turn)).collect();
                self.turns.extend(new);
                return;
            }
            None => asked[known - 1],
        };
        let is_new = |turn: &Turn| turn.role != crate::conversation::Role::System || !self.says(turn);
        let new: Vec<Turn> = call.into_iter().skip(from).filter(is_new).collect();
        self.turns.extend(new);
    }

    /// How many of the call's first questions are this conversation's last.
    fn overlap(&self, call: &[Turn], asked: &[usize]) -> usize {
        let mine: Vec<&str> = self.turns.iter().filter(|t| t.is_user()).map(|t| t.text.trim()).collect();
        let fits = |count: &usize| {
            let last = &mine[mine.len() - count..];
            last.iter().zip(asked).all(|(mine, at)| *mine == call[*at].text.trim())
        };
        (1..=mine.len().min(asked.len())).rev().find(fits).unwrap_or(0)
    }

    fn is_answered(&self) -> bool {
        self.turns.iter().rev().take_while(|turn| !turn.is_user()).any(|turn| says_something(turn))
    }

    fn since_last_question(&self) -> Vec<Turn> {
        self.turns.iter().rev().take_while(|turn| !turn.is_user()).cloned().collect()
    }

    fn says(&self, turn: &Turn) -> bool {
        self.turns.iter().any(|mine| mine.role == turn.role && mine.text == turn.text)
    }
}

fn says_something(turn: &Turn) -> bool {
    turn.role == crate::conversation::Role::Assistant && !turn.text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Role;

    /// `u:` and `a:` turns, `|` between them.
    fn turns(text: &str) -> Vec<Turn> {
        let turn = |part: &str| {
            let (role, text) = part.split_once(':').expect("role:text");
            let role = match role {
                "u" => Role::User,
                "s" => Role::System,
                _ => Role::Assistant,
            };
            Turn { role, text: text.to_owned(), at: None }
        };
        text.split('|').map(turn).collect()
    }

    #[track_caller]
    fn joins(calls: &[(&str, &str)], expected: &str) {
        let mut thread = Thread::new("t".into());
        for (group, text) in calls {
            thread.add(Piece {
                group: (*group).to_owned(),
                speaks: true,
                replays: true,
                user_id: None,
                started_at: None,
                metadata: BTreeMap::new(),
                turns: turns(text),
            });
        }
        let texts = |turns: &[Turn]| turns.iter().map(|t| t.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&thread.finish().expect("turns").turns), texts(&turns(expected)));
    }

    #[test]
    fn calls_with_the_whole_history() {
        joins(
            &[("1", "s:s|u:a|a:1"), ("2", "s:s|u:a|a:1|u:b|a:2"), ("3", "s:s|u:a|a:1|u:b|a:2|u:c|a:3")],
            "s:s|u:a|a:1|u:b|a:2|u:c|a:3",
        );
    }

    #[test]
    fn calls_without_history() {
        joins(&[("1", "s:s|u:a|a:1"), ("2", "s:s|u:b|a:2")], "s:s|u:a|a:1|u:b|a:2");
    }

    #[test]
    fn calls_with_the_last_turns_only() {
        joins(
            &[("1", "u:a|a:1|u:b|a:2|u:c|a:3"), ("2", "u:b|a:2|u:c|a:3|u:d|a:4")],
            "u:a|a:1|u:b|a:2|u:c|a:3|u:d|a:4",
        );
    }

    #[test]
    fn asked_again_and_answered_again() {
        joins(&[("1", "u:a|a:1"), ("2", "u:a|a:1")], "u:a|a:1|u:a|a:1");
        joins(&[("1", "u:a|a:1|u:b|a:2"), ("2", "u:a|a:1|u:b|a:other")], "u:a|a:1|u:b|a:2|u:b|a:other");
    }

    #[test]
    fn one_trace_working_on_asks_nothing_twice() {
        joins(&[("1", "u:a|a:call"), ("1", "u:a|a:call|a:done")], "u:a|a:call|a:done");
    }

    #[test]
    fn an_answer_that_only_the_next_call_saw() {
        joins(&[("1", "u:a"), ("2", "u:a|a:1|u:b|a:2")], "u:a|a:1|u:b|a:2");
    }
}
