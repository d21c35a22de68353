//! The default way to themes: smoothed requests, Ward's tree, a cut mended by k-means.

use ndarray::{Array2, ArrayView2, Axis};

use super::ThemeError;
use super::carry::{Bounds, Cuts, carry_on, finer_than};
use super::choose::{self, CurvePoint};
use super::cluster::{Clusterer, Clusters};
use super::distinct::{Distinct, draw};
use super::refine::{Partition, nearest};
use super::sample::Sample;
use super::smooth::{Smoothed, centred, smooth_like};
use super::ward::Tree;
use super::words::Words;
use crate::progress::Progress;

/// Fewer distinct rows are one theme: nothing can be said about their groups.
const FEWEST: usize = 10;
/// Passes of k-means after the final cut.
const PASSES: usize = 10;
/// Rows outside the sample that are labelled at a time.
const FOLLOWING: usize = 8_192;
/// Stream of draws that the sample is taken from; refits have the first ones.
const SAMPLE_STREAM: u64 = 999;

/// Agglomeration of smoothed rows.
#[derive(Debug, Clone)]
pub struct Agglomeration {
    /// Number of clusters, at least 1; `None`: chosen from the data.
    pub k: Option<usize>,
    /// Largest number considered when choosing; `None`: 250 and no more than a third of the rows.
    pub k_max: Option<usize>,
    /// Distinct rows that the tree is grown over: time and memory go with its square. Of more, as many
    /// are drawn, and the others follow the smoothed rows they are most like.
    pub sample: usize,
    /// Fewest rows of a cluster that is new tonight.
    pub least_rows: usize,
    /// Centroids that a night before left, `d` values of unit length each; none on a first night.
    pub warm: Vec<Vec<f32>>,
    /// Seeds the draws.
    pub seed: u64,
}

impl Clusterer for Agglomeration {
    /// By vectors alone; [`Agglomeration::fit`] also looks at words.
    fn cluster(&self, vectors: ArrayView2<'_, f32>) -> Result<Clusters, ThemeError> {
        Ok(self.fit(vectors, &vec![""; vectors.nrows()], &Progress::silent()).0)
    }

    fn describe(&self) -> String {
        match self.k {
            Some(k) => format!("Ward's tree over smoothed requests, k = {k}"),
            None => "Ward's tree over smoothed requests".into(),
        }
    }
}

impl Agglomeration {
    /// Clusters of `vectors`, `(n, d)` finite unit rows of `texts`, and the curve their number was chosen from;
    /// it is empty where the number was given or there was nothing to choose.
    pub fn fit(
        &self,
        vectors: ArrayView2<'_, f32>,
        texts: &[&str],
        progress: &Progress,
    ) -> (Clusters, Vec<CurvePoint>) {
        let distinct = Distinct::of(vectors);
        let one = || (Clusters::ranked(vec![Some(0); vectors.nrows()]), Vec::new());
        if self.k.is_none() && distinct.counts.len() < FEWEST {
            return one();
        }
        let all = centred(distinct.rows.view(), &distinct.counts);
        let places = draw(distinct.rows.view(), self.sample, self.seed, SAMPLE_STREAM);
        let texts = distinct.texts(texts);
        let sample = Sample {
            rows: distinct.rows.select(Axis(0), &places),
            centred: all.select(Axis(0), &places),
            weights: places.iter().map(|&row| distinct.counts[row]).collect(),
            words: Words::of(&places.iter().map(|&row| texts[row]).collect::<Vec<_>>()),
        };
        let smoothed = sample.smooth();
        let tree = Tree::grow(smoothed.rows.view(), &sample.weights);
        let (k, curve) = match self.k {
            Some(k) => (k, Vec::new()),
            None => {
                let candidates = choose::candidates(places.len(), self.k_max);
                let curve = choose::trace(&sample, &smoothed, &tree, &candidates, self.seed, progress);
                (choose::pick(&curve), curve)
            }
        };
        let fresh = Partition::of(&tree.cut(k)).refined(smoothed.rows.view(), &sample.weights, PASSES);
        let found = if self.warm.is_empty() {
            fresh
        } else {
            let most = self.k_max.unwrap_or(choose::MOST);
            let bounds = Bounds { k: self.k, most, least_rows: self.least_rows };
            // What is small and new may still be one with its neighbour in the chosen cut.
            let finer = Partition::of(&tree.cut(finer_than(k, places.len())));
            let finer = finer.refined(smoothed.rows.view(), &sample.weights, PASSES);
            carry_on(&sample, &smoothed, Cuts { fresh: &fresh, finer: &finer }, &self.warm, bounds)
        };
        let labels = follow(&all, &places, &sample, &smoothed, &found);
        (Clusters::ranked(distinct.places.iter().map(|&place| Some(labels[place])).collect()), curve)
    }
}

/// Labels of all rows: those of the sample as found, the others by the nearest centroid of what they
/// are like.
fn follow(
    all: &Array2<f32>,
    places: &[usize],
    sample: &Sample,
    smoothed: &Smoothed,
    found: &Partition,
) -> Vec<usize> {
    let mut labels = vec![usize::MAX; all.nrows()];
    places.iter().zip(&found.labels).for_each(|(&row, &label)| labels[row] = label);
    let others: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == usize::MAX).collect();
    let centroids = found.centroids(smoothed.rows.view(), &sample.weights);
    for rows in others.chunks(FOLLOWING) {
        let like = smooth_like(all.select(Axis(0), rows).view(), &sample.centred, &smoothed.rows);
        rows.iter().zip(nearest(like.view(), centroids.view())).for_each(|(&row, label)| labels[row] = label);
    }
    labels
}
