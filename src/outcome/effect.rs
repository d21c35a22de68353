//! Exposed against unexposed users: rates, the crude difference, its certainty, the verdict.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field};
use serde::{Deserialize, Serialize};

use super::estimate::{
    Interval, Rate, Verdict, benjamini_hochberg, katz_ratio, minimum_detectable_difference,
    newcombe_difference, score_test_p,
};
use super::exposure::report_order;
use super::retention::Cell;
use crate::table::{TableError, TableWriter, schema};

/// One comparison: users exposed to a theme or signal against everybody else eligible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What users were exposed to: `theme:3` or `signal:rephrase`.
    pub exposure: String,
    /// The outcome, e.g. `D7`, `D7+`, `W1`.
    pub outcome: String,
    /// Exposed users and how many of them had the outcome.
    pub exposed: Rate,
    /// Unexposed users and how many of them had the outcome.
    pub unexposed: Rate,
    /// Risk difference exposed - unexposed with Newcombe's hybrid score interval.
    pub difference: Interval,
    /// Risk ratio with its log-normal interval; `None` when a rate is zero.
    pub ratio: Option<Interval>,
    /// Two-sided p of the score test for equal rates.
    pub p: f64,
    /// Benjamini-Hochberg q within the family (one kind of exposure, one outcome).
    pub q: f64,
    /// Smallest difference detectable with 80 % power at these sizes.
    pub minimum_detectable: f64,
    /// What may be said.
    pub verdict: Verdict,
}

/// What a comparison needs to be shown and to be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Fewest distinct users on either side; smaller comparisons are left out and counted.
    pub k_anonymity: u64,
    /// Largest difference that counts as none, 0..1.
    pub margin: f64,
    /// False discovery rate at which a difference is called, 0..1.
    pub alpha: f64,
}

/// The users of one exposure, counted for one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedCell {
    /// `theme:3`, `signal:rephrase` ...
    pub exposure: String,
    /// Its users with the outcome, of its users eligible.
    pub cell: Cell,
}

/// Compares each exposure's users with all others, for one outcome.
///
/// Declared families: the themes of one outcome, its signals, its grades. Kinds stay apart because
/// signals and grades, made from what went wrong, are nearly all clear: they would lower the bar for
/// themes, which are many and mostly without effect.
/// `all` counts every user, exposed or not. Returns the effects in report order and the number of
/// comparisons suppressed for having too few users; those are no members of the family.
pub fn compare(outcome: &str, all: Cell, exposed: &[ExposedCell], rules: &Rules) -> (Vec<Effect>, u64) {
    let mut effects: Vec<Effect> = exposed
        .iter()
        .filter_map(|ExposedCell { exposure, cell }| {
            let rest =
                Cell { retained: all.retained - cell.retained, eligible: all.eligible - cell.eligible };
            let shown = cell.eligible.min(rest.eligible) >= rules.k_anonymity;
            shown.then(|| contrast(exposure, outcome, cell.rate(), rest.rate()))
        })
        .collect();
    let suppressed = (exposed.len() - effects.len()) as u64;
    effects.sort_by(|a, b| report_order(&a.exposure).cmp(&report_order(&b.exposure)));
    // Report order has each kind together.
    for family in effects.chunk_by_mut(|a, b| kind(&a.exposure) == kind(&b.exposure)) {
        let p: Vec<f64> = family.iter().map(|effect| effect.p).collect();
        for (effect, q) in family.iter_mut().zip(benjamini_hochberg(&p)) {
            effect.q = q;
            effect.verdict = verdict(&effect.difference, q, rules);
        }
    }
    (effects, suppressed)
}

/// `theme`, `signal` or `grade`.
fn kind(exposure: &str) -> &str {
    exposure.split_once(':').map_or(exposure, |(kind, _)| kind)
}

/// One comparison, as yet without its family: q = p and no verdict.
fn contrast(exposure: &str, outcome: &str, exposed: Rate, unexposed: Rate) -> Effect {
    let p = score_test_p(&exposed, &unexposed);
    Effect {
        exposure: exposure.to_owned(),
        outcome: outcome.to_owned(),
        exposed,
        unexposed,
        difference: newcombe_difference(&exposed, &unexposed),
        ratio: katz_ratio(&exposed, &unexposed),
        p,
        q: p,
        minimum_detectable: minimum_detectable_difference(exposed.of, &unexposed),
        verdict: Verdict::CannotTell,
    }
}

/// What may be said of a difference in a rate that is good when high.
///
/// Worse or better when q <= alpha and the interval excludes 0, however small the difference;
/// else no difference when the whole interval lies within the margin; else we cannot tell.
pub fn verdict(difference: &Interval, q: f64, rules: &Rules) -> Verdict {
    if q <= rules.alpha && difference.excludes_zero() {
        if difference.high < 0.0 { Verdict::Worse } else { Verdict::Better }
    } else if difference.lies_within(rules.margin) {
        Verdict::NoDifference
    } else {
        Verdict::CannotTell
    }
}

