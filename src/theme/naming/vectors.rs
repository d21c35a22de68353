//! Vectors of what a label could be made of: each distinct text is embedded once.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array1, Array2, ArrayView1, Axis, stack};

use super::Encode;
use crate::embed::Embedder;
use crate::theme::ThemeError;

/// `embedder` as [`super::describe`] wants it.
pub fn encode_with(embedder: &dyn Embedder) -> impl FnMut(&[&str]) -> Result<Array2<f32>, ThemeError> + '_ {
    |texts| {
        let encoded = embedder.encode(texts).map_err(|e| ThemeError::Encode(e.to_string()))?;
        let flat: Vec<f32> = encoded.into_iter().flat_map(|encoding| encoding.vector).collect();
        Array2::from_shape_vec((texts.len(), embedder.dimensions()), flat)
            .map_err(|e| ThemeError::Encode(e.to_string()))
    }
}

/// The same `encode`, which is asked for no text twice.
pub fn remembering(
    mut encode: impl FnMut(&[&str]) -> Result<Array2<f32>, ThemeError>,
) -> impl FnMut(&[&str]) -> Result<Array2<f32>, ThemeError> {
    let mut known: BTreeMap<String, Array1<f32>> = BTreeMap::new();
    move |texts| {
        let new: BTreeSet<&str> = texts.iter().copied().filter(|text| !known.contains_key(*text)).collect();
        let new: Vec<&str> = new.into_iter().collect();
        if texts.is_empty() {
            return encode(texts);
        }
        if !new.is_empty() {
            let rows = encode(&new)?;
            known.extend(new.iter().zip(rows.rows()).map(|(text, row)| ((*text).to_owned(), row.to_owned())));
        }
        let rows: Vec<ArrayView1<'_, f32>> =
            texts.iter().filter_map(|text| Some(known.get(*text)?.view())).collect();
        stack(Axis(0), &rows).map_err(|error| ThemeError::Encode(error.to_string()))
    }
}

/// Vectors of texts, by text.
pub struct TextVectors {
    places: BTreeMap<String, usize>,
    rows: Array2<f32>,
}

impl TextVectors {
    /// Of every distinct one of `texts`, embedded in order of the alphabet.
    pub fn of<'t>(
        texts: impl Iterator<Item = &'t str>,
        encode: &mut Encode<'_>,
    ) -> Result<TextVectors, ThemeError> {
        let mut places: BTreeMap<String, usize> = texts.map(|text| (text.to_owned(), 0)).collect();
        places.values_mut().zip(0..).for_each(|(place, next)| *place = next);
        let distinct: Vec<&str> = places.keys().map(String::as_str).collect();
        let rows = encode(&distinct)?;
        if rows.nrows() != distinct.len() {
            let reason = format!("{} vectors for {} texts", rows.nrows(), distinct.len());
            return Err(ThemeError::Encode(reason));
        }
        Ok(TextVectors { places, rows })
    }

    /// The vector of a text; `None` if it was not among them.
    pub fn get(&self, text: &str) -> Option<ArrayView1<'_, f32>> {
        Some(self.rows.row(*self.places.get(text)?))
    }

    /// The vectors of those of `texts` that were among them, `(texts, d)`.
    pub fn select<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Array2<f32> {
        let places: Vec<usize> = texts.filter_map(|text| self.places.get(text).copied()).collect();
        self.rows.select(Axis(0), &places)
    }
}
