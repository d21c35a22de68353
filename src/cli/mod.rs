//! The command line: one file per command, printing and progress bars.

mod args;
mod assign;
mod bars;
mod check;
mod demo;
mod embed;
mod evaluate;
mod init;
mod model;
mod parts_seen;
mod plot;
mod printer;
mod report;
mod run;
mod show;
mod simulate;
mod themes;
mod tune;

use std::process::ExitCode;

use clap::Parser;

pub use args::Cli;
use args::{Command, Global};
use printer::Printer;

use crate::config::Problems;
use crate::pipeline::PipelineError;
use crate::progress::Progress;
use crate::run::RunError;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Bad usage, config or input: exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Something failed while running: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            CliError::BadInput(_) => 2,
            CliError::Failed(_) => 1,
        }
    }

    fn failed(error: impl std::fmt::Display) -> CliError {
        CliError::Failed(error.to_string())
    }

    fn bad_input(error: impl std::fmt::Display) -> CliError {
        CliError::BadInput(error.to_string())
    }
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> CliError {
        if error.is_bad_input() { CliError::bad_input(error) } else { CliError::failed(error) }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        match error {
            RunError::NotARun { .. } => CliError::bad_input(error),
            other => CliError::failed(other),
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> CliError {
        let count = problems.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        CliError::BadInput(format!("{count} {noun} in the config:\n{problems}"))
    }
}

/// Threads past which a machine only loses.
const MAX_THREADS: usize = 512;

/// What every command gets.
pub struct Session {
    /// Data to stdout, talk to stderr.
    pub printer: Printer,
    /// Bars, or silence.
    pub progress: Progress,
    /// `--threads`, or one per core.
    pub threads: usize,
}

/// Parses the arguments, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    start_logging(&cli.global);
    let session = Session::new(&cli.global);
    match dispatch(cli.command, &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            session.printer.error(&error.to_string());
            ExitCode::from(error.code())
        }
    }
}

fn dispatch(command: Command, session: &Session) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(&args, session),
        Command::Init(args) => init::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Run(args) => run::run(&args, session),
        Command::Tune(args) => tune::run(&args, session),
        Command::Assign(args) => assign::run(&args, session),
        Command::Themes(args) => themes::run(&args, session),
        Command::Report(args) => report::run(&args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Simulate(args) => simulate::run(&args, session),
        Command::Embed(args) => embed::run(&args, session),
        Command::Model(args) => model::run(&args, session),
        Command::Evaluate(args) => evaluate::run(&args, session),
    }
}

impl Session {
    fn new(global: &Global) -> Session {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if global.threads == 0 { cores } else { global.threads.min(MAX_THREADS) };
        // A pool that exists already (a test's) is as good.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        let silent = global.quiet || global.no_progress;
        let progress = if silent { Progress::silent() } else { bars::progress() };
        Session { printer: Printer::new(global.quiet), progress, threads }
    }
}

fn start_logging(global: &Global) {
    let level = match global.verbose {
        0 => "warn",
        1 => "undertone=info",
        _ => "undertone=debug,datafusion=info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("UNDERTONE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
