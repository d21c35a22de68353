//! The `Report` value from counts, themes and outcomes; which conversations it shows.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::quality;
use super::survey::{Survey, Tally};
use crate::config::Plan;
use crate::finding::{
    Evidence, Finding, FindingParams, RetentionInput, ThemeCounts, rank, retention_findings, theme_findings,
    undecided,
};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::Rate;
use crate::pipeline::themes::ThemeEntry;
use crate::report::Report;
use crate::report::view::{DayCount, Method, Overview, RetentionFacts, SignalFacts, ThemeFacts};
use crate::signal::SignalKind;
use crate::signal::length::median;

/// Everything but the transcripts.
pub fn assemble(facts: &Facts<'_>, survey: &Survey) -> Report {
    let names: BTreeMap<u32, String> = facts.themes.themes.iter().map(|t| (t.id, t.name.clone())).collect();
    let meanings: BTreeMap<String, String> = facts
        .outcomes
        .retention
        .iter()
        .flat_map(|table| table.points.iter().map(|point| (point.name.clone(), point.meaning.clone())))
        .collect();
    let input = RetentionInput {
        effects: &facts.outcomes.effects,
        meanings: &meanings,
        names: &names,
        window_days: facts.plan.outcomes.window_days,
    };
    let params = FindingParams { alpha: facts.plan.outcomes.alpha, least: facts.plan.outcomes.k_anonymity };
    let mut findings = theme_findings(&theme_counts(facts, survey), &all_counts(survey), &params);
    findings.extend(retention_findings(&input));
    Report {
        title: facts.plan.product.clone(),
        overview: overview(facts, survey),
        quality: quality::facts(facts, survey),
        findings: rank(findings),
        cannot_tell: undecided(&input),
        themes: facts.themes.themes.iter().map(|theme| theme_facts(facts, survey, theme)).collect(),
        map: facts.map.clone(),
        signals: SignalKind::ALL.into_iter().map(|kind| signal_facts(survey, kind)).collect(),
        retention: facts.outcomes.retention.clone().map(|table| RetentionFacts {
            table,
            effects: facts.outcomes.effects.clone(),
            suppressed: facts.outcomes.suppressed,
            source: facts.outcomes.source.clone(),
        }),
        conversations: BTreeMap::new(),
        methods: methods(facts),
        curve: Vec::new(),
    }
}

fn overview(facts: &Facts<'_>, survey: &Survey) -> Overview {
    let days = survey.all_days();
    let [good, mixed, bad] = survey.all.grades;
    Overview {
        conversations: survey.all.conversations,
        users: survey.users,
        turns: facts.encoded.turns,
        user_turns: facts.encoded.user_turns,
        first_date: days.first().map(|day| day.0.to_string()),
        last_date: days.last().map(|day| day.0.to_string()),
        themes: facts.themes.themes.len() as u64,
        unassigned: facts.themes.noise + facts.themes.silent,
        good,
        mixed,
        bad,
        negative_turn_share: share(facts.encoded.negative_turns, facts.encoded.user_turns),
        days: days
            .into_iter()
            .map(|(date, conversations, bad)| DayCount { date: date.to_string(), conversations, bad })
            .collect(),
    }
}

