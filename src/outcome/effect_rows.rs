//! Effects as rows of `effects.parquet`.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field};

use super::adjust::Adjusted;
use super::effect::Effect;
use super::estimate::Interval;
use crate::table::{TableError, TableWriter, schema};

type Column = (Field, ArrayRef);

/// Writes effects as one Parquet row each, in the order given; returns their number.
///
/// Columns: exposure, outcome, verdict (text); exposed_count, exposed_of, unexposed_count,
/// unexposed_of (users); rates, differences and ratios, each with _low and _high (95 %):
/// exposed_rate, unexposed_rate; crude_difference, crude_ratio; adjusted, adjusted_ratio (within strata
/// of tenure and prior activity); conversations_adjusted, conversations_adjusted_ratio (also of
/// conversations in the window); difference, ratio (of these two the nearer to none); model (logistic,
/// standardized). Further p, q, minimum_detectable, e_value, e_value_limit; strata, conversations_strata, and the users in them that nobody could be compared
/// with, left_out and conversations_left_out. Numbers that do not exist are null.
pub fn write_effects(effects: &[Effect], path: &Path) -> Result<u64, TableError> {
    let text = |name: &str, get: fn(&Effect) -> &str| -> Column {
        let values: StringArray = effects.iter().map(|effect| Some(get(effect))).collect();
        (Field::new(name, DataType::Utf8, false), Arc::new(values))
    };
    let count = |name: &str, get: fn(&Effect) -> Option<u64>| -> Column {
        let values: UInt64Array = effects.iter().map(get).collect();
        (Field::new(name, DataType::UInt64, true), Arc::new(values))
    };
    let number = |name: &str, get: fn(&Effect) -> Option<f64>| -> Column {
        let values: Float64Array = effects.iter().map(get).collect();
        (Field::new(name, DataType::Float64, true), Arc::new(values))
    };
    let interval = |name: &str, get: fn(&Effect) -> Option<Interval>| -> [Column; 3] {
        let ends: [(&str, fn(Interval) -> f64); 3] =
            [("", |i| i.value), ("_low", |i| i.low), ("_high", |i| i.high)];
        ends.map(|(end, part)| {
            let values: Float64Array = effects.iter().map(|effect| get(effect).map(part)).collect();
            let column: ArrayRef = Arc::new(values);
            (Field::new(format!("{name}{end}"), DataType::Float64, true), column)
        })
    };
    let mut columns = vec![
        text("exposure", |e| &e.exposure),
        text("outcome", |e| &e.outcome),
        text("verdict", |e| e.verdict.as_str()),
        count("exposed_count", |e| Some(e.exposed.count)),
        count("exposed_of", |e| Some(e.exposed.of)),
        count("unexposed_count", |e| Some(e.unexposed.count)),
        count("unexposed_of", |e| Some(e.unexposed.of)),
    ];
    let intervals = [
        interval("exposed_rate", |e| Some(e.exposed.interval)),
        interval("unexposed_rate", |e| Some(e.unexposed.interval)),
        interval("difference", |e| Some(e.difference)),
        interval("ratio", |e| e.ratio),
        interval("crude_difference", |e| Some(e.crude_difference)),
        interval("crude_ratio", |e| e.crude_ratio),
        interval("adjusted", |e| history(e).map(|a| a.difference)),
        interval("adjusted_ratio", |e| history(e)?.ratio),
        interval("conversations_adjusted", |e| conversations(e).map(|a| a.difference)),
        interval("conversations_adjusted_ratio", |e| conversations(e)?.ratio),
        interval("model", |e| e.adjusted.model.map(|model| model.difference)),
    ];
    columns.extend(intervals.into_iter().flatten());
    columns.extend([
        number("p", |e| Some(e.p)),
        number("q", |e| Some(e.q)),
        number("minimum_detectable", |e| Some(e.minimum_detectable)),
        number("e_value", |e| e.adjusted.e_value.map(|needed| needed.estimate)),
        number("e_value_limit", |e| e.adjusted.e_value.map(|needed| needed.limit)),
        count("strata", |e| history(e).map(|a| u64::from(a.strata))),
        count("left_out", |e| history(e).map(|a| a.left_out)),
        count("conversations_strata", |e| conversations(e).map(|a| u64::from(a.strata))),
        count("conversations_left_out", |e| conversations(e).map(|a| a.left_out)),
    ]);
    let (fields, values) = columns.into_iter().unzip();
    let mut writer = TableWriter::create(path, schema(fields))?;
    writer.write_columns(values)?;
    writer.finish()
}

fn history(effect: &Effect) -> Option<Adjusted> {
    effect.adjusted.by_history
}

fn conversations(effect: &Effect) -> Option<Adjusted> {
    effect.adjusted.by_conversations
}
