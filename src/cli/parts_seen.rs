//! What `check` keeps of conversations in parts: how many there are, and the first ones whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::Conversation;
use crate::read::{NO_TURNS, Part, Piece, Thread};

/// Parts kept to show conversations from; `run` sees them all.
const KEPT: usize = 2000;

/// Parts met so far.
#[derive(Default)]
pub struct PartsSeen {
    /// Records that were parts.
    pub count: u64,
    /// Turns in them, those repeated from before included.
    pub turns: u64,
    /// Whose they are.
    pub users: BTreeSet<String>,
    /// Each group's conversation, where one is named, and whether anything is said in it.
    groups: BTreeMap<String, (Option<String>, bool)>,
    kept: Vec<Part>,
}

impl PartsSeen {
    /// Counts one, and keeps it if it is among the first.
    pub fn add(&mut self, part: Part) {
        self.count += 1;
        self.turns += part.draft.turns.len() as u64;
        self.users.extend(part.draft.user_id.clone());
        let (thread, speaks) = self.groups.entry(part.group.clone()).or_default();
        *speaks |= part.rank < NO_TURNS;
        *thread = [thread.take(), part.draft.id.clone()].into_iter().flatten().min();
        if self.kept.len() < KEPT {
            self.kept.push(part);
        }
    }

    fn thread_of<'a>(&'a self, group: &'a str) -> &'a str {
        self.groups.get(group).and_then(|(thread, _)| thread.as_deref()).unwrap_or(group)
    }

    /// Conversations in which something is said.
    pub fn conversations(&self) -> u64 {
        let speaking = self.groups.iter().filter(|(_, (_, speaks))| *speaks);
        speaking.map(|(group, _)| self.thread_of(group)).collect::<BTreeSet<&str>>().len() as u64
    }

    /// The first `count` conversations, as far as the kept parts tell them.
    pub fn first(&self, count: usize) -> Vec<Conversation> {
        let mut best: BTreeMap<&str, u8> = BTreeMap::new();
        for part in &self.kept {
            let rank = best.entry(&part.group).or_insert(NO_TURNS);
            *rank = part.rank.min(*rank);
        }
        let mut threads: Vec<&str> = Vec::new();
        for part in self.kept.iter().filter(|part| part.rank < NO_TURNS) {
            let thread = self.thread_of(&part.group);
            if !threads.contains(&thread) && threads.len() < count {
                threads.push(thread);
            }
        }
        let whole = |id: &&str| {
            let mut parts: Vec<&Part> =
                self.kept.iter().filter(|p| self.thread_of(&p.group) == *id).collect();
            parts.sort_by_key(|part| (part.order.is_none(), part.order));
            let mut thread = Thread::new((*id).to_owned());
            for part in parts {
                thread.add(Piece {
                    group: part.group.clone(),
                    speaks: part.rank < NO_TURNS && best.get(part.group.as_str()) == Some(&part.rank),
                    replays: part.replays,
                    user_id: part.draft.user_id.clone(),
                    started_at: part.draft.started_at,
                    metadata: part.draft.metadata.clone(),
                    turns: part.draft.turns.clone(),
                });
            }
            thread.finish()
        };
        threads.iter().filter_map(whole).collect()
    }
}
