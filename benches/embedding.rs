//! Where the time of embedding goes: tokenising, attention, feed-forward, pooling, and the whole; one thread each.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use undertone::embed::kernel::{Attention, Finish, Kernels, Panels, Product};
use undertone::embed::model::Layout;
use undertone::embed::{Embedder, EncodeParams, Encoder, Instructions, Model, ModelSource, TextTokenizer};
use undertone::simulate::{World, simulate};

const HIDDEN: usize = 384;
const INNER: usize = 1536;
/// Rows of a batch.
const ROWS: usize = 256;

/// User turns of simulated conversations.
fn turns() -> Vec<String> {
    let conversations = simulate(&World::default(), 300, 1).conversations;
    conversations.iter().flat_map(|c| c.user_turns().map(|(_, turn)| turn.text.clone())).collect()
}

/// Repeatable values of -1..=1.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.7).sin()).collect()
}

fn sets() -> impl Iterator<Item = (&'static str, &'static Kernels)> {
    Instructions::ALL.into_iter().filter_map(|set| Some((set.name(), set.kernels()?)))
}

fn tokenise(c: &mut Criterion) {
    let model = Model::load(&ModelSource::Bundled).expect("the model is bundled");
    let layout = Layout::read(&model).expect("its layout is known");
    let tokenizer = TextTokenizer::load(&model, &layout).expect("its tokenizer loads");
    let texts = turns();
    let tokenise = || -> u64 {
        let tokens = texts.iter().map(|text| tokenizer.tokenize(text).expect("texts tokenise"));
        tokens.flat_map(|t| t.windows).map(|w| w.len() as u64).sum()
    };
    let mut group = c.benchmark_group("tokenise");
    group.throughput(Throughput::Elements(tokenise()));
    group.bench_function("turns, tokens", |b| b.iter(tokenise));
    group.finish();
}

fn attention(c: &mut Criterion) {
    let mut group = c.benchmark_group("attention");
    for length in [16, 64, 256] {
        let qkv = values(length * 3 * HIDDEN);
        group.throughput(Throughput::Elements(length as u64));
        for (name, kernels) in sets() {
            let (mut out, mut room) = (vec![0.0; length * HIDDEN], Vec::new());
            group.bench_function(BenchmarkId::new(name, length), |b| {
                b.iter(|| {
                    let (out, room) = (&mut out, &mut room);
                    kernels.attention(Attention { qkv: &qkv, heads: 12, width: HIDDEN, out, room });
                });
            });
        }
    }
    group.finish();
}

/// The two products of a layer's feed-forward part, 3/5 of all arithmetic.
fn feed_forward(c: &mut Criterion) {
    let up = Panels::pack(&values(INNER * HIDDEN), HIDDEN, 0, HIDDEN);
    let down: Vec<Panels> = (0..INNER)
        .step_by(HIDDEN)
        .map(|from| Panels::pack(&values(HIDDEN * INNER), INNER, from, HIDDEN))
        .collect();
    let x = values(ROWS * HIDDEN);
    let mut group = c.benchmark_group("feed-forward");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, kernels) in sets() {
        let (mut left, mut scales) = (vec![0; ROWS * HIDDEN], vec![0.0; ROWS]);
        let (mut inner, mut out) = (vec![0.0; ROWS * INNER], vec![0.0; ROWS * HIDDEN]);
        group.bench_function(BenchmarkId::new(name, ROWS), |b| {
            b.iter(|| {
                kernels.quantise(&x, HIDDEN, HIDDEN, up.range(), &mut left, &mut scales);
                let (right, finish) = (&up, Finish::Gelu);
                let (out_inner, stride) = (&mut inner, INNER);
                let bias = None;
                kernels.product(Product {
                    left: &left,
                    left_scales: &scales,
                    right,
                    bias,
                    finish,
                    out: out_inner,
                    stride,
                });
                for (index, right) in down.iter().enumerate() {
                    let slice = &inner[index * HIDDEN..];
                    kernels.quantise(slice, INNER, HIDDEN, right.range(), &mut left, &mut scales);
                    kernels.product(Product {
                        left: &left,
                        left_scales: &scales,
                        right,
                        bias,
                        finish: Finish::Add,
                        out: &mut out,
                        stride: HIDDEN,
                    });
                }
            });
        });
    }
    group.finish();
}

fn pool(c: &mut Criterion) {
    let x = values(ROWS * HIDDEN);
    let mut group = c.benchmark_group("pool");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, kernels) in sets() {
        let mut mean = vec![0.0; HIDDEN];
        group.bench_function(BenchmarkId::new(name, ROWS), |b| b.iter(|| kernels.mean(&x, &mut mean)));
    }
    group.finish();
}

fn whole(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool starts");
    let model = Model::load(&ModelSource::Bundled).expect("the model is bundled");
    let texts = turns();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut group = c.benchmark_group("encode");
    group.sample_size(10);
    for set in Instructions::ALL.into_iter().filter(|set| set.available()) {
        let params = EncodeParams { instructions: Some(set), ..EncodeParams::default() };
        let encoder = Encoder::load(&model, params).expect("the model loads");
        // The portable kernels are there for correctness: a few texts show their speed.
        let texts = if set == Instructions::Portable { &texts[..20] } else { &texts[..] };
        let encode = || pool.install(|| encoder.encode(texts)).expect("texts encode");
        group.throughput(Throughput::Elements(encode().iter().map(|e| u64::from(e.tokens)).sum()));
        group.bench_function(BenchmarkId::new(set.name(), "tokens"), |b| b.iter(encode));
    }
    group.finish();
}

criterion_group!(benches, tokenise, attention, feed_forward, pool, whole);
criterion_main!(benches);
