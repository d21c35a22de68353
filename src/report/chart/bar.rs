//! A theme's share as a bar, coloured by its friction.

use super::{Scale, open, pct};

/// Steps of the friction colours, calm to rough.
pub const FRICTION_STEPS: usize = 5;

/// The colour step 0..=4 of a friction 0..=1. Friction above 0.8 is rare, so the last step is wide.
pub fn friction_step(friction: f64) -> usize {
    if friction.is_finite() { ((friction * 8.0).max(0.0) as usize).min(FRICTION_STEPS - 1) } else { 0 }
}

/// One bar; length is the share, colour the friction.
pub fn share(share: f64, friction: f64, scale: &Scale) -> String {
    let class = format!("plot friction-{}", friction_step(friction));
    let width = pct(scale.at(share).max(0.4));
    let body = format!(r#"<rect class="body" x="0" y="4" width="{width}" height="14" rx="2"/>"#);
    open(&class, 22, None) + &scale.grid(22) + &body + "</svg>"
}

/// A plain bar with a reference line, e.g. a signal's share in a theme against its share everywhere.
pub fn marked(share: f64, mark: Option<f64>, scale: &Scale) -> String {
    let width = pct(scale.at(share));
    let body = format!(r#"<rect class="body" x="0" y="4" width="{width}" height="10" rx="2"/>"#);
    let mark = mark.map_or_else(String::new, |mark| super::vertical("mark", scale.at(mark), 0, 18));
    open("plot plain", 18, None) + &body + &mark + "</svg>"
}
