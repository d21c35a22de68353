//! The tone of a conversation along its turns, with ticks where a signal is proved.

use super::{open, pct, trim};
use crate::report::format;
use crate::report::names::signal_name;
use crate::report::text::escape_html;
use crate::report::view::{ConversationPage, TurnView};

/// Height in pixels: line above, signal ticks below.
const HEIGHT: u32 = 78;
/// Height of "neither", from the top.
const MIDDLE: f64 = 31.0;
/// Pixels from the middle to wholly negative or wholly positive.
const REACH: f64 = 25.0;

/// P(positive) - P(negative), -1..=1.
pub fn balance(tone: [f32; 3]) -> f64 {
    f64::from(tone[2]) - f64::from(tone[0])
}

/// The line over all turns shown; empty when no turn has a tone.
pub fn line(page: &ConversationPage) -> String {
    let toned: Vec<(usize, [f32; 3])> =
        page.turns.iter().enumerate().filter_map(|(i, turn)| Some((i, turn.tone?))).collect();
    if toned.is_empty() {
        return String::new();
    }
    let step = 94.0 / page.turns.len().max(2).saturating_sub(1) as f64;
    let x = |place: usize| if page.turns.len() == 1 { 50.0 } else { 3.0 + place as f64 * step };
    let y = |tone: [f32; 3]| MIDDLE - REACH * balance(tone);
    let mut svg =
        open("tone", HEIGHT, Some("Tone of the user's turns from first to last, positive above the line"));
    svg += &format!(r#"<line class="zero" x1="0" x2="100%" y1="{MIDDLE}" y2="{MIDDLE}"/>"#);
    for pair in toned.windows(2) {
        let ((from, tone_from), (to, tone_to)) = (pair[0], pair[1]);
        let (x1, x2) = (pct(x(from)), pct(x(to)));
        let (y1, y2) = (trim(y(tone_from)), trim(y(tone_to)));
        svg += &format!(r#"<line class="path" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>"#);
    }
    for &(place, tone) in &toned {
        svg += &dot(&page.turns[place], tone, x(place), y(tone));
    }
    for (place, turn) in page.turns.iter().enumerate().filter(|(_, turn)| !turn.signals.is_empty()) {
        svg += &tick(turn, x(place));
    }
    svg + "</svg>"
}

fn dot(turn: &TurnView, tone: [f32; 3], x: f64, y: f64) -> String {
    let class = match balance(tone) {
        b if b < -0.25 => "negative",
        b if b > 0.25 => "positive",
        _ => "neutral",
    };
    format!(
        r#"<circle class="{class}" cx="{}" cy="{}" r="4"><title>Turn {}: {} negative, {} positive</title></circle>"#,
        pct(x),
        trim(y),
        turn.index,
        format::percent(tone[0].into()),
        format::percent(tone[2].into())
    )
}

fn tick(turn: &TurnView, x: f64) -> String {
    let names = turn.signals.iter().map(|name| signal_name(name)).collect::<Vec<_>>().join(", ");
    format!(
        r#"<g class="cite"><title>Turn {}: {}</title><svg x="{}" y="71" overflow="visible"><path d="M0-7l5 5-5 5-5-5z"/></svg></g>"#,
        turn.index,
        escape_html(&names),
        pct(x)
    )
}
