//! A rate as a dot with its interval as a whisker, optionally on a bar from zero.

use super::{Scale, open, pct, vertical};
use crate::outcome::estimate::{Interval, Rate};

/// Height of a row in pixels.
const HEIGHT: u32 = 22;

/// Dot and whisker. `tone` is a class of the style sheet: `bad`, `plain`, `better` ...; `mark` draws a
/// reference line, e.g. the rate of everybody.
pub fn dot(rate: &Rate, scale: &Scale, tone: &str, mark: Option<f64>) -> String {
    let mut svg = open(&format!("plot {tone}"), HEIGHT, None);
    svg += &scale.grid(HEIGHT);
    if let Some(mark) = mark {
        svg += &vertical("mark", scale.at(mark), 0, HEIGHT);
    }
    if rate.of > 0 {
        svg += &whisker(&rate.interval, scale);
        svg += &format!(r#"<circle cx="{}" cy="11" r="4.5"/>"#, pct(scale.at(rate.interval.value)));
    }
    svg + "</svg>"
}

/// The same on a pale bar from zero: for the comparison of two groups, where length is read first.
pub fn bar(rate: &Rate, scale: &Scale, tone: &str) -> String {
    let mut svg = open(&format!("plot {tone}"), 30, None);
    svg += &scale.grid(30);
    if rate.of > 0 {
        let width = pct(scale.at(rate.interval.value));
        svg += &format!(r#"<rect class="body" x="0" y="5" width="{width}" height="20" rx="2"/>"#);
        let (low, high) = (pct(scale.at(rate.interval.low)), pct(scale.at(rate.interval.high)));
        svg += &format!(r#"<line class="whisker" x1="{low}" x2="{high}" y1="15" y2="15"/>"#);
        svg += &format!(r#"<line class="cap" x1="{low}" x2="{low}" y1="11" y2="19"/>"#);
        svg += &format!(r#"<line class="cap" x1="{high}" x2="{high}" y1="11" y2="19"/>"#);
        svg += &format!(r#"<circle cx="{width}" cy="15" r="4.5"/>"#);
    }
    svg + "</svg>"
}

fn whisker(interval: &Interval, scale: &Scale) -> String {
    let (low, high) = (pct(scale.at(interval.low)), pct(scale.at(interval.high)));
    format!(r#"<line class="whisker" x1="{low}" x2="{high}" y1="11" y2="11"/>"#)
}
