//! Exposed against unexposed users: rates, differences crude and adjusted, certainty, the verdict.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::adjustment::{Adjustment, Layer};
use super::estimate::{
    Interval, Rate, Verdict, benjamini_hochberg, katz_ratio, minimum_detectable_difference,
    newcombe_difference,
};
use super::exposure::report_order;
use super::retention::Cell;

/// One comparison: users exposed to a theme or signal against everybody else eligible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What users were exposed to: `theme:3` or `signal:rephrase`.
    pub exposure: String,
    /// The outcome, e.g. `D7`, `D7+`, `W1`.
    pub outcome: String,
    /// Exposed users and how many of them had the outcome.
    pub exposed: Rate,
    /// Unexposed users and how many of them had the outcome.
    pub unexposed: Rate,
    /// Risk difference exposed - unexposed among alike users: of both adjusted ones the nearer to 0; the
    /// crude one where no users can be compared with others like them.
    pub difference: Interval,
    /// Risk ratio of the same comparison; `None` when a rate is zero.
    pub ratio: Option<Interval>,
    /// Crude risk difference with Newcombe's hybrid score interval.
    pub crude_difference: Interval,
    /// Crude risk ratio with its log-normal interval; `None` when a rate is zero.
    pub crude_ratio: Option<Interval>,
    /// All that was done to compare alike users.
    pub adjusted: Adjustment,
    /// Two-sided p of no difference among alike users: the larger of the adjusted ones.
    pub p: f64,
    /// Benjamini-Hochberg q within the family (one kind of exposure, one outcome).
    pub q: f64,
    /// Smallest difference detectable with 80 % power at these sizes, adjusted.
    pub minimum_detectable: f64,
    /// What may be said.
    pub verdict: Verdict,
}

/// What a comparison needs to be shown and to be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Fewest distinct users on either side; smaller comparisons are left out and counted.
    pub k_anonymity: u64,
    /// Largest difference that counts as none, 0..1.
    pub margin: f64,
    /// False discovery rate at which a difference is called, 0..1.
    pub alpha: f64,
}

/// The users of one exposure, counted for one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedCells {
    /// `theme:3`, `signal:rephrase` ...
    pub exposure: String,
    /// By layer, each at most once: its exposed users with the outcome, of those eligible.
    pub cells: Vec<(u32, Cell)>,
}

/// Compares each exposure's users with all others, for one outcome.
///
/// Declared families: the themes of one outcome, its signals, its grades. Kinds stay apart because
/// signals and grades, made from what went wrong, are nearly all clear: they would lower the bar for
/// themes, which are many and mostly without effect.
/// `all` counts every user, exposed or not, by layer. Returns the effects in report order and the
/// number of comparisons suppressed for having too few users; those are no members of the family.
pub fn compare(
    outcome: &str,
    layers: &[Layer],
    all: &[Cell],
    exposed: &[ExposedCells],
    rules: &Rules,
) -> (Vec<Effect>, u64) {
    let mut effects: Vec<Effect> =
        exposed.par_iter().filter_map(|one| contrast(outcome, layers, all, one, rules.k_anonymity)).collect();
    let suppressed = (exposed.len() - effects.len()) as u64;
    effects.sort_by(|a, b| report_order(&a.exposure).cmp(&report_order(&b.exposure)));
    // Report order has each kind together.
    for family in effects.chunk_by_mut(|a, b| kind(&a.exposure) == kind(&b.exposure)) {
        let p: Vec<f64> = family.iter().map(|effect| effect.p).collect();
        for (effect, q) in family.iter_mut().zip(benjamini_hochberg(&p)) {
            effect.q = q;
            effect.verdict = verdict(&effect.adjusted, q, rules);
        }
    }
    (effects, suppressed)
}

/// `None` when a side has fewer than `least` users.
fn contrast(outcome: &str, layers: &[Layer], all: &[Cell], one: &ExposedCells, least: u64) -> Option<Effect> {
    let everybody: Cell = all.iter().copied().sum();
    let cell: Cell = one.cells.iter().map(|(_, cell)| *cell).sum();
    let rest = everybody - cell;
    if cell.eligible.min(rest.eligible) < least {
        return None;
    }
    let (exposed, unexposed) = (cell.rate(), rest.rate());
    let adjusted = Adjustment::new(layers, all, &one.cells);
    let crude_difference = newcombe_difference(&exposed, &unexposed);
    let crude_ratio = katz_ratio(&exposed, &unexposed);
    let shown = adjusted.cautious();
    let detectable = adjusted.minimum_detectable();
    Some(Effect {
        exposure: one.exposure.clone(),
        outcome: outcome.to_owned(),
        difference: shown.map_or(crude_difference, |shown| shown.difference),
        ratio: shown.map_or(crude_ratio, |shown| shown.ratio),
        crude_difference,
        crude_ratio,
        p: adjusted.p(),
        q: 1.0,
        minimum_detectable: detectable
            .unwrap_or_else(|| minimum_detectable_difference(exposed.of, &unexposed)),
        verdict: Verdict::CannotTell,
        adjusted,
        exposed,
        unexposed,
    })
}

fn kind(exposure: &str) -> &str {
    exposure.split_once(':').map_or(exposure, |(kind, _)| kind)
}

