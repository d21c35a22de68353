//! Which of tonight's clusters carries on which old theme.

use super::overlap::Overlap;
use crate::theme::one_to_one::pair_up;

/// Fewest common conversations, on either side, from which a share is believed. With 10, the 95 %
/// Wilson interval of a share of one half is still 0.24..0.76; with fewer, the main source of a
/// cluster cannot be told from an accident.
pub const LEAST_COMMON: u64 = 10;
/// Share from which one side is most of the other: an absolute majority, so that it can hold for
/// one pair only (threshold tau of MONIC, Spiliopoulou et al. 2006, section 3.2).
pub const MAJORITY: f64 = 0.5;
/// Least share that counts as substantial. From a warm start k-means moved at most 6 % of the rows
/// overnight (banking77, ten nights of 5 % new rows): a fifth is more than such leakage, and lets a
/// theme that falls apart in five equal parts still be followed.
pub const SUBSTANTIAL: f64 = 0.2;
/// Least cosine of two centroids that are one theme's on nights without common conversations.
/// Measured on banking77 (77 intents, all-MiniLM-L6-v2, disjoint halves of 10 rows each): 98.7 % of
/// intents reach it with their own other half, 9.6 % with the nearest other intent; with 20 rows
/// 99.7 % and 14 %, where the best one-to-one assignment sorts out the rest.
pub const SAME_DIRECTION: f64 = 0.85;

/// Gains are whole numbers, so that the best assignment does not hang on rounding.
const GAIN_SCALE: f64 = 1e9;

/// Cosines of the old themes' centroids (rows) to the clusters' (columns); none where they are of
/// different models.
pub(super) type Cosines = Vec<Vec<Option<f64>>>;

/// How each cluster, in the order given, was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// By common conversations with the theme of this row.
    Members(usize),
    /// By centroid, with the theme of this row.
    Centroid(usize),
    /// With none.
    Nothing,
}

/// Matches clusters to themes, one to one, by members first: where enough conversations are common
/// they are the theme, whatever its centroid. What they leave open, for want of common
/// conversations or because the theme was retired, is matched by centroid.
///
/// `order` lists the clusters in an order that does not hang on their numbering.
pub(super) fn match_up(overlap: &Overlap, cosines: &Cosines, active: &[bool], order: &[usize]) -> Vec<Match> {
    let mut matches = vec![Match::Nothing; order.len()];
    let by_members = |theme: usize, cluster: usize| {
        let eligible = active[theme] && continues(overlap, theme, cluster);
        if eligible { gain(overlap.jaccard(theme, cluster)) } else { 0 }
    };
    for (theme, cluster) in best_pairs(active.len(), order, by_members) {
        matches[cluster] = Match::Members(theme);
    }
    let taken: Vec<usize> = matches.iter().filter_map(Match::theme).collect();
    let open: Vec<usize> = order.iter().copied().filter(|&c| matches[c] == Match::Nothing).collect();
    let by_centroid = |theme: usize, cluster: usize| {
        let unknown = !active[theme] || overlap.kept(theme).min(overlap.held(cluster)) < LEAST_COMMON;
        let cosine = cosines[theme][cluster].filter(|cosine| *cosine >= SAME_DIRECTION);
        if unknown && !taken.contains(&theme) { cosine.map_or(0, gain) } else { 0 }
    };
    for (theme, cluster) in best_pairs(active.len(), &open, by_centroid) {
        matches[cluster] = Match::Centroid(theme);
    }
    matches
}

impl Match {
    /// The row of the theme.
    pub(super) fn theme(&self) -> Option<usize> {
        match self {
            Match::Members(theme) | Match::Centroid(theme) => Some(*theme),
            Match::Nothing => None,
        }
    }
}

/// Either is most of the other, and neither a negligible part of it.
fn continues(overlap: &Overlap, theme: usize, cluster: usize) -> bool {
    let (of_old, of_new) = (overlap.of_old(theme, cluster), overlap.of_new(theme, cluster));
    let believed = overlap.kept(theme).min(overlap.held(cluster)) >= LEAST_COMMON;
    believed && of_old.max(of_new) >= MAJORITY && of_old.min(of_new) >= SUBSTANTIAL
}

/// A part: mostly from the theme, and a substantial share of it.
pub(super) fn is_part(overlap: &Overlap, theme: usize, cluster: usize) -> bool {
    overlap.common(theme, cluster) >= LEAST_COMMON
        && overlap.of_new(theme, cluster) >= MAJORITY
        && overlap.of_old(theme, cluster) >= SUBSTANTIAL
}

/// A source: most of the theme is now in the cluster. How much of the cluster that is does not
/// matter, as small themes also merge into large ones.
pub(super) fn is_source(overlap: &Overlap, theme: usize, cluster: usize) -> bool {
    overlap.common(theme, cluster) >= LEAST_COMMON && overlap.of_old(theme, cluster) >= MAJORITY
}

fn gain(score: f64) -> u64 {
    1 + (score * GAIN_SCALE) as u64
}

fn best_pairs(
    themes: usize,
    clusters: &[usize],
    gain: impl Fn(usize, usize) -> u64,
) -> impl Iterator<Item = (usize, usize)> {
    let row = |theme: usize| clusters.iter().map(|&cluster| gain(theme, cluster)).collect();
    let table: Vec<Vec<u64>> = (0..themes).map(row).collect();
    let paired: Vec<(usize, usize)> = pair_up(&table)
        .into_iter()
        .enumerate()
        .filter_map(|(theme, place)| {
            place.filter(|&place| table[theme][place] > 0).map(|p| (theme, clusters[p]))
        })
        .collect();
    paired.into_iter()
}
