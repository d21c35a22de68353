//! Every instruction set against the portable one, bit by bit, and the portable one against plain f64.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::attention::Attention;
use super::dispatch::{Instructions, Kernels};
use super::lanes::{LANES, Portable};
use super::math;
use super::product::{Finish, Panels, Product};

fn random(rng: &mut Xoshiro256PlusPlus, count: usize, size: f32) -> Vec<f32> {
    (0..count).map(|_| rng.gen_range(-size..size)).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Runs `work` on the portable kernels and on every other set this machine has; all must agree bit by bit.
fn same_everywhere(work: impl Fn(&Kernels) -> Vec<f32>) -> Vec<f32> {
    let expected = work(Instructions::Portable.kernels().unwrap());
    for set in Instructions::ALL {
        if let Some(kernels) = set.kernels() {
            assert_eq!(bits(&work(kernels)), bits(&expected), "{}", set.name());
        }
    }
    expected
}

#[test]
fn this_machine_is_tested_beyond_the_portable_kernels() {
    let sets: Vec<&str> =
        Instructions::ALL.into_iter().filter(|set| set.available()).map(Instructions::name).collect();
    println!("instruction sets tested here: {}", sets.join(", "));
    assert!(sets.contains(&"portable"));
    assert!(sets.len() > 1, "neither x86-64 with AVX2 nor 64-bit ARM: only {sets:?}");
}

#[test]
fn products_agree_and_are_near_the_truth() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for case in 0..60 {
        let rows = rng.gen_range(1..40);
        let columns = LANES * rng.gen_range(1..6);
        let depth = [384, 256, LANES * rng.gen_range(1..20)][case % 3];
        let finish = [Finish::Store, Finish::Add, Finish::Gelu, Finish::AddGelu][case % 4];
        let (x, before) = (random(&mut rng, rows * depth, 3.0), random(&mut rng, rows * columns, 1.0));
        let (weights, bias) = (random(&mut rng, columns * depth, 0.2), random(&mut rng, columns, 1.0));
        let panels = Panels::pack(&weights, depth, 0, depth);
        let found = same_everywhere(|kernels| {
            let (mut left, mut left_scales) = (vec![0; rows * depth], vec![0.0; rows]);
            kernels.quantise(&x, depth, depth, panels.range(), &mut left, &mut left_scales);
            let mut out = before.clone();
            kernels.product(Product {
                left: &left,
                left_scales: &left_scales,
                right: &panels,
                bias: Some(&bias),
                finish,
                out: &mut out,
                stride: columns,
            });
            out
        });
        for (i, value) in found.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let pairs = x[row * depth..][..depth].iter().zip(&weights[column * depth..][..depth]);
            let dot: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let sum = dot + f64::from(bias[column]);
            let added = sum + f64::from(before[i]);
            let expected = match finish {
                Finish::Store => sum,
                Finish::Add => added,
                Finish::Gelu => exact_gelu(sum),
                Finish::AddGelu => exact_gelu(added),
            };
            assert!((f64::from(*value) - expected).abs() < 0.02, "{finish:?}: {value} for {expected}");
        }
    }
}

#[test]
fn no_sum_overflows_at_the_edge_of_the_ranges() {
    // Every weight and every activation as large as it gets, all of one sign.
    let panels = Panels::pack(&vec![1.0; 16 * 384], 384, 0, 384);
    let found = same_everywhere(|kernels| {
        let (mut left, mut scales) = (vec![0; 384], vec![0.0; 1]);
        kernels.quantise(&[7.0; 384], 384, 384, panels.range(), &mut left, &mut scales);
        let mut out = vec![0.0; 16];
        kernels.product(Product {
            left: &left,
            left_scales: &scales,
            right: &panels,
            bias: None,
            finish: Finish::Store,
            out: &mut out,
            stride: 16,
        });
        out
    });
    assert!(found.iter().all(|value| (value - 7.0 * 384.0).abs() < 2.0), "{found:?}");
}