/// What may be said: worse or better when q is at most `alpha` and the difference excludes 0 whichever
/// way it is adjusted, always on the same side, and the model agrees on the side; else no difference
/// when every adjusted interval lies within the margin; else we cannot tell.
pub fn verdict(adjusted: &Adjustment, q: f64, rules: &Rules) -> Verdict {
    let Some(intervals) = adjusted.differences() else { return Verdict::CannotTell };
    let all = |holds: &dyn Fn(&Interval) -> bool| intervals.iter().all(holds);
    let model = adjusted.model.map_or(0.0, |model| model.difference.value);
    if q <= rules.alpha && all(&|d| d.high < 0.0) && model <= 0.0 {
        Verdict::Worse
    } else if q <= rules.alpha && all(&|d| d.low > 0.0) && model >= 0.0 {
        Verdict::Better
    } else if all(&|d| d.lies_within(rules.margin)) {
        Verdict::NoDifference
    } else {
        Verdict::CannotTell
    }
}

#[cfg(test)]
mod tests {
    use super::super::adjust::Adjusted;
    use super::*;

    const RULES: Rules = Rules { k_anonymity: 20, margin: 0.05, alpha: 0.05 };

    fn exposed(exposure: &str, retained: u64, eligible: u64) -> ExposedCells {
        ExposedCells { exposure: exposure.to_owned(), cells: vec![(0, Cell { retained, eligible })] }
    }

    fn adjusted(low: f64, high: f64) -> Option<Adjusted> {
        let difference = Interval { value: (low + high) / 2.0, low, high };
        Some(Adjusted { difference, ..Adjusted::default() })
    }

    #[test]
    fn verdicts_need_q_and_interval() {
        let say = |low, high, q| {
            let both = adjusted(low, high);
            verdict(&Adjustment { by_history: both, by_conversations: both, ..Default::default() }, q, &RULES)
        };
        assert_eq!(say(-0.30, -0.10, 0.01), Verdict::Worse);
        assert_eq!(say(0.10, 0.30, 0.05), Verdict::Better);
        assert_eq!(say(-0.30, -0.10, 0.051), Verdict::CannotTell);
        assert_eq!(say(-0.10, 0.10, 0.01), Verdict::CannotTell);
        assert_eq!(say(-0.05, 0.05, 0.9), Verdict::NoDifference);
        assert_eq!(say(-0.04, -0.01, 0.2), Verdict::NoDifference);
        assert_eq!(say(-0.04, -0.01, 0.01), Verdict::Worse);
    }

    #[test]
    fn verdicts_must_hold_whichever_way_it_is_adjusted() {
        let say = |by_history, by_conversations, model: f64| {
            let mut both = Adjustment { by_history, by_conversations, ..Default::default() };
            let difference = Interval { value: model, low: model - 0.1, high: model + 0.1 };
            both.model = Some(super::super::adjust::Standardized { difference, ..Default::default() });
            verdict(&both, 0.001, &RULES)
        };
        let (worse, better, none) = (adjusted(-0.3, -0.1), adjusted(0.1, 0.3), adjusted(-0.02, 0.02));
        assert_eq!(say(worse, worse, -0.2), Verdict::Worse);
        assert_eq!(say(worse, worse, 0.01), Verdict::CannotTell);
        assert_eq!(say(better, worse, -0.2), Verdict::CannotTell);
        assert_eq!(say(better, better, 0.2), Verdict::Better);
        assert_eq!(say(worse, none, -0.1), Verdict::CannotTell);
        assert_eq!(say(none, none, 0.0), Verdict::NoDifference);
        assert_eq!(say(worse, None, -0.2), Verdict::CannotTell);
    }

    #[test]
    fn groups_under_k_are_left_out_and_counted() {
        let all = [Cell { retained: 50, eligible: 100 }];
        let rows = [
            exposed("theme:10", 5, 20),
            exposed("theme:2", 10, 80),
            exposed("signal:loop", 19, 19),
            exposed("grade:bad", 40, 81),
        ];
        let layers = [Layer { history: 0, talk: 0, covariates: [0.0; 3] }];
        let (effects, suppressed) = compare("D7", &layers, &all, &rows, &RULES);
        let names: Vec<&str> = effects.iter().map(|effect| effect.exposure.as_str()).collect();
        assert_eq!(names, ["theme:2", "theme:10"]);
        assert_eq!(suppressed, 2);
        assert_eq!((effects[1].unexposed.count, effects[1].unexposed.of), (45, 80));
        // The family is what is shown: two comparisons.
        let p: Vec<f64> = effects.iter().map(|effect| effect.p).collect();
        let q: Vec<f64> = effects.iter().map(|effect| effect.q).collect();
        assert_eq!(q, benjamini_hochberg(&p));
    }

    #[test]
    fn one_layer_adjusts_for_nothing() {
        let all = [Cell { retained: 300, eligible: 500 }];
        let layers = [Layer { history: 0, talk: 0, covariates: [0.0; 3] }];
        let (effects, _) = compare("W1", &layers, &all, &[exposed("theme:1", 40, 100)], &RULES);
        let effect = &effects[0];
        let by_history = effect.adjusted.by_history.expect("both sides");
        assert!((by_history.difference.low - effect.crude_difference.low).abs() < 1e-12);
        assert_eq!(effect.adjusted.by_conversations, Some(by_history));
        let model = effect.adjusted.model.expect("a fit");
        assert!((model.difference.value - effect.difference.value).abs() < 1e-9);
        assert_eq!(effect.verdict, Verdict::Worse);
    }
}
