//! One run's use of the store: what waits to be written, what was used, and what went wrong.

use std::collections::BTreeMap;

use super::evict;
use super::file::{Access, Fault, beside, disk_bytes};
use super::record::{self, Address};
use super::store::Store;
use super::{CacheError, CacheParams, CacheReport, Remembered};

/// Records written at once: 3.4 MB, some seconds of the encoder's work, lost when the run is killed.
const BATCH_RECORDS: usize = 4096;
/// Batches kept waiting while another run has the file; beyond that they are dropped.
const BATCHES_WAITING: usize = 4;
/// Damaged files a run replaces before it takes the disk for broken.
const DAMAGES: usize = 2;

/// The state behind the lock of a `Cache`.
pub(super) struct State {
    pub(super) store: Store,
    max_bytes: u64,
    /// Number of this run in the file; `None` until a session has begun it there.
    run: Option<u32>,
    /// False once the file cannot be used at all.
    usable: bool,
    writable: bool,
    damages: usize,
    /// Records not yet in the file.
    waiting: BTreeMap<Address, Vec<u8>>,
    /// Records found that an earlier run used last.
    used: Vec<Address>,
    /// Bytes this run may still store.
    room: u64,
    /// Texts of this run for which there is no room.
    homeless: u64,
    /// Space that all texts of this run take or would take.
    touched_bytes: u64,
    report: CacheReport,
    /// Why the path cannot be a cache's.
    foreign: Option<String>,
}

impl State {
    /// The state of a run, begun in the file if that can be done; an error where the file is
    /// somebody else's.
    pub(super) fn begun(params: CacheParams) -> Result<State, CacheError> {
        super::check(&params, &[])?;
        let store = Store::new(&params.path);
        let remark = store.remark();
        let mut state = State {
            writable: store.access == Access::Write,
            store,
            max_bytes: params.max_bytes,
            run: None,
            usable: true,
            damages: 0,
            waiting: BTreeMap::new(),
            used: Vec::new(),
            room: evict::budget(params.max_bytes),
            homeless: 0,
            touched_bytes: 0,
            report: CacheReport::default(),
            foreign: None,
        };
        if state.begin().is_some() {
            state.report.troubles.extend(remark.map(|remark| format!("embedding cache {remark}")));
        }
        match state.foreign.take() {
            Some(what) => Err(CacheError::Foreign { path: params.path, what }),
            None => Ok(state),
        }
    }

    /// What is remembered of each text; counts hits and misses.
    pub(super) fn read(
        &mut self,
        space: &[u8; 32],
        keys: &[[u8; 16]],
        addresses: &[Address],
    ) -> Vec<Option<Remembered>> {
        let mut found = self.read_file(space, keys, addresses);
        for ((slot, key), address) in found.iter_mut().zip(keys).zip(addresses) {
            if let Some(record) = self.waiting.get(address) {
                *slot = record::decode(space, key, record);
            }
        }
        let hits = found.iter().flatten().count() as u64;
        self.report.hits += hits;
        self.report.misses += keys.len() as u64 - hits;
        found
    }

    /// Lets records wait, and writes them once they are many.
    pub(super) fn keep(&mut self, records: Vec<(Address, Vec<u8>)>) {
        if !self.usable || !self.writable {
            return;
        }
        for (address, record) in records {
            let cost = evict::cost(record.len() as u64);
            self.touched_bytes += cost;
            match self.room.checked_sub(cost) {
                Some(room) => {
                    self.room = room;
                    self.waiting.insert(address, record);
                }
                None => self.homeless += 1,
            }
        }
        if self.waiting.len() >= BATCH_RECORDS {
            self.flush();
        }
    }

    /// All that is left to do at the end of the run.
    pub(super) fn finish(&mut self) -> CacheReport {
        self.flush();
        self.stamp();
        self.shrink();
        self.report()
    }

    /// Number of this run, begun in the file if it is not yet; `None` while that cannot be done.
    fn begin(&mut self) -> Option<u32> {
        while self.run.is_none() && self.usable {
            match self.store.begin() {
                Ok(run) => self.run = Some(run),
                // The damaged file is out of the way: once more, with an empty one.
                Err(fault @ Fault::Damaged(_)) => self.note(&fault),
                Err(fault) => {
                    self.usable = matches!(fault, Fault::Busy);
                    self.note(&fault);
                    break;
                }
            }
        }
        self.run
    }