/// Writes effects as one Parquet row each, in the order given; returns their number.
///
/// Columns: exposure, outcome, verdict (text); exposed_count, exposed_of, unexposed_count,
/// unexposed_of (users); exposed_rate, unexposed_rate, difference and ratio, each with _low and
/// _high (95 %); p, q, minimum_detectable. Ratios are null where a rate is zero.
pub fn write_effects(effects: &[Effect], path: &Path) -> Result<u64, TableError> {
    let text = |name: &str, get: fn(&Effect) -> &str| -> (Field, ArrayRef) {
        let values: StringArray = effects.iter().map(|effect| Some(get(effect))).collect();
        (Field::new(name, DataType::Utf8, false), Arc::new(values))
    };
    let count = |name: &str, get: fn(&Effect) -> u64| -> (Field, ArrayRef) {
        let values: UInt64Array = effects.iter().map(|effect| Some(get(effect))).collect();
        (Field::new(name, DataType::UInt64, false), Arc::new(values))
    };
    let number = |name: &str, get: fn(&Effect) -> Option<f64>| -> (Field, ArrayRef) {
        let values: Float64Array = effects.iter().map(get).collect();
        (Field::new(name, DataType::Float64, true), Arc::new(values))
    };
    let columns = vec![
        text("exposure", |e| &e.exposure),
        text("outcome", |e| &e.outcome),
        count("exposed_count", |e| e.exposed.count),
        count("exposed_of", |e| e.exposed.of),
        number("exposed_rate", |e| Some(e.exposed.interval.value)),
        number("exposed_rate_low", |e| Some(e.exposed.interval.low)),
        number("exposed_rate_high", |e| Some(e.exposed.interval.high)),
        count("unexposed_count", |e| e.unexposed.count),
        count("unexposed_of", |e| e.unexposed.of),
        number("unexposed_rate", |e| Some(e.unexposed.interval.value)),
        number("unexposed_rate_low", |e| Some(e.unexposed.interval.low)),
        number("unexposed_rate_high", |e| Some(e.unexposed.interval.high)),
        number("difference", |e| Some(e.difference.value)),
        number("difference_low", |e| Some(e.difference.low)),
        number("difference_high", |e| Some(e.difference.high)),
        number("ratio", |e| e.ratio.map(|ratio| ratio.value)),
        number("ratio_low", |e| e.ratio.map(|ratio| ratio.low)),
        number("ratio_high", |e| e.ratio.map(|ratio| ratio.high)),
        number("p", |e| Some(e.p)),
        number("q", |e| Some(e.q)),
        number("minimum_detectable", |e| Some(e.minimum_detectable)),
        text("verdict", |e| e.verdict.as_str()),
    ];
    let (fields, values) = columns.into_iter().unzip();
    let mut writer = TableWriter::create(path, schema(fields))?;
    writer.write_columns(values)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { k_anonymity: 20, margin: 0.05, alpha: 0.05 };

    fn exposed(exposure: &str, retained: u64, eligible: u64) -> ExposedCell {
        ExposedCell { exposure: exposure.to_owned(), cell: Cell { retained, eligible } }
    }

    #[test]
    fn verdicts_need_q_and_interval() {
        let interval = |low, high| Interval { value: (low + high) / 2.0, low, high };
        let say = |low, high, q| verdict(&interval(low, high), q, &RULES);
        assert_eq!(say(-0.30, -0.10, 0.01), Verdict::Worse);
        assert_eq!(say(0.10, 0.30, 0.05), Verdict::Better);
        assert_eq!(say(-0.30, -0.10, 0.051), Verdict::CannotTell);
        assert_eq!(say(-0.10, 0.10, 0.01), Verdict::CannotTell);
        assert_eq!(say(-0.05, 0.05, 0.9), Verdict::NoDifference);
        assert_eq!(say(-0.04, -0.01, 0.2), Verdict::NoDifference);
        assert_eq!(say(-0.04, -0.01, 0.01), Verdict::Worse);
    }

    #[test]
    fn groups_under_k_are_left_out_and_counted() {
        let all = Cell { retained: 50, eligible: 100 };
        let rows = [
            exposed("theme:10", 5, 20),
            exposed("theme:2", 10, 80),
            exposed("signal:loop", 19, 19),
            exposed("grade:bad", 40, 81),
        ];
        let (effects, suppressed) = compare("D7", all, &rows, &RULES);
        let names: Vec<&str> = effects.iter().map(|effect| effect.exposure.as_str()).collect();
        assert_eq!(names, ["theme:2", "theme:10"]);
        assert_eq!(suppressed, 2);
        assert_eq!((effects[1].unexposed.count, effects[1].unexposed.of), (45, 80));
        // The family is what is shown: two comparisons.
        let p: Vec<f64> = effects.iter().map(|effect| effect.p).collect();
        let q: Vec<f64> = effects.iter().map(|effect| effect.q).collect();
        assert_eq!(q, benjamini_hochberg(&p));
    }
}
