//! The truths planted in a simulation: which turns carry a signal, who met friction, who came back.

use chrono::{Duration, NaiveDate};
use serde::Serialize;

use super::lexicon::Lexicon;
use super::people::{Person, Population, Visit};
use super::world::World;
use crate::conversation::Conversation;

/// Planted friction from which a theme counts as frustrating.
const FRUSTRATING: f64 = 0.3;

/// Everything planted; written as `truth.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// The seed of the simulation.
    pub seed: u64,
    /// The parameters it was made with.
    pub world: World,
    /// Planted effects on the return in days 7..=13, with the crude differences they show as.
    pub effects: Vec<Effect>,
    /// By name.
    pub themes: Vec<ThemeTruth>,
    /// By id.
    pub users: Vec<UserTruth>,
    /// By id.
    pub conversations: Vec<ConversationTruth>,
}

/// Something that changes whether users come back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// `friction`, or the name of a theme.
    pub cause: String,
    /// Added to the probability of coming back: -1..=1.
    pub planted: f64,
    /// What users who met the cause in their first seven days show against the others.
    pub first_week: CrudeDifference,
}

/// Shares of users who came back in days 7..=13, exposed in their first seven days against not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CrudeDifference {
    /// Exposed users whose second week lies within the period.
    pub exposed: usize,
    /// Those of them who came back.
    pub exposed_returned: usize,
    /// Unexposed users whose second week lies within the period.
    pub unexposed: usize,
    /// Those of them who came back.
    pub unexposed_returned: usize,
    /// Exposed share less unexposed share: -1..=1. Zero when one side is empty.
    pub difference: f64,
    /// The difference over its standard error under no difference (pooled two-proportion z).
    pub z: f64,
}

/// What is true of a theme.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThemeTruth {
    /// Its key.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Conversations in it.
    pub conversations: usize,
    /// Planted as a theme where it breaks.
    pub frustrating: bool,
    /// Planted probability of friction: 0..=1.
    pub friction_planted: f64,
    /// Share of its conversations with friction: 0..=1; zero when there are none.
    pub friction_realised: f64,
    /// Planted effect of its own on coming back, apart from friction: -1..=1.
    pub return_effect: f64,
    /// What its users show, through friction and of its own.
    pub first_week: CrudeDifference,
}

/// What is true of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserTruth {
    /// As in the conversations.
    pub user_id: String,
    /// Name of the hidden level of activity.
    pub level: String,
    /// The user's own themes, the dearest first.
    pub tastes: Vec<String>,
    /// Date of the first conversation, UTC.
    pub first_date: NaiveDate,
    /// Had a conversation with friction in the first seven days.
    pub met_friction_in_first_week: bool,
    /// Came back in days 7..=13; null when the period ends before day 13.
    pub returned_w1: Option<bool>,
}

/// What is true of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConversationTruth {
    /// As in the conversations.
    pub conversation_id: String,
    /// Whose.
    pub user_id: String,
    /// Name of its theme.
    pub theme: String,
    /// The assistant missed, and the user rephrased, retried, complained or left.
    pub friction: bool,
    /// At most one per kind.
    pub signals: Vec<Signal>,
}

/// A signal and the turns that prove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// Which.
    pub kind: SignalKind,
    /// Indices into the conversation's turns, ascending; all are the user's.
    pub turns: Vec<usize>,
    /// For rephrase and retry: the earlier turn each of `turns` says again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<usize>,
}

/// Kinds of planted signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Asks again in other words.
    Rephrase,
    /// Asks again in the same words, or nearly.
    Retry,
    /// Ends on an unmet request; cites the last user turn.
    Abandonment,
    /// Thanks, solved.
    Closing,
    /// Much longer than its theme's others; cites every user turn.
    Long,
    /// An angry remark, alone or with a rephrase or retry.
    NegativeTone,
}

impl Signal {
    pub(super) fn new(kind: SignalKind) -> Signal {
        Signal { kind, turns: Vec::new(), of: Vec::new() }
    }
}

/// The truth of one conversation.
pub(super) fn of_conversation(
    conversation: &Conversation,
    visit: &Visit,
    lexicon: &Lexicon,
    signals: Vec<Signal>,
) -> ConversationTruth {
    ConversationTruth {
        conversation_id: conversation.id.clone(),
        user_id: conversation.user_id.clone().unwrap_or_default(),
        theme: lexicon.themes[visit.theme].name.to_owned(),
        friction: visit.plan.friction,
        signals,
    }
}

