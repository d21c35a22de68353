//! Conversations by day with the bad ones at the foot of each column.

use super::{open, pct};
use crate::report::format;
use crate::report::view::DayCount;

/// Height of the columns in pixels.
const HEIGHT: f64 = 72.0;

/// The columns; empty without days.
pub fn columns(days: &[DayCount]) -> String {
    let most = days.iter().map(|day| day.conversations).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let label = format!("Conversations by day, at most {}", format::count(most));
    let mut svg = open("days", HEIGHT as u32, Some(&label));
    let width = 100.0 / days.len() as f64;
    for (place, day) in days.iter().enumerate() {
        // Few days would give slabs; columns stay slender.
        let column = (width * 0.72).min(4.0);
        let x = pct(place as f64 * width + (width - column) / 2.0);
        let all = HEIGHT * day.conversations as f64 / most as f64;
        let bad = HEIGHT * day.bad as f64 / most as f64;
        let title = format!(
            "{}: {}, {} bad",
            format::day(&day.date),
            format::counted(day.conversations, "conversation"),
            format::count(day.bad)
        );
        svg += &format!("<g><title>{}</title>", crate::report::text::escape_html(&title));
        for (class, height) in [("all", all), ("bad", bad)] {
            if height > 0.0 {
                let y = super::trim(HEIGHT - height);
                let (width, height) = (pct(column), super::trim(height));
                svg +=
                    &format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#);
            }
        }
        svg += "</g>";
    }
    svg + "</svg>"
}
