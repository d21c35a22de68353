//! Time to an event, for users some of whom were still there when observation ended.

pub mod cox;
pub mod curve;
pub mod log_rank;

pub use cox::{Coefficient, CoxFit, fit_cox};
pub use curve::{Step, SurvivalCurve};
pub use log_rank::{LogRank, log_rank};

/// One user: how long they were followed, and whether that ended with the event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject {
    /// Time followed, in any unit, finite and not negative.
    pub time: f64,
    /// True when the event happened at `time`; false when observation ended there (censored).
    pub event: bool,
}

/// Survival data or models that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SurvivalError {
    /// A time that is negative or no number.
    #[error("subject {subject}: time = {time}; must be a finite number, 0 or more")]
    Time {
        /// Its place in the slice, from 0.
        subject: usize,
        /// What was given.
        time: f64,
    },
    /// Slices that should be equally long.
    #[error("{subjects} subjects, but {rows} {what}; one each is needed")]
    Length {
        /// Subjects given.
        subjects: usize,
        /// What there should be as many of.
        what: &'static str,
        /// How many there are.
        rows: usize,
    },
    /// A covariate that is no number.
    #[error(
        "subject {subject}, covariate {covariate}: not a finite number; leave the subject out, or fill it in"
    )]
    Covariate {
        /// Its place, from 0.
        subject: usize,
        /// The column, from 0.
        covariate: usize,
    },
    /// Nobody had the event.
    #[error("no subject had the event: there is nothing to compare; follow users for longer")]
    NoEvents,
    /// Fewer than two groups were ever at risk when an event happened.
    #[error("fewer than two groups had subjects at risk when an event happened; there is nothing to compare")]
    OneGroup,
    /// A covariate that is constant, or a combination of those before it.
    #[error(
        "covariate {covariate} is constant among those at risk, or a combination of the covariates before it; \
         leave it out"
    )]
    Collinear {
        /// The column, from 0.
        covariate: usize,
    },
    /// The partial likelihood has no maximum.
    #[error(
        "covariate {covariate} separates those with the event from the others at every time, so its hazard ratio \
         has no finite estimate; merge its values or leave it out"
    )]
    Monotone {
        /// The column, from 0.
        covariate: usize,
    },
    /// Newton's method did not arrive.
    #[error("the Cox model did not converge; scale or transform covariates with extreme values")]
    NotConverged,
}

/// Refuses times that are negative or no numbers.
fn check_times(subjects: &[Subject]) -> Result<(), SurvivalError> {
    match subjects.iter().position(|s| !(s.time.is_finite() && s.time >= 0.0)) {
        Some(subject) => Err(SurvivalError::Time { subject, time: subjects[subject].time }),
        None => Ok(()),
    }
}

/// Refuses slices that do not have one entry for each subject.
fn check_length(subjects: &[Subject], what: &'static str, rows: usize) -> Result<(), SurvivalError> {
    match subjects.len() == rows {
        true => Ok(()),
        false => Err(SurvivalError::Length { subjects: subjects.len(), what, rows }),
    }
}

/// Indices of the subjects by time, earliest first.
fn by_time(subjects: &[Subject]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    order.sort_by(|&i, &j| subjects[i].time.total_cmp(&subjects[j].time));
    order
}

#[cfg(test)]
mod tests;
