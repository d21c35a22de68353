//! Fits the head: multinomial logistic regression on standardised states, calibrated on dev.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::calibrate::{fit_temperature, mean_nll};
use super::{Scores, Tone, ToneError, ToneHead, ToneLabel};
use crate::progress::Progress;

/// Length of the gradient, in units of the design, at which a fit is good enough.
const GRADIENT_TOLERANCE: f32 = 1e-3;

/// One labelled text as the encoder sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// `Encoding::states`, `d` values, the same `d` for all examples.
    pub states: Vec<f32>,
    /// How it sounds to its annotators.
    pub label: ToneLabel,
}

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainParams {
    /// L2 penalties tried, each > 0: `alpha / 2 * |W|^2` beside the loss summed over examples.
    pub alphas: Vec<f32>,
    /// Most L-BFGS iterations for one alpha.
    pub max_iterations: u64,
}

impl Default for TrainParams {
    fn default() -> TrainParams {
        TrainParams { alphas: vec![300.0, 1000.0, 3000.0], max_iterations: 150 }
    }
}

/// What one alpha gave on dev, after its temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The L2 penalty.
    pub alpha: f32,
    /// Its temperature, fitted on dev.
    pub temperature: f32,
    /// Mean negative log-likelihood on dev, nats.
    pub dev_nll: f64,
    /// Scores on dev; optimistic, since temperature and alpha were picked there.
    pub dev: Scores,
}

/// How a training went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Examples the weights were fitted on.
    pub examples: u64,
    /// The candidate whose head was kept: least `dev_nll`.
    pub chosen: Candidate,
    /// All of them, in the order of `TrainParams::alphas`.
    pub candidates: Vec<Candidate>,
}

/// Trains one head per alpha and keeps the one with the least calibrated loss on dev.
///
/// The same input gives the same bits whatever the thread count: threads share out alphas, each
/// fit runs on one. Takes about `4 * n * d` bytes beside the examples. Errors: no examples or a
/// label missing from `examples`, no `dev`, states of unequal lengths or not finite, no alpha or
/// one not above 0, a solver that fails.
pub fn train(
    examples: &[Example],
    dev: &[Example],
    params: &TrainParams,
    progress: &Progress,
) -> Result<(ToneHead, Training), ToneError> {
    check(examples, dev, params)?;
    let moments = Moments::of(examples);
    let x = moments.design(examples);
    let y: Array1<ToneLabel> = examples.iter().map(|example| example.label).collect();
    progress.begin("fit tone head", Some(params.alphas.len() as u64), "penalty");
    let fits = params
        .alphas
        .par_iter()
        .map(|&alpha| {
            let (weights, bias) = fit(&x, &y, alpha, params.max_iterations)?;
            let head = ToneHead::new(moments.mean.clone(), moments.scale.clone(), weights, bias);
            let calibrated = calibrate(head, alpha, dev);
            progress.advance(1);
            calibrated
        })
        .collect::<Result<Vec<(ToneHead, Candidate)>, ToneError>>()?;
    let candidates: Vec<Candidate> = fits.iter().map(|(_, candidate)| *candidate).collect();
    let best = fits.into_iter().min_by(|a, b| a.1.dev_nll.total_cmp(&b.1.dev_nll));
    let (head, chosen) = best.ok_or_else(|| ToneError::Unfit("no alpha to try".into()))?;
    progress.finish(&format!("alpha {}, temperature {:.3}", chosen.alpha, chosen.temperature));
    Ok((head, Training { examples: examples.len() as u64, chosen, candidates }))
}

fn check(examples: &[Example], dev: &[Example], params: &TrainParams) -> Result<(), ToneError> {
    for label in ToneLabel::ALL {
        if !examples.iter().any(|example| example.label == label) {
            return Err(ToneError::Unfit(format!("no {} example in the train split", label.name())));
        }
    }
    if dev.is_empty() {
        return Err(ToneError::Unfit("the dev split is empty; alpha and temperature come from it".into()));
    }
    if let Some(alpha) = params.alphas.iter().find(|alpha| !(alpha.is_finite() && **alpha > 0.0)) {
        return Err(ToneError::Unfit(format!("alpha {alpha} is not above 0")));
    }
    let expected = examples[0].states.len();
    if expected == 0 {
        return Err(ToneError::Unfit("the examples have no state values".into()));
    }
    for example in examples.iter().chain(dev) {
        if example.states.len() != expected {
            return Err(ToneError::Length { expected, found: example.states.len() });
        }
        if let Some(index) = example.states.iter().position(|x| !x.is_finite()) {
            return Err(ToneError::NotFinite { index });
        }
    }
    Ok(())
}

