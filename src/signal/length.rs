//! `long` and `short`: a conversation's number of turns against its own theme.

use std::collections::BTreeMap;

use super::{Signal, SignalKind, SignalParams};

/// Number of turns typical of a theme, on the log scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalLength {
    /// Median of ln(turns).
    pub median: f64,
    /// 1.4826 x median absolute deviation, as if lengths were log-normal: the theme's own, or that of
    /// all themes together where it is less.
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
        let (median, deviations) = deviations(turns);
        Some(TypicalLength { median, spread: spread(deviations).max(MIN_SPREAD) })
    }

    /// Of every theme with enough conversations; `turns` holds the turn counts of each theme.
    ///
    /// A theme where long conversations are common would hide them behind its own spread: no theme
    /// counts as more spread out than conversations are around their themes' medians as a whole.
    pub fn of_each<K: Ord + Clone>(
        turns: &BTreeMap<K, Vec<u32>>,
        params: &SignalParams,
    ) -> BTreeMap<K, TypicalLength> {
        let all = turns.values().flat_map(|turns| deviations(turns).1).collect();
        let most = spread(all).max(MIN_SPREAD);
        let of_theme = |(theme, turns): (&K, &Vec<u32>)| {
            let typical = TypicalLength::of(turns, params)?;
            Some((theme.clone(), TypicalLength { spread: typical.spread.min(most), ..typical }))
        };
        turns.iter().filter_map(of_theme).collect()
    }

    /// Robust z of a conversation's turns.
    pub fn z(&self, turns: u32) -> f64 {
        (f64::from(turns.max(1)).ln() - self.median) / self.spread
    }
}

/// Median of ln(turns), and how far each lies from it.
fn deviations(turns: &[u32]) -> (f64, Vec<f64>) {
    let logs: Vec<f64> = turns.iter().map(|t| f64::from((*t).max(1)).ln()).collect();
    let middle = median(logs.clone());
    (middle, logs.iter().map(|l| (l - middle).abs()).collect())
}

/// Standard deviation of normal values from their distances to the median.
fn spread(deviations: Vec<f64>) -> f64 {
    1.4826 * median(deviations)
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

    #[test]
    fn a_theme_full_of_long_ones_does_not_hide_them() {
        let params = SignalParams::default();
        let calm: Vec<u32> = (0..200).map(|i| 4 + i % 3).collect();
        let troubled: Vec<u32> = (0..40).map(|i| if i % 5 < 3 { 4 + i % 3 } else { 24 }).collect();
        let own = TypicalLength::of(&troubled, &params).unwrap();
        let each = TypicalLength::of_each(&BTreeMap::from([(0, calm), (1, troubled)]), &params);
        assert_eq!(detect(24, &own, &params), None, "by the theme alone");
        assert_eq!(detect(24, &each[&1], &params).unwrap().kind, SignalKind::Long);
        assert_eq!(detect(6, &each[&1], &params), None);
    }
}
