//! A small world for tests: conversations as unit vectors around hidden themes, and a k-means.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::{Advance, Cluster, Ledger, LedgerError, Night, ThemeId, advance};

/// Dimensions of the vectors.
pub const DIMENSIONS: usize = 64;
/// Length of the noise on a row, against a theme's direction of length 1: rows then have a cosine
/// of about 0.78 to their theme, as banking77's have (median 0.79).
const NOISE: f64 = 0.8;
/// Share of its direction that a hidden theme has in common with all others: their cosine is then
/// about 0.5.
const IN_COMMON: f64 = 0.5;

/// Conversations of hidden themes.
pub struct World {
    rng: Xoshiro256Plus,
    common: Array1<f64>,
    /// Directions of the hidden themes.
    pub themes: Vec<Array1<f64>>,
    /// Id, vector and hidden theme of every conversation so far.
    pub rows: Vec<(String, Array1<f32>, usize)>,
}

fn unit(vector: Array1<f64>) -> Array1<f64> {
    let norm = vector.dot(&vector).sqrt();
    vector / norm
}

impl World {
    pub fn new(seed: u64, themes: usize) -> World {
        let mut world = World {
            rng: Xoshiro256Plus::seed_from_u64(seed),
            common: Array1::zeros(DIMENSIONS),
            themes: Vec::new(),
            rows: Vec::new(),
        };
        world.common = world.any();
        for _ in 0..themes {
            world.add_theme();
        }
        world
    }

    /// A direction drawn evenly, by the polar method of Marsaglia & Bray 1964.
    fn any(&mut self) -> Array1<f64> {
        let rng = &mut self.rng;
        let mut normal = || loop {
            let (x, y) = (rng.gen_range(-1.0..1.0f64), rng.gen_range(-1.0..1.0f64));
            let s = x * x + y * y;
            if s > 0.0 && s < 1.0 {
                return x * (-2.0 * s.ln() / s).sqrt();
            }
        };
        unit((0..DIMENSIONS).map(|_| normal()).collect())
    }

    pub fn add_theme(&mut self) -> usize {
        let own = self.any();
        let (common, alone) = (IN_COMMON.sqrt(), (1.0 - IN_COMMON).sqrt());
        self.themes.push(unit(&self.common * common + own * alone));
        self.themes.len() - 1
    }

    /// A theme at this cosine to another.
    pub fn add_sibling(&mut self, of: usize, cosine: f64) -> usize {
        let other = self.themes[of].clone();
        let any = self.any();
        let aside = unit(&any - &(&other * any.dot(&other)));
        self.themes.push(unit(other * cosine + aside * (1.0 - cosine * cosine).sqrt()));
        self.themes.len() - 1
    }

    pub fn talk(&mut self, theme: usize, conversations: usize) {
        for _ in 0..conversations {
            let noise = self.any();
            let vector = unit(&self.themes[theme] + &(noise * NOISE)).mapv(|value| value as f32);
            self.rows.push((format!("c-{:06}", self.rows.len()), vector, theme));
        }
    }

    /// Conversations over all of the first `themes`, in unequal but fixed proportions.
    pub fn talk_of_all(&mut self, themes: usize, conversations: usize) {
        let weight = |theme: usize| 1.0 + (theme % 4) as f64;
        let all: f64 = (0..themes).map(weight).sum();
        for _ in 0..conversations {
            let mut left = self.rng.gen_range(0.0..all);
            let theme = (0..themes).find(|&theme| {
                left -= weight(theme);
                left < 0.0
            });
            self.talk(theme.unwrap_or(0), 1);
        }
    }

    pub fn vectors(&self) -> Array2<f32> {
        let mut vectors = Array2::zeros((self.rows.len(), DIMENSIONS));
        vectors.rows_mut().into_iter().zip(&self.rows).for_each(|(mut to, row)| to.assign(&row.1));
        vectors
    }
}

/// Rows tried for each centroid of a fresh start.
const CANDIDATES: usize = 12;
/// Rows tried for each centroid that last night's lack: a theme of 2 % is then seldom missed.
const CANDIDATES_WARM: usize = 96;
/// What a fresh start's inertia must save for it to replace the one that goes on from last night.
const WORTH_A_CHANGE: f64 = 0.01;

/// Labels and centroids of k clusters: Lloyd's iterations from `warm`, which two fresh starts must
/// beat clearly, or without `warm` from three fresh ones.
pub fn k_means(vectors: &Array2<f32>, k: usize, seed: u64, warm: &[Vec<f32>]) -> (Vec<u32>, Array2<f32>) {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut best: Option<Fit> = None;
    if !warm.is_empty() {
        let (inertia, labels, centroids) = lloyd(vectors, spread(vectors, k, warm, &mut rng));
        best = Some((inertia * (1.0 - WORTH_A_CHANGE), labels, centroids));
    }
    for _ in 0..if warm.is_empty() { 3 } else { 2 } {
        let fit = lloyd(vectors, spread(vectors, k, &[], &mut rng));
        if best.as_ref().is_none_or(|best| fit.0 < best.0) {
            best = Some(fit);
        }
    }
    let (_, labels, centroids) = best.expect("a start was tried");
    (labels, centroids)
}

/// Inertia, labels, centroids.
type Fit = (f64, Vec<u32>, Array2<f32>);

