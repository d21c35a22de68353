//! The rows a tree is grown over, with all that belongs to each.

use ndarray::{Array2, Axis};

use super::distinct::draw;
use super::smooth::{Smoothed, smooth};
use super::words::Words;

/// Distinct rows, all or a draw of them.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `(n, d)` rows as they came: what draws go by, so that they do not change with the mean.
    pub rows: Array2<f32>,
    /// `(n, d)` centred unit rows.
    pub centred: Array2<f32>,
    /// How often each counts.
    pub weights: Vec<f32>,
    /// Their words.
    pub words: Words,
}

impl Sample {
    /// Some of the rows, drawn by their own values.
    pub fn draw(&self, most: usize, seed: u64, stream: u64) -> Sample {
        let drawn = draw(self.rows.view(), most, seed, stream);
        Sample {
            rows: self.rows.select(Axis(0), &drawn),
            centred: self.centred.select(Axis(0), &drawn),
            weights: drawn.iter().map(|&row| self.weights[row]).collect(),
            words: self.words.select(&drawn),
        }
    }

    /// The rows smoothed over one another.
    pub fn smooth(&self) -> Smoothed {
        smooth(&self.centred, &self.words)
    }
}
