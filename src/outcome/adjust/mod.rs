//! Exposed against unexposed users who are alike in what was known of them before.
//!
//! Two methods that fail in different ways: strata, which assume nothing of how a covariate acts but
//! see it in steps (`mantel_haenszel`), and a logistic model, which sees it whole but assumes a shape
//! (`logistic`, `standardize`). What neither sees is bounded by the E-value (`e_value`).

pub mod cluster;
pub mod e_value;
mod exact;
pub mod logistic;
pub mod mantel_haenszel;
pub mod standardize;
pub mod strata;

pub use cluster::{Clustered, Episode, clustered_difference};
pub use e_value::{EValue, e_value};
pub use logistic::{LogisticFit, Units, fit_logistic};
pub use mantel_haenszel::{Adjusted, Stratum, mantel_haenszel};
pub use standardize::{Standardized, standardize};
pub use strata::{Cuts, Strata, StrataParams};

/// Data or models that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdjustError {
    /// Slices that should be equally long.
    #[error("{rows} rows of covariates, but {given} {what}; one each is needed")]
    Length {
        /// Rows of covariates.
        rows: usize,
        /// What there should be as many of.
        what: &'static str,
        /// How many there are.
        given: usize,
    },
    /// A covariate or count that is no number.
    #[error("row {row}, {what}: not a finite number; leave the row out, or fill it in")]
    NotFinite {
        /// Its place, from 0.
        row: usize,
        /// Which.
        what: String,
    },
    /// Everybody had the outcome, or nobody had.
    #[error("the outcome has one value for all {units} units: there is nothing to explain")]
    OneOutcome {
        /// Units in the data.
        units: u64,
    },
    /// Fewer units than the model has coefficients.
    #[error("{units} units cannot carry {coefficients} coefficients; use fewer covariates")]
    TooFew {
        /// Units, or clusters of them.
        units: u64,
        /// Coefficients, the constant included.
        coefficients: usize,
    },
    /// A covariate that is constant, or a combination of those before it.
    #[error("covariate {covariate} is constant, or a combination of the covariates before it; leave it out")]
    Collinear {
        /// The column, from 0.
        covariate: usize,
    },
    /// Newton's method did not arrive.
    #[error("the logistic model did not converge; scale or transform covariates with extreme values")]
    NotConverged,
}

#[cfg(test)]
mod tests;
