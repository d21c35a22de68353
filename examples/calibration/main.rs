//! Do the intervals cover, and are verdicts kept to their error rates? Measured on simulated worlds whose
//! truth is known, with the functions the program itself uses.
//!
//! `cargo run --release --example calibration -- --seeds 500 [--json]`
//!
//! Exits with 1 when a target is missed.

mod releases;
mod repeated;
mod time;
mod users;

use std::process::ExitCode;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde_json::{Map, Value, json};

/// One line of the table.
pub struct Measure {
    /// Path in the JSON, parts apart by dots.
    pub key: &'static str,
    /// What it says, for people.
    pub what: &'static str,
    /// Share found.
    pub share: Share,
    /// Where the share must lie; `None` for what is shown for comparison only.
    pub target: Option<(f64, f64)>,
}

/// Successes among trials.
#[derive(Clone, Copy, Default)]
pub struct Share {
    hits: f64,
    of: f64,
}

impl Share {
    /// Counts one trial.
    pub fn count(&mut self, hit: bool) {
        self.add(f64::from(u8::from(hit)));
    }

    /// Counts one trial that succeeds in part, 0..=1.
    pub fn add(&mut self, part: f64) {
        self.hits += part;
        self.of += 1.0;
    }

    /// Successes of trials, 0..=1.
    pub fn value(self) -> f64 {
        self.hits / self.of
    }

    /// Standard error were the trials independent.
    pub fn error(self) -> f64 {
        (self.value() * (1.0 - self.value()) / self.of).sqrt()
    }
}

/// The generator of one seed in one world.
pub fn dice(world: u64, seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(world.wrapping_mul(1_000_003).wrapping_add(seed))
}

/// Runs `world` once for each seed and adds up its `N` shares.
pub fn repeat<const N: usize>(seeds: u64, world: impl Fn(u64) -> [Share; N] + Send + Sync) -> [Share; N] {
    // Added in the order of the seeds, so that the figures do not depend on the threads.
    let all: Vec<[Share; N]> = (0..seeds).into_par_iter().map(world).collect();
    let mut sum = [Share::default(); N];
    for one in all {
        for (total, share) in sum.iter_mut().zip(one) {
            total.hits += share.hits;
            total.of += share.of;
        }
    }
    sum
}

/// 95 % intervals are to cover the truth in 93 to 97 of 100 worlds.
pub const COVERS: Option<(f64, f64)> = Some((0.93, 0.97));

fn main() -> ExitCode {
    let (seeds, as_json) = match arguments() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\nusage: calibration [--seeds N] [--json]");
            return ExitCode::from(2);
        }
    };
    let mut measures = users::coverage(seeds);
    measures.extend(users::power_user(seeds));
    measures.extend(time::immortal_time(seeds));
    measures.extend(users::null_themes(seeds));
    measures.extend(users::detectable(seeds));
    measures.extend(releases::mix_only(seeds));
    measures.extend(repeated::episodes(seeds));
    measures.extend(time::survival(seeds));
    if as_json {
        println!("{:#}", to_json(seeds, &measures));
    } else {
        print_table(seeds, &measures);
    }
    if measures.iter().all(Measure::is_met) { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn arguments() -> Result<(u64, bool), String> {
    let (mut seeds, mut as_json) = (500, false);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--json" => as_json = true,
            "--seeds" => {
                let value = given.next().ok_or("--seeds needs a number")?;
                seeds = value.parse().map_err(|_| format!("--seeds {value}: not a whole number"))?;
            }
            other => return Err(format!("{other}: unknown")),
        }
    }
    if seeds == 0 { Err("--seeds 0: at least 1 is needed".to_owned()) } else { Ok((seeds, as_json)) }
}

impl Measure {
    fn is_met(&self) -> bool {
        self.target.is_none_or(|(low, high)| (low..=high).contains(&self.share.value()))
    }
}

fn to_json(seeds: u64, measures: &[Measure]) -> Value {
    let mut root = Map::new();
    root.insert("seeds".to_owned(), json!(seeds));
    for measure in measures {
        let value = json!((measure.share.value() * 1e4).round() / 1e4);
        match measure.key.split_once('.') {
            None => root.insert(measure.key.to_owned(), value),
            Some((world, key)) => {
                let world = root.entry(world.to_owned()).or_insert_with(|| json!({}));
                world.as_object_mut().and_then(|world| world.insert(key.to_owned(), value))
            }
        };
    }
    Value::Object(root)
}

fn print_table(seeds: u64, measures: &[Measure]) {
    println!("{seeds} seeds\n\n| what | found | target | |\n|---|---|---|---|");
    for measure in measures {
        let Measure { what, share, target, .. } = measure;
        let (target, met) = match target {
            Some((low, high)) if *low <= 0.0 => (format!("at most {:.1} %", high * 100.0), measure.is_met()),
            Some((low, high)) if *high >= 1.0 => (format!("at least {:.1} %", low * 100.0), measure.is_met()),
            Some((low, high)) => (format!("{:.0} to {:.0} %", low * 100.0, high * 100.0), measure.is_met()),
            None => ("for comparison".to_owned(), true),
        };
        let missed = if met { "" } else { "missed" };
        let (value, error) = (share.value() * 100.0, share.error() * 100.0);
        println!("| {what} | {value:.1} % (s.e. {error:.1}) | {target} | {missed} |");
    }
}
