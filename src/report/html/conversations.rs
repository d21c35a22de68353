//! Transcripts: each conversation stands once on the page, in the section of its theme.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::Serialize;

use super::{Templates, markup};
use crate::report::view::{ConversationPage, Report, TurnView};
use crate::report::{chart, format, names, text};

/// Which section shows which conversation.
pub(super) struct Homes {
    by_theme: BTreeMap<u32, Vec<String>>,
    /// Conversations of no theme the report shows.
    pub homeless: Vec<String>,
}

impl Homes {
    /// The theme that names a conversation as its example comes first, then the theme it is in.
    pub(super) fn of(report: &Report) -> Homes {
        let mut home: BTreeMap<&str, u32> = BTreeMap::new();
        let mut by_theme: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for theme in &report.themes {
            let examples = theme.examples.iter().filter(|id| report.conversations.contains_key(*id));
            for id in examples {
                if home.insert(id, theme.id).is_none() {
                    by_theme.entry(theme.id).or_default().push(id.clone());
                }
            }
        }
        let mut homeless = Vec::new();
        for (id, page) in report.conversations.iter().filter(|(id, _)| !home.contains_key(id.as_str())) {
            match page.theme.filter(|theme| report.themes.iter().any(|t| t.id == *theme)) {
                Some(theme) => by_theme.entry(theme).or_default().push(id.clone()),
                None => homeless.push(id.clone()),
            }
        }
        Homes { by_theme, homeless }
    }

    /// Ids shown in a theme's section, its examples first.
    pub(super) fn in_theme(&self, theme: u32) -> &[String] {
        self.by_theme.get(&theme).map_or(&[], Vec::as_slice)
    }
}

/// What `conversation.html` prints.
#[derive(Serialize)]
struct Transcript<'a> {
    id: &'a str,
    anchor: String,
    opening: String,
    user: Option<&'a str>,
    started: Option<String>,
    friction: String,
    grade: &'a str,
    grade_class: &'static str,
    reasons: &'a [String],
    omitted: u64,
    line: Value,
    turns: Vec<TurnRow<'a>>,
}

#[derive(Serialize)]
struct TurnRow<'a> {
    anchor: String,
    index: u32,
    role: &'a str,
    is_user: bool,
    text: &'a str,
    at: Option<&'a str>,
    tone: Option<String>,
    tone_class: &'static str,
    signals: &'a [String],
    /// Turns left out just before this one.
    gap: u32,
}

/// The transcripts of some conversations, one after another.
pub(super) fn transcripts(
    templates: &Templates,
    report: &Report,
    ids: &[String],
) -> Result<Value, minijinja::Error> {
    let mut html = String::new();
    for page in ids.iter().filter_map(|id| report.conversations.get(id)) {
        html += &templates.fill("conversation.html", Transcript::of(page))?.to_string();
    }
    Ok(markup(html))
}

impl<'a> Transcript<'a> {
    fn of(page: &'a ConversationPage) -> Transcript<'a> {
        let opening = page.turns.iter().find(|turn| turn.role == "user").or(page.turns.first());
        let mut next = 0;
        let turns = page.turns.iter().map(|turn| {
            let gap = turn.index.saturating_sub(next);
            next = turn.index + 1;
            TurnRow::of(&page.id, turn, gap)
        });
        Transcript {
            turns: turns.collect(),
            id: &page.id,
            anchor: names::conversation_target(&page.id),
            opening: opening.map_or_else(|| "(no turns)".into(), |turn| text::one_line(&turn.text, 110)),
            user: page.user_id.as_deref(),
            started: page.started_at.as_deref().map(format::moment),
            friction: format::score(page.friction),
            grade: &page.grade,
            grade_class: match page.grade.as_str() {
                "good" => "good",
                "bad" => "bad",
                _ => "mixed",
            },
            reasons: &page.reasons,
            omitted: page.omitted_turns,
            line: markup(chart::tone::line(page)),
        }
    }
}

impl<'a> TurnRow<'a> {
    fn of(id: &str, turn: &'a TurnView, gap: u32) -> TurnRow<'a> {
        let (tone, tone_class) = match turn.tone.map(strongest) {
            Some((class, share)) => (Some(format!("{class} {}", format::percent(share))), class),
            None => (None, ""),
        };
        TurnRow {
            anchor: names::turn_target(id, turn.index),
            index: turn.index,
            role: &turn.role,
            is_user: turn.role == "user",
            text: &turn.text,
            at: turn.at.as_deref(),
            tone,
            tone_class,
            signals: &turn.signals,
            gap,
        }
    }
}

/// The most probable tone, in a word.
fn strongest(tone: [f32; 3]) -> (&'static str, f64) {
    let words = ["negative", "neutral", "positive"];
    let best = (0..3).fold(1, |best, i| if tone[i] > tone[best] { i } else { best });
    (words[best], tone[best].into())
}
