//! The report as Markdown: the same facts for a chat channel, a pull request, a terminal.

mod findings;
mod retention;
mod themes;

use std::fmt::{Display, Write};

use super::format;
use super::names::{missing_retention, theme_name, verdict_mark};
use super::text::{escape_markdown as escape, one_line};
use super::view::{ConversationPage, QualityLevel, Report};
use crate::outcome::estimate::Verdict;

/// The whole document.
pub(super) fn document(report: &Report) -> String {
    let mut text = Text(String::new());
    head(&mut text, report);
    findings::findings(&mut text, report);
    themes::themes(&mut text, report);
    themes::signals(&mut text, report);
    match &report.retention {
        Some(facts) => retention::retention(&mut text, report, facts),
        None => {
            text.heading("Retention");
            text.paragraph(missing_retention(report));
        }
    }
    conversations(&mut text, report);
    appendix(&mut text, report);
    text.0
}

/// Markdown being written. Callers escape what strangers wrote; everything else is ours.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        // Writing into a string has no failing case.
        let _ = writeln!(self.0, "{line}");
    }

    fn paragraph(&mut self, line: impl Display) {
        self.line(line);
        self.line("");
    }

    fn heading(&mut self, title: &str) {
        self.paragraph(format_args!("## {title}"));
    }

    /// A table. A column whose name ends in `:` holds numbers and is aligned to the right.
    fn table(&mut self, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let names: Vec<&str> = columns.iter().map(|name| name.trim_end_matches(':')).collect();
        let rules: Vec<&str> =
            columns.iter().map(|name| if name.ends_with(':') { "---:" } else { "---" }).collect();
        for cells in [names, rules] {
            self.line(format_args!("| {} |", cells.join(" | ")));
        }
        for row in rows {
            self.line(format_args!("| {} |", row.join(" | ")));
        }
        self.line("");
    }
}

fn chip(verdict: Verdict) -> String {
    format!("{} {}", verdict_mark(verdict), verdict.as_str())
}

fn head(text: &mut Text, report: &Report) {
    let overview = &report.overview;
    text.paragraph(format_args!("# {}", escape(&report.title)));
    if let Some(period) = format::period(overview.first_date.as_deref(), overview.last_date.as_deref()) {
        text.paragraph(escape(&period));
    }
    let mut figures = vec![format!("**{}**", format::counted(overview.conversations, "conversation"))];
    figures.push(match overview.users {
        0 => "the export names no users".into(),
        n => format!("**{}**", format::counted(n, "user")),
    });
    figures.push(format!(
        "**{}** ({} in none)",
        format::counted(overview.themes, "theme"),
        format::count(overview.unassigned)
    ));
    if overview.conversations > 0 {
        let share = |part: u64| format::percent(part as f64 / overview.conversations as f64);
        let (bad, good, mixed) = (share(overview.bad), share(overview.good), share(overview.mixed));
        figures.push(format!("**{bad}** went badly ({good} good, {mixed} mixed)"));
    }
    if overview.user_turns > 0 {
        let negative = format::percent(overview.negative_turn_share);
        figures.push(format!(
            "**{negative}** of {} negative",
            format::counted(overview.user_turns, "user turn")
        ));
    }
    text.paragraph(figures.join(" · "));
}

fn conversations(text: &mut Text, report: &Report) {
    if report.conversations.is_empty() {
        return;
    }
    text.heading("Conversations");
    text.paragraph("Full transcripts are in report.html.");
    let row = |page: &ConversationPage| {
        let opening = page.turns.iter().find(|turn| turn.role == "user").or(page.turns.first());
        vec![
            escape(&page.id),
            escape(&page.grade),
            format::score(page.friction),
            page.theme.map_or_else(|| "none".into(), |id| escape(&theme_name(report, id))),
            escape(&page.reasons.join("; ")),
            opening.map_or_else(String::new, |turn| escape(&one_line(&turn.text, 80))),
        ]
    };
    text.table(
        &["Conversation", "Grade", "Friction:", "Theme", "Why", "Opens with"],
        report.conversations.values().map(row),
    );
}

fn appendix(text: &mut Text, report: &Report) {
    text.heading("Data quality");
    if report.quality.is_empty() {
        text.line("Nothing to report.");
    }
    for fact in &report.quality {
        let level = match fact.level {
            QualityLevel::Fine => "fine",
            QualityLevel::Note => "note",
            QualityLevel::Warning => "**warning**",
        };
        let of = fact.of.map_or_else(String::new, |of| format!(" of {}", format::count(of)));
        let amount = format!("{}{of}", format::count(fact.count));
        text.line(format_args!("- {level}: {}, {amount}. {}", escape(&fact.label), escape(&fact.meaning)));
    }
    text.line("");
    text.heading("Methods");
    for method in &report.methods {
        text.line(format_args!("- **{}.** {}", escape(&method.name), escape(&method.text)));
    }
}
