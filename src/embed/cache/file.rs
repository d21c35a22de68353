//! The files of the cache: who may touch them, how they are made, and what goes wrong with them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a session with the store did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Somebody else has it for longer than we wait.
    #[error("another process kept it locked")]
    Busy,
    /// It is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// It is not ours.
    #[error("{0}")]
    Foreign(String),
    /// The file system refused.
    #[error("{what}")]
    Refused {
        /// What it said.
        what: String,
        /// What may help.
        hint: &'static str,
    },
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Fault {
        use redb::Error as E;
        match error {
            E::DatabaseAlreadyOpen | E::LockProtocolMismatch => Fault::Busy,
            // Where it may be written it is mended before anybody hears of it.
            E::RepairAborted => Fault::Refused {
                what: "a killed run left it to be mended, and it may only be read".to_owned(),
                hint: "let a run that may write it mend it",
            },
            // A file cut short comes as an error of reading.
            E::Io(source) if is_content(source.kind()) => Fault::Damaged(source.to_string()),
            E::Io(source) => source.into(),
            E::Corrupted(_) | E::UpgradeRequired(_) => Fault::Damaged(error.to_string()),
            // A whole store with other tables in it.
            E::TableTypeMismatch { .. }
            | E::TypeDefinitionChanged { .. }
            | E::TableIsMultimap(_)
            | E::TableDoesNotExist(_) => {
                Fault::Foreign(format!("it is another program's redb database ({error})"))
            }
            other => Fault::Refused { what: other.to_string(), hint: "is the disk in order?" },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        use io::ErrorKind as E;
        if error.kind() == E::WouldBlock {
            return Fault::Busy;
        }
        let hint = match error.kind() {
            E::PermissionDenied => "may this user read and write the file and its folder?",
            E::ReadOnlyFilesystem => "its file system may only be read",
            E::StorageFull | E::QuotaExceeded => "the disk is full",
            E::NotFound | E::NotADirectory => "is its folder there?",
            _ => "is the disk in order?",
        };
        Fault::Refused { what: error.to_string(), hint }
    }
}

fn is_content(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput)
}

/// `path` with `.ending` after its whole name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Opens or makes a file that only its owner may read: vectors tell much of what a user wrote.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Bytes a file takes on disk; 0 where there is none.
///
/// Not its length: redb grows a file by doubling it, and the new half is a hole until it is used.
pub(super) fn disk_bytes(path: &Path) -> u64 {
    let Ok(facts) = fs::metadata(path) else { return 0 };
    #[cfg(unix)]
    return 512 * std::os::unix::fs::MetadataExt::blocks(&facts);
    #[cfg(not(unix))]
    return facts.len();
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the store is changed or only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Alone at it.
    Write,
    /// Beside others that read it.
    Read,
}

/// Locks `<path>.lock` for as long as the returned file lives; a killed process lets go of it.
///
/// A file of its own, so that whoever holds it may also replace the store: nobody else can be
/// reading or writing the old one at that moment. `waiting` hears how long it has been. Who may not
/// write and finds no such file goes without: then nobody writes here.
pub(super) fn lock(
    path: &Path,
    access: Access,
    patience: Duration,
    mut waiting: impl FnMut(Duration),
) -> Result<Option<File>, Fault> {
    let path = beside(path, "lock");
    let file = match access {
        Access::Write => private(&path)?,
        Access::Read => match File::open(&path) {
            Ok(file) => file,
            Err(_) => return Ok(None),
        },
    };
    let (start, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        let held = match access {
            Access::Write => file.try_lock(),
            Access::Read => file.try_lock_shared(),
        };
        match held {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                let what = format!("locking: {error}");
                return Err(Fault::Refused { what, hint: "can its file system lock files?" });
            }
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => return Err(Fault::Busy),
            Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
        }
        waiting(start.elapsed());
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}
