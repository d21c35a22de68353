//! The Kaplan-Meier curve, its intervals, and the median time.

use serde::{Deserialize, Serialize};

use super::super::estimate::{Interval, Z_95};
use super::{Subject, SurvivalError, by_time, check_times};

/// The share of users without the event, over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurvivalCurve {
    /// Users.
    pub subjects: u64,
    /// Of these, with the event.
    pub events: u64,
    /// One step for each distinct time, earliest first.
    pub steps: Vec<Step>,
}

/// What happened at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The time.
    pub time: f64,
    /// Users followed up to this time without the event.
    pub at_risk: u64,
    /// Of these, with the event at this time.
    pub events: u64,
    /// Of these, not followed any longer.
    pub censored: u64,
    /// Share without the event just after this time, with its 95 % interval, 0..=1.
    pub survival: Interval,
}

/// The time by which half have had the event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// `None`: more than half are still without the event.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval; `None`: later than anybody was followed.
    pub low: Option<f64>,
    /// Upper end; `None` likewise.
    pub high: Option<f64>,
}

impl SurvivalCurve {
    /// The product-limit estimate (Kaplan & Meier 1958) with Greenwood's variance (1926) on the
    /// scale of log(-log S) (Kalbfleisch & Prentice 2002, "The statistical analysis of failure time
    /// data", section 1.4), so that intervals stay within 0..=1.
    ///
    /// Where that scale has no value: before the first event the lower end is that of the exact
    /// binomial interval of everybody, 0.025^(1/at_risk); once nobody is left the interval runs from
    /// 0 to the last upper end. Times equal in the data count as equal: censored subjects were at
    /// risk for events at the same time.
    pub fn new(subjects: &[Subject]) -> Result<SurvivalCurve, SurvivalError> {
        check_times(subjects)?;
        let order = by_time(subjects);
        let mut at_risk = subjects.len() as u64;
        let (mut survival, mut greenwood, mut high, mut all_events) = (1.0, 0.0, 1.0, 0);
        let mut steps: Vec<Step> = Vec::new();
        for tied in order.chunk_by(|&i, &j| subjects[i].time == subjects[j].time) {
            let events = tied.iter().filter(|&&i| subjects[i].event).count() as u64;
            let censored = tied.len() as u64 - events;
            let (d, n) = (events as f64, at_risk as f64);
            survival *= (n - d) / n;
            greenwood += if events == at_risk { f64::INFINITY } else { d / (n * (n - d)) };
            all_events += events;
            let interval = log_log(survival, greenwood, all_events, n, high);
            high = interval.high;
            steps.push(Step { time: subjects[tied[0]].time, at_risk, events, censored, survival: interval });
            at_risk -= tied.len() as u64;
        }
        Ok(SurvivalCurve { subjects: subjects.len() as u64, events: all_events, steps })
    }

    /// Share without the event just after `time`, with its interval; `None` past the last time
    /// anybody was followed to, where nothing is known.
    pub fn at(&self, time: f64) -> Option<Interval> {
        let last = self.steps.last()?;
        if time > last.time {
            return None;
        }
        let passed = self.steps.partition_point(|step| step.time <= time);
        let start = Interval { value: 1.0, low: 1.0, high: 1.0 };
        Some(passed.checked_sub(1).map_or(start, |step| self.steps[step].survival))
    }

    /// The earliest time with half or fewer left, between the earliest times at which the lower and
    /// the upper end of the interval come down to a half (Brookmeyer & Crowley 1982, with the
    /// log-log intervals of this curve).
    pub fn median(&self) -> Median {
        // A product of fractions that is a half may miss it by rounding.
        let half = 0.5 + 1e-12;
        let first = |end: fn(&Interval) -> f64| {
            // The exact lower end before the first event bounds the curve, not the median.
            let mut steps = self.steps.iter().skip_while(|step| step.survival.value == 1.0);
            steps.find(|step| end(&step.survival) <= half).map(|step| step.time)
        };
        Median { value: first(|i| i.value), low: first(|i| i.low), high: first(|i| i.high) }
    }
}

fn log_log(survival: f64, greenwood: f64, events: u64, at_risk: f64, last_high: f64) -> Interval {
    if events == 0 {
        return Interval { value: 1.0, low: 0.025_f64.powf(1.0 / at_risk), high: 1.0 };
    }
    if survival == 0.0 {
        return Interval { value: 0.0, low: 0.0, high: last_high };
    }
    let spread = (Z_95 * greenwood.sqrt() / -survival.ln()).exp();
    Interval { value: survival, low: survival.powf(spread), high: survival.powf(1.0 / spread) }
}
