//! Who is near to whom: the joint probabilities that a map tries to keep.

use ndarray::Array2;
use rayon::prelude::*;

/// Neighbours kept per unit of perplexity: beyond them a probability is next to nothing
/// (van der Maaten, 2014, section 4.1).
const REACH: f64 = 3.0;

/// Halvings of a bandwidth's interval; the entropy is then exact to some 1e-9.
const HALVINGS: usize = 100;

/// Entropy, in nats, that counts as met.
const TOLERANCE: f64 = 1e-7;

/// Sparse symmetric probabilities over pairs of points, which sum to 1.
#[derive(Debug, Clone)]
pub struct Affinities {
    /// For each of `n` points the others it is near to, ascending, with the pair's probability.
    pub near: Vec<Vec<(u32, f32)>>,
}

impl Affinities {
    /// Of `scores`, `(n, d)`, `n` at least 3.
    ///
    /// `p_ij = (p_j|i + p_i|j) / 2n`, `p_j|i` Gaussian around `i` with the bandwidth that gives its
    /// `3 * perplexity` nearest that perplexity (van der Maaten and Hinton, 2008, sections 2 and 3.1).
    /// The perplexity is at most `(n - 1) / 3`.
    pub fn of(scores: &Array2<f64>, perplexity: f64) -> Affinities {
        let n = scores.nrows();
        let perplexity = perplexity.min((n - 1) as f64 / REACH);
        let reach = ((REACH * perplexity) as usize).clamp(1, n - 1);
        let directed: Vec<Vec<(u32, f64)>> = (0..n)
            .into_par_iter()
            .map(|point| {
                let near = nearest(scores, point, reach);
                let squares: Vec<f64> = near.iter().map(|&(square, _)| square).collect();
                near.iter().map(|&(_, other)| other).zip(conditionals(&squares, perplexity)).collect()
            })
            .collect();
        Affinities { near: symmetric(&directed) }
    }
}

/// The `count` other rows nearest to `point`, with squared distances, nearest first, equals by row.
fn nearest(scores: &Array2<f64>, point: usize, count: usize) -> Vec<(f64, u32)> {
    let own = scores.row(point);
    let square =
        |other: usize| own.iter().zip(scores.row(other)).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
    let mut others: Vec<(f64, u32)> = (0..scores.nrows())
        .filter(|&other| other != point)
        .map(|other| (square(other), other as u32))
        .collect();
    let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if count < others.len() {
        others.select_nth_unstable_by(count, order);
        others.truncate(count);
    }
    others.sort_unstable_by(order);
    others
}

/// Probabilities `exp(-beta d²)`, normalised, for ascending `squares`, of entropy `ln(perplexity)`.
///
/// `beta` by bisection, in units of the mean square: no scale of the data is too small or too large.
fn conditionals(squares: &[f64], perplexity: f64) -> Vec<f64> {
    let least = squares[0];
    let mean = squares.iter().map(|square| square - least).sum::<f64>() / squares.len() as f64;
    if mean <= 0.0 {
        return vec![1.0 / squares.len() as f64; squares.len()];
    }
    let scaled: Vec<f64> = squares.iter().map(|square| (square - least) / mean).collect();
    let (mut low, mut high, mut beta) = (0.0, f64::INFINITY, 1.0);
    let mut weights = Vec::new();
    for _ in 0..HALVINGS {
        weights = scaled.iter().map(|square| (-beta * square).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let energy: f64 = scaled.iter().zip(&weights).map(|(square, weight)| square * weight).sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let excess = beta * energy / sum + sum.ln() - perplexity.ln();
        if excess.abs() < TOLERANCE {
            break;
        }
        if excess > 0.0 {
            low = beta;
            beta = if high.is_finite() { (low + high) / 2.0 } else { beta * 2.0 };
        } else {
            high = beta;
            beta = (low + high) / 2.0;
        }
        // Many equally near: no bandwidth tells fewer of them, and this one already leaves only them.
        if beta > 1e12 {
            break;
        }
    }
    weights
}

/// Both directions of every pair together, over `2n`.
fn symmetric(directed: &[Vec<(u32, f64)>]) -> Vec<Vec<(u32, f32)>> {
    let half = 0.5 / directed.len() as f64;
    let mut both: Vec<Vec<(u32, f64)>> = vec![Vec::new(); directed.len()];
    for (point, near) in directed.iter().enumerate() {
        for &(other, probability) in near {
            both[point].push((other, probability * half));
            both[other as usize].push((point as u32, probability * half));
        }
    }
    let merge = |mut pairs: Vec<(u32, f64)>| {
        pairs.sort_by_key(|&(other, _)| other);
        let same = pairs.chunk_by(|a, b| a.0 == b.0);
        same.map(|pair| (pair[0].0, pair.iter().map(|&(_, p)| p).sum::<f64>() as f32)).collect()
    };
    both.into_iter().map(merge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_symmetric_sum_to_one_and_have_the_perplexity() {
        let scores = Array2::from_shape_fn((60, 2), |(i, j)| ((i * 7 + j * 13) % 31) as f64 * 0.01);
        let near = Affinities::of(&scores, 5.0).near;
        let total: f32 = near.iter().flatten().map(|(_, p)| p).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        for (point, pairs) in near.iter().enumerate() {
            for &(other, p) in pairs {
                let back = near[other as usize].iter().find(|pair| pair.0 == point as u32);
                assert!(back.is_some_and(|pair| (pair.1 - p).abs() < 1e-9));
            }
        }
        let squares: Vec<f64> = (0..15).map(|i| f64::from(i * i) * 1e-9).collect();
        let entropy: f64 = -conditionals(&squares, 5.0).iter().map(|p| p * (p + 1e-300).ln()).sum::<f64>();
        assert!((entropy.exp() - 5.0).abs() < 1e-3, "{}", entropy.exp());
    }

    #[test]
    fn equal_distances_share_equally() {
        assert_eq!(conditionals(&[0.5; 4], 2.0), [0.25; 4]);
        let near = conditionals(&[0.0, 0.0, 0.0, 1.0], 2.0);
        assert!((near[0] - 1.0 / 3.0).abs() < 1e-6 && near[3] < 1e-6, "{near:?}");
    }
}
