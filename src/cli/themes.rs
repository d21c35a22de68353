//! `undertone themes`: a run's themes, and changing them by hand.

use super::args::{Themes, ThemesAction};
use super::printer::tame;
use super::{CliError, Session};
use crate::pipeline::{Desk, ThemeLine};
use crate::run::Run;
use crate::theme::curation::Edit;
use crate::theme::ledger::State;

/// Said after every change.
const WHEN: &str = "`list` shows it now, runs from the next one on";

pub fn run(args: &Themes, session: &Session) -> Result<(), CliError> {
    let run = Run::open(&args.run)?;
    if let ThemesAction::List { all, json } = args.action {
        return list(&Desk::open(&run)?, all, json, session);
    }
    let mut desk = Desk::open_to_change(&run)?;
    let done = change(&mut desk, &args.action)?;
    desk.save()?;
    session.printer.say(&tame(&format!("{done}; {WHEN}")));
    Ok(())
}

fn list(desk: &Desk, all: bool, json: bool, session: &Session) -> Result<(), CliError> {
    let lines = desk.list(all)?;
    if json {
        session.printer.data(&serde_json::to_string(&lines).map_err(CliError::failed)?);
        return Ok(());
    }
    for line in &lines {
        let marks = marks(line);
        let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(", ")) };
        session.printer.data(&tame(&format!("{}  {:>7}  {}{marks}", line.id, line.conversations, line.name)));
    }
    Ok(())
}

fn marks(line: &ThemeLine) -> Vec<String> {
    let mut marks = Vec::new();
    if line.state == State::Retired {
        marks.push(format!("retired, last seen {}", line.last_seen));
    }
    if line.pinned {
        marks.push("pinned".to_owned());
    }
    if line.hidden {
        marks.push("hidden".to_owned());
    }
    marks.extend(line.merged_into.map(|into| format!("merged into {into}")));
    if !line.split_into.is_empty() {
        let parts: Vec<String> = line.split_into.iter().map(ToString::to_string).collect();
        marks.push(format!("split into {}", parts.join(" and ")));
    }
    marks
}

/// Makes the change and says what was done.
fn change(desk: &mut Desk, action: &ThemesAction) -> Result<String, CliError> {
    let done = match action {
        ThemesAction::List { .. } => String::new(),
        ThemesAction::Rename { theme, name } => {
            let theme = desk.theme(theme)?;
            desk.rename(theme, name)?;
            format!("{theme} is called “{}”", name.trim())
        }
        ThemesAction::Merge { theme, into } => {
            let (theme, into) = (desk.theme(theme)?, desk.theme(into)?);
            desk.merge(theme, into)?;
            format!("{theme} is part of {into}")
        }
        ThemesAction::Split { theme } => {
            let theme = desk.theme(theme)?;
            let parts: Vec<String> = desk.split(theme)?.iter().map(ToString::to_string).collect();
            format!("{theme} is split into {}", parts.join(" and "))
        }
        ThemesAction::Pin { theme } => {
            let theme = desk.theme(theme)?;
            desk.pin(theme)?;
            format!("{theme} is pinned")
        }
        ThemesAction::Unpin { theme } => {
            let theme = desk.theme(theme)?;
            desk.push(Edit::Unpin { theme })?;
            format!("{theme} is no longer pinned")
        }
        ThemesAction::Hide { theme } => {
            let theme = desk.theme(theme)?;
            desk.push(Edit::Hide { theme })?;
            format!("{theme} is hidden")
        }
        ThemesAction::Unhide { theme } => {
            let theme = desk.theme(theme)?;
            desk.push(Edit::Unhide { theme })?;
            format!("{theme} is shown again")
        }
        ThemesAction::Undo => match desk.undo() {
            Some(entry) => format!("the newest change, about {}, is taken back", entry.edit.theme()),
            None => return Err(CliError::BadInput("there is no change to take back".into())),
        },
    };
    Ok(done)
}
