//! `long` and `short`: a conversation's number of turns against its own theme.

use super::{Signal, SignalKind, SignalParams};

/// Number of turns typical of a theme, on the log scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalLength {
    /// Median of ln(turns).
    pub median: f64,
    /// 1.4826 x median absolute deviation: the standard deviation, were lengths log-normal.
    pub spread: f64,
}

/// Least spread, ln units: where nearly all conversations have one length, one turn more is no news.
const MIN_SPREAD: f64 = 0.25;

impl TypicalLength {
    /// From the turn counts of a theme's conversations; `None` when there are too few.
    pub fn of(turns: &[u32], params: &SignalParams) -> Option<TypicalLength> {
        if turns.len() < params.length_min_theme {
            return None;
        }
        let logs: Vec<f64> = turns.iter().map(|t| f64::from((*t).max(1)).ln()).collect();
        let center = median(logs.clone());
        let spread = 1.4826 * median(logs.iter().map(|l| (l - center).abs()).collect());
        Some(TypicalLength { median: center, spread: spread.max(MIN_SPREAD) })
    }

    /// Robust z of a conversation's turns.
    pub fn z(&self, turns: u32) -> f64 {
        (f64::from(turns.max(1)).ln() - self.median) / self.spread
    }
}

/// `long` citing the turns past the usual number, or `short` citing all turns.
pub fn detect(turns: u32, typical: &TypicalLength, params: &SignalParams) -> Option<Signal> {
    let z = typical.z(turns);
    if z.abs() < params.length_z || turns == 0 {
        return None;
    }
    let strength = (1.0 - params.length_z / (2.0 * z.abs())).clamp(0.0, 1.0) as f32;
    // exp(ln 5) may fall short of 5 by a rounding.
    let usual = (typical.median.exp() + 1e-9).floor() as u32;
    let (kind, cited) =
        if z > 0.0 { (SignalKind::Long, usual.min(turns - 1)..turns) } else { (SignalKind::Short, 0..turns) };
    Some(Signal { kind, strength, turns: cited.collect() })
}

/// Median; 0 for an empty list.
pub fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_far_off_lengths_count() {
        let params = SignalParams::default();
        let usual: Vec<u32> = (0..100).map(|i| 4 + i % 3).collect();
        let typical = TypicalLength::of(&usual, &params).unwrap();
        assert_eq!(detect(6, &typical, &params), None);
        let long = detect(20, &typical, &params).unwrap();
        assert_eq!(long.kind, SignalKind::Long);
        assert_eq!(long.turns, (5..20).collect::<Vec<u32>>());
        assert_eq!(detect(1, &typical, &params).unwrap().kind, SignalKind::Short);
        assert_eq!(TypicalLength::of(&usual[..5], &params), None);
    }
}
