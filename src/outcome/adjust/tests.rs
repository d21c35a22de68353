//! Adjusted comparisons against statsmodels and scipy, against print, and where there is no answer.

use ndarray::{Array2, array};
use serde_json::Value;

use super::super::estimate::{
    Rate, katz_ratio, minimum_detectable_difference, newcombe_difference, score_test_p,
};
use super::super::retention::Cell;
use super::*;

const REFERENCE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/outcome/adjust.json"));

fn reference() -> Value {
    serde_json::from_str(REFERENCE).expect("the fixture is JSON")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[track_caller]
fn agree(ours: f64, theirs: &Value, within: f64, what: &str) {
    let theirs = number(theirs);
    let close = (ours - theirs).abs() <= within * theirs.abs() + 1e-13;
    assert!(close, "{what}: ours {ours:e}, reference {theirs:e}");
}

fn stratum(table: [u64; 4]) -> Stratum {
    let cell = |retained, eligible| Cell { retained, eligible };
    Stratum { exposed: cell(table[0], table[1]), unexposed: cell(table[2], table[3]) }
}

fn strata_of(tables: &Value) -> Vec<Stratum> {
    let count = |table: &Value, i: usize| table[i].as_u64().expect("a count");
    list(tables).iter().map(|table| stratum([0, 1, 2, 3].map(|i| count(table, i)))).collect()
}

#[test]
fn pooled_strata_agree_with_statsmodels_and_exact_fractions() {
    let reference = reference();
    let cases = list(&reference["strata"]);
    let exact = cases.iter().filter(|case| case["exact"] == Value::Bool(true)).count();
    assert!(exact >= 3 && cases.len() - exact >= 8, "both tests of no association are held to theirs");
    for case in cases {
        let what =
            format!("{} strata from {}", case["tables"].as_array().map_or(0, Vec::len), case["tables"][0]);
        let pooled = mantel_haenszel(&strata_of(&case["tables"])).expect("both sides");
        agree(pooled.difference.value, &case["difference"][0], 1e-11, &what);
        agree(pooled.difference.low, &case["difference"][1], 1e-9, &what);
        agree(pooled.difference.high, &case["difference"][2], 1e-9, &what);
        agree(pooled.error, &case["error"], 1e-9, &what);
        agree(pooled.p, &case["p"], 1e-9, &what);
        assert_eq!(pooled.ratio.is_none(), case["ratio"].is_null(), "{what}");
        if let Some(ratio) = pooled.ratio {
            agree(ratio.value, &case["ratio"][0], 1e-11, &what);
            agree(ratio.low, &case["ratio"][1], 1e-7, &what);
            agree(ratio.high, &case["ratio"][2], 1e-7, &what);
        }
        assert_eq!(Some(u64::from(pooled.strata)), case["strata"].as_u64(), "{what}");
        assert_eq!(Some(pooled.left_out), case["left_out"].as_u64(), "{what}");
    }
}

#[test]
fn tolbutamide_gives_the_printed_results() {
    // Rothman, Greenland & Lash 2008, chapter 15: difference 0.034 (cut off), ratio 1.33 (0.80, 2.20).
    let pooled =
        mantel_haenszel(&[stratum([8, 106, 5, 120]), stratum([22, 98, 16, 85])]).expect("both sides");
    assert!((0.034..0.035).contains(&pooled.difference.value));
    let ratio = pooled.ratio.expect("deaths on both sides");
    assert!((ratio.value - 1.33).abs() < 0.005 && (ratio.low - 0.80).abs() < 0.005);
    assert!((ratio.high - 2.20).abs() < 0.005);
}

#[test]
fn one_stratum_is_the_crude_comparison() {
    for table in [[30, 100, 50, 120], [0, 20, 0, 30], [3, 25, 40, 900], [500, 1000, 30_000, 50_000]] {
        let pooled = mantel_haenszel(&[stratum(table)]).expect("both sides");
        let (a, b) = (Rate::new(table[0], table[1]), Rate::new(table[2], table[3]));
        let crude = newcombe_difference(&a, &b);
        assert!((pooled.difference.low - crude.low).abs() < 1e-12);
        assert!((pooled.difference.high - crude.high).abs() < 1e-12);
        let detectable = minimum_detectable_difference(a.of, &b);
        assert!((pooled.minimum_detectable - detectable).abs() < 1e-9);
        // n - 1 in place of n is all that tells the two tests apart.
        assert!((pooled.p - score_test_p(&a, &b)).abs() < 0.01);
        let ratios = (pooled.ratio, katz_ratio(&a, &b));
        match ratios {
            (Some(ours), Some(katz)) => assert!((ours.low - katz.low).abs() < 1e-9 * katz.low),
            other => assert_eq!(other, (None, None)),
        }
    }
}

#[test]
fn confounding_by_strata_is_taken_out() {
    // Heavy users are exposed more and stay more; within strata the exposed stay 10 points less.
    let strata = [stratum([8, 40, 48, 160]), stratum([128, 160, 36, 40])];
    let crude = newcombe_difference(&Rate::new(136, 200), &Rate::new(84, 200));
    assert!(crude.low > 0.0, "crude says the exposed stay more");
    let pooled = mantel_haenszel(&strata).expect("both sides");
    assert!((pooled.difference.value + 0.1).abs() < 1e-12);
    assert!(pooled.difference.high < 0.0);
}

#[test]
fn strata_with_one_side_compare_nothing() {
    assert_eq!(mantel_haenszel(&[stratum([3, 9, 0, 0]), stratum([0, 0, 2, 5])]), None);
    assert_eq!(mantel_haenszel(&[]), None);
    // Everybody in one stratum stays and nobody in the other: no error within strata, yet no certainty.
    let alike = mantel_haenszel(&[stratum([5, 5, 6, 6]), stratum([0, 6, 0, 5])]).expect("both sides");
    assert_eq!(alike.error, 0.0);
    assert!(alike.difference.low < -0.05 && alike.difference.high > 0.05);
    assert_eq!(alike.p, 1.0);
}

/// Rows, outcomes and users of a fixture.
fn units_of(case: &Value) -> (Array2<f64>, Vec<bool>, Vec<usize>) {
    let rows = list(&case["rows"]);
    let values: Vec<f64> = rows.iter().flat_map(|row| list(row).iter().map(number)).collect();
    let width = values.len() / rows.len();
    let outcomes = list(&case["outcomes"]).iter().map(|outcome| outcome == &Value::Bool(true)).collect();
    let users = case["users"].as_array().into_iter().flatten();
    let users = users.map(|user| user.as_u64().expect("a user") as usize).collect();
    (Array2::from_shape_vec((rows.len(), width), values).expect("rows alike"), outcomes, users)
}

#[test]
fn logistic_fits_agree_with_statsmodels() {
    for case in list(&reference()["logistic"]) {
        let (rows, outcomes, users) = units_of(case);
        let alone = Units { rows: rows.view(), outcomes: &outcomes, counts: None, users: None };
        let fit = fit_logistic(&alone).expect("a fit");
        assert_eq!(fit.separated, None);
        let repeated = Units { users: Some(&users), ..alone };
        let clustered = fit_logistic(&repeated).expect("a fit");
        for j in 0..fit.coefficients.len() {
            agree(fit.coefficients[j], &case["coefficients"][j], 1e-8, "coefficient");
            agree(fit.model_covariance[[j, j]].sqrt(), &case["errors"][j], 1e-8, "error");
            agree(fit.errors()[j], &case["robust"][j], 1e-8, "robust error");
            agree(clustered.errors()[j], &case["clustered"][j], 1e-8, "clustered error");
        }
        agree(fit.log_likelihood, &case["log_likelihood"], 1e-10, "log likelihood");
        let effect = standardize(&fit, &alone, 0);
        agree(effect.difference.value, &case["difference"], 1e-8, "difference");
        agree(effect.error, &case["difference_error"], 1e-7, "error of the difference");
        let effect = standardize(&clustered, &repeated, 0);
        agree(effect.error, &case["difference_clustered"], 1e-7, "clustered error of the difference");
        assert!((effect.exposed - effect.unexposed - effect.difference.value).abs() < 1e-12);
    }
}

#[test]
fn a_row_that_counts_for_many_is_as_many_rows() {
    let rows = array![[0.0, 1.0], [1.0, 1.0], [0.0, 2.0], [1.0, 2.0], [0.0, 1.0], [1.0, 2.0]];
    let outcomes = [true, false, true, true, false, false];
    let counts = [3.0, 5.0, 4.0, 2.0, 6.0, 1.0];
    let counted = Units { rows: rows.view(), outcomes: &outcomes, counts: Some(&counts), users: None };
    let repeat: Vec<usize> = (0..6).flat_map(|row| vec![row; counts[row] as usize]).collect();
    let all = rows.select(ndarray::Axis(0), &repeat);
    let outcomes: Vec<bool> = repeat.iter().map(|&row| outcomes[row]).collect();
    let spread = Units { rows: all.view(), outcomes: &outcomes, counts: None, users: None };
    let (a, b) = (fit_logistic(&counted).expect("a fit"), fit_logistic(&spread).expect("a fit"));
    for j in 0..3 {
        assert!((a.coefficients[j] - b.coefficients[j]).abs() < 1e-9);
        assert!((a.errors()[j] - b.errors()[j]).abs() < 1e-9);
    }
    let (x, y) = (standardize(&a, &counted, 0), standardize(&b, &spread, 0));
    assert!((x.difference.low - y.difference.low).abs() < 1e-9);
}

#[test]
fn separation_is_named_and_answered_by_firth() {
    let case = &reference()["separated"];
    let (rows, outcomes, _) = units_of(case);
    let units = Units { rows: rows.view(), outcomes: &outcomes, counts: None, users: None };
    let fit = fit_logistic(&units).expect("a fit");
    assert_eq!(fit.separated, Some(0));
    for j in 0..3 {
        agree(fit.coefficients[j], &case["coefficients"][j], 1e-7, "coefficient");
        agree(fit.errors()[j], &case["errors"][j], 1e-7, "error");
    }
    let effect = standardize(&fit, &units, 0);
    assert!(effect.difference.high < 0.0 && effect.difference.low > -1.0);
    // A user to each row leaves the estimate as it is.
    let users: Vec<usize> = (0..60).collect();
    let each = fit_logistic(&Units { users: Some(&users), ..units }).expect("a fit");
    assert!((each.coefficients[1] - fit.coefficients[1]).abs() < 1e-9);
    assert!(each.errors().iter().all(|error| error.is_finite() && *error > 0.0));
}

#[test]
fn everything_separated_still_has_a_fit() {
    // Exposure alone decides, and how.
    let rows = Array2::from_shape_fn((40, 1), |(i, _)| f64::from(u8::from(i < 20)));
    let outcomes: Vec<bool> = (0..40).map(|i| i < 20).collect();
    let units = Units { rows: rows.view(), outcomes: &outcomes, counts: None, users: None };
    let fit = fit_logistic(&units).expect("a fit");
    assert_eq!(fit.separated, Some(0));
    // Firth's fit of a two by two table adds a half to each cell (Heinze & Schemper 2002).
    let log_odds = (20.5_f64 / 0.5).ln();
    assert!((fit.coefficients[1] - 2.0 * log_odds).abs() < 1e-7);
}

#[test]
fn models_that_cannot_be_fitted_say_why() {
    let rows = Array2::from_shape_fn((8, 2), |(i, j)| ((i * (j + 3)) % 5) as f64);
    let mixed: Vec<bool> = (0..8).map(|i| i % 3 == 0).collect();
    let units = |rows, outcomes| Units { rows, outcomes, counts: None, users: None };
    let say = |units: &Units<'_>| fit_logistic(units).expect_err("refused");
    let same = [true; 8];
    assert_eq!(say(&units(rows.view(), &same)), AdjustError::OneOutcome { units: 8 });
    assert_eq!(
        say(&units(rows.view(), &mixed[..7])),
        AdjustError::Length { rows: 8, what: "outcomes", given: 7 }
    );
    let constant = Array2::from_elem((8, 1), 0.1);
    assert_eq!(say(&units(constant.view(), &mixed)), AdjustError::Collinear { covariate: 0 });
    let twice = Array2::from_shape_fn((8, 2), |(i, j)| (i as f64 - 2.0) * (j as f64 + 1.0) + 1.0);
    assert_eq!(say(&units(twice.view(), &mixed)), AdjustError::Collinear { covariate: 1 });
    let mut broken = rows.clone();
    broken[[4, 1]] = f64::INFINITY;
    assert!(say(&units(broken.view(), &mixed)).to_string().starts_with("row 4, covariate 1"));
    let wide = Array2::from_shape_fn((8, 9), |(i, j)| ((i * i * (j + 1)) % 11) as f64);
    assert_eq!(say(&units(wide.view(), &mixed)), AdjustError::TooFew { units: 8, coefficients: 10 });
    let one_user = [3; 8];
    let alone = Units { users: Some(&one_user), ..units(rows.view(), &mixed) };
    assert!(matches!(say(&alone), AdjustError::TooFew { units: 1, .. }));
}

#[test]
fn clustered_differences_agree_with_statsmodels() {
    for case in list(&reference()["episodes"]) {
        let mut episodes: Vec<Episode> = list(&case["episodes"])
            .iter()
            .map(|row| {
                let get = |i: usize| row[i].as_u64().expect("a number") as u32;
                Episode { user: get(0), stratum: get(1), exposed: get(2) == 1, outcome: get(3) == 1 }
            })
            .collect();
        let ours = clustered_difference(&episodes).expect("both sides");
        agree(ours.difference.value, &case["value"], 1e-9, "difference");
        agree(ours.error, &case["error"], 1e-9, "clustered error");
        episodes.reverse();
        assert_eq!(clustered_difference(&episodes), Some(ours), "the order does not matter");
    }
}

#[test]
fn a_user_who_repeats_knows_no_more() {
    // 40 users, each the same eight times over: eight times the rows, not eight times the certainty.
    let once =
        (0..40).map(|user| Episode { user, stratum: 0, exposed: user % 2 == 0, outcome: user % 5 < 2 });
    let once: Vec<Episode> = once.collect();
    let often: Vec<Episode> = once.iter().flat_map(|episode| [*episode; 8]).collect();
    let (once, often) = (clustered_difference(&once), clustered_difference(&often));
    let (once, often) = (once.expect("both sides"), often.expect("both sides"));
    let width = |c: &Clustered| c.difference.high - c.difference.low;
    assert!((width(&once) / width(&often) - 1.0).abs() < 0.05);
    assert_eq!((once.users, often.users, often.episodes), (40, 40, 320));
    let never = clustered_difference(&[
        Episode { user: 1, stratum: 0, exposed: true, outcome: false },
        Episode { user: 2, stratum: 0, exposed: false, outcome: false },
        Episode { user: 3, stratum: 0, exposed: false, outcome: false },
    ]);
    let never = never.expect("both sides");
    assert!(never.difference.high > 0.3, "three users are no proof: {:?}", never.difference);
    assert_eq!(never.p, 1.0);
    assert_eq!(clustered_difference(&[]), None);
}

#[test]
fn e_values_in_print() {
    use super::super::estimate::Interval;
    // VanderWeele & Ding 2017: ratio 3.9 (1.8, 8.7) gives 7.26 and 3.0.
    let value = e_value(&Interval { value: 3.9, low: 1.8, high: 8.7 });
    assert!((value.estimate - 7.26).abs() < 0.005 && (value.limit - 3.0).abs() < 0.005);
    // Protective: turned over; an interval that holds 1 needs nothing.
    let turned = e_value(&Interval { value: 1.0 / 3.9, low: 1.0 / 8.7, high: 1.0 / 1.8 });
    assert!((turned.estimate - value.estimate).abs() < 1e-12 && (turned.limit - value.limit).abs() < 1e-12);
    assert_eq!(e_value(&Interval { value: 1.2, low: 0.9, high: 1.6 }).limit, 1.0);
    assert_eq!(e_value(&Interval { value: 1.0, low: 0.9, high: 1.1 }), EValue { estimate: 1.0, limit: 1.0 });
}
