//! Findings as Markdown, each with the turns that show it in the user's words.

use super::{Text, chip};
use crate::finding::{Evidence, Finding};
use crate::report::text::{escape_markdown as escape, one_line};
use crate::report::view::Report;
use crate::report::{format, names};

/// Characters of a quoted turn.
const QUOTE: usize = 200;

pub(super) fn findings(text: &mut Text, report: &Report) {
    text.heading("What matters");
    if report.findings.is_empty() {
        text.paragraph("**Nothing can be told apart from noise.** No comparison is both large and certain enough to state.");
    }
    for (place, finding) in report.findings.iter().enumerate() {
        one_finding(text, report, place + 1, finding);
    }
    text.heading("What we cannot tell yet");
    if report.cannot_tell.is_empty() {
        text.line("This run lists no comparison that is still open.");
    }
    for sentence in &report.cannot_tell {
        text.line(format_args!("- {}", escape(sentence)));
    }
    text.line("");
}

fn one_finding(text: &mut Text, report: &Report, rank: usize, finding: &Finding) {
    text.paragraph(format_args!("### {rank}. {}", escape(&finding.headline)));
    text.paragraph(format_args!("**{}** · {}", chip(finding.verdict), escape(&finding.detail)));
    let unit = names::finding_unit(finding);
    let group = escape(&names::finding_group(report, finding));
    for (name, rate) in [(group.as_str(), &finding.group), (names::finding_rest(finding), &finding.rest)] {
        text.line(format_args!(
            "- {name}: **{}**, {} {unit}",
            escape(&format::rate(rate)),
            format::ratio_of(rate)
        ));
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
