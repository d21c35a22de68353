//! Naming: what each theme is called, by which words it is known, and how well its name alone finds its members.
//!
//! A step of its own after grouping: it takes rows and their labels, whoever made them. The label is
//! made from four fifths of a theme's texts and scored on the rest.

mod auc;
mod keywords;
mod members;
mod phrase;
mod scene;
mod terms;
mod title;
mod vectors;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Theme, ThemeError, ThemeParams, check_rows};
use members::{Members, members};
use scene::Scene;
use terms::Terms;
use title::Candidate;
pub use vectors::{encode_with, remembering};

/// Turns texts into unit rows, `(texts, d)`, with the encoder that made the vectors. The same text
/// gives the same row.
pub type Encode<'a> = dyn FnMut(&[&str]) -> Result<Array2<f32>, ThemeError> + 'a;

/// Titles from before that hold.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// By label, the title that the theme keeps; labels past the end have none. No two alike.
    pub kept: Vec<Option<&'a str>>,
    /// Titles that none of the themes may take.
    pub taken: Vec<&'a str>,
}

impl Given<'_> {
    fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.kept.iter().all(Option::is_none)
    }
}

/// How well a theme's name alone tells its held-out members from those of the nearest theme.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// P(cosine of name and member > cosine of name and the other's member), ties half, 0..=1.
    pub auc: f64,
    /// The theme whose centroid has the largest cosine with this one's, of those with enough members to tell.
    pub against: u32,
}

/// Describes the themes of `vectors`, `(n, d)` finite unit rows. `texts`: one request per row;
/// `labels`: each row's theme, `0..count`, every number used; `None` is noise. `given`: titles from before.
/// In order of label, which is their `id`.
///
/// # Errors
/// Rows that do not match, vectors that are not finite, and what `encode` returns.
pub fn describe(
    vectors: ArrayView2<'_, f32>,
    texts: &[&str],
    labels: &[Option<u32>],
    params: &ThemeParams,
    encode: Option<&mut Encode<'_>>,
    given: &Given<'_>,
) -> Result<Vec<Theme>, ThemeError> {
    check_rows(vectors, texts)?;
    if labels.len() != texts.len() {
        return Err(ThemeError::Rows { vectors: labels.len(), texts: texts.len() });
    }
    let count = labels.iter().flatten().max().map_or(0, |label| *label as usize + 1);
    if count == 0 {
        return Ok(Vec::new());
    }
    let members = members(vectors, texts, labels, count);
    let rows: Vec<&[usize]> = members.iter().map(|members| members.naming.as_slice()).collect();
    let terms = terms::terms(texts, &rows);
    let drafts: Vec<Vec<Candidate>> =
        rows.iter().zip(&terms).map(|(rows, terms)| title::candidates(texts, rows, terms)).collect();
    // Themes of one size choose in order of what they are about: rows come in any order.
    let mut order: Vec<usize> = (0..count).collect();
    order
        .sort_by_key(|&theme| (std::cmp::Reverse(members[theme].size), texts[members[theme].representative]));
    let labels = match encode {
        Some(encode) => {
            let scene = Scene { vectors, members: &members };
            scene.label(texts, &terms, drafts, &order, given, params.keywords, encode)?
        }
        None => title::titles(texts, &rows, &terms, &drafts, &order, given)
            .zip(&terms)
            .map(|((name, automatic_name), terms)| Label {
                name,
                automatic_name,
                keywords: strongest(terms, params.keywords),
                separation: None,
            })
            .collect(),
    };
    let theme = |(id, (members, label)): (u32, (Members, Label))| Theme {
        id,
        name: label.name,
        automatic_name: label.automatic_name,
        keywords: label.keywords,
        representative: members.representative,
        size: members.size,
        centroid: members.centroid,
        separation: label.separation,
    };
    Ok((0..).zip(members.into_iter().zip(labels)).map(theme).collect())
}

/// What is said of a theme's meaning.
struct Label {
    name: String,
    automatic_name: String,
    keywords: Vec<String>,
    separation: Option<Separation>,
}

fn strongest(terms: &Terms, most: usize) -> Vec<String> {
    terms.keywords.iter().take(most).map(|term| term.text.clone()).collect()
}

#[cfg(test)]
mod tests;
