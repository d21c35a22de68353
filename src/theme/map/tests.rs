//! The map: neighbours stay together, nothing depends on chance or threads, little input is answered.

use super::*;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

/// `per` rows around each of `themes` random directions, as unit rows, theme after theme.
fn blobs(themes: usize, per: usize, width: usize, noise: f32) -> (Array2<f32>, Vec<Option<u32>>) {
    let mut rng = Xoshiro256Plus::seed_from_u64(11);
    let mut normal = move || (0..12).map(|_| rng.r#gen::<f32>()).sum::<f32>() - 6.0;
    let centres = Array2::from_shape_simple_fn((themes, width), &mut normal);
    let mut rows =
        Array2::from_shape_fn((themes * per, width), |(i, j)| centres[[i / per, j]] + noise * normal());
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    (rows, (0..themes * per).map(|row| Some((row / per) as u32)).collect())
}

/// Share of the 10 nearest points that are of the same theme.
fn purity(points: &[MapPoint]) -> f64 {
    let same = |point: &MapPoint| {
        let mut others: Vec<(f32, bool)> = points
            .iter()
            .filter(|other| other.row != point.row)
            .map(|other| ((point.x - other.x).hypot(point.y - other.y), other.theme == point.theme))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        others[..10].iter().filter(|(_, same)| *same).count() as f64 / 10.0
    };
    points.iter().map(same).sum::<f64>() / points.len() as f64
}

fn made(vectors: &Array2<f32>, labels: &[Option<u32>], params: &MapParams) -> Map {
    layout(vectors.view(), labels, params, &Progress::silent()).expect("a map")
}

fn is_inside(map: &Map) -> bool {
    map.points.iter().all(|point| (0.0..=1.0).contains(&point.x) && (0.0..=1.0).contains(&point.y))
}

#[test]
fn themes_stay_together() {
    let (vectors, labels) = blobs(8, 60, 384, 1.5);
    let map = made(&vectors, &labels, &MapParams::default());
    assert_eq!(map.points.len(), 480);
    assert!(is_inside(&map));
    let purity = purity(&map.points);
    assert!(purity >= 0.95, "{purity}");
    assert_eq!(map.themes.len(), 8);
    for place in &map.themes {
        assert!(place.points == 60 && place.radius > 0.0 && place.radius < 0.2, "{place:?}");
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let (vectors, labels) = blobs(5, 80, 64, 1.5);
    let params = MapParams { sample: 300, iterations: 200, ..MapParams::default() };
    let json = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        serde_json::to_string(&pool.install(|| made(&vectors, &labels, &params))).expect("json")
    };
    let one = json(1);
    assert_eq!(one, json(1));
    assert_eq!(one, json(2));
    assert_eq!(one, json(5));
    assert_ne!(
        one,
        serde_json::to_string(&made(&vectors, &labels, &MapParams { seed: 1, ..params })).expect("json")
    );
    let read: Map = serde_json::from_str(&one).expect("it reads back");
    assert_eq!(serde_json::to_string(&read).expect("json"), one);
    assert!(one.len() < 300 * 50 + 5 * 80, "{}", one.len());
}

#[test]
fn order_of_rows_changes_nothing() {
    let (vectors, labels) = blobs(4, 30, 16, 1.0);
    let back: Vec<usize> = (0..120).rev().collect();
    let params = MapParams { sample: 90, iterations: 150, ..MapParams::default() };
    let mut turned = made(
        &vectors.select(Axis(0), &back),
        &back.iter().map(|&row| labels[row]).collect::<Vec<_>>(),
        &params,
    );
    turned.points.iter_mut().for_each(|point| point.row = 119 - point.row);
    turned.points.reverse();
    assert_eq!(made(&vectors, &labels, &params).points, turned.points);
}

#[test]
fn tomorrows_map_resembles_todays() {
    // Unequal themes along unequal, lopsided axes, as real ones are: else no component is the first.
    let (mut vectors, labels) = blobs(6, 60, 64, 1.0);
    for row in 0..360 {
        vectors[[row, 0]] += [2.0, 1.2, 0.4, 0.2, 0.0, 0.0][row / 60];
        vectors[[row, 1]] += [0.0, 0.0, 0.8, 0.0, 0.3, 0.0][row / 60];
    }
    let today: Vec<usize> = (0..360).filter(|row| row % 60 < 10 * (row / 60 + 1)).collect();
    let tomorrow: Vec<usize> = today.iter().copied().filter(|row| row % 20 != 7).collect();
    let map = |rows: &[usize]| {
        let own: Vec<Option<u32>> = rows.iter().map(|&row| labels[row]).collect();
        made(&vectors.select(Axis(0), rows), &own, &MapParams::default())
    };
    let before = map(&today);
    let mut moves: Vec<f32> = map(&tomorrow)
        .points
        .iter()
        .map(|point| {
            let place = today.iter().position(|&row| row == tomorrow[point.row]).expect("was there");
            (point.x - before.points[place].x).hypot(point.y - before.points[place].y)
        })
        .collect();
    moves.sort_by(f32::total_cmp);
    assert!(moves[moves.len() / 2] < 0.1, "{}", moves[moves.len() / 2]);
}

#[test]
fn few_rows_and_equal_rows_are_answered() {
    let (vectors, labels) = blobs(2, 20, 384, 1.0);
    for n in 0..=40 {
        let map = made(&vectors.slice(ndarray::s![..n, ..]).to_owned(), &labels[..n], &MapParams::default());
        assert!(map.points.len() == n && is_inside(&map), "{n}");
        let places: std::collections::HashSet<_> =
            map.points.iter().map(|point| (point.x.to_bits(), point.y.to_bits())).collect();
        assert!(places.len() * 10 >= n * 9, "{n}: {} places", places.len());
        assert!(n < 40 || purity(&map.points) > 0.95);
    }
    for n in [1, 2, 3, 50, 400] {
        let map = made(&Array2::from_elem((n, 384), 0.051), &vec![None; n], &MapParams::default());
        assert!(map.points.iter().all(|point| (point.x, point.y) == (0.5, 0.5)), "{n}");
        assert!(map.themes.is_empty());
    }
    // Nine in ten are copies: they share a neighbourhood, and every place is a number.
    let copies = Array2::from_shape_fn((400, 384), |(i, j)| vectors[[if i < 360 { 0 } else { i - 360 }, j]]);
    assert!(is_inside(&made(&copies, &vec![Some(3); 400], &MapParams::default())));
    let narrow = Array2::from_shape_fn((40, 1), |(i, _)| i as f32);
    assert!(is_inside(&made(&narrow, &vec![None; 40], &MapParams::default())));
    assert_eq!(made(&Array2::zeros((5, 0)), &[None; 5], &MapParams::default()).points.len(), 5);
}

#[test]
fn every_theme_is_on_the_map() {
    let vectors = blobs(1, 1_000, 8, 1.0).0;
    let labels: Vec<Option<u32>> =
        (0..1_000).map(|row| (row % 20 > 0).then_some(u32::from(row > 990))).collect();
    let map = made(&vectors, &labels, &MapParams { sample: 100, iterations: 50, ..MapParams::default() });
    assert_eq!(map.points.len(), 100);
    assert!(map.themes.len() == 2 && map.themes[1].points >= 8, "{:?}", map.themes);
    assert!(map.points.windows(2).all(|pair| pair[0].row < pair[1].row));
}

#[test]
fn the_place_of_a_theme_is_one_of_its_points() {
    let at = |x: f32, theme| MapPoint { row: 0, x, y: 0.5, theme: Some(theme) };
    let places = theme_places(&[at(0.1, 4), at(0.9, 4), at(0.12, 4), at(0.11, 4), at(0.14, 4), at(0.3, 2)]);
    assert_eq!(places[0], ThemePlace { theme: 2, x: 0.3, y: 0.5, radius: 0.0, points: 1 });
    assert_eq!((places[1].theme, places[1].x, places[1].radius), (4, 0.12, 0.02));
}

#[test]
fn what_cannot_be_is_refused() {
    let (mut vectors, labels) = blobs(2, 5, 4, 1.0);
    let refused = |params: MapParams, labels: &[Option<u32>], vectors: &Array2<f32>| {
        layout(vectors.view(), labels, &params, &Progress::silent()).expect_err("refused").to_string()
    };
    let params = MapParams { perplexity: f64::NAN, ..MapParams::default() };
    assert!(refused(params, &labels, &vectors).contains("themes.map.perplexity"));
    assert!(
        refused(MapParams { sample: 0, ..MapParams::default() }, &labels, &vectors).contains("map.sample")
    );
    assert!(refused(MapParams::default(), &labels[1..], &vectors).contains("10 vectors but 9 labels"));
    vectors[[3, 1]] = f32::NAN;
    assert!(refused(MapParams::default(), &labels, &vectors).contains("row 3"));
}
