//! Differences among repeated exposures of the same users.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::super::estimate::{Interval, Z_95};
use super::mantel_haenszel::WeightedRates;

/// One week, say, of one user: whether exposed in it, and the outcome after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    /// The user, by any number.
    pub user: u32,
    /// The stratum of the user at that time, by a number below the number of strata.
    pub stratum: u32,
    /// Exposed in this episode.
    pub exposed: bool,
    /// Had the outcome after it.
    pub outcome: bool,
}

/// A difference whose error allows for users being more like themselves than like others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clustered {
    /// Risk difference exposed - unexposed within strata with its 95 % interval, -1..=1.
    pub difference: Interval,
    /// Its standard error.
    pub error: f64,
    /// Two-sided p of no difference, 0..=1.
    pub p: f64,
    /// Users with an episode that is compared.
    pub users: u64,
    /// Episodes compared.
    pub episodes: u64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    episodes: f64,
    exposed: f64,
    outcomes: f64,
    both: f64,
}

impl Counts {
    /// Exposed against unexposed can be seen within the stratum.
    fn compares(&self) -> bool {
        self.exposed > 0.0 && self.exposed < self.episodes
    }
}

/// The Mantel-Haenszel risk difference over the strata, with an error clustered by user.
///
/// The estimate is the coefficient of exposure in a linear model with a constant for each stratum, and
/// the error that model's sandwich summed by user, times g/(g-1) (n-1)/(n-s-1) for g users, n episodes
/// and s strata (Liang & Zeger 1986; Cameron & Miller 2015, "A practitioner's guide to cluster-robust
/// inference", section II.B); t with g - 1 degrees of freedom. The interval is made from the error as
/// that of `mantel_haenszel` is. Strata with one side only are left out.
/// `None` with fewer than two users, no more episodes than strata, or nothing left to compare.
pub fn clustered_difference(episodes: &[Episode]) -> Option<Clustered> {
    let strata = episodes.iter().map(|episode| episode.stratum as usize + 1).max()?;
    let mut counts = vec![Counts::default(); strata];
    for episode in episodes {
        let count = &mut counts[episode.stratum as usize];
        count.episodes += 1.0;
        count.exposed += f64::from(u8::from(episode.exposed));
        count.outcomes += f64::from(u8::from(episode.outcome));
        count.both += f64::from(u8::from(episode.exposed && episode.outcome));
    }
    let compared = || counts.iter().filter(|count| count.compares());
    let (mut rates, mut weight, mut together) = (WeightedRates::default(), 0.0, 0.0);
    for Counts { episodes, exposed, outcomes, both } in compared().copied() {
        rates.add(exposed, both, episodes - exposed, outcomes - both);
        weight += exposed * (episodes - exposed) / episodes;
        together += both - exposed * outcomes / episodes;
    }
    let value = together / weight;
    let (squares, users) = user_squares(episodes, &counts, value);
    let n: f64 = compared().map(|count| count.episodes).sum();
    let parameters = compared().count() as f64 + 1.0;
    if users < 2.0 || n <= parameters {
        return None;
    }
    let few = users / (users - 1.0) * (n - 1.0) / (n - parameters);
    let error = (few * squares).sqrt() / weight;
    let t = StudentsT::new(0.0, 1.0, users - 1.0).ok()?;
    // The interval is wider than a normal one as t is than z.
    let wider = t.inverse_cdf(0.975) / Z_95;
    Some(Clustered {
        difference: rates.effective((wider * error).powi(2)).difference(),
        error,
        p: if error > 0.0 { (2.0 * t.sf((value / error).abs())).min(1.0) } else { 1.0 },
        users: users as u64,
        episodes: n as u64,
    })
}

/// Sum over users of the square of their summed scores, and the number of users.
fn user_squares(episodes: &[Episode], counts: &[Counts], difference: f64) -> (f64, f64) {
    let mut order: Vec<&Episode> =
        episodes.iter().filter(|episode| counts[episode.stratum as usize].compares()).collect();
    // By more than the user, so that sums do not depend on the order given.
    order.sort_unstable_by_key(|e| (e.user, e.stratum, e.exposed, e.outcome));
    let score = |episode: &Episode| {
        let count = counts[episode.stratum as usize];
        let exposed = f64::from(u8::from(episode.exposed)) - count.exposed / count.episodes;
        let outcome = f64::from(u8::from(episode.outcome)) - count.outcomes / count.episodes;
        exposed * (outcome - difference * exposed)
    };
    let (mut squares, mut users) = (0.0, 0.0);
    for own in order.chunk_by(|a, b| a.user == b.user) {
        squares += own.iter().map(|episode| score(episode)).sum::<f64>().powi(2);
        users += 1.0;
    }
    (squares, users)
}
