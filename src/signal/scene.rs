//! A conversation as signals look at it: turns with their vectors and tones.

use crate::conversation::{Role, cue};
use crate::tone::Tone;

/// One turn.
#[derive(Debug, Clone)]
pub struct SceneTurn<'a> {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: &'a str,
    /// Unit vector of the text, `d` values; user turns only.
    pub vector: Option<&'a [f32]>,
    /// Tone of the text; user turns only.
    pub tone: Option<Tone>,
}

/// A conversation ready for signals.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// Turns in order.
    pub turns: Vec<SceneTurn<'a>>,
}

/// A user turn with its place and its words.
pub(super) struct Request<'a> {
    pub index: usize,
    pub turn: &'a SceneTurn<'a>,
    pub words: Vec<String>,
}

impl Scene<'_> {
    /// The user's turns that carry a request, in order.
    pub(super) fn requests(&self) -> Vec<Request<'_>> {
        self.turns
            .iter()
            .enumerate()
            .filter(|(_, turn)| turn.role == Role::User && cue::carries_request(turn.text))
            .map(|(index, turn)| Request { index, turn, words: cue::words(turn.text) })
            .collect()
    }

    /// Place of the last user turn that says anything.
    pub(super) fn last_user(&self) -> Option<usize> {
        self.turns.iter().rposition(|turn| turn.role == Role::User && !turn.text.trim().is_empty())
    }

    /// True when an assistant or tool turn stands between the two places.
    pub(super) fn answered_between(&self, from: usize, to: usize) -> bool {
        self.turns[from..to].iter().any(|turn| turn.role != Role::User)
    }
}

/// Cosine of two unit vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
