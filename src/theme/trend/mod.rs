//! Which themes come up and which fade: weekly shares, and the last weeks against those before.

mod compare;
mod dispersion;

use serde::{Deserialize, Serialize};

use super::ledger::ThemeId;
use crate::estimate::wilson;

pub use compare::{ThemeTrend, Verdict};
pub use dispersion::Dispersion;

/// What a caller may set about trends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendParams {
    /// Weeks that are the present, the last complete ones, at least 1.
    pub recent_weeks: usize,
    /// Weeks before them that they are held against, at least 1; as many as there are, if fewer.
    pub baseline_weeks: usize,
    /// False discovery rate over the themes, 0..1.
    pub q: f64,
}

impl Default for TrendParams {
    fn default() -> TrendParams {
        TrendParams { recent_weeks: 1, baseline_weeks: 8, q: 0.10 }
    }
}

/// One week's conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    /// ISO date of its first day.
    pub start: String,
    /// Conversations in all, in a theme or not.
    pub total: u64,
    /// False when the data begin or end within it, or a day is missing.
    pub is_complete: bool,
    /// Conversations of each theme, in the order of the themes.
    pub counts: Vec<u64>,
}

/// A theme's share of a week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeekShare {
    /// The theme.
    pub theme: ThemeId,
    /// ISO date of the week's first day.
    pub week: String,
    /// False when the week's data are incomplete: shown, but not compared.
    pub is_complete: bool,
    /// Conversations of the theme.
    pub n: u64,
    /// Conversations in all.
    pub total: u64,
    /// Their ratio, 0..=1.
    pub share: f64,
    /// Lower end of its 95 % Wilson interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What the weeks say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trends {
    /// By theme, then by week.
    pub shares: Vec<WeekShare>,
    /// One per theme, by theme; empty when there are no weeks to compare.
    pub themes: Vec<ThemeTrend>,
    /// Weeks that are the present, ISO dates.
    pub recent: Vec<String>,
    /// Weeks that they were held against.
    pub baseline: Vec<String>,
    /// Weeks left out for incomplete data.
    pub incomplete: Vec<String>,
    /// How much more weeks differ than chance alone would make them.
    pub dispersion: Dispersion,
}

/// Trends that cannot be measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrendError {
    /// A parameter is out of range.
    #[error("trends.{name} = {value} must be {must}")]
    Param {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// A week is given twice.
    #[error("the week of {0} is given twice: each must be counted once, whole")]
    Duplicate(String),
    /// A theme is given twice.
    #[error("theme {0} is given twice")]
    Theme(ThemeId),
    /// Counts that no assignment makes.
    #[error("week of {week}: {reason}")]
    Counts {
        /// The week.
        week: String,
        /// What is wrong.
        reason: String,
    },
}

/// Shares of every theme in every week, and the verdict on each theme.
///
/// The order of themes and weeks is of no consequence. Verdicts rest on complete weeks only: the
/// last [`TrendParams::recent_weeks`] against up to [`TrendParams::baseline_weeks`] before them,
/// weeks with gaps in between included.
///
/// # Errors
/// See [`TrendError`].
pub fn measure(themes: &[ThemeId], weeks: &[Week], params: &TrendParams) -> Result<Trends, TrendError> {
    params.validate()?;
    let mut order: Vec<usize> = (0..themes.len()).collect();
    order.sort_by_key(|&place| themes[place]);
    if let Some(pair) = order.windows(2).find(|pair| themes[pair[0]] == themes[pair[1]]) {
        return Err(TrendError::Theme(themes[pair[0]]));
    }
    let mut weeks: Vec<&Week> = weeks.iter().collect();
    weeks.sort_by(|a, b| a.start.cmp(&b.start));
    if let Some(pair) = weeks.windows(2).find(|pair| pair[0].start == pair[1].start) {
        return Err(TrendError::Duplicate(pair[0].start.clone()));
    }
    weeks.iter().try_for_each(|week| week.check(themes.len()))?;
    let shares =
        order.iter().flat_map(|&place| weeks.iter().map(move |week| week.share(themes[place], place)));
    let complete: Vec<&Week> = weeks.iter().copied().filter(|week| week.is_complete).collect();
    let (before, recent) = complete.split_at(complete.len().saturating_sub(params.recent_weeks));
    let baseline = &before[before.len().saturating_sub(params.baseline_weeks)..];
    let dispersion = Dispersion::measure(baseline, themes.len());
    let starts = |weeks: &[&Week]| weeks.iter().map(|week| week.start.clone()).collect();
    let incomplete: Vec<&Week> = weeks.iter().copied().filter(|week| !week.is_complete).collect();
    Ok(Trends {
        shares: shares.collect(),
        themes: compare::compare(themes, &order, recent, baseline, &dispersion, params.q),
        recent: starts(recent),
        baseline: starts(baseline),
        incomplete: starts(&incomplete),
        dispersion,
    })
}

impl TrendParams {
    /// Refuses values out of range, naming the first one.
    pub fn validate(&self) -> Result<(), TrendError> {
        for (name, value) in [("recent_weeks", self.recent_weeks), ("baseline_weeks", self.baseline_weeks)] {
            if value == 0 {
                return Err(TrendError::Param { name, value: "0".into(), must: "at least 1" });
            }
        }
        if self.q > 0.0 && self.q < 1.0 {
            return Ok(());
        }
        Err(TrendError::Param { name: "q", value: self.q.to_string(), must: "between 0 and 1" })
    }
}

impl Week {
    fn check(&self, themes: usize) -> Result<(), TrendError> {
        let sum = self.counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        let reason = if self.counts.len() != themes {
            format!("{} counts for {themes} themes", self.counts.len())
        } else if sum.is_none_or(|sum| sum > self.total) {
            format!("its themes hold more conversations than the {} there are", self.total)
        } else {
            return Ok(());
        };
        Err(TrendError::Counts { week: self.start.clone(), reason })
    }

    fn share(&self, theme: ThemeId, place: usize) -> WeekShare {
        let n = self.counts[place];
        let interval = wilson(n, self.total);
        WeekShare {
            theme,
            week: self.start.clone(),
            is_complete: self.is_complete,
            n,
            total: self.total,
            share: interval.value,
            low: interval.low,
            high: interval.high,
        }
    }
}

#[cfg(test)]
mod tests;
