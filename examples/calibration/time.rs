//! Worlds in which users leave over time: who stays longer has more time to meet anything.

use chrono::NaiveDate;
use ndarray::Array2;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use undertone::outcome::estimate::{Rate, Verdict, newcombe_difference};
use undertone::outcome::exposure::split_at_landmark;
use undertone::outcome::survival::{Subject, SurvivalCurve, fit_cox, log_rank};
use undertone::outcome::window::{Calendar, DaySet, LAST_DAY, NamedWindow};

use super::users::{Counted, User, covers, rules};
use super::{COVERS, Measure, Share, dice, repeat};

const WINDOW_DAYS: u32 = 7;

/// One user's time with the product, day by day.
struct Life {
    days: DaySet,
    /// Days of conversations, with repeats.
    conversations: Vec<u32>,
    /// Of these, in the theme.
    in_theme: Vec<bool>,
}

fn live(rng: &mut Xoshiro256PlusPlus) -> Life {
    // Some leave within days, some hardly at all.
    let leaving = 0.15 * rng.r#gen::<f64>().powi(3) + 0.005;
    let (mut days, mut conversations) = (vec![0], vec![0]);
    for day in 1..=LAST_DAY {
        if rng.gen_bool(leaving) {
            break;
        }
        if rng.gen_bool(0.45) {
            days.push(day);
            if rng.gen_bool(0.6) {
                conversations.push(day);
            }
        }
    }
    let in_theme = conversations.iter().map(|_| rng.gen_bool(0.12)).collect();
    Life { days: DaySet::from_days(days), conversations, in_theme }
}

impl Life {
    fn meets_before(&self, day: u32) -> bool {
        self.conversations.iter().zip(&self.in_theme).any(|(at, met)| *at < day && *met)
    }

    /// As the program sees the user: exposure before the landmark, outcome after it.
    fn at_landmark(&self, outcome: &NamedWindow) -> User {
        let early = self.conversations.iter().filter(|day| **day < WINDOW_DAYS).count() as u32;
        User {
            covariates: [0, 0, early],
            liking: 0.0,
            exposed: vec![self.meets_before(WINDOW_DAYS)],
            stays: self.days.meets(outcome.window),
        }
    }
}

/// A theme without effect, which those who stay longer have more time to meet.
pub fn immortal_time(seeds: u64) -> Vec<Measure> {
    let last_complete = NaiveDate::from_ymd_opt(2026, 12, 31).expect("a date");
    let calendar = Calendar { last_complete, follow_up: Some(28) };
    let [flagged, any, naive] = repeat(seeds, |seed| {
        let mut rng = dice(10, seed);
        let lives: Vec<Life> = (0..2000).map(|_| live(&mut rng)).collect();
        let (outcomes, refused) = split_at_landmark(calendar.outcomes(), WINDOW_DAYS);
        assert!(!refused.is_empty(), "D1 lies within the window of exposure");
        let mut shares = [Share::default(); 3];
        let mut flags = 0;
        for outcome in &outcomes {
            let users: Vec<User> = lives.iter().map(|life| life.at_landmark(outcome)).collect();
            for effect in Counted::new(&users).compare(&users, &rules(0.05)) {
                let called = matches!(effect.verdict, Verdict::Worse | Verdict::Better);
                shares[0].count(called);
                flags += u32::from(called);
            }
        }
        shares[1].count(flags > 0);
        // What is done everywhere: exposed ever, active in the fourth week.
        let week = outcomes.iter().find(|outcome| outcome.name == "W4").expect("W4");
        let count = |exposed: bool| {
            let side = lives.iter().filter(|life| life.meets_before(u32::MAX) == exposed);
            let of = side.clone().count();
            Rate::new(side.filter(|life| life.days.meets(week.window)).count() as u64, of as u64)
        };
        shares[2].count(newcombe_difference(&count(true), &count(false)).excludes_zero());
        shares
    });
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line(
            "immortal_time.flagged",
            "Immortal time, no effect: comparisons flagged",
            flagged,
            Some((0.0, 0.05)),
        ),
        line("immortal_time.any", "Immortal time: worlds with a flag in any of five outcomes", any, None),
        line("immortal_time.naive", "Immortal time: flagged by the naive join", naive, None),
    ]
}

/// Users who leave at a rate that a covariate and an exposure change; all leave sight at some time.
fn leavers(
    rng: &mut Xoshiro256PlusPlus,
    count: usize,
    effect: f64,
) -> (Vec<Subject>, Vec<usize>, Array2<f64>) {
    let (mut subjects, mut groups, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let covariate = 2.0 * rng.r#gen::<f64>() - 1.0;
        let exposed = rng.gen_bool(0.4);
        let rate = 0.03 * (effect * f64::from(u8::from(exposed)) + 0.5 * covariate).exp();
        let leaves = -(1.0 - rng.r#gen::<f64>()).ln() / rate;
        let seen = rng.gen_range(10.0..62.0);
        // In whole days, as activity is known: many ties.
        subjects.push(Subject { time: f64::min(leaves, seen).floor(), event: leaves <= seen });
        groups.push(usize::from(exposed));
        rows.extend([f64::from(u8::from(exposed)), covariate]);
    }
    (subjects, groups, Array2::from_shape_vec((count, 2), rows).expect("two columns"))
}

/// Curves, hazard ratios and the log-rank test.
pub fn survival(seeds: u64) -> Vec<Measure> {
    const EFFECT: f64 = 0.4;
    // Share left after day 20 among the unexposed: the mean over the covariate, by Simpson's rule.
    let left = |covariate: f64| (-0.03 * 21.0 * (0.5 * covariate).exp()).exp();
    let truth = (0..=200).map(|i| {
        let weight = if i == 0 || i == 200 { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
        weight * left(f64::from(i) / 100.0 - 1.0)
    });
    let truth: f64 = truth.sum::<f64>() / 600.0;
    let [curve, ratio, flagged] = repeat(seeds, |seed| {
        let mut shares = [Share::default(); 3];
        let mut rng = dice(11, seed);
        for _ in 0..10 {
            let (subjects, groups, rows) = leavers(&mut rng, 400, EFFECT);
            let unexposed = subjects.iter().zip(&groups).filter(|(_, group)| **group == 0);
            let unexposed: Vec<Subject> = unexposed.map(|(subject, _)| *subject).collect();
            let interval = SurvivalCurve::new(&unexposed).expect("times").at(20.0).expect("followed");
            shares[0].count(covers(&interval, truth));
            let fit = fit_cox(&subjects, rows.view()).expect("a fit");
            shares[1].count(covers(&fit.coefficients[0].hazard_ratio, EFFECT.exp()));
            let (subjects, groups, _) = leavers(&mut rng, 400, 0.0);
            shares[2].count(log_rank(&subjects, &groups, 2).expect("two groups").p <= 0.05);
        }
        shares
    });
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line("methods.kaplan_meier", "Kaplan-Meier interval at day 20 covers", curve, COVERS),
        line("methods.cox", "Cox hazard ratio covers", ratio, COVERS),
        line("methods.log_rank_flagged", "Log-rank test of equal groups flags", flagged, Some((0.03, 0.07))),
    ]
}
