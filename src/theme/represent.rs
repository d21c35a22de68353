//! The conversation vector: which turns speak for a conversation, and with what weight.

/// How much each further request counts against the one before it.
///
/// The first request says what the user came for; later ones refine it or move on. Halving keeps a
/// follow-up's share below its predecessor's without silencing it.
const DECAY: f32 = 0.5;

/// Mean of the request vectors, in order, weighted `DECAY^i`, of unit length.
///
/// `requests`: `m` unit vectors of `d` values, from the user turns that carry a request. `None`
/// when there is none, or they cancel out.
pub fn conversation_vector<'a>(requests: impl Iterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    let mut weight = 1.0;
    for vector in requests {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(s, v)| *s += weight * v);
        weight *= DECAY;
    }
    let norm = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
    (norm > 1e-6).then(|| sum.into_iter().map(|v| v / norm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_weighs_most() {
        let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
        let vector = conversation_vector([&a[..], &b[..]].into_iter()).unwrap();
        assert!((vector[0] / vector[1] - 2.0).abs() < 1e-6);
        assert!((vector.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(conversation_vector(std::iter::empty()), None);
    }
}
