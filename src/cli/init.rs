//! `undertone init`: a commented config.

use std::fs;

use super::args::Init;
use super::{CliError, Session};
use crate::config::template::TEMPLATE;

pub fn run(args: &Init, session: &Session) -> Result<(), CliError> {
    if args.file.as_os_str() == "-" {
        session.printer.data(TEMPLATE.trim_end());
        return Ok(());
    }
    if args.file.exists() && !args.force {
        let name = args.file.display();
        return Err(CliError::BadInput(format!("{name} exists already (use --force to overwrite it)")));
    }
    fs::write(&args.file, TEMPLATE).map_err(|e| CliError::Failed(format!("{}: {e}", args.file.display())))?;
    session
        .printer
        .say(&format!("wrote {}; name your files in it, then `undertone check`", args.file.display()));
    Ok(())
}
