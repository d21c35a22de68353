//! Ward's hierarchical clustering: a tree of merges that can be cut into any number of clusters.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows whose distances are computed at a time.
const BLOCK: usize = 64;

/// Merges of `n` rows, the cheapest first.
#[derive(Debug, Clone)]
pub struct Tree {
    rows: usize,
    /// Two rows, each standing for the cluster it is in.
    merges: Vec<(usize, usize)>,
}

impl Tree {
    /// Grows the tree over `rows`, `(n, d)`, each counting `weights` times.
    ///
    /// Ward (1963): the merge that adds least to the squared distances within clusters comes first.
    /// Nearest-neighbour chains (Murtagh, 1983) with the Lance-Williams update for weighted rows
    /// (Murtagh and Legendre, 2014, equation 8, `Ward2`); `4 n^2` bytes.
    pub fn grow(rows: ArrayView2<'_, f32>, weights: &[f32]) -> Tree {
        let n = rows.nrows();
        let mut merges = Forest::new(rows, weights).merge_all();
        // Chains find merges in another order than that of their cost.
        merges.sort_by(|a, b| a.0.total_cmp(&b.0));
        Tree { rows: n, merges: merges.into_iter().map(|(_, a, b)| (a, b)).collect() }
    }

    /// Labels of `k` clusters (as many as rows, where there are fewer), in `0..k` by first row.
    pub fn cut(&self, k: usize) -> Vec<usize> {
        let mut parents: Vec<usize> = (0..self.rows).collect();
        for &(a, b) in self.merges.iter().take(self.rows.saturating_sub(k.max(1))) {
            let (a, b) = (root(&mut parents, a), root(&mut parents, b));
            parents[a.max(b)] = a.min(b);
        }
        let mut labels = vec![usize::MAX; self.rows];
        let mut count = 0;
        for row in 0..self.rows {
            let root = root(&mut parents, row);
            if root == row {
                labels[row] = count;
                count += 1;
            } else {
                labels[row] = labels[root];
            }
        }
        labels
    }
}

/// The first row of the cluster, with the path to it shortened.
fn root(parents: &mut [usize], mut row: usize) -> usize {
    while parents[row] != row {
        parents[row] = parents[parents[row]];
        row = parents[row];
    }
    row
}

/// Clusters not yet merged, each under its first row, and the cost of merging any two.
struct Forest {
    /// `(n, n)`; infinite for a cluster with itself and for those gone.
    costs: Array2<f32>,
    weights: Vec<f64>,
    gone: Vec<bool>,
}

