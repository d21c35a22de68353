//! `undertone model`: which sentence-transformers there are, whether they are whole, fetching one,
//! and the training of the tone head.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Model as Args, ModelAction};
use super::{CliError, Session};
use crate::embed::model::{Hub, HubId, Outline, Pin, Place, Verdict, export};
use crate::embed::{Embedder, EncodeParams, Encoder, Model, ModelError, ModelSource};
use crate::run::write_file;
use crate::tone::{BoxError, ToneHead, TrainParams, train_from_csv};

/// Where models are fetched to, and looked for.
const FOLDER: &str = "models";

pub fn run(args: &Args, session: &Session) -> Result<(), CliError> {
    match &args.action {
        ModelAction::List { folder, json } => list(folder, *json, session),
        ModelAction::Verify { model } => verify(model, session),
        ModelAction::Fetch { id, revision, out, sha256, offline } => {
            let hub = Hub::from_env().or_offline(*offline).with_progress(session.progress.clone());
            let id = hub_id(id, revision.as_deref())?;
            let pin = sha256.as_deref().map(pin).transpose()?;
            let out = out.clone().unwrap_or_else(|| Path::new(FOLDER).join(id.name()));
            fetch(&hub, &id, &out, pin.as_ref(), session)
        }
        ModelAction::TrainTone { data, out } => train_tone(data, out, session),
    }
}

fn list(folder: &Path, json: bool, session: &Session) -> Result<(), CliError> {
    let mut models = match Outline::bundled() {
        Ok(model) => vec![model],
        Err(error) => {
            session.printer.say(&error.to_string());
            Vec::new()
        }
    };
    models.extend(Outline::in_folder(folder));
    models.extend(Outline::in_cache(&Hub::from_env()));
    let head = ToneHead::bundled().and_then(|head| head.hash()).map_err(CliError::failed)?;
    if json {
        let models: Vec<Value> = models.iter().map(to_json).collect();
        let list = json!({"models": models, "tone_head": head});
        session.printer.data(&serde_json::to_string_pretty(&list).map_err(CliError::failed)?);
        return Ok(());
    }
    for model in &models {
        let place = match &model.place {
            Place::Bundled => "bundled".to_owned(),
            Place::Folder(_) => "folder".to_owned(),
            Place::Cache(commit) => format!("cache {}", commit.get(..12).unwrap_or(commit)),
        };
        match &model.layout {
            Ok(layout) => {
                let size = megabytes(model.bytes);
                session.printer.data(&format!("{}  {place}  {size}  {layout}", model.name));
            }
            Err(error) => session.printer.say(&format!("{}  {place}  cannot be used: {error}", model.name)),
        }
    }
    session.printer.data(&format!("tone head  bundled  {head}"));
    Ok(())
}

fn to_json(model: &Outline) -> Value {
    let error = model.layout.as_ref().err().map(ModelError::to_string);
    json!({
        "name": model.name,
        "place": model.place,
        "bytes": model.bytes,
        "layout": model.layout.as_ref().ok(),
        "error": error,
    })
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn verify(model: &str, session: &Session) -> Result<(), CliError> {
    let source = ModelSource::parse(model);
    let hub = Hub::from_env().or_offline(true);
    let model = Model::load_unchecked(&source, &hub).map_err(CliError::bad_input)?;
    let mut bad = 0;
    for file in model.verify() {
        let word = match file.verdict {
            Verdict::AsRecorded => "as recorded",
            Verdict::Differs => "DIFFERS from the record",
            Verdict::Missing => "MISSING, but recorded",
            Verdict::Added => "NOT IN THE RECORD",
            Verdict::NoRecord => "no record",
        };
        bad += u32::from(file.verdict.is_bad());
        session.printer.data(&format!("{}  {}  {word}", file.sha256, file.file));
    }
    if bad > 0 {
        return Err(CliError::Failed(format!(
            "{bad} file(s) of {} are not the files that were recorded; remove the folder and fetch the model again",
            model.name
        )));
    }
    Ok(())
}

fn fetch(hub: &Hub, id: &HubId, out: &Path, pin: Option<&Pin>, session: &Session) -> Result<(), CliError> {
    let snapshot = hub.fetch(id).map_err(fetch_error)?;
    for file in export(id, &snapshot, out, pin).map_err(fetch_error)? {
        session.printer.data(&format!("{}  {}", file.sha256, out.join(&file.file).display()));
    }
    let folder = out.display();
    if id.commit().is_none() {
        session.printer.say(&format!(
            "{} is at commit {}; give that as --revision to get the same files another day",
            id, snapshot.commit
        ));
    }
    session
        .printer
        .say(&format!("use it: `[embed] model = \"{folder}\"`; check it: undertone model verify {folder}"));
    Ok(())
}

/// What the user can change is bad input; the rest failed while running.
fn fetch_error(error: ModelError) -> CliError {
    match error {
        ModelError::Unsupported { .. } | ModelError::Malformed { .. } => CliError::bad_input(error),
        other => CliError::failed(other),
    }
}

fn hub_id(word: &str, revision: Option<&str>) -> Result<HubId, CliError> {
    let id = HubId::parse(word).ok_or_else(|| {
        CliError::BadInput(format!("{word}: not a hub id; it is owner/name, e.g. BAAI/bge-small-en-v1.5"))
    })?;
    match revision {
        None => Ok(id),
        Some(revision) if word.contains('@') && id.revision != revision => Err(CliError::BadInput(format!(
            "{word} names one revision and --revision {revision} another; leave one out"
        ))),
        Some(revision) => id.at(revision).ok_or_else(|| {
            CliError::BadInput(format!("--revision {revision}: not the name of a branch, a tag or a commit"))
        }),
    }
}

fn pin(word: &str) -> Result<Pin, CliError> {
    let wrong = || CliError::BadInput(format!("--sha256 {word}: a sha256 is 64 hexadecimal digits"));
    Pin::parse(word).ok_or_else(wrong)
}

fn train_tone(data: &Path, out: &Path, session: &Session) -> Result<(), CliError> {
    let model = Model::load(&ModelSource::Bundled).map_err(CliError::bad_input)?;
    let encoder = Encoder::load(&model, EncodeParams::default()).map_err(CliError::failed)?;
    let encode = |texts: &[&str]| -> Result<Vec<Vec<f32>>, BoxError> {
        Ok(encoder.encode(texts)?.into_iter().map(|encoding| encoding.states).collect())
    };
    let (head, report) = train_from_csv(data, &encode, &TrainParams::default(), &session.progress)
        .map_err(CliError::failed)?;
    write_file(&out.join("head.safetensors"), &head.to_bytes().map_err(CliError::failed)?)?;
    session.printer.data(&serde_json::to_string_pretty(&report).map_err(CliError::failed)?);
    Ok(())
}
