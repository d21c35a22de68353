//! Logistic regression with errors that allow for repeated users, and an answer to separation.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::super::climb::{NoSummit, Place, climb};
use super::super::linear::Cholesky;
use super::AdjustError;

/// Rows of data, each standing for one unit or for several alike.
#[derive(Debug, Clone, Copy)]
pub struct Units<'a> {
    /// Covariates (n, k), without a constant.
    pub rows: ArrayView2<'a, f64>,
    /// Whether the row's units had the outcome; n long.
    pub outcomes: &'a [bool],
    /// How many units each row stands for, above 0; 1 each when `None`.
    pub counts: Option<&'a [f64]>,
    /// Which user each row belongs to, by any number; when `None` every unit is its own user.
    pub users: Option<&'a [usize]>,
}

/// A fitted model of the log odds of the outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The constant, then one coefficient for each covariate; k + 1 long.
    pub coefficients: Vec<f64>,
    /// Their covariance, robust to a wrong variance model and to repeated users, (k + 1, k + 1).
    pub covariance: Array2<f64>,
    /// Their covariance if the model holds and all units are independent: inverse information.
    pub model_covariance: Array2<f64>,
    /// Logarithm of the likelihood at the estimate.
    pub log_likelihood: f64,
    /// The covariate that separates the outcomes, if one does: the fit is then Firth's.
    pub separated: Option<usize>,
}

impl LogisticFit {
    /// Robust standard errors, in the order of the coefficients.
    pub fn errors(&self) -> Vec<f64> {
        self.covariance.diag().iter().map(|variance| variance.sqrt()).collect()
    }
}

/// Fits by Newton's method, which for this model is iteratively reweighted least squares (McCullagh &
/// Nelder 1989, "Generalized linear models", section 2.5).
///
/// Errors are those of the sandwich, summed by user, times g/(g-1) (n-1)/(n-k-1) for g users and n
/// units (Liang & Zeger 1986; Cameron & Miller 2015, section II.B).
///
/// Where a covariate separates the outcomes (Albert & Anderson 1984) the likelihood has no maximum and
/// the fit is Firth's instead (Firth 1993; Heinze & Schemper 2002, "A solution to the problem of
/// separation in logistic regression"), which has one always; `separated` names the covariate, and
/// without `users` the covariance is then the inverse information, as the residuals of separated
/// units vanish and would claim certainty.
pub fn fit_logistic(units: &Units<'_>) -> Result<LogisticFit, AdjustError> {
    let model = Model::new(units)?;
    let size = units.rows.ncols() + 1;
    let (summit, separated) = match climb(size, |beta| model.evaluate(beta, false)) {
        Ok(summit) => (summit, None),
        Err(NoSummit::Separated(column)) => {
            let summit = climb(size, |beta| model.evaluate(beta, true)).map_err(name)?;
            // Along the constant when the outcome is so rare that everything separates it.
            (summit, Some(column.max(1) - 1))
        }
        Err(none) => return Err(name(none)),
    };
    let bread = Cholesky::new(summit.information.view()).map_err(collinear)?.inverse();
    let sandwich = match (separated, units.users) {
        (Some(_), None) => bread.clone(),
        _ => model.sandwich(&summit.at, bread.view(), separated.is_some())?,
    };
    let back = model.unscale();
    let plain = |covariance: &Array2<f64>| back.dot(covariance).dot(&back.t());
    Ok(LogisticFit {
        coefficients: back.dot(&Array1::from(summit.at.clone())).to_vec(),
        covariance: plain(&sandwich),
        model_covariance: plain(&bread),
        log_likelihood: model.evaluate(&summit.at, false).value,
        separated,
    })
}

fn name(none: NoSummit) -> AdjustError {
    match none {
        NoSummit::Collinear(column) => collinear(column),
        NoSummit::Separated(_) | NoSummit::Lost => AdjustError::NotConverged,
    }
}

/// Column 0 is the constant, which comes first and so is no combination of others.
fn collinear(column: usize) -> AdjustError {
    AdjustError::Collinear { covariate: column.max(1) - 1 }
}

/// The rows with a constant, scaled to mean 0 and unit spread.
struct Model<'a> {
    units: Units<'a>,
    rows: Array2<f64>,
    means: Vec<f64>,
    spreads: Vec<f64>,
    total: f64,
}

