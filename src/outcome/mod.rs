//! What happens to users afterwards: exposure, retention, effect sizes, multiplicity.
//!
//! Numerics take slices and know no tables; joins and group-bys run in DataFusion (`join`).

pub mod adjust;
pub mod adjustment;
mod climb;
pub mod compare;
pub mod effect;
pub mod effect_rows;
pub mod established;
pub mod exposure;
pub mod join;
mod linear;
pub mod retention;
pub mod survival;
mod user_table;
pub mod window;

#[cfg(test)]
mod tests;

use std::path::Path;

use chrono::NaiveDate;
use chrono_tz::Tz;

pub use crate::estimate;

use crate::engine::{Engine, EngineError};
use crate::progress::Progress;
use effect::{Effect, Rules};
use exposure::split_at_landmark;
use retention::{Cell, RetentionTable, RetentionTally};
use user_table::UserTable;
use window::{Calendar, LAST_DAY, NamedWindow};

pub use effect_rows::write_effects;
pub use join::{JoinCounts, UserDays};

/// How outcomes are measured.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeParams {
    /// The zone whose calendar decides what a day is.
    pub zone: Tz,
    /// L: exposure is looked for on days 0..L since the first conversation, 1..=`LAST_DAY`.
    pub window_days: u32,
    /// Fewest distinct users on either side of a comparison that is shown, at least 1.
    pub k_anonymity: u64,
    /// Largest difference in a rate that counts as none, 0..1.
    pub margin: f64,
    /// False discovery rate at which a difference is called, 0..1.
    pub alpha: f64,
    /// Days every user is followed for unbounded outcomes, 1..=`LAST_DAY`; taken shorter when
    /// fewer than half of the users have that many complete days behind them.
    pub follow_up_days: u32,
    /// Last day of the N-day curve and of the cohort table, 0..=`LAST_DAY`.
    pub curve_days: u32,
    /// T; `None` for the day before the date of the last activity, whose own day may be cut off.
    pub last_complete_date: Option<NaiveDate>,
}

impl Default for OutcomeParams {
    fn default() -> OutcomeParams {
        OutcomeParams {
            zone: Tz::UTC,
            window_days: 7,
            k_anonymity: 20,
            margin: 0.05,
            alpha: 0.05,
            follow_up_days: 28,
            curve_days: 34,
            last_complete_date: None,
        }
    }
}

impl OutcomeParams {
    /// Refuses values outside the ranges documented on the fields.
    pub fn validate(&self) -> Result<(), OutcomeError> {
        let days = |name, value: u32, least| {
            let hint = format!("between {least} and {LAST_DAY} days");
            check(name, value, (least..=LAST_DAY).contains(&value), &hint)
        };
        let share = |name, value: f64| check(name, value, value > 0.0 && value < 1.0, "between 0 and 1");
        days("window_days", self.window_days, 1)?;
        days("follow_up_days", self.follow_up_days, 1)?;
        days("curve_days", self.curve_days, 0)?;
        share("margin", self.margin)?;
        share("alpha", self.alpha)?;
        check("k_anonymity", self.k_anonymity, self.k_anonymity >= 1, "at least 1 user")
    }
}

fn check(name: &'static str, value: impl ToString, holds: bool, expected: &str) -> Result<(), OutcomeError> {
    if holds {
        return Ok(());
    }
    Err(OutcomeError::Params { name, value: value.to_string(), expected: expected.to_owned() })
}

/// Outcomes that could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// A parameter outside its range.
    #[error("{name} = {value}: must be {expected}")]
    Params {
        /// The parameter.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A query failed, or a file could not be written.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Everything measured about what users did afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// Retention of all users.
    pub retention: RetentionTable,
    /// By outcome in the order of `Calendar::outcomes`, then by exposure.
    pub effects: Vec<Effect>,
    /// Comparisons left out because a side had fewer than `k_anonymity` users.
    pub suppressed: u64,
    /// Outcomes that begin inside the exposure window: a sentence each.
    pub refused: Vec<String>,
    /// What joined and what did not.
    pub counts: JoinCounts,
    /// What a reader should know of the definitions as applied here: a sentence each.
    pub notes: Vec<String>,
}

/// Why `measure` may have nothing to return.
pub const NO_USERS: &str = "no conversation has both a user id and a start time, so retention and \
     effects cannot be measured";