fn lloyd(vectors: &Array2<f32>, mut centroids: Array2<f32>) -> Fit {
    let (mut labels, mut inertia) = (Vec::new(), 0.0);
    for _ in 0..15 {
        let near = vectors.dot(&centroids.t());
        inertia = 0.0;
        labels.clear();
        for row in near.rows() {
            let (label, cosine) = greatest(row);
            labels.push(label as u32);
            inertia += 2.0 - 2.0 * f64::from(cosine);
        }
        let mut sums = Array2::<f32>::zeros(centroids.raw_dim());
        for (row, label) in vectors.rows().into_iter().zip(&labels) {
            let mut sum = sums.row_mut(*label as usize);
            sum += &row;
        }
        for (label, mut sum) in sums.axis_iter_mut(Axis(0)).enumerate() {
            let norm = sum.dot(&sum).sqrt();
            if norm > 0.0 { sum.mapv_inplace(|v| v / norm) } else { sum.assign(&centroids.row(label)) }
        }
        centroids = sums;
    }
    (inertia, labels, centroids)
}

fn greatest(row: ArrayView1<'_, f32>) -> (usize, f32) {
    row.iter()
        .copied()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, now| if now.1 > best.1 { now } else { best })
}

/// Greedy k-means++ (Arthur & Vassilvitskii 2007, section 7), going on from `given`.
fn spread(vectors: &Array2<f32>, k: usize, given: &[Vec<f32>], rng: &mut Xoshiro256Plus) -> Array2<f32> {
    let distances = |centre: ArrayView1<'_, f32>| vectors.dot(&centre).mapv(|cos| (2.0 - 2.0 * cos).max(0.0));
    let mut centroids: Vec<Array1<f32>> = given.iter().map(|c| Array1::from(c.clone())).collect();
    if centroids.is_empty() {
        centroids.push(vectors.row(rng.gen_range(0..vectors.nrows())).to_owned());
    }
    let tried = if given.is_empty() { CANDIDATES } else { CANDIDATES_WARM };
    let mut far = distances(centroids[0].view());
    for centre in &centroids[1..] {
        far.zip_mut_with(&distances(centre.view()), |far, near| *far = far.min(*near));
    }
    while centroids.len() < k {
        let draw = WeightedIndex::new(far.iter().map(|far| far + 1e-9)).expect("weights");
        let candidates: Vec<usize> = (0..tried).map(|_| draw.sample(rng)).collect();
        let left = |row: usize| {
            distances(vectors.row(row)).iter().zip(&far).map(|(d, far)| d.min(*far)).sum::<f32>()
        };
        let chosen = candidates.into_iter().min_by(|&a, &b| left(a).total_cmp(&left(b))).expect("a row");
        far.zip_mut_with(&distances(vectors.row(chosen)), |far, near| *far = far.min(*near));
        centroids.push(vectors.row(chosen).to_owned());
    }
    let views: Vec<ArrayView1<'_, f32>> = centroids.iter().map(|c| c.view()).collect();
    ndarray::stack(Axis(0), &views).expect("rows of one length")
}

/// What a night's clustering starts from.
#[derive(Clone, Copy)]
pub enum Start {
    /// The first k hidden themes: a fit as good as can be.
    Hidden,
    /// Last night's centroids.
    Warm,
    /// Nothing.
    Cold,
}

/// Nights of a world: the ledger and each conversation's theme as found.
#[derive(Default)]
pub struct Nights {
    pub count: u32,
    pub ledger: Ledger,
    pub members: BTreeMap<String, ThemeId>,
}

impl Nights {
    /// Clusters the world in k, with a seed of this night alone, and carries the ledger on.
    pub fn pass(&mut self, world: &World, k: usize, start: Start) -> Advance {
        self.count += 1;
        let hidden = || world.themes.iter().take(k).map(|theme| theme.mapv(|value| value as f32).to_vec());
        let start = match start {
            Start::Hidden => hidden().collect(),
            Start::Warm => self.ledger.warm_start(k, "m"),
            Start::Cold => Vec::new(),
        };
        let (labels, centroids) = k_means(&world.vectors(), k, u64::from(self.count), &start);
        let ids: Vec<&str> = world.rows.iter().map(|row| row.0.as_str()).collect();
        let advance = self.carry(&ids, &labels, &centroids).expect("a sound night");
        self.members =
            ids.iter().zip(&labels).map(|(id, l)| ((*id).to_owned(), advance.ids[*l as usize])).collect();
        self.ledger = advance.ledger.clone();
        advance
    }

    /// Tonight's result, without making it the last night.
    pub fn carry(
        &self,
        ids: &[&str],
        labels: &[u32],
        centroids: &Array2<f32>,
    ) -> Result<Advance, LedgerError> {
        let names: Vec<String> = (0..centroids.nrows()).map(|label| name(centroids.row(label))).collect();
        let centroids: Vec<Vec<f32>> = centroids.rows().into_iter().map(|row| row.to_vec()).collect();
        let clusters: Vec<Cluster<'_>> =
            names.iter().zip(&centroids).map(|(name, centroid)| Cluster { name, centroid }).collect();
        let members: Vec<_> = ids.iter().zip(labels).map(|(id, label)| (*id, Some(*label))).collect();
        let last: Vec<_> = self.members.iter().map(|(id, theme)| (id.as_str(), Some(*theme))).collect();
        let date = format!("2026-01-{:02}", self.count);
        let night = Night { date: &date, model: "m", clusters: &clusters, members: &members };
        advance(&self.ledger, &last, &night)
    }
}

/// A name that follows from what is in the theme, as automatic names do.
fn name(centroid: ArrayView1<'_, f32>) -> String {
    format!("about {}", greatest(centroid).0)
}
