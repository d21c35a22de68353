//! The hub's cache, and with the feature `hub` downloads from a hub on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::embed::model::{Hub, HubId, Model, ModelSource, Outline, Place, Verdict};
use crate::embed::small::Small;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn hub(cache: &Path) -> Hub {
    let vars = |name: &str| (name == "HF_HOME").then(|| cache.as_os_str().to_owned());
    Hub::from_vars(vars)
}

fn id(word: &str) -> HubId {
    HubId::parse(word).unwrap()
}

/// A cache that huggingface_hub filled, without its links.
fn fill(cache: &Path, small: &Small) -> PathBuf {
    let repo = cache.join("hub/models--own--small");
    let snapshot = repo.join("snapshots").join(COMMIT);
    small.write(&snapshot);
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), COMMIT).unwrap();
    snapshot
}

#[test]
fn the_environment_is_read_as_huggingface_hub_reads_it() {
    let hub = |vars: &[(&str, &str)]| {
        let vars: Vec<(String, OsString)> = vars.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        Hub::from_vars(|name| vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    };
    let plain = hub(&[("HOME", "/h"), ("HF_HOME", "")]);
    assert_eq!(plain.cache, Path::new("/h/.cache/huggingface/hub"));
    assert_eq!((plain.endpoint.as_str(), plain.offline), ("https://huggingface.co", false));
    assert_eq!(hub(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).cache, Path::new("/x/huggingface/hub"));
    let moved =
        hub(&[("HOME", "/h"), ("HF_HOME", "/f"), ("HF_ENDPOINT", "http://mirror/"), ("HF_HUB_OFFLINE", "1")]);
    assert_eq!(moved.cache, Path::new("/f/hub"));
    assert_eq!((moved.endpoint.as_str(), moved.offline), ("http://mirror", true));
    assert_eq!(hub(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]).cache, Path::new("/c"));
    assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    assert!(hub(&[]).or_offline(true).offline);
}

#[test]
fn a_cached_model_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = fill(cache.path(), &Small::bge());
    // An endpoint that nobody listens at: a question to it would be an error.
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), ..hub(cache.path()) };
    for word in ["own/small".to_owned(), format!("own/small@{COMMIT}")] {
        let model = Model::load_with(&ModelSource::Hub(id(&word)), &hub).unwrap();
        assert_eq!(model.name, "own/small");
        assert_eq!(model.hash(), Model::load(&ModelSource::Folder(snapshot.clone())).unwrap().hash());
        assert!(model.verify().iter().all(|check| check.verdict == Verdict::NoRecord));
    }
    let found = Outline::in_cache(&hub);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), &found[0].place), ("own/small", &Place::Cache(COMMIT.into())));
    assert!(found[0].layout.is_ok() && found[0].bytes > 10_000);
}

#[test]
fn what_the_cache_lacks_is_named_when_offline() {
    let cache = tempfile::tempdir().unwrap();
    let offline = hub(cache.path()).or_offline(true);
    let error = |word: &str| Model::load_with(&ModelSource::Hub(id(word)), &offline).unwrap_err().to_string();
    let place = offline.cache.display();
    assert_eq!(
        error("own/small"),
        format!(
            "own/small@main: revision main is not in the cache {place}, and the hub may not be asked \
             (HF_HUB_OFFLINE or --offline); fetch it once with a network: undertone model fetch own/small \
             --revision main"
        )
    );
    let snapshot = fill(cache.path(), &Small::bge());
    assert!(error("own/small@v2").contains("revision v2 is not in the cache"));
    std::fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    std::fs::remove_file(snapshot.join("1_Pooling/config.json")).unwrap();
    let missing =
        format!("the cache {place} has no model.safetensors, 1_Pooling/config.json at commit {COMMIT}");
    assert!(error("own/small").contains(&missing), "{}", error("own/small"));
}

