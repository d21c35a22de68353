//! Strata of users alike in what was known of them before, cut where the users are.

use std::collections::BTreeMap;

/// How fine strata may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrataParams {
    /// Fewest users in a stratum, at least 1, wherever a wider one would hold as many.
    pub least_users: u64,
    /// Most intervals that one covariate is cut into, at least 1.
    pub most_cuts: u64,
}

impl Default for StrataParams {
    /// Measured by `examples/calibration.rs`: coarser strata leave confounding within them, finer ones
    /// leave users without anybody to be compared with.
    fn default() -> StrataParams {
        StrataParams { least_users: 30, most_cuts: 24 }
    }
}

/// Strata over `D` covariates, each a whole number: days of tenure, active days before, conversations.
///
/// The first covariate is cut into intervals of its values, each of these along the second, and so on.
/// Cuts look at covariates only, never at exposure or outcome, so they bias neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strata<const D: usize> {
    of: BTreeMap<[u32; D], u32>,
    parents: Vec<u32>,
}

impl<const D: usize> Strata<D> {
    /// Cuts the users counted by their covariates, in any order; values may repeat.
    pub fn build(counts: impl IntoIterator<Item = ([u32; D], u64)>, params: &StrataParams) -> Strata<D> {
        let mut users: BTreeMap<[u32; D], u64> = BTreeMap::new();
        for (covariates, more) in counts {
            *users.entry(covariates).or_default() += more;
        }
        let all: Vec<([u32; D], u64)> = users.into_iter().collect();
        let mut strata = Strata { of: BTreeMap::new(), parents: Vec::new() };
        strata.cut(all, 0, &mut 0, params);
        strata
    }

    /// The stratum of users with these covariates; `None` when there were none such.
    pub fn of(&self, covariates: &[u32; D]) -> Option<u32> {
        self.of.get(covariates).copied()
    }

    /// How many strata there are, numbered from 0 in the order of their covariates.
    pub fn count(&self) -> u32 {
        self.parents.len() as u32
    }

    /// For each stratum, the number of the one it would be in without the last covariate.
    pub fn parents(&self) -> &[u32] {
        &self.parents
    }

    /// `parent` is the number of the next stratum that is cut along all but the last covariate.
    fn cut(
        &mut self,
        mut users: Vec<([u32; D], u64)>,
        covariate: usize,
        parent: &mut u32,
        params: &StrataParams,
    ) {
        if covariate == D {
            let stratum = self.count();
            self.of.extend(users.into_iter().map(|(covariates, _)| (covariates, stratum)));
            self.parents.push(*parent);
            return;
        }
        users.sort_unstable_by_key(|(covariates, _)| covariates[covariate]);
        let values: Vec<&[([u32; D], u64)]> =
            users.chunk_by(|a, b| a.0[covariate] == b.0[covariate]).collect();
        let sizes: Vec<u64> = values.iter().map(|value| value.iter().map(|(_, n)| n).sum()).collect();
        let mut from = 0;
        for to in cut_points(&sizes, params) {
            let within = values[from..to].concat();
            self.cut(within, covariate + 1, parent, params);
            from = to;
        }
        if covariate + 1 == D {
            *parent += 1;
        }
    }
}

/// Ends of runs of values, in order, that hold enough users each; `sizes` are the users of each value.
fn cut_points(sizes: &[u64], params: &StrataParams) -> Vec<usize> {
    let (mut ends, mut held, mut left) = (Vec::new(), 0, sizes.iter().sum::<u64>());
    let mut cuts = params.most_cuts.max(1);
    // What each run must hold so that no more than the runs still allowed are needed for the rest.
    let needed = |left: u64, cuts: u64| params.least_users.max(1).max(left.div_ceil(cuts.max(1)));
    let mut least = needed(left, cuts);
    for (value, size) in sizes.iter().enumerate() {
        held += size;
        if held >= least {
            ends.push(value + 1);
            left -= held;
            held = 0;
            cuts = cuts.saturating_sub(1);
            least = needed(left, cuts);
        }
    }
    // Too few at the end join those before them.
    match ends.last_mut() {
        Some(last) => *last = sizes.len(),
        None if !sizes.is_empty() => ends.push(sizes.len()),
        None => {}
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_where_the_users_are() {
        let params = StrataParams { least_users: 10, most_cuts: 24 };
        assert_eq!(cut_points(&[50, 3, 4, 5, 20, 2, 1], &params), [1, 4, 7]);
        assert_eq!(cut_points(&[1, 2, 3], &params), [3]);
        assert_eq!(cut_points(&[], &params), [0; 0]);
        let few = StrataParams { least_users: 1, most_cuts: 3 };
        assert_eq!(cut_points(&[90, 1, 1, 1, 1, 1, 1], &few), [1, 4, 7]);
    }

    #[test]
    fn covariates_are_cut_one_within_the_other() {
        let params = StrataParams { least_users: 10, most_cuts: 24 };
        let counts = [([0, 0], 30), ([0, 1], 10), ([0, 5], 12), ([1, 0], 4), ([9, 3], 5), ([9, 4], 2)];
        let strata = Strata::build(counts, &params);
        assert_eq!(strata.count(), 4);
        let of: Vec<_> = counts.iter().map(|(covariates, _)| strata.of(covariates)).collect();
        assert_eq!(of, [0, 1, 2, 3, 3, 3].map(Some));
        assert_eq!(strata.of(&[7, 7]), None);
        assert_eq!(strata.parents(), [0, 0, 0, 1]);
        let mut backwards = counts;
        backwards.reverse();
        assert_eq!(Strata::build(backwards, &params), strata);
    }
}
