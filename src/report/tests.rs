//! What every rendering must hold: nothing a user typed acts, every link leads somewhere, numbers agree.

use std::collections::BTreeSet;

use super::*;
use crate::report::view::{ConversationPage, TurnView};

/// Everything a stranger might type to break a page.
const HOSTILE: &str = "</script><script>alert(1)</script> {{ 7*7 }} {% raw %} \" onload='x' &amp; \u{202e}evil\u{0} | `a` [l](http://x.y) <!-- @all";

fn hostile() -> Report {
    let mut report = fixture::month();
    let id = format!("c/{HOSTILE} #1");
    let turn = |index, text: String| TurnView {
        index,
        role: "user".into(),
        text,
        at: None,
        tone: Some([0.9, 0.1, 0.0]),
        signals: vec![HOSTILE.into()],
    };
    let page = ConversationPage {
        id: id.clone(),
        user_id: Some(HOSTILE.into()),
        started_at: Some(HOSTILE.into()),
        theme: Some(0),
        friction: 0.5,
        grade: "bad".into(),
        reasons: vec![HOSTILE.into()],
        turns: vec![
            turn(0, HOSTILE.into()),
            turn(1, "W".repeat(10_000)),
            turn(2, "שלום \u{200f}مرحبا".into()),
        ],
        omitted_turns: 0,
    };
    report.title = HOSTILE.into();
    report.themes[0].name = HOSTILE.into();
    report.themes[0].representative = HOSTILE.into();
    report.themes[0].keywords.push(HOSTILE.into());
    report.themes[0].examples.insert(0, id.clone());
    report.findings[0].headline = HOSTILE.into();
    report.findings[0].evidence[0].conversation_id = id.clone();
    report.findings[0].evidence[0].note = HOSTILE.into();
    report.cannot_tell.push(HOSTILE.into());
    report.conversations.insert(id, page);
    report
}

/// Values of an attribute, in order.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    page.split(&opening).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without its own style sheet and script.
fn body(page: &str) -> &str {
    let start = page.find("<body>").expect("a body");
    let end = page.rfind("<script>").expect("our script is last");
    &page[start..end]
}

#[test]
fn hostile_text_is_shown_and_does_nothing() {
    let page = html(&hostile()).unwrap();
    let body = body(&page);
    assert!(!body.contains("<script"), "text became an element");
    assert!(!body.contains("onload='x'") && !body.contains("<!--"));
    assert!(body.contains("{{ 7*7 }}") && !body.contains("alert(1)49"), "text was read as a template");
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(body.contains("[U+202E]") && !page.contains('\u{202e}') && !page.contains('\0'));
    assert!(body.contains(&"W".repeat(10_000)), "long words stay whole");
    assert_eq!(page.matches("<script>").count(), 1);
}

#[test]
fn hostile_text_is_no_markup_in_markdown() {
    let text = markdown(&hostile());
    assert!(!text.contains("<script") || text.contains("\\<script"));
    let unescaped = |needle: &str| text.match_indices(needle).any(|(at, _)| !text[..at].ends_with('\\'));
    for needle in ["<script", "<!--", "`a`", "[l]"] {
        assert!(!unescaped(needle), "{needle} is live");
    }
    assert!(!text.contains("http://") && !text.contains("@all"));
    assert!(!text.contains('\u{202e}') && !text.contains('\0'));
    let pipes = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut columns = 0;
    for line in text.lines() {
        match line.starts_with("| ") {
            true if columns > 0 => assert_eq!(pipes(line), columns, "a table row was broken: {line}"),
            true => columns = pipes(line),
            false => columns = 0,
        }
    }
}

#[test]
fn markdown_escapes_what_acts_and_no_more() {
    use super::text::escape_markdown as escape;
    assert_eq!(escape("4.9% (2.3% to 10%), q < 0.001"), "4.9% (2.3% to 10%), q < 0.001");
    assert_eq!(escape("1. one"), "1\\. one");
    assert_eq!(escape("- a"), "\\- a");
    assert_eq!(escape("# a #"), "\\# a \\#");
    assert_eq!(escape("a\n\n# b"), "a # b");
    assert_eq!(escape("snake_case _emphasis_"), "snake_case \\_emphasis\\_");
    assert_eq!(escape("see www.x.y or https://x.y"), "see www\\.x.y or https\\://x.y");
}

