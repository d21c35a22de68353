//! Last night's themes carried into tonight: the cut changes only where the rows clearly ask for it.
//!
//! A fresh cut of nearly the same rows is as good as last night's and yet another one: with 5 % new rows
//! a fifth or more of the old ones would change their theme. So tonight's rows first go to last night's
//! themes, and the fresh cut only proposes: a cluster of its own to take out (a birth or a split), two
//! themes it holds in one to join. A proposal counts when the silhouette of the rows it moves gains enough.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::choose::{LEAST_SCORE, silhouette};
use super::refine::{Partition, nearest};
use super::sample::Sample;
use super::smooth::Smoothed;

/// Passes of k-means that settle the rows, before proposals and after.
const PASSES: usize = 5;
/// Gain of silhouette, summed over all rows, per row that a proposal moves: what makes it worth a change.
const WORTH_TAKING_OUT: f64 = 0.02;
const WORTH_JOINING: f64 = 0.05;
/// Gain from which a change is made whatever it moves.
const CLEAR: f64 = 0.15;
/// Share of all rows that lesser changes may move in a night: the rest can wait for the next.
const PATIENCE: f64 = 0.025;
/// Share of all rows that a cluster taken out has at least.
const LEAST_SHARE: f64 = 0.01;
/// Standard deviations that the rows of a cluster of the finer cut are, on average, farther from last night's
/// centroids than the other rows of the same themes: what was one theme last night may well be two, but that
/// is no news of tonight.
const NOVEL: f64 = 1.0;
/// Standard deviation of cosines at least: below, a theme is all but one text.
const LEAST_SPREAD: f64 = 0.02;
/// Proposals of a kind that are weighed exactly in a round, the most promising first.
const WEIGHED: usize = 8;
/// Share of last night's silhouette by which a fresh cut must be better to be taken whole.
const WORTH_STARTING_OVER: f64 = 0.10;

/// Tonight's tree, cut.
#[derive(Debug, Clone, Copy)]
pub struct Cuts<'a> {
    /// As a first night would have it.
    pub fresh: &'a Partition,
    /// In more parts: of these only clear gains count, and only what last night's themes do not explain.
    pub finer: &'a Partition,
}

/// Parts of the finer cut, for a fresh one in `k` of `rows` rows.
pub fn finer_than(k: usize, rows: usize) -> usize {
    (k * 2).min(rows.div_ceil(2)).max(k)
}

/// What bounds the result.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// That many parts, no proposals but to reach it; `None`: as the rows ask for.
    pub k: Option<usize>,
    /// Most parts.
    pub most: usize,
    /// Fewest rows of a part that is taken out.
    pub least_rows: usize,
}

/// A partition of the sample's rows that goes on from `warm`, centroids of `d` values each, towards
/// `cuts`.
pub fn carry_on(
    sample: &Sample,
    smoothed: &Smoothed,
    cuts: Cuts<'_>,
    warm: &[Vec<f32>],
    bounds: Bounds,
) -> Partition {
    let (weights, fresh) = (&sample.weights, cuts.fresh);
    let rows = smoothed.rows.view();
    let settled = |found: Partition| found.refined(rows, weights, PASSES);
    let fits = warm.iter().filter(|centroid| centroid.len() == rows.ncols());
    let flat: Vec<f32> = fits.flatten().copied().collect();
    let warm = match Array2::from_shape_vec((flat.len() / rows.ncols().max(1), rows.ncols()), flat) {
        Ok(warm) if warm.nrows() > 0 => warm,
        _ => return fresh.clone(),
    };
    let hosts = nearest(sample.rows.view(), warm.view());
    let cosines = sample.rows.rows().into_iter().zip(&hosts).map(|(row, &host)| row.dot(&warm.row(host)));
    let explained = Explained { cosines: cosines.collect(), hosts };
    let mut now = Partition::of(&explained.hosts);
    let judge = |found: &Partition| silhouette(smoothed.judged.view(), found, weights);
    let proposals =
        Proposals { judged: smoothed.judged.view(), weights, cuts, explained: &explained, bounds };
    now = settled(proposals.follow(settled(now)));
    if bounds.k.is_some_and(|k| now.count != k) {
        return fresh.clone();
    }
    let kept = judge(&now);
    let over = bounds.k.is_none() && judge(fresh) > kept * (1.0 + WORTH_STARTING_OVER);
    let shapeless = fresh.count < 2 && kept < LEAST_SCORE;
    if over || shapeless { fresh.clone() } else { now }
}

