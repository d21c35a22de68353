//! Naming: what each theme is called, by which words it is known, and how well its name alone finds its members.
//!
//! A step of its own after grouping: it takes rows and their labels, whoever made them. The label is
//! made from four fifths of a theme's texts and scored on the rest.

mod auc;
mod keywords;
mod members;
mod phrase;
mod terms;
mod title;
mod vectors;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, aview1};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ThemeError, ThemeParams, check_rows};
use members::{Members, members};
use terms::Terms;
use title::Candidate;
use vectors::TextVectors;

/// Fewest held-out rows, on either side, that score a label.
const LEAST_HELD_OUT: usize = 5;
/// Rows of a theme that candidates for a title are scored on.
const SCORED_ROWS: usize = 500;

/// Turns texts into unit rows, `(texts, d)`, with the encoder that made the vectors. The same text
/// gives the same row.
pub type Encode<'a> = dyn FnMut(&[&str]) -> Result<Array2<f32>, ThemeError> + 'a;

/// What one theme is called and known by.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Short title, unique among the themes.
    pub name: String,
    /// Telling words and pairs of words, the best first. May be empty.
    pub keywords: Vec<String>,
    /// Row nearest to the centroid.
    pub representative: usize,
    /// Rows in it.
    pub size: usize,
    /// Direction of the rows' mean, `d` values of unit length.
    pub centroid: Vec<f32>,
    /// How well the name alone finds held-out members; `None` without an encoder, or with too few.
    pub separation: Option<Separation>,
}

/// How well a theme's name alone tells its held-out members from those of the nearest theme.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// P(cosine of name and member > cosine of name and the other's member), ties half, 0..=1.
    pub auc: f64,
    /// The theme whose centroid has the largest cosine with this one's.
    pub against: u32,
}

/// Describes the themes of `vectors`, `(n, d)` finite unit rows. `texts`: one request per row;
/// `labels`: each row's theme, `0..count`, every number used; `None` is noise.
///
/// # Errors
/// Rows that do not match, vectors that are not finite, and what `encode` returns.
pub fn describe(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    labels: &[Option<u32>],
    params: &ThemeParams,
    encode: Option<&mut Encode<'_>>,
) -> Result<Vec<Description>, ThemeError> {
    check_rows(vectors, texts)?;
    let count = labels.iter().flatten().max().map_or(0, |label| *label as usize + 1);
    let members = members(vectors, texts, labels, count);
    let rows: Vec<&[usize]> = members.iter().map(|members| members.naming.as_slice()).collect();
    let terms = terms::terms(texts, &rows);
    let drafts: Vec<Vec<Candidate>> =
        rows.iter().zip(&terms).map(|(rows, terms)| title::candidates(texts, rows, terms)).collect();
    // Themes of one size choose in order of what they are about: rows come in any order.
    let mut order: Vec<usize> = (0..count).collect();
    order
        .sort_by_key(|&theme| (std::cmp::Reverse(members[theme].size), texts[members[theme].representative]));
    let (names, keywords, separations) = match encode {
        None => {
            let names = title::names(texts, &rows, &terms, &drafts, &order);
            (names, terms.iter().map(|terms| strongest(terms, params.keywords)).collect(), vec![None; count])
        }
        Some(encode) => {
            let scene = Scene { vectors, members: &members };
            let said = drafts.iter().flatten().map(|candidate| candidate.text.as_str());
            let words = terms.iter().flat_map(|terms| terms.keywords.iter().take(keywords::CANDIDATES));
            let known = TextVectors::of(said.chain(words.map(|term| term.text.as_str())), encode)?;
            let ranked: Vec<Vec<Candidate>> =
                (0..count).into_par_iter().map(|theme| scene.rank(theme, &drafts[theme], &known)).collect();
            let names = title::names(texts, &rows, &terms, &ranked, &order);
            let keywords: Vec<Vec<String>> = (0..count)
                .into_par_iter()
                .map(|theme| scene.keywords(theme, &terms[theme], &known, params.keywords))
                .collect();
            let labels = TextVectors::of(names.iter().map(String::as_str), encode)?;
            if std::env::var("KW").is_ok() {
                let joined: Vec<String> = keywords
                    .iter()
                    .map(|k| k.iter().take(5).cloned().collect::<Vec<_>>().join(", "))
                    .collect();
                let labels = TextVectors::of(joined.iter().map(String::as_str), encode)?;
                let separations: Vec<_> =
                    (0..count).map(|theme| scene.separation(theme, labels.get(&joined[theme]))).collect();
                (names, keywords, separations)
            } else {
                let separations = (0..count)
                    .into_par_iter()
                    .map(|theme| scene.separation(theme, labels.get(&names[theme])));
                let separations = separations.collect();
                (names, keywords, separations)
            }
        }
    };
    let described = members.into_iter().zip(names).zip(keywords.into_iter().zip(separations));
    let describe =
        |((members, name), (keywords, separation)): ((Members, String), (Vec<String>, _))| Description {
            name,
            keywords,
            representative: members.representative,
            size: members.size,
            centroid: members.centroid,
            separation,
        };
    Ok(described.map(describe).collect())
}

