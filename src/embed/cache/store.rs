//! Sessions with the store: lock, open, one transaction, close, unlock.
//!
//! redb gives its file to one process at a time. Sessions are short, so that several runs share the
//! file: reading 256 records takes a millisecond or two, opening and closing for it a tenth of one;
//! a writing session costs some 30 ms of opening and closing, so records are written by thousands.
//!
//! Records lie in the order they were stored, apart from the index by address: a store keyed by
//! hashes alone writes a page per record and grows to twice the size, and the next night, which
//! asks in about the same order, would read it all over the disk.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyDatabase, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableDefinition, TableHandle, WriteTransaction,
};

use super::file::{Access, Fault, beside, lock, private, remove};
use super::overlay::Overlay;
use super::place::{Content, content, is_read_only, resolve};
use super::record::Address;

/// Address -> (sequence number of the record, run that used it last, bytes of the record).
pub(super) const INDEX: TableDefinition<'_, Address, (u64, u32, u32)> = TableDefinition::new("index 1");
/// Sequence number -> record.
pub(super) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records 1");
/// How many runs have begun: the clock of recency, which no wrong system time turns back.
pub(super) const RUNS: TableDefinition<'_, (), u32> = TableDefinition::new("runs 1");

/// How long a run waits in vain for another process to let go, all in all. Shrinking a store of some
/// gigabytes takes longer: a run that comes then goes on without, and asks again with every batch.
/// Waits that are rewarded do not count.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// And once that is used up: a stopped process must cost no batch more than this.
const PATIENCE_LOST: Duration = Duration::from_millis(50);
/// After so long a run says that it is waiting, and for what.
const SILENCE: Duration = Duration::from_secs(2);
/// Memory for pages; redb's own choice of 1 GiB is a lot beside an encoder.
const PAGE_MEMORY_BYTES: usize = 64 << 20;

/// The store in one file.
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    /// What is left of it.
    pub(super) patience: Duration,
    /// Whether somebody was told that the run waits.
    said: bool,
    /// Whether the path that was given is a link.
    is_link: bool,
}

impl Store {
    /// The store at `path`, or where a link there leads.
    pub(super) fn new(path: &Path) -> Store {
        let target = resolve(path);
        let is_read_only = matches!(content(&target), Ok(Content::Store)) && is_read_only(&target);
        Store {
            access: if is_read_only { Access::Read } else { Access::Write },
            is_link: target != path,
            path: target,
            patience: PATIENCE,
            said: false,
        }
    }

    /// What should not be passed over in silence though the run has a cache; `None` for the usual.
    pub(super) fn remark(&self) -> Option<String> {
        let path = self.path.display();
        match content(&self.path) {
            Ok(Content::Empty) => {
                Some(format!("{path} was an empty file; a new cache was begun in its place"))
            }
            Ok(Content::Nothing) if self.is_link => {
                Some(format!("{path}, where a link leads, was not there; a new cache was begun"))
            }
            Ok(Content::Store) if self.access == Access::Read => Some(format!(
                "{path} may only be read: what it holds is used, and nothing new is kept (may this user write the \
                 file and its folder?)"
            )),
            _ => None,
        }
    }

