//! The joins and group-bys behind retention and effects, as SQL over registered tables.
//!
//! Tables the caller registers:
//! - `conversations`: conversation_id, user_id (null: unknown), started_at timestamp(ms, UTC)
//!   (null: unknown), grade
//! - `assignments`: conversation_id, theme int (null: none)
//! - `signals`: conversation_id, kind
//! - `activity`: user_id, at timestamp(ms, UTC); without an activity table, the conversations'
//!   own users and times
//!
//! Tables made here: `outcome_users`, one row per user, which lives in a scratch file as long as
//! its `UserTable`, and `exposures`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use datafusion::arrow::array::{Array, AsArray, Date32Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use datafusion::common::DataFusionError;
use serde::{Deserialize, Serialize};

use super::effect::ExposedCell;
use super::retention::{Cell, UserGroup};
use super::window::{Calendar, DaySet, LAST_DAY, NamedWindow};
use crate::engine::{Engine, EngineError, RowFunction};
use crate::table::{numbers, text};

/// Users and conversations that could and could not be joined, for the data-quality section.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinCounts {
    /// Users with a dated conversation and no activity; they count as never returned.
    pub users_in_conversations_only: u64,
    /// Users with activity and no dated conversation; they count for nothing.
    pub users_in_activity_only: u64,
    /// Users with both.
    pub users_in_both: u64,
    /// Conversations left out because their user is unknown.
    pub conversations_without_user: u64,
    /// Conversations of a known user left out because their start is unknown.
    pub conversations_without_time: u64,
}

/// One user: when they began and on which days they were active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDays {
    /// As in the conversations.
    pub user_id: String,
    /// Date of the first conversation in the configured zone.
    pub d0: NaiveDate,
    /// Days since then with activity, 0..=`LAST_DAY`.
    pub days: DaySet,
}

/// The date of an instant in `zone`; `None` outside the calendar.
pub fn local_date(at_ms: i64, zone: Tz) -> Option<NaiveDate> {
    DateTime::from_timestamp_millis(at_ms).map(|at| at.with_timezone(&zone).date_naive())
}

/// Makes `local_date(timestamp) -> date` callable from SQL, with `zone` built in.
pub fn register_local_date(engine: &Engine, zone: Tz) {
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    engine.register_function(RowFunction::new(
        "local_date",
        vec![instant.clone()],
        DataType::Date32,
        move |columns, _| {
            let times = cast(&columns[0], &instant)?;
            let times = times.as_primitive::<TimestampMillisecondType>();
            let day = |at| local_date(at, zone).map(Date32Type::from_naive_date);
            let dates: Date32Array = times.iter().map(|at| at.and_then(day)).collect();
            Ok(Arc::new(dates))
        },
    ));
}

/// Conversations whose user and date are known.
const DATED: &str = "SELECT conversation_id, user_id, grade, local_date(started_at) AS day \
     FROM conversations \
     WHERE user_id IS NOT NULL AND user_id <> '' AND started_at IS NOT NULL";

/// One row per user in order of user_id: d0, days as bits (day n is bit n), and conversations on
/// days 0..`window_days`. Bits, so that a user is one number however many events they made.
fn users_sql(window_days: u32) -> String {
    format!(
        "WITH dated AS ({DATED}), \
         starts AS (SELECT user_id, min(day) AS d0 FROM dated GROUP BY user_id), \
         early AS (SELECT d.user_id, count(*) AS conversations FROM dated d \
             JOIN starts s ON d.user_id = s.user_id \
             WHERE CAST(d.day AS INT) < CAST(s.d0 AS INT) + {window_days} GROUP BY d.user_id), \
         seen AS (SELECT s.user_id, CAST(local_date(a.at) AS INT) - CAST(s.d0 AS INT) AS day \
             FROM activity a JOIN starts s ON a.user_id = s.user_id), \
         active AS (SELECT user_id, bit_or(1 << CAST(day AS BIGINT)) AS days FROM seen \
             WHERE day BETWEEN 0 AND {LAST_DAY} GROUP BY user_id) \
         SELECT s.user_id AS user_id, s.d0 AS d0, coalesce(a.days, 0) | 1 AS days, \
             CAST(e.conversations AS INT) AS conversations_in_window \
         FROM starts s JOIN early e ON s.user_id = e.user_id \
         LEFT JOIN active a ON s.user_id = a.user_id ORDER BY user_id"
    )
}

/// Every user with a dated conversation, with the days they were active, in order of id.
///
/// Needs `conversations`, `activity` and `register_local_date`; holds all users at once.
pub fn read_user_days(engine: &Engine) -> Result<Vec<UserDays>, EngineError> {
    let mut users = Vec::new();
    engine.for_each(&users_sql(1), |batch| {
        let (ids, days) = (text(&batch, "user_id")?, numbers::<Int64Type>(&batch, "days")?);
        for (row, d0) in dates(&batch)?.into_iter().enumerate() {
            let days = DaySet::from_bits(days.value(row));
            users.push(UserDays { user_id: ids.value(row).to_owned(), d0, days });
        }
        Ok(())
    })?;
    Ok(users)
}

