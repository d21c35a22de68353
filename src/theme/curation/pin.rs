//! How near a conversation must be to stay in a pinned theme.

use ndarray::{ArrayView2, aview1};

/// The cosine to `centroid` (`d` values of unit length) from which on rows are taken to be members:
/// the one with the greatest F1 over `vectors`, `(n, d)` unit rows, -1..=1, six decimals.
///
/// F1 = 2 true / (taken + members) (van Rijsbergen 1979, "Information retrieval", chapter 7). Not a
/// share of members alone, as a small theme's rim lies inside its neighbours, and not the sum of
/// error rates, as the few members would be outweighed by a small share of all the others. The
/// highest of equals. `None` without members.
pub fn least_cosine(centroid: &[f32], vectors: ArrayView2<'_, f32>, is_member: &[bool]) -> Option<f64> {
    let members = is_member.iter().filter(|is| **is).count();
    let comparable = vectors.ncols() == centroid.len() && vectors.nrows() == is_member.len();
    if members == 0 || !comparable {
        return None;
    }
    let centroid = aview1(centroid);
    let mut rows: Vec<(f32, bool)> =
        vectors.rows().into_iter().zip(is_member).map(|(row, is)| (row.dot(&centroid), *is)).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut best) = (0usize, (0.0, rows[0].0));
    for (place, (cosine, is)) in rows.iter().enumerate() {
        hits += usize::from(*is);
        // Rows of equal cosine are taken together or not at all.
        let last_of_equals = rows.get(place + 1).is_none_or(|next| next.0 < *cosine);
        let f1 = 2.0 * hits as f64 / (place + 1 + members) as f64;
        if last_of_equals && f1 > best.0 {
            best = (f1, *cosine);
        }
    }
    // Rounded down, so that the row it was measured at stays in.
    Some((f64::from(best.1) * 1e6).floor() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_bar_lies_between_members_and_others() {
        let vectors = array![[1.0f32, 0.0], [0.96, 0.28], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]];
        let bar = |members: [bool; 5]| least_cosine(&[1.0, 0.0], vectors.view(), &members);
        let rim = bar([true, true, false, false, false]).expect("members");
        assert!(rim <= f64::from(0.96f32) && rim > 0.959_998, "{rim}");
        assert_eq!(bar([true, true, true, true, true]), Some(0.0));
        // One stray member does not pull three others in.
        assert_eq!(bar([true, false, false, false, true]), Some(1.0));
        assert_eq!(bar([false; 5]), None);
    }
}
