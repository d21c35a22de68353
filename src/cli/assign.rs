//! `undertone assign`: new conversations into a run's themes.

use super::args::Assign;
use super::{CliError, Session};
use crate::pipeline::{assign, write_assigned};
use crate::run::{Run, write_file};

pub fn run(args: &Assign, session: &Session) -> Result<(), CliError> {
    let run = Run::open(&args.run)?;
    let assigned = assign(&run, &args.conversations, session.threads, &session.progress)?;
    let homeless = assigned.iter().filter(|row| row.theme.is_none()).count();
    if args.out.extension().is_some_and(|extension| extension == "parquet") {
        write_assigned(&assigned, &args.out)?;
    } else {
        let mut lines = Vec::with_capacity(assigned.len());
        for row in &assigned {
            lines.push(serde_json::to_string(row).map_err(CliError::failed)?);
        }
        if args.out.as_os_str() == "-" {
            lines.iter().for_each(|line| session.printer.data(line));
        } else {
            write_file(&args.out, (lines.join("\n") + "\n").as_bytes())?;
        }
    }
    session.printer.say(&format!("{} conversations, {homeless} of them in no theme", assigned.len()));
    Ok(())
}
