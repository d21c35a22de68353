//! One row of a forest plot: a difference of two rates about the line of no difference.

use super::{Scale, open, pct, vertical};
use crate::outcome::estimate::{Interval, Verdict};
use crate::report::names::verdict_class;

/// Height of a row in pixels.
const HEIGHT: u32 = 22;

/// Whisker and a mark whose shape tells the verdict without colour: filled square for worse, filled
/// diamond for better, hollow circle for the rest.
pub fn row(difference: &Interval, verdict: Verdict, scale: &Scale) -> String {
    let mut svg = open(&format!("plot {}", verdict_class(verdict)), HEIGHT, None);
    svg += &scale.grid(HEIGHT);
    svg += &vertical("zero", scale.at(0.0), 0, HEIGHT);
    let (low, high) = (pct(scale.at(difference.low)), pct(scale.at(difference.high)));
    svg += &format!(r#"<line class="whisker" x1="{low}" x2="{high}" y1="11" y2="11"/>"#);
    let x = pct(scale.at(difference.value));
    svg += &match verdict {
        // Shapes stand in a nested SVG of no size: its origin is the only way to move them by percent.
        Verdict::Worse => {
            format!(r#"<svg x="{x}" y="11" overflow="visible"><path d="M-4.5-4.5h9v9h-9z"/></svg>"#)
        }
        Verdict::Better => {
            format!(r#"<svg x="{x}" y="11" overflow="visible"><path d="M0-6l6 6-6 6-6-6z"/></svg>"#)
        }
        _ => format!(r#"<circle class="hollow" cx="{x}" cy="11" r="4"/>"#),
    };
    svg + "</svg>"
}
