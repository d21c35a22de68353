//! Pictures as inline SVG, drawn here so that the page needs no script and no network.
//!
//! Horizontal positions are in percent of the width and heights in pixels: the same markup fits a
//! phone and a wide screen, and its text is never scaled.

pub mod bar;
pub mod curve;
pub mod days;
pub mod difference;
pub mod interval;
pub mod map;
pub mod sparkline;
pub mod sweep;
pub mod tone;
pub mod tuning;

use super::text::escape_html;

/// A horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// 0 to a round number at or above `largest`, never beyond `limit`.
    pub fn from_zero(largest: f64, limit: f64) -> Scale {
        let step = round_step(largest.max(1e-6) / 4.0);
        let high = ((largest / step - 1e-9).ceil().max(1.0) * step).min(limit);
        Scale { low: 0.0, high, step }
    }

    /// Symmetric about zero, so that the eye compares both sides.
    pub fn around_zero(largest: f64) -> Scale {
        let step = round_step(largest.max(1e-6) / 3.0);
        let high = (largest / step - 1e-9).ceil().max(1.0) * step;
        Scale { low: -high, high, step }
    }

    /// Position in percent of the width, kept on the axis.
    pub fn at(&self, value: f64) -> f64 {
        let place = 100.0 * (value - self.low) / (self.high - self.low);
        if place.is_finite() { place.clamp(0.0, 100.0) } else { 0.0 }
    }

    /// Labelled values, ends included.
    pub fn ticks(&self) -> Vec<f64> {
        let steps = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        (0..=steps).map(|i| self.low + i as f64 * self.step).collect()
    }

    /// The ticks as lines across a plot whose first 9 percent hold their labels; `height`: a value's y.
    pub fn levels(&self, height: impl Fn(f64) -> f64, label: impl Fn(f64) -> String) -> String {
        let level = |tick: &f64| {
            let (y, label) = (trim(height(*tick)), label(*tick));
            format!(
                r#"<line class="grid" x1="9%" x2="100%" y1="{y}" y2="{y}"/><text x="7.5%" y="{y}" dy="4" text-anchor="end">{label}</text>"#
            )
        };
        self.ticks().iter().map(level).collect()
    }

    /// The ticks as a row of labels to stand under plots of the same width.
    pub fn axis(&self, label: impl Fn(f64) -> String) -> String {
        let mut svg = open("axis", 18, None);
        let ticks = self.ticks();
        for (place, &tick) in ticks.iter().enumerate() {
            let x = self.at(tick);
            // A phone has room for every second label only; ends and zero are never in between.
            let class = if ticks.len() > 4 && place % 2 == 1 { r#" class="between""# } else { "" };
            let anchor = match x {
                x if x < 1.0 => "start",
                x if x > 99.0 => "end",
                _ => "middle",
            };
            svg += &format!(
                r#"<text{class} x="{}" y="13" text-anchor="{anchor}">{}</text>"#,
                pct(x),
                escape_html(&label(tick))
            );
        }
        svg + "</svg>"
    }

    /// Thin vertical lines at the ticks of a plot `height` pixels high.
    fn grid(&self, height: u32) -> String {
        self.ticks().iter().map(|&tick| vertical("grid", self.at(tick), 0, height)).collect()
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at or above `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|f| f * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A tick's label in percent, without digits nobody needs.
pub fn percent_tick(share: f64) -> String {
    let value = share * 100.0;
    if (value - value.round()).abs() < 1e-6 { format!("{value:.0}%") } else { format!("{value:.1}%") }
}

/// A tick's label in percentage points.
pub fn points_tick(share: f64) -> String {
    let value = share * 100.0;
    let decimals = if (value - value.round()).abs() < 1e-6 { 0 } else { 1 };
    super::format::signed(value, decimals)
}

/// Opens an SVG of full width. With a label it is a picture to screen readers, without one decoration.
fn open(class: &str, height: u32, label: Option<&str>) -> String {
    let role = match label {
        Some(label) => format!(r#"role="img" aria-label="{}""#, escape_html(label)),
        None => r#"aria-hidden="true""#.to_string(),
    };
    format!(r#"<svg class="{class}" width="100%" height="{height}" {role}>"#)
}

fn vertical(class: &str, x: f64, from: u32, to: u32) -> String {
    format!(r#"<line class="{class}" x1="{0}" x2="{0}" y1="{from}" y2="{to}"/>"#, pct(x))
}

/// A position with at most two decimals: enough for a pixel, and the same bytes everywhere.
fn pct(value: f64) -> String {
    format!("{}%", trim(value))
}

fn trim(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}
