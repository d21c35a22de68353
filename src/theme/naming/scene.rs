//! Labels by what they mean: candidates and keywords as vectors among the rows they stand for.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, aview1};
use rayon::prelude::*;

use super::auc::auc;
use super::members::Members;
use super::terms::Terms;
use super::title::{Candidate, best_first, titles};
use super::vectors::TextVectors;
use super::{Encode, Given, Label, Separation, keywords};
use crate::theme::ThemeError;

/// Fewest held-out rows, on either side, that score a label.
const LEAST_HELD_OUT: usize = 5;
/// Rows of a theme, and of all others together, that candidates for a title are scored on.
const SCORED_ROWS: usize = 500;

/// The rows, and who belongs where.
pub struct Scene<'a, 'v> {
    /// `(n, d)` unit rows.
    pub vectors: ArrayView2<'v, f32>,
    /// Members of each theme.
    pub members: &'a [Members],
}

impl Scene<'_, '_> {
    /// A label per theme. `drafts`: candidates for titles; `order`: who chooses first; `given`: titles from before.
    #[allow(clippy::too_many_arguments, reason = "one caller, which has them as they are")]
    pub fn label(
        &self,
        texts: &[&str],
        terms: &[Terms],
        drafts: Vec<Vec<Candidate>>,
        order: &[usize],
        given: &Given<'_>,
        keywords: usize,
        encode: &mut Encode<'_>,
    ) -> Result<Vec<Label>, ThemeError> {
        let said = drafts.iter().flatten().map(|candidate| candidate.text.as_str());
        let words = terms.iter().flat_map(|terms| terms.keywords.iter().take(keywords::CANDIDATES));
        let known = TextVectors::of(said.chain(words.map(|term| term.text.as_str())), encode)?;
        let ranked: Vec<Vec<Candidate>> = drafts
            .into_par_iter()
            .enumerate()
            .map(|(theme, candidates)| self.rank(theme, candidates, &known))
            .collect();
        let rows: Vec<&[usize]> = self.members.iter().map(|members| members.naming.as_slice()).collect();
        let names: Vec<(String, String)> = titles(texts, &rows, terms, &ranked, order, given).collect();
        // Names made of keywords were no candidates, nor are those given before.
        let named = TextVectors::of(names.iter().map(|(name, _)| name.as_str()), encode)?;
        let label = |(theme, (name, automatic_name)): (usize, (String, String))| Label {
            keywords: self.keywords(theme, &terms[theme], &known, keywords),
            separation: named.get(&name).and_then(|vector| self.separation(theme, vector)),
            name,
            automatic_name,
        };
        Ok(names.into_par_iter().enumerate().map(label).collect())
    }

    /// Candidates by worth and AUC on the rows they were made from, the best first.
    ///
    /// Half of the AUC is against the nearest theme, which alone would let a title speak of one corner of
    /// its theme that the neighbour lacks; half is against all others.
    fn rank(&self, theme: usize, candidates: Vec<Candidate>, known: &TextVectors) -> Vec<Candidate> {
        let own = self.sample(theme, SCORED_ROWS);
        let near = self.nearest(theme, 0).map(|near| self.sample(near, SCORED_ROWS));
        let share = SCORED_ROWS.div_ceil(self.members.len());
        let others: Vec<Array2<f32>> = (0..self.members.len())
            .filter(|&other| other != theme)
            .map(|other| self.sample(other, share))
            .collect();
        let score = |candidate: Candidate| {
            let vector = known.get(&candidate.text)?;
            let scores = dots(&own, vector);
            let apart = |near: &Array2<f32>| {
                let all: Vec<f32> = others.iter().flat_map(|rows| dots(rows, vector)).collect();
                (auc(&scores, &dots(near, vector)) + auc(&scores, &all)) / 2.0
            };
            let finds = near.as_ref().map_or(0.5, apart);
            Some(Candidate { worth: candidate.worth + finds, ..candidate })
        };
        let mut ranked: Vec<Candidate> = candidates.into_iter().filter_map(score).collect();
        best_first(&mut ranked);
        ranked
    }

    /// Vectors of at most `most` naming rows, evenly from the most to the least central.
    fn sample(&self, theme: usize, most: usize) -> Array2<f32> {
        let rows = &self.members[theme].naming;
        let step = rows.len().div_ceil(most).max(1);
        let rows: Vec<usize> = rows.iter().step_by(step).copied().collect();
        self.vectors.select(Axis(0), &rows)
    }

    fn keywords(&self, theme: usize, terms: &Terms, known: &TextVectors, most: usize) -> Vec<String> {
        let terms = &terms.keywords[..terms.keywords.len().min(keywords::CANDIDATES)];
        let vectors = known.select(terms.iter().map(|term| term.text.as_str()));
        let weights: Vec<f64> = terms.iter().map(|term| term.weight).collect();
        let centre = aview1(&self.members[theme].centre);
        let chosen = keywords::choose(vectors.view(), &weights, centre, most);
        chosen.into_iter().map(|place| terms[place].text.clone()).collect()
    }

    /// How well a label finds the rows held out.
    fn separation(&self, theme: usize, label: ArrayView1<'_, f32>) -> Option<Separation> {
        let own = &self.members[theme].held_out;
        if own.len() < LEAST_HELD_OUT {
            return None;
        }
        let against = self.nearest(theme, LEAST_HELD_OUT)?;
        let other = &self.members[against].held_out;
        let cosines = |rows: &[usize]| -> Vec<f32> {
            rows.iter().map(|&row| self.vectors.row(row).dot(&label)).collect()
        };
        Some(Separation { auc: auc(&cosines(own), &cosines(other)), against: against as u32 })
    }

    /// The other theme with the largest cosine of centroids and `held_out` rows or more; of equals the first.
    fn nearest(&self, theme: usize, held_out: usize) -> Option<usize> {
        let own = aview1(&self.members[theme].centroid);
        let cosine = |other: usize| own.dot(&aview1(&self.members[other].centroid));
        let enough = |&other: &usize| other != theme && self.members[other].held_out.len() >= held_out;
        let others = (0..self.members.len()).filter(enough);
        let cosines = others.map(|other| (cosine(other), other));
        cosines.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, other)| other)
    }
}

fn dots(rows: &Array2<f32>, vector: ArrayView1<'_, f32>) -> Vec<f32> {
    rows.dot(&vector).to_vec()
}
