//! `undertone check`: config and inputs, every problem at once, and the first conversations as
//! understood.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::Inputs;
use super::parts_seen::PartsSeen;
use super::printer::tame;
use super::{CliError, Session, run::config};
use crate::config::{Plan, Problem, Problems};
use crate::conversation::Conversation;
use crate::embed::model::Hub;
use crate::embed::{EmbedError, Encoder, Model, cache};
use crate::progress::Progress;
use crate::read::activity::read_activity;
use crate::read::{Oddity, Part, Place, ReadError, Reject, Sink, SourceFile, expand, read_file};

/// Conversations and rejects shown.
const SHOWN: usize = 3;

pub fn run(args: &Inputs, session: &Session) -> Result<(), CliError> {
    let plan = config(args)?.plan()?;
    let mut problems = Vec::new();
    let mut seen = Seen::default();
    let mut files = BTreeMap::new();
    for pattern in &plan.conversations {
        match expand(std::slice::from_ref(pattern)) {
            Ok(found) => files.extend(found.into_iter().map(|file| (file.path.clone(), file))),
            Err(error) => problems.push(Problem::new("input.conversations", error.to_string(), "")),
        }
    }
    files.values().for_each(|file| inspect(file, &plan, &mut seen, &mut problems, session));
    seen.put_together();
    check_share(&plan, &seen, &mut problems);
    check_activity(&plan, &mut problems, session);
    check_cache(&plan, &files, &mut problems);
    if let Err(error) = load_model(&plan) {
        problems.push(Problem::new("embed.model", error.to_string(), ""));
    }
    if !problems.is_empty() {
        let problems = Problems(problems);
        return Err(CliError::BadInput(format!("{} problem(s):\n{problems}", problems.0.len())));
    }
    print(&seen, args.json, session);
    Ok(())
}

/// Whether the cache's file is what it may be: nothing, a cache, and no input of the run.
fn check_cache(plan: &Plan, files: &BTreeMap<PathBuf, SourceFile>, problems: &mut Vec<Problem>) {
    let Some(params) = &plan.cache else { return };
    let inputs: Vec<&Path> = files.keys().map(PathBuf::as_path).chain(plan.activity.as_deref()).collect();
    if let Err(error) = cache::check(params, &inputs) {
        problems.push(Problem::new("cache.file", error.to_string(), ""));
    }
}

/// Everything of the model that can be wrong, its weights too.
fn load_model(plan: &Plan) -> Result<Encoder, EmbedError> {
    // From what is on this machine: checking never uses the network.
    let model = Model::load_with(&plan.model, &Hub::from_env().or_offline(true))?;
    Encoder::load(&model.with_prompt(plan.prompt.clone()), plan.encode)
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<String, (String, u64)>,
    conversations: u64,
    turns: u64,
    users: std::collections::BTreeSet<String>,
    undated: u64,
    rejected: u64,
    first: Vec<Conversation>,
    rejects: Vec<Reject>,
    oddities: BTreeMap<Oddity, u64>,
    parts: PartsSeen,
}

impl Seen {
    /// Conversations in parts become conversations.
    fn put_together(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        self.conversations += parts.conversations();
        self.turns += parts.turns;
        self.users.extend(parts.users.iter().cloned());
        let missing = SHOWN.saturating_sub(self.first.len());
        self.first.extend(parts.first(missing));
    }
}

impl Sink for Seen {
    fn conversation(&mut self, _: Place, conversation: Conversation) -> Result<(), ReadError> {
        self.conversations += 1;
        self.turns += conversation.turns.len() as u64;
        self.undated += u64::from(conversation.started_at.is_none());
        if let Some(user) = &conversation.user_id {
            self.users.insert(user.clone());
        }
        if self.first.len() < SHOWN {
            self.first.push(conversation);
        }
        Ok(())
    }

    fn part(&mut self, _: Place, part: Part) -> Result<(), ReadError> {
        self.parts.add(part);
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), ReadError> {
        self.rejected += u64::from(!reject.is_cut_off());
        if self.rejects.len() < SHOWN {
            self.rejects.push(reject);
        }
        Ok(())
    }

    fn oddity(&mut self, oddity: Oddity) {
        *self.oddities.entry(oddity).or_default() += 1;
    }

    fn consumed(&mut self, _: u64) {}
}

