//! The head's file, its errors, its fit against the optimum, scores by hand, and tones by eye.

use std::io::Write;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::calibrate::{fit_temperature, mean_nll};
use super::head::softmax;
use super::*;
use crate::progress::Progress;

/// Width of the made-up states.
const D: usize = 6;

fn tone(negative: f32, neutral: f32, positive: f32) -> Tone {
    Tone { negative, neutral, positive }
}

/// Three overlapping clouds; one feature is constant, one is on a wildly different scale.
fn cloud(n: usize, seed: u64) -> Vec<Example> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..n)
        .map(|i| {
            let label = ToneLabel::ALL[i % 3];
            let mut states: Vec<f32> = (0..D).map(|_| random.gen_range(-1.0..1.0)).collect();
            states[label.index()] += 0.7;
            states[3] = 5.0;
            states[4] = 1000.0 * states[4] + 300.0;
            Example { states, label }
        })
        .collect()
}

fn params(alphas: &[f32]) -> TrainParams {
    TrainParams { alphas: alphas.to_vec(), max_iterations: 100 }
}

fn trained(alphas: &[f32]) -> (ToneHead, Training) {
    train(&cloud(600, 1), &cloud(300, 2), &params(alphas), &Progress::silent()).unwrap()
}

#[test]
fn bundled_head_is_its_file() {
    let head = ToneHead::bundled().unwrap();
    assert_eq!(head.dimensions(), 7 * 384);
    assert_eq!(head.to_bytes().unwrap(), include_bytes!("../../models/tone/head.safetensors"));
    assert_eq!(head.hash().unwrap().len(), 64);
    let tone = head.predict(&vec![0.1; 7 * 384]).unwrap();
    assert!((tone.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn file_keeps_every_bit() {
    let (head, _) = trained(&[1.0]);
    let bytes = head.to_bytes().unwrap();
    let back = ToneHead::from_bytes(&bytes).unwrap();
    assert_eq!(head, back);
    assert_eq!(back.to_bytes().unwrap(), bytes);
}

#[test]
fn unusable_states_are_errors() {
    let (head, _) = trained(&[1.0]);
    assert!(matches!(head.predict(&[0.0; 5]), Err(ToneError::Length { expected: 6, found: 5 })));
    let states = [0.0, 1.0, f32::NAN, 0.0, 0.0, 0.0];
    assert!(matches!(head.predict(&states), Err(ToneError::NotFinite { index: 2 })));
    assert!(head.predict(&[f32::MAX; D]).unwrap().probabilities().iter().all(|p| p.is_finite()));
}

#[test]
fn damaged_files_are_errors() {
    let bytes = trained(&[1.0]).0.to_bytes().unwrap();
    for end in [0, 7, 8, 100, bytes.len() - 1] {
        assert!(matches!(ToneHead::from_bytes(&bytes[..end]), Err(ToneError::Malformed(_))), "cut at {end}");
    }
    let reason = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        ToneHead::from_bytes(&changed).unwrap_err().to_string()
    };
    assert!(reason("\"scale\"", "\"scald\"").contains("scale"));
    assert!(reason("\"shape\":[3,6]", "\"shape\":[6,3]").contains("expected [3, 6]"));
    let mut negative = bytes.clone();
    let temperature = trained(&[1.0]).0.temperature().to_le_bytes();
    let at = bytes.windows(4).rposition(|w| w == temperature).unwrap();
    negative[at + 3] |= 0x80;
    assert!(ToneHead::from_bytes(&negative).unwrap_err().to_string().contains("above 0"));
}

/// At the optimum the gradient `sum (p - y) x + alpha W` vanishes; checked in f64, on the head's
/// own standardised features, against its length at the start.
#[test]
fn fit_reaches_the_optimum() {
    let examples = cloud(600, 1);
    let gradient = |alpha: f32| {
        let (head, _) = trained(&[alpha]);
        let zero = head.logits(&vec![0.0; D]).unwrap();
        // Logits are affine: a unit step along feature i gives W[., i] / scale[i].
        let slope = |i: usize| {
            let mut unit = vec![0.0; D];
            unit[i] = 1.0;
            let at = head.logits(&unit).unwrap();
            [0, 1, 2].map(|r| at[r] - zero[r])
        };
        let i = 0;
        let n = examples.len() as f64;
        let column: Vec<f64> = examples.iter().map(|e| f64::from(e.states[i])).collect();
        let mean = column.iter().sum::<f64>() / n;
        let scale = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let mut total = slope(i).map(|w| w * scale * f64::from(alpha));
        for (example, x) in examples.iter().zip(&column) {
            let p = softmax(head.logits(&example.states).unwrap());
            for r in 0..3 {
                let y = f64::from(u8::from(example.label.index() == r));
                total[r] += (p[r] - y) * (x - mean) / scale;
            }
        }
        total.iter().map(|g| g * g).sum::<f64>().sqrt()
    };
    for alpha in [0.1, 10.0, 1000.0] {
        assert!(gradient(alpha) < 0.2, "alpha {alpha}: {}", gradient(alpha));
    }
}

#[test]
fn training_learns_and_picks_by_dev() {
    let (head, training) = trained(&[1.0, 1e6]);
    assert_eq!(training.chosen, training.candidates[0]);
    assert!(training.chosen.dev_nll < training.candidates[1].dev_nll);
    assert!(training.chosen.dev.accuracy > 0.55, "{:?}", training.chosen);
    assert_eq!(training.examples, 600);
    assert_eq!(head.temperature(), training.chosen.temperature);
}

#[test]
fn threads_change_nothing() {
    let bytes = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&[0.1, 1.0, 10.0]).0.to_bytes().unwrap())
    };
    assert_eq!(bytes(1), bytes(3));
}

