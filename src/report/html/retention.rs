//! Retention: curves, named outcomes, cohorts, and what is associated with returning less or more.

use minijinja::Value;
use serde::Serialize;

use super::effects::{Forest, forests};
use super::markup;
use crate::outcome::retention::{Cohort, CohortCell, RetentionTable};
use crate::report::chart::{self, Scale};
use crate::report::view::{Report, RetentionFacts};
use crate::report::{format, names};

/// What `retention.html` prints.
#[derive(Serialize)]
pub(super) struct Retention<'a> {
    /// Why there is nothing to show, when there is not.
    missing: Option<&'static str>,
    facts: Option<Facts<'a>>,
}

#[derive(Serialize)]
struct Facts<'a> {
    source: &'a str,
    users: u64,
    last_complete: String,
    n_day: Value,
    unbounded: Value,
    points: Vec<PointRow<'a>>,
    points_axis: Value,
    weeks: Vec<usize>,
    cohorts: Vec<CohortRow>,
    has_incomplete: bool,
    forests: Vec<Forest<'a>>,
    suppressed: u64,
}

#[derive(Serialize)]
struct PointRow<'a> {
    name: &'a str,
    meaning: &'a str,
    rate: String,
    n: String,
    plot: Value,
}

#[derive(Serialize)]
struct CohortRow {
    week: String,
    users: u64,
    cells: Vec<Option<Cell>>,
}

#[derive(Serialize)]
struct Cell {
    share: String,
    /// Strength of the colour, 0..=100, relative to the fullest cell.
    depth: u32,
    retained: u64,
    eligible: u64,
    incomplete: bool,
}

pub(super) fn view(report: &Report) -> Retention<'_> {
    match &report.retention {
        Some(facts) => Retention { missing: None, facts: Some(Facts::of(report, facts)) },
        None => Retention { missing: Some(names::missing_retention(report)), facts: None },
    }
}

impl<'a> Facts<'a> {
    fn of(report: &'a Report, facts: &'a RetentionFacts) -> Facts<'a> {
        let table = &facts.table;
        let scale = Scale::from_zero(largest(table.points.iter().map(|point| point.rate.interval.high)), 1.0);
        let points = table.points.iter().map(|point| PointRow {
            name: &point.name,
            meaning: &point.meaning,
            rate: format::rate(&point.rate),
            n: format!("{} users", format::ratio_of(&point.rate)),
            plot: markup(chart::interval::dot(&point.rate, &scale, "better", None)),
        });
        let weeks = table.cohorts.iter().map(|cohort| cohort.cells.len()).max().unwrap_or(0);
        let mut cells = table.cohorts.iter().flat_map(|cohort| cohort.cells.iter().flatten());
        Facts {
            source: &facts.source,
            users: table.users,
            last_complete: format::date(&table.last_complete_date),
            n_day: curve(&table.n_day, "Active on exactly that day"),
            unbounded: curve(&table.unbounded, "Active on that day or later"),
            points: points.collect(),
            points_axis: markup(scale.axis(chart::percent_tick)),
            weeks: (0..weeks).collect(),
            cohorts: cohort_rows(table, weeks),
            has_incomplete: cells.any(|cell| cell.incomplete),
            forests: forests(report, facts),
            suppressed: facts.suppressed,
        }
    }
}

fn curve(points: &[crate::outcome::retention::CurvePoint], name: &str) -> Value {
    let high = largest(points.iter().filter(|point| point.day > 0).map(|point| point.rate.interval.high));
    markup(chart::curve::retention(points, name, high))
}

pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn cohort_rows(table: &RetentionTable, weeks: usize) -> Vec<CohortRow> {
    let share = |cell: &CohortCell| cell.retained as f64 / cell.eligible.max(1) as f64;
    let fullest = largest(table.cohorts.iter().flat_map(|cohort| cohort.cells.iter().flatten()).map(share));
    let cell = |cell: &CohortCell| Cell {
        share: format::percent(share(cell)),
        depth: (100.0 * share(cell) / fullest.max(1e-9)).round() as u32,
        retained: cell.retained,
        eligible: cell.eligible,
        incomplete: cell.incomplete,
    };
    let row = |cohort: &Cohort| CohortRow {
        week: format::day(&cohort.week),
        users: cohort.users,
        cells: (0..weeks).map(|week| cohort.cells.get(week).and_then(Option::as_ref).map(cell)).collect(),
    };
    table.cohorts.iter().map(row).collect()
}
