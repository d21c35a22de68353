//! What may stand at the cache's path: nothing, a store, or something that is left alone.

use super::*;

fn params(path: &Path) -> CacheParams {
    CacheParams { path: path.to_owned(), max_bytes: LARGE }
}

/// The refusal of a path, by a look at it and by a run.
fn refused(path: &Path) -> String {
    let error = match Cache::open(params(path), SPACE) {
        Ok(_) => panic!("{} was taken for a cache", path.display()),
        Err(error) => error.to_string(),
    };
    assert!(
        error.contains(&path.display().to_string()) && error.contains("left alone; name a file"),
        "{error}"
    );
    error
}

/// Names of everything in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("conversations.jsonl");
    let mut rng = Xoshiro256Plus::seed_from_u64(6);
    for length in [1, 8, 9, 100, 4096, 300_000] {
        let bytes: Vec<u8> = (0..length).map(|_| rng.r#gen()).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(check(&params(&path), &[]).unwrap_err().to_string(), refused(&path));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(refused(folder.path()).contains("it is a folder"));
    #[cfg(unix)]
    assert!(refused(Path::new("/dev/null")).contains("no regular file"));
    assert_eq!(names(folder.path()), ["conversations.jsonl"], "nothing was put beside it");
}

#[test]
fn another_programs_redb_database_is_refused_and_left_alone() {
    type Table<'t> = redb::TableDefinition<'t, &'static str, &'static str>;
    let folder = folder();
    let cases = [&["theirs"][..], &[], &["index 1"], &["index 1", "records 1", "runs 1"]];
    for (case, names) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{case}.redb"));
        let db = redb::Database::create(&path).unwrap();
        let txn = db.begin_write().unwrap();
        for name in names {
            txn.open_table(Table::new(name)).unwrap().insert("their", "value").unwrap();
        }
        txn.commit().unwrap();
        drop(db);
        assert!(refused(&path).contains("another program's redb database"));
        assert!(!beside(&path, "damaged").exists());
        let db = redb::Database::open(&path).unwrap();
        let txn = redb::ReadableDatabase::begin_read(&db).unwrap();
        assert_eq!(txn.list_tables().unwrap().count(), names.len(), "nothing was added");
    }
}

#[test]
fn a_file_of_somebody_else_that_appears_during_a_run_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    filled(&path, 20);
    let cache = open(&path);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "their notes").unwrap();
    assert_eq!(found(&cache, 0..20), 0);
    cache.put(&texts(20..30));
    let report = cache.finish();
    assert_eq!((report.stored, report.troubles.len()), (0, 1), "{report:?}");
    assert!(report.troubles[0].contains("is left alone"), "{report:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "their notes");
}

#[test]
fn a_cache_that_would_be_an_input_is_refused() {
    let folder = folder();
    let input = folder.path().join("export.jsonl");
    fs::write(&input, "").unwrap();
    let other = folder.path().join("activity.csv");
    let inputs = [other.as_path(), input.as_path()];
    let error = check(&params(&folder.path().join("../x/../export.jsonl")), &inputs);
    assert!(error.is_ok(), "a path that leads nowhere");
    let again = folder.path().join(".").join("export.jsonl");
    for path in [&input, &again] {
        let error = check(&params(path), &inputs).unwrap_err().to_string();
        assert!(error.contains("export.jsonl is an input of this run"), "{error}");
    }
    // Nor may a file be one that the cache removes or replaces.
    for ending in ["lock", "new", "damaged"] {
        let beside = beside(&folder.path().join("cache"), ending);
        fs::write(&beside, "").unwrap();
        check(&params(&folder.path().join("cache")), &[&beside]).unwrap_err();
    }
    check(&params(&folder.path().join("cache")), &inputs).unwrap();
}

