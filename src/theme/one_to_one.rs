//! The best one-to-one pairing of two sides: the Hungarian algorithm.

/// For each row of `gain`, the column it is paired with, so that the paired gains add up to the
/// most; `None` for rows left over. Rectangular tables are allowed; all rows are equally long.
///
/// Shortest augmenting paths with potentials (Jonker & Volgenant 1987), `O(m^2 n)` for the shorter
/// side `m`.
pub fn pair_up(gain: &[Vec<u64>]) -> Vec<Option<usize>> {
    let (rows, columns) = (gain.len(), gain.first().map_or(0, Vec::len));
    if rows <= columns {
        let owners = owners(rows, columns, |row, column| -(gain[row][column] as i64));
        let mut pairs = vec![None; rows];
        owners.iter().enumerate().for_each(|(column, row)| {
            if let Some(row) = row {
                pairs[*row] = Some(column);
            }
        });
        pairs
    } else {
        owners(columns, rows, |column, row| -(gain[row][column] as i64))
    }
}

/// For each of `columns`, which of `rows <= columns` owns it in the cheapest assignment of all rows.
fn owners(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<Option<usize>> {
    let (mut row_price, mut column_price) = (vec![0i64; rows], vec![0i64; columns]);
    let mut owner: Vec<Option<usize>> = vec![None; columns];
    for start in 0..rows {
        let mut slack = vec![i64::MAX; columns];
        let mut came_from: Vec<Option<usize>> = vec![None; columns];
        let mut visited = vec![false; columns];
        let (mut row, mut here) = (start, None);
        // Grow a tree of tight edges until it reaches a free column.
        let end = loop {
            let mut nearest = (i64::MAX, 0);
            for column in (0..columns).filter(|&column| !visited[column]) {
                let reduced = cost(row, column) - row_price[row] - column_price[column];
                if reduced < slack[column] {
                    slack[column] = reduced;
                    came_from[column] = here;
                }
                nearest = nearest.min((slack[column], column));
            }
            let (step, next) = nearest;
            row_price[start] += step;
            for column in 0..columns {
                match owner[column] {
                    Some(owned_by) if visited[column] => {
                        row_price[owned_by] += step;
                        column_price[column] -= step;
                    }
                    _ => slack[column] = slack[column].saturating_sub(step),
                }
            }
            visited[next] = true;
            here = Some(next);
            match owner[next] {
                Some(owned_by) => row = owned_by,
                None => break next,
            }
        };
        // Shift owners along the path back to the start.
        let mut column = end;
        while let Some(before) = came_from[column] {
            owner[column] = owner[before];
            column = before;
        }
        owner[column] = Some(start);
    }
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(gain: &[Vec<u64>], pairs: &[Option<usize>]) -> u64 {
        pairs.iter().enumerate().filter_map(|(row, column)| column.map(|column| gain[row][column])).sum()
    }

    /// Every pairing, one by one.
    fn best(gain: &[Vec<u64>], row: usize, used: &mut Vec<bool>) -> u64 {
        if row == gain.len() {
            return 0;
        }
        let mut most = best(gain, row + 1, used);
        for column in 0..used.len() {
            if !used[column] {
                used[column] = true;
                most = most.max(gain[row][column] + best(gain, row + 1, used));
                used[column] = false;
            }
        }
        most
    }

    #[test]
    fn no_pairing_gains_more() {
        let mut state = 7u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 20
        };
        for (rows, columns) in [(1, 1), (2, 5), (5, 2), (4, 4), (5, 5), (3, 6), (6, 3)] {
            for _ in 0..20 {
                let gain: Vec<Vec<u64>> = (0..rows).map(|_| (0..columns).map(|_| next()).collect()).collect();
                let pairs = pair_up(&gain);
                let mut taken: Vec<usize> = pairs.iter().flatten().copied().collect();
                taken.sort_unstable();
                taken.dedup();
                assert_eq!(taken.len(), rows.min(columns), "each column once");
                assert_eq!(total(&gain, &pairs), best(&gain, 0, &mut vec![false; columns]), "{gain:?}");
            }
        }
        assert!(pair_up(&[]).is_empty());
        assert_eq!(pair_up(&[vec![], vec![]]), [None, None]);
    }
}
