//! A retention curve with its interval as a band.

use super::{Scale, open, pct, percent_tick, trim};
use crate::outcome::retention::CurvePoint;
use crate::report::format;

/// Height of the plot in pixels, without the labels of the days.
const HEIGHT: f64 = 170.0;

/// The curve from day 1 on. Day 0 is everybody by definition and would flatten all the rest.
pub fn retention(points: &[CurvePoint], name: &str, largest: f64) -> String {
    let shown: Vec<&CurvePoint> = points.iter().filter(|p| p.day > 0 && p.rate.of > 0).collect();
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return String::new();
    };
    let scale = Scale::from_zero(largest, 1.0);
    let days = Days { first: first.day, last: last.day };
    let label = format!(
        "{name}: {} on day {}, {} on day {}",
        format::percent(first.rate.interval.value),
        first.day,
        format::percent(last.rate.interval.value),
        last.day
    );
    let mut svg = open("curve", HEIGHT as u32 + 26, Some(&label));
    svg += &scale.levels(|value| height_of(value, &scale), percent_tick);
    svg += &lines(&shown, &scale, &days);
    for point in &shown {
        svg += &hover(point, &scale, &days);
    }
    svg += &days.labels();
    svg + "</svg>"
}

/// The horizontal axis: whole days.
struct Days {
    first: u32,
    last: u32,
}

impl Days {
    fn at(&self, day: u32) -> f64 {
        // The left is kept free for the labels of the levels.
        let span = self.last.saturating_sub(self.first).max(1);
        9.0 + 89.0 * f64::from(day - self.first) / f64::from(span)
    }

    fn labels(&self) -> String {
        let weeks = (self.first..=self.last).filter(|day| *day == self.first || day % 7 == 0);
        let step = if self.last - self.first > 56 { 28 } else { 7 };
        let kept = weeks.filter(|day| *day == self.first || (day % step == 0 && day - self.first > 3));
        let label = |day: u32| {
            let name = if day == self.first { format!("day {day}") } else { day.to_string() };
            format!(
                r#"<text x="{}" y="{}" text-anchor="middle">{name}</text>"#,
                pct(self.at(day)),
                HEIGHT + 20.0
            )
        };
        kept.map(label).collect()
    }
}

fn height_of(value: f64, scale: &Scale) -> f64 {
    // Six pixels of air keep the top label inside.
    HEIGHT - (HEIGHT - 12.0) * scale.at(value) / 100.0
}

/// Band and line. Paths know no percent, so they live in a stretched square of 100 by the height.
fn lines(shown: &[&CurvePoint], scale: &Scale, days: &Days) -> String {
    let place = |point: &CurvePoint, value: f64| {
        format!("{},{}", trim(days.at(point.day)), trim(height_of(value, scale)))
    };
    let middle: Vec<String> = shown.iter().map(|p| place(p, p.rate.interval.value)).collect();
    let upper = shown.iter().map(|p| place(p, p.rate.interval.high));
    let lower = shown.iter().rev().map(|p| place(p, p.rate.interval.low));
    let band: Vec<String> = upper.chain(lower).collect();
    format!(
        r#"<svg width="100%" height="{HEIGHT}" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none"><polygon class="band" points="{}"/><polyline points="{}"/></svg>"#,
        band.join(" "),
        middle.join(" ")
    )
}

fn hover(point: &CurvePoint, scale: &Scale, days: &Days) -> String {
    format!(
        r#"<circle cx="{}" cy="{}" r="2.5"><title>Day {}: {}, {} users</title></circle>"#,
        pct(days.at(point.day)),
        trim(height_of(point.rate.interval.value, scale)),
        point.day,
        format::rate(&point.rate),
        format::ratio_of(&point.rate)
    )
}
