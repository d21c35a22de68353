//! Minimum spanning tree of mutual reachability distances: Boruvka's rounds on blocked products.

use std::collections::BTreeMap;

use super::blocks::Rows;
use super::union_find::UnionFind;

/// An edge of the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The lower row.
    pub from: u32,
    /// The higher row.
    pub to: u32,
    /// Squared mutual reachability distance.
    pub squared: f64,
}

/// The shortest edge out of a row's component that is known, and how short an unknown one may be.
#[derive(Debug, Clone, Copy)]
struct Best {
    /// Squared length; infinite where none is known.
    squared: f64,
    /// Where it leads.
    to: u32,
    /// No edge out of the row's component is shorter.
    bound: f64,
}

/// The `n - 1` edges of a minimum spanning tree over `max(core(a), core(b), |a - b|)` (Campello, Moulavi, Sander
/// 2013, definition 5), shortest first, ties by rows; `core` is the distance to the `min_samples`-th other row.
///
/// Boruvka (1926): in each round every component takes a shortest edge out, unless that closes a cycle by now.
/// Rows that cannot have an edge shorter than what their component knows already are not looked at. Time
/// `O(n^2 d)` per round at most, memory `O(n min_samples)`.
pub fn spanning_tree(rows: &Rows<'_>, min_samples: usize) -> Vec<Edge> {
    let n = rows.count();
    let near = rows.nearest(min_samples);
    let cores: Vec<f64> = near.iter().map(|near| near.last().map_or(0.0, |last| last.squared)).collect();
    let mut sets = UnionFind::new(n);
    let mut edges = Vec::with_capacity(n.saturating_sub(1));
    // No mutual reachability is below the row's own core distance.
    let mut best: Vec<Best> =
        cores.iter().map(|&core| Best { squared: f64::INFINITY, to: 0, bound: core }).collect();
    while edges.len() + 1 < n {
        let components: Vec<u32> = (0..n as u32).map(|row| sets.find(row)).collect();
        for (row, best) in best.iter_mut().enumerate() {
            if best.squared.is_infinite() || components[best.to as usize] == components[row] {
                // The edge went inside: what comes after it is no shorter.
                best.squared = f64::INFINITY;
                for near in near[row].iter().filter(|near| components[near.row as usize] != components[row]) {
                    let squared = near.squared.max(cores[row]).max(cores[near.row as usize]);
                    if squared < best.squared {
                        (best.squared, best.to) = (squared, near.row);
                    }
                }
            }
        }
        let shortest = shortest(&best, &components);
        let reach = |row: usize| shortest.get(&components[row]).map_or(f64::INFINITY, |edge| edge.squared);
        let open: Vec<usize> = (0..n)
            .filter(|&row| best[row].squared > best[row].bound && best[row].bound < reach(row))
            .collect();
        let found = scan(rows, &open, &components, &cores);
        open.iter().zip(found).for_each(|(&row, found)| best[row] = found);
        for edge in self::shortest(&best, &components).into_values() {
            if sets.union(edge.from, edge.to) {
                edges.push(edge);
            }
        }
    }
    edges.sort_by(order);
    edges
}

fn order(a: &Edge, b: &Edge) -> std::cmp::Ordering {
    a.squared.total_cmp(&b.squared).then(a.from.cmp(&b.from)).then(a.to.cmp(&b.to))
}

/// The shortest known edge out of each component, by its number.
fn shortest(best: &[Best], components: &[u32]) -> BTreeMap<u32, Edge> {
    let mut shortest: BTreeMap<u32, Edge> = BTreeMap::new();
    for (row, best) in (0..).zip(best).filter(|(_, best)| best.squared.is_finite()) {
        let edge = Edge { from: best.to.min(row), to: best.to.max(row), squared: best.squared };
        let known = shortest.entry(components[row as usize]).or_insert(edge);
        if order(&edge, known).is_lt() {
            *known = edge;
        }
    }
    shortest
}

/// The shortest edge out of their components for the rows in `open`, the first row of equals.
fn scan(rows: &Rows<'_>, open: &[usize], components: &[u32], cores: &[f64]) -> Vec<Best> {
    let none = Best { squared: f64::INFINITY, to: 0, bound: f64::INFINITY };
    let mut best = vec![none; open.len()];
    rows.sweep(open, &mut best, |row, best, scores| {
        // Nothing is shorter than the row's core distance: nothing more to find.
        let reach = |best: f64| if best <= cores[row] { f64::NEG_INFINITY } else { best };
        scores.nearer(reach(best.squared), |other| {
            if components[other] != components[row] && cores[other].max(cores[row]) < best.squared {
                let squared = rows.squared(row, other).max(cores[row]).max(cores[other]);
                if squared < best.squared {
                    *best = Best { squared, to: other as u32, bound: squared };
                }
            }
            reach(best.squared)
        });
    });
    best
}

#[cfg(test)]
mod tests {
    use super::super::blocks::tests::mixture;
    use super::*;
    use ndarray::Array2;

    /// Kruskal over all pairs.
    fn kruskal(rows: &Rows<'_>, min_samples: usize) -> Vec<Edge> {
        let near = rows.nearest(min_samples);
        let core = |row: usize| near[row].last().map_or(0.0, |last| last.squared);
        let pairs = (0..rows.count()).flat_map(|i| (i + 1..rows.count()).map(move |j| (i, j)));
        let mut edges: Vec<Edge> = pairs
            .map(|(i, j)| {
                let squared = rows.squared(i, j).max(core(i)).max(core(j));
                Edge { from: i as u32, to: j as u32, squared }
            })
            .collect();
        edges.sort_by(order);
        let mut sets = UnionFind::new(rows.count());
        edges.retain(|edge| sets.union(edge.from, edge.to));
        edges
    }

    fn lengths(edges: &[Edge]) -> Vec<f64> {
        edges.iter().map(|edge| edge.squared).collect()
    }

    #[test]
    fn the_tree_is_kruskals() {
        let mut vectors = mixture(620, 20, 7, 0.7, 21);
        for row in 50..60 {
            let copy = vectors.row(300).to_owned();
            vectors.row_mut(row).assign(&copy);
        }
        let rows = Rows::new(vectors.view());
        for min_samples in [1, 4, 15] {
            let tree = spanning_tree(&rows, min_samples);
            // Ties leave several trees, all with the same lengths.
            assert_eq!(lengths(&tree), lengths(&kruskal(&rows, min_samples)), "{min_samples}");
            let mut sets = UnionFind::new(rows.count());
            assert!(tree.iter().all(|edge| sets.union(edge.from, edge.to)), "no cycle");
        }
    }

    #[test]
    fn copies_and_few_rows_have_a_tree() {
        let copies = Array2::from_elem((9, 3), 0.5f32);
        let tree = spanning_tree(&Rows::new(copies.view()), 3);
        assert_eq!(lengths(&tree), [0.0; 8]);
        for rows in 0..3usize {
            let few = copies.slice(ndarray::s![..rows, ..]);
            assert_eq!(spanning_tree(&Rows::new(few), 5).len(), rows.saturating_sub(1));
        }
    }

    #[test]
    fn threads_change_nothing() {
        let vectors = mixture(1_300, 12, 9, 0.9, 22);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| spanning_tree(&Rows::new(vectors.view()), 5))
        };
        assert_eq!(on(1), on(3));
    }
}
