//! From the spanning tree to clusters: single linkage, the condensed tree, excess of mass.
//!
//! Campello, Moulavi, Zimek, Sander 2015 (sections 4 and 5), in the form of McInnes, Healy, Astels 2017, whose
//! Python package `hdbscan` this agrees with. `lambda` is one over the distance at which something happens.

use super::spanning_tree::Edge;
use super::union_find::UnionFind;

/// One join of the single-linkage tree: nodes below `n` are rows, node `n + i` is join `i`.
#[derive(Debug, Clone, Copy)]
struct Join {
    left: usize,
    right: usize,
    distance: f64,
    size: usize,
}

/// A cluster of the condensed tree.
#[derive(Debug, Clone)]
struct Node {
    /// The cluster it split from; the root is its own.
    parent: usize,
    /// `lambda` at which it split from its parent; 0 for the root. Always finite.
    birth: f64,
    /// Greatest `lambda` at which a row or a cluster left it.
    death: f64,
    /// Sum over what left it of `(lambda - birth)` times its rows; infinite where copies are its core.
    stability: f64,
}

/// The single-linkage tree without splits that only shed a few rows.
#[derive(Debug)]
pub struct CondensedTree {
    /// Clusters, parents before children; the first is everything.
    nodes: Vec<Node>,
    /// The cluster each row left for noise, and its `lambda` then.
    exits: Vec<(usize, f64)>,
}

/// A cluster per row and how strongly the row belongs there.
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    /// `None` is noise.
    pub labels: Vec<Option<usize>>,
    /// 0..=1; 0 for noise.
    pub strengths: Vec<f32>,
}

impl CondensedTree {
    /// From `rows - 1` edges, shortest first; `least` rows, at least 2, make a cluster. `rows` is at least 1.
    pub fn new(rows: usize, edges: &[Edge], least: usize) -> CondensedTree {
        let joins = single_linkage(rows, edges);
        let root = Node { parent: 0, birth: 0.0, death: 0.0, stability: 0.0 };
        let mut tree = CondensedTree { nodes: vec![root], exits: vec![(0, 0.0); rows] };
        let size = |node: usize| if node < rows { 1 } else { joins[node - rows].size };
        // Breadth first, as there: equal stabilities are then summed in the same order.
        let mut waiting = std::collections::VecDeque::from([(rows + joins.len() - 1, 0)]);
        while let Some((node, cluster)) = waiting.pop_front() {
            let Some(join) = node.checked_sub(rows).map(|place| joins[place]) else { continue };
            let lambda = 1.0 / join.distance;
            let (left, right) = (size(join.left) >= least, size(join.right) >= least);
            if left && right && lambda.is_finite() {
                for side in [join.left, join.right] {
                    tree.leaves(cluster, lambda, size(side));
                    tree.nodes.push(Node { parent: cluster, birth: lambda, death: 0.0, stability: 0.0 });
                    waiting.push_back((side, tree.nodes.len() - 1));
                }
                continue;
            }
            for (side, goes_on) in [(join.left, left), (join.right, right)] {
                // Copies cannot split: they all leave at the end.
                if goes_on && lambda.is_finite() {
                    waiting.push_back((side, cluster));
                } else {
                    tree.shed(side, cluster, lambda, rows, &joins);
                }
            }
        }
        tree
    }

    /// All rows under `side` leave `cluster`.
    fn shed(&mut self, side: usize, cluster: usize, lambda: f64, rows: usize, joins: &[Join]) {
        let mut under = vec![side];
        while let Some(node) = under.pop() {
            match node.checked_sub(rows) {
                Some(place) => under.extend([joins[place].right, joins[place].left]),
                None => {
                    self.leaves(cluster, lambda, 1);
                    self.exits[node] = (cluster, lambda);
                }
            }
        }
    }

    fn leaves(&mut self, cluster: usize, lambda: f64, rows: usize) {
        let node = &mut self.nodes[cluster];
        node.stability += (lambda - node.birth) * rows as f64;
        node.death = node.death.max(lambda);
    }

