//! Gradient descent of t-SNE: points pulled by who is near, pushed by everybody.

use ndarray::Array2;
use rayon::prelude::*;

use super::affinity::Affinities;
use super::draw::Drawn;
use crate::progress::Progress;

/// Points that one task moves.
const CHUNK: usize = 32;

/// Numbers worked on at once; sums are kept apart by lane, so that the order of addition is fixed.
const LANES: usize = 8;

/// Spread of the first layout: small, so that points can still pass each other
/// (Kobak and Berens, 2019, "The art of using t-SNE", initialisation).
const START: f64 = 1e-4;

/// How much stronger the pull is at first, and for how many steps: clusters form before they settle
/// (van der Maaten, 2014, section 5).
const EXAGGERATION: f32 = 12.0;
const EXAGGERATED: usize = 250;

/// Share of the last step kept, while exaggerated and after.
const MOMENTUM: [f32; 2] = [0.5, 0.8];

/// Each coordinate's own rate grows and shrinks (van der Maaten and Hinton, 2008, section 3.4; Jacobs, 1988).
const GAIN_UP: f32 = 0.2;
const GAIN_DOWN: f32 = 0.8;
const GAIN_LEAST: f32 = 0.01;

/// The first two components as they are, `n` places.
pub fn first_two(scores: &Array2<f64>) -> Vec<[f32; 2]> {
    let at = |row: usize, axis: usize| scores.get((row, axis)).copied().unwrap_or(0.0) as f32;
    (0..scores.nrows()).map(|row| [at(row, 0), at(row, 1)]).collect()
}

/// The first two components, shrunk, each point moved a little by its key, for equal rows must part.
pub fn start(scores: &Array2<f64>, drawn: &[Drawn]) -> Vec<[f32; 2]> {
    let squares: f64 = scores.column(0).iter().map(|score| score * score).sum();
    let scale = (START / (squares / scores.nrows() as f64).sqrt()) as f32;
    let noise = |bits: u32| (bits as f32 / u32::MAX as f32 - 0.5) * (START * 0.01) as f32;
    let moved = |([x, y], drawn): ([f32; 2], &Drawn)| {
        [x * scale + noise(drawn.key as u32), y * scale + noise((drawn.key >> 32) as u32)]
    };
    first_two(scores).into_iter().zip(drawn).map(moved).collect()
}

/// Moves `places` for `iterations` steps towards the least Kullback-Leibler divergence from `affinities`.
///
/// A point's gradient is summed by one task in the order of the points, and what is summed over tasks
/// is summed by row: the number of threads changes nothing.
pub fn descend(
    mut places: Vec<[f32; 2]>,
    affinities: &Affinities,
    iterations: usize,
    progress: &Progress,
) -> Vec<[f32; 2]> {
    let n = places.len();
    // More than n / 12 overshoots and loses the first layout, less is slow (Belkina et al., 2019). The usual
    // floor of 200 was tried: maps of a few hundred rows then changed wholly from night to night.
    let rate = n as f32 / EXAGGERATION;
    // Early exaggeration is a third of a short descent at most.
    let exaggerated = EXAGGERATED.min(iterations / 3);
    let mut steps = vec![[0.0f32; 2]; n];
    let mut gains = vec![[1.0f32; 2]; n];
    for iteration in 0..iterations {
        let early = iteration < exaggerated;
        let (pull, momentum) = if early { (EXAGGERATION, MOMENTUM[0]) } else { (1.0, MOMENTUM[1]) };
        let gradients = gradients(&places, affinities, pull);
        for (point, gradient) in gradients.into_iter().enumerate() {
            for axis in 0..2 {
                let (step, gain) = (&mut steps[point][axis], &mut gains[point][axis]);
                let turned = (gradient[axis] > 0.0) == (*step > 0.0);
                *gain = if turned { (*gain * GAIN_DOWN).max(GAIN_LEAST) } else { *gain + GAIN_UP };
                *step = momentum * *step - rate * *gain * gradient[axis];
                places[point][axis] += *step;
            }
        }
        centre(&mut places);
        progress.advance(1);
    }
    places
}

