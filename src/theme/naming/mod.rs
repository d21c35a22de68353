//! Naming: what each theme is called, by which words it is known, and how well its name alone finds its members.
//!
//! A step of its own after grouping: it takes rows and their labels, whoever made them. The label is
//! made from four fifths of a theme's texts and scored on the rest.

mod auc;
mod members;
mod terms;
mod title;

use ndarray::{Array2, ArrayView1, ArrayView2, aview1};
use serde::{Deserialize, Serialize};

use super::{ThemeError, ThemeParams, check_rows};
use members::{Members, members};

/// Fewest held-out rows, on either side, that score a label.
const LEAST_HELD_OUT: usize = 5;

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
    let rows: Vec<Vec<usize>> = members.iter().map(|members| members.naming.clone()).collect();
    let terms = terms::terms(texts, &rows);
    let names = title::names(texts, &rows, &terms);
    let separations = match encode {
        Some(encode) => separations(vectors, &members, &names, encode)?,
        None => vec![None; count],
    };
    let mut described = Vec::with_capacity(count);
    for ((members, terms), (name, separation)) in
        members.into_iter().zip(&terms).zip(names.into_iter().zip(separations))
    {
        described.push(Description {
            name,
            keywords: terms.keywords.iter().take(params.keywords).map(|term| term.text.clone()).collect(),
            representative: members.representative,
            size: members.size,
            centroid: members.centroid,
            separation,
        });
    }
    Ok(described)
}

/// Scores each name on the rows held out.
fn separations(
    vectors: ArrayView2<'_, f32>,
    members: &[Members],
    names: &[String],
    encode: &mut Encode<'_>,
) -> Result<Vec<Option<Separation>>, ThemeError> {
    let said: Vec<&str> = names.iter().map(String::as_str).collect();
    let labels = encode(&said)?;
    let of = |theme: usize| {
        let against = nearest(members, theme)?;
        let (own, other) = (&members[theme].held_out, &members[against].held_out);
        if own.len().min(other.len()) < LEAST_HELD_OUT {
            return None;
        }
        let label = labels.row(theme);
        let auc = auc::auc(&cosines(vectors, own, label), &cosines(vectors, other, label));
        Some(Separation { auc, against: against as u32 })
    };
    Ok((0..members.len()).map(of).collect())
}

fn cosines(vectors: ArrayView2<'_, f32>, rows: &[usize], label: ArrayView1<'_, f32>) -> Vec<f32> {
    rows.iter().map(|&row| vectors.row(row).dot(&label)).collect()
}

/// The other theme with the largest cosine of centroids, the first of equals.
fn nearest(members: &[Members], theme: usize) -> Option<usize> {
    let own = aview1(&members[theme].centroid);
    let cosine = |other: usize| own.dot(&aview1(&members[other].centroid));
    let others = (0..members.len()).filter(|&other| other != theme);
    others.reduce(|best, other| if cosine(other) > cosine(best) { other } else { best })
}
