//! What each number of themes, radius or smallest theme gives, as lines over the values tried.

use super::{Scale, open, pct, trim, vertical};
use crate::report::text::escape_html;

/// Rules of these plots, for the report's style sheet and for a picture that stands alone.
pub const CSS: &str = include_str!("../templates/tuning.css");

/// Height of the plot in pixels, without legend and labels.
const HEIGHT: f64 = 160.0;
/// Height of the line above it that names the lines.
const LEGEND: f64 = 24.0;
/// Height of one plot with all that belongs to it.
const WHOLE: u32 = 212;
/// Least distance of two labels of the horizontal axis, percent of the width.
const APART: f64 = 6.0;

/// One plot.
pub struct Plot<'a> {
    /// What it shows, for those who cannot see it.
    pub label: &'a str,
    /// What the horizontal axis counts, e.g. `themes`.
    pub unit: &'a str,
    /// Values tried, above 0, rising.
    pub values: &'a [f64],
    /// Up to three lines: name and a share for each value; below 0 is drawn as 0.
    pub lines: &'a [(&'a str, Vec<f64>)],
    /// The value to mark.
    pub chosen: Option<f64>,
}

/// The plot; empty where fewer than two values were tried.
pub fn plot(plot: &Plot<'_>) -> String {
    let (Some(&first), Some(&last)) = (plot.values.first(), plot.values.last()) else {
        return String::new();
    };
    if last <= first {
        return String::new();
    }
    let axis = Axis { first, last };
    let largest = plot.lines.iter().flat_map(|(_, line)| line).fold(0.0_f64, |a, &b| a.max(b));
    let scale = Scale::from_zero(largest, 1.0);
    let mut svg = open("curve tuning", WHOLE, Some(plot.label));
    svg += &scale.levels(|value| height_of(value, &scale), trim);
    for (place, (name, line)) in plot.lines.iter().enumerate() {
        let x = 9.0 + 30.0 * place as f64;
        svg += &format!(r#"<text class="line-{place}" x="{}" y="13">{}</text>"#, pct(x), escape_html(name));
        svg += &polyline(place, plot.values, line, &axis, &scale);
    }
    if let Some(chosen) = plot.chosen {
        svg += &vertical("chosen", axis.at(chosen), LEGEND as u32, (LEGEND + HEIGHT) as u32);
    }
    svg += &hovers(plot, &axis, &scale);
    svg += &axis.labels(plot);
    svg + "</svg>"
}

/// Plots under their headings as one SVG file, light or dark as the reader's screen is.
pub fn picture(title: &str, plots: &[(String, String)]) -> String {
    let mut body = format!(r#"<text class="title" x="24" y="40">{}</text>"#, escape_html(title));
    let mut y = 64;
    for (heading, plot) in plots.iter().filter(|(_, plot)| !plot.is_empty()) {
        body += &format!(
            r#"<text class="heading" x="24" y="{}">{}</text><svg x="24" y="{}" width="712" height="{WHOLE}">{plot}</svg>"#,
            y + 16,
            escape_html(heading),
            y + 28,
        );
        y += 28 + WHOLE + 20;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{y}\" viewBox=\"0 0 760 {y}\">\
         <style>{}{CSS}</style><rect class=\"paper\" width=\"760\" height=\"{y}\"/>{body}</svg>\n",
        include_str!("../templates/picture.css"),
    )
}

/// The horizontal axis: ratios, so that 10 to 20 is as wide as 100 to 200.
struct Axis {
    first: f64,
    last: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let place = (value / self.first).ln() / (self.last / self.first).ln();
        // The left is kept free for the labels of the levels.
        9.0 + 89.0 * place.clamp(0.0, 1.0)
    }

    fn labels(&self, plot: &Plot<'_>) -> String {
        let mut right = f64::NEG_INFINITY;
        let mut labels = String::new();
        for (place, &value) in plot.values.iter().enumerate() {
            let x = self.at(value);
            if x - right < APART {
                continue;
            }
            let unit = if place == 0 { format!(" {}", plot.unit) } else { String::new() };
            // The first label carries the unit and is wider.
            right = if place == 0 { x + APART } else { x };
            labels += &format!(
                r#"<text x="{}" y="{}" text-anchor="{}">{}{}</text>"#,
                pct(x),
                LEGEND + HEIGHT + 20.0,
                if place == 0 { "start" } else { "middle" },
                trim(value),
                escape_html(&unit)
            );
        }
        labels
    }
}

fn height_of(value: f64, scale: &Scale) -> f64 {
    // Six pixels of air keep the top label inside.
    LEGEND + HEIGHT - (HEIGHT - 6.0) * scale.at(value) / 100.0
}

/// Paths know no percent, so they live in a stretched square of 100 by the height.
fn polyline(class: usize, values: &[f64], line: &[f64], axis: &Axis, scale: &Scale) -> String {
    let place = |(&value, &share): (&f64, &f64)| {
        format!("{},{}", trim(axis.at(value)), trim(height_of(share, scale)))
    };
    let points: Vec<String> = values.iter().zip(line).map(place).collect();
    format!(
        r#"<svg width="100%" height="{WHOLE}" viewBox="0 0 100 {WHOLE}" preserveAspectRatio="none"><polyline class="line-{class}" points="{}"/></svg>"#,
        points.join(" ")
    )
}

/// Dots on the first line that say all of them.
fn hovers(plot: &Plot<'_>, axis: &Axis, scale: &Scale) -> String {
    let Some((_, main)) = plot.lines.first() else { return String::new() };
    let hover = |(place, (&value, &share)): (usize, (&f64, &f64))| {
        let of = |(name, line): &(&str, Vec<f64>)| {
            format!("{name} {}", line.get(place).map_or_else(String::new, |value| format!("{value:.2}")))
        };
        let said: Vec<String> = plot.lines.iter().map(of).collect();
        format!(
            r#"<circle cx="{}" cy="{}" r="2.5"><title>{} {}: {}</title></circle>"#,
            pct(axis.at(value)),
            trim(height_of(share, scale)),
            trim(value),
            escape_html(plot.unit),
            escape_html(&said.join(", "))
        )
    };
    plot.values.iter().zip(main).enumerate().map(hover).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64], chosen: Option<f64>) -> String {
        let share: Vec<f64> = values.iter().map(|value| value / 100.0 - 0.05).collect();
        plot(&Plot { label: "a <label>", unit: "themes", values, lines: &[("score", share)], chosen })
    }

    #[test]
    fn values_lie_by_their_ratio_and_the_chosen_one_is_marked() {
        let svg = drawn(&[2.0, 8.0, 32.0], Some(8.0));
        assert!(svg.contains(r#"class="chosen" x1="53.5%""#), "{svg}");
        assert!(svg.contains("a &lt;label&gt;") && svg.contains("32 themes: score 0.27"), "{svg}");
        assert!(!drawn(&[2.0, 8.0], None).contains("chosen"));
    }

    #[test]
    fn one_value_is_no_curve() {
        assert_eq!(drawn(&[], None) + &drawn(&[3.0], Some(3.0)), "");
    }

    #[test]
    fn a_picture_stands_alone() {
        let svg = picture(
            "Themes & more",
            &[("k".into(), drawn(&[2.0, 8.0], None)), ("none".into(), String::new())],
        );
        assert!(
            svg.starts_with("<svg xmlns=") && svg.contains("Themes &amp; more") && !svg.contains(">none<")
        );
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert!(
            !svg.contains("http://") || svg.matches("http").count() == 1,
            "no other address than the name space"
        );
    }
}