#[test]
fn impossible_trainings_say_why() {
    let attempt = |examples: &[Example], dev: &[Example], alphas: &[f32]| {
        train(examples, dev, &params(alphas), &Progress::silent()).unwrap_err().to_string()
    };
    let (some, dev) = (cloud(30, 1), cloud(9, 2));
    assert!(attempt(&[], &dev, &[1.0]).contains("no negative example"));
    assert!(attempt(&some[..2], &dev, &[1.0]).contains("no positive example"));
    assert!(attempt(&some, &[], &[1.0]).contains("dev split is empty"));
    assert!(attempt(&some, &dev, &[]).contains("no alpha"));
    assert!(attempt(&some, &dev, &[0.0]).contains("not above 0"));
    let mut ragged = dev.clone();
    ragged[4].states.pop();
    assert!(attempt(&some, &ragged, &[1.0]).contains("got 5"));
}

#[test]
fn temperature_undoes_false_confidence() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let honest: Vec<[f64; 3]> = (0..20_000).map(|_| [0; 3].map(|_| random.gen_range(-2.0..2.0))).collect();
    let labels: Vec<ToneLabel> = honest
        .iter()
        .map(|z| {
            let (p, u) = (softmax(*z), random.gen_range(0.0..1.0));
            ToneLabel::ALL[usize::from(u > p[0]) + usize::from(u > p[0] + p[1])]
        })
        .collect();
    let boastful: Vec<[f64; 3]> = honest.iter().map(|z| z.map(|z| 3.0 * z)).collect();
    let temperature = fit_temperature(&boastful, &labels);
    assert!((temperature - 3.0).abs() < 0.15, "{temperature}");
    assert!(mean_nll(&boastful, &labels, temperature) < mean_nll(&boastful, &labels, 1.0));
}

#[test]
fn scores_by_hand() {
    use ToneLabel::{Negative, Neutral, Positive};
    let tones = [tone(0.8, 0.1, 0.1), tone(0.6, 0.3, 0.1), tone(0.1, 0.8, 0.1), tone(0.1, 0.3, 0.6)];
    let scores = Scores::of(&tones, &[Negative, Neutral, Neutral, Positive]);
    assert_eq!((scores.n, scores.accuracy), (4, 0.75));
    // F1: negative 2/3, neutral 2/3, positive 1.
    assert!((scores.macro_f1 - 7.0 / 9.0).abs() < 1e-12);
    assert_eq!(scores.auc_negative, 1.0);
    // Bins: 0.8 twice, both right, gap 0.2; 0.6 twice, half right, gap 0.1.
    assert!((scores.ece - 0.15).abs() < 1e-6, "{}", scores.ece);
    let ties = Scores::of(&[tone(0.5, 0.5, 0.0); 3], &[Negative, Neutral, Positive]);
    assert_eq!(ties.auc_negative, 0.5);
    let nothing = Scores::of(&[], &[]);
    assert_eq!((nothing.n, nothing.accuracy, nothing.macro_f1, nothing.ece), (0, 0.0, 0.0, 0.0));
    assert_eq!(confusion(&tones, &[Negative, Neutral, Neutral, Positive]), [[1, 0, 0], [1, 1, 0], [0, 0, 1]]);
}

const TABLE: &str = "\
text,label,split,emotions
\"well, thanks\",positive,train,gratitude
hm,ambiguous,train,confusion
no,negative,valid,anger
three,neutral,test,
";

