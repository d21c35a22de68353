//! `undertone demo`: a simulated month, analysed, with the findings printed.

use super::args::Demo;
use super::run::announce;
use super::{CliError, Session};
use crate::config::Config;
use crate::pipeline::run as analyse;
use crate::simulate::{World, simulate, write};

pub fn run(args: &Demo, session: &Session) -> Result<(), CliError> {
    if args.conversations == 0 {
        return Err(CliError::BadInput("--conversations must be at least 1".into()));
    }
    session.progress.begin("simulate", None, "conversations");
    let simulation = simulate(&World::default(), args.conversations, args.seed);
    let files = write(&simulation, &args.out.join("data")).map_err(CliError::failed)?;
    session.progress.finish(&format!("{} conversations of a made-up assistant", args.conversations));
    let mut config = Config::default();
    config.product.name = "A simulated assistant".into();
    config.input.conversations = vec![escape_pattern(&files.conversations.display().to_string())];
    config.input.activity = files.activity.display().to_string();
    config.output.dir = args.out.join("runs").display().to_string();
    let mut plan = config.plan()?;
    plan.threads = session.threads;
    let published = analyse(&plan, &session.progress)?;
    announce(&published, session);
    session.printer.say(&format!("what was planted: {}", files.truth.display()));
    Ok(())
}

/// A path as a pattern that matches nothing but itself.
fn escape_pattern(path: &str) -> String {
    glob::Pattern::escape(path)
}