    /// Checks the whole file, counts one run more and returns its number.
    ///
    /// The check walks every page's checksum (2 to 3 s for a million records). It buys that later
    /// sessions may trust the tree: a damaged one can make redb panic, or loop, or abort on a
    /// length, and the record's own checksum comes too late for that. Pages damaged under an earlier
    /// run's hands and written again have good checksums; their keys are looked at for that.
    pub(super) fn begin(&mut self) -> Result<u32, Fault> {
        // A bare name is in the folder we are in.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            if self.is_link && !folder.exists() {
                let what = format!("a link leads there, and there is no folder {}", folder.display());
                return Err(Fault::Refused { what, hint: "is a disk missing?" });
            }
            fs::create_dir_all(folder)?;
        }
        if self.access == Access::Read {
            return self.session(look_through);
        }
        self.session(|path| {
            remove(&beside(path, "new"))?;
            change(path, true, count_run)
        })
    }

    /// Hands the record of each address that has one to `accept`, as (position among `addresses`,
    /// run that used it last, record). What `accept` refuses is damage.
    pub(super) fn read(
        &mut self,
        addresses: &[Address],
        mut accept: impl FnMut(usize, u32, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let access = self.access;
        self.session(|path| {
            if is_missing(path)? {
                return Ok(());
            }
            let db = open_to_read(path, access)?;
            let txn = db.begin_read()?;
            let (index, records) = (txn.open_table(INDEX)?, txn.open_table(RECORDS)?);
            let mut found = Vec::with_capacity(addresses.len());
            for (position, address) in addresses.iter().enumerate() {
                if let Some(entry) = index.get(address)? {
                    found.push((entry.value(), position));
                }
            }
            // In the order of the file.
            found.sort_unstable();
            for ((sequence, run, bytes), position) in found {
                let record = records.get(sequence)?;
                let whole = record.is_some_and(|record| {
                    record.value().len() == bytes as usize && accept(position, run, record.value())
                });
                if !whole {
                    return Err(redb::Error::Corrupted(format!("record {sequence} fails its checksum")));
                }
            }
            Ok(())
        })
    }

    /// Stores records that are not there yet; returns how many.
    pub(super) fn write<'a>(
        &mut self,
        run: u32,
        records: impl Iterator<Item = (&'a Address, &'a Vec<u8>)>,
    ) -> Result<u64, Fault> {
        self.session(|path| {
            change(path, false, |txn| {
                let (mut index, mut stored) = (txn.open_table(INDEX)?, txn.open_table(RECORDS)?);
                let first = stored.last()?.map_or(0, |(sequence, _)| sequence.value() + 1);
                let mut next = first;
                for (address, record) in records {
                    // Another run was faster; its record is the same.
                    if index.get(address)?.is_some() {
                        continue;
                    }
                    index.insert(address, (next, run, record.len() as u32))?;
                    stored.insert(next, record.as_slice())?;
                    next += 1;
                }
                Ok(next - first)
            })
        })
    }

    /// Notes that `run` used these records.
    pub(super) fn stamp(&mut self, run: u32, addresses: &[Address]) -> Result<(), Fault> {
        self.session(|path| {
            change(path, false, |txn| {
                let mut index = txn.open_table(INDEX)?;
                for address in addresses {
                    let entry = index.get(address)?.map(|entry| entry.value());
                    if let Some((sequence, _, bytes)) = entry.filter(|(_, last, _)| *last < run) {
                        index.insert(address, (sequence, run, bytes))?;
                    }
                }
                Ok(())
            })
        })
    }

    /// Does `work` while nobody else is at the file. A damaged file is moved aside in the same
    /// session: the fault says so, and the next session begins a new one. Nothing is ever done to a
    /// file that is no store.
    ///
    /// redb may panic on a damaged file. The panic ends here, though the hook has printed it: a
    /// hook is the whole process's, and cannot be exchanged while other threads work.
    pub(super) fn session<T>(
        &mut self,
        work: impl FnOnce(&Path) -> Result<T, redb::Error>,
    ) -> Result<T, Fault> {
        let _held = self.lock()?;
        if let Content::Foreign(what) = content(&self.path)? {
            return Err(Fault::Foreign(what.to_owned()));
        }
        let outcome = match catch_unwind(AssertUnwindSafe(|| work(&self.path))) {
            Ok(outcome) => outcome.map_err(Fault::from),
            Err(_) => Err(Fault::Damaged("the store panicked".to_owned())),
        };
        match outcome {
            Err(Fault::Damaged(reason)) if self.access == Access::Read => {
                let what = format!("it is damaged ({reason}) and may only be read");
                Err(Fault::Refused { what, hint: "let a run that may write it replace it" })
            }
            Err(Fault::Damaged(reason)) => {
                // Not deleted: whoever damaged it may want to know how.
                fs::rename(&self.path, beside(&self.path, "damaged"))?;
                Err(Fault::Damaged(reason))
            }
            outcome => outcome,
        }
    }

    fn lock(&mut self) -> Result<Option<fs::File>, Fault> {
        let patience = self.patience.max(PATIENCE_LOST);
        let (path, said) = (&self.path, &mut self.said);
        let held = lock(path, self.access, patience, |waited| {
            if waited > SILENCE && !*said {
                *said = true;
                tracing::warn!(
                    "embedding cache {} is in use by another process; after {} s of waiting the run goes on \
                     without it",
                    path.display(),
                    patience.as_secs()
                );
            }
        });
        if matches!(held, Err(Fault::Busy)) {
            self.patience = self.patience.saturating_sub(patience);
        }
        held
    }
}