#[test]
fn tables_are_read_plain_and_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    std::fs::write(&plain, TABLE).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(TABLE.as_bytes()).unwrap();
    std::fs::write(&packed, gzip.finish().unwrap()).unwrap();
    let dataset = Dataset::read(&plain).unwrap();
    assert_eq!(dataset, Dataset::read(&packed).unwrap());
    assert_eq!(dataset.skipped, [("ambiguous".to_owned(), 1)].into());
    let texts: Vec<&str> = dataset.rows.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(texts, ["well, thanks", "no", "three"]);
    assert_eq!(dataset.of(Split::Dev).map(|row| row.label).collect::<Vec<_>>(), [ToneLabel::Negative]);
}

#[test]
fn unusable_tables_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let read = |contents: &str| {
        let path = folder.path().join("x.csv");
        std::fs::write(&path, contents).unwrap();
        Dataset::read(&path).unwrap_err().to_string()
    };
    assert!(read("text,label\na,neutral\n").contains("no column `split`"));
    let reason = read("text,label,split\na,neutral,train\nb,neutral,later\n");
    assert!(reason.contains("x.csv: line 3: split is `later`"), "{reason}");
    assert!(read("text,label,split\na,neutral\n").contains("line: 2"));
    assert!(matches!(Dataset::read(&folder.path().join("none.csv")), Err(ToneError::Io { .. })));
}

#[test]
fn a_table_becomes_a_head() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let clouds = [("train", cloud(90, 1)), ("dev", cloud(30, 2)), ("test", cloud(30, 3))];
    let mut table = "text,label,split\n".to_owned();
    for (split, examples) in &clouds {
        for (i, example) in examples.iter().enumerate() {
            table += &format!("{split} {i},{},{split}\n", example.label.name());
        }
    }
    std::fs::write(&path, table).unwrap();
    let encode = |texts: &[&str]| -> Result<Vec<Vec<f32>>, BoxError> {
        let find = |text: &&str| {
            let (split, i) = text.split_once(' ').ok_or("no space")?;
            let (_, examples) = clouds.iter().find(|(name, _)| *name == split).ok_or("no split")?;
            Ok(examples[i.parse::<usize>()?].states.clone())
        };
        texts.iter().map(find).collect()
    };
    let (head, report) = train_from_csv(&path, &encode, &params(&[1.0]), &Progress::silent()).unwrap();
    assert_eq!((report.counts.train, report.counts.dev, report.counts.test), (90, 30, 30));
    assert_eq!(report.test.n, 30);
    assert_eq!(report.hash, head.hash().unwrap());
    let failing = |_: &[&str]| -> Result<Vec<Vec<f32>>, BoxError> { Err("out of breath".into()) };
    let error = train_from_csv(&path, &failing, &params(&[1.0]), &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("out of breath"));
}

/// What users of a product say, picked for being clear: a guard against breakage, not a measurement.
#[cfg(feature = "bundled-model")]
const HAND_LIST: [(ToneLabel, [&str; 8]); 3] = [
    (
        ToneLabel::Negative,
        [
            "this is useless, still wrong",
            "no, that's not what I asked. you keep getting it wrong",
            "I'm really frustrated, nothing works and you don't listen",
            "this is a terrible answer",
            "that's completely wrong and it broke my code",
            "worst support ever, I want my money back",
            "ugh, it crashed again and I lost all my work",
            "still not working",
        ],
    ),
    (
        ToneLabel::Neutral,
        [
            "export my data to csv",
            "how do I change the billing address on my account?",
            "write a python function that reverses a string",
            "summarize the attached document in three bullet points",
            "set a reminder for 9 am tomorrow",
            "my order number is 48213",
            "now the same for the second table",
            "please reset my password",
        ],
    ),
    (
        ToneLabel::Positive,
        [
            "perfect, thanks!",
            "that works great, thank you so much",
            "awesome, exactly what I needed",
            "love it, this is so helpful",
            "great job, you saved me hours",
            "thank you, that solved the problem",
            "wow, this is amazing",
            "excellent, looks good to me",
        ],
    ),
];

#[cfg(feature = "bundled-model")]
#[test]
fn clear_product_sentences_sound_as_they_should() {
    use crate::embed::{Embedder, EncodeParams, Encoder, Model, ModelSource};
    let model = Model::load(&ModelSource::Bundled).unwrap();
    let encoder = Encoder::load(&model, EncodeParams::default()).unwrap();
    let head = ToneHead::bundled().unwrap();
    let (mut tones, mut labels) = (Vec::new(), Vec::new());
    for (label, texts) in &HAND_LIST {
        for encoding in encoder.encode(texts).unwrap() {
            tones.push(head.predict(&encoding.states).unwrap());
            labels.push(*label);
        }
    }
    let scores = Scores::of(&tones, &labels);
    assert!(scores.accuracy >= 0.8, "{scores:?}, [label][predicted] {:?}", confusion(&tones, &labels));
}
