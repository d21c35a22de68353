//! From a labelled file to a head and its figures: what `undertone model train-tone` runs.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Row, Split};
use super::train::{Example, TrainParams, Training, train};
use super::{Scores, Tone, ToneError, ToneHead, ToneLabel, confusion};
use crate::progress::Progress;

/// Any error of the encoder handed in.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Texts handed to the encoder at once: enough to fill its batches, few enough to show progress.
const TEXTS_AT_ONCE: usize = 2048;

/// Rows by what they were used for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// Rows of the train split.
    pub train: u64,
    /// Rows of the dev split.
    pub dev: u64,
    /// Rows of the test split.
    pub test: u64,
    /// Rows left out, by label.
    pub skipped: BTreeMap<String, u64>,
}

/// What was trained on and how well it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// Rows read.
    pub counts: SplitCounts,
    /// Penalties tried and the one kept, with its temperature.
    pub training: Training,
    /// Scores on the test split, which nothing was picked on.
    pub test: Scores,
    /// Test rows by `[label][predicted]`, in the order negative, neutral, positive.
    pub test_confusion: [[u64; 3]; 3],
    /// sha256 of the head's file.
    pub hash: String,
}

/// Trains a head on a labelled CSV (see `Dataset::read`) and scores it on the test split.
///
/// `encode` returns one `Encoding::states` per text, in order. States and design are held in memory:
/// 0.9 GB for GoEmotions (36,172 training texts of 45,258, d = 2688). Errors: those of `Dataset::read` and
/// `train`, and `encode`'s own.
pub fn train_from_csv(
    path: &Path,
    encode: &dyn Fn(&[&str]) -> Result<Vec<Vec<f32>>, BoxError>,
    params: &TrainParams,
    progress: &Progress,
) -> Result<(ToneHead, TrainingReport), ToneError> {
    let dataset = Dataset::read(path)?;
    progress.begin("encode labelled texts", Some(dataset.rows.len() as u64), "text");
    let examples = |split| states(dataset.of(split), encode, progress);
    let (fitting, dev, test) = (examples(Split::Train)?, examples(Split::Dev)?, examples(Split::Test)?);
    progress.finish(&format!("{} texts", dataset.rows.len()));
    let (head, training) = train(&fitting, &dev, params, progress)?;
    let (test_scores, test_confusion) = evaluate(&head, &test)?;
    let counts = SplitCounts {
        train: fitting.len() as u64,
        dev: dev.len() as u64,
        test: test.len() as u64,
        skipped: dataset.skipped,
    };
    let hash = head.hash()?;
    Ok((head, TrainingReport { counts, training, test: test_scores, test_confusion, hash }))
}

/// Encodes rows in order.
fn states<'a>(
    rows: impl Iterator<Item = &'a Row>,
    encode: &dyn Fn(&[&str]) -> Result<Vec<Vec<f32>>, BoxError>,
    progress: &Progress,
) -> Result<Vec<Example>, ToneError> {
    let rows: Vec<&Row> = rows.collect();
    let mut examples = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(TEXTS_AT_ONCE) {
        let texts: Vec<&str> = chunk.iter().map(|row| row.text.as_str()).collect();
        let encoded = encode(&texts).map_err(ToneError::Encode)?;
        if encoded.len() != chunk.len() {
            let reason = format!("{} states for {} texts", encoded.len(), chunk.len());
            return Err(ToneError::Encode(reason.into()));
        }
        let pairs = chunk.iter().zip(encoded);
        examples.extend(pairs.map(|(row, states)| Example { states, label: row.label }));
        progress.advance(chunk.len() as u64);
    }
    Ok(examples)
}

fn evaluate(head: &ToneHead, test: &[Example]) -> Result<(Scores, [[u64; 3]; 3]), ToneError> {
    let tones = test.iter().map(|e| head.predict(&e.states)).collect::<Result<Vec<Tone>, _>>()?;
    let labels: Vec<ToneLabel> = test.iter().map(|e| e.label).collect();
    Ok((Scores::of(&tones, &labels), confusion(&tones, &labels)))
}
