//! How well found themes agree with labels people gave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::one_to_one::pair_up;

/// Agreement of themes with labels. Noise counts as one more theme throughout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows scored.
    pub n: usize,
    /// Distinct labels.
    pub k_true: usize,
    /// Themes found, noise not counted.
    pub k_found: usize,
    /// Share of rows in no theme, 0..=1.
    pub noise_share: f64,
    /// Share of rows whose theme is paired with their label, by the best one-to-one pairing, 0..=1.
    pub acc: f64,
    /// Mutual information over the arithmetic mean of the entropies, 0..=1.
    pub nmi: f64,
    /// The same adjusted for chance: 0 for random labels, 1 for equal ones.
    pub ami: f64,
    /// Pairs of rows treated alike, adjusted for chance, -0.5..=1.
    pub ari: f64,
    /// Harmonic mean of homogeneity and completeness, 0..=1.
    pub v_measure: f64,
}

/// Scores `found` against `truth`, row by row; the longer one's surplus is ignored.
///
/// NMI and V-measure: Rosenberg & Hirschberg 2007; AMI: Vinh, Epps & Bailey 2010; ARI: Hubert &
/// Arabie 1985; ACC: Hungarian pairing. Conventions for one label or one theme are scikit-learn's.
pub fn score<L: Ord>(truth: &[L], found: &[Option<u32>]) -> Scores {
    let table = Contingency::new(truth, found);
    let noise = found.iter().take(truth.len()).filter(|theme| theme.is_none()).count();
    Scores {
        n: table.n,
        k_true: table.rows.len(),
        k_found: table.columns.len() - usize::from(noise > 0),
        noise_share: if table.n == 0 { 0.0 } else { noise as f64 / table.n as f64 },
        acc: table.accuracy(),
        nmi: table.normalized_information(),
        ami: table.adjusted_information(),
        ari: table.adjusted_rand(),
        v_measure: table.v_measure(),
    }
}

/// How often each label meets each theme.
struct Contingency {
    /// Rows counted.
    n: usize,
    /// One row per label, one column per theme.
    cells: Vec<Vec<u64>>,
    /// Sums over themes.
    rows: Vec<u64>,
    /// Sums over labels.
    columns: Vec<u64>,
}

impl Contingency {
    fn new<L: Ord>(truth: &[L], found: &[Option<u32>]) -> Contingency {
        let mut pairs: BTreeMap<(&L, Option<u32>), u64> = BTreeMap::new();
        truth.iter().zip(found).for_each(|(label, theme)| *pairs.entry((label, *theme)).or_default() += 1);
        let labels: BTreeMap<&L, usize> = numbered(pairs.keys().map(|(label, _)| *label));
        let themes: BTreeMap<Option<u32>, usize> = numbered(pairs.keys().map(|(_, theme)| *theme));
        let mut cells = vec![vec![0; themes.len()]; labels.len()];
        for ((label, theme), count) in pairs {
            cells[labels[label]][themes[&theme]] = count;
        }
        let rows: Vec<u64> = cells.iter().map(|row| row.iter().sum()).collect();
        let columns = (0..themes.len()).map(|column| cells.iter().map(|row| row[column]).sum()).collect();
        Contingency { n: rows.iter().sum::<u64>() as usize, cells, rows, columns }
    }

    /// One label and one theme, or nothing at all: equal by definition.
    fn is_trivial(&self) -> bool {
        self.rows.len() == self.columns.len() && self.rows.len() <= 1
    }

    fn accuracy(&self) -> f64 {
        let pairs = pair_up(&self.cells).into_iter().zip(&self.cells);
        let right: u64 = pairs.filter_map(|(column, row)| column.map(|column| row[column])).sum();
        if self.n == 0 { 1.0 } else { right as f64 / self.n as f64 }
    }

    /// Mutual information, in nats.
    fn information(&self) -> f64 {
        let n = self.n as f64;
        let cells = self.cells.iter().zip(&self.rows).flat_map(|(cells, &row)| {
            cells
                .iter()
                .zip(&self.columns)
                .map(move |(&cell, &column)| (cell as f64, row as f64, column as f64))
        });
        let met = cells.filter(|(cell, ..)| *cell > 0.0);
        met.map(|(cell, row, column)| cell / n * (n * cell / (row * column)).ln()).sum::<f64>().max(0.0)
    }

    fn mean_entropy(&self) -> f64 {
        (entropy(&self.rows, self.n) + entropy(&self.columns, self.n)) / 2.0
    }

    fn normalized_information(&self) -> f64 {
        let information = self.information();
        match () {
            () if self.is_trivial() => 1.0,
            () if information <= f64::EPSILON => 0.0,
            () => information / self.mean_entropy(),
        }
    }

    fn v_measure(&self) -> f64 {
        let information = self.information();
        let share = |whole: f64| if whole == 0.0 { 1.0 } else { information / whole };
        let homogeneity = share(entropy(&self.rows, self.n));
        let completeness = share(entropy(&self.columns, self.n));
        match homogeneity + completeness {
            0.0 => 0.0,
            sum => 2.0 * homogeneity * completeness / sum,
        }
    }

