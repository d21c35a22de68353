//! The encoder against the published f32 weights, and its independence of neighbours.

use undertone::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};

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
fn a_vector_does_not_depend_on_its_neighbours() {
    let (texts, _) = fixture();
    let borrowed: Vec<&str> = texts.iter().take(60).map(String::as_str).collect();
    let encoder = encoder();
    let together = encoder.encode(&borrowed).unwrap();
    for (text, expected) in borrowed.iter().zip(&together).step_by(7) {
        let alone = &encoder.encode(&[*text]).unwrap()[0];
        assert!(cosine(&alone.vector, &expected.vector) > 0.999_999);
    }
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
