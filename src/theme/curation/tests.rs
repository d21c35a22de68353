//! Human edits over simulated nights: they survive, and applying twice is applying once.
#![allow(clippy::print_stdout, reason = "figures, for those who ask with --nocapture")]
use ndarray::{Array2, Axis};

use super::*;
use crate::theme::ledger::world::{Nights, Start, World, k_means};
use crate::theme::ledger::{Event, Member};

const THEMES: usize = 8;
const ROWS: usize = 1_200;

fn id(number: u32) -> ThemeId {
    ThemeId::new(number)
}

/// A world after its first night.
fn first_night(seed: u64) -> (World, Nights) {
    let mut world = World::new(seed, THEMES);
    world.talk_of_all(THEMES, ROWS);
    let mut nights = Nights::default();
    nights.pass(&world, THEMES, Start::Hidden);
    (world, nights)
}

fn rows<'a>(world: &'a World, nights: &Nights) -> Vec<Member<'a>> {
    world.rows.iter().map(|row| (row.0.as_str(), nights.members.get(&row.0).copied())).collect()
}

fn curated(world: &World, nights: &Nights, curation: &Curation) -> Curated {
    apply(&nights.ledger, &rows(world, nights), world.vectors().view(), curation).expect("a sound curation")
}

fn vectors_of(world: &World, of: ThemeId, assignment: &[Option<ThemeId>]) -> Array2<f32> {
    let rows: Vec<usize> = (0..assignment.len()).filter(|&row| assignment[row] == Some(of)).collect();
    world.vectors().select(Axis(0), &rows)
}

fn pin(curation: &mut Curation, world: &World, nights: &Nights, theme: ThemeId) {
    let is_member: Vec<bool> = rows(world, nights).iter().map(|row| row.1 == Some(theme)).collect();
    let centroid = nights.ledger.theme(theme).expect("a theme").centroid.clone();
    curation
        .pin(&nights.ledger, theme, &centroid, world.vectors().view(), &is_member)
        .expect("a theme to pin");
}

fn split(curation: &mut Curation, world: &World, nights: &Nights, theme: ThemeId) -> Vec<ThemeId> {
    let seen = curated(world, nights, curation);
    let members = vectors_of(world, theme, &seen.assignment);
    let (labels, _) = k_means(&members, 2, 1, &[]);
    curation.split(&nights.ledger, theme, members.view(), &labels).expect("a theme to split")
}

#[test]
fn a_rename_survives_ten_nights() {
    let (mut world, mut nights) = first_night(1);
    let mut curation = Curation::default();
    curation.rename(&nights.ledger, id(2), "  Refunds ").expect("a rename");
    let hidden = world.rows.iter().find(|row| nights.members[&row.0] == id(2)).expect("a member").2;
    for _ in 0..10 {
        world.talk_of_all(THEMES, world.rows.len() / 20);
        nights.pass(&world, THEMES, Start::Warm);
        let seen = curated(&world, &nights, &curation);
        let theme = seen.ledger.theme(id(2)).expect("still there");
        assert_eq!((theme.name.as_str(), theme.state), ("Refunds", State::Active));
        let of_it = |row: &usize| world.rows[*row].2 == hidden;
        let all = (0..world.rows.len()).filter(of_it).count();
        let in_it =
            (0..world.rows.len()).filter(of_it).filter(|row| seen.assignment[*row] == Some(id(2))).count();
        assert!(in_it * 100 >= all * 95, "{in_it} of {all} are still called so");
    }
}

