//! `undertone run`: the whole analysis, published.

use std::fs;
use std::path::Path;

use super::args::Inputs;
use super::printer::tame;
use super::{CliError, Session};
use crate::config::{Config, Plan};
use crate::pipeline::{Published, run as analyse};
use crate::report::view::QualityLevel;

/// The config that is read when none is named.
const USUAL_CONFIG: &str = "undertone.toml";

pub fn run(args: &Inputs, session: &Session) -> Result<(), CliError> {
    let plan = plan(args, session)?;
    let published = analyse(&plan, &session.progress)?;
    warn(&published, session);
    if args.json {
        let summary = serde_json::json!({
            "run": published.dir,
            "conversations": published.report.overview.conversations,
            "themes": published.report.overview.themes,
            "findings": published.report.findings.len(),
            "rejected": published.read.rejected,
            "oddities": published.read.oddities,
            "resumed_stages": published.resumed,
        });
        session.printer.data(&summary.to_string());
        return Ok(());
    }
    announce(&published, session);
    Ok(())
}

/// The config file, then what the command line says.
pub fn config(args: &Inputs) -> Result<Config, CliError> {
    let usual = Path::new(USUAL_CONFIG);
    let file = args.config.as_deref().or_else(|| usual.exists().then_some(usual));
    let mut config = match file {
        Some(path) => {
            let hint = "`undertone init` writes one";
            let text = fs::read_to_string(path)
                .map_err(|e| CliError::BadInput(format!("{}: {e} ({hint})", path.display())))?;
            Config::parse(&text)?
        }
        None => Config::default(),
    };
    if !args.conversations.is_empty() {
        config.input.conversations.clone_from(&args.conversations);
    }
    if let Some(activity) = &args.activity {
        config.input.activity = activity.display().to_string();
    }
    if let Some(out) = &args.out {
        config.output.dir = out.display().to_string();
    }
    if let Some(since) = &args.since {
        config.input.since.clone_from(since);
    }
    if let Some(until) = &args.until {
        config.input.until.clone_from(until);
    }
    Ok(config)
}

/// The checked plan of a command line.
pub fn plan(args: &Inputs, session: &Session) -> Result<Plan, CliError> {
    let mut plan = config(args)?.plan()?;
    if plan.config.engine.threads == 0 {
        plan.threads = session.threads;
    }
    Ok(plan)
}

/// Says what could not be used.
pub fn warn(published: &Published, session: &Session) {
    let printer = &session.printer;
    if published.resumed > 0 {
        printer.say(&format!("resumed: {} stages were already done", published.resumed));
    }
    if published.read.rejected > 0 {
        let rejects = published.dir.join("rejects.jsonl");
        printer.say(&format!("{} records could not be used: {}", published.read.rejected, rejects.display()));
    }
    for trouble in published.cache.iter().flat_map(|cache| &cache.troubles) {
        printer.say(&format!("cache: {trouble}"));
    }
    if let Some(cut) = published.read.oddities.get("cut_off") {
        printer.say(&format!(
            "warning: {cut} file(s) end in the middle; every whole record before the cut was read"
        ));
    }
    let warnings = published.report.quality.iter().filter(|fact| fact.level == QualityLevel::Warning);
    for fact in warnings.filter(|fact| fact.label.starts_with("Users") || fact.label.starts_with("Without")) {
        printer.say(&format!("warning: {}: {}. {}", fact.label, fact.count, fact.meaning));
    }
}

/// Says what was found and where the report is.
pub fn announce(published: &Published, session: &Session) {
    let printer = &session.printer;
    let report = &published.report;
    printer.data("");
    if report.findings.is_empty() {
        printer.data("No finding: nothing can be told apart from noise.");
    }
    for (index, finding) in report.findings.iter().take(5).enumerate() {
        printer.data(&format!("{}. {}", index + 1, tame(&finding.headline)));
        printer.data(&format!("   {}", tame(&finding.detail)));
    }
    printer.data("");
    printer.data(&format!("report: {}", published.dir.join("report.html").display()));
}
