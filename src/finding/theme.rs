//! Themes whose conversations go wrong, or well, more often than the rest.

use std::collections::BTreeMap;

use super::{Finding, FindingKind, FindingParams, percent, score, span};
use crate::outcome::estimate::{
    Interval, Rate, Verdict, benjamini_hochberg, newcombe_difference, score_test_p,
};
use crate::signal::SignalKind;

/// Counts of one theme's conversations, or of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThemeCounts {
    /// Theme number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Conversations.
    pub conversations: u64,
    /// Of these, graded bad.
    pub bad: u64,
    /// Of these, with each signal.
    pub signals: BTreeMap<SignalKind, u64>,
}

/// Smallest difference in a share worth a statement: below it a team would not act.
const LEAST_DIFFERENCE: f64 = 0.03;

/// One comparison of a theme with everything outside it.
struct Contrast<'a> {
    theme: &'a ThemeCounts,
    signal: Option<SignalKind>,
    group: Rate,
    rest: Rate,
    difference: Interval,
    p: f64,
}

impl<'a> Contrast<'a> {
    fn new(theme: &'a ThemeCounts, all: &ThemeCounts, signal: Option<SignalKind>) -> Contrast<'a> {
        let count = |counts: &ThemeCounts| match signal {
            None => counts.bad,
            Some(kind) => counts.signals.get(&kind).copied().unwrap_or(0),
        };
        let group = Rate::new(count(theme), theme.conversations);
        let rest = Rate::new(count(all) - count(theme), all.conversations - theme.conversations);
        let difference = newcombe_difference(&group, &rest);
        Contrast { theme, signal, group, rest, difference, p: score_test_p(&group, &rest) }
    }

    fn verdict(&self, q: f64, params: &FindingParams) -> Verdict {
        let clear = q <= params.alpha && self.difference.excludes_zero();
        match (clear && self.difference.value.abs() >= LEAST_DIFFERENCE, self.difference.value > 0.0) {
            (false, _) => Verdict::CannotTell,
            (true, true) => Verdict::Worse,
            (true, false) => Verdict::Better,
        }
    }
}

/// Friction findings of every theme against the rest; where a theme has none, the signals that are
/// far more common in it. `all` counts every conversation, those without a theme included.
///
/// Shares are of conversations; Newcombe intervals, score test, Benjamini-Hochberg over all themes.
pub fn theme_findings(themes: &[ThemeCounts], all: &ThemeCounts, params: &FindingParams) -> Vec<Finding> {
    let large: Vec<&ThemeCounts> = themes
        .iter()
        .filter(|t| t.conversations >= params.least && all.conversations - t.conversations >= params.least)
        .collect();
    let friction: Vec<Contrast<'_>> = large.iter().map(|theme| Contrast::new(theme, all, None)).collect();
    let mut findings = decide(&friction, all, params);
    let told: Vec<u32> = findings.iter().filter_map(|finding| finding.theme).collect();
    for kind in SignalKind::ALL.into_iter().filter(|kind| kind.is_friction()) {
        let contrasts: Vec<Contrast<'_>> =
            large.iter().map(|theme| Contrast::new(theme, all, Some(kind))).collect();
        let more = decide(&contrasts, all, params).into_iter().filter(|finding| {
            finding.verdict == Verdict::Worse && finding.theme.is_some_and(|theme| !told.contains(&theme))
        });
        findings.extend(more);
    }
    findings
}

fn decide(contrasts: &[Contrast<'_>], all: &ThemeCounts, params: &FindingParams) -> Vec<Finding> {
    let p: Vec<f64> = contrasts.iter().map(|contrast| contrast.p).collect();
    let said = contrasts.iter().zip(benjamini_hochberg(&p)).filter_map(|(contrast, q)| {
        let verdict = contrast.verdict(q, params);
        (verdict != Verdict::CannotTell).then(|| state(contrast, q, verdict, all))
    });
    said.collect()
}

fn state(contrast: &Contrast<'_>, q: f64, verdict: Verdict, all: &ThemeCounts) -> Finding {
    let Contrast { theme, signal, group, rest, difference, .. } = contrast;
    let (here, there) = (percent(group.interval.value), percent(rest.interval.value));
    let (kind, id, headline, outcome) = match (signal, verdict) {
        (Some(kind), _) => (
            FindingKind::ThemeSignal,
            format!("theme-{}-{}", theme.id, kind.name()),
            format!(
                "“{}” has {} in {here} of its conversations, against {there} elsewhere",
                theme.name,
                kind.name()
            ),
            format!("conversations with {}", kind.name()),
        ),
        (None, Verdict::Better) => (
            FindingKind::ThemeSuccess,
            format!("theme-{}-success", theme.id),
            format!(
                "“{}” goes well: {here} of its conversations are bad, against {there} elsewhere",
                theme.name
            ),
            "bad conversations".to_owned(),
        ),
        (None, _) => (
            FindingKind::ThemeFriction,
            format!("theme-{}-friction", theme.id),
            format!("“{}” goes wrong in {here} of its conversations, against {there} elsewhere", theme.name),
            "bad conversations".to_owned(),
        ),
    };
    // Where it breaks is the first question, and a theme is where a team can act; what goes well is
    // worth knowing, but nobody has to act on it.
    let weight = if verdict == Verdict::Better { 0.5 } else { 2.0 };
    let reach = theme.conversations as f64 / all.conversations.max(1) as f64;
    Finding {
        id,
        kind,
        headline,
        detail: detail(contrast, verdict),
        verdict,
        theme: Some(theme.id),
        signal: signal.map(|kind| kind.name().to_owned()),
        outcome,
        group: *group,
        rest: *rest,
        difference: *difference,
        q,
        score: weight * score(difference, q, reach),
        evidence: Vec::new(),
        overturn: "Equal shares inside and outside the theme in the next period, or example conversations \
                   that turn out, when read, to have gone otherwise than graded."
            .to_owned(),
    }
}

fn detail(contrast: &Contrast<'_>, verdict: Verdict) -> String {
    let Contrast { theme, group, rest, .. } = contrast;
    let mut text = format!(
        "{} of {} conversations (95% interval {}); elsewhere {} of {} ({}).",
        group.count,
        group.of,
        span(&group.interval),
        rest.count,
        rest.of,
        span(&rest.interval),
    );
    let mut common: Vec<(u64, SignalKind)> = theme
        .signals
        .iter()
        .filter(|(kind, count)| kind.is_friction() && **count > 0)
        .map(|(kind, count)| (*count, *kind))
        .collect();
    common.sort_by(|a, b| b.cmp(a));
    if verdict == Verdict::Worse && contrast.signal.is_none() && !common.is_empty() {
        let listed: Vec<String> = common
            .iter()
            .map(|(count, kind)| {
                format!("{} in {}", kind.name(), percent(*count as f64 / theme.conversations as f64))
            })
            .collect();
        text.push_str(&format!(" Signals there: {}.", listed.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(id: u32, conversations: u64, bad: u64) -> ThemeCounts {
        ThemeCounts { id, name: format!("t{id}"), conversations, bad, signals: BTreeMap::new() }
    }

    #[test]
    fn only_themes_that_differ_are_said() {
        let themes = [counts(0, 200, 120), counts(1, 300, 45), counts(2, 300, 44), counts(3, 10, 9)];
        let all = counts(9, 810, 218);
        let params = FindingParams { alpha: 0.05, least: 20 };
        let found = super::super::rank(theme_findings(&themes, &all, &params));
        assert_eq!(found[0].id, "theme-0-friction");
        assert!(found.iter().all(|finding| finding.theme != Some(3)), "too few conversations");
        assert!(found[1..].iter().all(|finding| finding.verdict == Verdict::Better));
        let same = [counts(0, 200, 30), counts(1, 200, 31), counts(2, 200, 29)];
        assert!(theme_findings(&same, &counts(9, 600, 90), &params).is_empty());
    }
}
