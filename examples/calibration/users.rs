//! Worlds of users who differ in how much they use the product, which decides both what they meet and
//! whether they stay.

use std::collections::BTreeMap;

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use undertone::outcome::adjustment::{Adjustment, Covariates, Layers};
use undertone::outcome::effect::{Effect, ExposedCells, Rules, compare};
use undertone::outcome::estimate::{Interval, Verdict};
use undertone::outcome::retention::Cell;

use super::{COVERS, Measure, Share, dice, repeat};

/// One user.
pub struct User {
    /// Tenure, prior activity, conversations in the window.
    pub covariates: Covariates,
    /// How much they like the product, 0..=1: nobody sees it.
    pub liking: f64,
    /// By theme.
    pub exposed: Vec<bool>,
    /// Came back.
    pub stays: bool,
}

/// What users are like.
#[derive(Clone, Copy)]
struct Kind {
    /// Everybody is new: nothing is known from before, and liking shows in conversations only.
    new: bool,
    /// Conversations of the heaviest users beyond the first, on average.
    most_talk: f64,
    /// What separates the heaviest from the lightest users in the chance to stay.
    slope: f64,
    base: f64,
}

const USUAL: Kind = Kind { new: false, most_talk: 5.0, slope: 0.45, base: 0.30 };

/// `themes` gives each theme's share of conversations; `effects` what meeting it adds to staying.
fn world(
    rng: &mut Xoshiro256PlusPlus,
    users: usize,
    kind: Kind,
    themes: &[f64],
    effects: &[f64],
) -> Vec<User> {
    let one = |rng: &mut Xoshiro256PlusPlus| {
        let liking = rng.r#gen::<f64>().powi(2);
        let tenure = if kind.new || rng.gen_bool(0.3) { 0 } else { rng.gen_range(1..400) };
        let days = tenure.min(28);
        let prior = (0..days).filter(|_| rng.gen_bool(0.05 + 0.85 * liking)).count() as u32;
        // Of users known for a while activity says all; of new ones nothing is known.
        let heaviness = if kind.new { liking } else { f64::from(prior) / 28.0 };
        let conversations = 1 + poisson(kind.most_talk * heaviness, rng);
        let exposed: Vec<bool> =
            themes.iter().map(|share| rng.gen_bool(1.0 - (1.0 - share).powi(conversations as i32))).collect();
        let met: f64 = exposed.iter().zip(effects).filter(|(met, _)| **met).map(|(_, effect)| effect).sum();
        let long = if tenure > 90 { 0.1 } else { 0.0 };
        let chance = kind.base + kind.slope * heaviness + long + met;
        User {
            covariates: [tenure, prior, conversations],
            liking: heaviness,
            exposed,
            stays: rng.gen_bool(chance.clamp(0.0, 1.0)),
        }
    };
    (0..users).map(|_| one(rng)).collect()
}

