//! Which conversations of each old theme are in which of tonight's clusters.

use std::collections::BTreeMap;

use super::{LedgerError, ThemeId};

/// A conversation's place last night: its theme, or `None` for noise.
pub type Member<'a> = (&'a str, Option<ThemeId>);
/// A conversation's place tonight: its cluster in `0..k`, or `None` for noise.
pub type Placed<'a> = (&'a str, Option<u32>);

/// Conversations common to both nights, by old theme and cluster.
///
/// Rows are the themes in the order given, columns the clusters as numbered tonight.
pub(super) struct Overlap {
    common: Vec<Vec<u64>>,
    old: Vec<u64>,
    new: Vec<u64>,
    sizes: Vec<u64>,
    firsts: Vec<String>,
}

impl Overlap {
    /// Counts; `themes` ascending, `clusters` is k. The order of both lists is of no consequence.
    ///
    /// # Errors
    /// A conversation given twice, or a cluster outside `0..k`.
    pub(super) fn count(
        themes: &[ThemeId],
        last: &[Member<'_>],
        tonight: &[Placed<'_>],
        clusters: usize,
    ) -> Result<Overlap, LedgerError> {
        let last = sorted(last, "last night")?;
        let tonight = sorted(tonight, "tonight")?;
        let rows: BTreeMap<ThemeId, usize> = themes.iter().copied().zip(0..).collect();
        let mut table = Overlap {
            common: vec![vec![0; clusters]; themes.len()],
            old: vec![0; themes.len()],
            new: vec![0; clusters],
            sizes: vec![0; clusters],
            firsts: vec![String::new(); clusters],
        };
        let mut last = last.into_iter().peekable();
        for (id, cluster) in tonight {
            while last.next_if(|(before, _)| *before < id).is_some() {}
            let before = last.next_if(|(before, _)| *before == id);
            let column = cluster.map(|cluster| column(id, cluster, clusters)).transpose()?;
            if let Some(column) = column {
                if table.sizes[column] == 0 {
                    table.firsts[column] = id.to_owned();
                }
                table.sizes[column] += 1;
            }
            if let Some((_, theme)) = before {
                table.add(theme.and_then(|theme| rows.get(&theme).copied()), column);
            }
        }
        Ok(table)
    }

    fn add(&mut self, row: Option<usize>, column: Option<usize>) {
        if let Some(row) = row {
            self.old[row] += 1;
        }
        if let Some(column) = column {
            self.new[column] += 1;
            if let Some(row) = row {
                self.common[row][column] += 1;
            }
        }
    }

    /// Clusters by size, the largest first; ties by their first conversation, and empty ones last.
    pub(super) fn canonical_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by(|&a, &b| {
            self.sizes[b].cmp(&self.sizes[a]).then_with(|| self.firsts[a].cmp(&self.firsts[b]))
        });
        order
    }

    /// Conversations in a cluster.
    pub(super) fn size(&self, cluster: usize) -> u64 {
        self.sizes[cluster]
    }

    /// A theme's conversations that tonight holds, noise included.
    pub(super) fn kept(&self, theme: usize) -> u64 {
        self.old[theme]
    }

    /// A cluster's conversations that last night held, noise included.
    pub(super) fn held(&self, cluster: usize) -> u64 {
        self.new[cluster]
    }

    /// Conversations in both.
    pub(super) fn common(&self, theme: usize, cluster: usize) -> u64 {
        self.common[theme][cluster]
    }

    /// Share of the theme that is in the cluster, 0..=1.
    pub(super) fn of_old(&self, theme: usize, cluster: usize) -> f64 {
        share(self.common[theme][cluster], self.old[theme])
    }

    /// Share of the cluster that is from the theme, 0..=1.
    pub(super) fn of_new(&self, theme: usize, cluster: usize) -> f64 {
        share(self.common[theme][cluster], self.new[cluster])
    }

    /// Conversations in both over conversations in either, 0..=1 (Jaccard 1901).
    pub(super) fn jaccard(&self, theme: usize, cluster: usize) -> f64 {
        let both = self.common[theme][cluster];
        share(both, self.old[theme] + self.new[cluster] - both)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn column(id: &str, cluster: u32, clusters: usize) -> Result<usize, LedgerError> {
    let column = cluster as usize;
    if column < clusters {
        return Ok(column);
    }
    Err(LedgerError::Cluster { conversation: id.to_owned(), cluster, clusters })
}

fn sorted<'a, T: Copy>(rows: &[(&'a str, T)], night: &'static str) -> Result<Vec<(&'a str, T)>, LedgerError> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.0.cmp(b.0));
    match rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(LedgerError::Duplicate { conversation: pair[0].0.to_owned(), night }),
        None => Ok(rows),
    }
}
