//! A world of established users, seen week after week.

use rand::Rng;
use undertone::outcome::adjust::{Episode, clustered_difference};

use super::users::covers;
use super::{COVERS, Measure, Share, dice, repeat};

const EFFECT: f64 = -0.06;

/// Users stay or go out of habit more than because of any week; exposure costs 6 points in each.
pub fn episodes(seeds: u64) -> Vec<Measure> {
    let [clustered, alone] = repeat(seeds, |seed| {
        let mut rng = dice(20, seed);
        let mut shares = [Share::default(); 2];
        for _ in 0..6 {
            let mut episodes = Vec::new();
            for user in 0..250 {
                let activity = rng.r#gen::<f64>();
                let habit = 0.25 + 0.4 * activity + 0.5 * (rng.r#gen::<f64>() - 0.5);
                // Some meet it nearly every week, others hardly ever.
                let taste = if rng.gen_bool(0.4) { 0.6 } else { 0.0 };
                for _ in 0..rng.gen_range(1..9) {
                    let exposed = rng.gen_bool(0.05 + 0.3 * activity + taste);
                    let chance = (habit + if exposed { EFFECT } else { 0.0 }).clamp(0.0, 1.0);
                    let stratum = (activity * 5.0) as u32;
                    episodes.push(Episode { user, stratum, exposed, outcome: rng.gen_bool(chance) });
                }
            }
            let found = clustered_difference(&episodes).expect("both sides");
            shares[0].count(covers(&found.difference, EFFECT));
            // As if every week were another user's.
            for (number, episode) in (0..).zip(&mut episodes) {
                episode.user = number;
            }
            let found = clustered_difference(&episodes).expect("both sides");
            shares[1].count(covers(&found.difference, EFFECT));
        }
        shares
    });
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line("methods.clustered", "Repeated exposures, clustered by user: covers", clustered, COVERS),
        line("methods.not_clustered", "The same as if weeks were independent: covers", alone, None),
    ]
}
