//! The ledger over simulated nights: ids kept, and births, splits, merges and returns logged.
#![allow(clippy::print_stdout, reason = "figures, for those who ask with --nocapture")]
use std::collections::BTreeMap;

use ndarray::Array2;

use super::world::{Nights, Start, World, k_means};
use super::*;

/// Hidden themes, and conversations on the first night.
const THEMES: usize = 12;
const ROWS: usize = 2_000;

fn kinds(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|event| event.kind() == kind).count()
}

/// Share of conversations in `before` that have the same theme in `after`.
fn kept(before: &BTreeMap<String, ThemeId>, after: &BTreeMap<String, ThemeId>) -> f64 {
    let same = before.iter().filter(|(id, theme)| after.get(*id) == Some(theme)).count();
    same as f64 / before.len() as f64
}

/// The most that any naming of tonight's themes could have kept.
fn keepable(before: &BTreeMap<String, ThemeId>, after: &BTreeMap<String, ThemeId>) -> f64 {
    let most = after.values().chain(before.values()).max().map_or(0, |id| id.number() as usize + 1);
    let mut common = vec![vec![0u64; most]; most];
    for (id, theme) in before {
        common[theme.number() as usize][after[id].number() as usize] += 1;
    }
    let pairs = crate::theme::one_to_one::pair_up(&common);
    let same: u64 = pairs.iter().enumerate().filter_map(|(row, column)| column.map(|c| common[row][c])).sum();
    same as f64 / before.len() as f64
}

/// Ten nights with 5 % new conversations each. The first is fitted as well as can be: what a better
/// fit changes on the second is no matter of the ledger.
struct TenNights {
    /// Lowest share of conversations that kept their theme overnight.
    lowest: f64,
    /// Share that kept it from the first night to the last.
    to_last: f64,
    /// The most that the best naming of the same clusters kept more, overnight.
    missed: f64,
    /// Events other than `continued`.
    other: usize,
}

fn ten_nights(seed: u64, start: Start, k: impl Fn(u32) -> usize) -> TenNights {
    let mut world = World::new(seed, THEMES);
    world.talk_of_all(THEMES, ROWS);
    let mut nights = Nights::default();
    nights.pass(&world, k(1), Start::Hidden);
    let first = nights.members.clone();
    let mut ten = TenNights { lowest: 1.0, to_last: 1.0, missed: 0.0, other: 0 };
    for night in 2..=11 {
        world.talk_of_all(THEMES, world.rows.len() / 20);
        let before = nights.members.clone();
        let tonight = nights.pass(&world, k(night), start);
        let kept = kept(&before, &nights.members);
        ten.lowest = ten.lowest.min(kept);
        ten.missed = ten.missed.max(keepable(&before, &nights.members) - kept);
        ten.other += tonight.events.len() - kinds(&tonight.events, "continued");
    }
    ten.to_last = kept(&first, &nights.members);
    ten
}

fn print(what: &str, seed: u64, ten: &TenNights) {
    let TenNights { lowest, to_last, missed, other } = ten;
    println!(
        "{what} {seed}: overnight {lowest:.4}+, to the last {to_last:.4}, missed {missed:.4}, {other} events"
    );
}

#[test]
fn conversations_keep_their_theme_through_ten_nights() {
    for seed in 1..=8 {
        let ten = ten_nights(seed, Start::Warm, |_| THEMES);
        print("seed", seed, &ten);
        assert!(ten.lowest >= 0.95, "seed {seed}: only {} kept their theme overnight", ten.lowest);
        assert!(ten.to_last >= 0.95, "seed {seed}: only {} kept it over ten nights", ten.to_last);
    }
}

#[test]
fn where_clusters_change_their_ids_are_as_good_as_any() {
    for seed in 1..=3 {
        let ten = ten_nights(seed, Start::Cold, |_| THEMES);
        print("cold", seed, &ten);
        assert!(ten.missed <= 0.02, "seed {seed}: {} more could have been kept", ten.missed);
        let ten = ten_nights(seed, Start::Warm, |night| THEMES - 1 + [0, 1, 3, 2][night as usize % 4]);
        print("k wavers", seed, &ten);
        assert!(ten.missed <= 0.05, "seed {seed}: {} more could have been kept", ten.missed);
    }
}