fn dates(batch: &RecordBatch) -> Result<Vec<NaiveDate>, EngineError> {
    let dates = numbers::<Date32Type>(batch, "d0")?;
    let read = |&day: &i32| {
        Date32Type::to_naive_date_opt(day).ok_or_else(|| {
            EngineError::Query(DataFusionError::Execution(format!("day {day} is outside the calendar")))
        })
    };
    dates.values().iter().map(read).collect()
}

/// The table `outcome_users`, read by several queries and gone when this is dropped.
pub struct UserTable<'a> {
    engine: &'a Engine,
    path: PathBuf,
    window_days: u32,
    /// Number of users.
    pub users: u64,
}

impl<'a> UserTable<'a> {
    /// Writes the users to a scratch file at `path` (ending in `.parquet`) and registers it.
    pub fn create(engine: &'a Engine, window_days: u32, path: PathBuf) -> Result<UserTable<'a>, EngineError> {
        let mut table = UserTable { engine, path, window_days, users: 0 };
        table.users = engine.write(&users_sql(window_days), &table.path)?;
        engine.register("outcome_users", &table.path)?;
        Ok(table)
    }

    /// First-conversation dates in order, each with its number of users.
    pub fn starts(&self) -> Result<Vec<(NaiveDate, u64)>, EngineError> {
        let sql = "SELECT d0, count(*) AS users FROM outcome_users GROUP BY d0 ORDER BY d0";
        let mut starts = Vec::new();
        self.engine.for_each(sql, |batch| {
            let users = numbers::<Int64Type>(&batch, "users")?;
            starts.extend(dates(&batch)?.into_iter().zip(users.values().iter().map(|&n| n as u64)));
            Ok(())
        })?;
        Ok(starts)
    }

    /// Hands every group of alike users to `visit`, in no particular order.
    pub fn for_each_group(&self, mut visit: impl FnMut(&UserGroup)) -> Result<(), EngineError> {
        let sql = "SELECT d0, days, count(*) AS users FROM outcome_users GROUP BY d0, days";
        self.engine.for_each(sql, |batch| {
            let (days, users) =
                (numbers::<Int64Type>(&batch, "days")?, numbers::<Int64Type>(&batch, "users")?);
            for (row, d0) in dates(&batch)?.into_iter().enumerate() {
                let days = DaySet::from_bits(days.value(row));
                visit(&UserGroup { d0, days, users: users.value(row) as u64 });
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Writes the exposures to `path` and registers them as `exposures`; returns their number.
    ///
    /// One row per user and exposure in order of (user_id, exposure): user_id, d0, exposure,
    /// conversations_in_window (all the user's on days 0..`window_days`) and
    /// exposed_conversations (those of them in the theme, with the signal, graded bad).
    pub fn write_exposures(&self, path: &Path) -> Result<u64, EngineError> {
        let window_days = self.window_days;
        let sql = format!(
            "WITH early AS (SELECT d.conversation_id, d.user_id, d.grade FROM ({DATED}) d \
                 JOIN outcome_users u ON d.user_id = u.user_id \
                 WHERE CAST(d.day AS INT) < CAST(u.d0 AS INT) + {window_days}), \
             named AS ( \
                 SELECT e.user_id, e.conversation_id, concat('theme:', CAST(a.theme AS VARCHAR)) AS exposure \
                 FROM early e JOIN assignments a ON e.conversation_id = a.conversation_id \
                 WHERE a.theme IS NOT NULL \
                 UNION ALL SELECT e.user_id, e.conversation_id, concat('signal:', s.kind) AS exposure \
                 FROM early e JOIN signals s ON e.conversation_id = s.conversation_id \
                 UNION ALL SELECT user_id, conversation_id, 'grade:bad' AS exposure \
                 FROM early WHERE grade = 'bad'), \
             counted AS (SELECT user_id, exposure, count(DISTINCT conversation_id) AS conversations \
                 FROM named GROUP BY user_id, exposure) \
             SELECT c.user_id AS user_id, u.d0 AS d0, c.exposure AS exposure, \
                 u.conversations_in_window AS conversations_in_window, \
                 CAST(c.conversations AS INT) AS exposed_conversations \
             FROM counted c JOIN outcome_users u ON c.user_id = u.user_id ORDER BY user_id, exposure"
        );
        let rows = self.engine.write(&sql, path)?;
        self.engine.register("exposures", path)?;
        Ok(rows)
    }

    /// Counts each outcome over all users: as many cells as outcomes, in their order.
    pub fn count_all(&self, outcomes: &[NamedWindow], calendar: &Calendar) -> Result<Vec<Cell>, EngineError> {
        let sql = format!("SELECT {} FROM outcome_users u", cell_columns(outcomes, calendar));
        let mut cells = Vec::new();
        self.engine.for_each(&sql, |batch| {
            for outcome in 0..outcomes.len() {
                cells.extend(read_cells(&batch, outcome)?);
            }
            Ok(())
        })?;
        Ok(cells)
    }

    /// Counts each outcome over the users of each exposure: per outcome, the exposures by name.
    pub fn count_exposed(
        &self,
        outcomes: &[NamedWindow],
        calendar: &Calendar,
    ) -> Result<Vec<Vec<ExposedCell>>, EngineError> {
        let sql = format!(
            "SELECT e.exposure AS exposure, {} FROM exposures e \
             JOIN outcome_users u ON e.user_id = u.user_id \
             GROUP BY e.exposure ORDER BY e.exposure",
            cell_columns(outcomes, calendar)
        );
        let mut counted = vec![Vec::new(); outcomes.len()];
        self.engine.for_each(&sql, |batch| {
            let exposures = text(&batch, "exposure")?;
            for (outcome, exposed) in counted.iter_mut().enumerate() {
                for (row, cell) in read_cells(&batch, outcome)?.into_iter().enumerate() {
                    exposed.push(ExposedCell { exposure: exposures.value(row).to_owned(), cell });
                }
            }
            Ok(())
        })?;
        Ok(counted)
    }
}

impl Drop for UserTable<'_> {
    fn drop(&mut self) {
        // Best effort: a scratch file that stays behind is clutter, not an error.
        let _ = self.engine.collect("DROP TABLE IF EXISTS outcome_users");
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Columns `retained_i` and `eligible_i` of users `u` for each outcome i.
fn cell_columns(outcomes: &[NamedWindow], calendar: &Calendar) -> String {
    let column = |(i, outcome): (usize, &NamedWindow)| {
        let window = outcome.window;
        let last_start = Date32Type::from_naive_date(calendar.last_complete) - window.last as i32;
        let eligible = format!("CAST(u.d0 AS INT) <= {last_start}");
        format!(
            "count(*) FILTER (WHERE {eligible} AND (u.days & {mask}) <> 0) AS retained_{i}, \
             count(*) FILTER (WHERE {eligible}) AS eligible_{i}",
            mask = window.mask()
        )
    };
    outcomes.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
}

fn read_cells(batch: &RecordBatch, outcome: usize) -> Result<Vec<Cell>, EngineError> {
    let retained = numbers::<Int64Type>(batch, &format!("retained_{outcome}"))?;
    let eligible = numbers::<Int64Type>(batch, &format!("eligible_{outcome}"))?;
    let pairs = retained.values().iter().zip(eligible.values());
    Ok(pairs.map(|(&r, &e)| Cell { retained: r as u64, eligible: e as u64 }).collect())
}

/// The time of the last activity, or of the last conversation when there is no activity at all.
pub fn last_activity(engine: &Engine) -> Result<Option<DateTime<Utc>>, EngineError> {
    for sql in ["SELECT max(at) AS last FROM activity", "SELECT max(started_at) AS last FROM conversations"] {
        let mut last = None;
        engine.for_each(sql, |batch| {
            let times = numbers::<TimestampMillisecondType>(&batch, "last")?;
            last = last.or((!times.is_empty() && times.is_valid(0)).then(|| times.value(0)));
            Ok(())
        })?;
        if let Some(at) = last.and_then(DateTime::from_timestamp_millis) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Counts what joins and what does not; needs `outcome_users`.
pub fn count_joins(engine: &Engine) -> Result<JoinCounts, EngineError> {
    let users = "SELECT count(*) FILTER (WHERE a.user_id IS NULL) AS n0, \
             count(*) FILTER (WHERE u.user_id IS NULL) AS n1, \
             count(*) FILTER (WHERE u.user_id IS NOT NULL AND a.user_id IS NOT NULL) AS n2 \
         FROM outcome_users u FULL JOIN \
             (SELECT DISTINCT user_id FROM activity WHERE user_id IS NOT NULL AND user_id <> '') a \
             ON u.user_id = a.user_id";
    let conversations = "SELECT \
             count(*) FILTER (WHERE user_id IS NULL OR user_id = '') AS n0, \
             count(*) FILTER (WHERE user_id <> '' AND started_at IS NULL) AS n1 \
         FROM conversations";
    let [conversations_only, activity_only, both] = counts(engine, users)?;
    let [without_user, without_time] = counts(engine, conversations)?;
    Ok(JoinCounts {
        users_in_conversations_only: conversations_only,
        users_in_activity_only: activity_only,
        users_in_both: both,
        conversations_without_user: without_user,
        conversations_without_time: without_time,
    })
}

/// The one row n0, n1, ... of a query of counts.
fn counts<const N: usize>(engine: &Engine, sql: &str) -> Result<[u64; N], EngineError> {
    let mut row = [0; N];
    engine.for_each(sql, |batch| {
        for (i, count) in row.iter_mut().enumerate() {
            let column = numbers::<Int64Type>(&batch, &format!("n{i}"))?;
            *count += column.values().iter().map(|&n| n as u64).sum::<u64>();
        }
        Ok(())
    })?;
    Ok(row)
}
