//! Distance between vectors, as linfa's algorithms ask for it.

use linfa_nn::distance::Distance;
use ndarray::{ArrayView, Dimension};

/// Sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;

/// Euclidean distance in single precision.
///
/// linfa's own adds one product to one sum at a time, which no compiler may reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Euclidean;

impl Distance<f32> for Euclidean {
    fn distance<D: Dimension>(&self, a: ArrayView<'_, f32, D>, b: ArrayView<'_, f32, D>) -> f32 {
        self.rdistance(a, b).sqrt()
    }

    fn rdistance<D: Dimension>(&self, a: ArrayView<'_, f32, D>, b: ArrayView<'_, f32, D>) -> f32 {
        match (a.as_slice(), b.as_slice()) {
            (Some(a), Some(b)) => squared(a, b),
            _ => a.iter().zip(b.iter()).map(|(x, y)| (x - y) * (x - y)).sum(),
        }
    }

    fn rdist_to_dist(&self, squared: f32) -> f32 {
        squared.sqrt()
    }

    fn dist_to_rdist(&self, distance: f32) -> f32 {
        distance * distance
    }
}

/// Squared distance of two vectors of equal length; exactly 0 for equal ones, which `2 - 2 cos` is not.
pub fn squared(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest =
        whole_a.remainder().iter().zip(whole_b.remainder()).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
    for (a, b) in whole_a.zip(whole_b) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use linfa_nn::distance::L2Dist;
    use ndarray::Array1;

    #[test]
    fn agrees_with_linfas() {
        for length in [1, 15, 16, 17, 384] {
            let a = Array1::from_shape_fn(length, |i| (i as f32).sin());
            let b = Array1::from_shape_fn(length, |i| (i as f32).cos());
            let expected: f32 = L2Dist.distance(a.view(), b.view());
            assert!((Euclidean.distance(a.view(), b.view()) - expected).abs() < 1e-5 * (1.0 + expected));
            assert_eq!(Euclidean.distance(a.view(), a.view()), 0.0);
        }
    }
}