#[test]
fn a_new_theme_is_born_on_its_first_night() {
    for seed in 1..=5 {
        let mut world = World::new(seed, THEMES);
        world.talk_of_all(THEMES, ROWS);
        let mut nights = Nights::default();
        nights.pass(&world, THEMES, Start::Hidden);
        world.talk_of_all(THEMES, ROWS / 20);
        let fresh = world.add_theme();
        world.talk(fresh, ROWS / 50);
        let tonight = nights.pass(&world, THEMES + 1, Start::Warm);
        let born: Vec<&Event> = tonight.events.iter().filter(|e| e.kind() == "born").collect();
        assert_eq!(born.len(), 1, "seed {seed}: {:?}", tonight.events);
        assert_eq!(kinds(&tonight.events, "continued"), THEMES);
        assert_eq!(tonight.events.len(), THEMES + 1);
        let Event::Born { theme, size, seen_before, .. } = born[0] else { panic!("born") };
        let right =
            world.rows.iter().filter(|row| row.2 == fresh && nights.members[&row.0] == *theme).count();
        assert!(right * 10 >= ROWS / 50 * 8, "seed {seed}: {right} of {}", ROWS / 50);
        assert!(*size as usize <= ROWS / 50 * 2 && seen_before < size);
    }
}

/// Where most conversations of a hidden theme are.
fn theme_of(world: &World, nights: &Nights, hidden: usize) -> ThemeId {
    let mut counts = BTreeMap::new();
    for row in world.rows.iter().filter(|row| row.2 == hidden) {
        *counts.entry(nights.members[&row.0]).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).expect("conversations").0
}

#[test]
fn a_split_and_a_merge_are_logged() {
    for seed in 1..=5 {
        let mut world = World::new(seed, THEMES);
        world.talk_of_all(THEMES, ROWS);
        // Two that are one until they are told apart.
        let sibling = world.add_sibling(0, 0.75);
        world.talk(sibling, world.rows.iter().filter(|row| row.2 == 0).count());
        let mut nights = Nights::default();
        nights.pass(&world, THEMES, Start::Hidden);
        let whole = theme_of(&world, &nights, 0);
        assert_eq!(theme_of(&world, &nights, sibling), whole, "seed {seed}: found as one at first");
        let split = nights.pass(&world, THEMES + 1, Start::Hidden);
        assert_eq!((kinds(&split.events, "split"), kinds(&split.events, "born")), (1, 0), "seed {seed}");
        let log = |kind: &str| split.events.iter().find(|event| event.kind() == kind);
        let Some(Event::Split { theme, parts }) = log("split") else { panic!("split") };
        assert_eq!(*theme, whole);
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.of_old > 0.35 && part.of_new > 0.95), "{parts:?}");
        assert!(parts.iter().any(|part| part.theme == whole), "one part keeps the id");
        let other = parts.iter().find(|part| part.theme != whole).expect("the other part").theme;

        let merged = nights.pass(&world, THEMES, Start::Warm);
        assert_eq!((kinds(&merged.events, "merged"), kinds(&merged.events, "retired")), (1, 0));
        let log = |kind: &str| merged.events.iter().find(|event| event.kind() == kind);
        let Some(Event::Merged { sources, .. }) = log("merged") else { panic!("merged") };
        let mut from: Vec<ThemeId> = sources.iter().map(|flow| flow.theme).collect();
        from.sort_unstable();
        assert_eq!(from, [whole.min(other), whole.max(other)]);
        assert!(sources.iter().all(|flow| flow.of_old > 0.95), "{sources:?}");

        // Found apart once more, the part that was gone comes back under its id.
        nights.pass(&world, THEMES + 1, Start::Hidden);
        let active: Vec<ThemeId> = nights.ledger.active().map(|theme| theme.id).collect();
        assert_eq!(active.len(), THEMES + 1);
        assert_eq!(
            nights.ledger.next_id,
            ThemeId::new(THEMES as u32 + 1),
            "seed {seed}: no id was given anew"
        );
    }
}

