//! The plots of a sweep: numbers of themes, radii, smallest themes.

use super::tuning::{Plot, plot};
use crate::theme::CurvePoint;
use crate::theme::tune::DensityPoint;

/// Score, silhouette and stability by number of themes, the chosen one marked where it is more than one.
pub fn by_count(curve: &[CurvePoint], chosen: usize) -> String {
    let values: Vec<f64> = curve.iter().map(|point| point.k as f64).collect();
    let line = |of: fn(&CurvePoint) -> f64| curve.iter().map(of).collect::<Vec<f64>>();
    plot(&Plot {
        label: &format!("Score by number of themes; chosen: {chosen}"),
        unit: "themes",
        values: &values,
        lines: &[
            ("score", line(|point| point.score)),
            ("silhouette", line(|point| point.silhouette)),
            ("stability", line(|point| point.stability)),
        ],
        chosen: (chosen > 1).then_some(chosen as f64),
    })
}

/// Score, silhouette and outlier share by radius or smallest theme, the best one marked.
pub fn by_density(points: &[DensityPoint], unit: &str, best: Option<usize>) -> String {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let line = |of: fn(&DensityPoint) -> f64| points.iter().map(of).collect::<Vec<f64>>();
    plot(&Plot {
        label: &format!("Score by {unit}"),
        unit,
        values: &values,
        lines: &[
            ("score", line(|point| point.score)),
            ("silhouette", line(|point| point.silhouette)),
            ("outliers", line(|point| point.outliers)),
        ],
        chosen: best.and_then(|place| values.get(place).copied()),
    })
}
