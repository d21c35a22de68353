//! What goes in, by content: equal fingerprints mean equal runs.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PipelineError;
use crate::config::Plan;
use crate::progress::Progress;
use crate::read::{ReadError, SourceFile};

/// One input file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its path, as given.
    pub path: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// blake3 of its bytes, hexadecimal.
    pub blake3: String,
}

/// Hashes every input file.
pub fn hash(
    files: &[SourceFile],
    activity: Option<&Path>,
    progress: &Progress,
) -> Result<Vec<InputFile>, PipelineError> {
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).chain(activity).collect();
    progress.begin("inputs", Some(paths.len() as u64), "files");
    let mut hashed = Vec::with_capacity(paths.len());
    for path in paths {
        let io = |source| ReadError::Io { file: path.display().to_string(), source };
        let mut hasher = blake3::Hasher::new();
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        hasher.update_reader(file).map_err(io)?;
        let blake3 = hasher.finalize().to_hex().to_string();
        hashed.push(InputFile { path: path.display().to_string(), bytes, blake3 });
        progress.advance(1);
    }
    progress.finish(&format!("{} files", hashed.len()));
    Ok(hashed)
}

/// Stands for everything a run's bytes depend on: inputs by content, config without where it runs
/// and where it writes, model, tone head and version, and `past` for the nights before.
pub fn fingerprint(
    plan: &Plan,
    model_hash: &str,
    tone_hash: &str,
    inputs: &[InputFile],
    past: &str,
) -> Result<String, PipelineError> {
    let mut config = plan.config.clone();
    config.engine = crate::config::EngineConfig::default();
    config.output = crate::config::Output::default();
    config.cache = crate::config::CacheConfig::default();
    config.embed.batch_tokens = crate::config::EmbedConfig::default().batch_tokens;
    config.input.conversations.clear();
    config.input.activity.clear();
    let mut contents: Vec<&str> = inputs.iter().map(|input| input.blake3.as_str()).collect();
    let activity = if plan.activity.is_some() { contents.pop() } else { None };
    contents.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    let config = config.to_toml()?;
    for part in [env!("CARGO_PKG_VERSION"), model_hash, tone_hash, &config, activity.unwrap_or(""), past] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    for content in contents {
        hasher.update(content.as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}
