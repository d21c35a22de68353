//! Two releases between which only the mix of themes changes.

use rand::Rng;
use rand::distributions::{Distribution, WeightedIndex};
use undertone::outcome::compare::{ChangeKind, Observation, decompose};

use super::users::{covers, poisson};
use super::{COVERS, Measure, Share, dice, repeat};

const THEMES: usize = 12;

/// Friction is as likely as before in every theme; some users get more of it than others everywhere.
pub fn mix_only(seeds: u64) -> Vec<Measure> {
    let friction: [f64; THEMES] = std::array::from_fn(|theme| 0.08 + 0.05 * theme as f64);
    let before: [f64; THEMES] = std::array::from_fn(|theme| 1.0 / (1.0 + theme as f64));
    let mut after = before;
    after.reverse();
    // A theme on one side only, and one that is rare.
    (after[3], after[9], after[10]) = (0.0, 0.02, before[10]);
    let share = |weights: &[f64; THEMES], theme: usize| weights[theme] / weights.iter().sum::<f64>();
    let planted: f64 = (0..THEMES).map(|k| (share(&after, k) - share(&before, k)) * friction[k]).sum();
    let draw = [before, after].map(|weights| WeightedIndex::new(weights).expect("weights"));
    let [within, mix, interaction, total, steady] = repeat(seeds, |seed| {
        let mut rng = dice(30, seed);
        let mut observations = Vec::new();
        for user in 0..400_u32 {
            let luck = 0.12 * (rng.r#gen::<f64>() - 0.5);
            // A third of the users are there on both sides.
            for after in [false, true].into_iter().filter(|&after| user % 3 == 0 || (user % 3 == 1) == after)
            {
                for _ in 0..1 + poisson(2.5, &mut rng) {
                    let theme = draw[usize::from(after)].sample(&mut rng);
                    let met = rng.gen_bool((friction[theme] + luck).clamp(0.0, 1.0));
                    let value = f64::from(u8::from(met));
                    observations.push(Observation { after, user, theme: theme as u32, value });
                }
            }
        }
        let found = decompose(&observations, 0.05).expect("both sides");
        let mut shares = [Share::default(); 5];
        shares[0].count(covers(&found.within, 0.0));
        shares[1].count(covers(&found.mix, planted));
        shares[2].count(covers(&found.interaction, 0.0));
        shares[3].count(covers(&found.difference, planted));
        // The only theme whose share stays nearly the same.
        let change = found.themes.iter().find(|change| change.theme == 5);
        shares[4].count(change.is_none_or(|change| change.kind == ChangeKind::Steady));
        shares
    });
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line(
            "mix_only.coverage",
            "Only the mix changes: within-theme interval covers 0",
            within,
            Some((0.93, 1.0)),
        ),
        line("mix_only.mix", "The mix interval covers the planted change", mix, COVERS),
        line("mix_only.interaction", "The interaction covers 0", interaction, Some((0.93, 1.0))),
        line("mix_only.difference", "The whole difference covers the planted change", total, COVERS),
        line("mix_only.steady", "A theme whose share hardly changes is called steady", steady, None),
    ]
}
