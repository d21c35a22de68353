//! What the report calls things: exposures, signals, verdicts, and where on the page they are.

use super::text::anchor;
use super::view::Report;
use crate::finding::{Finding, FindingKind};
use crate::outcome::estimate::Verdict;

/// `tone_drop` as readers see it: `tone drop`.
pub fn signal_name(name: &str) -> String {
    name.replace('_', " ")
}

/// The theme's name, or its number when the report has no such theme.
pub fn theme_name(report: &Report, id: u32) -> String {
    match report.themes.iter().find(|theme| theme.id == id) {
        Some(theme) => theme.name.clone(),
        None => format!("theme {id}"),
    }
}

/// An exposure such as `theme:3` or `signal:rephrase`, in words, with its place on the page.
pub struct Exposure {
    /// `theme` or `signal`; empty for anything else.
    pub kind: &'static str,
    /// The theme's name or the signal's.
    pub name: String,
    /// Fragment without `#`; `None` when the page has no such section.
    pub target: Option<String>,
}

/// Reads an exposure's key.
pub fn exposure(report: &Report, key: &str) -> Exposure {
    match key.split_once(':') {
        Some(("theme", id)) => {
            let theme = id.parse().ok().and_then(|id: u32| report.themes.iter().find(|theme| theme.id == id));
            let name = theme.map_or_else(|| format!("theme {id}"), |theme| theme.name.clone());
            Exposure { kind: "theme", name, target: theme.map(|theme| format!("theme-{}", theme.id)) }
        }
        Some(("signal", name)) => {
            let is_known = report.signals.iter().any(|signal| signal.name == name);
            let target = is_known.then(|| signal_target(name));
            Exposure { kind: "signal", name: signal_name(name), target }
        }
        Some(("grade", grade)) => {
            Exposure { kind: "grade", name: format!("a {grade} conversation"), target: None }
        }
        _ => Exposure { kind: "", name: key.to_string(), target: None },
    }
}

/// What the rates of a finding count.
pub fn finding_unit(finding: &Finding) -> &'static str {
    match finding.kind {
        FindingKind::Retention => "users",
        _ => "conversations",
    }
}

/// Everybody else, as they stand beside their bar.
pub fn finding_rest(finding: &Finding) -> &'static str {
    match finding.kind {
        FindingKind::Retention => "all other users",
        _ => "all other conversations",
    }
}

/// The group's name as it stands beside its bar.
pub fn finding_group(report: &Report, finding: &Finding) -> String {
    let theme = finding.theme.map(|id| theme_name(report, id));
    let signal = finding.signal.as_deref().map(signal_name);
    match (theme, signal, finding.kind) {
        (Some(theme), _, _) => theme,
        (None, Some(signal), FindingKind::Retention) => format!("users who met “{signal}”"),
        (None, Some(signal), _) => signal,
        (None, None, FindingKind::Retention) => "users with a bad conversation".into(),
        (None, None, _) => "this group".into(),
    }
}

/// What a named outcome such as `D7` means, where the retention table says.
pub fn outcome_meaning<'a>(report: &'a Report, outcome: &str) -> Option<&'a str> {
    let points = &report.retention.as_ref()?.table.points;
    points.iter().find(|point| point.name == outcome).map(|point| point.meaning.as_str())
}

/// Fragment of a signal's row.
pub fn signal_target(name: &str) -> String {
    format!("signal-{}", anchor(name))
}

/// Fragment of a conversation.
pub fn conversation_target(id: &str) -> String {
    format!("conversation-{}", anchor(id))
}

/// Fragment of one turn. An anchor never holds `~t`, so a turn cannot be taken for a conversation.
pub fn turn_target(id: &str, turn: u32) -> String {
    format!("conversation-{}~turn-{turn}", anchor(id))
}

/// The verdict as a class name of the style sheet.
pub fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "worse",
        Verdict::Better => "better",
        Verdict::NoDifference => "same",
        Verdict::CannotTell => "unknown",
    }
}

/// The verdict as a shape, for readers who do not see its colour.
pub fn verdict_mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "▼",
        Verdict::Better => "▲",
        Verdict::NoDifference => "=",
        Verdict::CannotTell => "?",
    }
}

/// Why a run says nothing about retention.
pub fn missing_retention(report: &Report) -> &'static str {
    match (report.overview.users, &report.overview.first_date) {
        (0, _) => {
            "The export names no users, so nobody can be followed from one day to the next. Map a user id column in the configuration to get this section."
        }
        (_, None) => {
            "The conversations carry no times, so nobody can be followed from one day to the next. Map a time column in the configuration to get this section."
        }
        _ => "This run computed no retention.",
    }
}