#[test]
fn neither_row_order_nor_numbering_changes_a_byte() {
    let mut world = World::new(9, THEMES);
    world.talk_of_all(THEMES, ROWS);
    let mut nights = Nights::default();
    let (labels, centroids) = k_means(&world.vectors(), THEMES + 1, 5, &[]);
    // The first night, on which all ids are new, and one that goes on.
    same_bytes(&world, &nights, &labels, &centroids);
    nights.pass(&world, THEMES, Start::Hidden);
    world.talk_of_all(THEMES, ROWS / 20);
    let (labels, centroids) = k_means(&world.vectors(), THEMES + 1, 5, &[]);
    nights.count += 1;
    same_bytes(&world, &nights, &labels, &centroids);
}

fn same_bytes(world: &World, nights: &Nights, labels: &[u32], centroids: &Array2<f32>) {
    let json = |rows: &[usize], renumber: &dyn Fn(u32) -> u32| {
        let ids: Vec<&str> = rows.iter().map(|&row| world.rows[row].0.as_str()).collect();
        let labels: Vec<u32> = rows.iter().map(|&row| renumber(labels[row])).collect();
        let mut moved = Array2::zeros(centroids.raw_dim());
        for (label, row) in centroids.rows().into_iter().enumerate() {
            moved.row_mut(renumber(label as u32) as usize).assign(&row);
        }
        let night = nights.carry(&ids, &labels, &moved).expect("a sound night");
        let json = serde_json::to_string(&(&night.ledger, &night.events)).expect("JSON");
        (json, night.ids)
    };
    let straight: Vec<usize> = (0..world.rows.len()).collect();
    let mut shuffled = straight.clone();
    shuffled.sort_by_key(|row| (row * 7_919) % 2_099);
    assert_ne!(straight, shuffled);
    let (expected, ids) = json(&straight, &|label| label);
    assert_eq!(json(&shuffled, &|label| label).0, expected);
    let (renumbered, moved) = json(&shuffled, &|label| THEMES as u32 - label);
    assert_eq!(renumbered, expected);
    assert_eq!(moved.into_iter().rev().collect::<Vec<_>>(), ids);
    let back: (Ledger, Vec<Event>) = serde_json::from_str(&expected).expect("a ledger");
    assert_eq!(serde_json::to_string(&back).expect("JSON"), expected, "a ledger survives its file");
}