#[test]
fn merges_splits_pins_and_hiding_survive_the_nights() {
    let (mut world, mut nights) = first_night(2);
    let mut curation = Curation::default();
    curation.merge(&nights.ledger, id(0), id(1)).expect("a merge");
    let parts = split(&mut curation, &world, &nights, id(3));
    curation.rename(&nights.ledger, parts[1], "Second half").expect("a rename");
    curation.push(&nights.ledger, Edit::Hide { theme: id(4) }).expect("hiding");
    pin(&mut curation, &world, &nights, id(5));
    let before = curated(&world, &nights, &curation);
    for _ in 0..5 {
        world.talk_of_all(THEMES, world.rows.len() / 20);
        let tonight = nights.pass(&world, THEMES, Start::Warm);
        let seen = curated(&world, &nights, &curation);
        let theme = |of: u32| seen.ledger.theme(id(of)).expect("a theme");
        assert_eq!((theme(0).state, theme(0).size), (State::Replaced, 0));
        assert_eq!(theme(0).edits.merged_into, Some(id(1)));
        assert_eq!(theme(3).edits.split_into, parts);
        assert_eq!(theme(parts[1].number()).name, "Second half");
        assert!(theme(4).edits.hidden && theme(5).edits.pinned);
        assert!(seen.assignment.iter().all(|theme| *theme != Some(id(0)) && *theme != Some(id(3))));
        let same = before.assignment.iter().zip(&seen.assignment).filter(|(a, b)| a == b).count();
        assert!(same * 100 >= before.assignment.len() * 95, "{same} of {}", before.assignment.len());
        let told = seen.events(&tonight.events);
        assert!(told.iter().all(|event| ![id(0), id(3), id(4)].contains(&event.theme())));
        assert!(told.len() < tonight.events.len());
        let sizes: u64 = seen.ledger.active().map(|theme| theme.size).sum();
        assert_eq!(sizes as usize, world.rows.len());
    }
}

#[test]
fn a_pinned_theme_outlives_a_clustering_without_it() {
    // The largest, and one of the smallest.
    for pinned in [id(0), id(THEMES as u32 - 1)] {
        let (mut world, mut nights) = first_night(3);
        let mut curation = Curation::default();
        pin(&mut curation, &world, &nights, pinned);
        let members = |assignment: &[Option<ThemeId>]| {
            (0..assignment.len()).filter(|&row| assignment[row] == Some(pinned)).collect::<Vec<usize>>()
        };
        let first = members(&rows(&world, &nights).iter().map(|row| row.1).collect::<Vec<_>>());
        world.talk_of_all(THEMES, ROWS / 20);
        // Half of the themes are found, so that most are swallowed; then twice as many, so that most
        // are torn apart.
        for k in [THEMES / 2, THEMES / 2, THEMES * 2] {
            let tonight = nights.pass(&world, k, Start::Cold);
            let seen = curated(&world, &nights, &curation);
            let now = members(&seen.assignment);
            let kept = first.iter().filter(|row| now.contains(row)).count();
            let found = first.iter().filter(|row| nights.members[&world.rows[**row].0] == pinned).count();
            let others = now.iter().filter(|row| **row < ROWS && !first.contains(row)).count();
            println!(
                "pinned {pinned}, k = {k}: {kept} of {} kept ({found} without), {others} others",
                first.len()
            );
            assert!(kept * 100 >= first.len() * 90, "{kept} of {}", first.len());
            let theme = seen.ledger.theme(pinned).expect("there");
            assert_eq!((theme.state, theme.size as usize), (State::Active, now.len()));
            let told = seen.events(&tonight.events);
            assert!(!told.iter().any(|e| matches!(e, Event::Retired { theme, .. } if *theme == pinned)));
        }
    }
}

/// One of each edit, in an order in which they build on each other.
fn everything(world: &World, nights: &Nights) -> Curation {
    let mut curation = Curation::default();
    let ledger = &nights.ledger;
    curation.merge(ledger, id(0), id(1)).expect("a merge");
    let parts = split(&mut curation, world, nights, id(1));
    curation.merge(ledger, parts[0], id(2)).expect("a part can be merged");
    split(&mut curation, world, nights, parts[1]);
    pin(&mut curation, world, nights, id(2));
    pin(&mut curation, world, nights, id(3));
    curation.merge(ledger, id(3), id(4)).expect("a pinned theme can be merged");
    let taken = ledger.theme(id(6)).expect("a theme").name.clone();
    curation.push(ledger, Edit::Rename { theme: id(5), name: taken }).expect("an edit from elsewhere");
    curation.push(ledger, Edit::Hide { theme: id(7) }).expect("hiding");
    curation
}