#[test]
fn an_empty_file_becomes_a_cache_and_is_reported() {
    let folder = folder();
    let path = folder.path().join("cache.redb");
    fs::write(&path, "").unwrap();
    let cache = open(&path);
    assert_eq!(found(&cache, 0..5), 0);
    cache.put(&texts(0..5));
    let report = cache.finish();
    assert_eq!((report.stored, report.troubles.len()), (5, 1));
    assert!(report.troubles[0].contains("was an empty file"), "{report:?}");
    assert_eq!(found(&open(&path), 0..5), 5);
    assert_eq!(open(&path).finish().troubles, Vec::<String>::new(), "said once");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_stays_a_link() {
        let folder = folder();
        let (link, target) = (folder.path().join("cache.redb"), folder.path().join("disk/store.redb"));
        symlink("disk/store.redb", &link).unwrap();
        let cache = open(&link);
        cache.put(&texts(0..5));
        let report = cache.finish();
        assert!(report.troubles[0].contains("is a disk missing?"), "{report:?}");
        assert_eq!(report.troubles.len(), 1);
        fs::create_dir(target.parent().unwrap()).unwrap();
        let cache = open(&link);
        cache.put(&texts(0..1500));
        let report = cache.finish();
        assert_eq!(report.troubles.len(), 1, "{report:?}");
        assert!(report.troubles[0].contains("where a link leads, was not there"), "{report:?}");
        assert_eq!(found(&open(&link), 0..1500), 1500);
        // Shrinking and damage replace the file, not the link.
        open_limited(&link, 500_000).finish();
        let kept = found(&open(&link), 0..1500);
        assert!((1..1500).contains(&kept));
        let bytes = fs::read(&target).unwrap();
        fs::write(&target, &bytes[..bytes.len() / 2]).unwrap();
        assert!(open(&link).finish().troubles[0].contains("damaged"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&target).unwrap().is_file() && beside(&target, "damaged").is_file());
    }

    #[test]
    fn a_file_that_may_only_be_read_is_read() {
        let folder = folder();
        let path = folder.path().join("cache.redb");
        filled(&path, 100);
        let whole = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        for lock in [true, false] {
            let cache = open(&path);
            assert_eq!(found(&cache, 0..120), 100);
            cache.put(&texts(100..120));
            let report = cache.finish();
            assert_eq!((report.hits, report.stored, report.troubles.len()), (100, 0, 1), "{report:?}");
            assert!(report.troubles[0].contains("may only be read: what it holds is used"), "{report:?}");
            assert_eq!(fs::read(&path).unwrap(), whole);
            if lock {
                // Nobody locks who cannot write.
                fs::remove_file(beside(&path, "lock")).unwrap();
            }
        }
    }

    /// A store that a killed run left behind, and one that is being written.
    #[test]
    fn a_file_in_other_hands_that_may_only_be_read_is_left_alone() {
        let folder = folder();
        let (path, copy) = (folder.path().join("cache.redb"), folder.path().join("copy.redb"));
        filled(&path, 100);
        let writer = redb::Database::open(&path).unwrap();
        let txn = writer.begin_write().unwrap();
        txn.open_table(redb::TableDefinition::<u64, u64>::new("more")).unwrap().insert(1, 1).unwrap();
        txn.commit().unwrap();
        fs::copy(&path, &copy).unwrap();
        for (path, words) in [(&copy, "left it to be mended"), (&path, "another process kept it locked")] {
            let before = fs::read(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
            let cache = open(path);
            assert_eq!(found(&cache, 0..100), 0);
            let report = cache.finish();
            assert!(report.troubles.iter().all(|sentence| sentence.contains(words)), "{report:?}");
            assert_eq!(report.troubles.len(), 1);
            assert_eq!(fs::read(path).unwrap(), before);
        }
    }

    #[test]
    fn a_damaged_file_that_may_only_be_read_is_not_believed_and_not_moved() {
        let folder = folder();
        let path = folder.path().join("cache.redb");
        filled(&path, 100);
        let whole = fs::read(&path).unwrap();
        let mut rng = Xoshiro256Plus::seed_from_u64(8);
        let mut noticed = 0;
        for _ in 0..40 {
            let mut bytes = whole.clone();
            let at = rng.gen_range(9..bytes.len() - 8);
            bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= rng.gen_range(1..=255u8));
            let _ = fs::remove_file(&path);
            fs::write(&path, &bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
            let cache = open(&path);
            let old = found(&cache, 0..100);
            let report = cache.finish();
            let damaged = report.troubles.iter().any(|sentence| sentence.contains("damaged"));
            assert!(old == 100 || damaged, "{old} found: {report:?}");
            noticed += usize::from(damaged);
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert!(noticed > 5, "only {noticed} of 40");
        assert!(!beside(&path, "damaged").exists());
    }
}
