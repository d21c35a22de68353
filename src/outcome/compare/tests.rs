//! Decompositions by hand, and what must hold of every one.

use super::*;

fn observations(after: bool, first_user: u32, theme: u32, count: u32, with: u32) -> Vec<Observation> {
    let value = |i: u32| if i < with { 1.0 } else { 0.0 };
    (0..count).map(|i| Observation { after, user: first_user + i, theme, value: value(i) }).collect()
}

#[test]
fn terms_by_hand() {
    // Shares 0.8, 0.2 then 0.5, 0.5; means 0.1, 0.6 then 0.2, 0.5: from 0.20 to 0.35.
    let all = [
        observations(false, 0, 1, 80, 8),
        observations(false, 100, 2, 20, 12),
        observations(true, 200, 1, 50, 10),
        observations(true, 300, 2, 50, 25),
    ]
    .concat();
    let found = decompose(&all, 0.05).expect("both sides");
    let near = |ours: f64, expected: f64| assert!((ours - expected).abs() < 1e-12, "{ours} {expected}");
    near(found.before.value, 0.20);
    near(found.after.value, 0.35);
    near(found.mix.value, -0.3 * 0.1 + 0.3 * 0.6);
    near(found.within.value, 0.8 * 0.1 - 0.2 * 0.1);
    near(found.interaction.value, -0.3 * 0.1 - 0.3 * 0.1);
    assert_eq!(found.mix.value + found.within.value + found.interaction.value, found.difference.value);
    // Everybody their own user, two samples: the difference has the error of two rates.
    let error = (0.2_f64 * 0.8 / 100.0 + 0.35 * 0.65 / 100.0).sqrt();
    let half = (found.difference.high - found.difference.low) / 2.0;
    assert!((half / (Z_95 * error) - 1.0).abs() < 0.03, "{half} {error}");
    let kinds: Vec<ChangeKind> = found.themes.iter().map(|theme| theme.kind).collect();
    assert_eq!(kinds, [ChangeKind::Shrunk, ChangeKind::Grown]);
}

#[test]
fn themes_that_come_and_go_act_through_shares() {
    let all = [
        observations(false, 0, 1, 100, 20),
        observations(false, 200, 2, 50, 40),
        observations(true, 400, 1, 100, 20),
        observations(true, 600, 3, 60, 3),
    ]
    .concat();
    let found = decompose(&all, 0.05).expect("both sides");
    assert_eq!((found.within.value, found.interaction.value), (0.0, 0.0));
    let total = found.after.value - found.before.value;
    assert!((found.mix.value - total).abs() < 1e-12);
    let kinds: Vec<ChangeKind> = found.themes.iter().map(|theme| theme.kind).collect();
    assert_eq!(kinds, [ChangeKind::Steady, ChangeKind::Gone, ChangeKind::New]);
}

#[test]
fn a_few_of_something_new_are_no_news() {
    let all = [
        observations(false, 0, 1, 200, 20),
        observations(true, 400, 1, 200, 20),
        observations(true, 800, 2, 2, 2),
    ];
    let found = decompose(&all.concat(), 0.05).expect("both sides");
    assert_eq!(found.themes[1].kind, ChangeKind::Steady);
    // A hundred from one user are hardly more.
    let one_user = (0..100).map(|_| Observation { after: true, user: 999, theme: 2, value: 1.0 });
    let all = [all[0].clone(), all[1].clone(), one_user.collect()].concat();
    let found = decompose(&all, 0.05).expect("both sides");
    assert_eq!(found.themes[1].kind, ChangeKind::Steady, "{:?}", found.themes[1]);
}

#[test]
fn repeating_every_observation_makes_nothing_surer() {
    let all = [
        observations(false, 0, 1, 80, 8),
        observations(false, 100, 2, 20, 12),
        observations(true, 50, 1, 50, 10),
        observations(true, 300, 2, 50, 25),
    ]
    .concat();
    let once = decompose(&all, 0.05).expect("both sides");
    let often = decompose(&all.iter().flat_map(|o| [*o; 5]).collect::<Vec<_>>(), 0.05).expect("both sides");
    let width = |interval: &Interval| interval.high - interval.low;
    for (a, b) in [
        (&once.mix, &often.mix),
        (&once.within, &often.within),
        (&once.interaction, &often.interaction),
        (&once.difference, &often.difference),
        (&once.themes[0].share, &often.themes[0].share),
    ] {
        assert!((a.value - b.value).abs() < 1e-12);
        assert!((width(a) / width(b) - 1.0).abs() < 0.05, "{a:?} {b:?}");
    }
}

#[test]
fn errors_are_those_of_resampled_users() {
    // 97 users with some 20 observations each in three themes, on both sides; a fourth comes new.
    let mut state = 12345_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut all = Vec::new();
    for _ in 0..2000 {
        let user = draw(97) as u32;
        let after = draw(5) < u64::from(2 + user % 2);
        let new = after && draw(10) == 0;
        let theme = if new { 3 } else { (u64::from(user) + draw(2)) as u32 % 3 };
        let value = (draw(6) as u32 + user % 3 + theme + u32::from(after)) as f64 / 12.0;
        all.push(Observation { after, user, theme, value });
    }
    let found = decompose(&all, 0.05).expect("both sides");
    // The jackknife leaves out one user at a time (Efron & Stein 1981).
    let mut left_out = Vec::new();
    for user in 0..97 {
        let rest: Vec<Observation> = all.iter().copied().filter(|o| o.user != user).collect();
        left_out.push(decompose(&rest, 0.05).expect("both sides"));
    }
    let parts: [fn(&Decomposition) -> Interval; 5] =
        [|d| d.mix, |d| d.within, |d| d.interaction, |d| d.difference, |d| d.themes[0].share];
    for (which, part) in parts.into_iter().enumerate() {
        let values: Vec<f64> = left_out.iter().map(|d| part(d).value).collect();
        let mean = values.iter().sum::<f64>() / 97.0;
        let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let jackknife = (96.0 / 97.0 * square).sqrt();
        let interval = part(&found);
        let ours = (interval.high - interval.low) / 2.0 / Z_95;
        assert!((ours / jackknife - 1.0).abs() < 0.06, "part {which}: {ours} {jackknife}");
    }
}

#[test]
fn the_order_does_not_matter_and_nothing_is_certain() {
    let all = [observations(false, 0, 1, 30, 9), observations(true, 10, 1, 30, 12)].concat();
    let backwards: Vec<Observation> = all.iter().rev().copied().collect();
    assert_eq!(decompose(&all, 0.05), decompose(&backwards, 0.05));
    assert_eq!(decompose(&all[..30], 0.05), None);
    let quiet = [observations(false, 0, 1, 30, 0), observations(true, 100, 1, 30, 0)].concat();
    let found = decompose(&quiet, 0.05).expect("both sides");
    assert!(found.within.low < -0.1 && found.within.high > 0.1);
}
