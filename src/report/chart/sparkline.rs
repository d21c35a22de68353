//! A handful of counts as a line the size of a word.

use super::trim;
use crate::report::format;
use crate::report::text::escape_html;

/// The line; empty for fewer than two values, which have no course.
pub fn line(values: &[u64]) -> String {
    if values.len() < 2 {
        return String::new();
    }
    let most = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = 68.0 / (values.len() - 1) as f64;
    let place = |(i, &value): (usize, &u64)| (2.0 + i as f64 * step, 20.0 - 17.0 * value as f64 / most);
    let places: Vec<(f64, f64)> = values.iter().enumerate().map(place).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{},{}", trim(*x), trim(*y))).collect();
    let (end_x, end_y) = places[places.len() - 1];
    let label = values.iter().map(|&value| format::count(value)).collect::<Vec<_>>().join(", ");
    format!(
        r#"<svg class="spark" width="72" height="22" viewBox="0 0 72 22" role="img" aria-label="By week: {0}"><title>By week: {0}</title><polyline points="{1}"/><circle cx="{2}" cy="{3}" r="2"/></svg>"#,
        escape_html(&label),
        path.join(" "),
        trim(end_x),
        trim(end_y)
    )
}
