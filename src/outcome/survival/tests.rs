//! Survival against lifelines and statsmodels, against print, and where there is no answer.

use ndarray::Array2;
use serde_json::Value;

use super::*;

const REFERENCE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/outcome/survival.json"));

/// One data set of the fixture.
struct Set {
    name: String,
    subjects: Vec<Subject>,
    group: Vec<usize>,
    covariates: Array2<f64>,
    expected: Value,
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn sets() -> Vec<Set> {
    let fixture: Value = serde_json::from_str(REFERENCE).expect("the fixture is JSON");
    let sets = list(&fixture["sets"]).iter().map(|set| {
        let pairs = list(&set["time"]).iter().zip(list(&set["event"]));
        let rows = list(&set["covariates"]);
        let width = list(&rows[0]).len();
        let values = rows.iter().flat_map(|row| list(row).iter().map(number)).collect();
        Set {
            name: set["name"].as_str().expect("a name").to_owned(),
            subjects: pairs
                .map(|(time, event)| Subject { time: number(time), event: event == &Value::Bool(true) })
                .collect(),
            group: list(&set["group"]).iter().map(|g| g.as_u64().expect("a group") as usize).collect(),
            covariates: Array2::from_shape_vec((rows.len(), width), values).expect("rows alike"),
            expected: set.clone(),
        }
    });
    sets.collect()
}

#[track_caller]
fn agree(ours: f64, theirs: &Value, within: f64, what: &str) {
    let theirs = number(theirs);
    let close = (ours - theirs).abs() <= within * theirs.abs() + 1e-14;
    assert!(close, "{what}: ours {ours:e}, reference {theirs:e}");
}

#[test]
fn curves_agree_with_lifelines() {
    let mut compared = 0;
    for set in sets() {
        for (group, expected) in list(&set.expected["kaplan_meier"]).iter().enumerate() {
            let members = set.subjects.iter().zip(&set.group).filter(|(_, g)| **g == group);
            let curve = SurvivalCurve::new(&members.map(|(s, _)| *s).collect::<Vec<_>>()).expect("a curve");
            let steps = list(&expected["steps"]);
            assert_eq!(curve.steps.len(), steps.len(), "{}", set.name);
            for (ours, theirs) in curve.steps.iter().zip(steps) {
                let what = format!("{} group {group} at {}", set.name, ours.time);
                agree(ours.time, &theirs[0], 0.0, &what);
                assert_eq!(Some(ours.at_risk), theirs[1].as_u64(), "{what}");
                assert_eq!(Some(ours.events), theirs[2].as_u64(), "{what}");
                agree(ours.survival.value, &theirs[3], 1e-12, &what);
                if let Some(bounds) = theirs[4].as_array() {
                    agree(ours.survival.low, &bounds[0], 1e-10, &what);
                    agree(ours.survival.high, &bounds[1], 1e-10, &what);
                    compared += 1;
                }
            }
            let median = curve.median();
            assert_eq!(median.value, expected["median"].as_f64(), "{} {group}", set.name);
            assert_eq!(median.low, expected["median_interval"][0].as_f64(), "{} {group}", set.name);
            assert_eq!(median.high, expected["median_interval"][1].as_f64(), "{} {group}", set.name);
        }
    }
    assert!(compared > 300, "{compared} intervals");
}

#[test]
fn log_rank_agrees_with_lifelines() {
    for set in sets() {
        let groups = set.group.iter().max().expect("a group") + 1;
        let test = log_rank(&set.subjects, &set.group, groups).expect("a test");
        agree(test.statistic, &set.expected["log_rank"]["statistic"], 1e-10, &set.name);
        agree(test.p, &set.expected["log_rank"]["p"], 1e-9, &set.name);
        assert_eq!(test.degrees as usize, groups - 1);
        let (observed, expected): (f64, f64) = (test.observed.iter().sum(), test.expected.iter().sum());
        assert!((observed - expected).abs() < 1e-9);
    }
}

#[test]
fn cox_agrees_with_statsmodels_and_lifelines() {
    for set in sets() {
        let fit = fit_cox(&set.subjects, set.covariates.view()).expect("a fit");
        let expected = &set.expected["cox"];
        assert_eq!(fit.coefficients.len(), list(&expected["value"]).len());
        for (j, ours) in fit.coefficients.iter().enumerate() {
            let what = format!("{} covariate {j}", set.name);
            agree(ours.value, &expected["value"][j], 1e-8, &what);
            agree(ours.error, &expected["error"][j], 1e-8, &what);
            agree(ours.p, &expected["p"][j], 1e-6, &what);
        }
        agree(fit.log_likelihood, &expected["log_likelihood"], 1e-10, &set.name);
        agree(fit.p, &expected["likelihood_ratio_p"], 1e-6, &set.name);
    }
}

#[test]
fn remission_times_give_the_printed_results() {
    // Kalbfleisch & Prentice 2002 and Therneau & Grambsch 2000 print these for Freireich's data.
    let set = &sets()[0];
    assert_eq!(set.name, "remission");
    let test = log_rank(&set.subjects, &set.group, 2).expect("a test");
    assert!((test.statistic - 16.79).abs() < 0.005);
    let fit = fit_cox(&set.subjects, set.covariates.view()).expect("a fit");
    assert!((fit.coefficients[0].value - 1.572).abs() < 0.0005);
    assert!((fit.coefficients[0].error - 0.412).abs() < 0.0005);
    let curve = SurvivalCurve::new(&set.subjects[21..]).expect("a curve");
    assert_eq!(curve.median().value, Some(8.0));
}

fn subject(time: f64, event: bool) -> Subject {
    Subject { time, event }
}

#[test]
fn ends_of_the_curve_have_intervals_that_do_not_overclaim() {
    let subjects = [subject(1.0, false), subject(2.0, true), subject(3.0, true)];
    let curve = SurvivalCurve::new(&subjects).expect("a curve");
    assert_eq!(curve.steps[0].survival.value, 1.0);
    assert!((curve.steps[0].survival.low - 0.025_f64.powf(1.0 / 3.0)).abs() < 1e-15);
    let (half, last) = (curve.steps[1].survival, curve.steps[2].survival);
    assert_eq!((half.value, last.value, last.low, last.high), (0.5, 0.0, 0.0, half.high));
    assert_eq!(curve.at(0.5).map(|s| s.value), Some(1.0));
    assert_eq!(curve.at(2.5).map(|s| s.value), Some(0.5));
    assert_eq!(curve.at(3.5), None);
    assert_eq!(curve.median().value, Some(2.0));
    let nobody = SurvivalCurve::new(&[]).expect("a curve");
    assert_eq!((nobody.steps.len(), nobody.median().value), (0, None));
}

#[test]
fn a_covariate_that_separates_is_named() {
    // Whoever has covariate 1 dies before whoever has not.
    let subjects: Vec<Subject> = (1..=20).map(|t| subject(f64::from(t), t <= 10)).collect();
    let noise = |i: usize| (i * 7 % 5) as f64;
    let covariates = Array2::from_shape_fn((20, 2), |(i, j)| match j {
        0 => noise(i),
        _ => f64::from(u8::from(i < 10)),
    });
    let error = fit_cox(&subjects, covariates.view()).expect_err("no maximum");
    assert_eq!(error, SurvivalError::Monotone { covariate: 1 });
}

#[test]
fn what_cannot_be_used_is_named() {
    let subjects: Vec<Subject> = (1..=6).map(|t| subject(f64::from(t), t % 2 == 0)).collect();
    let column = |f: fn(usize) -> f64| Array2::from_shape_fn((6, 1), |(i, _)| f(i));
    let fit = |covariates: Array2<f64>| fit_cox(&subjects, covariates.view()).expect_err("refused");
    assert_eq!(fit(column(|_| 0.1)), SurvivalError::Collinear { covariate: 0 });
    assert_eq!(
        fit(column(|i| if i == 3 { f64::NAN } else { i as f64 })),
        SurvivalError::Covariate { subject: 3, covariate: 0 }
    );
    let twice = Array2::from_shape_fn((6, 2), |(i, j)| (i * i) as f64 * (j + 1) as f64);
    assert_eq!(fit(twice), SurvivalError::Collinear { covariate: 1 });
    let censored = [subject(1.0, false), subject(2.0, false)];
    let ones = Array2::from_shape_fn((2, 1), |(i, _)| i as f64);
    assert_eq!(fit_cox(&censored, ones.view()).expect_err("refused"), SurvivalError::NoEvents);
    assert_eq!(log_rank(&censored, &[0, 1], 2).expect_err("refused"), SurvivalError::NoEvents);
    assert_eq!(log_rank(&subjects, &[0; 6], 2).expect_err("refused"), SurvivalError::OneGroup);
    assert!(matches!(log_rank(&subjects, &[0; 5], 2), Err(SurvivalError::Length { rows: 5, .. })));
    let backwards = SurvivalCurve::new(&[subject(-1.0, true)]).expect_err("refused");
    assert_eq!(backwards.to_string(), "subject 0: time = -1; must be a finite number, 0 or more");
}
