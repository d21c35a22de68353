//! What is remembered comes back bit by bit or not at all: across runs, threads, processes, kills
//! and damage.

mod damage;
mod places;
mod processes;

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use tempfile::TempDir;

use super::file::{Access, beside, lock};
use super::*;

const SPACE: [u8; 32] = [7; 32];
const LARGE: u64 = 1 << 30;

/// In memory where the system has such a folder: what is tested here does not wait for a disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn key(number: u64) -> [u8; 16] {
    blake3::hash(&number.to_le_bytes()).as_bytes()[..16].try_into().unwrap()
}

fn keys(numbers: std::ops::Range<u64>) -> Vec<[u8; 16]> {
    numbers.map(key).collect()
}

/// Any bits at all, NaN among them, as a function of the key.
fn text(key: &[u8; 16]) -> Remembered {
    let mut bytes = [0; 785];
    blake3::Hasher::new().update(key).finalize_xof().fill(&mut bytes);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    Remembered {
        vector: bytes[17..].chunks(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]])).collect(),
        tone: [0, 4, 8].map(|at| f32::from_bits(word(at))),
        tokens: word(12),
        shortened: bytes[16] % 2 == 1,
    }
}

fn texts(numbers: std::ops::Range<u64>) -> Vec<([u8; 16], Remembered)> {
    numbers.map(|number| (key(number), text(&key(number)))).collect()
}

fn bits(text: &Remembered) -> (Vec<u16>, [u32; 3], u32, bool) {
    let vector = text.vector.iter().map(|value| value.to_bits()).collect();
    (vector, text.tone.map(f32::to_bits), text.tokens, text.shortened)
}

fn open(path: &Path) -> Cache {
    open_limited(path, LARGE)
}

fn open_limited(path: &Path, max_bytes: u64) -> Cache {
    Cache::open(CacheParams { path: path.to_owned(), max_bytes }, SPACE).unwrap()
}

fn flush(cache: &Cache) {
    cache.state().flush();
}

/// How many of the texts are found; none of them wrong.
fn found(cache: &Cache, numbers: std::ops::Range<u64>) -> usize {
    let keys = keys(numbers);
    let found = cache.get(&keys);
    assert_eq!(found.len(), keys.len());
    for (key, found) in keys.iter().zip(&found) {
        if let Some(found) = found {
            assert_eq!(bits(found), bits(&text(key)), "a wrong vector");
        }
    }
    found.iter().flatten().count()
}

/// A file with the texts 0..`count`, closed.
fn filled(path: &Path, count: u64) {
    let cache = open(path);
    cache.put(&texts(0..count));
    assert_eq!(cache.finish().troubles, Vec::<String>::new());
}

#[test]
fn bits_come_back_at_once_and_in_the_next_run() {
    let folder = folder();
    let path = folder.path().join("deep/er/cache.redb");
    let cache = open(&path);
    assert_eq!(found(&cache, 0..10), 0);
    cache.put(&texts(0..100));
    assert_eq!(found(&cache, 0..110), 100, "before they are written");
    let report = cache.finish();
    assert_eq!((report.hits, report.misses, report.stored, report.evicted), (100, 20, 100, 0));
    assert_eq!(report.troubles, Vec::<String>::new());
    assert!(report.bytes > 80_000);
    assert_eq!(found(&cache, 0..110), 100, "after they are written");
    drop(cache);
    let cache = open(&path);
    assert_eq!(found(&cache, 0..110), 100);
    cache.put(&texts(90..120));
    assert_eq!(cache.finish().stored, 20, "only new ones");
    assert!(cache.get(&[]).is_empty());
}

#[test]
fn a_run_that_fails_keeps_what_it_had() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    let cache = open(&path);
    cache.put(&texts(0..50));
    drop(cache);
    assert_eq!(found(&open(&path), 0..50), 50);
}

#[test]
fn spaces_do_not_see_each_other() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 50);
    let other = Cache::open(CacheParams { path: path.clone(), max_bytes: LARGE }, [8; 32]).unwrap();
    assert!(other.get(&keys(0..50)).iter().all(Option::is_none));
    let mut shifted = texts(0..50);
    shifted.iter_mut().for_each(|(_, text)| text.tokens ^= 1);
    other.put(&shifted);
    other.finish();
    assert_eq!(other.get(&keys(0..1))[0].as_ref().unwrap().tokens, text(&key(0)).tokens ^ 1);
    let cache = open(&path);
    assert_eq!(found(&cache, 0..50), 50);
    assert_eq!(cache.finish().troubles, Vec::<String>::new());
}

#[test]
fn the_most_recently_used_survive_the_limit() {
    const LIMIT: u64 = 2_000_000;
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 1500);
    // Two runs between, so that recency is not the order of storing.
    let cache = open_limited(&path, LIMIT);
    assert_eq!(found(&cache, 300..600), 300);
    assert_eq!(cache.finish().evicted, 0);
    drop(cache);
    let cache = open_limited(&path, LIMIT);
    assert_eq!(found(&cache, 0..200), 200);
    cache.put(&texts(2000..3000));
    let report = cache.finish();
    assert_eq!(report.troubles, Vec::<String>::new());
    assert!(report.evicted > 0 && report.bytes <= LIMIT, "{report:?}");
    assert!(fs::metadata(&path).unwrap().len() <= LIMIT, "without holes too");
    drop(cache);
    let cache = open(&path);
    assert_eq!(found(&cache, 2000..3000), 1000, "stored last");
    assert_eq!(found(&cache, 0..200), 200, "used last");
    assert_eq!(found(&cache, 300..600), 300, "used the run before");
    let others = found(&cache, 200..300) + found(&cache, 600..1500);
    assert_eq!(others as u64, 1000 - report.evicted);
    cache.put(&texts(5000..5100));
    assert_eq!(cache.finish().troubles, Vec::<String>::new(), "the copy can be written to");
    assert_eq!(found(&cache, 5000..5100), 100);
}

