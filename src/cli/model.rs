//! `undertone model`: which sentence-transformers there are, whether they are whole, and the
//! training of the tone head.

use std::path::Path;

use super::args::{Model as Args, ModelAction};
use super::{CliError, Session};
use crate::embed::model::BUNDLED;
use crate::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
use crate::run::write_file;
use crate::tone::{BoxError, ToneHead, TrainParams, train_from_csv};

pub fn run(args: &Args, session: &Session) -> Result<(), CliError> {
    match &args.action {
        ModelAction::List => list(session),
        ModelAction::Verify { model } => verify(model, session),
        ModelAction::Fetch { id, revision, out } => fetch(id, revision, out, session),
        ModelAction::TrainTone { data, out } => train_tone(data, out, session),
    }
}

fn list(session: &Session) -> Result<(), CliError> {
    match Model::load(&ModelSource::Bundled) {
        Ok(model) => {
            let bytes: u64 = model.verify().iter().map(|file| file.bytes).sum();
            session.printer.data(&format!(
                "{BUNDLED}  bundled  {} MB  sha256 {}",
                bytes / 1_000_000,
                &model.hash()[..16]
            ));
        }
        Err(error) => session.printer.say(&error.to_string()),
    }
    let head = ToneHead::bundled().map_err(CliError::failed)?;
    session.printer.data(&format!("tone head  bundled  {}", head.hash().map_err(CliError::failed)?));
    Ok(())
}

fn verify(model: &str, session: &Session) -> Result<(), CliError> {
    let model = Model::load(&ModelSource::parse(model)).map_err(CliError::bad_input)?;
    let mut bad = 0;
    for file in model.verify() {
        let word = match file.as_recorded {
            Some(true) => "as recorded",
            Some(false) => "DIFFERS from the record",
            None => "no record",
        };
        bad += u32::from(file.as_recorded == Some(false));
        session.printer.data(&format!("{}  {}  {word}", file.sha256, file.file));
    }
    if bad > 0 {
        return Err(CliError::Failed(format!(
            "{bad} file(s) of {} are not the files that were recorded",
            model.name
        )));
    }
    Ok(())
}

#[cfg(feature = "hub")]
fn fetch(id: &str, revision: &str, out: &Path, session: &Session) -> Result<(), CliError> {
    use hf_hub::{Repo, RepoType, api::sync::Api};
    let api = Api::new().map_err(CliError::failed)?;
    let repo = api.repo(Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned()));
    std::fs::create_dir_all(out).map_err(CliError::failed)?;
    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        let file = repo.get(name).map_err(|e| CliError::Failed(format!("{id}: {name}: {e}")))?;
        std::fs::copy(&file, out.join(name)).map_err(CliError::failed)?;
        session.printer.data(&out.join(name).display().to_string());
    }
    Ok(())
}

#[cfg(not(feature = "hub"))]
fn fetch(id: &str, _: &str, out: &Path, _: &Session) -> Result<(), CliError> {
    Err(CliError::BadInput(format!(
        "this binary was built without the hub: rebuild with `--features hub`, or put model.safetensors, \
         tokenizer.json and config.json of {id} into {} yourself",
        out.display()
    )))
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
