//! The users of a run as a table, and what is counted over it.
//!
//! Makes `outcome_users`, one row per user, which lives in a scratch file as long as its `UserTable`,
//! and `exposures`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type};

use super::adjustment::{Covariates, Layer, Layers};
use super::effect::ExposedCells;
use super::join::{DATED, dates, users_sql};
use super::retention::{Cell, UserGroup};
use super::window::{Calendar, DaySet, NamedWindow};
use crate::engine::{Engine, EngineError, RowFunction};
use crate::table::{numbers, text};

/// Columns of `outcome_users` that comparisons are adjusted for, in the order of `Covariates`.
const COVARIATES: [&str; 3] = ["tenure_days", "prior_active_days", "conversations_in_window"];
/// The layer of a user `u`.
const LAYER: &str = "layer_of(u.tenure_days, u.prior_active_days, u.conversations_in_window)";

/// The table `outcome_users`, read by several queries and gone when this is dropped.
pub struct UserTable<'a> {
    engine: &'a Engine,
    path: PathBuf,
    window_days: u32,
    /// Number of users.
    pub users: u64,
    /// Users alike in what comparisons are adjusted for.
    pub layers: Vec<Layer>,
}

impl<'a> UserTable<'a> {
    /// Writes the users to a scratch file at `path` (ending in `.parquet`) and registers it.
    pub fn create(engine: &'a Engine, window_days: u32, path: PathBuf) -> Result<UserTable<'a>, EngineError> {
        let mut table = UserTable { engine, path, window_days, users: 0, layers: Vec::new() };
        table.users = engine.write(&users_sql(window_days), &table.path)?;
        engine.register("outcome_users", &table.path)?;
        table.layers = table.cut()?;
        Ok(table)
    }

    /// Cuts the users into layers, and makes `layer_of(tenure, prior, conversations)` callable from SQL.
    fn cut(&self) -> Result<Vec<Layer>, EngineError> {
        let sql = "SELECT tenure_days, prior_active_days, conversations_in_window, count(*) AS users \
                   FROM outcome_users GROUP BY tenure_days, prior_active_days, conversations_in_window";
        let mut counts: Vec<(Covariates, u64)> = Vec::new();
        self.engine.for_each(sql, |batch| {
            let users = numbers::<Int64Type>(&batch, "users")?;
            let mut columns = Vec::new();
            for name in COVARIATES {
                columns.push(numbers::<Int32Type>(&batch, name)?);
            }
            for row in 0..batch.num_rows() {
                let covariates = [0, 1, 2].map(|i: usize| columns[i].value(row).max(0) as u32);
                counts.push((covariates, users.value(row) as u64));
            }
            Ok(())
        })?;
        let cut = Layers::cut(&counts);
        let layers = cut.layers.clone();
        let body = move |columns: &[ArrayRef], rows: usize| {
            let columns: Vec<_> = columns.iter().map(|column| column.as_primitive::<Int32Type>()).collect();
            let of = |row: usize| cut.of(&[0, 1, 2].map(|i: usize| columns[i].value(row).max(0) as u32));
            let layers: Int32Array = (0..rows).map(|row| of(row).map(|layer| layer as i32)).collect();
            Ok(Arc::new(layers) as ArrayRef)
        };
        let inputs = vec![DataType::Int32; COVARIATES.len()];
        self.engine.register_function(RowFunction::new("layer_of", inputs, DataType::Int32, body));
        Ok(layers)
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

    /// Counts each outcome over all users: for each outcome, in their order, a cell for each layer.
    pub fn count_all(
        &self,
        outcomes: &[NamedWindow],
        calendar: &Calendar,
    ) -> Result<Vec<Vec<Cell>>, EngineError> {
        let sql = format!(
            "SELECT {LAYER} AS layer, {} FROM outcome_users u GROUP BY {LAYER}",
            cell_columns(outcomes, calendar)
        );
        let mut cells = vec![vec![Cell::default(); self.layers.len()]; outcomes.len()];
        self.engine.for_each(&sql, |batch| {
            let layers = numbers::<Int32Type>(&batch, "layer")?;
            for (outcome, cells) in cells.iter_mut().enumerate() {
                for (row, cell) in read_cells(&batch, outcome)?.into_iter().enumerate() {
                    cells[layers.value(row) as usize] = cell;
                }
            }
            Ok(())
        })?;
        Ok(cells)
    }

    /// Counts each outcome over the users of each exposure, by layer: per outcome, the exposures by name.
    pub fn count_exposed(
        &self,
        outcomes: &[NamedWindow],
        calendar: &Calendar,
    ) -> Result<Vec<Vec<ExposedCells>>, EngineError> {
        let sql = format!(
            "SELECT e.exposure AS exposure, {LAYER} AS layer, {} FROM exposures e \
             JOIN outcome_users u ON e.user_id = u.user_id \
             GROUP BY e.exposure, {LAYER} ORDER BY exposure, layer",
            cell_columns(outcomes, calendar)
        );
        let mut counted: Vec<Vec<ExposedCells>> = vec![Vec::new(); outcomes.len()];
        self.engine.for_each(&sql, |batch| {
            let (exposures, layers) = (text(&batch, "exposure")?, numbers::<Int32Type>(&batch, "layer")?);
            for (outcome, exposed) in counted.iter_mut().enumerate() {
                for (row, cell) in read_cells(&batch, outcome)?.into_iter().enumerate() {
                    let name = exposures.value(row);
                    if exposed.last().is_none_or(|last| last.exposure != name) {
                        exposed.push(ExposedCells { exposure: name.to_owned(), cells: Vec::new() });
                    }
                    if let Some(last) = exposed.last_mut() {
                        last.cells.push((layers.value(row) as u32, cell));
                    }
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
