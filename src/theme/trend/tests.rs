//! Emerging and fading themes over simulated worlds: how many are found, and how many falsely.
#![allow(clippy::print_stdout, reason = "figures, for those who ask with --nocapture")]
use rand::SeedableRng;
use rand::distributions::{Distribution, WeightedIndex};
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256Plus;

use super::*;

fn ids(count: u32) -> Vec<ThemeId> {
    (0..count).map(ThemeId::new).collect()
}

/// Weeks of conversations drawn with these weights, `per_user` at a time of one theme.
fn weeks(rng: &mut Xoshiro256Plus, weights: &[Vec<f64>], total: u64, per_user: u64) -> Vec<Week> {
    let week = |(number, weights): (usize, &Vec<f64>)| {
        let draw = WeightedIndex::new(weights).expect("weights");
        let mut counts = vec![0; weights.len()];
        (0..total / per_user).for_each(|_| counts[draw.sample(rng)] += per_user);
        Week { start: format!("2026-{:02}-01", number + 1), total, is_complete: true, counts }
    };
    weights.iter().enumerate().map(week).collect()
}

/// Shares of 30 themes, from about 13 % down to a quarter of a percent.
fn shares() -> Vec<f64> {
    let raw: Vec<f64> = (0..30).map(|theme| 0.87f64.powi(theme)).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|share| share / sum).collect()
}

/// Mean over worlds of the share of false calls among all calls, and its standard error.
/// The first `doubled` of the small themes double in the last week.
fn false_discoveries(total: u64, per_user: u64, doubled: usize, correct: bool) -> (f64, f64, f64) {
    let mut rng = Xoshiro256Plus::seed_from_u64(total + per_user + doubled as u64);
    let (mut rates, mut found) = (Vec::new(), 0);
    let changed = |theme: usize| (10..10 + doubled).contains(&theme);
    for _ in 0..200 {
        let usual = shares();
        let mut weights = vec![usual.clone(); 9];
        weights[8] = usual.iter().enumerate().map(|(t, s)| if changed(t) { 2.0 * s } else { *s }).collect();
        // The largest gives what they gain: to call it fading is no mistake either.
        let gained: f64 = (0..30).filter(|t| changed(*t)).map(|t| usual[t]).sum();
        weights[8][0] -= gained.min(usual[0] * 0.99);
        let mut world = weeks(&mut rng, &weights, total, per_user);
        if !correct {
            // One week before does not tell how weeks differ.
            world.drain(..7);
        }
        let trends = measure(&ids(30), &world, &TrendParams::default()).expect("sound weeks");
        let called = |trend: &&ThemeTrend| matches!(trend.verdict, Verdict::Emerging | Verdict::Fading);
        let calls: Vec<usize> =
            trends.themes.iter().filter(called).map(|trend| trend.theme.number() as usize).collect();
        let wrong = calls.iter().filter(|t| !changed(**t) && (doubled == 0 || **t != 0)).count();
        found += calls.iter().filter(|t| changed(**t)).count();
        rates.push(wrong as f64 / calls.len().max(1) as f64);
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt(), found as f64 / (200 * doubled.max(1)) as f64)
}

#[test]
fn false_discoveries_stay_below_q() {
    // The last two are the hard ones: users of five conversations each, all about one theme.
    for (total, per_user, doubled) in
        [(2_000, 1, 0), (300, 1, 0), (2_000, 1, 5), (10_000, 5, 0), (2_000, 5, 0)]
    {
        let (rate, error, power) = false_discoveries(total, per_user, doubled, true);
        println!(
            "{total} a week by {per_user}, {doubled} doubled: FDR {rate:.4} (SE {error:.4}), found {power:.3}"
        );
        assert!(rate <= 0.10 + 2.0 * error, "{total}/{per_user}/{doubled}: {rate} +- {error}");
    }
    // The correction is what holds these: without it the test must fail.
    let (rate, error, _) = false_discoveries(10_000, 5, 0, false);
    println!("10000 a week by 5, uncorrected: FDR {rate:.4} (SE {error:.4})");
    assert!(rate > 0.10 + 2.0 * error, "the world is not hard: {rate}");
}