/// What tonight's cuts say about a partition.
struct Proposals<'a> {
    judged: ArrayView2<'a, f32>,
    weights: &'a [f32],
    cuts: Cuts<'a>,
    explained: &'a Explained,
    bounds: Bounds,
}

/// How well last night's centroids explain tonight's rows.
struct Explained {
    /// The nearest centroid of each row.
    hosts: Vec<usize>,
    /// The cosine to it.
    cosines: Vec<f32>,
}

/// Weight, sum and sum of squares of some cosines.
#[derive(Debug, Clone, Copy, Default)]
struct Moments([f64; 3]);

impl Moments {
    fn add(&mut self, cosine: f32, weight: f32) {
        let (cosine, weight) = (f64::from(cosine), f64::from(weight));
        self.0[0] += weight;
        self.0[1] += weight * cosine;
        self.0[2] += weight * cosine * cosine;
    }

    /// Mean and standard deviation of those that are not in `part`; `None` where hardly any are left.
    fn without(&self, part: &Moments) -> Option<(f64, f64)> {
        let [weight, sum, squares] = [0, 1, 2].map(|at| self.0[at] - part.0[at]);
        let mean = sum / weight.max(1.0);
        let spread = (squares / weight.max(1.0) - mean * mean).max(0.0).sqrt();
        (weight >= 2.0).then_some((mean, spread.max(LEAST_SPREAD)))
    }
}

impl Explained {
    /// Which clusters of a cut lie `NOVEL` farther out than the other rows of the same themes.
    fn novel(&self, cut: &Partition, weights: &[f32]) -> Vec<bool> {
        let mut themes = BTreeMap::<usize, Moments>::new();
        let mut cells = BTreeMap::<(usize, usize), Moments>::new();
        for (row, (&host, &cosine)) in self.hosts.iter().zip(&self.cosines).enumerate() {
            themes.entry(host).or_default().add(cosine, weights[row]);
            cells.entry((cut.labels[row], host)).or_default().add(cosine, weights[row]);
        }
        let (mut farther, mut all) = (vec![0.0; cut.count], vec![0.0; cut.count]);
        for ((cluster, host), part) in cells {
            let [weight, sum, _] = part.0;
            all[cluster] += weight;
            // A theme that is all in the cluster explains it.
            if let Some((mean, spread)) = themes[&host].without(&part) {
                farther[cluster] += (mean * weight - sum) / spread;
            }
        }
        farther.iter().zip(all).map(|(farther, all)| *farther >= NOVEL * all).collect()
    }
}

/// A changed partition, what it gains per row moved, and how many rows those are.
struct Change {
    to: Partition,
    gain: f64,
    moved: f64,
}