/// Measures retention and effects over the tables named in `join`.
///
/// Writes the exposures to `exposures_path` (a `.parquet` file; see `UserTable::write_exposures`)
/// and, while it runs, a scratch file beside it. `None`, and nothing written, for the reason in
/// `NO_USERS`. Results and files do not depend on the number of threads.
pub fn measure(
    engine: &Engine,
    params: &OutcomeParams,
    exposures_path: &Path,
    progress: &Progress,
) -> Result<Option<Outcomes>, OutcomeError> {
    params.validate()?;
    progress.begin("outcomes", Some(4), "steps");
    join::register_functions(engine, params.zone);
    let scratch = exposures_path.with_extension("users.parquet");
    let users = UserTable::create(engine, params.window_days, scratch)?;
    let starts = users.starts()?;
    let Some(calendar) = observe_calendar(engine, params, &starts)? else {
        progress.finish(NO_USERS);
        return Ok(None);
    };
    progress.advance(1);
    let mut tally = RetentionTally::new(calendar, params.curve_days);
    users.for_each_group(|group| tally.add(group))?;
    let retention = tally.finish();
    progress.advance(1);
    users.write_exposures(exposures_path)?;
    progress.advance(1);
    let mut notes = note_calendar(params, &calendar);
    let (outcomes, refused) = split_at_landmark(calendar.outcomes(), params.window_days);
    let (effects, suppressed) = compare_all(&users, &outcomes, &calendar, params, &mut notes)?;
    let counts = join::count_joins(engine)?;
    progress.advance(1);
    progress.finish(&format!("{} users, {} comparisons", users.users, effects.len()));
    Ok(Some(Outcomes { retention, effects, suppressed, refused, counts, notes }))
}

/// Every user's first date and active days, as `measure` sees them, in order of user id.
///
/// Needs the tables `conversations` and `activity`; holds all users at once, for checks and tests.
pub fn user_days(engine: &Engine, params: &OutcomeParams) -> Result<Vec<UserDays>, OutcomeError> {
    join::register_functions(engine, params.zone);
    Ok(join::read_user_days(engine)?)
}

/// The calendar of the data; `None` without users.
fn observe_calendar(
    engine: &Engine,
    params: &OutcomeParams,
    starts: &[(NaiveDate, u64)],
) -> Result<Option<Calendar>, OutcomeError> {
    if starts.is_empty() {
        return Ok(None);
    }
    let observed =
        join::last_activity(engine)?.and_then(|at| at.with_timezone(&params.zone).date_naive().pred_opt());
    let last_complete = params.last_complete_date.or(observed);
    Ok(last_complete.map(|date| Calendar::new(date, params.follow_up_days, starts)))
}

/// All comparisons of all outcomes, and how many were suppressed.
fn compare_all(
    users: &UserTable<'_>,
    outcomes: &[NamedWindow],
    calendar: &Calendar,
    params: &OutcomeParams,
    notes: &mut Vec<String>,
) -> Result<(Vec<Effect>, u64), OutcomeError> {
    let OutcomeParams { k_anonymity, margin, alpha, .. } = *params;
    let rules = Rules { k_anonymity, margin, alpha };
    if outcomes.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let all = users.count_all(outcomes, calendar)?;
    let exposed = users.count_exposed(outcomes, calendar)?;
    let (mut effects, mut suppressed) = (Vec::new(), 0);
    for ((outcome, all), exposed) in outcomes.iter().zip(all).zip(exposed) {
        let eligible = all.iter().copied().sum::<Cell>().eligible;
        if eligible < 2 * k_anonymity {
            notes.push(format!(
                "{} is not compared: {} users have been followed to day {}, and two groups of {} \
                 are needed",
                outcome.name, eligible, outcome.window.last, k_anonymity,
            ));
            continue;
        }
        let (more, hidden) = effect::compare(&outcome.name, &users.layers, &all, &exposed, &rules);
        effects.extend(more);
        suppressed += hidden;
    }
    Ok((effects, suppressed))
}

fn note_calendar(params: &OutcomeParams, calendar: &Calendar) -> Vec<String> {
    let wanted = params.follow_up_days;
    let mut notes = vec![format!(
        "Days are those of {}; {} is taken as the last complete date.",
        params.zone, calendar.last_complete
    )];
    match calendar.follow_up {
        Some(days) if days < wanted => notes.push(format!(
            "Unbounded outcomes follow every user for {days} days, not {wanted}: at most half of \
             the users have more complete days behind them."
        )),
        None => notes
            .push("Unbounded outcomes are left out: the users have no complete day behind them.".to_owned()),
        Some(_) => {}
    }
    notes
}