#[test]
fn attention_agrees_and_is_near_the_truth() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for (heads, depth) in [(2, 16), (3, 32), (2, 64)] {
        for length in [1, 2, 7, 8, 15, 16, 17, 33, 200] {
            let width = heads * depth;
            let qkv = random(&mut rng, length * 3 * width, 1.5);
            let found = same_everywhere(|kernels| {
                let (mut out, mut room) = (vec![0.0; length * width], Vec::new());
                kernels.attention(Attention { qkv: &qkv, heads, width, out: &mut out, room: &mut room });
                out
            });
            let at = |row: usize, column: usize| f64::from(qkv[row * 3 * width + column]);
            for (i, value) in found.iter().enumerate() {
                let (row, head, column) = (i / width, i % width / depth * depth, i % width);
                let score = |j| (0..depth).map(|d| at(row, head + d) * at(j, width + head + d)).sum::<f64>();
                let weights: Vec<f64> = (0..length).map(|j| score(j).exp()).collect();
                let mixed: f64 = weights.iter().enumerate().map(|(j, w)| w * at(j, 2 * width + column)).sum();
                let expected = mixed / weights.iter().sum::<f64>();
                assert!((f64::from(*value) - expected).abs() < 1e-4, "{value} for {expected}");
            }
        }
    }
}

#[test]
fn rows_agree_and_are_near_the_truth() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    for width in [16, 48, 384, 768] {
        let x = random(&mut rng, 5 * width, 10.0);
        let (gain, shift) = (random(&mut rng, width, 2.0), random(&mut rng, width, 2.0));
        let found = same_everywhere(|kernels| {
            let mut x = x.clone();
            kernels.normalise(&mut x, &gain, &shift, 1e-12);
            x
        });
        let row: Vec<f64> = x[..width].iter().map(|v| f64::from(*v)).collect();
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
        for (k, value) in found[..width].iter().enumerate() {
            let expected = (row[k] - mean) / variance.sqrt() * f64::from(gain[k]) + f64::from(shift[k]);
            assert!((f64::from(*value) - expected).abs() < 1e-4, "{value} for {expected}");
        }
        let means = same_everywhere(|kernels| {
            let mut mean = vec![0.0; width];
            kernels.mean(&x, &mut mean);
            mean
        });
        let first: f64 = (0..5).map(|row| f64::from(x[row * width])).sum::<f64>() / 5.0;
        assert!((f64::from(means[0]) - first).abs() < 1e-5);
    }
}

#[test]
fn a_row_of_zeros_stays_zero() {
    let found = same_everywhere(|kernels| {
        let (mut left, mut scales) = (vec![9; 32], vec![0.0; 1]);
        kernels.quantise(&[0.0; 32], 32, 32, 2047.0, &mut left, &mut scales);
        left.iter().map(|value| f32::from(*value)).chain(scales).collect()
    });
    assert!(found[..32].iter().all(|value| *value == 0.0) && found[32].is_finite());
}

#[test]
fn exponential_and_gelu_are_as_near_as_they_say() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    for _ in 0..20_000 {
        let x: [f32; LANES] = std::array::from_fn(|_| rng.gen_range(-87.0..80.0));
        // SAFETY: plain Rust.
        let found = unsafe { math::exp::<Portable>(x) };
        for (x, found) in x.iter().zip(found) {
            let expected = f64::from(*x).exp();
            assert!((f64::from(found) / expected - 1.0).abs() < 3e-7, "e^{x} = {found}, not {expected}");
        }
        let x: [f32; LANES] = std::array::from_fn(|_| rng.gen_range(-8.0..8.0));
        // SAFETY: plain Rust.
        let found = unsafe { math::gelu::<Portable>(x) };
        for (x, found) in x.iter().zip(found) {
            let off = (f64::from(found) - exact_gelu(f64::from(*x))).abs();
            assert!(off < 3e-7 * f64::from(x.abs()).max(1.0), "gelu({x}) is off by {off}");
        }
    }
}

/// With statrs' erf, in f64.
fn exact_gelu(x: f64) -> f64 {
    x / 2.0 * (1.0 + statrs::function::erf::erf(x / std::f64::consts::SQRT_2))
}

