//! Figures of the theme ledger over planted nights, from the encoder to the events, with the default config.
//!
//! `cargo run --release --example nights [-- FILE LABEL [SEEDS]]`: texts with a label (as `undertone evaluate
//! themes` reads them); without a file the requests of a simulated product. Labels only say what is planted
//! and what came of it. Per seed, in random order of the texts:
//!
//! - quiet: ten nights, each with 5 % new conversations; some themes are renamed on the first
//! - births: labels held out until the night they make up 2 % of; 3 % are new of the others
//! - shifts: conversations of one label that say what another's say until one night (a split), and the other way
//!   round (a merge), with 5 % new ones
//!
//! "apart": the label is found when it has most of a theme and the theme most of it. What nobody can find from
//! nothing, with all conversations at hand ("cold"), the ledger cannot either, so figures are given for all labels
//! and for those found cold.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::path::Path;

use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256Plus;
use undertone::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
use undertone::progress::Progress;
use undertone::read::labelled::read_examples;
use undertone::simulate::{World, simulate};
use undertone::theme::curation::{Curation, apply};
use undertone::theme::ledger::{Advance, Cluster, Event, Ledger, Night, State, ThemeId, advance};
use undertone::theme::{ThemeParams, find};

/// Rows of a first night at most.
const FIRST: usize = 2_500;
/// Nights after the first.
const NIGHTS: usize = 10;
/// New rows a night, of those there are.
const NEW: f64 = 0.05;
/// A planted theme's part of all rows on its first night.
const PLANTED: f64 = 0.02;
/// Labels held out, and pairs laid over each other, per seed.
const HELD_OUT: usize = 6;
const PAIRS: usize = 4;
/// Themes renamed.
const RENAMED: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rows, seeds) = match arguments.as_slice() {
        [] => ("simulated product".to_owned(), simulated(), 3),
        [file, label] => (file.clone(), labelled(file, label)?, 3),
        [file, label, seeds] => (file.clone(), labelled(file, label)?, seeds.parse()?),
        _ => return Err("usage: nights [FILE LABEL [SEEDS]]".into()),
    };
    let (texts, labels): (Vec<String>, Vec<String>) = rows.into_iter().unzip();
    let encoder = Encoder::load(
        &Model::load(&ModelSource::Bundled)?,
        EncodeParams { states: false, ..EncodeParams::default() },
    )?;
    let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flat: Vec<f32> = encoder.encode(&plain)?.into_iter().flat_map(|encoding| encoding.vector).collect();
    let vectors = Array2::from_shape_vec((texts.len(), encoder.dimensions()), flat)?;
    let kinds = labels.iter().collect::<BTreeSet<_>>().len();
    println!("{name}: {} texts, {kinds} labels", texts.len());
    let corpus = Corpus { texts, labels, vectors };
    let mut sum = Sum::default();
    for seed in 1..=seeds {
        let play = Play::new(&corpus, seed);
        play.quiet(&mut sum);
        play.births(&mut sum);
        play.shifts(&mut sum);
    }
    sum.print();
    Ok(())
}

fn labelled(file: &str, label: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let examples = read_examples(Path::new(file), label, None)?;
    let first = |conversation: &undertone::conversation::Conversation| {
        conversation.user_turns().map(|(_, turn)| turn.text.clone()).next().unwrap_or_default()
    };
    Ok(examples.iter().map(|example| (first(&example.conversation), example.label.clone())).collect())
}

fn simulated() -> Vec<(String, String)> {
    let simulation = simulate(&World::default(), 9_000, 7);
    let truths: HashMap<&str, &str> = simulation
        .truth
        .conversations
        .iter()
        .map(|t| (t.conversation_id.as_str(), t.theme.as_str()))
        .collect();
    let row = |conversation: &undertone::conversation::Conversation| {
        let mut said = conversation.user_turns().map(|(_, turn)| turn.text.as_str());
        let asked = said.find(|text| undertone::conversation::cue::carries_request(text))?;
        Some((asked.to_owned(), (*truths.get(conversation.id.as_str())?).to_owned()))
    };
    simulation.conversations.iter().filter_map(row).collect()
}