/// Puts the truths together.
pub(super) fn gather(
    world: &World,
    seed: u64,
    lexicon: &Lexicon,
    population: &Population,
    conversations: Vec<ConversationTruth>,
) -> Truth {
    let themes = themes(world, lexicon, population);
    Truth {
        seed,
        world: world.clone(),
        effects: effects(world, population, &themes),
        themes,
        users: population.people.iter().map(|person| of_user(world, lexicon, person)).collect(),
        conversations,
    }
}

fn themes(world: &World, lexicon: &Lexicon, population: &Population) -> Vec<ThemeTruth> {
    let mut counts = vec![(0usize, 0usize); lexicon.themes.len()];
    for visit in &population.visits {
        counts[visit.theme].0 += 1;
        counts[visit.theme].1 += usize::from(visit.plan.friction);
    }
    let theme = |(at, rates): (usize, &super::ThemeRates)| ThemeTruth {
        name: lexicon.themes[at].name.to_owned(),
        title: lexicon.themes[at].title.clone(),
        conversations: counts[at].0,
        frustrating: rates.friction >= FRUSTRATING,
        friction_planted: rates.friction,
        friction_realised: counts[at].1 as f64 / counts[at].0.max(1) as f64,
        return_effect: rates.return_effect,
        first_week: crude(&population.people, |person| person.first_week.binary_search(&at).is_ok()),
    };
    world.themes.values().enumerate().map(theme).collect()
}

fn effects(world: &World, population: &Population, themes: &[ThemeTruth]) -> Vec<Effect> {
    let friction = Effect {
        cause: "friction".to_owned(),
        planted: world.friction_effect,
        first_week: crude(&population.people, |person| person.met_friction),
    };
    let acting = themes.iter().filter(|theme| theme.return_effect != 0.0);
    let of_theme = |theme: &ThemeTruth| Effect {
        cause: theme.name.clone(),
        planted: theme.return_effect,
        first_week: theme.first_week,
    };
    std::iter::once(friction).chain(acting.map(of_theme)).collect()
}

fn of_user(world: &World, lexicon: &Lexicon, person: &Person) -> UserTruth {
    UserTruth {
        user_id: person.id.clone(),
        level: world.levels.get(person.level).map(|level| level.name.clone()).unwrap_or_default(),
        tastes: person.tastes.iter().map(|&theme| lexicon.themes[theme].name.to_owned()).collect(),
        first_date: world.start + Duration::days(i64::from(person.arrival)),
        met_friction_in_first_week: person.met_friction,
        returned_w1: person.returned,
    }
}

/// Compares the return of those for whom `exposed` holds with that of the rest.
fn crude(people: &[Person], exposed: impl Fn(&Person) -> bool) -> CrudeDifference {
    let (mut count, mut returned) = ([0usize; 2], [0usize; 2]);
    for person in people {
        let Some(came) = person.returned else {
            continue;
        };
        let side = usize::from(exposed(person));
        count[side] += 1;
        returned[side] += usize::from(came);
    }
    let (difference, z) = two_proportions(returned, count);
    CrudeDifference {
        exposed: count[1],
        exposed_returned: returned[1],
        unexposed: count[0],
        unexposed_returned: returned[0],
        difference,
        z,
    }
}

/// Second share less first share, and its pooled z (Fleiss, Statistical Methods for Rates and
/// Proportions, ch. 3). Zeros where undefined.
fn two_proportions(hits: [usize; 2], of: [usize; 2]) -> (f64, f64) {
    if of.contains(&0) {
        return (0.0, 0.0);
    }
    let [first, second] = [0, 1].map(|side| hits[side] as f64 / of[side] as f64);
    let pooled = (hits[0] + hits[1]) as f64 / (of[0] + of[1]) as f64;
    let error = (pooled * (1.0 - pooled) * (1.0 / of[0] as f64 + 1.0 / of[1] as f64)).sqrt();
    let difference = second - first;
    (difference, if error > 0.0 { difference / error } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_proportions_by_hand() {
        // 30 of 100 against 50 of 100: pooled 0.4, error sqrt(0.24 * 0.02) = 0.0693.
        let (difference, z) = two_proportions([30, 50], [100, 100]);
        assert!((difference - 0.2).abs() < 1e-12 && (z - 2.8868).abs() < 1e-3, "{difference} {z}");
        assert_eq!(two_proportions([0, 3], [0, 5]), (0.0, 0.0));
        assert_eq!(two_proportions([4, 5], [4, 5]), (0.0, 0.0));
    }
}
