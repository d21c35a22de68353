//! A report like that of a real month, made by code, for the tests of the renderers.

use std::collections::BTreeMap;

use super::view::*;
use crate::finding::{Evidence, Finding, FindingKind};
use crate::outcome::effect::Effect;
use crate::outcome::estimate::{Interval, Rate, Verdict};
use crate::outcome::retention::{Cohort, CohortCell, CurvePoint, RetentionPoint, RetentionTable};

const THEMES: [(&str, &str, &str); 14] = [
    ("Refunds for late orders", "refund, late, order, money, days", "My order is nine days late and I would like my money back, how do I get a refund?"),
    ("Track a parcel", "parcel, track, where, delivery, number", "Where is my parcel? The tracking number shows nothing since Tuesday."),
    ("Change a delivery address", "address, change, deliver, moved, street", "I moved last week, can you send it to my new address?"),
    ("Log in and passwords", "password, login, reset, email, code", "The reset code never arrives in my inbox."),
    ("Invoices and VAT", "invoice, vat, company, pdf, number", "I need last month's invoice with our VAT number on it."),
    ("Write a product text", "write, text, product, description, tone", "Write a friendly description for a ceramic mug, forty words at most."),
    ("Translate a message", "translate, german, french, polite, customer", "Translate this reply to a customer into polite German."),
    ("Cancel a subscription", "cancel, subscription, renew, charge, month", "I cancelled in May and you charged me again."),
    ("Explain a charge", "charge, card, twice, statement, unknown", "There are two charges of 49 on my card for the same order, why?"),
    ("Compare two plans", "plan, compare, seats, pro, price", "What do I get with Pro that I do not have with Team?"),
    ("Connect an online shop through the interface for partners and keep its stock in step", "api, shop, webhook, token, sync", "The webhook for stock changes answers 401 since the last release."),
    ("Sizes and fit", "size, fit, shoe, small, exchange", "Are these shoes true to size? I am between 42 and 43."),
    ("Gift cards", "gift, card, balance, code, expired", "How much is left on my gift card?"),
    ("Data export", "export, csv, download, history, columns", "Export all orders of 2025 as CSV, please, with the tax column."),
];

const SIGNALS: [(&str, &str, bool); 14] = [
    ("rephrase", "The user asks the same thing again in other words.", true),
    ("retry", "The user sends the same words again.", true),
    ("correction", "The user corrects the assistant (“no, I meant…”).", true),
    ("doubt", "The user questions whether the answer is right.", true),
    ("escalation", "The user asks for a human.", true),
    ("refusal", "The assistant declines to help.", true),
    ("loop", "The assistant repeats itself.", true),
    ("stall", "Turns go on and nothing new is said.", true),
    ("abandonment", "The conversation ends on an unmet request or right after friction.", true),
    ("slow", "The answer took unusually long.", true),
    ("tone_drop", "The user's tone turns clearly negative.", true),
    ("closing", "The user says that it is solved.", false),
    ("gratitude", "The user says thanks.", false),
    ("tone_recovery", "The user's tone turns from negative to positive.", false),
];

