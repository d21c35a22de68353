//! The map: a point per conversation, near where its request is near; coloured by its theme's friction.

use super::super::text::escape_html;
use super::bar::friction_step;
use super::{open, pct};
use crate::report::view::ThemeFacts;
use crate::theme::map::{Map, ThemePlace};

/// Pixels that positions of labels are judged at: the picture's width on a desk, and its lines.
const WIDTH: f32 = 720.0;
const LETTER: f32 = 7.0;
const LINE: f32 = 20.0;
/// Labels at most, and those that a phone has room for.
const LABELS: usize = 18;
const PHONE_LABELS: usize = 6;
/// Letters of a label.
const LETTERS: usize = 30;
/// The square is drawn a little smaller, so that no label leaves it.
const MARGIN: f32 = 4.0;

/// The picture. Points link to their theme's section; the table of themes says the same in words, so
/// screen readers and keys skip the picture.
pub fn picture(map: &Map, themes: &[ThemeFacts]) -> String {
    let mut svg = open("map", 720, None).replacen(r#" height="720""#, "", 1);
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

/// Names of the largest themes, where they find room.
fn labels(map: &Map, themes: &[ThemeFacts]) -> String {
    let mut taken: Vec<[f32; 4]> = Vec::new();
    let mut svg = String::new();
    let spot = |theme: &ThemeFacts| map.themes.iter().find(|place| place.theme == theme.id);
    let placed = themes.iter().filter_map(|theme| Some((theme, spot(theme)?)));
    for (theme, ThemePlace { x, y, .. }) in placed {
        let name = shortened(&theme.name);
        let (x, y) = place(*x, *y);
        let half = name.chars().count() as f32 * LETTER / 2.0;
        let centre = (x as f32 / 100.0 * WIDTH).clamp(half, (WIDTH - half).max(half));
        let line = y as f32 / 100.0 * WIDTH;
        let own = [centre - half, line - LINE, centre + half, line];
        let meets = |other: &[f32; 4]| {
            own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3]
        };
        if taken.iter().any(meets) {
            continue;
        }
        let class = if taken.len() < PHONE_LABELS { "" } else { r#" class="between""# };
        taken.push(own);
        svg += &format!(
            r##"<a href="#theme-{}" tabindex="-1"><text{class} x="{}" y="{}" dy="-6" text-anchor="middle">{}</text></a>"##,
            theme.id,
            pct(f64::from(centre / WIDTH * 100.0)),
            pct(y),
            escape_html(&name),
        );
        if taken.len() == LABELS {
            break;
        }
    }
    svg
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
        let report = fixture::month();
        let spots: Vec<(f32, f32, Option<u32>)> =
            vec![(0.1, 0.1, Some(0)), (0.11, 0.1, Some(1)), (0.9, 0.9, Some(2)), (0.5, 0.5, None)];
        let points = spots.iter().enumerate().map(|(row, &(x, y, theme))| MapPoint { row, x, y, theme });
        let themes = spots
            .iter()
            .filter_map(|&(x, y, theme)| Some(ThemePlace { theme: theme?, x, y, radius: 0.0, points: 1 }));
        let map = Map { points: points.collect(), themes: themes.collect() };
        let svg = picture(&map, &report.themes);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert_eq!(svg.matches("<text").count(), 2, "the second label would lie on the first");
        assert!(svg.contains(r##"href="#theme-2""##));
    }
}