#[test]
fn axes_end_on_round_numbers() {
    use super::chart::Scale;
    let labels =
        |scale: Scale| scale.ticks().into_iter().map(chart::percent_tick).collect::<Vec<_>>().join(" ");
    assert_eq!(labels(Scale::from_zero(0.38, 1.0)), "0% 10% 20% 30% 40%");
    assert_eq!(labels(Scale::from_zero(1.0, 1.0)), "0% 25% 50% 75% 100%");
    assert!(Scale::from_zero(0.0, 1.0).at(0.0).abs() < 1e-9, "nothing to show is no division by zero");
    assert_eq!(labels(Scale::around_zero(0.17)), "-20% -10% 0% 10% 20%");
    assert_eq!(Scale::around_zero(0.17).at(0.0), 50.0);
    assert_eq!(Scale::from_zero(0.38, 1.0).at(7.0), 100.0);
}

#[test]
fn every_link_leads_somewhere_and_ids_are_unique() {
    for report in [fixture::month(), hostile(), fixture::nothing()] {
        let page = html(&report).unwrap();
        let ids = attributes(body(&page), "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id twice");
        for link in attributes(body(&page), "href") {
            let target = link.strip_prefix('#').expect("links stay on the page");
            assert!(unique.contains(target), "{link} leads nowhere");
        }
        for finding in &report.findings {
            assert!(unique.contains(format!("finding-{}", super::text::anchor(&finding.id)).as_str()));
        }
        for theme in &report.themes {
            assert!(unique.contains(format!("theme-{}", theme.id).as_str()));
        }
        for id in report.conversations.keys() {
            assert!(unique.contains(names::conversation_target(id).as_str()));
        }
    }
}