fn inspect(file: &SourceFile, plan: &Plan, seen: &mut Seen, problems: &mut Vec<Problem>, session: &Session) {
    let name = file.path.display().to_string();
    session.progress.begin("check", None, "files");
    let before = seen.conversations + seen.parts.count;
    match read_file(file, &plan.read, seen) {
        Ok(format) => {
            let format = format.map_or("no record", |f| f.name()).to_owned();
            let records = seen.conversations + seen.parts.count - before;
            seen.files.insert(name.clone(), (format, records));
        }
        Err(error) => problems.push(Problem::new(&name, error.to_string(), "")),
    }
    session.progress.finish(&name);
}

fn check_share(plan: &Plan, seen: &Seen, problems: &mut Vec<Problem>) {
    let records = seen.conversations + seen.rejected;
    if records > 0 && seen.rejected as f64 > plan.max_reject_share * records as f64 {
        let first: Vec<String> =
            seen.rejects.iter().map(|r| format!("{}:{}: {}", r.file, r.line, r.reason)).collect();
        let text =
            format!("{} of {records} records cannot be used; the first: {}", seen.rejected, first.join("; "));
        problems.push(Problem::new(
            "input.conversations",
            text,
            "raise [input] max_reject_share to go on without them",
        ));
    }
    if seen.conversations == 0 && problems.is_empty() {
        problems.push(Problem::new("input.conversations", "not one conversation in these files", ""));
    }
}

fn check_activity(plan: &Plan, problems: &mut Vec<Problem>, session: &Session) {
    let Some(path) = &plan.activity else { return };
    let scratch = std::env::temp_dir().join(format!("undertone-check-{}.parquet", std::process::id()));
    let mut rejected = 0_u64;
    let mut first = String::new();
    let mut count = |reject: Reject| {
        rejected += 1;
        if first.is_empty() {
            first = format!("the first: line {}: {}", reject.line, reject.reason);
        }
    };
    let read =
        read_activity(path, &plan.activity_columns, plan.zone, &scratch, &mut count, &Progress::silent());
    let _ = std::fs::remove_file(&scratch);
    match read {
        Ok(found) => {
            let (rows, users) = (found.rows, found.users);
            session.printer.say(&format!("activity: {rows} rows of {users} users, {rejected} rejected"));
            if rejected as f64 > plan.max_reject_share * (rows + rejected) as f64 {
                let text = format!("{rejected} of {} rows cannot be used; {first}", rows + rejected);
                problems.push(Problem::new(
                    "input.activity",
                    text,
                    "raise [input] max_reject_share to go on without them",
                ));
            }
        }
        Err(error) => problems.push(Problem::new("input.activity", error.to_string(), "")),
    }
}

fn print(seen: &Seen, json: bool, session: &Session) {
    let printer = &session.printer;
    if json {
        let oddities: BTreeMap<&str, u64> = seen.oddities.iter().map(|(o, n)| (o.name(), *n)).collect();
        let facts = serde_json::json!({
            "files": seen.files.iter().map(|(name, (format, n))| serde_json::json!({"file": name, "format": format, "records": n})).collect::<Vec<_>>(),
            "conversations": seen.conversations, "turns": seen.turns, "users": seen.users.len(),
            "undated": seen.undated, "rejected": seen.rejected, "oddities": oddities,
        });
        printer.data(&facts.to_string());
        return;
    }
    for (name, (format, records)) in &seen.files {
        printer.data(&format!("{name}: {records} records, format {format}"));
    }
    printer.data(&format!(
        "{} conversations, {} turns, {} users, {} without a date, {} records rejected",
        seen.conversations,
        seen.turns,
        seen.users.len(),
        seen.undated,
        seen.rejected
    ));
    for (oddity, count) in &seen.oddities {
        printer.data(&format!("{}: {count} ({})", oddity.name(), oddity.meaning()));
    }
    for reject in &seen.rejects {
        printer.data(&format!("rejected {}:{}: {}", reject.file, reject.line, reject.reason));
    }
    for conversation in &seen.first {
        printer.data("");
        let user = conversation.user_id.as_deref().unwrap_or("unknown user");
        let start = conversation.started_at.map_or_else(|| "undated".into(), |at| at.to_rfc3339());
        printer.data(&tame(&format!("{}  {user}  {start}", conversation.id)));
        for turn in conversation.turns.iter().take(4) {
            let text: String = turn.text.chars().take(90).collect();
            printer.data(&format!("  {:<9} {}", turn.role.as_str(), tame(&text).replace('\n', " ")));
        }
    }
}