    fn read_file(
        &mut self,
        space: &[u8; 32],
        keys: &[[u8; 16]],
        addresses: &[Address],
    ) -> Vec<Option<Remembered>> {
        let mut found = vec![None; keys.len()];
        let (true, Some(run)) = (self.usable && !keys.is_empty(), self.begin()) else { return found };
        let (mut used, mut touched_bytes) = (Vec::new(), 0);
        let outcome = self.store.read(addresses, |position, last, bytes| {
            found[position] = record::decode(space, &keys[position], bytes);
            touched_bytes += evict::cost(bytes.len() as u64);
            if last < run {
                used.push(addresses[position]);
            }
            found[position].is_some()
        });
        match outcome {
            Ok(()) => {
                self.used.append(&mut used);
                self.touched_bytes += touched_bytes;
            }
            Err(fault) => {
                self.usable &= !matches!(fault, Fault::Refused { .. });
                self.note(&fault);
                // Also what had proved itself: a batch is of one kind.
                found.fill(None);
            }
        }
        found
    }

    /// Writes what is waiting.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() || !self.writable {
            return;
        }
        while let Some(run) = self.begin() {
            match self.store.write(run, self.waiting.iter()) {
                Ok(stored) => {
                    self.report.stored += stored;
                    self.waiting.clear();
                    break;
                }
                // Into a new file, as in `begin`.
                Err(fault @ Fault::Damaged(_)) => self.note(&fault),
                Err(fault) => {
                    self.note_unwritten(&fault);
                    break;
                }
            }
        }
        if self.waiting.len() >= BATCHES_WAITING * BATCH_RECORDS || !self.usable {
            self.waiting.clear();
        }
    }

    fn stamp(&mut self) {
        let Some(run) = self.run.filter(|_| self.writable && !self.used.is_empty()) else { return };
        // In the order of the index, so that each of its pages is written once.
        self.used.sort_unstable();
        match self.store.stamp(run, &self.used) {
            Ok(()) => self.used.clear(),
            Err(fault) => self.note_unwritten(&fault),
        }
    }

    fn shrink(&mut self) {
        let Some(run) = self.run.filter(|_| self.writable) else { return };
        if disk_bytes(&self.store.path) <= self.max_bytes {
            return;
        }
        match self.store.shrink(self.max_bytes, run) {
            Ok(evicted) => {
                self.report.evicted += evicted.records;
                self.homeless += evicted.in_use;
            }
            Err(fault) => self.note_unwritten(&fault),
        }
    }

    /// After a refused write the run reads on, and writes no more.
    fn note_unwritten(&mut self, fault: &Fault) {
        if matches!(fault, Fault::Refused { .. } | Fault::Foreign(_)) {
            self.writable = false;
            self.waiting.clear();
        }
        self.note(fault);
    }

    fn note(&mut self, fault: &Fault) {
        let path = self.store.path.display();
        let sentence = match fault {
            Fault::Busy => format!("embedding cache {path}: {fault}; texts were embedded anew meanwhile"),
            Fault::Refused { hint, .. } => {
                format!("embedding cache {path}: {fault}; texts are embedded anew ({hint})")
            }
            Fault::Foreign(what) => {
                self.usable = false;
                self.foreign = Some(what.clone());
                format!("embedding cache {path}: {fault} and is left alone; texts are embedded anew")
            }
            Fault::Damaged(_) => {
                self.run = None;
                self.used.clear();
                self.damages += 1;
                self.usable &= self.damages <= DAMAGES;
                format!(
                    "embedding cache {path}: it was damaged ({fault}) and is now {}; a new one was begun",
                    beside(&self.store.path, "damaged").display()
                )
            }
        };
        if !self.report.troubles.contains(&sentence) {
            self.report.troubles.push(sentence);
        }
    }

    fn report(&self) -> CacheReport {
        let mut report = self.report.clone();
        report.bytes = disk_bytes(&self.store.path);
        if self.homeless > 0 {
            report.troubles.push(format!(
                "embedding cache {}: {} of this run's texts found no room in its {} MiB and will be embedded again; \
                 [cache] max_mib = {} would hold them",
                self.store.path.display(),
                self.homeless,
                self.max_bytes >> 20,
                evict::limit_mib(self.touched_bytes)
            ));
        }
        report
    }
}