struct Corpus {
    texts: Vec<String>,
    labels: Vec<String>,
    vectors: Array2<f32>,
}

/// A conversation: whose id it has, and whose words.
#[derive(Clone, Copy)]
struct Row {
    id: usize,
    says: usize,
}

/// What came of all nights.
#[derive(Default)]
struct Sum {
    quiet: Vec<f64>,
    after_all: Vec<f64>,
    renamed: [usize; 2],
    births: Vec<Birth>,
    birth_kept: Vec<f64>,
    stray: usize,
    splits: Vec<Shift>,
    merges: Vec<Shift>,
    shift_kept: Vec<[f64; 2]>,
}

struct Birth {
    label: String,
    told: bool,
    cold: bool,
    later: bool,
}

struct Shift {
    pair: String,
    told: bool,
    cold: bool,
}

/// One order of a corpus.
struct Play<'a> {
    corpus: &'a Corpus,
    order: Vec<usize>,
    seed: u64,
}

/// Nights so far.
#[derive(Default)]
struct Nights {
    count: u32,
    ledger: Ledger,
    members: BTreeMap<usize, ThemeId>,
}

type Labels = Vec<Option<u32>>;

impl Corpus {
    fn cluster(&self, rows: &[Row], warm: &[Vec<f32>]) -> (Vec<Vec<f32>>, Labels) {
        let says: Vec<usize> = rows.iter().map(|row| row.says).collect();
        let texts: Vec<&str> = says.iter().map(|&row| self.texts[row].as_str()).collect();
        let vectors = self.vectors.select(Axis(0), &says);
        let found =
            find(vectors.view(), &texts, &ThemeParams::default(), warm, &Progress::silent()).expect("themes");
        (found.themes.into_iter().map(|theme| theme.centroid).collect(), found.assignment)
    }

    /// True when the label has most of a cluster and that most of the label; which one.
    fn apart<T: Copy + Ord>(&self, label: &str, of: impl Iterator<Item = (usize, Option<T>)>) -> Option<T> {
        let (mut inside, mut sizes, mut all) = (BTreeMap::<T, usize>::new(), BTreeMap::<T, usize>::new(), 0);
        for (row, theme) in of {
            let own = self.labels[row] == label;
            all += usize::from(own);
            if let Some(theme) = theme {
                *sizes.entry(theme).or_default() += 1;
                *inside.entry(theme).or_default() += usize::from(own);
            }
        }
        let (theme, held) = inside.into_iter().max_by_key(|(_, held)| *held)?;
        (held * 2 > all && held * 2 > sizes[&theme]).then_some(theme)
    }

    fn apart_cold(&self, label: &str, rows: &[Row], cold: &Labels) -> bool {
        self.apart(label, rows.iter().zip(cold).map(|(row, theme)| (row.id, *theme))).is_some()
    }
}

impl Nights {
    /// Shares of the old conversations that kept their theme: of all, and of those for whom `counts` holds.
    fn pass(&mut self, corpus: &Corpus, rows: &[Row], counts: impl Fn(usize) -> bool) -> (Advance, [f64; 2]) {
        self.count += 1;
        let (centroids, labels) = corpus.cluster(rows, &self.ledger.warm_start(usize::MAX, "m"));
        let clusters: Vec<Cluster<'_>> =
            centroids.iter().map(|centroid| Cluster { name: "", centroid }).collect();
        let ids: Vec<String> = rows.iter().map(|row| format!("{:06}", row.id)).collect();
        let members: Vec<_> = ids.iter().map(String::as_str).zip(labels.iter().copied()).collect();
        let old: Vec<(String, ThemeId)> =
            self.members.iter().map(|(row, theme)| (format!("{row:06}"), *theme)).collect();
        let before: Vec<_> = old.iter().map(|(id, theme)| (id.as_str(), Some(*theme))).collect();
        let date = format!("{:04}", self.count);
        let night = Night { date: &date, model: "m", clusters: &clusters, members: &members };
        let advance = advance(&self.ledger, &before, &night).expect("a sound night");
        let now: BTreeMap<usize, ThemeId> = rows
            .iter()
            .zip(&labels)
            .filter_map(|(row, label)| Some((row.id, advance.ids[(*label)? as usize])))
            .collect();
        let kept = |which: &dyn Fn(usize) -> bool| {
            let of: Vec<_> = self.members.iter().filter(|(row, _)| which(**row)).collect();
            of.iter().filter(|(row, theme)| now.get(*row) == Some(*theme)).count() as f64
                / of.len().max(1) as f64
        };
        let kept = [kept(&|_| true), kept(&counts)];
        self.ledger = advance.ledger.clone();
        self.members = now;
        (advance, kept)
    }

