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
//! `user_table` makes two more of these.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int32Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use datafusion::common::DataFusionError;
use serde::{Deserialize, Serialize};

use super::window::{DaySet, LAST_DAY};
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

/// Makes what the users' query calls callable from SQL, with `zone` built in.
pub(super) fn register_functions(engine: &Engine, zone: Tz) {
    register_local_date(engine, zone);
    register_count_bits(engine);
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

/// Makes `count_bits(bigint) -> int` callable from SQL.
fn register_count_bits(engine: &Engine) {
    let body = |columns: &[ArrayRef], _| {
        let bits = columns[0].as_primitive::<Int64Type>();
        let counts: Int32Array = bits.iter().map(|b| b.map(|b| b.count_ones() as i32)).collect();
        Ok(Arc::new(counts) as ArrayRef)
    };
    engine.register_function(RowFunction::new("count_bits", vec![DataType::Int64], DataType::Int32, body));
}

/// Conversations whose user and date are known.
pub(super) const DATED: &str = "SELECT conversation_id, user_id, grade, local_date(started_at) AS day \
     FROM conversations \
     WHERE user_id IS NOT NULL AND user_id <> '' AND started_at IS NOT NULL";

/// Days before the first conversation whose activity counts as prior.
const PRIOR_DAYS: u32 = 28;

/// One row per user in order of user_id: d0, days as bits (day n is bit n), conversations on days
/// 0..`window_days`, days since the first activity before d0 (0 when there is none), and days with
/// activity among the `PRIOR_DAYS` before d0. Bits, so that a user is one number however many events
/// they made.
pub(super) fn users_sql(window_days: u32) -> String {
    format!(
        "WITH dated AS ({DATED}), \
         starts AS (SELECT user_id, min(day) AS d0 FROM dated GROUP BY user_id), \
         early AS (SELECT d.user_id, count(*) AS conversations FROM dated d \
             JOIN starts s ON d.user_id = s.user_id \
             WHERE CAST(d.day AS INT) < CAST(s.d0 AS INT) + {window_days} GROUP BY d.user_id), \
         seen AS (SELECT s.user_id, CAST(local_date(a.at) AS INT) - CAST(s.d0 AS INT) AS day \
             FROM activity a JOIN starts s ON a.user_id = s.user_id), \
         active AS (SELECT user_id, \
             bit_or(1 << CAST(day AS BIGINT)) FILTER (WHERE day BETWEEN 0 AND {LAST_DAY}) AS days, \
             bit_or(1 << CAST(-day AS BIGINT)) FILTER (WHERE day BETWEEN -{PRIOR_DAYS} AND -1) AS prior, \
             min(day) AS first FROM seen GROUP BY user_id) \
         SELECT s.user_id AS user_id, s.d0 AS d0, coalesce(a.days, 0) | 1 AS days, \
             CAST(e.conversations AS INT) AS conversations_in_window, \
             CAST(greatest(-coalesce(a.first, 0), 0) AS INT) AS tenure_days, \
             count_bits(coalesce(a.prior, 0)) AS prior_active_days \
         FROM starts s JOIN early e ON s.user_id = e.user_id \
         LEFT JOIN active a ON s.user_id = a.user_id ORDER BY user_id"
    )
}

/// Every user with a dated conversation, with the days they were active, in order of id.
///
/// Needs `conversations`, `activity` and `register_functions`; holds all users at once.
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

pub(super) fn dates(batch: &RecordBatch) -> Result<Vec<NaiveDate>, EngineError> {
    let dates = numbers::<Date32Type>(batch, "d0")?;
    let read = |&day: &i32| {
        Date32Type::to_naive_date_opt(day).ok_or_else(|| {
            EngineError::Query(DataFusionError::Execution(format!("day {day} is outside the calendar")))
        })
    };
    dates.values().iter().map(read).collect()
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
