//! The encoder against the published f32 weights, and its independence of neighbours.

use rand::Rng;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use undertone::embed::{Embedder, EncodeParams, Encoder, Encoding, FORMAT, Instructions, Model, ModelSource};

const DIMENSIONS: usize = 384;

fn encoder() -> Encoder {
    Encoder::load(&Model::load(&ModelSource::Bundled).unwrap(), EncodeParams::default()).unwrap()
}

fn fixture() -> (Vec<String>, Vec<Vec<f32>>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedding");
    let texts = serde_json::from_slice(&std::fs::read(folder.join("texts.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("vectors.f32")).unwrap();
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
