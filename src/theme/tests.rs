//! `find` on awkward input and on several numbers of threads.

use super::*;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const SUBJECTS: [&str; 4] =
    ["export the report", "reset my password", "change the invoice address", "cancel the plan"];

const EVERY: [Algorithm; 5] =
    [Algorithm::Ward, Algorithm::KMeans, Algorithm::MiniBatch, Algorithm::Dbscan, Algorithm::Hdbscan];

/// `(n, d)` unit rows in four bundles, row `i` near axis `i % 4`.
fn bundles(rows: usize, spread: f32) -> Array2<f32> {
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    let mut vectors =
        Array2::from_shape_fn((rows, 32), |(i, j)| f32::from(i % 4 == j) + spread * rng.gen_range(-1.0..1.0));
    for mut row in vectors.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    vectors
}

fn texts(rows: usize) -> Vec<&'static str> {
    (0..rows).map(|row| SUBJECTS[row % 4]).collect()
}

fn found(vectors: &Array2<f32>, params: &ThemeParams) -> Themes {
    find(vectors.view(), &texts(vectors.nrows()), params, &[], &Progress::silent()).unwrap()
}

fn check_whole(themes: &Themes, rows: usize) {
    assert_eq!((themes.assignment.len(), themes.similarity.len()), (rows, rows));
    let mut names: Vec<&String> = themes.themes.iter().map(|theme| &theme.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), themes.themes.len(), "names are distinct");
    for (id, theme) in (0..).zip(&themes.themes) {
        assert_eq!(theme.id, id);
        assert_eq!(theme.size, themes.assignment.iter().filter(|&&theme| theme == Some(id)).count());
        assert_eq!(themes.assignment[theme.representative], Some(id));
        assert!(theme.centroid.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn themes_are_found_counted_and_named() {
    let themes = found(&bundles(200, 0.1), &ThemeParams::default());
    check_whole(&themes, 200);
    let names: Vec<&str> = themes.themes.iter().map(|theme| theme.name.as_str()).collect();
    assert_eq!(
        names,
        ["Export the report", "Reset my password", "Change the invoice address", "Cancel the plan"]
    );
    assert!(themes.similarity.iter().all(|cosine| *cosine > 0.8));
    assert!(themes.method.contains("k = 4"), "{}", themes.method);
}

#[test]
fn density_leaves_noise_out() {
    let mut vectors = bundles(203, 0.05);
    for (row, axis) in (200..203).zip(10..) {
        vectors.row_mut(row).fill(0.0);
        vectors[[row, axis]] = 1.0;
    }
    let themes = found(&vectors, &ThemeParams { algorithm: Algorithm::Dbscan, ..ThemeParams::default() });
    check_whole(&themes, 203);
    assert_eq!(themes.themes.len(), 4);
    assert_eq!(themes.assignment[200..], [None, None, None]);
    assert_eq!(themes.similarity[200..], [0.0, 0.0, 0.0]);
    assert!(themes.eps.is_some());
}

#[test]
fn few_rows_are_answered() {
    for algorithm in EVERY {
        for rows in 0..10 {
            for k in [K::Auto, K::Fixed(1), K::Fixed(7)] {
                let params = ThemeParams { algorithm, k, ..ThemeParams::default() };
                check_whole(&found(&bundles(rows, 0.3), &params), rows);
            }
        }
    }
    let one = found(&bundles(1, 0.0), &ThemeParams::default());
    assert_eq!((one.themes.len(), one.themes[0].size), (1, 1));
}

#[test]
fn copies_are_one_theme() {
    let copies = Array2::from_shape_fn((5, 32), |(_, column)| f32::from(column == 0));
    for k in [K::Auto, K::Fixed(3)] {
        let themes = found(&copies, &ThemeParams { k, ..ThemeParams::default() });
        assert_eq!(themes.assignment, [Some(0); 5]);
    }
}

#[test]
fn all_rows_may_be_noise() {
    let apart = Array2::from_shape_fn((20, 32), |(row, column)| f32::from(row == column));
    let params = ThemeParams { algorithm: Algorithm::Dbscan, eps: Some(0.5), ..ThemeParams::default() };
    let themes = found(&apart, &params);
    check_whole(&themes, 20);
    assert!(themes.themes.is_empty() && themes.assignment.iter().all(Option::is_none));
}

#[test]
fn a_given_k_is_kept() {
    let themes = found(&bundles(40, 0.3), &ThemeParams { k: K::Fixed(12), ..ThemeParams::default() });
    assert_eq!(themes.themes.len(), 12);
    assert!(themes.curve.is_empty());
}

#[test]
fn unusable_vectors_are_refused() {
    let mut vectors = bundles(8, 0.1);
    vectors[[3, 2]] = f32::NAN;
    let refused = find(vectors.view(), &texts(8), &ThemeParams::default(), &[], &Progress::silent());
    assert!(matches!(refused, Err(ThemeError::NotFinite { row: 3, .. })));
    let refused = find(bundles(8, 0.1).view(), &texts(7), &ThemeParams::default(), &[], &Progress::silent());
    assert!(matches!(refused, Err(ThemeError::Rows { vectors: 8, texts: 7 })));
}

#[test]
fn zero_vectors_belong_somewhere() {
    check_whole(&found(&Array2::zeros((12, 32)), &ThemeParams::default()), 12);
    let mut some = bundles(40, 0.1);
    some.row_mut(7).fill(0.0);
    check_whole(&found(&some, &ThemeParams::default()), 40);
}

#[test]
fn rows_without_structure_are_one_theme() {
    let mut rng = Xoshiro256Plus::seed_from_u64(9);
    // Twelve uniform draws added up are all but normal: directions without a preference.
    let mut vectors =
        Array2::from_shape_fn((400, 384), |_| (0..12).map(|_| rng.gen_range(-1.0f32..1.0)).sum::<f32>());
    for mut row in vectors.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    assert_eq!(found(&vectors, &ThemeParams::default()).themes.len(), 1);
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let vectors = bundles(700, 0.6);
    let order: Vec<usize> = (0..700).map(|row| row * 331 % 700).collect();
    let shuffled = vectors.select(ndarray::Axis(0), &order);
    for sample in [300, 5_000] {
        let params = ThemeParams { sample, ..ThemeParams::default() };
        let one = found(&vectors, &params);
        let their: Vec<&str> = order.iter().map(|&row| texts(700)[row]).collect();
        let other = find(shuffled.view(), &their, &params, &[], &Progress::silent()).unwrap();
        let curve = |themes: &Themes| serde_json::to_string(&themes.curve).unwrap();
        assert_eq!(curve(&one), curve(&other));
        // Themes of one size are numbered by their first row: only who is with whom must stay.
        let mut numbers = std::collections::BTreeMap::new();
        for (&row, number) in order.iter().zip(&other.assignment) {
            assert_eq!(numbers.entry(*number).or_insert(one.assignment[row]), &one.assignment[row]);
        }
        assert_eq!(numbers.len(), one.themes.len());
    }
}

#[test]
fn threads_change_nothing() {
    let vectors = bundles(700, 0.6);
    for algorithm in EVERY {
        let params = ThemeParams { algorithm, sample: 300, ..ThemeParams::default() };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            serde_json::to_string(&pool.install(|| found(&vectors, &params))).unwrap()
        };
        assert_eq!(on(1), on(3));
    }
}