impl<'a> Model<'a> {
    fn new(units: &Units<'a>) -> Result<Model<'a>, AdjustError> {
        check(units)?;
        let (n, k) = units.rows.dim();
        let count = |row: usize| units.counts.map_or(1.0, |counts| counts[row]);
        let total: f64 = (0..n).map(count).sum();
        let with: f64 = (0..n).filter(|&row| units.outcomes[row]).map(count).sum();
        if with == 0.0 || with == total {
            return Err(AdjustError::OneOutcome { units: total as u64 });
        }
        if total <= (k + 1) as f64 {
            return Err(AdjustError::TooFew { units: total as u64, coefficients: k + 1 });
        }
        let (mut rows, mut means, mut spreads) = (Array2::ones((n, k + 1)), Vec::new(), Vec::new());
        for (covariate, column) in units.rows.axis_iter(Axis(1)).enumerate() {
            let mean = column.iter().enumerate().map(|(row, x)| count(row) * x).sum::<f64>() / total;
            let square = |(row, x): (usize, &f64)| count(row) * (x - mean) * (x - mean);
            let spread = (column.iter().enumerate().map(square).sum::<f64>() / total).sqrt();
            // A constant may leave rounding behind.
            if spread <= 1e-12 * mean.abs() || spread == 0.0 {
                return Err(AdjustError::Collinear { covariate });
            }
            rows.column_mut(covariate + 1).assign(&column.mapv(|x| (x - mean) / spread));
            means.push(mean);
            spreads.push(spread);
        }
        Ok(Model { units: *units, rows, means, spreads, total })
    }

    fn count(&self, row: usize) -> f64 {
        self.units.counts.map_or(1.0, |counts| counts[row])
    }

    fn index(&self, row: usize, beta: &[f64]) -> f64 {
        self.rows.row(row).iter().zip(beta).map(|(x, b)| x * b).sum()
    }

    /// The likelihood at `beta`; with `penalized`, times the root of the information's determinant.
    fn evaluate(&self, beta: &[f64], penalized: bool) -> Place {
        let size = beta.len();
        let (mut value, mut gradient) = (0.0, vec![0.0; size]);
        let mut information = Array2::<f64>::zeros((size, size));
        for (row, &outcome) in self.units.outcomes.iter().enumerate() {
            let (index, count, x) = (self.index(row, beta), self.count(row), self.rows.row(row));
            let probability = logistic(index);
            value += count * (if outcome { index } else { 0.0 } - log_one_plus_exp(index));
            let left = count * (f64::from(u8::from(outcome)) - probability);
            let weight = count * probability * logistic(-index);
            for i in 0..size {
                gradient[i] += left * x[i];
                for j in 0..=i {
                    information[[i, j]] += weight * x[i] * x[j];
                }
            }
        }
        if penalized {
            match Cholesky::new(information.view()) {
                Ok(factor) => {
                    value += 0.5 * factor.log_determinant();
                    let inverse = factor.inverse();
                    for row in 0..self.rows.nrows() {
                        let pull = self.count(row) * self.pull(row, beta, inverse.view());
                        gradient.iter_mut().zip(self.rows.row(row)).for_each(|(g, x)| *g += pull * x);
                    }
                }
                Err(_) => value = f64::NEG_INFINITY,
            }
        }
        Place { value, gradient, information }
    }

    /// What Firth's penalty adds to a unit's residual: its leverage times (1/2 - probability).
    fn pull(&self, row: usize, beta: &[f64], inverse: ArrayView2<'_, f64>) -> f64 {
        let index = self.index(row, beta);
        let (probability, x) = (logistic(index), self.rows.row(row));
        let leverage = probability * logistic(-index) * x.dot(&inverse.dot(&x));
        leverage * (0.5 - probability)
    }

    /// bread x (sum over users of score x score') x bread, corrected for few users.
    fn sandwich(
        &self,
        beta: &[f64],
        bread: ArrayView2<'_, f64>,
        penalized: bool,
    ) -> Result<Array2<f64>, AdjustError> {
        let size = beta.len();
        let mut meat = Array2::<f64>::zeros((size, size));
        let residual = |row: usize| {
            let plain = f64::from(u8::from(self.units.outcomes[row])) - logistic(self.index(row, beta));
            if penalized { plain + self.pull(row, beta, bread) } else { plain }
        };
        let mut add = |score: &Array1<f64>, times: f64| {
            for i in 0..size {
                for j in 0..size {
                    meat[[i, j]] += times * score[i] * score[j];
                }
            }
        };
        let users = match self.units.users {
            None => {
                (0..self.rows.nrows())
                    .for_each(|row| add(&(&self.rows.row(row) * residual(row)), self.count(row)));
                self.total
            }
            Some(users) => {
                let mut order: Vec<usize> = (0..users.len()).collect();
                order.sort_by_key(|&row| users[row]);
                let mut clusters = 0.0;
                for own in order.chunk_by(|&i, &j| users[i] == users[j]) {
                    let mut score = Array1::zeros(size);
                    own.iter().for_each(|&row| {
                        score.scaled_add(self.count(row) * residual(row), &self.rows.row(row));
                    });
                    add(&score, 1.0);
                    clusters += 1.0;
                }
                clusters
            }
        };
        if users < 2.0 {
            return Err(AdjustError::TooFew { units: users as u64, coefficients: size });
        }
        let few = users / (users - 1.0) * (self.total - 1.0) / (self.total - size as f64);
        Ok(bread.dot(&meat).dot(&bread) * few)
    }

    /// The matrix that takes coefficients of scaled columns to those of the columns as given.
    fn unscale(&self) -> Array2<f64> {
        let mut back = Array2::eye(self.means.len() + 1);
        for (j, (mean, spread)) in self.means.iter().zip(&self.spreads).enumerate() {
            back[[0, j + 1]] = -mean / spread;
            back[[j + 1, j + 1]] = 1.0 / spread;
        }
        back
    }
}

fn check(units: &Units<'_>) -> Result<(), AdjustError> {
    let rows = units.rows.nrows();
    let lengths = [
        ("outcomes", Some(units.outcomes.len())),
        ("counts", units.counts.map(<[f64]>::len)),
        ("users", units.users.map(<[usize]>::len)),
    ];
    for (what, given) in lengths {
        if let Some(given) = given.filter(|&given| given != rows) {
            return Err(AdjustError::Length { rows, what, given });
        }
    }
    if let Some(((row, covariate), _)) = units.rows.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return Err(AdjustError::NotFinite { row, what: format!("covariate {covariate}") });
    }
    let wrong = |count: &f64| !(count.is_finite() && *count > 0.0);
    match units.counts.and_then(|counts| counts.iter().position(wrong)) {
        Some(row) => Err(AdjustError::NotFinite { row, what: "count (above 0)".to_owned() }),
        None => Ok(()),
    }
}

/// 1 / (1 + exp(-x)), without overflow.
pub(super) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + exp(x)), without overflow.
fn log_one_plus_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
