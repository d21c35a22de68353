//! Words in common: what two requests share beyond the direction of their vectors.
//!
//! The encoder blurs product words it has rarely seen; counting them sharpens who is near whom.

use std::collections::{BTreeSet, HashMap};

use ndarray::Array2;

/// Requests as sparse unit vectors of their words and pairs of words.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Term and weight, per row.
    rows: Vec<Vec<(u32, f32)>>,
    /// Row and weight, per term.
    postings: Vec<Vec<(u32, f32)>>,
}

impl Words {
    /// tf-idf with `tf = 1 + ln count` and `idf = ln((n + 1) / (requests with it + 1))` (Salton and
    /// Buckley, 1988), over `texts`. Terms of one request count in its length and match nothing.
    pub fn of(texts: &[&str]) -> Words {
        let counts: Vec<HashMap<String, f32>> = texts.iter().map(|text| count(text)).collect();
        let mut requests: HashMap<&str, f32> = HashMap::new();
        counts.iter().flat_map(HashMap::keys).for_each(|term| *requests.entry(term).or_default() += 1.0);
        let shared: BTreeSet<&str> =
            requests.iter().filter(|(_, n)| **n > 1.0).map(|(term, _)| *term).collect();
        let numbers: HashMap<&str, u32> = shared.into_iter().zip(0..).collect();
        let all = texts.len() as f32 + 1.0;
        let weigh = |counts: &HashMap<String, f32>| {
            let mut weights: Vec<(&str, f32)> = counts
                .iter()
                .map(|(term, n)| {
                    (term.as_str(), (1.0 + n.ln()) * (all / (requests[term.as_str()] + 1.0)).ln())
                })
                .collect();
            // A sum has one value only in one order.
            weights.sort_unstable_by(|a, b| a.0.cmp(b.0));
            let norm = weights.iter().map(|(_, w)| w * w).sum::<f32>().sqrt().max(1e-12);
            weights.iter().filter_map(|(term, w)| Some((*numbers.get(term)?, w / norm))).collect()
        };
        Words::indexed(counts.iter().map(weigh).collect())
    }

    fn indexed(rows: Vec<Vec<(u32, f32)>>) -> Words {
        let terms = rows.iter().flatten().map(|(term, _)| *term as usize + 1).max().unwrap_or(0);
        let mut postings = vec![Vec::new(); terms];
        for (row, terms) in (0..).zip(&rows) {
            terms.iter().for_each(|&(term, weight)| postings[term as usize].push((row, weight)));
        }
        Words { rows, postings }
    }

    /// The same weights, of some rows.
    pub fn select(&self, rows: &[usize]) -> Words {
        Words::indexed(rows.iter().map(|&row| self.rows[row].clone()).collect())
    }

    /// Turns `cosines` of rows `first..` with all rows into `(1 - share) * cosine + share * words' cosine`.
    pub fn blend(&self, first: usize, cosines: &mut Array2<f32>, share: f32) {
        for (i, mut cosines) in cosines.rows_mut().into_iter().enumerate() {
            cosines *= 1.0 - share;
            for &(term, weight) in &self.rows[first + i] {
                for &(other, others) in &self.postings[term as usize] {
                    cosines[other as usize] += share * weight * others;
                }
            }
        }
    }
}

/// Words and pairs of neighbouring words in lower case, with how often each occurs.
fn count(text: &str) -> HashMap<String, f32> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).map(|pair| format!("{} {}", pair[0], pair[1]));
    let mut counts = HashMap::new();
    words
        .iter()
        .map(|word| (*word).to_owned())
        .chain(pairs)
        .for_each(|term| *counts.entry(term).or_default() += 1.0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_in_common_bring_near() {
        let texts = ["my card is lost", "the card is LOST!", "my parcel is late", "", "my my"];
        let words = Words::of(&texts);
        let mut cosines = Array2::zeros((5, 5));
        words.blend(0, &mut cosines, 1.0);
        assert!(cosines[[0, 1]] > 2.0 * cosines[[0, 2]] && cosines[[0, 2]] > 0.0);
        assert!((cosines[[0, 1]] - cosines[[1, 0]]).abs() < 1e-6 && cosines[[0, 0]] <= 1.0 + 1e-6);
        assert!(cosines.row(3).iter().all(|cosine| *cosine == 0.0));
        let mut some = Array2::zeros((1, 2));
        words.select(&[1, 0]).blend(1, &mut some, 1.0);
        assert!((some[[0, 0]] - cosines[[0, 1]]).abs() < 1e-6);
    }
}