    fn adjusted_information(&self) -> f64 {
        if self.is_trivial() {
            return 1.0;
        }
        let expected = self.expected_information();
        let room = self.mean_entropy() - expected;
        // The sign is kept: near zero, chance explains everything either way.
        let room = if room < 0.0 { room.min(-f64::EPSILON) } else { room.max(f64::EPSILON) };
        (self.information() - expected) / room
    }

    /// Mean mutual information of all tables with the same sums (Vinh et al. 2010, equation 24a).
    fn expected_information(&self) -> f64 {
        let (n, ln_factorial) = (self.n, ln_factorials(self.n));
        let ln = |m: usize| ln_factorial[m];
        let mut sum = 0.0;
        for (a, b) in
            self.rows.iter().flat_map(|&a| self.columns.iter().map(move |&b| (a as usize, b as usize)))
        {
            let fixed = ln(a) + ln(b) + ln(n - a) + ln(n - b) - ln(n);
            for cell in (a + b).saturating_sub(n).max(1)..=a.min(b) {
                let share = cell as f64 / n as f64;
                let surprise = (n as f64 * cell as f64 / (a as f64 * b as f64)).ln();
                let chance = fixed - ln(cell) - ln(a - cell) - ln(b - cell) - ln(n + cell - a - b);
                sum += share * surprise * chance.exp();
            }
        }
        sum
    }

    /// Hubert & Arabie 1985, equation 5, over counts of pairs.
    fn adjusted_rand(&self) -> f64 {
        let cells: Vec<Vec<f64>> =
            self.cells.iter().map(|row| row.iter().map(|&count| count as f64).collect()).collect();
        adjusted_rand(&cells)
    }
}

/// Adjusted Rand index (Hubert & Arabie 1985, equation 5) of two partitions, from how often each pair
/// of their parts meets; 1 for equal ones.
pub fn adjusted_rand(cells: &[Vec<f64>]) -> f64 {
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let width = cells.first().map_or(0, Vec::len);
    let in_rows: Vec<f64> = cells.iter().map(|row| row.iter().sum()).collect();
    let in_columns: Vec<f64> = (0..width).map(|j| cells.iter().map(|row| row[j]).sum()).collect();
    let together: f64 = cells.iter().flatten().map(|&count| pairs(count)).sum();
    let rows: f64 = in_rows.iter().map(|&count| pairs(count)).sum();
    let columns: f64 = in_columns.iter().map(|&count| pairs(count)).sum();
    if together == rows && together == columns {
        return 1.0;
    }
    let expected = rows * columns / pairs(in_rows.iter().sum());
    (together - expected) / ((rows + columns) / 2.0 - expected)
}

fn numbered<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut places: BTreeMap<T, usize> = values.map(|value| (value, 0)).collect();
    places.values_mut().zip(0..).for_each(|(place, number)| *place = number);
    places
}

/// Entropy of counts that add up to `n`, in nats.
fn entropy(counts: &[u64], n: usize) -> f64 {
    let shares = counts.iter().map(|&count| count as f64 / n as f64);
    -shares.filter(|share| *share > 0.0).map(|share| share * share.ln()).sum::<f64>()
}

/// `ln m!` for `m` in `0..=n`.
fn ln_factorials(n: usize) -> Vec<f64> {
    let mut ln_factorials = vec![0.0; n + 1];
    for m in 2..=n {
        ln_factorials[m] = ln_factorials[m - 1] + (m as f64).ln();
    }
    ln_factorials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        truth: Vec<i64>,
        found: Vec<i64>,
        acc: f64,
        nmi: f64,
        ami: f64,
        ari: f64,
        v_measure: f64,
    }

    #[test]
    fn agrees_with_scikit_learn() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/fixtures/cluster/reference.json")).unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let found: Vec<Option<u32>> = case.found.iter().map(|&theme| u32::try_from(theme).ok()).collect();
            let scores = score(&case.truth, &found);
            let compared = [
                ("acc", scores.acc, case.acc),
                ("nmi", scores.nmi, case.nmi),
                ("ami", scores.ami, case.ami),
                ("ari", scores.ari, case.ari),
                ("v_measure", scores.v_measure, case.v_measure),
            ];
            for (what, ours, theirs) in compared {
                assert!((ours - theirs).abs() < 1e-9, "{}: {what} {ours} {theirs}", case.name);
            }
        }
    }

    #[test]
    fn noise_is_one_more_theme() {
        let scores = score(&["a", "a", "b", "b"], &[Some(0), Some(0), None, None]);
        assert_eq!((scores.k_found, scores.k_true, scores.noise_share), (1, 2, 0.5));
        assert_eq!((scores.acc, scores.ari), (1.0, 1.0));
        let empty = score::<&str>(&[], &[]);
        assert_eq!((empty.n, empty.k_found, empty.noise_share), (0, 0, 0.0));
    }
}
