//! Small symmetric positive definite systems: Cholesky factor, solution, inverse, determinant.

use ndarray::{Array2, ArrayView2};

/// Share of a diagonal entry that must be left once the columns before it are accounted for; less,
/// and the column is taken as a combination of those. A correlation of 1 - 5e-11 is still told apart.
const LEAST_PIVOT: f64 = 1e-10;

/// The lower triangle L of A = L L'.
#[derive(Debug, Clone)]
pub(super) struct Cholesky {
    lower: Array2<f64>,
}

impl Cholesky {
    /// Factors `matrix` (k, k), symmetric; reads its lower triangle.
    ///
    /// `Err(column)`: the first column that is zero, or within rounding a combination of those before it.
    pub fn new(matrix: ArrayView2<'_, f64>) -> Result<Cholesky, usize> {
        let size = matrix.nrows();
        let mut lower = Array2::zeros((size, size));
        for j in 0..size {
            let dot = |a: &Array2<f64>, i: usize| (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum::<f64>();
            let pivot = matrix[[j, j]] - dot(&lower, j);
            // Written so that a pivot that is no number fails too.
            if !(pivot > LEAST_PIVOT * matrix[[j, j]] && pivot.is_finite()) {
                return Err(j);
            }
            lower[[j, j]] = pivot.sqrt();
            for i in j + 1..size {
                lower[[i, j]] = (matrix[[i, j]] - dot(&lower, i)) / lower[[j, j]];
            }
        }
        Ok(Cholesky { lower })
    }

    /// x of A x = `b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (l, size) = (&self.lower, b.len());
        let mut x = b.to_vec();
        for i in 0..size {
            let known: f64 = (0..i).map(|k| l[[i, k]] * x[k]).sum();
            x[i] = (x[i] - known) / l[[i, i]];
        }
        for i in (0..size).rev() {
            let known: f64 = (i + 1..size).map(|k| l[[k, i]] * x[k]).sum();
            x[i] = (x[i] - known) / l[[i, i]];
        }
        x
    }

    /// The inverse of A, (k, k).
    pub fn inverse(&self) -> Array2<f64> {
        let size = self.lower.nrows();
        let mut inverse = Array2::zeros((size, size));
        let mut unit = vec![0.0; size];
        for j in 0..size {
            unit[j] = 1.0;
            for (i, value) in self.solve(&unit).into_iter().enumerate() {
                inverse[[i, j]] = value;
            }
            unit[j] = 0.0;
        }
        inverse
    }

    /// The logarithm of the determinant of A.
    pub fn log_determinant(&self) -> f64 {
        2.0 * self.lower.diag().iter().map(|pivot| pivot.ln()).sum::<f64>()
    }
}

/// v' A v.
pub(super) fn quadratic_form(matrix: ArrayView2<'_, f64>, vector: &[f64]) -> f64 {
    let row = |i: usize| vector.iter().enumerate().map(|(j, v)| matrix[[i, j]] * v).sum::<f64>();
    vector.iter().enumerate().map(|(i, v)| v * row(i)).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn factors_solve_and_invert() {
        // det = 4 (3*3 - 1) - 2 (2*3 - 1) + 1 (2 - 3) = 21.
        let a = array![[4.0, 2.0, 1.0], [2.0, 3.0, 1.0], [1.0, 1.0, 3.0]];
        let factor = Cholesky::new(a.view()).expect("positive definite");
        assert!((factor.log_determinant() - 21.0_f64.ln()).abs() < 1e-14);
        let x = factor.solve(&[11.0, 11.0, 12.0]);
        for (ours, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((ours - expected).abs() < 1e-14);
        }
        let unit = a.dot(&factor.inverse());
        for ((i, j), value) in unit.indexed_iter() {
            assert!((value - f64::from(u8::from(i == j))).abs() < 1e-14);
        }
        assert!((quadratic_form(a.view(), &[1.0, -1.0, 2.0]) - 15.0).abs() < 1e-14);
    }

    #[test]
    fn a_column_that_repeats_another_is_named() {
        let twice = array![[4.0, 1.0, 2.0], [1.0, 3.0, 6.0], [2.0, 6.0, 12.0]];
        assert_eq!(Cholesky::new(twice.view()).expect_err("singular"), 2);
        assert_eq!(Cholesky::new(array![[0.0]].view()).expect_err("zero"), 0);
        assert_eq!(Cholesky::new(array![[f64::NAN]].view()).expect_err("no number"), 0);
    }
}
