//! A map of conversations: two coordinates for each row of a sample, near where their vectors are near.
//!
//! Rows are drawn theme by theme ([`draw`]), told by their leading components ([`components`]), and
//! laid out by t-SNE (van der Maaten and Hinton, 2008): [`affinity`] says who is near to whom,
//! [`descent`] moves the points.
//!
//! The library for this, linfa-tsne 0.8 over bhtsne 0.4, was tried and left out. Its Barnes-Hut
//! variant draws vantage points from the thread's own generator, so two runs differ; its exact one
//! repeats but took 43 ms a step for 2,000 points, where this takes 3 on two cores; and its first layout
//! is noise. Here the pull is of near neighbours and the push of all points, exactly.

mod affinity;
mod components;
mod descent;
mod draw;

use std::collections::BTreeMap;

use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{ThemeError, check_finite};
use crate::progress::Progress;
use affinity::Affinities;

/// Components that distances are taken over: topics stay apart, noise of the rest is gone.
const COMPONENTS: usize = 50;

/// Rows under which the first two components are the map: they have no neighbourhoods to keep.
const FEWEST: usize = 10;

/// Steps of a coordinate: a ten-thousandth of the picture, finer than a pixel.
const STEPS: f32 = 10_000.0;

/// How a map is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapParams {
    /// Points, at most, 1..=10,000; time grows with the square.
    pub sample: usize,
    /// Neighbours a point feels, about, 1..=1,000; less is used where rows are fewer than three times that.
    pub perplexity: f64,
    /// Steps of the descent, 1..=100,000.
    pub iterations: usize,
    /// Seeds the draw and the first layout.
    pub seed: u64,
}

impl Default for MapParams {
    fn default() -> MapParams {
        MapParams { sample: 2_000, perplexity: 30.0, iterations: 750, seed: 0 }
    }
}

impl MapParams {
    /// Refuses values out of range, naming the first one.
    pub fn validate(&self) -> Result<(), ThemeError> {
        let ranges = [
            ("map.sample", self.sample as f64, 10_000),
            ("map.perplexity", self.perplexity, 1_000),
            ("map.iterations", self.iterations as f64, 100_000),
        ];
        for (name, value, most) in ranges {
            if !(value >= 1.0 && value <= f64::from(most)) {
                let must = format!("be in 1..={most}");
                return Err(ThemeError::Param { name, value: value.to_string(), must });
            }
        }
        Ok(())
    }
}

/// A picture of the rows in the unit square.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Rows drawn, ascending.
    pub points: Vec<MapPoint>,
    /// Themes with a point, ascending.
    pub themes: Vec<ThemePlace>,
}

/// A row on the map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MapPoint {
    /// Its row among those given.
    pub row: usize,
    /// To the right, 0..=1, to four decimals.
    pub x: f32,
    /// Upwards, 0..=1, on the same scale.
    pub y: f32,
    /// Its theme; `None` is noise.
    pub theme: Option<u32>,
}

/// Where a theme lies on the map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThemePlace {
    /// The theme.
    pub theme: u32,
    /// Of its most central point: always among its points, in the larger part of a theme in two parts.
    pub x: f32,
    /// Of the same point.
    pub y: f32,
    /// Half of the theme's points are within, in units of the square; 0 for one point.
    pub radius: f32,
    /// Its points.
    pub points: usize,
}

/// Lays out a sample of `vectors`, `(n, d)` finite unit rows; `labels` holds each row's theme.
///
/// The same rows in the same order give the same map, whatever the number of threads, and the same
/// rows in another order give each the same place, but for copies of a row, which may swap. The first
/// layout is the first two components, so that a night's map resembles the last one: with a twentieth
/// of the rows gone, half of the points of six real sets of 900 rows and more moved by less than 0.08.
/// Where no two components stand out (a few hundred unrelated prompts) it may come out mirrored or turned.
///
/// # Errors
/// Parameters out of range, labels that do not match, vectors that are not finite.
pub fn layout(
    vectors: ArrayView2<'_, f32>,
    labels: &[Option<u32>],
    params: &MapParams,
    progress: &Progress,
) -> Result<Map, ThemeError> {
    params.validate()?;
    if vectors.nrows() != labels.len() {
        let reason = format!("{} vectors but {} labels: each row needs both", vectors.nrows(), labels.len());
        return Err(ThemeError::Fit { algorithm: "map", reason });
    }
    check_finite(vectors)?;
    progress.begin("map", Some(params.iterations as u64), "steps");
    let drawn = draw::draw(vectors, labels, params.sample, params.seed);
    let rows: Vec<usize> = drawn.iter().map(|drawn| drawn.row).collect();
    let told = components::leading(vectors.select(Axis(0), &rows).view(), COMPONENTS);
    let places = if rows.len() < FEWEST || !components::spread(&told) {
        descent::first_two(&told)
    } else {
        let start = descent::start(&told, &drawn);
        let affinities = Affinities::of(&told, params.perplexity);
        descent::descend(start, &affinities, params.iterations, progress)
    };
    let mut points: Vec<MapPoint> = std::iter::zip(rows, fit_square(&places))
        .map(|(row, [x, y])| MapPoint { row, x, y, theme: labels[row] })
        .collect();
    points.sort_unstable_by_key(|point| point.row);
    progress.finish(&format!("{} of {} conversations on the map", points.len(), labels.len()));
    Ok(Map { themes: theme_places(&points), points })
}

/// The places in the unit square, in its middle, one scale for both axes, rounded to `STEPS`.
fn fit_square(places: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let range = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        (values.clone().fold(f32::INFINITY, f32::min), values.fold(f32::NEG_INFINITY, f32::max))
    };
    let ranges = [range(0), range(1)];
    let span = (ranges[0].1 - ranges[0].0).max(ranges[1].1 - ranges[1].0);
    let scaled = |place: &[f32; 2], axis: usize| {
        let (low, high) = ranges[axis];
        let part = if span > 0.0 { (place[axis] - (low + high) / 2.0) / span } else { 0.0 };
        ((part + 0.5).clamp(0.0, 1.0) * STEPS).round() / STEPS
    };
    places.iter().map(|place| [scaled(place, 0), scaled(place, 1)]).collect()
}

/// The place of every theme that has a point.
fn theme_places(points: &[MapPoint]) -> Vec<ThemePlace> {
    let mut members: BTreeMap<u32, Vec<[f32; 2]>> = BTreeMap::new();
    for point in points {
        if let Some(theme) = point.theme {
            members.entry(theme).or_default().push([point.x, point.y]);
        }
    }
    members.into_iter().map(|(theme, places)| theme_place(theme, &places)).collect()
}

/// The medoid of a theme's points, and how far their nearer half reaches from it.
fn theme_place(theme: u32, places: &[[f32; 2]]) -> ThemePlace {
    let distances = |from: [f32; 2]| {
        places.iter().map(move |to| (from[0] - to[0]).hypot(from[1] - to[1])).collect::<Vec<f32>>()
    };
    let nearness = places.iter().map(|&place| -distances(place).iter().sum::<f32>());
    let [x, y] = places[super::cluster::greatest(nearness)];
    let mut reach = distances([x, y]);
    reach.sort_unstable_by(f32::total_cmp);
    let radius = (reach[reach.len() / 2] * STEPS).round() / STEPS;
    ThemePlace { theme, x, y, radius, points: places.len() }
}

#[cfg(test)]
mod tests;
