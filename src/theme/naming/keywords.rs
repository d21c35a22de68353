//! Keywords that say different things: maximal marginal relevance over c-TF-IDF terms.

use ndarray::{ArrayView1, ArrayView2};

/// Terms that compete for a theme's keywords, the strongest by c-TF-IDF.
pub const CANDIDATES: usize = 30;
/// Share of relevance against novelty: the lambda of Carbonell and Goldstein.
const RELEVANCE: f32 = 0.7;

/// Places of at most `most` of the `(terms, d)` unit rows, the best first.
///
/// Each next one has the largest `lambda * relevance - (1 - lambda) * likeness` (Carbonell and
/// Goldstein, 1998, section 2): relevance is its weight and its cosine to the centroid in equal
/// parts, weight as a share of the largest; likeness is the largest cosine to one chosen before. Of
/// equals the first.
pub fn choose(
    terms: ArrayView2<'_, f32>,
    weights: &[f64],
    centroid: ArrayView1<'_, f32>,
    most: usize,
) -> Vec<usize> {
    let e = |n: &str, d: f32| std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let (mix, lambda) = (e("KW_MIX", 0.5), e("KW_LAMBDA", RELEVANCE));
    let heaviest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let relevance: Vec<f32> = terms
        .rows()
        .into_iter()
        .zip(weights)
        .map(|(term, weight)| (1.0 - mix) * term.dot(&centroid) + mix * (weight / heaviest) as f32)
        .collect();
    let mut likeness = vec![0f32; weights.len()];
    let mut left: Vec<usize> = (0..weights.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < most && !left.is_empty() {
        let worth = |term: usize| lambda * relevance[term] - (1.0 - lambda) * likeness[term];
        let best = super::super::cluster::greatest(left.iter().map(|&term| worth(term)));
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
        // The second means what the first means; the third is a little off, and new.
        let terms = array![[1.0f32, 0.0, 0.0], [0.999, 0.0447, 0.0], [0.6, 0.0, 0.8]];
        assert_eq!(choose(terms.view(), &[1.0, 0.9, 0.8], aview1(&[1.0, 0.0, 0.0]), 2), [0, 2]);
        assert_eq!(choose(terms.view(), &[1.0, 0.9, 0.8], aview1(&[1.0, 0.0, 0.0]), 9).len(), 3);
        assert!(choose(terms.slice(ndarray::s![..0, ..]), &[], aview1(&[1.0, 0.0, 0.0]), 3).is_empty());
    }
}