#[test]
fn a_missing_modules_json_is_believed_only_when_the_hub_said_so() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = fill(cache.path(), &Small::bge());
    std::fs::remove_file(snapshot.join("modules.json")).unwrap();
    let offline = hub(cache.path()).or_offline(true);
    let load = || Model::load_with(&ModelSource::Hub(id("own/small")), &offline);
    assert!(load().unwrap_err().to_string().contains("has no modules.json at commit"));
    let said = cache.path().join("hub/models--own--small/.no_exist").join(COMMIT);
    std::fs::create_dir_all(&said).unwrap();
    std::fs::write(said.join("modules.json"), "").unwrap();
    assert!(load().is_ok());
}

#[cfg(not(feature = "hub"))]
#[test]
fn a_binary_without_the_hub_says_so() {
    let cache = tempfile::tempdir().unwrap();
    let error = Model::load_with(&ModelSource::Hub(id("own/small")), &hub(cache.path())).unwrap_err();
    assert!(error.to_string().contains("built without the hub; rebuild with `--features hub`"), "{error}");
}

#[cfg(feature = "hub")]
mod online {
    use super::*;
    use crate::embed::model::tests::edit;
    use crate::embed::model::tests::fake_hub::FakeHub;
    use crate::embed::model::{Layout, Pin, export, files};

    /// A hub with one model, and an empty cache.
    struct Setting {
        server: FakeHub,
        hub: Hub,
        folder: tempfile::TempDir,
    }

