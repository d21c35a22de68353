//! Simulates an AI product's conversations, with planted truths written down beside them.
//!
//! What people do (who arrives, what they ask for, where it breaks, who comes back) is drawn from
//! one stream of chance and what they say from another, so rewording a theme leaves the planted
//! effects as they are. The effect of friction on coming back is causal here by construction:
//! within an activity level, nothing else but the helpful theme moves it.

mod files;
mod grammar;
mod lexicon;
mod people;
mod plan;
mod script;
#[cfg(test)]
mod tests;
mod truth;
mod voice;
mod world;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::conversation::Conversation;
use lexicon::Lexicon;
use people::{Population, Visit};
use script::Scene;

pub use files::{Files, write};
pub use truth::{
    ConversationTruth, CrudeDifference, Effect, Signal, SignalKind, ThemeTruth, Truth, UserTruth,
};
pub use world::{Level, ThemeRates, World, WorldError};

/// Keeps the stream of words apart from the stream of behaviour.
const WORDING_STREAM: u64 = 0x77_6f72_6469_6e67;

/// A simulated export: what undertone would read, and what is true about it.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Conversations by start; ids ascend with it.
    pub conversations: Vec<Conversation>,
    /// Everything users did, by time.
    pub activity: Vec<Activity>,
    /// What was planted.
    pub truth: Truth,
}

/// One row of the activity table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Who.
    pub user_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// `conversation` or `app_open`.
    pub event: &'static str,
}

/// Simulates exactly `conversations` conversations; the same arguments give the same simulation.
///
/// Users are simulated one after the other until there are enough conversations, so time and memory
/// grow linearly. The last user is cut short when the number is reached.
pub fn simulate(world: &World, conversations: usize, seed: u64) -> Simulation {
    let lexicon = Lexicon::built_in();
    let mut behaviour = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut population = people::populate(world, conversations, &mut behaviour);
    population.visits.sort_by_key(|visit| (visit.at, visit.person));
    population.activity.sort_by(|a, b| (a.at, &a.user_id, a.event).cmp(&(b.at, &b.user_id, b.event)));

    let mut wording = Xoshiro256PlusPlus::seed_from_u64(seed ^ WORDING_STREAM);
    let mut said = Vec::with_capacity(conversations);
    let mut truths = Vec::with_capacity(conversations);
    for (index, visit) in population.visits.iter().enumerate() {
        let id = format!("c{:07}", index + 1);
        let (conversation, signals) = hold(world, lexicon, &population, visit, id, &mut wording);
        truths.push(truth::of_conversation(&conversation, visit, lexicon, signals));
        said.push(conversation);
    }
    let truth = truth::gather(world, seed, lexicon, &population, truths);
    Simulation { conversations: said, activity: population.activity, truth }
}

/// Lets one visit happen: the conversation, and the signals it carries.
fn hold(
    world: &World,
    lexicon: &Lexicon,
    population: &Population,
    visit: &Visit,
    id: String,
    wording: &mut Xoshiro256PlusPlus,
) -> (Conversation, Vec<Signal>) {
    let person = &population.people[visit.person];
    let scene = Scene {
        theme: &lexicon.themes[visit.theme],
        common: &lexicon.common,
        voice: &person.voice,
        plan: &visit.plan,
        typo_share: world.typo_share,
    };
    let (turns, signals) = script::perform(&scene, visit.at, wording);
    let conversation = Conversation {
        id,
        user_id: Some(person.id.clone()),
        started_at: Some(visit.at),
        turns,
        metadata: people::metadata(world, person, visit),
    };
    (conversation, signals)
}