#[test]
fn twice_is_once_and_order_is_nothing() {
    let (world, nights) = first_night(4);
    let curation = everything(&world, &nights);
    let once = curated(&world, &nights, &curation);
    let ids: Vec<&str> = world.rows.iter().map(|row| row.0.as_str()).collect();
    let again: Vec<Member<'_>> = ids.iter().copied().zip(once.assignment.iter().copied()).collect();
    let twice = apply(&once.ledger, &again, world.vectors().view(), &curation).expect("applies again");
    assert_eq!(twice, once);

    let found = rows(&world, &nights);
    // A permutation, as 7 does not divide the number of rows.
    let order: Vec<usize> = (0..found.len()).map(|row| (row * 7) % found.len()).collect();
    let moved: Vec<Member<'_>> = order.iter().map(|&row| found[row]).collect();
    let vectors = world.vectors().select(Axis(0), &order);
    let other = apply(&nights.ledger, &moved, vectors.view(), &curation).expect("applies");
    let json = |ledger: &Ledger| serde_json::to_string(ledger).expect("JSON");
    assert_eq!(json(&other.ledger), json(&once.ledger));
    order.iter().enumerate().for_each(|(at, &row)| assert_eq!(other.assignment[at], once.assignment[row]));

    // Names stay apart, and the file comes back as it was.
    let mut names: Vec<&str> = once.ledger.active().map(|theme| theme.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), once.ledger.active().count());
    let file = serde_json::to_string_pretty(&curation).expect("JSON");
    assert_eq!(serde_json::from_str::<Curation>(&file).expect("a curation"), curation);
}

#[test]
fn sums_do_not_hang_on_the_order_of_rows() {
    // What a large value swallows depends on when it comes.
    let vectors = ndarray::array![[1.0f32, 0.0], [-1.0, 0.0], [1e-17, 1.0]];
    let (_, nights) = first_night(9);
    let mut curation = Curation::default();
    curation.merge(&nights.ledger, id(0), id(1)).expect("a merge");
    let centroid = |order: [usize; 3]| {
        let rows: Vec<Member<'_>> = order.iter().map(|&row| (["a", "b", "c"][row], Some(id(0)))).collect();
        let vectors = vectors.select(Axis(0), &order);
        let seen = apply(&nights.ledger, &rows, vectors.view(), &curation).expect("a sound curation");
        seen.ledger.theme(id(1)).expect("a theme").centroid.clone()
    };
    assert_eq!(centroid([0, 2, 1]), centroid([0, 1, 2]));
    assert_eq!(centroid([2, 1, 0]), centroid([0, 1, 2]));
}

#[test]
fn no_edits_change_nothing() {
    let (world, nights) = first_night(5);
    let seen = curated(&world, &nights, &Curation::default());
    assert_eq!(seen.ledger, nights.ledger);
    assert!(seen.skipped.is_empty());
}

