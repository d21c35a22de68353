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
/// Proposals of a kind that are weighed exactly in a round, the most promising first.
const WEIGHED: usize = 8;
/// Share of last night's silhouette by which a fresh cut must be better to be taken whole.
const WORTH_STARTING_OVER: f64 = 0.10;

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

/// A partition of the sample's rows that goes on from `warm`, centroids of `d` values each, towards `fresh`.
pub fn carry_on(
    sample: &Sample,
    smoothed: &Smoothed,
    fresh: &Partition,
    warm: &[Vec<f32>],
    bounds: Bounds,
) -> Partition {
    let weights = &sample.weights;
    let rows = smoothed.rows.view();
    let settled = |found: Partition| found.refined(rows, weights, PASSES);
    let flat = warm.iter().flatten().copied().collect();
    let Ok(warm) = Array2::from_shape_vec((warm.len(), rows.ncols()), flat) else { return fresh.clone() };
    let mut now = Partition::of(&nearest(sample.rows.view(), warm.view()));
    let judge = |found: &Partition| silhouette(smoothed.judged.view(), found, weights);
    let proposals = Proposals { judged: smoothed.judged.view(), weights, fresh, bounds };
    now = settled(proposals.follow(settled(now)));
    if bounds.k.is_some_and(|k| now.count != k) {
        return fresh.clone();
    }
    let kept = judge(&now);
    let over = bounds.k.is_none() && judge(fresh) > kept * (1.0 + WORTH_STARTING_OVER);
    let shapeless = fresh.count < 2 && kept < LEAST_SCORE;
    if over || shapeless { fresh.clone() } else { now }
}

/// What a fresh cut says about a partition.
struct Proposals<'a> {
    judged: ArrayView2<'a, f32>,
    weights: &'a [f32],
    fresh: &'a Partition,
    bounds: Bounds,
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
            changes.extend(self.weigh(self.taken_out(now), before, least));
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

    /// Fresh clusters as parts of their own, those first whose rows are least like the parts they are in.
    fn taken_out(&self, now: &Partition) -> Vec<(Partition, f64)> {
        let sizes = self.fresh.sizes(self.weights);
        let all: f64 = sizes.iter().sum();
        let least = (self.bounds.least_rows as f64).max(all * LEAST_SHARE);
        let own = self.fresh.centroids(self.judged, self.weights);
        let theirs = now.centroids(self.judged, self.weights);
        let mut better = vec![0.0; self.fresh.count];
        for (row, vector) in self.judged.rows().into_iter().enumerate() {
            let cluster = self.fresh.labels[row];
            let gain = vector.dot(&own.row(cluster)) - vector.dot(&theirs.row(now.labels[row]));
            better[cluster] += f64::from(gain * self.weights[row]) / sizes[cluster];
        }
        let mut order: Vec<usize> = (0..self.fresh.count).filter(|&c| sizes[c] >= least).collect();
        order.sort_by(|&a, &b| better[b].total_cmp(&better[a]).then(a.cmp(&b)));
        let take = |&cluster: &usize| {
            let place = |(own, label): (&usize, &usize)| if *own == cluster { now.count } else { *label };
            let labels: Vec<usize> = self.fresh.labels.iter().zip(&now.labels).map(place).collect();
            (Partition::of(&labels), sizes[cluster])
        };
        order.iter().take(WEIGHED).map(take).collect()
    }

    /// Parts that lie mostly in one fresh cluster, two by two as one, the nearest pairs first.
    fn joined(&self, now: &Partition) -> Vec<(Partition, f64)> {
        let sizes = now.sizes(self.weights);
        let mut cells: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for ((&part, &cluster), weight) in now.labels.iter().zip(&self.fresh.labels).zip(self.weights) {
            *cells.entry((cluster, part)).or_default() += f64::from(*weight);
        }
        let inside: Vec<(usize, usize)> =
            cells.into_iter().filter(|((_, part), held)| *held * 2.0 > sizes[*part]).map(|(cell, _)| cell).collect();
        let centroids = now.centroids(self.judged, self.weights);
        let mut pairs = Vec::new();
        for (at, (cluster, a)) in inside.iter().enumerate() {
            for (_, b) in inside[at + 1..].iter().take_while(|(other, _)| other == cluster) {
                pairs.push((centroids.row(*a).dot(&centroids.row(*b)), *a, *b));
            }
        }
        pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        let join = |&(_, a, b): &(f32, usize, usize)| {
            let labels: Vec<usize> = now.labels.iter().map(|&label| if label == b { a } else { label }).collect();
            (Partition::of(&labels), sizes[a].min(sizes[b]))
        };
        pairs.iter().take(WEIGHED).map(join).collect()
    }
}
