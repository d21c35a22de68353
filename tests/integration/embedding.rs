//! The encoder against the published f32 weights, and its independence of neighbours.

use std::path::Path;

use rand::Rng;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use tempfile::TempDir;
use undertone::embed::{Embedder, EncodeParams, Encoder, Encoding, FORMAT, Instructions, Model, ModelSource};

use crate::common::{run_in, small_export, write};

const DIMENSIONS: usize = 384;

fn encoder() -> Encoder {
    Encoder::load(&Model::load(&ModelSource::Bundled).unwrap(), EncodeParams::default()).unwrap()
}

fn fixture() -> (Vec<String>, Vec<Vec<f32>>) {
    read_fixture("texts.json", "vectors.f32")
}

fn read_fixture(texts: &str, vectors: &str) -> (Vec<String>, Vec<Vec<f32>>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedding");
    let texts = serde_json::from_slice(&std::fs::read(folder.join(texts)).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join(vectors)).unwrap();
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    (texts, values.chunks(DIMENSIONS).map(<[f32]>::to_vec).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| f64::from(*p) * f64::from(*q)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn two_hundred_texts_of_all_lengths_equal_the_original() {
    let (texts, expected) = fixture();
    assert_eq!((texts.len(), expected.len()), (200, 200));
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = encoder().encode(&borrowed).unwrap();
    let lengths: Vec<u32> = found.iter().map(|encoding| encoding.tokens).collect();
    assert!(lengths[0] <= 6 && lengths[199] >= 250, "{lengths:?}");
    let worst = found.iter().zip(&expected).map(|(f, e)| cosine(&f.vector, e)).fold(1.0, f64::min);
    println!("smallest cosine to the f32 original: {worst:.7}");
    assert!(worst >= 0.9999, "{worst}");
}

#[test]
fn odd_white_space_is_read_as_the_original_reads_it() {
    let (texts, expected) = read_fixture("odd.json", "odd.f32");
    assert_eq!((texts.len(), expected.len()), (60, 60));
    let encoder = encoder();
    // As they are, and in the form by which the pipeline and `undertone embed` know them.
    let normal: Vec<_> = texts.iter().map(|text| encoder.normal(text)).collect();
    assert!(normal.iter().zip(&texts).any(|(normal, text)| normal != text));
    let raw = encoder.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let known = encoder.encode(&normal.iter().map(|text| &**text).collect::<Vec<_>>()).unwrap();
    for (((text, raw), known), expected) in texts.iter().zip(&raw).zip(&known).zip(&expected) {
        assert_eq!(bits(raw), bits(known), "{text:?}");
        let cosine = cosine(&raw.vector, expected);
        assert!(cosine >= 0.9999, "{cosine} for {text:?}");
    }
}

/// The bundled model in a folder of its own, with two texts beside it.
fn model_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/all-MiniLM-L6-v2");
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    for name in [
        "SHA256SUMS",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
    ] {
        std::fs::copy(model.join(name), folder.path().join(name)).unwrap();
    }
    write(folder.path(), "texts.txt", "please refund my invoice\nthe login page is broken\n");
    folder
}

fn embed(folder: &Path) -> (i32, String, String) {
    run_in(folder, &["embed", "--model", ".", "--input", "texts.txt"])
}

#[test]
fn a_model_without_normalize_gives_vectors_of_their_own_length() {
    let folder = model_folder();
    let lengths = || -> Vec<f64> {
        let (code, out, err) = embed(folder.path());
        assert_eq!(code, 0, "{err}");
        let vector = |line: &str| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["vector"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<f64>>()
        };
        out.lines().map(|line| vector(line).iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
    };
    assert!(lengths().iter().all(|length| (length - 1.0).abs() < 1e-5));
    let modules = folder.path().join("modules.json");
    let mut steps: serde_json::Value = serde_json::from_slice(&std::fs::read(&modules).unwrap()).unwrap();
    steps.as_array_mut().unwrap().pop();
    std::fs::write(&modules, steps.to_string()).unwrap();
    std::fs::remove_file(folder.path().join("SHA256SUMS")).unwrap();
    assert!(lengths().iter().all(|length| *length > 2.0), "{:?}", lengths());
}

#[test]
fn altered_and_broken_models_are_refused_before_anything_is_read() {
    let folder = model_folder();
    let folder = folder.path();
    write(folder, "export.jsonl", small_export(60));
    write(folder, "undertone.toml", "[embed]\nmodel = \".\"\n");
    let refused = |words: &[&str]| {
        for (code, _, err) in [
            embed(folder),
            run_in(folder, &["run", "--conversations", "export.jsonl"]),
            run_in(folder, &["check", "--conversations", "export.jsonl"]),
        ] {
            assert_eq!(code, 2, "{err}");
            assert!(words.iter().all(|word| err.contains(word)), "{err}");
        }
    };
    // A value of the last bias becomes no number.
    let path = folder.join("model.safetensors");
    let mut weights = std::fs::read(&path).unwrap();
    let name = "encoder.layer.5.output.dense.bias";
    let at = {
        let file = safetensors::SafeTensors::deserialize(&weights).unwrap();
        file.tensor(name).unwrap().data().as_ptr() as usize - weights.as_ptr() as usize
    };
    weights[at..at + 2].copy_from_slice(&[0x00, 0x7e]);
    std::fs::write(&path, weights).unwrap();
    refused(&["model.safetensors is another file", "undertone model verify"]);
    let (code, out, _) = run_in(folder, &["model", "verify", "."]);
    assert_eq!((code, out.matches("DIFFERS").count()), (1, 1), "{out}");
    std::fs::remove_file(folder.join("SHA256SUMS")).unwrap();
    refused(&[name, "NaN at place 0 of 384"]);
}

#[test]
fn long_texts_read_head_and_tail() {
    let words = "the quick brown fox jumps over a lazy dog ".repeat(400);
    let encoder = encoder();
    let long = &encoder.encode(&[words.as_str()]).unwrap()[0];
    assert!(long.shortened);
    let short = &encoder.encode(&["the quick brown fox"]).unwrap()[0];
    assert!(!short.shortened);
    let tail = format!("{words} and finally refund my invoice");
    let other = &encoder.encode(&[tail.as_str()]).unwrap()[0];
    assert!(cosine(&long.vector, &other.vector) < 0.999_999, "the tail is read");
}

/// A text's bits: its vector and every layer's mean.
fn bits(encoding: &Encoding) -> Vec<u32> {
    encoding.vector.iter().chain(&encoding.states).map(|value| value.to_bits()).collect()
}

#[test]
fn bits_depend_on_the_text_alone() {
    let (texts, _) = fixture();
    let texts: Vec<String> = texts.into_iter().step_by(2).collect();
    let model = Model::load(&ModelSource::Bundled).unwrap();
    let expected: Vec<Vec<u32>> = {
        let encoder = encoder();
        texts.iter().map(|text| bits(&encoder.encode(&[text.as_str()]).unwrap()[0])).collect()
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    for case in 0..6 {
        // Another order, another choice of neighbours, another budget, another number of threads.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.shuffle(&mut rng);
        order.truncate(rng.gen_range(1..=texts.len()));
        let params = EncodeParams { batch_tokens: rng.gen_range(16..2000), ..EncodeParams::default() };
        let encoder = Encoder::load(&model, params).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + case % 4).build().unwrap();
        let chosen: Vec<&str> = order.iter().map(|index| texts[*index].as_str()).collect();
        let found = pool.install(|| encoder.encode(&chosen)).unwrap();
        for (index, found) in order.iter().zip(&found) {
            assert_eq!(bits(found), expected[*index], "text {index}, {params:?}");
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let (texts, _) = fixture();
    let model = Model::load(&ModelSource::Bundled).unwrap();
    // The portable kernels are slow: every tenth text, and with it every length.
    let texts: Vec<&str> = texts.iter().step_by(10).map(String::as_str).collect();
    let expected = encoder().encode(&texts).unwrap();
    for instructions in Instructions::ALL.into_iter().filter(|set| set.available()) {
        let params = EncodeParams { instructions: Some(instructions), ..EncodeParams::default() };
        let found = Encoder::load(&model, params).unwrap().encode(&texts).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(bits(found), bits(expected), "{}", instructions.name());
        }
    }
}

#[test]
fn vectors_are_those_of_this_format() {
    let (texts, _) = fixture();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut hasher = blake3::Hasher::new();
    for encoding in encoder().encode(&texts).unwrap() {
        for value in bits(&encoding) {
            hasher.update(&value.to_le_bytes());
        }
    }
    let found = hasher.finalize().to_hex()[..16].to_owned();
    assert_eq!(
        (FORMAT, found.as_str()),
        (1, "5b3f4de5e6003f30"),
        "the same text gives other bits: raise embed::FORMAT, so that no cache mixes the two, and note them here"
    );
}