#[test]
fn edits_that_make_no_sense_are_refused() {
    let (world, nights) = first_night(6);
    let ledger = &nights.ledger;
    let mut curation = Curation::default();
    let error = curation.rename(ledger, id(40), "x").expect_err("unknown").to_string();
    assert!(error.starts_with("there is no theme t-000040; nearest: t-000007 (about "), "{error}");
    assert_eq!(curation.merge(ledger, id(1), id(1)), Err(CurationError::IntoItself { theme: id(1) }));
    curation.merge(ledger, id(0), id(1)).expect("a merge");
    curation.merge(ledger, id(1), id(2)).expect("a merge of a merge");
    assert_eq!(curation.merge(ledger, id(2), id(0)), Err(CurationError::Cycle { theme: id(2), into: id(0) }));
    let gone = CurationError::Replaced { theme: id(0), by: vec![id(2)] };
    assert_eq!(curation.merge(ledger, id(3), id(0)), Err(gone.clone()));
    assert_eq!(curation.rename(ledger, id(0), "x"), Err(gone));
    assert_eq!(curation.rename(ledger, id(3), " "), Err(CurationError::BlankName { theme: id(3) }));
    let taken = ledger.theme(id(4)).expect("a theme").name.to_uppercase();
    assert!(
        matches!(curation.rename(ledger, id(3), &taken), Err(CurationError::NameTaken { holder, .. }) if holder == id(4))
    );
    let vectors = world.vectors();
    let some = vectors.slice(ndarray::s![..4, ..]);
    for labels in [[0, 0, 0, 0], [0, 2, 2, 0], [1, 1, 1, 1], [0, 0, 0, u32::MAX - 1]] {
        let refused = curation.split(ledger, id(3), some, &labels);
        assert!(matches!(refused, Err(CurationError::Parts { .. })), "{labels:?}");
    }
    assert!(matches!(curation.split(ledger, id(3), some, &[0, 1]), Err(CurationError::Rows { .. })));
    let nobody = curation.pin(ledger, id(3), &[0.0; 64], some, &[false; 4]);
    assert!(matches!(nobody, Err(CurationError::NoMembers { .. })));
    assert_eq!(curation.edits.len(), 2, "what is refused leaves no trace");

    // By hand in the file: found when it is applied.
    let mut cyclic = curation.clone();
    cyclic.edits.push(Entry { at: String::new(), edit: Edit::Merge { theme: id(2), into: id(0) } });
    let found = apply(ledger, &rows(&world, &nights), vectors.view(), &cyclic);
    assert_eq!(found, Err(CurationError::Cycle { theme: id(2), into: id(0) }));
    let foreign = apply(ledger, &[("c", Some(id(99)))], vectors.slice(ndarray::s![..1, ..]), &curation);
    assert!(matches!(foreign, Err(CurationError::Unknown { .. })));

    assert_eq!(curation.undo().expect("an edit").edit, Edit::Merge { theme: id(1), into: id(2) });
    assert!(curation.rename(ledger, id(1), "Now again").is_ok());
}

#[test]
fn edits_on_vectors_of_another_model_are_skipped_and_said() {
    let (world, mut nights) = first_night(7);
    let mut curation = Curation::default();
    let parts = split(&mut curation, &world, &nights, id(0));
    pin(&mut curation, &world, &nights, id(1));
    curation.merge(&nights.ledger, parts[0], id(2)).expect("a merge");
    nights.ledger.model = "another".into();
    let seen = curated(&world, &nights, &curation);
    let skipped: Vec<ThemeId> = seen.skipped.iter().map(|skipped| skipped.theme).collect();
    assert_eq!(skipped, [id(0), id(1), parts[0]]);
    assert!(seen.assignment.iter().flatten().all(|theme| seen.ledger.theme(*theme).is_some()));
    assert_eq!(seen.ledger.theme(id(0)).expect("whole").state, State::Active);
}

#[test]
fn people_find_themes_by_id_and_name() {
    let (_, nights) = first_night(8);
    let name = nights.ledger.theme(id(3)).expect("a theme").name.clone();
    assert_eq!(find(&nights.ledger, "t-000003"), Ok(id(3)));
    assert_eq!(find(&nights.ledger, " 3"), Ok(id(3)));
    assert_eq!(find(&nights.ledger, &name.to_uppercase()), Ok(id(3)));
    let error = find(&nights.ledger, "about everything").expect_err("unknown").to_string();
    assert!(error.starts_with("there is no theme `about everything`; nearest: t-0000"), "{error}");
    assert_eq!(
        find(&Ledger::default(), "3").expect_err("none").to_string(),
        "there is no theme t-000003; there are none yet"
    );
}
