//! What stands at the cache's path, looked at before anything is touched: only what carries the
//! store's own first bytes is ever moved aside or replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::CacheParams;
use super::file::{beside, private};

/// First bytes of every file of redb (its design document, "Super-header").
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// Endings of the files beside the cache, the cache's own file first.
const ENDINGS: [&str; 4] = ["", "lock", "new", "damaged"];

/// Links followed before a path is taken for a ring of them.
const MAX_LINKS: usize = 40;

/// A path that cannot be the cache's: a mistake in the config, which nothing but another path mends.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Something of somebody else's is there.
    #[error(
        "[cache] file {}: {what}, not a cache of embeddings, and is left alone; name a file that is not there \
         yet, or \"\" for no cache", path.display()
    )]
    Foreign {
        /// The cache's path.
        path: PathBuf,
        /// What is there.
        what: String,
    },
    /// The cache, or a file it keeps beside itself, would be an input.
    #[error(
        "[cache] file {}: {} is an input of this run; name another file, or \"\" for no cache",
        path.display(), input.display()
    )]
    Input {
        /// The cache's path.
        path: PathBuf,
        /// The input.
        input: PathBuf,
    },
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing.
    Nothing,
    /// A file of no bytes.
    Empty,
    /// A store, whole or damaged.
    Store,
    /// Something else, in words.
    Foreign(&'static str),
}

/// What is at `path`, from its first bytes.
pub(super) fn content(path: &Path) -> io::Result<Content> {
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::Nothing),
        Err(error) => return Err(error),
    };
    if facts.is_dir() {
        return Ok(Content::Foreign("it is a folder"));
    }
    if !facts.is_file() {
        return Ok(Content::Foreign("it is no regular file"));
    }
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(match head.is_empty() {
        true => Content::Empty,
        // A store may have been cut within them.
        false if MAGIC.starts_with(&head) => Content::Store,
        false => Content::Foreign("it is a file of something else"),
    })
}

/// Where a path leads once links are followed, also where there is no file at their end: a store is
/// replaced by renaming, which would put it in place of the link.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Whether a store at `path` may be read and not written: by its own mode, its file system's, or
/// because nobody may lock it.
pub(super) fn is_read_only(path: &Path) -> bool {
    let denied =
        |e: io::Error| matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    let Ok(facts) = fs::metadata(path) else { return false };
    // The superuser could write a file without a write bit, and should not.
    facts.permissions().readonly()
        || OpenOptions::new().read(true).write(true).open(path).is_err_and(denied)
        || private(&beside(path, "lock")).is_err_and(denied)
}

/// An error where `params.path` holds something that is no store, or where a run would read as its
/// input what the cache writes. Looks at first bytes only and touches nothing.
pub fn check(params: &CacheParams, inputs: &[&Path]) -> Result<(), CacheError> {
    let path = resolve(&params.path);
    for ending in ENDINGS {
        let own = if ending.is_empty() { path.clone() } else { beside(&path, ending) };
        if let Some(input) = inputs.iter().find(|input| is_same(&own, input)) {
            return Err(CacheError::Input { path: params.path.clone(), input: input.to_path_buf() });
        }
    }
    match content(&path) {
        Ok(Content::Foreign(what)) => {
            Err(CacheError::Foreign { path: params.path.clone(), what: what.to_owned() })
        }
        // What cannot be looked at costs the run its cache, and is reported then.
        _ => Ok(()),
    }
}

/// Whether two paths lead to one file.
fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
