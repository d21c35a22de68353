//! The report as Markdown: the same facts for a chat channel, a pull request, a terminal.

use std::fmt::{Display, Write};

use super::names::{exposure, signal_name, theme_name, verdict_mark};
use super::text::{escape_markdown as escape, one_line};
use super::view::{ConversationPage, QualityLevel, Report, RetentionFacts, ThemeFacts};
use super::{format, html};
use crate::finding::{Evidence, Finding};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::Verdict;
use crate::outcome::retention::CurvePoint;

/// Characters of a quoted turn.
const QUOTE: usize = 200;

/// The whole document.
pub(super) fn document(report: &Report) -> String {
    let mut text = Text(String::new());
    head(&mut text, report);
    findings(&mut text, report);
    themes(&mut text, report);
    signals(&mut text, report);
    match &report.retention {
        Some(facts) => retention(&mut text, report, facts),
        None => {
            text.heading("Retention");
            text.paragraph(html::missing_retention(report));
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

    fn table(&mut self, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.line(format_args!("| {} |", columns.join(" | ")));
        let rules: Vec<&str> = columns.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }).collect();
        self.line(format_args!("| {} |", rules.join(" | ")));
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
    figures.push(format!("**{}** ({} in none)", format::counted(overview.themes, "theme"), format::count(overview.unassigned)));
    if overview.conversations > 0 {
        let share = |part: u64| format::percent(part as f64 / overview.conversations as f64);
        let (bad, good, mixed) = (share(overview.bad), share(overview.good), share(overview.mixed));
        figures.push(format!("**{bad}** went badly ({good} good, {mixed} mixed)"));
    }
    if overview.user_turns > 0 {
        let negative = format::percent(overview.negative_turn_share);
        figures.push(format!("**{negative}** of {} negative", format::counted(overview.user_turns, "user turn")));
    }
    text.paragraph(figures.join(" · "));
}

fn findings(text: &mut Text, report: &Report) {
    text.heading("What matters");
    if report.findings.is_empty() {
        text.paragraph("**Nothing can be told apart from noise.** No comparison is both large and certain enough to state.");
    }
    for (place, finding) in report.findings.iter().enumerate() {
        one_finding(text, report, place + 1, finding);
    }
    text.heading("What we cannot tell yet");
    if report.cannot_tell.is_empty() {
        text.line("No open question.");
    }
    for sentence in &report.cannot_tell {
        text.line(format_args!("- {}", escape(sentence)));
    }
    text.line("");
}

fn one_finding(text: &mut Text, report: &Report, rank: usize, finding: &Finding) {
    text.paragraph(format_args!("### {rank}. {}", escape(&finding.headline)));
    text.paragraph(format_args!("**{}** · {}", chip(finding.verdict), escape(&finding.detail)));
    let unit = html::finding_unit(finding);
    let group = escape(&html::finding_group(report, finding));
    for (name, rate) in [(group.as_str(), &finding.group), ("everyone else", &finding.rest)] {
        text.line(format_args!("- {name}: **{}**, {} {unit}", escape(&format::rate(rate)), format::ratio_of(rate)));
    }
    let difference = escape(&format::points(&finding.difference));
    let q = escape(&format::q_statement(finding.q));
    text.line(format_args!("- difference in {}: **{difference}**, {q}", escape(&finding.outcome)));
    text.line("");
    for evidence in &finding.evidence {
        quote(text, report, evidence);
    }
    text.paragraph(format_args!("*What would overturn this:* {}", escape(&finding.overturn)));
}

/// The turns a finding points at, in the user's words.
fn quote(text: &mut Text, report: &Report, evidence: &Evidence) {
    text.line(format_args!("> {} ({})", escape(&evidence.note), escape(&evidence.conversation_id)));
    let page = report.conversations.get(&evidence.conversation_id);
    let turns = page.iter().flat_map(|page| &page.turns).filter(|turn| evidence.turns.contains(&turn.index));
    for turn in turns {
        text.line(">");
        let said = escape(&one_line(&turn.text, QUOTE));
        text.line(format_args!("> turn {}, {}: “{said}”", turn.index, escape(&turn.role)));
    }
    text.line("");
}

fn themes(text: &mut Text, report: &Report) {
    text.heading("Themes");
    if report.themes.is_empty() {
        text.paragraph("**No themes.** The conversations are too few or too unlike each other to form groups.");
        return;
    }
    let columns = ["Theme", "Conversations", "Share", "Users", "Friction", "Went badly", "Negative tone", "Median turns", "By week"];
    text.table(&columns, report.themes.iter().map(theme_row));
    for theme in &report.themes {
        one_theme(text, report, theme);
    }
}

fn theme_row(theme: &ThemeFacts) -> Vec<String> {
    vec![
        escape(&theme.name),
        format::count(theme.conversations),
        escape(&format::percent(theme.share)),
        format::count(theme.users),
        format::score(theme.friction),
        escape(&format::rate(&theme.bad)),
        escape(&format::percent(theme.negative_turn_share)),
        format::median(theme.median_turns),
        theme.weekly.iter().map(|&week| format::count(week)).collect::<Vec<_>>().join(" "),
    ]
}

fn one_theme(text: &mut Text, report: &Report, theme: &ThemeFacts) {
    text.paragraph(format_args!("### {}", escape(&theme.name)));
    let keywords: Vec<String> = theme.keywords.iter().map(|word| escape(word)).collect();
    text.line(format_args!("- Keywords: {}", keywords.join(", ")));
    text.line(format_args!("- Typical request: “{}”", escape(&theme.representative)));
    let mut shares: Vec<(&String, &f64)> = theme.signals.iter().filter(|(_, share)| **share > 0.0).collect();
    shares.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
    let shares: Vec<String> =
        shares.iter().map(|(name, share)| format!("{} {}", escape(&signal_name(name)), escape(&format::percent(**share)))).collect();
    if !shares.is_empty() {
        text.line(format_args!("- Signals: {}", shares.join(", ")));
    }
    for effect in &theme.effects {
        let (difference, q) = (escape(&format::points(&effect.difference)), escape(&format::q_statement(effect.q)));
        text.line(format_args!("- {} against others: {} {difference}, {q}", escape(&effect.outcome), chip(effect.verdict)));
    }
    let examples = theme.examples.iter().filter(|id| report.conversations.contains_key(*id));
    let examples: Vec<String> = examples.map(|id| escape(id)).collect();
    if !examples.is_empty() {
        text.line(format_args!("- Examples: {}", examples.join(", ")));
    }
    text.line("");
}

fn signals(text: &mut Text, report: &Report) {
    text.heading("Signals");
    if report.signals.is_empty() {
        text.paragraph("No signals were computed.");
        return;
    }
    let row = |signal: &super::view::SignalFacts| {
        vec![
            escape(&signal_name(&signal.name)),
            escape(&format::rate(&signal.prevalence)),
            format::ratio_of(&signal.prevalence),
            if signal.is_friction { "yes".into() } else { "no".into() },
            escape(&signal.meaning),
        ]
    };
    let columns = ["Signal", "Conversations with it", "n", "Friction", "Meaning"];
    text.table(&columns, report.signals.iter().map(row));
}

fn retention(text: &mut Text, report: &Report, facts: &RetentionFacts) {
    let table = &facts.table;
    text.heading("Retention");
    text.paragraph(format_args!(
        "{}; activity from {}; last complete day {}.",
        format::counted(table.users, "user"),
        escape(&facts.source),
        escape(&format::date(&table.last_complete_date))
    ));
    let points = table.points.iter().map(|point| {
        vec![escape(&point.name), escape(&format::rate(&point.rate)), format::ratio_of(&point.rate), escape(&point.meaning)]
    });
    text.table(&["Outcome", "Retained", "n", "Meaning"], points);
    text.paragraph(format_args!("On exactly day n: {}", curve(&table.n_day)));
    text.paragraph(format_args!("On day n or later: {}", curve(&table.unbounded)));
    cohorts(text, facts);
    text.paragraph("### What is associated with returning");
    text.table(
        &["Theme or signal", "Outcome", "Met it", "Others", "Difference", "Risk ratio", "q", "Detectable", "Verdict"],
        facts.effects.iter().map(|effect| effect_row(report, effect)),
    );
    if facts.suppressed > 0 {
        let left_out = format::counted(facts.suppressed, "comparison");
        text.paragraph(format_args!("{left_out} left out because one side had too few users."));
    }
}

/// The days people ask for; the page has them all.
fn curve(points: &[CurvePoint]) -> String {
    let asked = points.iter().filter(|point| matches!(point.day, 1..=3) || (point.day > 0 && point.day % 7 == 0));
    let shown: Vec<String> =
        asked.map(|point| format!("D{} {}", point.day, escape(&format::percent(point.rate.interval.value)))).collect();
    if shown.is_empty() { "no day is complete yet.".into() } else { shown.join(", ") }
}

fn cohorts(text: &mut Text, facts: &RetentionFacts) {
    let weeks = facts.table.cohorts.iter().map(|cohort| cohort.cells.len()).max().unwrap_or(0);
    if weeks == 0 {
        return;
    }
    let names: Vec<String> = (0..weeks).map(|week| format!("Week {week}")).collect();
    let mut columns = vec!["First week", "Users"];
    columns.extend(names.iter().map(String::as_str));
    let row = |cohort: &crate::outcome::retention::Cohort| {
        let cell = |week: usize| match cohort.cells.get(week).copied().flatten() {
            Some(cell) => format!("{}/{}{}", cell.retained, cell.eligible, if cell.incomplete { " (incomplete)" } else { "" }),
            None => "–".into(),
        };
        let head = [escape(&format::day(&cohort.week)), format::count(cohort.users)];
        head.into_iter().chain((0..weeks).map(cell)).collect()
    };
    text.table(&columns, facts.table.cohorts.iter().map(row));
}

fn effect_row(report: &Report, effect: &Effect) -> Vec<String> {
    let exposure = exposure(report, &effect.exposure);
    let group = |rate| format!("{}, {}", escape(&format::rate(rate)), format::ratio_of(rate));
    vec![
        format!("{} {}", exposure.kind, escape(&exposure.name)).trim().to_string(),
        escape(&effect.outcome),
        group(&effect.exposed),
        group(&effect.unexposed),
        escape(&format::points(&effect.difference)),
        effect.ratio.as_ref().map_or_else(|| "undefined".into(), format::ratio),
        escape(&format::p_value(effect.q)),
        format!("{:.1} pts", effect.minimum_detectable * 100.0),
        chip(effect.verdict),
    ]
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
    text.table(&["Conversation", "Grade", "Friction", "Theme", "Why", "Opens with"], report.conversations.values().map(row));
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
