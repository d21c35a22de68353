//! Disjoint sets of rows (Tarjan 1975): path halving, the lower row is the root.

/// A partition of rows that only ever gets coarser.
///
/// The root of a set is its lowest row, so what is read from it does not depend on the order of joins.
#[derive(Debug, Clone)]
pub struct UnionFind {
    parents: Vec<u32>,
}

impl UnionFind {
    /// `rows` sets of one row each.
    pub fn new(rows: usize) -> UnionFind {
        UnionFind { parents: (0..rows as u32).collect() }
    }

    /// Lowest row of the set that `row` is in.
    pub fn find(&mut self, row: u32) -> u32 {
        let mut row = row;
        while self.parents[row as usize] != row {
            let grandparent = self.parents[self.parents[row as usize] as usize];
            self.parents[row as usize] = grandparent;
            row = grandparent;
        }
        row
    }

    /// Joins two sets; `false` where they were one already.
    pub fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b) as usize] = a.min(b);
        a != b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_row_stands_for_its_set() {
        let mut sets = UnionFind::new(6);
        assert!(sets.union(5, 3) && sets.union(4, 1) && sets.union(5, 4));
        assert!(!sets.union(1, 3));
        assert_eq!((0..6).map(|row| sets.find(row)).collect::<Vec<_>>(), [0, 1, 2, 1, 1, 1]);
    }
}