fn strongest(terms: &Terms, most: usize) -> Vec<String> {
    terms.keywords.iter().take(most).map(|term| term.text.clone()).collect()
}

/// The rows, and who belongs where.
struct Scene<'a, 'v> {
    vectors: ArrayView2<'v, f32>,
    members: &'a [Members],
}

impl Scene<'_, '_> {
    /// Candidates by worth and by how well each alone finds the theme's members, the best first.
    fn rank(&self, theme: usize, candidates: &[Candidate], known: &TextVectors) -> Vec<Candidate> {
        let sample = |theme: usize| {
            // Evenly over the rows in order of centrality: all sides of the theme count.
            let rows = &self.members[theme].naming;
            let rows: Vec<usize> =
                rows.iter().step_by(rows.len().div_ceil(SCORED_ROWS).max(1)).copied().collect();
            self.vectors.select(Axis(0), &rows)
        };
        let own = sample(theme);
        let w = |n: &str, d: f64| std::env::var(n).ok().and_then(|v| v.parse::<f64>().ok()).unwrap_or(d);
        let others: Vec<Array2<f32>> =
            self.nearest(theme).into_iter().take(w("W_NEAR", 1.0) as usize).map(sample).collect();
        let mut ranked: Vec<Candidate> = candidates
            .iter()
            .filter_map(|candidate| {
                let vector = known.get(&candidate.text)?;
                let mine = own.dot(&vector).to_vec();
                let apart =
                    others.iter().map(|other| auc::auc(&mine, &other.dot(&vector).to_vec())).sum::<f64>()
                        / others.len().max(1) as f64;
                let cos = f64::from(vector.dot(&aview1(&self.members[theme].centroid)));
                Some(Candidate {
                    worth: candidate.worth + w("W_AUC", 1.0) * apart + w("W_COS", 0.0) * cos,
                    ..candidate.clone()
                })
            })
            .collect();
        ranked.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.text.cmp(&b.text)));
        ranked
    }

    fn keywords(&self, theme: usize, terms: &Terms, known: &TextVectors, most: usize) -> Vec<String> {
        let terms = &terms.keywords[..terms.keywords.len().min(keywords::CANDIDATES)];
        let vectors = known.select(terms.iter().map(|term| term.text.as_str()));
        let weights: Vec<f64> = terms.iter().map(|term| term.weight).collect();
        let centroid = aview1(&self.members[theme].centroid);
        let chosen = keywords::choose(vectors.view(), &weights, centroid, most);
        chosen.into_iter().map(|place| terms[place].text.clone()).collect()
    }

    /// How well a label finds the rows held out.
    fn separation(&self, theme: usize, label: Option<ArrayView1<'_, f32>>) -> Option<Separation> {
        let (label, against) = (label?, *self.nearest(theme).first()?);
        let (own, other) = (&self.members[theme].held_out, &self.members[against].held_out);
        if own.len().min(other.len()) < LEAST_HELD_OUT {
            return None;
        }
        let cosines =
            |rows: &[usize]| rows.iter().map(|&row| self.vectors.row(row).dot(&label)).collect::<Vec<f32>>();
        Some(Separation { auc: auc::auc(&cosines(own), &cosines(other)), against: against as u32 })
    }

    /// The other themes by falling cosine of centroids; of equals the first.
    fn nearest(&self, theme: usize) -> Vec<usize> {
        let own = aview1(&self.members[theme].centroid);
        let cosine = |other: usize| own.dot(&aview1(&self.members[other].centroid));
        let mut others: Vec<(f32, usize)> =
            (0..self.members.len()).filter(|&o| o != theme).map(|o| (cosine(o), o)).collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        others.into_iter().map(|(_, other)| other).collect()
    }
}
