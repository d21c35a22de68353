//! The simulation as a whole: what it promises about numbers, words, truths and effects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::script::likeness;
use super::*;

fn usual() -> Simulation {
    simulate(&World::default(), 2_000, 42)
}

/// Each conversation with its truth.
fn pairs(simulation: &Simulation) -> impl Iterator<Item = (&Conversation, &ConversationTruth)> {
    simulation.conversations.iter().zip(&simulation.truth.conversations)
}

fn words_and_marks(text: &str) -> usize {
    let marks = text.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace()).count();
    marks + text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count()
}

#[test]
fn same_arguments_same_simulation() {
    let (one, two) = (usual(), usual());
    assert_eq!(one.conversations, two.conversations);
    assert_eq!(one.activity, two.activity);
    assert_eq!(one.truth, two.truth);
    assert_ne!(one.conversations, simulate(&World::default(), 2_000, 43).conversations);
}

#[test]
fn counts_are_exact_and_ids_follow_time() {
    for count in [0, 1, 2, 37, 2_000] {
        let simulation = simulate(&World::default(), count, 7);
        assert_eq!(simulation.conversations.len(), count);
        assert_eq!(simulation.truth.themes.iter().map(|theme| theme.conversations).sum::<usize>(), count);
        let events = simulation.activity.iter().filter(|entry| entry.event == "conversation").count();
        assert_eq!(events, count);
        let order: Vec<_> = simulation.conversations.iter().map(|c| (c.started_at, c.id.clone())).collect();
        assert!(order.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1));
    }
}

#[test]
fn users_and_words_stay_within_the_budget() {
    let simulation = usual();
    let users = simulation.truth.users.len();
    assert!((600..=800).contains(&users), "{users} users");
    let said =
        simulation.conversations.iter().flat_map(|c| c.user_turns().map(|(_, turn)| turn.text.as_str()));
    let (turns, tokens) =
        said.fold((0, 0), |(turns, tokens), text| (turns + 1, tokens + words_and_marks(text)));
    assert!((5_000..=7_000).contains(&turns), "{turns} user turns");
    assert!((55_000..=90_000).contains(&tokens), "{tokens} tokens");
}

#[test]
fn turns_alternate_in_time_and_are_never_empty() {
    for conversation in &usual().conversations {
        assert!(conversation.turns[0].is_user());
        assert_eq!(conversation.started_at, conversation.turns[0].at);
        assert!(
            conversation.turns.windows(2).all(|pair| pair[0].role != pair[1].role && pair[0].at < pair[1].at)
        );
        for turn in &conversation.turns {
            // Pasted content below the request keeps its own layout.
            let text = turn.text.split("\n\n").next().unwrap_or_default();
            assert!(!text.trim().is_empty() && !text.contains("  ") && !text.contains(" ,"), "{text:?}");
        }
    }
}

#[test]
fn every_theme_has_hundreds_of_wordings() {
    for theme in World::default().themes.keys() {
        let mut world = World::default();
        for (name, rates) in &mut world.themes {
            rates.traffic = f64::from(u8::from(name == theme));
        }
        let simulation = simulate(&world, 1_000, 3);
        let firsts: BTreeSet<String> = simulation
            .conversations
            .iter()
            .map(|conversation| conversation.turns[0].text.to_lowercase())
            .collect();
        assert!(firsts.len() >= 700, "{theme}: {} distinct first requests", firsts.len());
    }
}

#[test]
fn signals_cite_turns_that_say_so() {
    let simulation = simulate(&World::default(), 6_000, 11);
    let mut seen = BTreeMap::new();
    for (conversation, truth) in pairs(&simulation) {
        let said = |turn: usize| conversation.turns[turn].text.as_str();
        let last_user = conversation.user_turns().last().map(|(turn, _)| turn);
        assert_eq!(conversation.id, truth.conversation_id);
        for signal in &truth.signals {
            *seen.entry(signal.kind).or_insert(0) += 1;
            assert!(!signal.turns.is_empty() && signal.turns.is_sorted());
            assert!(signal.turns.iter().all(|&turn| conversation.turns[turn].is_user()));
            for (&turn, &of) in signal.turns.iter().zip(&signal.of) {
                assert!(of < turn && conversation.turns[of].is_user());
                let alike = likeness(said(turn), said(of));
                let repeated = said(turn)
                    .to_lowercase()
                    .contains(said(of).trim_end_matches(['.', '?', '!']).to_lowercase().as_str());
                match signal.kind {
                    SignalKind::Retry => {
                        assert!(repeated || alike >= 0.45, "{:?} / {:?}", said(of), said(turn))
                    }
                    _ => assert!(!repeated && alike < 1.0, "{:?} / {:?}", said(of), said(turn)),
                }
            }
            match signal.kind {
                SignalKind::Rephrase | SignalKind::Retry => {
                    assert_eq!(signal.turns.len(), signal.of.len())
                }
                SignalKind::Abandonment => {
                    assert_eq!(signal.turns, last_user.into_iter().collect::<Vec<_>>())
                }
                SignalKind::Closing => assert_eq!(signal.turns.last().copied(), last_user),
                SignalKind::Long => assert!(
                    signal.turns.len() >= 8 && signal.turns.len() == conversation.user_turns().count()
                ),
                SignalKind::NegativeTone => assert!(truth.friction),
            }
        }
    }
    assert!(seen.len() == 6 && seen.values().all(|&count| count >= 50), "{seen:?}");
}