    fn setting(small: &Small, change: impl FnOnce(&Path)) -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let origin = folder.path().join("origin");
        small.write(&origin);
        std::fs::write(origin.join("README.md"), "a card").unwrap();
        change(&origin);
        let server = FakeHub::serve("own/small", COMMIT, &origin);
        let hub = Hub { endpoint: server.endpoint.clone(), ..hub(&folder.path().join("home")) };
        Setting { server, hub, folder }
    }

    #[test]
    fn a_model_is_downloaded_once_and_read_offline_ever_after() {
        let Setting { server, hub, folder } = setting(&Small::bge(), |_| {});
        let model = Model::load_with(&ModelSource::Hub(id("own/small")), &hub).unwrap();
        let origin = files::load(&folder.path().join("origin")).unwrap();
        assert_eq!(model.hash(), origin.hash());
        let asked = server.asked();
        assert_eq!(asked[0], "/api/models/own/small/revision/main");
        assert!(asked.last().unwrap().ends_with("model.safetensors"), "the weights come last");
        assert!(!asked.iter().any(|path| path.ends_with("README.md")));
        let offline = hub.clone().or_offline(true);
        for word in ["own/small".to_owned(), format!("own/small@{COMMIT}")] {
            Model::load_with(&ModelSource::Hub(id(&word)), &offline).unwrap();
            Model::load_with(&ModelSource::Hub(id(&word)), &hub).unwrap();
            offline.fetch(&id(&word)).unwrap();
        }
        hub.fetch(&id(&format!("own/small@{COMMIT}"))).unwrap();
        Outline::in_cache(&hub);
        assert_eq!(server.asked(), [""; 0], "neither loading nor listing nor a pinned fetch asks again");
        let recorded = |name: &str| {
            let checks = model.verify();
            checks.into_iter().find(|check| check.file == name).unwrap().verdict
        };
        assert_eq!(recorded("model.safetensors"), Verdict::AsRecorded, "by the hub's own hash");
    }

    #[test]
    fn fetching_a_branch_finds_its_new_state() {
        let Setting { server, hub, .. } = setting(&Small::e5(), |_| {});
        assert_eq!(hub.fetch(&id("own/small")).unwrap().commit, COMMIT);
        let next = "f".repeat(40);
        server.push(&next);
        assert_eq!(hub.snapshot(&id("own/small")).unwrap().commit, COMMIT, "loading keeps what is there");
        assert_eq!(hub.fetch(&id("own/small")).unwrap().commit, next);
        assert_eq!(hub.snapshot(&id("own/small")).unwrap().commit, next);
        assert_eq!(Outline::in_cache(&hub).len(), 2);
    }

    #[test]
    fn a_model_without_modules_json_is_noted_as_such() {
        let Setting { hub, .. } =
            setting(&Small::bge(), |origin| std::fs::remove_file(origin.join("modules.json")).unwrap());
        hub.fetch(&id("own/small")).unwrap();
        hub.or_offline(true).fetch(&id("own/small")).unwrap();
    }

    #[test]
    fn a_folder_has_origin_and_hashes() {
        let Setting { hub, folder, .. } = setting(&Small::e5(), |_| {});
        let (name, out) = (id("own/small"), folder.path().join("models/small"));
        let snapshot = hub.fetch(&name).unwrap();
        let wrong = Pin::parse(&"0".repeat(64)).unwrap();
        let error = export(&name, &snapshot, &out, Some(&wrong)).unwrap_err().to_string();
        assert!(
            error.starts_with("model.safetensors: sha256 ")
                && error.ends_with("was asked for; no folder was written")
        );
        assert!(!out.exists());
        let checks = export(&name, &snapshot, &out, None).unwrap();
        let weights = checks.iter().find(|check| check.file == "model.safetensors").unwrap();
        let right = Pin::parse(&weights.sha256.to_uppercase()).unwrap();
        export(&name, &snapshot, &out, Some(&right)).unwrap();
        let model = files::load(&out).unwrap();
        assert!(model.verify().iter().all(|check| check.verdict == Verdict::AsRecorded));
        assert_eq!(model.hash(), Model::load_snapshot(&name, &snapshot).unwrap().hash());
        let source: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("SOURCE.json")).unwrap()).unwrap();
        assert_eq!(source, serde_json::json!({"id": "own/small", "commit": COMMIT}));
        let other = folder.path().join("origin");
        let error = export(&name, &snapshot, &other, None).unwrap_err().to_string();
        assert!(error.contains("holds something else than own/small at commit 0123456789"), "{error}");
    }

    #[test]
    fn a_model_that_could_not_be_used_is_refused_before_its_weights() {
        let refuse = |change: fn(&Path)| {
            let Setting { server, hub, .. } = setting(&Small::bge(), change);
            let error = hub.fetch(&id("own/small")).unwrap_err().to_string();
            assert!(!server.asked().iter().any(|path| path.contains("safetensors")));
            error
        };
        let kind = refuse(|origin| edit(origin, "config.json", |config| config["model_type"] = "t5".into()));
        assert!(kind.contains("model_type t5; supported: model_type bert"), "{kind}");
        let pickled = refuse(|origin| {
            std::fs::rename(origin.join("model.safetensors"), origin.join("pytorch_model.bin")).unwrap();
        });
        assert!(
            pickled.starts_with("own/small@main: no model.safetensors, only pytorch_model.bin"),
            "{pickled}"
        );
        let bare = refuse(|origin| std::fs::remove_file(origin.join("config.json")).unwrap());
        assert_eq!(bare, "own/small@main: has no config.json; is it a sentence-transformer?");
    }

    #[test]
    fn weights_that_arrive_wrong_are_not_kept() {
        let Setting { server, hub, .. } = setting(&Small::bge(), |_| {});
        server.corrupt(true);
        let error = hub.fetch(&id("own/small")).unwrap_err().to_string();
        assert!(error.contains("was announced by the hub; the file was removed"), "{error}");
        server.corrupt(false);
        let snapshot = hub.fetch(&id("own/small")).unwrap();
        Layout::read(&Model::load_snapshot(&id("own/small"), &snapshot).unwrap()).unwrap();
    }

    #[test]
    fn a_download_cut_off_is_taken_up_again() {
        let Setting { server, hub, folder } = setting(&Small::bge(), |_| {});
        server.cut(5000);
        let snapshot = hub.fetch(&id("own/small")).unwrap();
        let origin = files::load(&folder.path().join("origin")).unwrap();
        assert_eq!(files::load(&snapshot.folder).unwrap().hash(), origin.hash());
        let asked = server.asked().iter().filter(|path| path.ends_with("safetensors")).count();
        assert_eq!(asked, 3, "its length, its beginning, its rest");
    }

    #[test]
    fn names_the_hub_does_not_know_are_said_so() {
        let Setting { hub, .. } = setting(&Small::bge(), |_| {});
        for word in ["own/other", "own/small@v9"] {
            let error = Model::load_with(&ModelSource::Hub(id(word)), &hub).unwrap_err().to_string();
            assert!(
                error.contains("404") && error.contains("check the name, the revision and the network"),
                "{error}"
            );
        }
    }
}
