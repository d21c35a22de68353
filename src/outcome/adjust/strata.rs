//! Strata of users alike in what was known of them before, cut where the users are.

use std::collections::BTreeMap;

/// How fine strata over `D` covariates may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrataParams<const D: usize> {
    /// Fewest users in a stratum, at least 1, wherever a wider one would hold as many.
    pub least_users: u64,
    /// For each covariate in order.
    pub cuts: [Cuts; D],
}

/// How finely one covariate is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuts {
    /// Most intervals, at least 1.
    pub most: u64,
    /// Its share, against the weights of the covariates after it, of the fineness that the number of
    /// users allows; above 0.
    pub weight: f64,
}

/// Strata over `D` covariates, each a whole number: days of tenure, active days before, conversations.
///
/// The first covariate is cut into intervals of its values, each of these along the second, and so on.
/// Cuts look at covariates only, never at exposure or outcome, so they bias neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strata<const D: usize> {
    of: BTreeMap<[u32; D], u32>,
    count: u32,
}

/// Users by their covariates.
type Counts<const D: usize> = Vec<([u32; D], u64)>;

impl<const D: usize> Strata<D> {
    /// Cuts the users counted by their covariates, in any order; values may repeat.
    pub fn build(counts: impl IntoIterator<Item = ([u32; D], u64)>, params: &StrataParams<D>) -> Strata<D> {
        let mut users: BTreeMap<[u32; D], u64> = BTreeMap::new();
        for (covariates, more) in counts {
            *users.entry(covariates).or_default() += more;
        }
        let mut strata = Strata { of: BTreeMap::new(), count: 0 };
        if !users.is_empty() {
            strata.cut(users.into_iter().collect(), 0, params);
        }
        strata
    }

    /// The stratum of users with these covariates; `None` when there were none such.
    pub fn of(&self, covariates: &[u32; D]) -> Option<u32> {
        self.of.get(covariates).copied()
    }

    /// How many strata there are, numbered from 0 in the order of their covariates.
    pub fn count(&self) -> u32 {
        self.count
    }

    fn cut(&mut self, mut users: Counts<D>, covariate: usize, params: &StrataParams<D>) {
        if covariate == D {
            self.of.extend(users.into_iter().map(|(covariates, _)| (covariates, self.count)));
            self.count += 1;
            return;
        }
        let most = most_cuts(&users, covariate, params);
        users.sort_unstable_by_key(|(covariates, _)| covariates[covariate]);
        let values: Vec<&[([u32; D], u64)]> =
            users.chunk_by(|a, b| a.0[covariate] == b.0[covariate]).collect();
        let sizes: Vec<u64> = values.iter().map(|value| value.iter().map(|(_, n)| n).sum()).collect();
        let mut from = 0;
        for to in cut_points(&sizes, params.least_users, most) {
            self.cut(values[from..to].concat(), covariate + 1, params);
            from = to;
        }
    }
}

/// How many intervals a covariate gets: as many strata as the users could fill, to the power of its
/// weight among the covariates still to be cut that vary at all.
fn most_cuts<const D: usize>(users: &[([u32; D], u64)], covariate: usize, params: &StrataParams<D>) -> u64 {
    let varies = |covariate: &usize| users.iter().any(|user| user.0[*covariate] != users[0].0[*covariate]);
    let weight = |covariate: usize| params.cuts[covariate].weight;
    let all: f64 = (covariate..D).filter(varies).map(weight).sum();
    let strata = users.iter().map(|(_, n)| n).sum::<u64>() as f64 / params.least_users.max(1) as f64;
    let share = if all > 0.0 { weight(covariate) / all } else { 1.0 };
    (strata.max(1.0).powf(share.min(1.0)) as u64).clamp(1, params.cuts[covariate].most.max(1))
}

/// Ends of runs of values, in order, that hold at least `least` users each and are at most `most`;
/// `sizes` are the users of each value.
fn cut_points(sizes: &[u64], least: u64, most: u64) -> Vec<usize> {
    let (mut ends, mut held, mut left) = (Vec::new(), 0, sizes.iter().sum::<u64>());
    let mut cuts = most.max(1);
    // What a run must hold so that no more than the runs still allowed are needed for the rest.
    let needed = |left: u64, cuts: u64| least.max(1).max(left.div_ceil(cuts.max(1)));
    let mut enough = needed(left, cuts);
    for (value, size) in sizes.iter().enumerate() {
        held += size;
        if held >= enough {
            ends.push(value + 1);
            left -= held;
            held = 0;
            cuts = cuts.saturating_sub(1);
            enough = needed(left, cuts);
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
        assert_eq!(cut_points(&[50, 3, 4, 5, 20, 2, 1], 10, 24), [1, 4, 7]);
        assert_eq!(cut_points(&[1, 2, 3], 10, 24), [3]);
        assert_eq!(cut_points(&[], 10, 24), [0; 0]);
        assert_eq!(cut_points(&[90, 1, 1, 1, 1, 1, 1], 1, 3), [1, 4, 7]);
    }

    #[test]
    fn covariates_are_cut_one_within_the_other() {
        let params = StrataParams { least_users: 10, cuts: [Cuts { most: 24, weight: 1.0 }; 2] };
        let counts = [([0, 0], 30), ([0, 1], 10), ([0, 5], 12), ([1, 0], 4), ([9, 3], 5), ([9, 4], 2)];
        let strata = Strata::build(counts, &params);
        assert_eq!(strata.count(), 4);
        let of: Vec<_> = counts.iter().map(|(covariates, _)| strata.of(covariates)).collect();
        assert_eq!(of, [0, 1, 2, 3, 3, 3].map(Some));
        assert_eq!(strata.of(&[7, 7]), None);
        let mut backwards = counts;
        backwards.reverse();
        assert_eq!(Strata::build(backwards, &params), strata);
        assert_eq!(Strata::build([], &params).count(), 0);
    }

    #[test]
    fn fineness_is_shared_among_covariates_that_vary() {
        let cuts = |weight| Cuts { most: 100, weight };
        let params = StrataParams { least_users: 10, cuts: [cuts(1.0), cuts(1.0)] };
        // 1,000 users could fill 100 strata: ten by ten.
        let both: Vec<_> = (0..1000).map(|i| ([i / 10, i % 10], 1)).collect();
        assert_eq!(Strata::build(both, &params).count(), 100);
        // A covariate that never varies takes nothing.
        let one: Vec<_> = (0..1000).map(|i| ([7, i % 50], 1)).collect();
        assert_eq!(Strata::build(one, &params).count(), 50);
    }
}
