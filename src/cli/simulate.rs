//! `undertone simulate`: conversations and activity with planted, recorded truths.

use std::fs;

use super::args::Simulate;
use super::{CliError, Session};
use crate::simulate::{World, simulate, write};

pub fn run(args: &Simulate, session: &Session) -> Result<(), CliError> {
    if args.conversations == 0 {
        return Err(CliError::BadInput("--conversations must be at least 1".into()));
    }
    let world = match &args.world {
        Some(path) => {
            let name = path.display();
            let text = fs::read_to_string(path).map_err(|e| CliError::BadInput(format!("{name}: {e}")))?;
            World::from_toml(&text).map_err(|e| CliError::BadInput(format!("{name}: {e}")))?
        }
        None => World::default(),
    };
    session.progress.begin("simulate", None, "conversations");
    let simulation = simulate(&world, args.conversations, args.seed);
    session.progress.finish(&format!("{} conversations", args.conversations));
    let files = write(&simulation, &args.out)
        .map_err(|e| CliError::Failed(format!("{}: {e}", args.out.display())))?;
    for file in [&files.conversations, &files.activity, &files.truth] {
        session.printer.data(&file.display().to_string());
    }
    Ok(())
}