/// A Poisson count by Knuth's product of uniforms.
pub fn poisson(mean: f64, rng: &mut Xoshiro256PlusPlus) -> u32 {
    let (limit, mut count, mut product) = ((-mean).exp(), 0, rng.r#gen::<f64>());
    while product > limit {
        count += 1;
        product *= rng.r#gen::<f64>();
    }
    count
}

/// Users counted as the program counts them.
pub struct Counted {
    layers: Layers,
    of: Vec<usize>,
}

impl Counted {
    /// Cuts the users into layers.
    pub fn new(users: &[User]) -> Counted {
        let mut counts: BTreeMap<Covariates, u64> = BTreeMap::new();
        users.iter().for_each(|user| *counts.entry(user.covariates).or_default() += 1);
        let counts: Vec<(Covariates, u64)> = counts.into_iter().collect();
        let layers = Layers::cut(&counts);
        let layer = |user: &User| layers.of(&user.covariates).expect("counted") as usize;
        Counted { of: users.iter().map(layer).collect(), layers }
    }

    /// Compares every theme.
    pub fn compare(&self, users: &[User], rules: &Rules) -> Vec<Effect> {
        let themes = users.first().map_or(0, |user| user.exposed.len());
        let layers = &self.layers.layers;
        let mut all = vec![Cell::default(); layers.len()];
        let mut exposed = vec![vec![Cell::default(); layers.len()]; themes];
        for (user, &layer) in users.iter().zip(&self.of) {
            let one = Cell { retained: u64::from(user.stays), eligible: 1 };
            all[layer] = all[layer] + one;
            for theme in (0..themes).filter(|&theme| user.exposed[theme]) {
                exposed[theme][layer] = exposed[theme][layer] + one;
            }
        }
        let sparse = |cells: &Vec<Cell>| {
            let met = (0..).zip(cells).filter(|(_, cell)| cell.eligible > 0);
            met.map(|(layer, cell)| (layer, *cell)).collect()
        };
        let exposed: Vec<ExposedCells> = exposed
            .iter()
            .enumerate()
            .map(|(theme, cells)| ExposedCells { exposure: format!("theme:{theme}"), cells: sparse(cells) })
            .collect();
        compare("W1", layers, &all, &exposed, rules).0
    }
}

/// Rules as the program has them, but for the rate of false discoveries.
pub fn rules(alpha: f64) -> Rules {
    Rules { k_anonymity: 20, margin: 0.05, alpha }
}

/// The number of the theme an effect is about.
fn theme(effect: &Effect) -> usize {
    effect.exposure.trim_start_matches("theme:").parse().expect("a number")
}

/// True when the interval holds the truth.
pub fn covers(interval: &Interval, truth: f64) -> bool {
    interval.low <= truth && truth <= interval.high
}

fn intervals(adjusted: &Adjustment) -> [Interval; 3] {
    let [history, conversations] = adjusted.differences().expect("both sides");
    [history, conversations, adjusted.model.expect("a model").difference]
}

/// Six themes with planted effects in a confounded world: who is active talks more, meets more, stays.
pub fn coverage(seeds: u64) -> Vec<Measure> {
    let effects = [-0.12, -0.08, -0.04, 0.0, 0.03, 0.06];
    let themes = [0.05, 0.10, 0.20, 0.08, 0.15, 0.30];
    let [history, conversations, model, shown, crude] = repeat(seeds, |seed| {
        let users = world(&mut dice(1, seed), 3000, USUAL, &themes, &effects);
        let mut shares = [Share::default(); 5];
        for effect in Counted::new(&users).compare(&users, &rules(0.05)) {
            let truth = effects[theme(&effect)];
            let all = intervals(&effect.adjusted);
            let intervals = [all[0], all[1], all[2], effect.difference, effect.crude_difference];
            shares
                .iter_mut()
                .zip(intervals)
                .for_each(|(share, interval)| share.count(covers(&interval, truth)));
        }
        shares
    });
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line("coverage", "Adjusted difference covers the planted effect", history, COVERS),
        line("methods.by_conversations", "The same, also by conversations", conversations, COVERS),
        line("methods.model", "Logistic model, standardized, covers", model, COVERS),
        line("methods.shown", "The difference shown (nearer to none) covers", shown, COVERS),
        line("methods.crude", "Crude difference covers", crude, None),
    ]
}

/// Failure costs 8 points, but heavy users meet more failures and stay more.
pub fn power_user(seeds: u64) -> Vec<Measure> {
    let kind = Kind { new: false, most_talk: 14.0, slope: 0.55, base: 0.25 };
    let run = |number: u64, kind: Kind| {
        repeat(seeds, move |seed| {
            let users = world(&mut dice(number, seed), 4000, kind, &[0.12], &[-0.08]);
            let effects = Counted::new(&users).compare(&users, &rules(0.05));
            let effect = &effects[0];
            let [history, conversations, _] = intervals(&effect.adjusted);
            let mut shares = [Share::default(); 5];
            shares[0].count(covers(&history, -0.08));
            shares[1].count(covers(&conversations, -0.08));
            shares[2].count(effect.crude_difference.value > 0.0);
            shares[3].count(effect.verdict == Verdict::Better);
            shares[4].count(effect.verdict == Verdict::Worse);
            shares
        })
    };
    let line = |key, what, share, target| Measure { key, what, share, target };
    let [covered, by_conversations, positive, better, worse] = run(2, kind);
    let [_, new_covered, new_positive, new_better, new_worse] = run(3, Kind { new: true, ..kind });
    let never = Some((0.0, 0.0));
    vec![
        line("power_user.coverage", "Power users: adjusted difference covers -8 points", covered, COVERS),
        line("power_user.by_conversations", "The same, also by conversations", by_conversations, COVERS),
        line("power_user.crude_positive", "Power users: crude difference is positive", positive, None),
        line("power_user.better", "Power users: called better", better, never),
        line("power_user.worse", "Power users: called worse, rightly", worse, None),
        line(
            "power_user_new.by_conversations",
            "New power users: by conversations covers -8",
            new_covered,
            COVERS,
        ),
        line(
            "power_user_new.crude_positive",
            "New power users: crude difference is positive",
            new_positive,
            None,
        ),
        line("power_user_new.better", "New power users: called better", new_better, never),
        line("power_user_new.worse", "New power users: called worse", new_worse, None),
    ]
}

