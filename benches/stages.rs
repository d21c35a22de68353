//! Time by stage: finding themes, reading signals.

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use undertone::conversation::Conversation;
use undertone::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
use undertone::progress::Progress;
use undertone::signal::{Scene, SceneTurn, SignalParams, detect};
use undertone::simulate::{World, simulate};
use undertone::theme::{ThemeParams, find};

/// First requests of simulated conversations.
fn requests(count: usize) -> Vec<String> {
    let first = |c: &Conversation| c.user_turns().next().map(|(_, turn)| turn.text.clone());
    simulate(&World::default(), count, 1).conversations.iter().filter_map(first).collect()
}

fn encoder() -> Encoder {
    let model = Model::load(&ModelSource::Bundled).expect("the model is bundled");
    Encoder::load(&model, EncodeParams::default()).expect("the model loads")
}

fn themes(c: &mut Criterion) {
    let (encoder, texts) = (encoder(), requests(1000));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let encoded = encoder.encode(&texts).expect("texts encode");
    let flat: Vec<f32> = encoded.iter().flat_map(|e| e.vector.iter().copied()).collect();
    let vectors = Array2::from_shape_vec((texts.len(), encoder.dimensions()), flat).expect("rows are whole");
    let mut group = c.benchmark_group("themes");
    group.sample_size(10).bench_function("1,000 requests, automatic k", |b| {
        b.iter(|| find(vectors.view(), &texts, &ThemeParams::default(), &[], &Progress::silent()));
    });
    group.finish();
}

fn signals(c: &mut Criterion) {
    let simulation = simulate(&World::default(), 500, 1);
    let turn = |turn| {
        let undertone::conversation::Turn { role, text, .. } = turn;
        SceneTurn { role: *role, text, vector: None, tone: None }
    };
    let scenes: Vec<Scene<'_>> = simulation
        .conversations
        .iter()
        .map(|c| Scene { turns: c.turns.iter().map(turn).collect() })
        .collect();
    let params = SignalParams::default();
    c.bench_function("signals of 500 conversations, words only", |b| {
        b.iter(|| scenes.iter().map(|scene| detect(scene, &params).len()).sum::<usize>());
    });
}

criterion_group!(benches, themes, signals);
criterion_main!(benches);