    fn placed<'s>(&'s self, rows: &'s [Row]) -> impl Iterator<Item = (usize, Option<ThemeId>)> + 's {
        rows.iter().map(|row| (row.id, self.members.get(&row.id).copied()))
    }
}

fn itself(row: usize) -> Row {
    Row { id: row, says: row }
}

impl<'a> Play<'a> {
    fn new(corpus: &'a Corpus, seed: u64) -> Play<'a> {
        let mut order: Vec<usize> = (0..corpus.texts.len()).collect();
        order.shuffle(&mut Xoshiro256Plus::seed_from_u64(seed));
        Play { corpus, order, seed }
    }

    /// So many rows of a first night that ten nights of new ones are left.
    fn first(&self, of: usize) -> usize {
        FIRST.min((of as f64 / (1.0 + NEW).powi(NIGHTS as i32 + 1)) as usize)
    }

    fn quiet(&self, sum: &mut Sum) {
        let mut left = self.order.iter().copied();
        let mut rows: Vec<Row> = left.by_ref().take(self.first(self.order.len())).map(itself).collect();
        let mut nights = Nights::default();
        nights.pass(self.corpus, &rows, |_| true);
        let first = nights.members.clone();
        let mut curation = Curation::default();
        let mut by_size: Vec<_> = nights.ledger.themes.iter().map(|theme| (theme.size, theme.id)).collect();
        by_size.sort_unstable();
        let step = (by_size.len() / RENAMED).max(1);
        let mut named = Vec::new();
        for (number, (_, theme)) in by_size.into_iter().step_by(step).take(RENAMED).enumerate() {
            let name = format!("By hand {number}");
            curation.rename(&nights.ledger, theme, &name).expect("a rename");
            named.push((theme, name));
        }
        for _ in 0..NIGHTS {
            let new = (rows.len() as f64 * NEW) as usize;
            rows.extend(left.by_ref().take(new).map(itself));
            let (_, kept) = nights.pass(self.corpus, &rows, |_| true);
            sum.quiet.push(kept[0]);
        }
        let same = first.iter().filter(|(row, theme)| nights.members.get(row) == Some(theme)).count();
        sum.after_all.push(same as f64 / first.len() as f64);
        let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        let placed: Vec<_> = ids
            .iter()
            .zip(&rows)
            .map(|(id, row)| (id.as_str(), nights.members.get(&row.id).copied()))
            .collect();
        let says: Vec<usize> = rows.iter().map(|row| row.says).collect();
        let vectors = self.corpus.vectors.select(Axis(0), &says);
        let seen = apply(&nights.ledger, &placed, vectors.view(), &curation).expect("edits apply").ledger;
        for (id, name) in named {
            let theme = seen.theme(id);
            sum.renamed[0] += usize::from(theme.is_some_and(|t| t.name == name && t.state == State::Active));
            sum.renamed[1] += 1;
        }
    }

    /// Labels with at least so many rows, in an order of this seed's.
    fn labels(&self, least: usize) -> Vec<&'a str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        self.corpus.labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
        let mut labels: Vec<&str> =
            counts.into_iter().filter(|(_, count)| *count >= least).map(|(label, _)| label).collect();
        labels.shuffle(&mut Xoshiro256Plus::seed_from_u64(self.seed));
        labels
    }