#[test]
fn scores_are_marked_and_the_two_greatest_found() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    for case in 0..40 {
        let mut scores = random(&mut rng, LANES * (1 + case % 7), 1.0);
        match case % 3 {
            0 => scores[3] = f32::NEG_INFINITY,
            1 => scores[0] = scores[LANES - 1],
            _ => scores.fill(0.25),
        }
        let bar = scores[case % LANES];
        let marks = same_everywhere(|kernels| {
            let mut marks = vec![0u16; scores.len() / LANES];
            kernels.above(&scores, bar, &mut marks);
            marks.into_iter().map(f32::from).collect()
        });
        for (i, score) in scores.iter().enumerate() {
            assert_eq!((marks[i / LANES] as u16) >> (i % LANES) & 1 == 1, *score > bar, "{i}: {score} {bar}");
        }
        let two = same_everywhere(|kernels| {
            let (first, second) = kernels.two_greatest(&scores);
            vec![first, second]
        });
        scores.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(two, scores[..2]);
    }
    let none = same_everywhere(|kernels| vec![kernels.two_greatest(&[]).0, kernels.two_greatest(&[]).1]);
    assert_eq!(none, [f32::NEG_INFINITY; 2]);
}

#[test]
fn distances_have_the_same_bits_everywhere() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
    for length in [0, 1, 7, 8, 50, 384] {
        let (a, b) = (random(&mut rng, length, 1.0), random(&mut rng, length, 1.0));
        let plainly: f64 = a.iter().zip(&b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
        let expected = Instructions::Portable.kernels().unwrap().squared_distance(&a, &b);
        assert!((expected - plainly).abs() <= 1e-12 * plainly);
        for kernels in Instructions::ALL.into_iter().filter_map(Instructions::kernels) {
            assert_eq!(kernels.squared_distance(&a, &b).to_bits(), expected.to_bits());
            assert_eq!(kernels.squared_distance(&a, &a), 0.0);
        }
    }
}

#[test]
fn rows_of_one_length_lose_little_and_multiply_without_overflow() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    for (case, depth) in [(0, 16), (1, 96), (2, 384), (3, 384), (4, 1024)] {
        let mut x = random(&mut rng, 16 * depth, [1.0, 1e-6, 300.0, 1.0, 1.0][case]);
        match case {
            // A single value; nothing; all the same, the longest there is.
            2 => x[..depth].fill(0.0),
            3 => x[..depth].iter_mut().skip(1).for_each(|value| *value = 0.0),
            4 => x.fill(0.7),
            _ => {}
        }
        let mut scales = vec![0.0; 16];
        let found = same_everywhere(|kernels| {
            let (mut left, mut out) = (vec![0; 16 * depth], vec![0.0; 256]);
            let mut scales = vec![0.0; 16];
            kernels.quantise_to_length(&x, depth, &mut left, &mut scales);
            let panels = Panels::of_integers(&left, depth, scales.clone());
            let (left, left_scales, right, bias) = (&left[..], &scales[..], &panels, None);
            let (out_rows, finish) = (&mut out[..], Finish::Store);
            kernels.product(Product { left, left_scales, right, bias, finish, out: out_rows, stride: 16 });
            out
        });
        let kernels = Instructions::best().kernels().unwrap();
        kernels.quantise_to_length(&x, depth, &mut vec![0; 16 * depth], &mut scales);
        let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        for (i, value) in found.iter().enumerate() {
            let (a, b) = (&x[i / 16 * depth..][..depth], &x[i % 16 * depth..][..depth]);
            let exact: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let loss = |place: usize| 0.51 * f64::from(scales[place]) * (depth as f64).sqrt();
            let (loss_a, loss_b) = (loss(i / 16), loss(i % 16));
            let bound = loss_a * norm(b) + (norm(a) + loss_a) * loss_b + 1e-6 * norm(a) * norm(b);
            assert!((f64::from(*value) - exact).abs() <= bound, "{depth}: {value} for {exact}");
            assert!(bound <= 1e-3 * norm(a) * norm(b) + f64::from(f32::MIN_POSITIVE), "{bound}");
        }
    }
}

#[test]
fn sums_have_the_same_bits_everywhere() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    for length in [0, 3, 16, 50, 384] {
        let (a, b) = (random(&mut rng, length, 1.0), random(&mut rng, length, 1.0));
        for kernels in Instructions::ALL.into_iter().filter_map(Instructions::kernels) {
            let mut sums: Vec<f64> = a.iter().map(|value| f64::from(*value)).collect();
            kernels.accumulate(&mut sums, &b, -1.0);
            let expected: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
            assert_eq!(sums, expected);
        }
    }
}
