//! Folders, names, hashes and lists of models.

use std::path::Path;

use super::{edit, write};
use crate::embed::model::record::{Record, SUMS};
use crate::embed::model::{
    BUNDLED, HubId, Layout, Model, ModelSource, Outline, Place, Pooling, Prompt, Verdict, files,
};
use crate::embed::small::Small;

#[cfg(feature = "bundled-model")]
#[test]
fn the_bundled_model_says_what_it_is_and_so_does_its_folder() {
    let bundled = Model::load(&ModelSource::parse("bundled")).unwrap();
    let layout = Layout::read(&bundled).unwrap();
    assert_eq!(
        layout.to_string(),
        "384 dimensions, 6 layers, mean, unit length, windows of 256 tokens, no prefix"
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(BUNDLED);
    let same = Model::load(&ModelSource::Folder(folder)).unwrap();
    assert_eq!(Layout::read(&same).unwrap(), layout);
    assert_eq!(same.hash(), bundled.hash());
    assert_eq!(Outline::bundled().unwrap().place, Place::Bundled);
    assert!(bundled.verify().iter().chain(&same.verify()).all(|check| check.verdict == Verdict::AsRecorded));
}

#[test]
fn the_hash_covers_whatever_changes_vectors() {
    let (_folder, model) = write(&Small::e5());
    let hash = model.hash();
    let chosen = |prompt| model.clone().with_prompt(prompt).hash();
    assert_ne!(chosen(Prompt::Named("query".into())), chosen(Prompt::Text("query".into())));
    assert_eq!(chosen(Prompt::Default), hash);
    for name in
        ["1_Pooling/config.json", "sentence_bert_config.json", "modules.json", "tokenizer_config.json"]
    {
        let (folder, _) = write(&Small::e5());
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{} ", std::fs::read_to_string(&path).unwrap())).unwrap();
        assert_ne!(files::load(folder.path()).unwrap().hash(), hash, "{name}");
    }
}

#[test]
fn a_bare_transformer_is_read_as_sentence_transformers_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    Small::bge().write(folder.path());
    for name in ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    edit(folder.path(), "tokenizer_config.json", |config| config["model_max_length"] = 1e30.into());
    let layout = Layout::read(&files::load(folder.path()).unwrap()).unwrap();
    assert_eq!((layout.pooling, layout.normalize, layout.window_tokens), (Pooling::Mean, false, 64));
}

#[test]
fn the_transformer_may_have_a_folder_of_its_own() {
    let (folder, flat) = write(&Small::bge());
    let inner = folder.path().join("0_Transformer");
    std::fs::create_dir(&inner).unwrap();
    for name in [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "sentence_bert_config.json",
        "tokenizer_config.json",
    ] {
        std::fs::rename(folder.path().join(name), inner.join(name)).unwrap();
    }
    edit(folder.path(), "modules.json", |modules| modules[0]["path"] = "0_Transformer".into());
    let model = files::load(folder.path()).unwrap();
    assert_eq!(Layout::read(&model).unwrap(), Layout::read(&flat).unwrap());
    assert!(model.verify().iter().any(|check| check.file == "0_Transformer/model.safetensors"));
}

#[test]
fn words_mean_sources() {
    let hub = |id: &str, revision: &str| ModelSource::Hub(HubId { id: id.into(), revision: revision.into() });
    assert_eq!(ModelSource::parse("bundled"), ModelSource::Bundled);
    assert_eq!(ModelSource::parse(BUNDLED), ModelSource::Bundled);
    assert_eq!(ModelSource::parse("BAAI/bge-small-en-v1.5"), hub("BAAI/bge-small-en-v1.5", "main"));
    assert_eq!(
        ModelSource::parse("intfloat/multilingual-e5-small@refs/pr/7"),
        hub("intfloat/multilingual-e5-small", "refs/pr/7")
    );
    for folder in
        ["./a/b", "/a/b", "a", "a/b/c", "../b", "a/../b", "a/b@../../c", "a/b@", "a--b/c", ".a/b", "a/b@x y"]
    {
        assert_eq!(ModelSource::parse(folder), ModelSource::Folder(folder.into()), "{folder}");
    }
    // What exists is what is meant.
    assert_eq!(ModelSource::parse("src/embed"), ModelSource::Folder("src/embed".into()));
}

#[test]
fn a_folder_is_verified_against_its_sums() {
    let (folder, model) = write(&Small::bge());
    assert!(model.verify().iter().all(|check| check.verdict == Verdict::NoRecord));
    std::fs::write(folder.path().join(SUMS), Record::to_text(&model.verify())).unwrap();
    let verdicts = || -> Vec<(String, Verdict)> {
        let checks = files::load(folder.path()).unwrap().verify();
        checks.into_iter().filter(|c| c.verdict != Verdict::AsRecorded).map(|c| (c.file, c.verdict)).collect()
    };
    assert_eq!(verdicts(), []);
    std::fs::write(folder.path().join("README.md"), "a card changes nothing").unwrap();
    assert_eq!(verdicts(), []);
    edit(folder.path(), "config.json", |config| config["layer_norm_eps"] = 1e-5.into());
    std::fs::remove_file(folder.path().join("sentence_bert_config.json")).unwrap();
    std::fs::write(folder.path().join("sentence_roberta_config.json"), "{}").unwrap();
    let expected = [
        ("config.json".to_owned(), Verdict::Differs),
        ("sentence_roberta_config.json".to_owned(), Verdict::Added),
        ("sentence_bert_config.json".to_owned(), Verdict::Missing),
    ];
    assert_eq!(verdicts(), expected);
}

#[test]
fn models_are_listed_without_reading_their_weights() {
    let folder = tempfile::tempdir().unwrap();
    Small::bge().write(&folder.path().join("bge"));
    Small::e5().write(&folder.path().join("e5"));
    Small { pooling: "max", ..Small::bge() }.write(&folder.path().join("max"));
    std::fs::create_dir(folder.path().join("tone")).unwrap();
    let found = Outline::in_folder(folder.path());
    let lines: Vec<String> = found
        .iter()
        .map(|outline| match &outline.layout {
            Ok(layout) => layout.to_string(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        lines,
        [
            "32 dimensions, 2 layers, cls, unit length, windows of 48 tokens, no prefix",
            "32 dimensions, 2 layers, mean, unit length, windows of 48 tokens, prefix \"query: \"",
            "1_Pooling/config.json: pooling max; supported: one of mean and cls",
        ]
    );
    let model = files::load(&folder.path().join("bge")).unwrap();
    let bytes: u64 = model.verify().iter().map(|check| check.bytes).sum();
    assert_eq!(found[0].bytes, bytes);
    assert!(Outline::in_folder(Path::new("nowhere")).is_empty());
}
