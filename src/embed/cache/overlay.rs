//! A file that may only be read, as storage that seems to be written: what is written stays in memory.
//!
//! The store's check of all its pages mends and commits as it goes, so it wants to write; this lets
//! it go through a store that is somebody else's to change.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const BLOCK_BYTES: u64 = 4096;

/// The file and what was written over it.
#[derive(Debug)]
pub(super) struct Overlay(Mutex<Layers>);

#[derive(Debug)]
struct Layers {
    file: File,
    file_bytes: u64,
    bytes: u64,
    /// Blocks written since, by their number.
    written: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    /// The file at `path`, which nobody may write meanwhile: `WouldBlock` where somebody does.
    pub(super) fn open(path: &Path) -> io::Result<Overlay> {
        let file = File::open(path)?;
        file.try_lock_shared()?;
        let bytes = file.metadata()?.len();
        Ok(Overlay(Mutex::new(Layers { file, file_bytes: bytes, bytes, written: BTreeMap::new() })))
    }

    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    /// Block `number` as it is in the file, zeros past its end.
    fn original(&mut self, number: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let start = number * BLOCK_BYTES;
        let there = self.file_bytes.saturating_sub(start).min(BLOCK_BYTES) as usize;
        if there > 0 {
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut block[..there])?;
        }
        Ok(block)
    }

    /// Visits the blocks of `bytes` bytes from `offset`: number, and the part of it that is meant.
    fn parts(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
        let end = offset + bytes as u64;
        (offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)).map(move |number| {
            let start = number * BLOCK_BYTES;
            let part = offset.max(start) - start..end.min(start + BLOCK_BYTES) - start;
            (number, part.start as usize..part.end as usize)
        })
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layers().bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut layers = self.layers();
        if offset + out.len() as u64 > layers.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, part) in Layers::parts(offset, rest.len()) {
            let (to, after) = rest.split_at_mut(part.len());
            match layers.written.get(&number) {
                Some(block) => to.copy_from_slice(&block[part]),
                None => to.copy_from_slice(&layers.original(number)?[part]),
            }
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut layers = self.layers();
        if bytes < layers.bytes {
            // What lies behind the end is zero when it comes back.
            let (last, within) = (bytes / BLOCK_BYTES, (bytes % BLOCK_BYTES) as usize);
            let mut block = match layers.written.remove(&last) {
                Some(block) => block,
                None => layers.original(last)?,
            };
            block[within..].fill(0);
            layers.written.split_off(&last);
            layers.written.insert(last, block);
            layers.file_bytes = layers.file_bytes.min(last * BLOCK_BYTES);
        }
        layers.bytes = bytes;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut layers = self.layers();
        let mut rest = data;
        for (number, part) in Layers::parts(offset, rest.len()) {
            let mut block = match layers.written.remove(&number) {
                Some(block) => block,
                None => layers.original(number)?,
            };
            let (from, after) = rest.split_at(part.len());
            block[part].copy_from_slice(from);
            layers.written.insert(number, block);
            rest = after;
        }
        layers.bytes = layers.bytes.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let original: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
        std::fs::write(&path, &original).unwrap();
        let overlay = Overlay::open(&path).unwrap();
        let mut expected = original.clone();
        let same = |expected: &[u8]| {
            assert_eq!(overlay.len().unwrap(), expected.len() as u64);
            for (start, end) in
                [(0, expected.len()), (1, 4097), (4095, 8193), (expected.len() - 1, expected.len())]
            {
                let mut found = vec![1; end - start];
                overlay.read(start as u64, &mut found).unwrap();
                assert_eq!(found, expected[start..end]);
            }
        };
        same(&expected);
        overlay.write(4000, &[9; 5000]).unwrap();
        expected[4000..9000].fill(9);
        same(&expected);
        overlay.write(11_000, &[8; 3]).unwrap();
        expected.resize(11_003, 0);
        expected[11_000..].fill(8);
        same(&expected);
        for bytes in [8200, 20_000] {
            overlay.set_len(bytes).unwrap();
            expected.resize(bytes as usize, 0);
            same(&expected);
        }
        assert!(overlay.read(20_000, &mut [0]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), original);
    }
}
