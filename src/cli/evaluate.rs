//! `undertone evaluate`: the program scored against labelled data, with the one shipped default.

use std::fs;
use std::path::Path;

use ndarray::Array2;

use super::args::{Evaluate, Subject};
use super::{CliError, Session};
use crate::config::{Config, Plan};
use crate::conversation::Conversation;
use crate::conversation::cue::carries_request;
use crate::embed::{Embedder, EncodeParams, Encoder};
use crate::read::labelled::{Example, read_examples};
use crate::theme::represent::conversation_vector;
use crate::theme::{Given, K, Theme, encode_with, find, score};

pub fn run(args: &Evaluate, session: &Session) -> Result<(), CliError> {
    match args.subject {
        Subject::Themes => themes(args, session),
    }
}

fn themes(args: &Evaluate, session: &Session) -> Result<(), CliError> {
    let plan = plan(args.config.as_deref())?;
    let mut params = plan.themes.clone();
    if let Some(k) = args.k {
        params.k = K::Fixed(k);
    }
    let examples =
        read_examples(&args.file, &args.label, args.split.as_deref()).map_err(CliError::bad_input)?;
    let model = plan.load_model().map_err(CliError::bad_input)?;
    let encoder =
        Encoder::load(&model, EncodeParams { states: false, ..plan.encode }).map_err(CliError::failed)?;
    let rows = represent(&examples, &encoder, session)?;
    let flat: Vec<f32> = rows.iter().flat_map(|row| row.vector.iter().copied()).collect();
    let vectors =
        Array2::from_shape_vec((rows.len(), encoder.dimensions()), flat).map_err(CliError::failed)?;
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let mut found =
        find(vectors.view(), &texts, &params, &[], &session.progress).map_err(CliError::failed)?;
    // Conversations without a request are in no theme; they count as unassigned.
    let mut assignment = vec![None; examples.len()];
    for (row, theme) in rows.iter().zip(&found.assignment) {
        assignment[row.example] = *theme;
    }
    let truth: Vec<&str> = examples.iter().map(|example| example.label.as_str()).collect();
    let scores = score(&truth, &assignment);
    let json = serde_json::to_value(&scores).map_err(CliError::failed)?;
    if args.json {
        session.printer.data(&json.to_string());
        return Ok(());
    }
    for (name, value) in json.as_object().into_iter().flatten() {
        session.printer.data(&format!("{name:<12} {value}"));
    }
    let mut encode = encode_with(&encoder);
    found
        .describe(vectors.view(), &texts, &params, &mut encode, &Given::default())
        .map_err(CliError::failed)?;
    print_labels(&found.themes, session);
    Ok(())
}

/// Each theme's size, the AUC of its label, name and keywords; above them the AUCs summed up.
fn print_labels(themes: &[Theme], session: &Session) {
    let mut aucs: Vec<f64> = themes.iter().filter_map(|theme| Some(theme.separation?.auc)).collect();
    aucs.sort_by(f64::total_cmp);
    if let Some(least) = aucs.first() {
        let median = (aucs[(aucs.len() - 1) / 2] + aucs[aucs.len() / 2]) / 2.0;
        let mean = aucs.iter().sum::<f64>() / aucs.len() as f64;
        let count = aucs.len();
        session.printer.data(&format!(
            "label_auc    mean {mean:.3}, median {median:.3}, least {least:.3}, of {count} themes"
        ));
    }
    for theme in themes {
        let auc = theme.separation.map_or("   - ".to_owned(), |separation| format!("{:.3}", separation.auc));
        let keywords = theme.keywords.join(", ");
        session.printer.data(&format!("{:>5}  {auc}  {}  ({keywords})", theme.size, theme.name));
    }
}

fn plan(config: Option<&Path>) -> Result<Plan, CliError> {
    let mut config = match config {
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|e| CliError::BadInput(format!("{}: {e}", path.display())))?;
            Config::parse(&text)?
        }
        None => Config::default(),
    };
    // A plan wants inputs; evaluation brings its own.
    config.input.conversations = vec!["-".into()];
    Ok(config.plan()?)
}

/// A row to be clustered.
struct Row {
    example: usize,
    vector: Vec<f32>,
    text: String,
}

/// The same representation as a run's: the user's requests, the first weighing most.
fn represent(examples: &[Example], encoder: &Encoder, session: &Session) -> Result<Vec<Row>, CliError> {
    session.progress.begin("embed", Some(examples.len() as u64), "texts");
    let mut rows = Vec::new();
    for (chunk, start) in examples.chunks(256).zip((0..).step_by(256)) {
        let requests: Vec<Vec<&str>> = chunk.iter().map(|example| requests(&example.conversation)).collect();
        let flat: Vec<&str> = requests.iter().flatten().copied().collect();
        let mut encoded = encoder.encode(&flat).map_err(CliError::failed)?.into_iter();
        for (offset, requests) in requests.iter().enumerate() {
            let vectors: Vec<Vec<f32>> = encoded.by_ref().take(requests.len()).map(|e| e.vector).collect();
            if let Some(vector) = conversation_vector(vectors.iter().map(Vec::as_slice)) {
                rows.push(Row { example: start + offset, vector, text: requests[0].to_owned() });
            }
        }
        session.progress.advance(chunk.len() as u64);
    }
    session.progress.finish(&format!("{} of {} with a request", rows.len(), examples.len()));
    Ok(rows)
}

fn requests(conversation: &Conversation) -> Vec<&str> {
    conversation
        .user_turns()
        .map(|(_, turn)| turn.text.as_str())
        .filter(|text| carries_request(text))
        .collect()
}
