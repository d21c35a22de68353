//! How well scores tell two groups apart.

/// P(a positive's score is above a negative's), ties half, 0..=1: the area under the ROC curve
/// (Mann and Whitney, 1947; Bamber, 1975). Half where a side is empty. Scores are finite.
pub fn auc(positives: &[f32], negatives: &[f32]) -> f64 {
    if positives.is_empty() || negatives.is_empty() {
        return 0.5;
    }
    let mut sorted = negatives.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    // Counted in halves, so that the sum is exact.
    let beaten = |score: &f32| {
        let below = sorted.partition_point(|other| other < score);
        let not_above = sorted.partition_point(|other| other <= score);
        (below + not_above) as u64
    };
    let halves: u64 = positives.iter().map(beaten).sum();
    halves as f64 / 2.0 / (positives.len() as f64 * negatives.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_ties_half() {
        assert_eq!(auc(&[2.0, 3.0], &[0.0, 1.0]), 1.0);
        assert_eq!(auc(&[0.0], &[0.0, 1.0, -1.0, 0.0]), 0.5);
        assert_eq!(auc(&[1.0, 0.0], &[1.0]), 0.25);
        assert_eq!(auc(&[-0.0], &[0.0]), 0.5);
        assert_eq!(auc(&[], &[1.0]), 0.5);
    }
}
