//! Where tonight's clustering may start from, so that themes do not jump from one local optimum to
//! another overnight.

use super::{Ledger, cosine};

impl Ledger {
    /// Centroids to start a clustering in `k` from: those of the active themes, `d` values of unit
    /// length each, by rising id. Where there are more than `k`, the two whose union costs k-means
    /// least become one until `k` are left; where there are fewer, the caller adds what is missing.
    ///
    /// None when the ledger's centroids are of another model.
    pub fn warm_start(&self, k: usize, model: &str) -> Vec<Vec<f32>> {
        if self.model != model {
            return Vec::new();
        }
        let mut starts: Vec<(f64, Vec<f32>)> =
            self.active().map(|theme| (theme.size.max(1) as f64, theme.centroid.clone())).collect();
        while starts.len() > k {
            let Some((a, b)) = cheapest_pair(&starts) else {
                starts.truncate(k);
                break;
            };
            let gone = starts.remove(b);
            starts[a] = between(&starts[a], &gone);
        }
        starts.into_iter().map(|(_, centroid)| centroid).collect()
    }
}

/// The pair whose union adds least to the sum of squared distances, `ab / (a + b) |x - y|^2` (Ward
/// 1963, "Hierarchical grouping to optimize an objective function"), the first of equals.
fn cheapest_pair(starts: &[(f64, Vec<f32>)]) -> Option<(usize, usize)> {
    let mut best: Option<(f64, (usize, usize))> = None;
    for b in 1..starts.len() {
        for a in 0..b {
            let ((size, x), (other, y)) = (&starts[a], &starts[b]);
            let cost = size * other / (size + other) * (2.0 - 2.0 * cosine(x, y));
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, (a, b)));
            }
        }
    }
    best.map(|(_, pair)| pair)
}

/// Both sizes, and the direction of the weighted mean; the first's where it cancels out.
fn between((a, x): &(f64, Vec<f32>), (b, y): &(f64, Vec<f32>)) -> (f64, Vec<f32>) {
    let mean: Vec<f64> = x.iter().zip(y).map(|(x, y)| a * f64::from(*x) + b * f64::from(*y)).collect();
    let norm = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
    let centroid =
        if norm > 1e-9 { mean.into_iter().map(|value| (value / norm) as f32).collect() } else { x.clone() };
    (a + b, centroid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::ledger::{Cluster, Night, advance};

    #[test]
    fn the_cheapest_unions_come_first() {
        let centroids = [[1.0f32, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0], [0.0, 0.6, 0.8]];
        let clusters: Vec<Cluster<'_>> =
            centroids.iter().map(|centroid| Cluster { name: "x", centroid }).collect();
        // The first two are as near as the last two, but larger.
        let ids: Vec<String> = (0..60).map(|row| format!("c{row:02}")).collect();
        let cluster = |row: usize| Some([0, 0, 1, 1, 2, 3][row / 10]);
        let members: Vec<_> = ids.iter().enumerate().map(|(row, id)| (id.as_str(), cluster(row))).collect();
        let night = Night { date: "2026-01-01", model: "m", clusters: &clusters, members: &members };
        let ledger = advance(&Ledger::default(), &[], &night).expect("a night").ledger;
        assert_eq!(ledger.warm_start(9, "m").len(), 4);
        let three = ledger.warm_start(3, "m");
        assert_eq!(three.len(), 3);
        assert!(three.iter().any(|c| c[0] == 0.0 && (c[1] - 0.316_228).abs() < 1e-5), "{three:?}");
        assert_eq!(ledger.warm_start(0, "m"), Vec::<Vec<f32>>::new());
        assert!(ledger.warm_start(3, "another").is_empty());
    }
}
