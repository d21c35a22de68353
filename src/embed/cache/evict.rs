//! The size limit: the records used last are copied to a new file, the others go with the old one.
//!
//! Copying beats deleting in place: redb's compaction took four times as long, leaves a file to be
//! repaired when it is killed, and shrank the file less. A kill while copying leaves the old file.

use std::fs;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::file::{Fault, beside, disk_bytes, remove};
use super::store::{INDEX, RECORDS, RUNS, Store, builder, create};

/// Share of the limit that is filled after shrinking, so that not every night shrinks again.
const FILLED: f64 = 0.8;
/// Copies made before giving up; the second is needed only where `cost` fell far short.
const ATTEMPTS: usize = 3;
const PAGE_BYTES: u64 = 4096;
/// Share of an index page, header and number of a record in its page, rounded up.
const INDEX_BYTES: u64 = 64;
const ENTRY_BYTES: u64 = 12;

/// Bytes a file under `max_bytes` is filled with.
pub(super) fn budget(max_bytes: u64) -> u64 {
    (max_bytes as f64 * FILLED) as u64
}

/// The least limit, in MiB, under which records of `cost` bytes in all stay.
pub(super) fn limit_mib(cost: u64) -> u64 {
    ((cost as f64 / FILLED) as u64 >> 20) + 1
}

/// About what a record of `bytes` takes in the file: whole records share pages, large ones get
/// pages in powers of two.
pub(super) fn cost(bytes: u64) -> u64 {
    let per_page = PAGE_BYTES / (bytes + ENTRY_BYTES);
    let own = PAGE_BYTES.checked_div(per_page).unwrap_or_else(|| (bytes + ENTRY_BYTES).next_power_of_two());
    own + INDEX_BYTES
}

/// Records that went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    /// All of them.
    pub(super) records: u64,
    /// Those among them that the run, or a later one, had used: they will be missed the next night.
    pub(super) in_use: u64,
}

impl Store {
    /// Brings the file under `max_bytes` after run number `run`.
    pub(super) fn shrink(&mut self, max_bytes: u64, run: u32) -> Result<Evicted, Fault> {
        self.session(|path| {
            let new = beside(path, "new");
            let outcome = shrink(path, &new, max_bytes, run);
            remove(&new)?;
            outcome
        })
    }
}

fn shrink(path: &Path, new: &Path, max_bytes: u64, run: u32) -> Result<Evicted, redb::Error> {
    // Another run may have shrunk it while this one waited.
    if disk_bytes(path) <= max_bytes {
        return Ok(Evicted::default());
    }
    let old = builder().open(path)?;
    let mut room = budget(max_bytes);
    for _ in 0..ATTEMPTS {
        let kept = newest(&old, room)?;
        let evicted = copy(&old, &kept, new, run)?;
        let bytes = disk_bytes(new);
        if bytes <= max_bytes || kept.is_empty() {
            old.close()?;
            fs::rename(new, path)?;
            return Ok(evicted);
        }
        room = (room as f64 * FILLED * max_bytes as f64 / bytes as f64) as u64;
    }
    old.close()?;
    Err(redb::Error::Io(std::io::Error::other("what was to be kept came out larger than the limit")))
}

/// Sequence numbers of the records used last that fit in `room` bytes, ascending.
fn newest(old: &Database, room: u64) -> Result<Vec<u64>, redb::Error> {
    let mut entries = Vec::new();
    for entry in old.begin_read()?.open_table(INDEX)?.iter()? {
        let (sequence, run, bytes) = entry?.1.value();
        entries.push((run, sequence, bytes));
    }
    entries.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = room;
    let mut kept: Vec<u64> = entries
        .into_iter()
        .map_while(|(_, sequence, bytes)| {
            left = left.checked_sub(cost(u64::from(bytes)))?;
            Some(sequence)
        })
        .collect();
    kept.sort_unstable();
    Ok(kept)
}

/// Copies the records with the sequence numbers `kept` to a store at `new`. Each table is copied in its own order, which packs its pages.
fn copy(old: &Database, kept: &[u64], new: &Path, run: u32) -> Result<Evicted, redb::Error> {
    let mut evicted = Evicted::default();
    let from = old.begin_read()?;
    let mut db = create(new)?;
    let txn = db.begin_write()?;
    let entries = from.open_table(INDEX)?;
    let mut index = txn.open_table(INDEX)?;
    for entry in entries.iter()? {
        let (address, entry) = entry?;
        let (sequence, last, _) = entry.value();
        if kept.binary_search(&sequence).is_ok() {
            index.insert(address.value(), entry.value())?;
        } else {
            evicted.records += 1;
            evicted.in_use += u64::from(last >= run);
        }
    }
    let records = from.open_table(RECORDS)?;
    let mut stored = txn.open_table(RECORDS)?;
    for sequence in kept {
        if let Some(record) = records.get(sequence)? {
            stored.insert(sequence, record.value())?;
        }
    }
    if let Some(run) = from.open_table(RUNS)?.get(())? {
        txn.open_table(RUNS)?.insert((), run.value())?;
    }
    drop((index, stored));
    txn.commit()?;
    // What a large transaction leaves free at the end of the file.
    db.compact()?;
    db.close()?;
    Ok(evicted)
}