/// Small generator of repeatable numbers; quality does not matter here.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// Wilson's interval, as the run would give.
pub fn rate(count: u64, of: u64) -> Rate {
    let (n, p, z) = (of as f64, count as f64 / of as f64, 1.96f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let interval = Interval { value: p, low: (middle - half).max(0.0), high: (middle + half).min(1.0) };
    Rate { count, of, interval }
}

fn difference(a: &Rate, b: &Rate) -> Interval {
    let (a, b) = (a.interval, b.interval);
    let value = a.value - b.value;
    let low = value - ((a.value - a.low).powi(2) + (b.high - b.value).powi(2)).sqrt();
    let high = value + ((a.high - a.value).powi(2) + (b.value - b.low).powi(2)).sqrt();
    Interval { value, low, high }
}

fn verdict(difference: &Interval, less_is_worse: bool) -> Verdict {
    match (difference.high < 0.0, difference.low > 0.0) {
        (true, _) if less_is_worse => Verdict::Worse,
        (true, _) => Verdict::Better,
        (_, true) if less_is_worse => Verdict::Better,
        (_, true) => Verdict::Worse,
        _ if difference.low > -0.04 && difference.high < 0.04 => Verdict::NoDifference,
        _ => Verdict::CannotTell,
    }
}

/// The month of a shop's assistant: 14 themes, 60 transcripts, 42 days.
pub fn month() -> Report {
    let mut dice = Dice(7);
    let conversations = pages(&mut dice);
    let themes: Vec<ThemeFacts> = (0..THEMES.len()).map(|i| theme(i, &mut dice, &conversations)).collect();
    let signals = signals(&mut dice, &conversations);
    let days: Vec<DayCount> = (0..42)
        .map(|i| {
            let date = chrono::NaiveDate::from_ymd_opt(2026, 10, 5).unwrap() + chrono::Days::new(i);
            let conversations = (if i % 7 > 4 { 190.0 } else { 300.0 } * (0.9 + 0.3 * dice.next())) as u64;
            let bad = (conversations as f64 * if (20..26).contains(&i) { 0.31 } else { 0.16 }) as u64;
            DayCount { date: date.to_string(), conversations, bad }
        })
        .collect();
    let total: u64 = days.iter().map(|d| d.conversations).sum();
    let bad: u64 = days.iter().map(|d| d.bad).sum();
    let effects: Vec<Effect> = themes.iter().flat_map(|t| t.effects.clone()).chain(signal_effects(&mut dice)).collect();
    Report {
        title: "Acme shop assistant".into(),
        overview: Overview {
            conversations: total,
            users: 5_812,
            turns: 71_204,
            user_turns: 36_119,
            first_date: Some("2026-10-05".into()),
            last_date: Some("2026-11-15".into()),
            themes: themes.len() as u64,
            unassigned: 912,
            good: total - bad - 2_300,
            mixed: 2_300,
            bad,
            negative_turn_share: 0.118,
            days,
        },
        quality: quality(),
        findings: findings(&themes),
        cannot_tell: vec![
            "Whether users of “Gift cards” return less: D7 18% of 96 against 24% of 4,710; a difference under 11 points could not have been seen.".into(),
            "Whether the rise of “Connect an online shop” in the last two weeks is more than chance: 41 conversations against 29.".into(),
            "Whether refusals changed with release 4.2: the release is known for only 38% of conversations.".into(),
        ],
        retention: Some(RetentionFacts {
            table: table(),
            effects,
            suppressed: 9,
            source: "the activity table".into(),
        }),
        themes,
        signals,
        conversations,
        methods: methods(),
    }
}

/// A report of nothing: no users, no times, no themes, no findings.
pub fn nothing() -> Report {
    Report {
        title: "Empty".into(),
        overview: Overview::default(),
        quality: vec![],
        findings: vec![],
        cannot_tell: vec![],
        themes: vec![],
        signals: vec![],
        retention: None,
        conversations: BTreeMap::new(),
        methods: vec![],
    }
}

fn theme(i: usize, dice: &mut Dice, pages: &BTreeMap<String, ConversationPage>) -> ThemeFacts {
    let (name, keywords, representative) = THEMES[i];
    let size = (2400.0 / (1.0 + i as f64 * 0.55)) as u64;
    let bad: f64 = [0.38, 0.09, 0.14, 0.27, 0.08, 0.05, 0.04, 0.41, 0.22, 0.06, 0.33, 0.11, 0.07, 0.12][i];
    let mut shares = BTreeMap::new();
    for (name, _, is_friction) in SIGNALS {
        let level = if is_friction { bad } else { 0.5 - bad };
        shares.insert(name.to_string(), (level * dice.next() * 1.3).clamp(0.0, 1.0));
    }
    let examples = pages.values().filter(|p| p.theme == Some(i as u32)).take(3).map(|p| p.id.clone());
    let effects = ["D7", "W1"].map(|outcome| effect(format!("theme:{i}"), outcome, 0.25 - bad * 0.45, size / 4, dice));
    ThemeFacts {
        id: i as u32,
        name: name.into(),
        keywords: keywords.split(", ").map(String::from).collect(),
        representative: representative.into(),
        conversations: size,
        share: size as f64 / 12_031.0,
        users: size * 2 / 3,
        friction: bad * 1.25,
        bad: rate((size as f64 * bad) as u64, size),
        negative_turn_share: bad * 0.6,
        median_turns: 4.0 + (i % 3) as f64 * 0.5 + (bad * 10.0).floor(),
        weekly: (0..6).map(|_| (size as f64 / 6.0 * (0.7 + 0.6 * dice.next())) as u64).collect(),
        signals: shares,
        examples: examples.collect(),
        effects: if size > 300 { effects.to_vec() } else { vec![] },
    }
}

fn effect(exposure: String, outcome: &str, share: f64, n: u64, dice: &mut Dice) -> Effect {
    let shift = if outcome == "W1" { 0.12 } else { 0.0 };
    let share = (share + shift + 0.04 * (dice.next() - 0.5)).clamp(0.02, 0.9);
    let exposed = rate((n as f64 * share) as u64, n);
    let unexposed = rate(((0.205 + shift) * (5_200 - n) as f64) as u64, 5_200 - n);
    let difference = difference(&exposed, &unexposed);
    let certainty = (difference.value.abs() / (difference.high - difference.low) * 4.0).powi(2);
    let ratio = exposed.interval.value / unexposed.interval.value;
    Effect {
        exposure,
        outcome: outcome.into(),
        exposed,
        unexposed,
        difference,
        ratio: Some(Interval { value: ratio, low: ratio * 0.85, high: ratio * 1.17 }),
        p: (-certainty / 2.0).exp(),
        q: (-certainty / 2.2).exp(),
        minimum_detectable: 1.43 * (difference.high - difference.low) / 2.0,
        verdict: verdict(&difference, true),
    }
}

fn signal_effects(dice: &mut Dice) -> Vec<Effect> {
    let mut effects = Vec::new();
    for outcome in ["D7", "W1"] {
        for (place, (name, _, is_friction)) in SIGNALS.iter().enumerate() {
            let share = if *is_friction { 0.2 - 0.012 * place as f64 } else { 0.27 };
            effects.push(effect(format!("signal:{name}"), outcome, share, 150 + 70 * place as u64, dice));
        }
    }
    effects
}

fn signals(dice: &mut Dice, pages: &BTreeMap<String, ConversationPage>) -> Vec<SignalFacts> {
    let fact = |&(name, meaning, is_friction): &(&str, &str, bool)| {
        let cites = |page: &&ConversationPage| page.turns.iter().any(|turn| turn.signals.iter().any(|s| s == name));
        SignalFacts {
            name: name.into(),
            meaning: meaning.into(),
            prevalence: rate((12_031.0 * (0.01 + 0.2 * dice.next() * if is_friction { 0.6 } else { 1.5 })) as u64, 12_031),
            is_friction,
            examples: pages.values().filter(cites).take(3).map(|page| page.id.clone()).collect(),
        }
    };
    SIGNALS.iter().map(fact).collect()
}

fn findings(themes: &[ThemeFacts]) -> Vec<Finding> {
    let picks = [(0, FindingKind::ThemeFriction), (7, FindingKind::Retention), (7, FindingKind::ThemeFriction), (6, FindingKind::ThemeSuccess), (0, FindingKind::ThemeSignal), (10, FindingKind::ThemeFriction), (3, FindingKind::Retention)];
    let make = |(place, &(i, kind)): (usize, &(usize, FindingKind))| {
        let theme = &themes[i];
        let (group, rest, outcome) = match kind {
            FindingKind::Retention => (theme.effects[0].exposed, theme.effects[0].unexposed, "D7"),
            FindingKind::ThemeSignal => (rate(530, theme.conversations), rate(640, 9_631), "rephrase"),
            _ => (theme.bad, rate(1_590, 12_031 - theme.conversations), "bad conversations"),
        };
        let difference = difference(&group, &rest);
        let headline = match kind {
            FindingKind::ThemeFriction => format!("“{}” goes wrong far more often than the rest", theme.name),
            FindingKind::ThemeSuccess => format!("“{}” works: it rarely goes wrong", theme.name),
            FindingKind::Retention => format!("Users of “{}” return less often a week later", theme.name),
            FindingKind::ThemeSignal => format!("In “{}” users ask again in other words", theme.name),
        };
        Finding {
            id: format!("theme-{i}-{place}"),
            kind,
            headline,
            detail: format!("Its users asked again in other words or left without an answer in {} of {} conversations; the difference holds within each week of the period and is associated with longer conversations.", group.count, group.of),
            verdict: verdict(&difference, kind == FindingKind::Retention),
            theme: Some(i as u32),
            signal: (kind == FindingKind::ThemeSignal).then(|| "rephrase".to_string()),
            outcome: outcome.into(),
            group,
            rest,
            difference,
            q: 0.0004 * (place as f64 + 1.0).powi(3),
            score: 10.0 - place as f64,
            evidence: theme.examples.iter().take(3).map(|id| Evidence { conversation_id: id.clone(), turns: vec![2, 4], note: "asked three times, left without an answer".into() }).collect(),
            overturn: "A week in which the share falls below 20% with at least 200 conversations, or the same difference among users who never waited for an order.".into(),
        }
    };
    picks.iter().enumerate().map(make).collect()
}

fn pages(dice: &mut Dice) -> BTreeMap<String, ConversationPage> {
    let said = ["Your order left our warehouse on 3 November. It usually takes 3–5 days to arrive, and you will get an email with a tracking link once the carrier has scanned it.", "I am sorry for the trouble. Could you tell me the order number so that I can look it up?", "I can only help with orders placed in the last 90 days.", "Done: you will see the amount on your card within five working days.\n\n1. Open Orders\n2. Choose Refund\n3. Confirm"];
    let asks = ["That is not what I asked. I want the money back, not a link.", "A-10443, I already wrote that.", "are you sure? the site says something else", "can I talk to a person please", "ok thanks, that worked!"];
    let page = |i: usize| {
        let theme = i % 15;
        let (grade, mood) = [("bad", 0.75f32), ("mixed", 0.4), ("good", 0.08)][dice.below(3)];
        let turns = (0..5 + dice.below(5)).map(|n| {
            let is_user = n % 2 == 0;
            let text = match (n, is_user) {
                (0, _) => THEMES.get(theme).map_or("hm", |t| t.2).to_string(),
                (_, true) => asks[dice.below(asks.len())].to_string(),
                _ => said[dice.below(said.len())].to_string(),
            };
            let negative = (mood * (0.3 + 0.12 * n as f32) + 0.2 * dice.next() as f32).min(0.95);
            let positive = (1.0 - negative) * (0.15 + 0.7 * dice.next() as f32);
            let cited = n > 1 && is_user && grade != "good" && dice.next() < 0.6;
            TurnView {
                index: if i % 10 == 9 && n > 3 { n as u32 + 12 } else { n as u32 },
                role: if is_user { "user" } else { "assistant" }.into(),
                text,
                at: Some(format!("14:{:02}:{:02}", 3 + n, (i * 7 + n * 13) % 60)),
                tone: is_user.then_some([negative, 1.0 - negative - positive, positive]),
                signals: if cited { vec![SIGNALS[dice.below(11)].0.to_string()] } else { vec![] },
            }
        });
        ConversationPage {
            id: format!("c-{:04}", 1000 + i * 37),
            user_id: (i % 7 != 6).then(|| format!("u{:03}", i * 11)),
            started_at: Some(format!("2026-10-{:02}T14:03:00Z", 5 + i % 26)),
            theme: (theme < 14).then_some(theme as u32),
            friction: f64::from(mood) * 0.9,
            grade: grade.into(),
            reasons: if grade == "good" { vec![] } else { vec!["asked again in other words twice".into(), "left without an answer".into()] },
            turns: turns.collect(),
            omitted_turns: if i % 10 == 9 { 12 } else { 0 },
        }
    };
    (0..60).map(page).map(|page| (page.id.clone(), page)).collect()
}

fn table() -> RetentionTable {
    let users = 5_812u64;
    let point = |name: &str, meaning: &str, share: f64, of: u64| RetentionPoint { name: name.into(), meaning: meaning.into(), rate: rate((share * of as f64) as u64, of) };
    let curve = |start: f64, floor: f64| {
        let share = move |day: u32| if day == 0 { 1.0 } else { floor + (start - floor) * (-f64::from(day) / 6.0).exp() + if day % 7 == 0 { 0.02 } else { 0.0 } };
        (0..=35).map(|day| { let of = users - u64::from(day) * 120; CurvePoint { day, rate: rate((share(day) * of as f64) as u64, of) } }).collect()
    };
    let cohorts = (0..6u32).map(|week| Cohort {
        week: (chrono::NaiveDate::from_ymd_opt(2026, 10, 5).unwrap() + chrono::Days::new(u64::from(week) * 7)).to_string(),
        users: 1_180 - u64::from(week) * 80,
        cells: (0..6u32).map(|age| {
            let eligible = (1_180 - u64::from(week) * 80) / if age + week == 5 { 2 } else { 1 };
            let retained = (eligible as f64 * (0.41 * 0.8f64.powi(age as i32) - 0.01 * f64::from(week))) as u64;
            (age + week < 6).then_some(CohortCell { retained, eligible, incomplete: age + week == 5 })
        }).collect(),
    });
    RetentionTable {
        users,
        last_complete_date: "2026-11-14".into(),
        points: vec![
            point("D1", "active on the day after the first conversation", 0.31, 5_690),
            point("D7", "active on exactly day 7", 0.205, 4_980),
            point("D28", "active on exactly day 28", 0.13, 2_044),
            point("D7+", "active on day 7 or later", 0.46, 4_980),
            point("W1", "active on any of days 7 to 13", 0.33, 4_310),
            point("W4", "active on any of days 28 to 34", 0.24, 1_260),
        ],
        n_day: curve(0.31, 0.12),
        unbounded: curve(0.7, 0.2),
        cohorts: cohorts.collect(),
    }
}

fn quality() -> Vec<QualityFact> {
    let fact = |label: &str, count, of, level, meaning: &str| QualityFact { label: label.into(), count, of, level, meaning: meaning.into() };
    vec![
        fact("Rejected records", 14, Some(12_045), QualityLevel::Fine, "Records that could not be read; each is in rejects.jsonl with its place and reason."),
        fact("Duplicated conversation ids", 31, None, QualityLevel::Note, "The first record of each id was kept."),
        fact("Conversations without a user", 1_702, Some(12_031), QualityLevel::Warning, "They count in themes and signals but not in retention, which may flatter it."),
    ]
}

fn methods() -> Vec<Method> {
    let method = |name: &str, text: &str| Method { name: name.into(), text: text.into() };
    vec![
        method("Conversation vector", "From user turns that carry a request; greetings, thanks and bare confirmations are left out. all-MiniLM-L6-v2, 384 dimensions, unit length."),
        method("Rates", "Wilson score intervals at 95 %."),
        method("Differences", "Newcombe's hybrid score interval; Benjamini-Hochberg q within the effects of one outcome."),
        method("Retention", "d0 is the date of a user's first conversation in Europe/Berlin; T the last complete date. Eligible at n: d0 + n on or before T."),
        method("Versions", "undertone 0.1.0, seed 42, model 5b3c…91e0."),
    ]
}
