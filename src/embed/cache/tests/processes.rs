//! Several processes on one file, and processes killed at random moments.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;

/// This test binary once more, as a process that does `role` on `path` with texts from `start`.
fn child(role: &str, path: &Path, start: u64) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::as_another_process"), "--nocapture"])
        .env("CACHE_TEST_ROLE", role)
        .env("CACHE_TEST_PATH", path)
        .env("CACHE_TEST_START", start.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What `child` does; nothing when run as a test.
#[test]
fn as_another_process() {
    let Ok(role) = std::env::var("CACHE_TEST_ROLE") else { return };
    let path = PathBuf::from(std::env::var("CACHE_TEST_PATH").unwrap());
    let start: u64 = std::env::var("CACHE_TEST_START").unwrap().parse().unwrap();
    match role.as_str() {
        "share" => {
            let cache = open(&path);
            for round in (start..start + 400).step_by(40) {
                found(&cache, round..round + 40);
                cache.put(&texts(round..round + 40));
                flush(&cache);
            }
            assert_eq!(cache.finish().troubles, Vec::<String>::new());
        }
        "store" => {
            let cache = open(&path);
            for round in (start..).step_by(30) {
                cache.put(&texts(round..round + 30));
                flush(&cache);
                fs::write(beside(&path, "flushed"), (round + 30).to_string()).unwrap();
            }
        }
        _ => {
            for round in (start..).step_by(150) {
                let cache = open_limited(&path, 300_000);
                found(&cache, round - 100..round);
                cache.put(&texts(round..round + 150));
                assert_eq!(cache.finish().troubles, Vec::<String>::new());
            }
        }
    }
}

#[test]
fn two_processes_share_one_file() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    let mut children = [child("share", &path, 0), child("share", &path, 200)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let cache = open(&path);
    assert_eq!(found(&cache, 0..600), 600);
    assert_eq!(cache.finish().troubles, Vec::<String>::new());
}

/// Kills a child at a random moment of its work.
fn kill_at_random(role: &str, path: &Path, start: u64, rng: &mut Xoshiro256Plus) {
    let mut child = child(role, path, start);
    // From the moment it has begun, which on a busy machine takes its time.
    let (lock, begun) = (beside(path, "lock"), Instant::now());
    while !lock.exists() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_micros(rng.gen_range(0..60_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(lock).unwrap();
}

#[test]
fn killed_while_storing_nothing_is_wrong_and_nothing_flushed_is_lost() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    let mut rng = Xoshiro256Plus::seed_from_u64(4);
    let mut flushed = 0;
    for _ in 0..20 {
        kill_at_random("store", &path, flushed, &mut rng);
        if let Ok(number) = fs::read_to_string(beside(&path, "flushed")) {
            // The kill may have come while the number was written.
            flushed = number.parse().unwrap_or(flushed);
        }
        let cache = open(&path);
        assert_eq!(found(&cache, 0..flushed) as u64, flushed);
        found(&cache, flushed..flushed + 1000);
        assert_eq!(cache.finish().troubles, Vec::<String>::new());
    }
    assert!(flushed > 0, "the children came to store something");
}

#[test]
fn killed_while_shrinking_nothing_is_wrong() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 400);
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    for round in 1..=20 {
        fs::remove_file(beside(&path, "lock")).unwrap();
        kill_at_random("shrink", &path, round * 10_000, &mut rng);
        let cache = open(&path);
        assert_eq!(cache.finish().troubles, Vec::<String>::new());
        found(&cache, round * 10_000..round * 10_000 + 3000);
        found(&cache, 0..400);
        assert!(!beside(&path, "new").exists());
    }
}

/// A process that was stopped with the file in its hands costs one patience, spoken of, and no more.
#[test]
fn a_process_that_never_lets_go_is_waited_for_once() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 20);
    let held = lock(&path, Access::Write, Duration::ZERO, |_| {}).unwrap();
    let begun = Instant::now();
    let cache = open(&path);
    let waited = begun.elapsed();
    assert!(waited >= store::PATIENCE && waited < store::PATIENCE * 2, "{waited:?}");
    for round in 0..20 {
        assert_eq!(found(&cache, 0..20), 0);
        cache.put(&texts(100 + round..101 + round));
    }
    let report = cache.finish();
    assert!(begun.elapsed() < store::PATIENCE * 2, "{:?}", begun.elapsed());
    assert_eq!((report.hits, report.stored, report.troubles.len()), (0, 0, 1), "{report:?}");
    assert!(report.troubles[0].contains("another process kept it locked"), "{report:?}");
    drop(held);
    assert_eq!(found(&cache, 0..20), 20, "asked again in passing");
}
