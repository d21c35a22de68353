//! Keywords that say different things: maximal marginal relevance over c-TF-IDF terms.

use ndarray::{ArrayView1, ArrayView2};

use crate::theme::cluster::greatest;

/// Terms that compete for a theme's keywords, the strongest by c-TF-IDF.
pub const CANDIDATES: usize = 30;
/// Share of relevance against novelty: the lambda of Carbonell and Goldstein.
///
/// Variety has a price: joined, the first five of banking77 and DSTC11 have a held-out AUC 0.01 below that
/// of the five of greatest c-TF-IDF, at 0.7 as at 0.9.
const RELEVANCE: f32 = 0.7;
/// Share of c-TF-IDF in relevance; the rest is the cosine to the centroid.
const WEIGHT: f32 = 0.5;

/// Places of at most `most` of the `(terms, d)` unit rows, the best first.
///
/// Each next one has the largest `lambda * relevance - (1 - lambda) * likeness` (Carbonell and
/// Goldstein, 1998, section 2): relevance is its weight, as a share of the
/// largest, and its cosine to the centroid; likeness is the largest cosine to one chosen before. Of
/// equals the first.
pub fn choose(
    terms: ArrayView2<'_, f32>,
    weights: &[f64],
    centroid: ArrayView1<'_, f32>,
    most: usize,
) -> Vec<usize> {
    let heaviest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let relevance: Vec<f32> = terms
        .rows()
        .into_iter()
        .zip(weights)
        .map(|(term, weight)| (1.0 - WEIGHT) * term.dot(&centroid) + WEIGHT * (weight / heaviest) as f32)
        .collect();
    let mut likeness = vec![0f32; weights.len()];
    let mut left: Vec<usize> = (0..weights.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < most && !left.is_empty() {
        let worth = |term: usize| RELEVANCE * relevance[term] - (1.0 - RELEVANCE) * likeness[term];
        let best = greatest(left.iter().map(|&term| worth(term)));
        let best = left.remove(best);
        left.iter()
            .for_each(|&term| likeness[term] = likeness[term].max(terms.row(term).dot(&terms.row(best))));
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, aview1};

    #[test]
    fn a_synonym_gives_way_to_something_new() {
        // The second means what the first means and is heavier than the third, which says the rest.
        let terms = array![[1.0f32, 0.0, 0.0], [0.999, 0.0447, 0.0], [0.0, 0.0, 1.0]];
        let centroid = aview1(&[0.707, 0.0, 0.707]);
        assert_eq!(choose(terms.view(), &[1.0, 0.9, 0.8], centroid, 2), [0, 2]);
        assert_eq!(choose(terms.view(), &[1.0, 0.9, 0.8], centroid, 9), [0, 2, 1]);
        assert!(choose(terms.slice(ndarray::s![..0, ..]), &[], centroid, 3).is_empty());
    }
}
