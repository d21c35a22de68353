//! `undertone embed`: texts in, vectors out.

mod columns;
mod incoming;
mod input;
mod item;
mod lines_in;
mod lines_out;
mod object;
mod output;
mod rows_in;
mod table_out;
mod unusable;
mod work;

use std::path::Path;
use std::time::Instant;

use super::args::Embed;
use super::{CliError, Session, bars};
use incoming::Incoming;
use input::SourceParams;
use output::{Ended, Output};
use unusable::Unusable;
use work::Work;

pub fn run(args: &Embed, session: &Session) -> Result<(), CliError> {
    if args.json && args.out.as_os_str() == "-" {
        return Err(CliError::BadInput("--json prints on stdout, so vectors need --out FILE".into()));
    }
    if args.text_field == "vector" {
        return Err(CliError::BadInput("--text-field vector: that is where vectors are written".into()));
    }
    let start = Instant::now();
    let params =
        SourceParams { path: args.input.clone(), format: args.format, field: args.text_field.clone() };
    let name = params.name();
    let incoming = Incoming::start(params);
    let mut work = Work::load(args)?;
    let carried = incoming.opened()?;
    let mut unusable = Unusable::new(carried.unit());
    let in_place = is_same_file(&args.input, &args.out);
    let mut output = Output::create(&args.out, &args.text_field, work.dimensions(), carried)?;
    session.progress.begin("embed", None, "texts");
    let read = pump(&incoming, &mut work, &mut unusable, &mut output, session);
    if output.is_closed() {
        return Ok(());
    }
    if let Err(error) = read.and_then(|()| incoming.finish()) {
        if let Some(aside) = output.finish(false)?.aside {
            session.printer.warning(&format!("{name}: what was read before is in {}", aside.display()));
        }
        return Err(error);
    }
    // What replaces its own input must not lose a record of it.
    let whole = if in_place { unusable.none() } else { unusable.within(args.max_reject_share) };
    let ended = output.finish(whole)?;
    say_sum(&work, start, session);
    if args.json {
        session.printer.data(&work.json(unusable.count()).to_string());
    }
    if !whole {
        let why = match in_place {
            true => "--out is the input itself, and would lose them".to_owned(),
            false => format!("more than --max-reject-share {} allows", args.max_reject_share),
        };
        let said = unusable.warnings().join("\n");
        return Err(CliError::BadInput(format!("{name}: {said}\n{why}; {}", kept(&ended, &args.out))));
    }
    warn(&name, &unusable, &ended, session);
    Ok(())
}

/// Encodes and writes what comes until nothing more does, or the reader of the output has gone.
fn pump(
    incoming: &Incoming,
    work: &mut Work,
    unusable: &mut Unusable,
    output: &mut Output,
    session: &Session,
) -> Result<(), CliError> {
    loop {
        let found = incoming.take();
        if found.is_empty() {
            return output.flush();
        }
        let (items, failure) = unusable.sort(found);
        if !items.is_empty() {
            let vectors = work.encode(&items)?;
            session.progress.advance(items.len() as u64);
            output.write(items, &vectors)?;
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if incoming.is_idle() {
            output.flush()?;
        }
        if output.is_closed() {
            return Ok(());
        }
    }
}

/// The line of figures: it is talk, not a bar, so only `--quiet` silences it.
fn say_sum(work: &Work, start: Instant, session: &Session) {
    if session.progress.is_silent() {
        session.printer.say(&bars::line("embed", start.elapsed(), &work.line()));
    } else {
        session.progress.finish(&work.line());
    }
}

/// What is said of an input that was used although not all of it could be.
fn warn(name: &str, unusable: &Unusable, ended: &Ended, session: &Session) {
    for warning in unusable.warnings() {
        session.printer.warning(&format!("{name}: {warning}"));
    }
    if ended.lost > 0 {
        session.printer.warning(&format!(
            "{name}: fields of {} lines are not in the table: the first lines had none, so it has no columns for \
             them; --out FILE.jsonl keeps all",
            ended.lost
        ));
    }
}

fn kept(ended: &Ended, out: &Path) -> String {
    match &ended.aside {
        Some(aside) => format!(
            "the vectors of the others are in {}, and {} is as it was",
            aside.display(),
            out.display()
        ),
        None => "the vectors of the others were written".to_owned(),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