#[test]
fn page_asks_the_network_for_nothing() {
    let page = html(&fixture::month()).unwrap();
    for word in ["http://", "https://", " src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(word), "{word} in the page");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn numbers_of_findings_stand_in_every_form() {
    let report = fixture::month();
    let (page, text) = (html(&report).unwrap(), markdown(&report));
    for finding in &report.findings {
        let numbers = [
            format::rate(&finding.group),
            format::rate(&finding.rest),
            format::ratio_of(&finding.group),
            format::ratio_of(&finding.rest),
            format::points(&finding.difference),
            format::q_statement(finding.q),
        ];
        for number in numbers {
            assert!(page.contains(&super::text::escape_html(&number)), "{number} not in the page");
            assert!(text.contains(&super::text::escape_markdown(&number)), "{number} not in the Markdown");
        }
        assert!(page.contains(&super::text::escape_html(&finding.overturn)));
    }
    let back: Report = serde_json::from_str(&json(&report)).unwrap();
    // serde_json reads floats to the last digit but one: compare what readers see.
    assert_eq!(markdown(&back), text);
}

#[test]
fn empty_states_say_why() {
    let page = html(&fixture::nothing()).unwrap();
    for words in ["Nothing can be told apart from noise", "names no users", "No themes", "carry no times"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("NaN") && !page.contains("n/a"));
    let text = markdown(&fixture::nothing());
    assert!(text.contains("Nothing can be told apart from noise") && text.contains("names no users"));
}

#[test]
fn the_map_is_on_the_page_when_there_is_one() {
    let mut report = fixture::month();
    let circles = |report: &Report| html(report).unwrap().matches("<circle").count();
    let with = circles(&report);
    report.map.points.truncate(20);
    assert_eq!(with - circles(&report), 6 * report.themes.len(), "a handful of points is no map");
    assert!(!html(&report).unwrap().contains("class=\"map\""));
}

#[test]
fn one_conversation_is_a_report() {
    let mut report = fixture::nothing();
    let (id, page) = fixture::month().conversations.pop_first().unwrap();
    report.overview.conversations = 1;
    report.overview.bad = 1;
    report.conversations.insert(id.clone(), page);
    let page = html(&report).unwrap();
    assert!(page.contains(&format!("id=\"{}\"", names::conversation_target(&id))));
    assert!(markdown(&report).contains("1 conversation"));
}

/// As large as reports get: 60 themes, 310 transcripts, every comparison.
fn large() -> Report {
    let mut report = fixture::month();
    let themes = report.themes.clone();
    let number = |id: u32| view::ThemeFacts { id, ..themes[id as usize % themes.len()].clone() };
    report.themes = (0..60).map(number).collect();
    if let Some(facts) = &mut report.retention {
        let more = (0..60usize).flat_map(|id| {
            let copy = move |effect: &crate::outcome::effect::Effect| {
                let mut effect = effect.clone();
                effect.exposure = format!("theme:{id}");
                effect
            };
            themes[id % themes.len()].effects.iter().map(copy)
        });
        facts.effects.extend(more.collect::<Vec<_>>());
    }
    let pages: Vec<ConversationPage> = report.conversations.values().cloned().collect();
    for copy in 0..250 {
        let mut page = pages[copy % pages.len()].clone();
        page.id = format!("copy-{copy}");
        page.theme = Some(copy as u32 % 60);
        let turn = |i: u32| TurnView { index: i, ..page.turns[i as usize % page.turns.len()].clone() };
        page.turns = (0..20).map(turn).collect();
        report.conversations.insert(page.id.clone(), page);
    }
    report
}

#[test]
fn many_themes_and_long_conversations_stay_small() {
    let page = html(&large()).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
}

#[test]
fn equal_reports_give_equal_bytes() {
    let report = fixture::month();
    assert_eq!(html(&report).unwrap(), html(&report.clone()).unwrap());
    assert_eq!(markdown(&report), markdown(&report.clone()));
}

#[test]
fn numbers_read_as_people_write_them() {
    use crate::outcome::estimate::Interval;
    let interval = |value, low, high| Interval { value, low, high };
    assert_eq!(format::count(1_234_567), "1,234,567");
    assert_eq!(format::percent(0.0), "0%");
    assert_eq!(format::percent(0.0004), "<0.1%");
    assert_eq!(format::percent(0.073), "7.3%");
    assert_eq!(format::percent(0.4312), "43%");
    assert_eq!(format::percent(0.9996), ">99.9%");
    assert_eq!(format::percent(f64::NAN), "n/a");
    assert_eq!(format::points(&interval(-0.12, -0.18, -0.06)), "−12 pts (−18 to −6)");
    assert_eq!(format::points(&interval(-0.12, -0.24, -0.001)), "−12.0 pts (−24.0 to −0.1)");
    assert_eq!(format::points(&interval(0.04, -0.01, 0.09)), "+4.0 pts (−1.0 to +9.0)");
    assert_eq!(format::period(Some("2026-10-05"), Some("2026-11-15")).unwrap(), "5 Oct – 15 Nov 2026");
}

#[test]
fn anchors_differ_when_ids_do() {
    let ids = ["a b", "a~20b", "a_b", "a/b", "é", ""];
    let anchors: BTreeSet<String> = ids.iter().map(|id| super::text::anchor(id)).collect();
    assert_eq!(anchors.len(), ids.len());
}

/// Writes the pages for a look in a browser: `REPORT_PREVIEW=dir cargo test --release preview`.
#[test]
fn preview() {
    let Ok(dir) = std::env::var("REPORT_PREVIEW") else { return };
    let pages = [
        ("month", fixture::month()),
        ("hostile", hostile()),
        ("nothing", fixture::nothing()),
        ("large", large()),
    ];
    for (name, report) in pages {
        std::fs::write(format!("{dir}/{name}.html"), html(&report).unwrap()).unwrap();
        std::fs::write(format!("{dir}/{name}.md"), markdown(&report)).unwrap();
    }
}
