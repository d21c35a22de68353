//! How the number of themes was chosen: the curve under the methods.

use minijinja::Value;
use serde::Serialize;

use super::markup;
use crate::report::chart::sweep::by_count;
use crate::report::view::Report;
use crate::theme::choose::pick;

/// What the end of `report.html` prints.
#[derive(Serialize)]
pub(super) struct Tuning {
    note: String,
    plot: Value,
}

/// `None` where the number was given or too few were tried.
pub(super) fn view(report: &Report) -> Option<Tuning> {
    let curve = &report.curve;
    let chosen = pick(curve);
    let drawn = by_count(curve, chosen);
    let last = curve.last().filter(|_| !drawn.is_empty())?;
    let note = format!(
        "From 2 to {} themes: how well they hold together (silhouette), how well they come back when a part of the \
         conversations is left out (stability), and the two multiplied (score). Chosen: {chosen}, the centre of the \
         score's top; themes of too few conversations then join others. `undertone tune` shows the same for DBSCAN \
         and HDBSCAN.",
        last.k
    );
    Some(Tuning { note, plot: markup(drawn) })
}