    /// Clusters of greatest total stability, no two of them nested and the root none of them (2015, algorithm 3),
    /// numbered as in the tree.
    pub fn excess_of_mass(&self) -> Membership {
        let mut total: Vec<f64> = vec![0.0; self.nodes.len()];
        let mut kept = vec![false; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().skip(1).rev() {
            // Of equals the larger one, the parent.
            kept[place] = node.stability >= total[place];
            total[node.parent] += node.stability.max(total[place]);
        }
        // The topmost kept cluster on the way down, if any.
        let mut chosen: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().skip(1) {
            chosen[place] = chosen[node.parent].or(kept[place].then_some(place));
        }
        let labels: Vec<Option<usize>> = self.exits.iter().map(|(cluster, _)| chosen[*cluster]).collect();
        let strength = |(label, (_, lambda)): (&Option<usize>, &(usize, f64))| match label {
            Some(label) => strength(*lambda, self.nodes[*label].death),
            None => 0.0,
        };
        let strengths = labels.iter().zip(&self.exits).map(strength).collect();
        Membership { labels, strengths }
    }
}

/// A row's last `lambda` as a share of its cluster's.
fn strength(lambda: f64, death: f64) -> f32 {
    if lambda.is_infinite() || death == 0.0 { 1.0 } else { (lambda.min(death) / death) as f32 }
}

/// Joins along the edges, shortest first.
fn single_linkage(rows: usize, edges: &[Edge]) -> Vec<Join> {
    let mut sets = UnionFind::new(rows);
    // Node of the set that each root stands for, and its rows.
    let mut nodes: Vec<(usize, usize)> = (0..rows).map(|row| (row, 1)).collect();
    let mut joins = Vec::with_capacity(edges.len());
    for edge in edges {
        let (a, b) = (sets.find(edge.from), sets.find(edge.to));
        let ((left, left_size), (right, right_size)) = (nodes[a as usize], nodes[b as usize]);
        sets.union(a, b);
        let size = left_size + right_size;
        nodes[a.min(b) as usize] = (rows + joins.len(), size);
        joins.push(Join { left, right, distance: edge.squared.sqrt(), size });
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of rows with these distances between neighbours.
    fn chain(distances: &[f64]) -> Vec<Edge> {
        let mut edges: Vec<Edge> = (0u32..)
            .zip(distances)
            .map(|(row, distance)| Edge { from: row, to: row + 1, squared: distance * distance })
            .collect();
        edges.sort_by(|a, b| a.squared.total_cmp(&b.squared));
        edges
    }

    #[test]
    fn two_halves_are_two_clusters_with_their_strengths() {
        let tree = CondensedTree::new(8, &chain(&[1.0, 1.0, 1.0, 5.0, 2.0, 2.0, 4.0]), 3);
        // By hand: split at lambda 1/5; stabilities 4 (1 - 1/5) and 3 (1/2 - 1/5) + (1/4 - 1/5).
        assert_eq!(tree.nodes.len(), 3);
        let mut stabilities = [tree.nodes[1].stability, tree.nodes[2].stability];
        stabilities.sort_by(f64::total_cmp);
        assert!((stabilities[0] - 0.95).abs() < 1e-12 && (stabilities[1] - 3.2).abs() < 1e-12);
        let found = tree.excess_of_mass();
        assert_eq!(found.strengths, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]);
        assert!(found.labels[..4].iter().all(|label| *label == found.labels[0]));
        assert!(found.labels[4..].iter().all(|label| *label == found.labels[7] && label.is_some()));
        assert_ne!(found.labels[0], found.labels[7]);
    }

    #[test]
    fn without_a_split_all_is_noise() {
        for rows in 1..6 {
            let found = CondensedTree::new(rows, &chain(&vec![1.0; rows - 1]), 3).excess_of_mass();
            assert_eq!(found.labels, vec![None; rows]);
        }
    }

    #[test]
    fn copies_belong_with_strength_one() {
        let tree = CondensedTree::new(8, &chain(&[0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 1.0]), 2);
        let found = tree.excess_of_mass();
        assert!(found.strengths.iter().all(|strength| (0.0..=1.0).contains(strength)), "{found:?}");
        assert_eq!(found.strengths[..7], [1.0; 7]);
        assert!(found.labels.iter().all(Option::is_some));
    }
}