#[test]
fn vectors_of_any_length_keep_to_the_limit() {
    for dimensions in [0, 1024, 2100, 9000] {
        let folder = folder();
        let path = folder.path().join("cache.redb");
        let limit = 600_000;
        for run in 0..3 {
            let cache = open_limited(&path, limit);
            let wide = |number: u64| {
                let vector = vec![f16::from_bits(number as u16); dimensions];
                (key(number), Remembered { vector, ..text(&key(number)) })
            };
            let rows: Vec<_> = (run * 1000..run * 1000 + 500).map(wide).collect();
            cache.put(&rows);
            assert!(cache.finish().bytes <= limit, "{dimensions} values, run {run}");
            let (row, found) = (&rows[0], cache.get(&[rows[0].0]));
            assert!(found[0].as_ref().is_some_and(|text| bits(text) == bits(&row.1)));
        }
    }
}

#[test]
fn a_run_larger_than_the_limit_says_so() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    let cache = open_limited(&path, 500_000);
    cache.put(&texts(0..2000));
    let report = cache.finish();
    assert!(report.stored > 300 && report.bytes <= 500_000, "{report:?}");
    assert_eq!(report.troubles.len(), 1);
    assert!(report.troubles[0].contains("found no room"), "{report:?}");
    assert!(report.troubles[0].contains("[cache] max_mib = 3 would hold them"), "{report:?}");
    let nothing = open_limited(&folder.path().join("nothing"), 0);
    nothing.put(&texts(0..10));
    assert_eq!(nothing.finish().stored, 0);
}

#[test]
fn a_limit_smaller_than_a_night_is_reported_every_night() {
    const LIMIT: u64 = 1 << 20;
    let folder = folder();
    let path = folder.path().join("cache.redb");
    // What fits under the limit it recommends is kept whole, and nothing is said any more.
    let night = |max_bytes: u64| {
        let cache = open_limited(&path, max_bytes);
        let hits = found(&cache, 0..1500);
        let new: Vec<_> =
            texts(0..1500).into_iter().filter(|(key, _)| cache.get(&[*key])[0].is_none()).collect();
        cache.put(&new);
        let report = cache.finish();
        assert!(report.bytes <= max_bytes, "{report:?}");
        (hits, report.troubles)
    };
    let said = |troubles: &[String]| {
        let [sentence] = troubles else { panic!("{troubles:?}") };
        let number = |from: &str| -> u64 {
            let rest = sentence.split(from).nth(1).unwrap();
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
        };
        (number("redb: "), number("max_mib = "))
    };
    let (hits, troubles) = night(LIMIT);
    assert_eq!((hits, said(&troubles).0 > 300), (0, true));
    for _ in 0..3 {
        let (hits, troubles) = night(LIMIT);
        let (homeless, _) = said(&troubles);
        assert!((300..1200).contains(&hits) && homeless > 300, "{hits} found, {homeless} without room");
    }
    let (_, advised) = said(&night(LIMIT).1);
    night(advised << 20);
    assert_eq!(night(advised << 20), (1500, Vec::new()));
}

#[test]
fn threads_share_two_caches_on_one_file() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    let caches = [open(&path), open(&path)];
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let cache = &caches[thread as usize % 2];
            scope.spawn(move || {
                for round in 0..5 {
                    let start = (thread * 3 + round) * 20;
                    found(cache, start..start + 40);
                    cache.put(&texts(start..start + 40));
                    flush(cache);
                }
            });
        }
    });
    for cache in &caches {
        assert_eq!(cache.finish().troubles, Vec::<String>::new());
        assert_eq!(found(cache, 0..300), 300);
    }
    let stored: u64 = caches.iter().map(|cache| cache.finish().stored).sum();
    assert_eq!(stored, 300, "each once");
}

#[test]
fn a_file_held_by_another_run_makes_misses_and_one_sentence() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 20);
    let cache = open(&path);
    cache.state().store.patience = Duration::from_millis(20);
    let held = lock(&path, Access::Write, Duration::ZERO, |_| {}).unwrap();
    assert_eq!(found(&cache, 0..20), 0);
    cache.put(&texts(20..40));
    flush(&cache);
    let report = cache.finish();
    assert_eq!((report.stored, report.troubles.len()), (0, 1));
    assert!(report.troubles[0].contains("another process"), "{report:?}");
    drop(held);
    assert_eq!(found(&cache, 0..40), 40, "what waited is not lost");
    let report = cache.finish();
    assert_eq!((report.stored, report.troubles.len()), (20, 1));
}

#[test]
fn a_folder_that_cannot_be_written_makes_misses_and_a_sentence() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let mut paths = vec![file.join("cache.redb")];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        // The superuser may write anywhere.
        if fs::write(closed.join("probe"), "").is_err() {
            paths.push(closed.join("cache.redb"));
        }
    }
    for path in paths {
        let cache = open(&path);
        assert_eq!(found(&cache, 0..5), 0);
        cache.put(&texts(0..5));
        let report = cache.finish();
        assert_eq!((report.misses, report.stored, report.troubles.len()), (5, 0, 1), "{report:?}");
        assert!(report.troubles[0].contains(&path.display().to_string()));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 3000);
    open_limited(&path, 1_000_000).finish();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}