    fn births(&self, sum: &mut Sum) {
        let corpus = self.corpus;
        let most = (self.first(self.order.len()) as f64 * (1.0 + NEW).powi(NIGHTS as i32) * PLANTED) as usize;
        let held: Vec<&str> = self.labels(most).into_iter().take(HELD_OUT).collect();
        let others: Vec<usize> =
            self.order.iter().copied().filter(|row| !held.contains(&corpus.labels[*row].as_str())).collect();
        let mut left = others.iter().copied();
        let mut rows: Vec<Row> = left.by_ref().take(self.first(others.len())).map(itself).collect();
        let mut nights = Nights::default();
        nights.pass(corpus, &rows, |_| true);
        let mut waiting: Vec<(usize, &str)> = Vec::new();
        for label in held {
            let planted = (rows.len() as f64 * PLANTED).ceil() as usize;
            let new = (rows.len() as f64 * (NEW - PLANTED)) as usize;
            rows.extend(left.by_ref().take(new).map(itself));
            let own = self.order.iter().copied().filter(|row| corpus.labels[*row] == label);
            rows.extend(own.take(planted).map(itself));
            let (tonight, kept) = nights.pass(corpus, &rows, |_| true);
            sum.birth_kept.push(kept[0]);
            let theme = corpus.apart(label, nights.placed(&rows));
            let born: BTreeSet<ThemeId> =
                tonight.events.iter().filter(|e| e.kind() == "born").map(Event::theme).collect();
            let told = theme.is_some_and(|theme| born.contains(&theme));
            sum.stray += born.len() - usize::from(told);
            waiting.retain(|(birth, label)| {
                let found = corpus.apart(label, nights.placed(&rows)).is_some();
                sum.births[*birth].later |= found;
                !found
            });
            if !told {
                waiting.push((sum.births.len(), label));
            }
            let cold = told || corpus.apart_cold(label, &rows, &corpus.cluster(&rows, &[]).1);
            sum.births.push(Birth { label: label.to_owned(), told, cold, later: told });
        }
    }

