//! The last weeks against the weeks before.

use serde::{Deserialize, Serialize};

use super::{Dispersion, Week};
use crate::estimate::{Interval, Rate, benjamini_hochberg, fisher_exact_p, newcombe_difference, wilson};
use crate::theme::ledger::ThemeId;

/// A theme is steady when a change by half the share before, up or down, is ruled out: less than
/// that a product review would not act on.
const STEADY_WITHIN: f64 = 0.5;

/// Where a theme is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its share has risen, after correction for the number of themes.
    Emerging,
    /// Its share has fallen, after correction for the number of themes.
    Fading,
    /// Neither, and a change by half the share before or more is ruled out.
    Steady,
    /// None of these: too few conversations.
    CannotTell,
}

impl Verdict {
    /// The word used in tables and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Emerging => "emerging",
            Verdict::Fading => "fading",
            Verdict::Steady => "steady",
            Verdict::CannotTell => "cannot tell (too few)",
        }
    }
}

/// How a theme's share has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThemeTrend {
    /// The theme.
    pub theme: ThemeId,
    /// Its conversations in the last weeks, and all there were.
    pub recent: (u64, u64),
    /// The same in the weeks before.
    pub baseline: (u64, u64),
    /// Share in the last weeks minus share before, with Newcombe's 95 % interval, -1..=1. The
    /// interval is of counts divided by the dispersion, its middle is not.
    pub change: Interval,
    /// Two-sided p of no change, 0..=1, of counts divided by the dispersion.
    pub p: f64,
    /// The same adjusted for the number of themes.
    pub q: f64,
    /// What to make of it.
    pub verdict: Verdict,
}

/// Fisher's exact test, as its p is never too small: theme counts of a week are often under ten,
/// where mid-p and the score test exceed their level, and Benjamini and Hochberg's bound on false
/// discoveries needs p that do not. What it costs is power where counts are so small that the
/// honest answer is "cannot tell".
///
/// The family is the themes with a conversation in the weeks compared; others have p = q = 1.
pub(super) fn compare(
    themes: &[ThemeId],
    order: &[usize],
    recent: &[&Week],
    baseline: &[&Week],
    dispersion: &Dispersion,
    level: f64,
) -> Vec<ThemeTrend> {
    let all = |weeks: &[&Week]| weeks.iter().map(|week| week.total).sum::<u64>();
    let (recent_all, baseline_all) = (all(recent), all(baseline));
    if recent_all == 0 || baseline_all == 0 {
        return Vec::new();
    }
    let of = |weeks: &[&Week], place: usize| weeks.iter().map(|week| week.counts[place]).sum::<u64>();
    let trend = |&place: &usize| {
        let recent = (of(recent, place), recent_all);
        let baseline = (of(baseline, place), baseline_all);
        let [a, b] = [recent, baseline].map(|side| dispersion.deflate(side)).map(|(n, of)| Rate::new(n, of));
        let value = wilson(recent.0, recent.1).value - wilson(baseline.0, baseline.1).value;
        let interval = newcombe_difference(&a, &b);
        ThemeTrend {
            theme: themes[place],
            recent,
            baseline,
            change: Interval { value, low: interval.low.min(value), high: interval.high.max(value) },
            p: fisher_exact_p(&a, &b),
            q: 1.0,
            verdict: Verdict::CannotTell,
        }
    };
    let mut trends: Vec<ThemeTrend> = order.iter().map(trend).collect();
    let seen: Vec<usize> =
        (0..trends.len()).filter(|&at| trends[at].recent.0 + trends[at].baseline.0 > 0).collect();
    let p: Vec<f64> = seen.iter().map(|&at| trends[at].p).collect();
    for (at, q) in seen.into_iter().zip(benjamini_hochberg(&p)) {
        trends[at].q = q;
    }
    trends.iter_mut().for_each(|trend| trend.verdict = trend.judged(level));
    trends
}

impl ThemeTrend {
    fn judged(&self, level: f64) -> Verdict {
        let margin = STEADY_WITHIN * self.baseline.0 as f64 / self.baseline.1 as f64;
        if self.q <= level && self.change.value > 0.0 {
            Verdict::Emerging
        } else if self.q <= level && self.change.value < 0.0 {
            Verdict::Fading
        } else if self.change.low >= -margin && self.change.high <= margin {
            Verdict::Steady
        } else {
            Verdict::CannotTell
        }
    }
}