/// A night from lists of members and plain axes as centroids.
fn night(
    last: &Advance,
    date: &str,
    model: &str,
    clusters: &[(usize, &[usize])],
) -> Result<Advance, LedgerError> {
    let axis = |axis: usize| (0..8).map(|at| if at == axis { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let named: Vec<(String, Vec<f32>)> =
        clusters.iter().map(|(at, _)| (format!("n{at}"), axis(*at))).collect();
    let found: Vec<Cluster<'_>> = named.iter().map(|(name, centroid)| Cluster { name, centroid }).collect();
    let ids: Vec<String> = (0..2_000).map(|row| format!("c{row:04}")).collect();
    let placed = |(cluster, rows): (usize, &(usize, &[usize]))| {
        rows.1.iter().map(|&row| (ids[row].as_str(), Some(cluster as u32))).collect::<Vec<_>>()
    };
    let members: Vec<_> = clusters.iter().enumerate().flat_map(placed).collect();
    let before: Vec<(String, Option<ThemeId>)> =
        last.ledger.themes.iter().flat_map(|theme| listed(theme, &ids)).collect();
    let before: Vec<_> = before.iter().map(|(id, theme)| (id.as_str(), *theme)).collect();
    advance(&last.ledger, &before, &Night { date, model, clusters: &found, members: &members })
}

/// In these tests theme n holds conversations 100 n to 100 n + size.
fn listed(theme: &LedgerTheme, ids: &[String]) -> Vec<(String, Option<ThemeId>)> {
    let from = theme.id.number() as usize * 100;
    let size = if theme.state == State::Active { theme.size as usize } else { 0 };
    ids[from..from + size].iter().map(|id| (id.clone(), Some(theme.id))).collect()
}

fn start() -> Advance {
    let nothing = Advance { ledger: Ledger::default(), events: vec![], ids: vec![] };
    let rows = |from: usize, size: usize| (from..from + size).collect::<Vec<_>>();
    let night =
        night(&nothing, "2026-01-01", "m", &[(0, &rows(0, 90)), (1, &rows(100, 80)), (2, &rows(200, 5))]);
    night.expect("a first night")
}

#[test]
fn the_first_night_bears_every_theme() {
    let first = start();
    assert_eq!(first.ids, [ThemeId::new(0), ThemeId::new(1), ThemeId::new(2)]);
    assert_eq!(kinds(&first.events, "born"), 3);
    assert_eq!(first.ledger.next_id, ThemeId::new(3));
}

#[test]
fn without_common_conversations_the_centroid_decides() {
    let rows: Vec<usize> = (1_000..1_050).collect();
    let more: Vec<usize> = (1_100..1_130).collect();
    let second = night(&start(), "2026-01-02", "m", &[(1, &rows), (5, &more)]).expect("a night");
    assert_eq!(second.ids, [ThemeId::new(1), ThemeId::new(3)]);
    let by_centroid = |event: &Event| matches!(event, Event::Continued { by: Evidence::Centroid, flow, .. } if flow.cosine == Some(1.0));
    assert!(by_centroid(&second.events[0]), "{:?}", second.events);
    assert_eq!((kinds(&second.events, "born"), kinds(&second.events, "retired")), (1, 2));

    // A retired theme comes back under its id and name.
    let back: Vec<usize> = (1_200..1_240).collect();
    let third = night(&second, "2026-01-03", "m", &[(0, &back)]).expect("a night");
    assert_eq!(third.ids, [ThemeId::new(0)]);
    let Event::Continued { returned_from, .. } = &third.events[0] else { panic!("{:?}", third.events) };
    assert_eq!(returned_from.as_deref(), Some("2026-01-01"));
    assert_eq!(third.ledger.theme(ThemeId::new(0)).expect("there").first_seen, "2026-01-01");
}

#[test]
fn a_centroid_must_be_near_enough() {
    let night = |date, centroids: &[[f32; 2]], last: &Ledger, first_row: usize| {
        let clusters: Vec<Cluster<'_>> =
            centroids.iter().map(|centroid| Cluster { name: "n", centroid }).collect();
        let ids: Vec<String> = (first_row..first_row + 40).map(|row| format!("c{row}")).collect();
        let k = centroids.len();
        let members: Vec<_> =
            ids.iter().enumerate().map(|(at, id)| (id.as_str(), Some((at % k) as u32))).collect();
        advance(last, &[], &Night { date, model: "m", clusters: &clusters, members: &members })
            .expect("a night")
    };
    let first = night("1", &[[1.0, 0.0]], &Ledger::default(), 100);
    let near = night("2", &[[0.86, 0.510_294]], &first.ledger, 200);
    assert_eq!(near.ids, first.ids);
    let far = night("2", &[[0.84, 0.542_586]], &first.ledger, 200);
    assert_eq!(far.ids, [ThemeId::new(1)]);
    assert_eq!(far.events.iter().map(Event::kind).collect::<Vec<_>>(), ["born", "retired"]);
    // Of two that are near enough, the nearer.
    let two = night("2", &[[0.9, 0.435_89], [0.95, 0.312_25]], &first.ledger, 200);
    assert_eq!(two.ids, [ThemeId::new(1), ThemeId::new(0)]);
    // Names stay apart.
    let names: Vec<&str> = two.ledger.themes.iter().map(|theme| theme.name.as_str()).collect();
    assert_eq!(names, ["n", "n (t-000001)"]);
}

#[test]
fn members_outweigh_centroids() {
    // Theme 0's conversations, where theme 1's centroid was.
    let (zero, one): (Vec<usize>, Vec<usize>) = ((0..90).collect(), (100..180).collect());
    let second = night(&start(), "2026-01-02", "m", &[(1, &zero), (0, &one)]).expect("a night");
    assert_eq!(second.ids, [ThemeId::new(0), ThemeId::new(1)]);
}

#[test]
fn another_model_leaves_members_to_decide() {
    let (zero, new): (Vec<usize>, Vec<usize>) = ((0..90).collect(), (1_000..1_050).collect());
    let second = night(&start(), "2026-01-02", "other", &[(4, &zero), (1, &new)]).expect("a night");
    assert_eq!(second.ids, [ThemeId::new(0), ThemeId::new(3)]);
    let Event::Continued { flow, .. } = &second.events[0] else { panic!("{:?}", second.events) };
    assert_eq!(flow.cosine, None);
    assert!(second.ledger.theme(ThemeId::new(1)).expect("retired").centroid.is_empty());
}

#[test]
fn a_small_theme_swallowed_by_a_large_one_is_merged() {
    let both: Vec<usize> = (0..90).chain(100..145).collect();
    let rest: Vec<usize> = (145..180).collect();
    let second = night(&start(), "2026-01-02", "m", &[(0, &both), (6, &rest)]).expect("a night");
    // 45 of 80 went over, 35 stayed together: theme 1 goes on as those.
    assert_eq!(second.ids, [ThemeId::new(0), ThemeId::new(1)]);
    let all: Vec<usize> = (0..90).chain(100..180).collect();
    let second = night(&start(), "2026-01-02", "m", &[(0, &all)]).expect("a night");
    let merged = Event::Merged {
        into: ThemeId::new(0),
        sources: vec![
            Flow { theme: ThemeId::new(0), common: 90, of_old: 1.0, of_new: 0.529412, cosine: Some(1.0) },
            Flow { theme: ThemeId::new(1), common: 80, of_old: 1.0, of_new: 0.470588, cosine: Some(0.0) },
        ],
    };
    assert_eq!(second.events[1], merged);
    assert_eq!(second.events[2].kind(), "retired");
    assert_eq!(second.events[2].theme(), ThemeId::new(2));
    assert_eq!(second.events.len(), 3);
}

#[test]
fn unsound_nights_are_refused() {
    let rows: Vec<usize> = (0..20).collect();
    let same = night(&start(), "2026-01-01", "m", &[(0, &rows)]);
    assert!(matches!(same, Err(LedgerError::NotLater { .. })));
    let twice = night(&start(), "2026-01-02", "m", &[(0, &rows), (1, &rows)]);
    assert!(matches!(twice, Err(LedgerError::Duplicate { night: "tonight", .. })));
    let tonight = |members, clusters| Night { date: "2026", model: "m", clusters, members };
    let outside = advance(&Ledger::default(), &[], &tonight(&[("a", Some(0))], &[]));
    assert!(matches!(outside, Err(LedgerError::Cluster { clusters: 0, .. })));
    let centroid = [f32::NAN, 1.0];
    let bad = advance(&Ledger::default(), &[], &tonight(&[], &[Cluster { name: "x", centroid: &centroid }]));
    assert!(matches!(bad, Err(LedgerError::Centroid { cluster: 0, found: 1, expected: 2 })));
    let foreign = Ledger { format: 9, ..Ledger::default() };
    assert_eq!(foreign.validate(), Err(LedgerError::Format { found: 9 }));
    let mut turned = start().ledger;
    turned.themes.reverse();
    assert_eq!(turned.validate(), Err(LedgerError::Order { id: ThemeId::new(1) }));
    let mut curated = start().ledger;
    curated.themes[1].state = State::Replaced;
    assert_eq!(curated.validate(), Err(LedgerError::Curated { id: ThemeId::new(1) }));
}