impl Forest {
    fn new(rows: ArrayView2<'_, f32>, weights: &[f32]) -> Forest {
        let n = rows.nrows();
        let squares: Vec<f32> = rows.rows().into_iter().map(|row| row.dot(&row)).collect();
        let mut costs = Array2::<f32>::zeros((n, n));
        costs.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(at, mut block)| {
            let first = at * BLOCK;
            let products = rows.slice(ndarray::s![first..first + block.nrows(), ..]).dot(&rows.t());
            for ((i, j), cost) in block.indexed_iter_mut() {
                let row = first + i;
                let distance = (squares[row] + squares[j] - 2.0 * products[[i, j]]).max(0.0);
                let share = 2.0 * weights[row] * weights[j] / (weights[row] + weights[j]);
                *cost = if row == j { f32::INFINITY } else { share * distance };
            }
        });
        let weights = weights.iter().map(|weight| f64::from(*weight)).collect();
        Forest { costs, weights, gone: vec![false; n] }
    }

    /// Every merge with its cost: each joins two clusters that are nearest to each other.
    fn merge_all(mut self) -> Vec<(f32, usize, usize)> {
        let n = self.gone.len();
        let (mut merges, mut chain, mut first) = (Vec::with_capacity(n), Vec::new(), 0);
        while merges.len() + 1 < n {
            if chain.is_empty() {
                while self.gone[first] {
                    first += 1;
                }
                chain.push(first);
            }
            let last = chain[chain.len() - 1];
            let before = chain.len().checked_sub(2).map(|place| chain[place]);
            let nearest = self.nearest(last, before);
            if Some(nearest) == before {
                chain.truncate(chain.len() - 2);
                let (a, b) = (last.min(nearest), last.max(nearest));
                merges.push((self.costs[[a, b]], a, b));
                self.merge(a, b);
            } else {
                chain.push(nearest);
            }
        }
        merges
    }

    /// The cheapest cluster to merge with; `preferred` wins a tie, or a chain could run in circles.
    fn nearest(&self, cluster: usize, preferred: Option<usize>) -> usize {
        let costs = self.costs.row(cluster);
        let mut best = (f32::INFINITY, usize::MAX);
        for (other, &cost) in costs.iter().enumerate() {
            if cost < best.0 {
                best = (cost, other);
            }
        }
        match preferred {
            Some(preferred) if costs[preferred] <= best.0 => preferred,
            _ => best.1,
        }
    }

    /// `b` goes into `a`.
    fn merge(&mut self, a: usize, b: usize) {
        let (of_a, of_b, between) = (self.weights[a], self.weights[b], f64::from(self.costs[[a, b]]));
        self.gone[b] = true;
        self.weights[a] += of_b;
        for other in 0..self.gone.len() {
            let cost = if other == a || self.gone[other] {
                f32::INFINITY
            } else {
                let weight = self.weights[other];
                let sum = (weight + of_a) * f64::from(self.costs[[a, other]])
                    + (weight + of_b) * f64::from(self.costs[[b, other]])
                    - weight * between;
                (sum / (weight + of_a + of_b)).max(0.0) as f32
            };
            self.costs[[a, other]] = cost;
            self.costs[[other, a]] = cost;
            self.costs[[other, b]] = f32::INFINITY;
        }
        self.costs.row_mut(b).fill(f32::INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// The definition: at every step the merge that adds least to the sum of squares, tried pair by pair.
    fn by_definition(rows: &Array2<f32>, weights: &[f32], k: usize) -> Vec<usize> {
        let mut clusters: Vec<Vec<usize>> = (0..rows.nrows()).map(|row| vec![row]).collect();
        let spread = |members: &[usize]| {
            let total: f64 = members.iter().map(|&m| f64::from(weights[m])).sum();
            (0..rows.ncols())
                .map(|d| {
                    let value = |m: usize| f64::from(rows[[m, d]]);
                    let mean = members.iter().map(|&m| f64::from(weights[m]) * value(m)).sum::<f64>() / total;
                    members.iter().map(|&m| f64::from(weights[m]) * (value(m) - mean).powi(2)).sum::<f64>()
                })
                .sum::<f64>()
        };
        while clusters.len() > k {
            let mut best = (f64::MAX, 0, 0);
            for a in 0..clusters.len() {
                for b in a + 1..clusters.len() {
                    let joined = [clusters[a].clone(), clusters[b].clone()].concat();
                    let added = spread(&joined) - spread(&clusters[a]) - spread(&clusters[b]);
                    if added < best.0 {
                        best = (added, a, b);
                    }
                }
            }
            let gone = clusters.remove(best.2);
            clusters[best.1].extend(gone);
        }
        clusters.sort_by_key(|members| members.iter().min().copied());
        let mut labels = vec![0; rows.nrows()];
        clusters
            .iter()
            .enumerate()
            .for_each(|(label, members)| members.iter().for_each(|&m| labels[m] = label));
        labels
    }

    #[test]
    fn agrees_with_the_definition() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_xoshiro::Xoshiro256Plus::seed_from_u64(3);
        for rows in [1, 2, 3, 9, 24] {
            let vectors = Array2::from_shape_fn((rows, 3), |_| rng.gen_range(-1.0f32..1.0));
            let weights: Vec<f32> = (0..rows).map(|_| rng.gen_range(1..5) as f32).collect();
            let tree = Tree::grow(vectors.view(), &weights);
            for k in 1..=rows {
                assert_eq!(tree.cut(k), by_definition(&vectors, &weights, k), "{rows} rows, k = {k}");
            }
        }
    }

    #[test]
    fn copies_and_nothing_are_answered() {
        let copies = Tree::grow(array![[1.0f32, 0.0], [1.0, 0.0], [1.0, 0.0]].view(), &[1.0; 3]);
        assert_eq!(copies.cut(1), [0, 0, 0]);
        assert_eq!(copies.cut(9), [0, 1, 2]);
        assert!(Tree::grow(Array2::zeros((0, 2)).view(), &[]).cut(1).is_empty());
    }
}