    fn shifts(&self, sum: &mut Sum) {
        let corpus = self.corpus;
        let mut left = self.order.iter().copied();
        let all: Vec<usize> = left.by_ref().take(self.first(self.order.len())).collect();
        let count = |label: &str| all.iter().filter(|row| corpus.labels[**row] == label).count();
        let fit: Vec<&str> =
            self.labels(0).into_iter().filter(|label| count(label) * 100 >= all.len()).collect();
        let pairs: Vec<(&str, &str)> = fit.chunks_exact(2).map(|p| (p[0], p[1])).take(PAIRS).collect();
        let spare: BTreeMap<&str, Vec<usize>> = pairs
            .iter()
            .map(|(a, _)| {
                (
                    *a,
                    self.order[all.len() * 2..]
                        .iter()
                        .copied()
                        .filter(|row| corpus.labels[*row] == *a)
                        .collect(),
                )
            })
            .collect();
        // Until it is let go, `b` says what others of `a` say.
        let rows_with = |now: &[usize], over: &[bool]| -> Vec<Row> {
            let mut next: BTreeMap<&str, usize> = BTreeMap::new();
            let say = |&id: &usize| {
                let pair = pairs.iter().position(|(_, b)| corpus.labels[id] == *b);
                match pair.filter(|pair| over[*pair]) {
                    Some(pair) if !spare[pairs[pair].0].is_empty() => {
                        let at = next.entry(pairs[pair].0).or_default();
                        *at += 1;
                        Row { id, says: spare[pairs[pair].0][(*at - 1) % spare[pairs[pair].0].len()] }
                    }
                    _ => itself(id),
                }
            };
            now.iter().map(say).collect()
        };
        let mut now = all.clone();
        let mut over = vec![true; pairs.len()];
        let mut nights = Nights::default();
        nights.pass(corpus, &rows_with(&now, &over), |_| true);
        for step in 0..pairs.len() * 2 {
            let place = step % pairs.len();
            let (a, b) = pairs[place];
            let rows = rows_with(&now, &over);
            let before = |label| corpus.apart(label, nights.placed(&rows));
            let parts = [before(a), before(b)];
            over[place] = !over[place];
            now.extend(left.by_ref().take((now.len() as f64 * NEW) as usize));
            let rows = rows_with(&now, &over);
            let planted = |row: usize| corpus.labels[row] == a || corpus.labels[row] == b;
            let (tonight, kept) = nights.pass(corpus, &rows, |row| !planted(row));
            sum.shift_kept.push(kept);
            let pair = format!("{a} | {b}");
            if over[place] {
                // Apart on the night before: now one.
                let both = |sources: &[undertone::theme::ledger::Flow]| {
                    parts.iter().all(|part| sources.iter().any(|flow| Some(flow.theme) == *part))
                };
                let told = tonight
                    .events
                    .iter()
                    .any(|e| matches!(e, Event::Merged { sources, .. } if both(sources)));
                let cold = parts[0].is_some() && parts[1].is_some();
                sum.merges.push(Shift { pair, told, cold });
            } else {
                let now_in = [a, b].map(|label| corpus.apart(label, nights.placed(&rows)));
                let apart = |flows: &[undertone::theme::ledger::Flow]| {
                    now_in.iter().all(|part| flows.iter().any(|flow| Some(flow.theme) == *part))
                };
                let told =
                    tonight.events.iter().any(|e| matches!(e, Event::Split { parts, .. } if apart(parts)));
                let (cold, labels) = (corpus.cluster(&rows, &[]).1, [a, b]);
                let cold = told || labels.iter().all(|label| corpus.apart_cold(label, &rows, &cold));
                sum.splits.push(Shift { pair, told, cold });
            }
        }
    }
}

impl Sum {
    fn print(&self) {
        println!("quiet nights: kept overnight {}", spread(&self.quiet));
        println!("  in the same theme after {NIGHTS} nights {}", spread(&self.after_all));
        println!("  names given by hand still there: {} of {}", self.renamed[0], self.renamed[1]);
        let told = |found: &[(bool, bool)]| {
            let all = found.iter().filter(|f| f.0).count();
            let cold = found.iter().filter(|f| f.1).count();
            format!("{all} of {}; of those found cold {all} of {cold}", found.len())
        };
        let births: Vec<(bool, bool)> = self.births.iter().map(|b| (b.told, b.cold)).collect();
        println!("births on the first night: {}", told(&births));
        println!("  found that night or later: {}", self.births.iter().filter(|b| b.later).count());
        println!("  other births: {}; kept overnight {}", self.stray, spread(&self.birth_kept));
        for birth in self.births.iter().filter(|b| !b.told) {
            println!(
                "  not told: {}{}{}",
                birth.label,
                if birth.cold { ", found cold" } else { "" },
                if birth.later { ", later" } else { "" }
            );
        }
        for (what, shifts) in [("splits", &self.splits), ("merges", &self.merges)] {
            println!("{what}: {}", told(&shifts.iter().map(|s| (s.told, s.cold)).collect::<Vec<_>>()));
            for shift in shifts.iter().filter(|s| !s.told) {
                println!("  not told: {}{}", shift.pair, if shift.cold { ", found apart" } else { "" });
            }
        }
        println!(
            "  kept overnight, the planted ones included {}",
            spread(&self.shift_kept.iter().map(|k| k[0]).collect::<Vec<_>>())
        );
        println!("  without them {}", spread(&self.shift_kept.iter().map(|k| k[1]).collect::<Vec<_>>()));
    }
}

/// Least, mean and most.
fn spread(values: &[f64]) -> String {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    format!("{least:.3} .. {most:.3}, mean {mean:.3}")
}
