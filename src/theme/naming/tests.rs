//! `describe` with a small made-up encoder: a word is an axis.

use super::*;
use ndarray::Axis;

const WORDS: [&str; 8] = ["export", "report", "reset", "password", "invoice", "address", "cancel", "plan"];

/// One axis per word of [`WORDS`] and one for the rest: a bag of words.
fn bag(texts: &[&str]) -> Array2<f32> {
    let mut rows = Array2::<f32>::zeros((texts.len(), WORDS.len() + 1));
    for (mut row, text) in rows.rows_mut().into_iter().zip(texts) {
        row[WORDS.len()] = 0.3;
        for word in text.to_lowercase().split_whitespace() {
            if let Some(axis) = WORDS.iter().position(|known| *known == word) {
                row[axis] += 1.0;
            }
        }
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    rows
}

fn requests() -> (Vec<String>, Vec<Option<u32>>) {
    let asked = ["export the report", "reset my password", "change the invoice address", "cancel the plan"];
    let leads = ["how do i", "please", "can you", "i want to", ""];
    let text =
        |i: usize| format!("{} {} number {i}", leads[i % 5], asked[i % 4]).replace(" number", ", number");
    let labels = (0..400).map(|i| (i % 41 > 0).then_some((i % 4) as u32)).collect();
    ((0..400).map(text).collect(), labels)
}

fn described(texts: &[&str], labels: &[Option<u32>]) -> Vec<Theme> {
    described_with(texts, labels, &Given::default())
}

fn described_with(texts: &[&str], labels: &[Option<u32>], given: &Given<'_>) -> Vec<Theme> {
    let mut encode = |texts: &[&str]| Ok(bag(texts));
    let vectors = bag(texts);
    describe(vectors.view(), texts, labels, &ThemeParams::default(), Some(&mut encode), given).unwrap()
}

#[test]
fn labels_are_made_and_scored() {
    let (texts, labels) = requests();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let themes = described(&texts, &labels);
    let names: Vec<&str> = themes.iter().map(|theme| theme.name.as_str()).collect();
    assert_eq!(
        names,
        ["Export the report", "Reset my password", "Change the invoice address", "Cancel the plan"]
    );
    for (theme, described) in themes.iter().enumerate() {
        let separation = described.separation.expect("enough are held out");
        assert_eq!(separation.auc, 1.0);
        assert_ne!(separation.against as usize, theme);
        assert_eq!(labels[described.representative], Some(theme as u32));
        assert!(!described.keywords.is_empty());
    }
}

#[test]
fn the_order_of_rows_and_threads_change_nothing() {
    let (texts, labels) = requests();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let one = described(&texts, &labels);
    let order: Vec<usize> = (0..400).map(|row| row * 131 % 400).collect();
    let moved: Vec<&str> = order.iter().map(|&row| texts[row]).collect();
    let moved_labels: Vec<Option<u32>> = order.iter().map(|&row| labels[row]).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let other = pool.install(|| described(&moved, &moved_labels));
    for (one, other) in one.iter().zip(&other) {
        let other = Theme { representative: one.representative, ..other.clone() };
        assert_eq!(*one, other);
    }
}

#[test]
fn titles_given_before_stay_and_are_scored() {
    let (texts, labels) = requests();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let free = described(&texts, &labels);
    // The second theme took what was the first one's best title, with other small words.
    let given = Given { kept: vec![None, Some("Export a report")], taken: vec!["cancel the PLAN"] };
    let themes = described_with(&texts, &labels, &given);
    assert_eq!(themes[1].name, "Export a report");
    let separation = themes[1].separation.expect("scored");
    assert!(separation.auc < 0.9, "{separation:?}: it says what another theme is about");
    let names: std::collections::BTreeSet<String> =
        themes.iter().map(|theme| theme.name.to_lowercase()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names.contains("export the report") && !names.contains("cancel the plan"), "{names:?}");
    for (theme, free) in themes.iter().zip(&free) {
        assert_eq!((&theme.automatic_name, &theme.keywords), (&free.name, &free.keywords));
    }
}

#[test]
fn too_few_held_out_are_not_scored() {
    let (texts, labels) = requests();
    let texts: Vec<&str> = texts.iter().take(24).map(String::as_str).collect();
    assert!(described(&texts, &labels[..24]).iter().all(|theme| theme.separation.is_none()));
    let same = ["reset my password"; 30];
    let alone = described(&same, &[Some(0); 30]);
    assert_eq!((alone.len(), alone[0].name.as_str()), (1, "Reset my password"));
    assert!(alone[0].separation.is_none());
    assert!(described(&same, &[None; 30]).is_empty());
}

#[test]
fn wrong_shapes_are_refused() {
    let texts = ["reset my password"; 8];
    let vectors = bag(&texts);
    let params = ThemeParams::default();
    let (labels, given) = ([Some(0); 8], Given::default());
    let refused = describe(vectors.view(), &texts, &labels[..7], &params, None, &given);
    assert!(matches!(refused, Err(ThemeError::Rows { .. })));
    let mut short = |_: &[&str]| Ok(Array2::zeros((0, 9)));
    let refused = describe(vectors.view(), &texts, &labels, &params, Some(&mut short), &given);
    assert!(matches!(refused, Err(ThemeError::Encode(_))));
    let few = vectors.select(Axis(0), &[0, 1]);
    assert!(describe(few.view(), &texts, &labels, &params, None, &given).is_err());
}
