//! Themes and signals as Markdown tables and lists.

use super::{Text, chip};
use crate::report::format;
use crate::report::names::signal_name;
use crate::report::text::escape_markdown as escape;
use crate::report::view::{Report, SignalFacts, ThemeFacts};

pub(super) fn themes(text: &mut Text, report: &Report) {
    text.heading("Themes");
    if report.themes.is_empty() {
        text.paragraph(
            "**No themes.** The conversations are too few or too unlike each other to form groups.",
        );
        news(text, report);
        return;
    }
    news(text, report);
    let columns = [
        "Theme",
        "Conversations:",
        "Share:",
        "Users:",
        "Friction:",
        "Went badly:",
        "Negative tone:",
        "Median turns:",
        "By week",
    ];
    text.table(&columns, report.themes.iter().map(theme_row));
    for theme in &report.themes {
        one_theme(text, report, theme);
    }
}

fn news(text: &mut Text, report: &Report) {
    for sentence in &report.theme_news {
        text.paragraph(escape(sentence));
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
    let shares: Vec<String> = shares
        .iter()
        .map(|(name, share)| format!("{} {}", escape(&signal_name(name)), escape(&format::percent(**share))))
        .collect();
    if !shares.is_empty() {
        text.line(format_args!("- Signals: {}", shares.join(", ")));
    }
    for effect in &theme.effects {
        let (difference, q) =
            (escape(&format::points(&effect.difference)), escape(&format::q_statement(effect.q)));
        text.line(format_args!(
            "- {} against others: {} {difference}, {q}",
            escape(&effect.outcome),
            chip(effect.verdict)
        ));
    }
    let examples = theme.examples.iter().filter(|id| report.conversations.contains_key(*id));
    let examples: Vec<String> = examples.map(|id| escape(id)).collect();
    if !examples.is_empty() {
        text.line(format_args!("- Examples: {}", examples.join(", ")));
    }
    text.line("");
}

pub(super) fn signals(text: &mut Text, report: &Report) {
    text.heading("Signals");
    if report.signals.is_empty() {
        text.paragraph("No signals were computed.");
        return;
    }
    let row = |signal: &SignalFacts| {
        vec![
            escape(&signal_name(&signal.name)),
            escape(&format::rate(&signal.prevalence)),
            format::ratio_of(&signal.prevalence),
            if signal.is_friction { "yes".into() } else { "no".into() },
            escape(&signal.meaning),
        ]
    };
    let columns = ["Signal", "Conversations with it:", "n:", "Friction", "Meaning"];
    text.table(&columns, report.signals.iter().map(row));
}
