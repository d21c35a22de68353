//! What matters: each finding with its picture, its numbers and the conversations that show it.

use minijinja::Value;
use serde::Serialize;

use super::{Chip, markup};
use crate::finding::{Evidence, Finding};
use crate::report::chart::{self, Scale};
use crate::report::view::Report;
use crate::report::{format, names, text};

/// Findings shown at once; the rest waits behind a click.
const SHOWN: usize = 5;

/// What `findings.html` prints.
#[derive(Serialize)]
pub(super) struct Findings<'a> {
    /// The two lists differ only in whether they stand open.
    groups: [Vec<FindingView<'a>>; 2],
    cannot_tell: &'a [String],
}

#[derive(Serialize)]
struct FindingView<'a> {
    rank: usize,
    anchor: String,
    headline: &'a str,
    detail: &'a str,
    overturn: &'a str,
    chip: Chip,
    /// The theme and the signal it speaks of, where the page has them.
    about: Vec<About>,
    outcome: &'a str,
    meaning: Option<&'a str>,
    group: GroupRow,
    rest: GroupRow,
    axis: Value,
    difference: String,
    q: String,
    evidence: Vec<EvidenceView<'a>>,
}

/// A link to what a finding is about.
#[derive(Serialize)]
struct About {
    name: String,
    target: String,
}

/// One of the two groups compared.
#[derive(Serialize)]
struct GroupRow {
    name: String,
    plot: Value,
    rate: String,
    n: String,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    id: String,
    note: &'a str,
    /// Fragment; `None` when the conversation is not on the page.
    target: Option<String>,
    turns: Vec<TurnLink>,
}

#[derive(Serialize)]
struct TurnLink {
    index: u32,
    target: Option<String>,
}

pub(super) fn view(report: &Report) -> Findings<'_> {
    let mut all =
        report.findings.iter().enumerate().map(|(place, finding)| FindingView::of(report, finding, place));
    let shown = all.by_ref().take(SHOWN).collect();
    Findings { groups: [shown, all.collect()], cannot_tell: &report.cannot_tell }
}

impl<'a> FindingView<'a> {
    fn of(report: &'a Report, finding: &'a Finding, place: usize) -> FindingView<'a> {
        let largest = finding.group.interval.high.max(finding.rest.interval.high);
        let scale = Scale::from_zero(largest, 1.0);
        let unit = names::finding_unit(finding);
        let row = |name, rate, tone| GroupRow {
            name,
            plot: markup(chart::interval::bar(rate, &scale, tone)),
            rate: format::rate(rate),
            n: format!("{} {unit}", format::ratio_of(rate)),
        };
        FindingView {
            rank: place + 1,
            anchor: text::anchor(&finding.id),
            headline: &finding.headline,
            detail: &finding.detail,
            overturn: &finding.overturn,
            chip: finding.verdict.into(),
            about: about(report, finding),
            outcome: &finding.outcome,
            meaning: names::outcome_meaning(report, &finding.outcome),
            group: row(
                names::finding_group(report, finding),
                &finding.group,
                names::verdict_class(finding.verdict),
            ),
            rest: row(names::finding_rest(finding).into(), &finding.rest, "rest"),
            axis: markup(scale.axis(chart::percent_tick)),
            difference: format::points(&finding.difference),
            q: format::q_statement(finding.q),
            evidence: finding.evidence.iter().map(|evidence| EvidenceView::of(report, evidence)).collect(),
        }
    }
}

fn about(report: &Report, finding: &Finding) -> Vec<About> {
    let theme = finding.theme.map(|id| names::exposure(report, &format!("theme:{id}")));
    let signal = finding.signal.as_ref().map(|name| names::exposure(report, &format!("signal:{name}")));
    let links = theme.into_iter().chain(signal);
    links.filter_map(|exposure| Some(About { target: exposure.target?, name: exposure.name })).collect()
}

impl<'a> EvidenceView<'a> {
    fn of(report: &Report, evidence: &'a Evidence) -> EvidenceView<'a> {
        let id = evidence.conversation_id.as_str();
        let page = report.conversations.get(id);
        let link = |index: u32| {
            let is_shown = page.is_some_and(|page| page.turns.iter().any(|turn| turn.index == index));
            TurnLink { index, target: is_shown.then(|| names::turn_target(id, index)) }
        };
        EvidenceView {
            id: text::one_line(id, 24),
            note: &evidence.note,
            target: page.map(|_| names::conversation_target(id)),
            turns: evidence.turns.iter().copied().map(link).collect(),
        }
    }
}