/// 200 themes without effect among heavy and light users; then 20 more with one.
pub fn null_themes(seeds: u64) -> Vec<Measure> {
    let [null, mixed, found] = repeat(seeds, |seed| {
        let mut rng = dice(4, seed);
        let themes: Vec<f64> = (0..220).map(|theme| 0.01 + 0.09 * f64::from(theme % 20) / 20.0).collect();
        let is_called = |effect: &Effect| matches!(effect.verdict, Verdict::Worse | Verdict::Better);
        let users = world(&mut rng, 4000, USUAL, &themes[..200], &[0.0; 200]);
        let called =
            Counted::new(&users).compare(&users, &rules(0.10)).iter().filter(|e| is_called(e)).count();
        let mut effects = [0.0; 220];
        effects[200..].fill(-0.10);
        let kind = Kind { base: 0.55, slope: 0.35, ..USUAL };
        let users = world(&mut rng, 4000, kind, &themes, &effects);
        let effects = Counted::new(&users).compare(&users, &rules(0.10));
        let calls: Vec<usize> = effects.iter().filter(|e| is_called(e)).map(theme).collect();
        let wrong = calls.iter().filter(|&&theme| theme < 200).count();
        let mut shares = [Share::default(); 3];
        shares[0].count(called > 0);
        shares[1].add(wrong as f64 / calls.len().max(1) as f64);
        shares[2].add((calls.len() - wrong) as f64 / 20.0);
        shares
    });
    let most = |share: Share| Some((0.0, 0.10 + 2.0 * share.error()));
    let line = |key, what, share, target| Measure { key, what, share, target };
    vec![
        line("null_themes.fdr", "200 null themes, rate 10 %: false discoveries", null, most(null)),
        line("null_themes.fdr_mixed", "20 real themes among them: false discoveries", mixed, most(mixed)),
        line("null_themes.found", "The real ones: found", found, None),
    ]
}

/// The smallest detectable difference, planted, is found in 80 of 100 worlds.
pub fn detectable(seeds: u64) -> Vec<Measure> {
    let themes = [0.04, 0.08, 0.15, 0.30];
    let [power] = repeat(seeds, |seed| {
        let mut rng = dice(5, seed);
        let mut users = world(&mut rng, 3000, USUAL, &themes, &[0.0; 4]);
        let counted = Counted::new(&users);
        let stated = counted.compare(&users, &rules(0.05));
        let mut shares = [Share::default()];
        for effect in stated {
            let (theme, planted) = (theme(&effect), effect.minimum_detectable);
            // Where there is more room, as the statement has it.
            let sign = if effect.unexposed.interval.value <= 0.5 { 1.0 } else { -1.0 };
            for user in &mut users {
                let long = if user.covariates[0] > 90 { 0.1 } else { 0.0 };
                let met = if user.exposed[theme] { sign * planted } else { 0.0 };
                let chance = USUAL.base + USUAL.slope * user.liking + long + met;
                user.stays = rng.gen_bool(chance.clamp(0.0, 1.0));
            }
            let again = counted.compare(&users, &rules(0.05));
            let effect = again.iter().find(|e| e.exposure == effect.exposure).expect("compared");
            let [history, conversations, _] = intervals(&effect.adjusted);
            shares[0]
                .count(effect.p <= 0.05 && history.value * sign > 0.0 && conversations.value * sign > 0.0);
        }
        shares
    });
    let what = "Smallest detectable difference, planted: found";
    vec![Measure { key: "mde.power", what, share: power, target: Some((0.77, 0.83)) }]
}
