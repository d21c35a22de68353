//! The run directory: built under a temporary name, resumed stage by stage, published whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of the run directory's layout. A reader refuses one it does not know.
pub const LAYOUT: u32 = 1;

/// A run directory that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file system refused.
    #[error("{}: {source}{}", path.display(), if is_full(source) { "; free some space and start again: finished stages are kept" } else { "" })]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("{} is in use by another run; wait for it or choose another `--out`", .0.display())]
    Busy(PathBuf),
    /// Not a run, or one of another version.
    #[error("{}: {reason}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A JSON file does not hold what it should.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

/// One finished stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageFacts {
    /// Its name.
    pub name: String,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Rows it wrote or measured.
    pub rows: u64,
}

#[derive(Serialize, Deserialize)]
struct Mark<T> {
    facts: StageFacts,
    summary: T,
}

/// A run being built.
///
/// Lives in `.building-<hash>` beside the published runs, where `hash` stands for the inputs, the
/// config, the model and the version: a run that was killed finds its finished stages there.
pub struct RunDraft {
    root: PathBuf,
    dir: PathBuf,
    hash: String,
    stages: Vec<StageFacts>,
    resumed: usize,
    _lock: File,
}

impl RunDraft {
    /// Opens or resumes the draft for `hash` under `root`.
    pub fn open(root: &Path, hash: &str) -> Result<RunDraft, RunError> {
        create_dir(root)?;
        let lock_path = root.join(".lock");
        let lock = File::create(&lock_path).map_err(|e| io_error(&lock_path, e))?;
        lock.try_lock().map_err(|_| RunError::Busy(root.to_owned()))?;
        sweep(root, hash)?;
        let dir = root.join(format!(".building-{hash}"));
        create_dir(&dir.join(".stages"))?;
        let latest = root.join("latest");
        if cfg!(unix) && fs::symlink_metadata(&latest).is_ok_and(|facts| !facts.is_symlink()) {
            let reason = "is in the way: undertone makes it a link to the newest run; move it".to_owned();
            return Err(RunError::NotARun { path: latest, reason });
        }
        Ok(RunDraft {
            root: root.to_owned(),
            dir,
            hash: hash.to_owned(),
            stages: vec![],
            resumed: 0,
            _lock: lock,
        })
    }

    /// A path inside the draft.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Stages so far.
    pub fn stages(&self) -> &[StageFacts] {
        &self.stages
    }

    /// How many stages were found finished.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// True when an earlier start left this stage's tables whole.
    pub fn is_done(&self, name: &str) -> bool {
        self.mark(name).exists()
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.dir.join(".stages").join(format!("{name}.json"))
    }

