//! How strong something unmeasured would have to be to explain an association away.

use serde::{Deserialize, Serialize};

use super::super::estimate::Interval;

/// Risk ratios, 1 or more, that an unmeasured confounder would need both with the exposure and with
/// the outcome, beyond what was adjusted for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EValue {
    /// To move the estimate to no association.
    pub estimate: f64,
    /// To move the nearer end of its interval there; 1 when the interval reaches it already.
    pub limit: f64,
}

/// The E-value of a risk ratio (VanderWeele & Ding 2017, "Sensitivity analysis in observational
/// research: introducing the E-value", table 2).
pub fn e_value(ratio: &Interval) -> EValue {
    let away_from_one = |ratio: f64| if ratio < 1.0 { 1.0 / ratio } else { ratio };
    let needed = |ratio: f64| ratio + (ratio * (ratio - 1.0)).sqrt();
    let nearer = if ratio.value < 1.0 { ratio.high.min(1.0) } else { ratio.low.max(1.0) };
    EValue { estimate: needed(away_from_one(ratio.value)), limit: needed(away_from_one(nearer)) }
}
