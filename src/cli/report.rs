//! `undertone report`: a run's report in another form.

use std::fs;

use super::args::{Format, Report};
use super::{CliError, Session};
use crate::run::Run;

pub fn run(args: &Report, session: &Session) -> Result<(), CliError> {
    let run = Run::open(&args.run)?;
    let name = match args.format {
        Format::Html => "report.html",
        Format::Md => "report.md",
        Format::Json => "report.json",
    };
    let path = run.path(name);
    let text = fs::read_to_string(&path).map_err(|e| CliError::Failed(format!("{}: {e}", path.display())))?;
    session.printer.data(text.trim_end());
    Ok(())
}