fn share(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

fn counts(id: u32, name: &str, tally: &Tally) -> ThemeCounts {
    ThemeCounts {
        id,
        name: name.to_owned(),
        conversations: tally.conversations,
        bad: tally.bad(),
        signals: tally.signals.clone(),
    }
}

fn theme_counts(facts: &Facts<'_>, survey: &Survey) -> Vec<ThemeCounts> {
    let themes = facts.themes.themes.iter();
    themes.filter_map(|theme| Some(counts(theme.id, &theme.name, survey.themes.get(&theme.id)?))).collect()
}

fn all_counts(survey: &Survey) -> ThemeCounts {
    counts(u32::MAX, "", &survey.all)
}

fn theme_facts(facts: &Facts<'_>, survey: &Survey, theme: &ThemeEntry) -> ThemeFacts {
    let tally = survey.themes.get(&theme.id).cloned().unwrap_or_default();
    let exposure = format!("theme:{}", theme.id);
    let signals =
        tally.signals.iter().map(|(kind, n)| (kind.name().to_owned(), share(*n, tally.conversations)));
    let weeks = survey.weeks();
    ThemeFacts {
        id: theme.id,
        name: theme.name.clone(),
        keywords: theme.keywords.clone(),
        representative: one_line(&theme.representative),
        conversations: tally.conversations,
        share: share(tally.conversations, survey.all.conversations),
        users: tally.users,
        friction: if tally.conversations == 0 { 0.0 } else { tally.friction / tally.conversations as f64 },
        bad: Rate::new(tally.bad(), tally.conversations),
        negative_turn_share: share(tally.toned_turns.1, tally.toned_turns.0),
        median_turns: median(tally.turns.iter().map(|t| f64::from(*t)).collect()),
        weekly: weeks.iter().map(|week| tally.weeks.get(week).copied().unwrap_or(0)).collect(),
        signals: signals.collect(),
        examples: Vec::new(),
        effects: main_first(
            facts.outcomes.effects.iter().filter(|e| e.exposure == exposure).cloned().collect(),
        ),
    }
}

/// The outcome that a table shows when it has room for one.
const MAIN_OUTCOME: &str = "W1";

fn main_first(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.sort_by_key(|effect| effect.outcome != MAIN_OUTCOME);
    effects
}

/// Characters of a representative request.
const REPRESENTATIVE_CHARS: usize = 200;

fn one_line(text: &str) -> String {
    let line: String = text.chars().take(REPRESENTATIVE_CHARS).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

fn signal_facts(survey: &Survey, kind: SignalKind) -> SignalFacts {
    let with = survey.all.signals.get(&kind).copied().unwrap_or(0);
    SignalFacts {
        name: kind.name().to_owned(),
        meaning: kind.meaning().to_owned(),
        prevalence: Rate::new(with, survey.all.conversations),
        is_friction: kind.is_friction(),
        examples: Vec::new(),
    }
}

/// Example conversations of a signal.
const SIGNAL_EXAMPLES: usize = 3;

/// Picks examples and evidence; returns the ids whose transcripts are needed.
pub fn choose_conversations(report: &mut Report, survey: &Survey, plan: &Plan) -> BTreeSet<String> {
    for theme in &mut report.themes {
        let Some(tally) = survey.themes.get(&theme.id) else { continue };
        let half = plan.report.examples_per_theme.div_ceil(2);
        let typical = tally.typical.iter().take(half);
        let worst = tally.worst.iter().filter(|(friction, _)| *friction > 0.0);
        theme.examples = distinct(typical.chain(worst).chain(&tally.typical), plan.report.examples_per_theme);
    }
    for signal in &mut report.signals {
        if let Some(found) = SignalKind::parse(&signal.name).and_then(|kind| survey.by_signal.get(&kind)) {
            signal.examples = distinct(found.iter(), SIGNAL_EXAMPLES);
        }
    }
    for finding in &mut report.findings {
        let ids = distinct(candidates(finding, survey).iter(), plan.report.evidence_per_finding);
        finding.evidence = ids
            .into_iter()
            .map(|id| Evidence { conversation_id: id, turns: vec![], note: String::new() })
            .collect();
    }
    let examples = report.themes.iter().flat_map(|theme| &theme.examples);
    let signals = report.signals.iter().flat_map(|signal| &signal.examples);
    let evidence = report.findings.iter().flat_map(|finding| &finding.evidence).map(|e| &e.conversation_id);
    examples.chain(signals).chain(evidence).cloned().collect()
}

/// Conversations that show a finding: the worst of its theme or signal, or for good news the most
/// typical ones.
fn candidates(finding: &Finding, survey: &Survey) -> Vec<(f32, String)> {
    use crate::outcome::estimate::Verdict;
    let of_theme = finding.theme.and_then(|theme| survey.themes.get(&theme)).map(|tally| {
        if finding.verdict == Verdict::Worse { tally.worst.clone() } else { tally.typical.clone() }
    });
    let kind = finding.signal.as_deref().and_then(SignalKind::parse);
    let of_signal = kind.and_then(|kind| survey.by_signal.get(&kind)).cloned();
    of_theme.or(of_signal).unwrap_or_else(|| survey.all.worst.clone())
}

fn distinct<'a>(found: impl Iterator<Item = &'a (f32, String)>, most: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (_, id) in found {
        if ids.len() < most && !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}

/// Fills in which turns of the evidence to look at, and why it is shown.
pub fn point_at_turns(report: &mut Report) {
    for finding in &mut report.findings {
        finding.evidence.retain(|evidence| report.conversations.contains_key(&evidence.conversation_id));
        for evidence in &mut finding.evidence {
            let page = &report.conversations[&evidence.conversation_id];
            let cited = page
                .turns
                .iter()
                .filter(|turn| turn.signals.iter().any(|name| name != "long" && name != "short"));
            evidence.turns = cited.map(|turn| turn.index).collect();
            evidence.note =
                page.reasons.first().cloned().unwrap_or_else(|| "typical of the theme".to_owned());
        }
    }
}

fn methods(facts: &Facts<'_>) -> Vec<Method> {
    let plan = facts.plan;
    let method = |name: &str, text: String| Method { name: name.to_owned(), text };
    let mut list = vec![
        method("Themes", facts.themes.method.clone()),
        method(
            "Conversation vector",
            "Mean of the user's requests (greetings, thanks and bare confirmations left out), each further request \
             with half the weight of the one before it, of unit length."
                .into(),
        ),
        method(
            "Friction",
            "1 − ∏(1 − weight × strength) over rephrase (0.6), retry (0.7), abandonment (0.5) and the most negative \
             later turn (0.5), halved by a closing. Good below 0.2, bad from 0.4. A grade is a judgement: on simulated \
             conversations 95% of those graded bad had trouble, and 68% of those with trouble were graded bad. \
             Intervals speak of sampling only, not of this."
                .into(),
        ),
        method(
            "Tone",
            "P(negative), P(neutral), P(positive) of each user turn from the encoder's pooled layer states; trained on \
             GoEmotions (English)."
                .into(),
        ),
        method(
            "Shares and differences",
            "Wilson score intervals for shares, Newcombe's hybrid score interval (1998, method 10) for differences, \
             Benjamini-Hochberg q within each family of comparisons; 95 % throughout. Intervals of theme shares take \
             conversations as independent."
                .into(),
        ),
        method(
            "Effects on retention",
            format!(
                "Unit: user. Exposed: a conversation of the theme, or with the signal, in the first {} days; outcomes \
                 begin after those days. Differences are among alike users: Mantel-Haenszel within strata of tenure and \
                 prior activity, and again also of conversations in those days; the nearer to none is shown, and \
                 nothing is called that does not hold in both and by a logistic model besides. Comparisons with \
                 fewer than {} users on a side are left out.",
                plan.outcomes.window_days, plan.outcomes.k_anonymity
            ),
        ),
    ];
    list.extend(facts.outcomes.refused.iter().map(|text| method("Refused comparison", text.clone())));
    list.extend(facts.outcomes.notes.iter().map(|text| method("Retention", text.clone())));
    list.push(method(
        "This run",
        format!(
            "undertone {}, seed {}, time zone {}, model {} ({}). run.json lists the inputs with their hashes.",
            env!("CARGO_PKG_VERSION"),
            plan.config.seed,
            plan.zone.name(),
            facts.model,
            &facts.model_hash[..12],
        ),
    ));
    list
}
