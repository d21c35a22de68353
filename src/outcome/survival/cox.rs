//! Proportional hazards: how much faster the event comes with each unit of a covariate.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::super::climb::{NoSummit, Place, climb};
use super::super::estimate::{Interval, Z_95};
use super::super::linear::Cholesky;
use super::log_rank::chi_square_p;
use super::{Subject, SurvivalError, by_time, check_length, check_times};

/// A fitted Cox model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoxFit {
    /// One for each covariate, in their order.
    pub coefficients: Vec<Coefficient>,
    /// Users.
    pub subjects: u64,
    /// Of these, with the event.
    pub events: u64,
    /// Logarithm of the partial likelihood at the estimate.
    pub log_likelihood: f64,
    /// The same with every coefficient 0.
    pub null_log_likelihood: f64,
    /// Likelihood ratio test of all coefficients being 0: its p, 0..=1.
    pub p: f64,
}

/// What one covariate does to the hazard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coefficient {
    /// Logarithm of the hazard ratio for one unit more.
    pub value: f64,
    /// Its standard error, from the observed information.
    pub error: f64,
    /// Hazard ratio with its 95 % interval.
    pub hazard_ratio: Interval,
    /// Two-sided p of the Wald test of no difference, 0..=1.
    pub p: f64,
}

/// Fits a proportional hazards model to `covariates` (subjects, k) by Newton's method on the
/// partial likelihood (Cox 1972), ties by Efron's approximation (Efron 1977, "The efficiency of
/// Cox's likelihood function for censored data", section 3).
///
/// The cost grows with subjects times k^2 for each of some ten steps; memory is that of a copy of
/// the covariates.
pub fn fit_cox(subjects: &[Subject], covariates: ArrayView2<'_, f64>) -> Result<CoxFit, SurvivalError> {
    check_times(subjects)?;
    check_length(subjects, "rows of covariates", covariates.nrows())?;
    if let Some(((subject, covariate), _)) = covariates.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(SurvivalError::Covariate { subject, covariate });
    }
    if !subjects.iter().any(|subject| subject.event) {
        return Err(SurvivalError::NoEvents);
    }
    let (scaled, spread) = standardize(covariates)?;
    let mut order = by_time(subjects);
    // Latest first, so that who is at risk only grows.
    order.reverse();
    let evaluate = |beta: &[f64]| partial_likelihood(subjects, &order, scaled.view(), beta);
    let null = evaluate(&vec![0.0; covariates.ncols()]).value;
    let summit = climb(covariates.ncols(), evaluate).map_err(|none| match none {
        NoSummit::Collinear(covariate) => SurvivalError::Collinear { covariate },
        NoSummit::Separated(covariate) => SurvivalError::Monotone { covariate },
        NoSummit::Lost => SurvivalError::NotConverged,
    })?;
    let factor = Cholesky::new(summit.information.view())
        .map_err(|covariate| SurvivalError::Collinear { covariate })?;
    let inverse = factor.inverse();
    let coefficient =
        |j: usize| Coefficient::new(summit.at[j] / spread[j], inverse[[j, j]].sqrt() / spread[j]);
    Ok(CoxFit {
        coefficients: (0..covariates.ncols()).map(coefficient).collect(),
        subjects: subjects.len() as u64,
        events: subjects.iter().filter(|subject| subject.event).count() as u64,
        log_likelihood: summit.value,
        null_log_likelihood: null,
        p: chi_square_p(2.0 * (summit.value - null), covariates.ncols() as u32),
    })
}

impl Coefficient {
    fn new(value: f64, error: f64) -> Coefficient {
        let end = |z: f64| (value + z * error).exp();
        let hazard_ratio = Interval { value: value.exp(), low: end(-Z_95), high: end(Z_95) };
        Coefficient { value, error, hazard_ratio, p: erfc((value / error).abs() / std::f64::consts::SQRT_2) }
    }
}

/// Columns with mean 0 and unit spread, and the spreads.
fn standardize(covariates: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Vec<f64>), SurvivalError> {
    let mut scaled = covariates.to_owned();
    let mut spreads = Vec::with_capacity(covariates.ncols());
    for (covariate, mut column) in scaled.axis_iter_mut(Axis(1)).enumerate() {
        let mean = column.mean().unwrap_or(0.0);
        column -= mean;
        let spread = column.mapv(|x| x * x).mean().unwrap_or(0.0).sqrt();
        // A constant may leave rounding behind.
        if spread <= 1e-12 * mean.abs() || spread == 0.0 {
            return Err(SurvivalError::Collinear { covariate });
        }
        column /= spread;
        spreads.push(spread);
    }
    Ok((scaled, spreads))
}

/// Sums over a set of subjects, each with its hazard as weight.
struct Weighted {
    total: f64,
    first: Array1<f64>,
    second: Array2<f64>,
}

impl Weighted {
    fn empty(size: usize) -> Weighted {
        Weighted { total: 0.0, first: Array1::zeros(size), second: Array2::zeros((size, size)) }
    }

    fn add(&mut self, hazard: f64, row: ArrayView1<'_, f64>) {
        self.total += hazard;
        for (i, x) in row.iter().enumerate() {
            self.first[i] += hazard * x;
            // The lower triangle is enough.
            for (j, y) in row.iter().enumerate().take(i + 1) {
                self.second[[i, j]] += hazard * x * y;
            }
        }
    }

    fn clear(&mut self) {
        self.total = 0.0;
        self.first.fill(0.0);
        self.second.fill(0.0);
    }
}

/// Efron's partial likelihood with its derivatives; `order` is latest first.
fn partial_likelihood(
    subjects: &[Subject],
    order: &[usize],
    rows: ArrayView2<'_, f64>,
    beta: &[f64],
) -> Place {
    let size = beta.len();
    let (mut value, mut gradient) = (0.0, Array1::<f64>::zeros(size));
    let mut information = Array2::<f64>::zeros((size, size));
    let (mut risk, mut dead) = (Weighted::empty(size), Weighted::empty(size));
    for tied in order.chunk_by(|&i, &j| subjects[i].time == subjects[j].time) {
        dead.clear();
        let mut deaths = 0;
        for &i in tied {
            let row = rows.row(i);
            let index: f64 = row.iter().zip(beta).map(|(x, b)| x * b).sum();
            let hazard = index.exp();
            risk.add(hazard, row);
            if subjects[i].event {
                dead.add(hazard, row);
                deaths += 1;
                value += index;
                gradient += &row;
            }
        }
        // The k-th of the tied deaths finds the deaths before it gone by k/d. The sums over k
        // depend on it only through these five numbers.
        let (mut a, mut b, mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for k in 0..deaths {
            let gone = f64::from(k) / f64::from(deaths);
            let left = risk.total - gone * dead.total;
            value -= left.ln();
            let inverse = 1.0 / left;
            a += inverse;
            b += gone * inverse;
            aa += inverse * inverse;
            ab += gone * inverse * inverse;
            bb += gone * gone * inverse * inverse;
        }
        if deaths == 0 {
            continue;
        }
        for i in 0..size {
            gradient[i] -= a * risk.first[i] - b * dead.first[i];
            for j in 0..=i {
                let (ri, rj, di, dj) = (risk.first[i], risk.first[j], dead.first[i], dead.first[j]);
                let second = a * risk.second[[i, j]] - b * dead.second[[i, j]];
                information[[i, j]] += second - (aa * ri * rj - ab * (ri * dj + di * rj) + bb * di * dj);
            }
        }
    }
    Place { value, gradient: gradient.to_vec(), information }
}