    /// Runs a stage unless an earlier start finished it; returns its summary either way.
    ///
    /// `work` returns the rows it wrote and a summary for later stages.
    pub fn stage<T, E>(
        &mut self,
        name: &str,
        work: impl FnOnce(&RunDraft) -> Result<(u64, T), E>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<RunError>,
    {
        let mark = self.mark(name);
        if let Ok(bytes) = fs::read(&mark)
            && let Ok(Mark { facts, summary }) = serde_json::from_slice::<Mark<T>>(&bytes)
        {
            tracing::info!(stage = name, "already done");
            self.stages.push(facts);
            self.resumed += 1;
            return Ok(summary);
        }
        tracing::info!(stage = name, "begins");
        let start = Instant::now();
        let (rows, summary) = work(self)?;
        let facts = StageFacts { name: name.to_owned(), seconds: start.elapsed().as_secs_f64(), rows };
        tracing::info!(stage = name, rows, seconds = facts.seconds, "done");
        write_json(&mark, &Mark { facts: facts.clone(), summary })?;
        self.stages.push(facts);
        // Read back even now: a float may lose its last bit on the way through JSON, and a run that
        // was never killed must carry the same numbers as one that was.
        let Mark { summary, .. } = read_json::<Mark<T>>(&mark)?;
        Ok(summary)
    }

    /// Removes what only stages needed, names the run and makes `latest` point to it.
    pub fn publish(self, started: DateTime<Utc>) -> Result<PathBuf, RunError> {
        for scratch in ["staging", ".stages"] {
            remove_dir(&self.dir.join(scratch))?;
        }
        let short = &self.hash[..self.hash.len().min(8)];
        let stem = format!("{}-{short}", started.format("%Y%m%dT%H%M%SZ"));
        let mut name = stem.clone();
        let mut attempt = 2;
        while self.root.join(&name).exists() {
            name = format!("{stem}-{attempt}");
            attempt += 1;
        }
        let target = self.root.join(&name);
        fs::rename(&self.dir, &target).map_err(|e| io_error(&target, e))?;
        point_latest(&self.root, &name)?;
        Ok(target)
    }
}

/// Deletes drafts of other inputs or configs: nothing will resume them.
fn sweep(root: &Path, hash: &str) -> Result<(), RunError> {
    let keep = format!(".building-{hash}");
    for entry in fs::read_dir(root).map_err(|e| io_error(root, e))? {
        let entry = entry.map_err(|e| io_error(root, e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".building-") && name != keep {
            remove_dir(&entry.path())?;
        }
    }
    Ok(())
}

/// `latest` is replaced in one step, so that a reader always finds a run behind it.
fn point_latest(root: &Path, name: &str) -> Result<(), RunError> {
    let (link, fresh) = (root.join("latest"), root.join(".latest"));
    #[cfg(unix)]
    {
        let _ = fs::remove_file(&fresh);
        std::os::unix::fs::symlink(name, &fresh).map_err(|e| io_error(&fresh, e))?;
    }
    #[cfg(not(unix))]
    fs::write(&fresh, name).map_err(|e| io_error(&fresh, e))?;
    fs::rename(&fresh, &link).map_err(|e| io_error(&link, e))
}

/// A published run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its folder.
    pub dir: PathBuf,
}

impl Run {
    /// Opens a run folder, `latest` included.
    pub fn open(path: &Path) -> Result<Run, RunError> {
        let facts = path.join("run.json");
        if !facts.is_file() {
            let reason =
                "not a run directory: it has no run.json (a run is runs/<time>-<hash> or runs/latest)";
            return Err(RunError::NotARun { path: path.to_owned(), reason: reason.into() });
        }
        let value: serde_json::Value = read_json(&facts)?;
        let layout = value.get("layout").and_then(serde_json::Value::as_u64);
        if layout != Some(u64::from(LAYOUT)) {
            let reason = format!("its layout is {layout:?}, this version reads {LAYOUT}");
            return Err(RunError::NotARun { path: path.to_owned(), reason });
        }
        Ok(Run { dir: path.to_owned() })
    }

    /// A path inside the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Writes a value as indented JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|source| RunError::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    write_file(path, &text)
}

/// Writes a value as JSON on one line: for what is mostly numbers.
pub fn write_line(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let mut text =
        serde_json::to_vec(value).map_err(|source| RunError::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    write_file(path, &text)
}

/// Reads a value from JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let bytes = fs::read(path).map_err(|e| io_error(path, e))?;
    serde_json::from_slice(&bytes).map_err(|source| RunError::Json { path: path.to_owned(), source })
}

/// Writes a file whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    if let Some(folder) = path.parent() {
        create_dir(folder)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".part");
    let fresh = PathBuf::from(fresh);
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|e| io_error(&fresh, e))?;
    fs::rename(&fresh, path).map_err(|e| io_error(path, e))
}

fn create_dir(path: &Path) -> Result<(), RunError> {
    fs::create_dir_all(path).map_err(|e| io_error(path, e))
}

fn remove_dir(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, source: io::Error) -> RunError {
    RunError::Io { path: path.to_owned(), source }
}