impl Proposals<'_> {
    /// One proposal after another, the best first, until none is worth it.
    fn follow(&self, mut now: Partition) -> Partition {
        let all: f64 = self.weights.iter().map(|w| f64::from(*w)).sum();
        let mut patience = all * PATIENCE;
        for _ in 0..self.bounds.most {
            let Some(change) = self.best(&now, patience) else { break };
            if change.gain < CLEAR {
                patience -= change.moved;
            }
            now = change.to;
        }
        now
    }

    fn best(&self, now: &Partition, patience: f64) -> Option<Change> {
        let before = self.sum(now);
        let mut changes = Vec::new();
        if now.count < self.bounds.k.unwrap_or(self.bounds.most) {
            let least = if self.bounds.k.is_some() { f64::NEG_INFINITY } else { WORTH_TAKING_OUT };
            let any = vec![true; self.cuts.fresh.count];
            changes.extend(self.weigh(self.taken_out(now, self.cuts.fresh, &any), before, least));
            let novel = self.explained.novel(self.cuts.finer, self.weights);
            changes.extend(self.weigh(
                self.taken_out(now, self.cuts.finer, &novel),
                before,
                least.max(CLEAR),
            ));
        }
        if self.bounds.k.is_none() {
            changes.extend(self.weigh(self.joined(now), before, WORTH_JOINING));
        }
        changes.retain(|change| change.gain >= CLEAR || change.moved <= patience || self.bounds.k.is_some());
        changes.into_iter().reduce(|best, next| if next.gain > best.gain { next } else { best })
    }

    fn sum(&self, found: &Partition) -> f64 {
        let rows: f64 = self.weights.iter().map(|w| f64::from(*w)).sum();
        silhouette(self.judged, found, self.weights) * rows
    }

    /// The changes that gain at least `least` per row moved; each comes with how many those are.
    fn weigh(&self, changes: Vec<(Partition, f64)>, before: f64, least: f64) -> Vec<Change> {
        let weigh = |(to, moved): (Partition, f64)| {
            let gain = (self.sum(&to) - before) / moved.max(1.0);
            Change { to, gain, moved }
        };
        let weighed: Vec<Change> = changes.into_par_iter().map(weigh).collect();
        weighed.into_iter().filter(|change| change.gain >= least).collect()
    }

    /// The `eligible` clusters of a cut as parts of their own, those first whose rows are least like the parts they are in.
    fn taken_out(&self, now: &Partition, cut: &Partition, eligible: &[bool]) -> Vec<(Partition, f64)> {
        let sizes = cut.sizes(self.weights);
        let all: f64 = sizes.iter().sum();
        let least = (self.bounds.least_rows as f64).max(all * LEAST_SHARE);
        let own = cut.centroids(self.judged, self.weights);
        let theirs = now.centroids(self.judged, self.weights);
        let mut better = vec![0.0; cut.count];
        for (row, vector) in self.judged.rows().into_iter().enumerate() {
            let cluster = cut.labels[row];
            let gain = vector.dot(&own.row(cluster)) - vector.dot(&theirs.row(now.labels[row]));
            better[cluster] += f64::from(gain * self.weights[row]) / sizes[cluster];
        }
        let mut order: Vec<usize> = (0..cut.count).filter(|&c| eligible[c] && sizes[c] >= least).collect();
        order.sort_by(|&a, &b| better[b].total_cmp(&better[a]).then(a.cmp(&b)));
        let take = |&cluster: &usize| {
            let place = |(own, label): (&usize, &usize)| if *own == cluster { now.count } else { *label };
            let labels: Vec<usize> = cut.labels.iter().zip(&now.labels).map(place).collect();
            (Partition::of(&labels), sizes[cluster])
        };
        order.iter().take(WEIGHED).map(take).collect()
    }

    /// Parts that lie mostly in one fresh cluster, two by two as one, the nearest pairs first.
    fn joined(&self, now: &Partition) -> Vec<(Partition, f64)> {
        let sizes = now.sizes(self.weights);
        let mut cells: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for ((&part, &cluster), weight) in now.labels.iter().zip(&self.cuts.fresh.labels).zip(self.weights) {
            *cells.entry((cluster, part)).or_default() += f64::from(*weight);
        }
        let inside: Vec<(usize, usize)> = cells
            .into_iter()
            .filter(|((_, part), held)| *held * 2.0 > sizes[*part])
            .map(|(cell, _)| cell)
            .collect();
        let centroids = now.centroids(self.judged, self.weights);
        let mut pairs = Vec::new();
        for (at, (cluster, a)) in inside.iter().enumerate() {
            for (_, b) in inside[at + 1..].iter().take_while(|(other, _)| other == cluster) {
                pairs.push((centroids.row(*a).dot(&centroids.row(*b)), *a, *b));
            }
        }
        pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        let join = |&(_, a, b): &(f32, usize, usize)| {
            let labels: Vec<usize> =
                now.labels.iter().map(|&label| if label == b { a } else { label }).collect();
            (Partition::of(&labels), sizes[a].min(sizes[b]))
        };
        pairs.iter().take(WEIGHED).map(join).collect()
    }
}

#[cfg(test)]
mod tests;