/// Nothing, or a file of no bytes.
fn is_missing(path: &Path) -> Result<bool, redb::Error> {
    let content = content(path).map_err(redb::Error::Io)?;
    Ok(matches!(content, Content::Nothing | Content::Empty))
}

/// Goes through a whole store as `Store::begin` does, and leaves it as it is; the number of the run
/// that would have begun.
fn look_through(path: &Path) -> Result<u32, redb::Error> {
    let overlay = Overlay::open(path).map_err(redb::Error::Io)?;
    let db = builder().set_check_integrity_on_open(true).create_with_backend(overlay)?;
    let txn = db.begin_write()?;
    let run = count_run(&txn)?;
    txn.abort()?;
    drop(db);
    // Sound, but left unfinished by a killed run it can be gone through only as it was just now.
    open_to_read(path, Access::Read)?;
    Ok(run)
}

/// Looks at the tables, counts one run more and returns its number.
fn count_run(txn: &WriteTransaction) -> Result<u32, redb::Error> {
    check_tables(txn)?;
    check_index(txn)?;
    let mut runs = txn.open_table(RUNS)?;
    let run = runs.get(())?.map_or(0, |count| count.value()).saturating_add(1);
    runs.insert((), run)?;
    Ok(run)
}

/// A store without our tables is another program's: opening them would put them there.
fn check_tables(txn: &WriteTransaction) -> Result<(), redb::Error> {
    let names: Vec<String> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    match [INDEX.name(), RECORDS.name(), RUNS.name()].iter().find(|own| !names.iter().any(|n| n == *own)) {
        Some(lacking) => Err(redb::Error::TableDoesNotExist((*lacking).to_owned())),
        None => Ok(()),
    }
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(PAGE_MEMORY_BYTES);
    builder
}

/// Makes an empty store of its own, whole once this returns.
pub(super) fn create(path: &Path) -> Result<Database, redb::Error> {
    remove(path)?;
    private(path)?;
    let db = builder().create(path)?;
    let txn = db.begin_write()?;
    txn.open_table(INDEX)?;
    txn.open_table(RECORDS)?;
    txn.open_table(RUNS)?;
    txn.commit()?;
    Ok(db)
}

/// Addresses ascend, and there are as many as records.
fn check_index(txn: &WriteTransaction) -> Result<(), redb::Error> {
    let (index, records) = (txn.open_table(INDEX)?, txn.open_table(RECORDS)?);
    let (mut last, mut entries) = (None, 0);
    for entry in index.iter()? {
        let address = Some(entry?.0.value());
        if last >= address {
            return Err(redb::Error::Corrupted("its index is out of order".to_owned()));
        }
        (last, entries) = (address, entries + 1);
    }
    if (entries, entries) != (index.len()?, records.len()?) {
        return Err(redb::Error::Corrupted("its index and its records differ in number".to_owned()));
    }
    Ok(())
}

fn open_to_read(path: &Path, access: Access) -> Result<ReadOnlyDatabase, redb::Error> {
    match builder().open_read_only(path) {
        // A process was killed while writing: opening to write goes back to the last commit.
        Err(DatabaseError::RepairAborted) if access == Access::Write => {
            builder().open(path)?.close()?;
            Ok(builder().open_read_only(path)?)
        }
        opened => Ok(opened?),
    }
}

/// One transaction on the store at `path`, which is made if it is missing.
fn change<T>(
    path: &Path,
    check: bool,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    if is_missing(path)? {
        // Under another name first: a half-made store would pass for a damaged one.
        let new = beside(path, "new");
        create(&new)?.close()?;
        fs::rename(&new, path)?;
    }
    let db = builder().set_check_integrity_on_open(check).create(path)?;
    let mut txn = db.begin_write()?;
    // Closing commits too, durably and in two phases, and that commit takes this one along: one
    // wait for the disk instead of two. Killed before it is through, the file is what it was
    // before the session, which costs some thousand texts and no repair.
    txn.set_durability(Durability::None)?;
    let value = work(&txn)?;
    txn.commit()?;
    db.close()?;
    Ok(value)
}
