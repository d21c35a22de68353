//! The map: a point per conversation, near where its request is near; coloured by its theme's friction.

use super::super::text::escape_html;
use super::bar::friction_step;
use super::pct;
use crate::report::view::ThemeFacts;
use crate::theme::map::{Map, ThemePlace};

/// Pixels that labels are placed for: the picture's width on a desk and on a phone, a letter's, a line's.
const DESK: f64 = 720.0;
const PHONE: f64 = 340.0;
const LETTER: f64 = 7.0;
const LINE: f64 = 20.0;
/// Labels at most.
const LABELS: usize = 18;
/// Letters of a label.
const LETTERS: usize = 30;
/// The square is drawn a little smaller, so that no label leaves it.
const MARGIN: f32 = 4.0;

/// The picture. Points link to their theme's section; the table of themes says the same in words, so
/// screen readers and keys skip the picture.
pub fn picture(map: &Map, themes: &[ThemeFacts]) -> String {
    // As high as wide, which only the style sheet can say.
    let mut svg = r#"<svg class="map" width="100%" aria-hidden="true">"#.to_owned();
    svg += &points(map, None);
    for theme in themes {
        let title = format!("{}: {} conversations", theme.name, theme.conversations);
        svg += &format!(
            r##"<a href="#theme-{}" tabindex="-1" class="friction-{}"><title>{}</title>{}</a>"##,
            theme.id,
            friction_step(theme.friction),
            escape_html(&title),
            points(map, Some(theme.id)),
        );
    }
    svg + &labels(map, themes) + "</svg>"
}

/// Circles of a theme, or of conversations in none.
fn points(map: &Map, theme: Option<u32>) -> String {
    let circle = |(x, y)| format!(r#"<circle cx="{}" cy="{}" r="2.5"/>"#, pct(x), pct(y));
    let own = map.points.iter().filter(|point| point.theme == theme);
    own.map(|point| circle(place(point.x, point.y))).collect()
}

/// Percent of the width and of the height.
fn place(x: f32, y: f32) -> (f64, f64) {
    let scaled = |value: f32| f64::from(MARGIN + value * (100.0 - 2.0 * MARGIN));
    (scaled(x), scaled(1.0 - y))
}

/// Names of the largest themes, where they find room; a phone leaves out those that lie on others there.
fn labels(map: &Map, themes: &[ThemeFacts]) -> String {
    let (mut on_desk, mut on_phone) = (Vec::new(), Vec::new());
    let mut svg = String::new();
    let spot = |theme: &ThemeFacts| map.themes.iter().find(|place| place.theme == theme.id);
    for (theme, spot) in themes.iter().filter_map(|theme| Some((theme, spot(theme)?))) {
        let label = Label::new(&theme.name, spot);
        if on_desk.len() == LABELS || label.meets(&on_desk, DESK) {
            continue;
        }
        on_desk.push(label.on(DESK));
        let class = if label.meets(&on_phone, PHONE) {
            r#" class="between""#
        } else {
            on_phone.push(label.on(PHONE));
            ""
        };
        svg += &format!(
            r##"<a href="#theme-{}" tabindex="-1"><text{class} x="{}" y="{}" dy="-6" text-anchor="{}">{}</text></a>"##,
            theme.id,
            pct(label.x),
            pct(label.y),
            label.anchor,
            escape_html(&label.name),
        );
    }
    svg
}

/// A theme's name at its place, in percent.
struct Label {
    name: String,
    x: f64,
    y: f64,
    anchor: &'static str,
}

/// Left, top, right and bottom, in pixels.
type Frame = [f64; 4];

impl Label {
    /// Anchored so that a phone, too, shows it whole.
    fn new(name: &str, spot: &ThemePlace) -> Label {
        let (name, (x, y)) = (shortened(name), place(spot.x, spot.y));
        let half = name.chars().count() as f64 * LETTER / 2.0;
        let anchor = match x / 100.0 * PHONE {
            x if x < half => "start",
            x if x > PHONE - half => "end",
            _ => "middle",
        };
        Label { name, x, y, anchor }
    }

    /// Its frame in a picture `width` pixels wide and high.
    fn on(&self, width: f64) -> Frame {
        let long = self.name.chars().count() as f64 * LETTER;
        let (x, y) = (self.x / 100.0 * width, self.y / 100.0 * width);
        let left = match self.anchor {
            "start" => x,
            "end" => x - long,
            _ => x - long / 2.0,
        };
        [left, y - LINE, left + long, y]
    }

    fn meets(&self, others: &[Frame], width: f64) -> bool {
        let own = self.on(width);
        others
            .iter()
            .any(|other| own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3])
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(LETTERS - 1).collect();
    short.truncate(short.trim_end().len());
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::theme::map::MapPoint;

    #[test]
    fn every_point_is_drawn_and_labels_keep_apart() {
        let mut report = fixture::month();
        let point = |row, x, y, theme| MapPoint { row, x, y, theme };
        report.map.points =
            vec![point(0, 0.1, 0.1, Some(0)), point(1, 0.11, 0.1, Some(1)), point(2, 0.5, 0.5, None)];
        let spot = |theme, x| ThemePlace { theme, x, y: 0.1, radius: 0.0, points: 1 };
        report.map.themes = vec![spot(0, 0.1), spot(1, 0.11), spot(2, 0.9)];
        let svg = picture(&report.map, &report.themes);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(svg.matches("<text").count(), 2, "the second label would lie on the first");
        let label = |theme: u32| svg.contains(&format!(r##"href="#theme-{theme}" tabindex="-1"><text"##));
        assert!(label(0) && !label(1) && label(2));
        for theme in &report.themes {
            for x in [0.0, 0.2, 0.5, 0.8, 1.0] {
                let [left, _, right, _] = Label::new(&theme.name, &spot(0, x)).on(PHONE);
                assert!(left >= 0.0 && right <= PHONE, "{}: {left} to {right}", theme.name);
            }
        }
    }
}