#[test]
fn a_doubling_is_found() {
    let mut rng = Xoshiro256Plus::seed_from_u64(3);
    let (mut found, mut fading) = (0, 0);
    for _ in 0..200 {
        let mut usual = shares();
        usual[20] = 0.03;
        usual[21] = 0.06;
        let mut last = usual.clone();
        last[20] = 0.06;
        last[21] = 0.03;
        let mut weights = vec![usual; 8];
        weights.push(last);
        let sum = weights[0].iter().sum::<f64>();
        assert!((sum - weights[8].iter().sum::<f64>()).abs() < 1e-12);
        let world = weeks(&mut rng, &weights, 2_000, 1);
        let trends = measure(&ids(30), &world, &TrendParams::default()).expect("sound weeks");
        found += usize::from(trends.themes[20].verdict == Verdict::Emerging);
        fading += usize::from(trends.themes[21].verdict == Verdict::Fading);
    }
    println!("doubling of 3 % found {found} of 200, halving of 6 % {fading} of 200");
    assert!(found >= 198 && fading >= 190, "{found} and {fading} of 200");
}

fn plain(start: &str, total: u64, counts: &[u64]) -> Week {
    Week { start: start.into(), total, is_complete: true, counts: counts.to_vec() }
}

#[test]
fn verdicts_say_what_the_counts_can_carry() {
    let mut world: Vec<Week> =
        (1..=8).map(|week| plain(&format!("2026-01-{week:02}"), 2_000, &[500, 100, 3, 0, 0])).collect();
    world.push(plain("2026-02-01", 2_000, &[505, 20, 4, 30, 0]));
    // Half a week, in which everything seems to fade.
    world.push(Week { is_complete: false, ..plain("2026-02-08", 100, &[0, 0, 0, 0, 0]) });
    let trends = measure(&ids(5), &world, &TrendParams::default()).expect("sound weeks");
    let verdicts: Vec<Verdict> = trends.themes.iter().map(|trend| trend.verdict).collect();
    use Verdict::{CannotTell, Emerging, Fading, Steady};
    assert_eq!(verdicts, [Steady, Fading, CannotTell, Emerging, CannotTell]);
    assert_eq!(trends.recent, ["2026-02-01"]);
    assert_eq!(trends.baseline.len(), 8);
    assert_eq!(trends.incomplete, ["2026-02-08"]);
    assert_eq!(trends.shares.len(), 50);
    let row = &trends.shares[9];
    assert!(!row.is_complete && (row.n, row.total) == (0, 100));
    assert_eq!((trends.themes[4].p, trends.themes[4].q), (1.0, 1.0));
    assert!(trends.themes.iter().all(|t| t.change.low <= t.change.value && t.change.value <= t.change.high));
}

#[test]
fn order_changes_nothing() {
    let mut rng = Xoshiro256Plus::seed_from_u64(8);
    let world = weeks(&mut rng, &vec![shares(); 6], 500, 1);
    let params = TrendParams { recent_weeks: 2, ..TrendParams::default() };
    let json = |themes: &[ThemeId], world: &[Week]| {
        serde_json::to_string(&measure(themes, world, &params).expect("sound weeks")).expect("JSON")
    };
    let straight = json(&ids(30), &world);
    let mut order: Vec<usize> = (0..30).collect();
    order.shuffle(&mut rng);
    let themes: Vec<ThemeId> = order.iter().map(|at| ThemeId::new(*at as u32)).collect();
    let turned =
        |week: &Week| Week { counts: order.iter().map(|at| week.counts[*at]).collect(), ..week.clone() };
    let moved: Vec<Week> = world.iter().rev().map(turned).collect();
    assert_eq!(json(&themes, &moved), straight);
}

#[test]
fn unsound_weeks_are_refused() {
    let params = TrendParams::default();
    let bad = |themes: &[ThemeId], weeks: &[Week]| measure(themes, weeks, &params).expect_err("refused");
    let week = plain("2026-01-05", 10, &[3, 4]);
    assert!(matches!(bad(&ids(2), &[week.clone(), week.clone()]), TrendError::Duplicate(_)));
    assert!(matches!(bad(&[ThemeId::new(1); 2], &[]), TrendError::Theme(_)));
    assert!(matches!(bad(&ids(3), std::slice::from_ref(&week)), TrendError::Counts { .. }));
    assert!(matches!(bad(&ids(2), &[plain("2026-01-05", 6, &[3, 4])]), TrendError::Counts { .. }));
    assert!(matches!(bad(&ids(2), &[plain("2026-01-05", 6, &[u64::MAX, 4])]), TrendError::Counts { .. }));
    for params in [
        TrendParams { recent_weeks: 0, ..TrendParams::default() },
        TrendParams { baseline_weeks: 0, ..TrendParams::default() },
        TrendParams { q: f64::NAN, ..TrendParams::default() },
    ] {
        assert!(matches!(measure(&[], &[], &params), Err(TrendError::Param { .. })));
    }
    let one = measure(&ids(2), &[week], &params).expect("one week has shares");
    assert!(one.themes.is_empty() && one.shares.len() == 2);
    assert_eq!(measure(&[], &[], &params).expect("nothing").shares, []);
}