/// `sum_j (p_ij - q_ij) q_ij Z (y_i - y_j)` for every `i`, the gradient without its factor of 4
/// (van der Maaten and Hinton, 2008, equation 5), `p` times `pull`.
fn gradients(places: &[[f32; 2]], affinities: &Affinities, pull: f32) -> Vec<[f32; 2]> {
    let (xs, ys) = columns(places);
    let pushes: Vec<Push> =
        places.par_iter().with_min_len(CHUNK).map(|&place| push(place, &xs, &ys)).collect();
    // Every point met itself, at distance 0, once.
    let total = pushes.iter().map(|push| f64::from(push.total) - 1.0).sum::<f64>().max(1e-9);
    let inverse = (1.0 / total) as f32;
    let gradient = |point: usize| {
        let (push, [x, y]) = (&pushes[point], places[point]);
        let mut sum = [0.0f32; 2];
        for &(other, p) in &affinities.near[point] {
            let [dx, dy] = [x - places[other as usize][0], y - places[other as usize][1]];
            let weight = p / (1.0 + dx * dx + dy * dy);
            sum = [sum[0] + weight * dx, sum[1] + weight * dy];
        }
        [pull * sum[0] - inverse * push.force[0], pull * sum[1] - inverse * push.force[1]]
    };
    (0..places.len()).into_par_iter().with_min_len(CHUNK).map(gradient).collect()
}

/// What all points do to one.
struct Push {
    /// Sum of `w² (y_i - y_j)`, `w = 1 / (1 + |y_i - y_j|²)`.
    force: [f32; 2],
    /// Sum of `w`, the point itself included.
    total: f32,
}

/// Over all points, padded to whole lanes by points so far away that they add nothing.
fn push([x, y]: [f32; 2], xs: &[f32], ys: &[f32]) -> Push {
    let mut sums = [[0.0f32; LANES]; 3];
    for (xs, ys) in xs.chunks_exact(LANES).zip(ys.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let (dx, dy) = (x - xs[lane], y - ys[lane]);
            let weight = 1.0 / (1.0 + dx * dx + dy * dy);
            sums[0][lane] += weight * weight * dx;
            sums[1][lane] += weight * weight * dy;
            sums[2][lane] += weight;
        }
    }
    let [force_x, force_y, total] = sums.map(|lanes| lanes.iter().sum());
    Push { force: [force_x, force_y], total }
}

/// Coordinates by axis, padded to whole lanes.
fn columns(places: &[[f32; 2]]) -> (Vec<f32>, Vec<f32>) {
    // 1e18 squared is still finite, its inverse is 1e-36, and that times 1e18 is nothing beside a force.
    let padding = vec![1e18f32; places.len().next_multiple_of(LANES) - places.len()];
    let column =
        |axis: usize| places.iter().map(|place| place[axis]).chain(padding.iter().copied()).collect();
    (column(0), column(1))
}

fn centre(places: &mut [[f32; 2]]) {
    for axis in 0..2 {
        let mean = places.iter().map(|place| f64::from(place[axis])).sum::<f64>() / places.len() as f64;
        places.iter_mut().for_each(|place| place[axis] -= mean as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_that_of_the_divergence() {
        let places: Vec<[f32; 2]> =
            (0..11).map(|i| [(i * i % 7) as f32 * 0.3, (i % 4) as f32 * 0.5]).collect();
        let scores = Array2::from_shape_fn((11, 2), |(i, j)| ((i * 5 + j * 3) % 11) as f64);
        let affinities = Affinities::of(&scores, 3.0);
        let found = gradients(&places, &affinities, 1.0);
        let divergence = |places: &[[f32; 2]]| {
            let weight = |a: [f32; 2], b: [f32; 2]| {
                1.0 / (1.0 + f64::from(a[0] - b[0]).powi(2) + f64::from(a[1] - b[1]).powi(2))
            };
            let total: f64 = places.iter().flat_map(|&a| places.iter().map(move |&b| weight(a, b))).sum();
            let pairs = affinities
                .near
                .iter()
                .enumerate()
                .flat_map(|(i, near)| near.iter().map(move |pair| (i, pair)));
            pairs
                .map(|(i, &(j, p))| {
                    let q = weight(places[i], places[j as usize]) / (total - places.len() as f64);
                    f64::from(p) * (f64::from(p) / q).ln()
                })
                .sum::<f64>()
        };
        for (point, axis) in [(0, 0), (3, 1), (10, 0)] {
            let at = |by: f32| {
                let mut moved = places.clone();
                moved[point][axis] += by;
                divergence(&moved)
            };
            let slope = (at(1e-3) - at(-1e-3)) / 2e-3 / 4.0;
            assert!((slope - f64::from(found[point][axis])).abs() < 1e-4, "{slope} {}", found[point][axis]);
        }
    }
}