/// Mean and standard deviation of each feature, `d` values.
struct Moments {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Moments {
    /// Two passes in f64, in the order of the examples; a constant feature gets scale 1.
    fn of(examples: &[Example]) -> Moments {
        let n = examples.len() as f64;
        let mut mean = vec![0.0; examples[0].states.len()];
        for example in examples {
            mean.iter_mut().zip(&example.states).for_each(|(sum, x)| *sum += f64::from(*x) / n);
        }
        let mut variance = vec![0.0; mean.len()];
        for example in examples {
            for ((sum, x), m) in variance.iter_mut().zip(&example.states).zip(&mean) {
                *sum += (f64::from(*x) - m).powi(2) / n;
            }
        }
        let scale = variance.iter().map(|v: &f64| if *v > 1e-12 { v.sqrt() as f32 } else { 1.0 }).collect();
        Moments { mean: mean.into_iter().map(|m| m as f32).collect(), scale }
    }

    /// `(x - mean) / scale` and a constant column `sqrt(d)`, all times `shrink(n, d)`; shape `(n, d + 1)`.
    fn design(&self, examples: &[Example]) -> Array2<f32> {
        let (n, d) = (examples.len(), self.mean.len());
        let shrink = shrink(n, d);
        let mut x = Array2::from_elem((n, d + 1), shrink * (d as f32).sqrt());
        for (mut row, example) in x.rows_mut().into_iter().zip(examples) {
            for (i, value) in row.iter_mut().take(d).enumerate() {
                *value = shrink * (example.states[i] - self.mean[i]) / self.scale[i];
            }
        }
        x
    }
}

/// Factor on the features that keeps the loss's curvature below 1 in every direction.
///
/// L-BFGS starts with a step as long as the gradient. On plain standardised features that lands at
/// logits of 10^6, where linfa's log-sum-exp (shifted by the largest logit of all rows, not of each)
/// is wrong and the line search stays at zero. Curvature is at most `n * d / 4`.
fn shrink(n: usize, d: usize) -> f32 {
    (1.0 / (n as f64 * d as f64).sqrt()) as f32
}

/// Weights by label, each `d` values, and biases.
type Fitted = ([Vec<f32>; 3], [f32; 3]);

/// L-BFGS on the penalised softmax loss; `x` is a design `(n, d + 1)`, `y` is `(n)` with all three
/// labels.
///
/// The constant column stands for the bias, which is thus penalised too, but by `alpha / d` only.
fn fit(x: &Array2<f32>, y: &Array1<ToneLabel>, alpha: f32, max_iterations: u64) -> Result<Fitted, ToneError> {
    let (n, d) = (x.nrows(), x.ncols() - 1);
    let shrink = shrink(n, d);
    let model = MultiLogisticRegression::default()
        .with_intercept(false)
        .alpha(alpha * shrink * shrink)
        .max_iterations(max_iterations)
        .gradient_tolerance(GRADIENT_TOLERANCE)
        .fit(&DatasetBase::new(x.view(), y.view()))
        .map_err(|e| ToneError::Solver(e.to_string()))?;
    // Columns follow the sorted labels, which is the order of `ToneLabel::ALL`.
    let column = |label: ToneLabel| model.params().column(label.index()).mapv(|w| shrink * w);
    let weights = ToneLabel::ALL.map(|label| column(label).slice(s![..d]).to_vec());
    Ok((weights, ToneLabel::ALL.map(|label| column(label)[d] * (d as f32).sqrt())))
}

/// Gives the head its temperature and says how it does on dev.
fn calibrate(head: ToneHead, alpha: f32, dev: &[Example]) -> Result<(ToneHead, Candidate), ToneError> {
    let logits = dev.iter().map(|e| head.logits(&e.states)).collect::<Result<Vec<_>, _>>()?;
    let labels: Vec<ToneLabel> = dev.iter().map(|e| e.label).collect();
    let temperature = fit_temperature(&logits, &labels) as f32;
    let head = head.with_temperature(temperature);
    let dev_nll = mean_nll(&logits, &labels, f64::from(temperature));
    let tones = dev.iter().map(|e| head.predict(&e.states)).collect::<Result<Vec<Tone>, _>>()?;
    Ok((head, Candidate { alpha, temperature, dev_nll, dev: Scores::of(&tones, &labels) }))
}