#[test]
fn rephrases_keep_the_subject_and_change_the_words() {
    let simulation = simulate(&World::default(), 6_000, 12);
    let (mut to_own, mut to_others, mut count) = (0.0, 0.0, 0.0);
    let mut previous: BTreeMap<&str, &str> = BTreeMap::new();
    for (conversation, truth) in pairs(&simulation) {
        for signal in truth.signals.iter().filter(|signal| signal.kind == SignalKind::Rephrase) {
            let again = &conversation.turns[signal.turns[0]].text;
            if let Some(other) = previous.insert(&truth.theme, again) {
                to_own += likeness(again, &conversation.turns[signal.of[0]].text);
                to_others += likeness(again, other);
                count += 1.0;
            }
        }
    }
    let (own, others) = (to_own / count, to_others / count);
    assert!(own > 2.0 * others && own < 0.6, "like its own request {own:.2}, like another's {others:.2}");
}

#[test]
fn friction_is_what_the_signals_say() {
    for (conversation, truth) in pairs(&usual()) {
        let breaks = |signal: &Signal| !matches!(signal.kind, SignalKind::Closing | SignalKind::Long);
        assert_eq!(truth.friction, truth.signals.iter().any(breaks), "{}", conversation.id);
    }
}

#[test]
fn themes_break_as_often_as_planted() {
    let truth = simulate(&World::default(), 20_000, 5).truth;
    assert!(truth.themes.iter().filter(|theme| theme.frustrating).count() >= 3);
    for theme in &truth.themes {
        let error =
            (theme.friction_planted * (1.0 - theme.friction_planted) / theme.conversations as f64).sqrt();
        let off = (theme.friction_realised - theme.friction_planted).abs();
        assert!(off < 4.0 * error, "{}: {off}", theme.name);
    }
}

#[test]
fn planted_effects_show_in_the_crude_differences() {
    // One draw of 2,000 may hide an effect; the middle one of eleven must not.
    let truths: Vec<Truth> = (1..=11).map(|seed| simulate(&World::default(), 2_000, seed).truth).collect();
    let middle = |of: &dyn Fn(&Truth) -> f64| {
        let mut values: Vec<f64> = truths.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let theme = |truth: &Truth, name: &str| {
        truth.themes.iter().find(|theme| theme.name == name).map(|theme| theme.first_week).unwrap()
    };
    let share = |week: CrudeDifference| week.exposed as f64 / (week.exposed + week.unexposed) as f64;
    let exposed = middle(&|truth| share(theme(truth, "data_export")));
    assert!((0.14..0.21).contains(&exposed), "{exposed} of the users exposed");
    for (name, z, difference) in
        [("data_export", -3.5, -0.17), ("login", -2.0, -0.12), ("image_generation", -1.6, -0.09)]
    {
        let (seen, shown) =
            (middle(&|truth| theme(truth, name).z), middle(&|truth| theme(truth, name).difference));
        assert!(seen < z && shown < difference, "{name}: {shown}, z {seen}");
    }
    assert!(middle(&|truth| theme(truth, "meeting_notes").z) > 3.0);
    for calm in ["recipes", "travel", "code_help", "billing"] {
        assert!(middle(&|truth| theme(truth, calm).z).abs() < 1.6, "{calm}");
    }
    for truth in &truths {
        assert!(truth.effects[0].first_week.z < -5.0 && theme(truth, "data_export").difference < -0.05);
    }
}

#[test]
fn nothing_but_the_planted_causes_moves_the_return() {
    let mut world = World { friction_effect: 0.0, ..World::default() };
    world.levels.iter_mut().for_each(|level| level.returns = 0.55);
    world.themes.values_mut().for_each(|rates| rates.return_effect = 0.0);
    let truth = simulate(&world, 40_000, 8).truth;
    let differences = truth
        .themes
        .iter()
        .map(|theme| theme.first_week)
        .chain(truth.effects.iter().map(|effect| effect.first_week));
    for difference in differences {
        assert!(difference.z.abs() < 3.5, "{difference:?}");
    }
}

#[test]
fn the_truth_agrees_with_the_activity() {
    let simulation = usual();
    let mut days: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    let first: BTreeMap<&str, _> =
        simulation.truth.users.iter().map(|user| (user.user_id.as_str(), user.first_date)).collect();
    for entry in &simulation.activity {
        let day = (entry.at.date_naive() - first[entry.user_id.as_str()]).num_days();
        days.entry(&entry.user_id).or_default().insert(day);
    }
    let starts = simulation
        .conversations
        .iter()
        .map(|c| (c.user_id.as_deref(), c.started_at.map(|at| at.date_naive())));
    let mut earliest = BTreeMap::new();
    for (user, date) in starts {
        earliest.entry(user.unwrap()).or_insert(date.unwrap());
    }
    for user in &simulation.truth.users {
        let came = days[user.user_id.as_str()].range(7..=13).next().is_some();
        assert_eq!(user.returned_w1, Some(came), "{}", user.user_id);
        assert_eq!(earliest[user.user_id.as_str()], user.first_date);
    }
}

#[test]
fn time_grows_linearly() {
    let seconds = |count| {
        let start = Instant::now();
        assert_eq!(simulate(&World::default(), count, 1).conversations.len(), count);
        start.elapsed().as_secs_f64()
    };
    seconds(1_000);
    let (small, large) = (seconds(5_000), seconds(20_000));
    // Four times the work; quadratic growth would be sixteen.
    assert!(large < 9.0 * small + 0.2, "{small:.2} s for 5,000, {large:.2} s for 20,000");
}
