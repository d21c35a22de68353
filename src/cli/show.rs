//! `undertone show`: themes with bars, a theme, a conversation with its marks, a user's history.

use std::path::Path;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{Float32Type, Int32Type, TimestampMillisecondType};

use super::args::Show;
use super::printer::{bar, tame};
use super::{CliError, Session};
use crate::report::Report;
use crate::report::view::ThemeFacts;
use crate::run::{Run, read_json};
use crate::table::{TableError, batches, lists, numbers, text, text_at};

/// Cells of a bar.
const BAR: usize = 24;

pub fn run(args: &Show, session: &Session) -> Result<(), CliError> {
    let run = Run::open(&args.run)?;
    let report: Report = read_json(&run.path("report.json"))?;
    let Some(what) = &args.what else { return themes(&report, args.json, session) };
    if let Some(theme) = find_theme(&report, what) {
        return show_theme(&report, theme, args.json, session);
    }
    let lines = match conversation(&run, what).map_err(CliError::failed)? {
        lines if lines.is_empty() => user(&run, what).map_err(CliError::failed)?,
        lines => lines,
    };
    if lines.is_empty() {
        let hint = "a theme's number or name, a conversation id or a user id";
        return Err(CliError::BadInput(format!("nothing called `{what}` in this run ({hint})")));
    }
    if args.json {
        let values: Vec<&serde_json::Value> = lines.iter().map(|line| &line.value).collect();
        session.printer.data(&serde_json::json!(values).to_string());
    } else {
        lines.iter().for_each(|line| session.printer.data(&tame(&line.shown)));
    }
    Ok(())
}

fn themes(report: &Report, json: bool, session: &Session) -> Result<(), CliError> {
    if json {
        session.printer.data(&serde_json::to_string(&report.themes).map_err(CliError::failed)?);
        return Ok(());
    }
    let largest = report.themes.iter().map(|theme| theme.share).fold(0.0, f64::max).max(1e-9);
    for theme in &report.themes {
        session.printer.data(&format!(
            "{:>3}  {} {:>5.1} %  bad {:>3.0} %  {}",
            theme.id,
            bar(theme.share / largest, BAR),
            theme.share * 100.0,
            theme.bad.interval.value * 100.0,
            tame(&theme.name)
        ));
    }
    Ok(())
}

fn find_theme<'a>(report: &'a Report, what: &str) -> Option<&'a ThemeFacts> {
    let number = what.trim_start_matches("theme-").parse::<u32>().ok();
    report.themes.iter().find(|theme| Some(theme.id) == number || theme.name.eq_ignore_ascii_case(what))
}

fn show_theme(report: &Report, theme: &ThemeFacts, json: bool, session: &Session) -> Result<(), CliError> {
    let printer = &session.printer;
    if json {
        printer.data(&serde_json::to_string(theme).map_err(CliError::failed)?);
        return Ok(());
    }
    printer.data(&tame(&format!("{}  {}", theme.id, theme.name)));
    printer.data(&tame(&format!("keywords     {}", theme.keywords.join(", "))));
    printer.data(&tame(&format!("for example  {}", theme.representative)));
    printer.data(&format!(
        "{} conversations ({:.1} %) of {} users, {} bad, median {} turns",
        theme.conversations,
        theme.share * 100.0,
        theme.users,
        theme.bad.count,
        theme.median_turns
    ));
    for (name, share) in &theme.signals {
        printer.data(&format!("  {name:<12} {} {:>4.0} %", bar(*share, BAR), share * 100.0));
    }
    for effect in &theme.effects {
        printer.data(&format!(
            "  {:<5} {:+.0} points ({:+.0} to {:+.0}), {}",
            effect.outcome,
            effect.difference.value * 100.0,
            effect.difference.low * 100.0,
            effect.difference.high * 100.0,
            effect.verdict.as_str()
        ));
    }
    for id in &theme.examples {
        if let Some(page) = report.conversations.get(id) {
            printer.data(&tame(&format!("  {id}  {}  {}", page.grade, page.reasons.join("; "))));
        }
    }
    Ok(())
}

/// One line on the screen and the same as a value.
struct Line {
    shown: String,
    value: serde_json::Value,
}

/// The turns of a conversation, with signals at the turns they cite.
fn conversation(run: &Run, id: &str) -> Result<Vec<Line>, TableError> {
    let marks = marks(run, id)?;
    let mut lines = Vec::new();
    for batch in batches(&run.path("turns/part-0.parquet"))? {
        let batch = batch?;
        let (ids, roles, texts) =
            (text(&batch, "conversation_id")?, text(&batch, "role")?, text(&batch, "text")?);
        let (turn, negative) =
            (numbers::<Int32Type>(&batch, "turn")?, numbers::<Float32Type>(&batch, "tone_negative")?);
        for row in (0..batch.num_rows()).filter(|row| ids.value(*row) == id) {
            let index = turn.value(row);
            let here: Vec<&str> =
                marks.iter().filter(|(at, _)| *at == index).map(|(_, kind)| kind.as_str()).collect();
            let tone = negative.is_valid(row).then(|| negative.value(row));
            let mark = if here.is_empty() { String::new() } else { format!("  << {}", here.join(", ")) };
            let mood = tone.map_or_else(|| "    ".into(), |p| format!("{:>3.0}%", p * 100.0));
            lines.push(Line {
                shown: format!("{index:>3} {:<9} {mood}  {}{mark}", roles.value(row), texts.value(row)),
                value: serde_json::json!({"turn": index, "role": roles.value(row), "text": texts.value(row), "negative": tone, "signals": here}),
            });
        }
    }
    Ok(lines)
}

fn marks(run: &Run, id: &str) -> Result<Vec<(i32, String)>, TableError> {
    let mut marks = Vec::new();
    for batch in batches(&run.path("signals/part-0.parquet"))? {
        let batch = batch?;
        let (ids, kinds, turns) =
            (text(&batch, "conversation_id")?, text(&batch, "kind")?, lists(&batch, "turns")?);
        for row in (0..batch.num_rows()).filter(|row| ids.value(*row) == id) {
            let cited = turns.value(row);
            let cited = cited.as_primitive::<Int32Type>().values().to_vec();
            marks.extend(cited.into_iter().map(|turn| (turn, kinds.value(row).to_owned())));
        }
    }
    Ok(marks)
}

/// A user's conversations, oldest first.
fn user(run: &Run, id: &str) -> Result<Vec<Line>, TableError> {
    let mut found = Vec::new();
    for batch in batches(Path::new(&run.path("conversations/part-0.parquet")))? {
        let batch = batch?;
        let (ids, users, grades) =
            (text(&batch, "conversation_id")?, text(&batch, "user_id")?, text(&batch, "grade")?);
        let (started, turns) = (
            numbers::<TimestampMillisecondType>(&batch, "started_at")?,
            numbers::<Int32Type>(&batch, "turns")?,
        );
        for row in (0..batch.num_rows()).filter(|row| text_at(users, *row) == Some(id)) {
            let at = started
                .is_valid(row)
                .then(|| chrono::DateTime::from_timestamp_millis(started.value(row)))
                .flatten();
            let at = at.map_or_else(|| "undated".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
            found.push((at, ids.value(row).to_owned(), grades.value(row).to_owned(), turns.value(row)));
        }
    }
    found.sort();
    let line = |(at, id, grade, turns): (String, String, String, i32)| Line {
        shown: format!("{at:<16}  {grade:<5}  {turns:>3} turns  {id}"),
        value: serde_json::json!({"started_at": at, "conversation_id": id, "grade": grade, "turns": turns}),
    };
    Ok(found.into_iter().map(line).collect())
}
