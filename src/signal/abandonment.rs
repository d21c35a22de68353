//! `abandonment`: the conversation ends on a request without an answer, or right after trouble.

use super::scene::Scene;
use super::{Signal, SignalKind, SignalParams};
use crate::conversation::{Role, cue};

/// `trouble`: turns of rephrases and retries. The caller has ruled out a closing.
pub(super) fn detect(scene: &Scene<'_>, params: &SignalParams, trouble: &[u32]) -> Option<Signal> {
    let last = scene.last_user()?;
    let turn = &scene.turns[last];
    let requested = cue::carries_request(turn.text);
    let answered =
        scene.turns[last + 1..].iter().any(|t| t.role == Role::Assistant && !t.text.trim().is_empty());
    let negative = turn.tone.is_some_and(|tone| tone.negative >= params.negative_tone);
    let strength: f32 = match (answered, requested) {
        (false, true) => 0.7,
        (true, _) if trouble.contains(&(last as u32)) => 0.8,
        (true, true) if negative && turn_follows_answer(scene, last) => 0.6,
        _ => return None,
    };
    let strength = if !trouble.is_empty() || negative { strength.max(0.8) } else { strength };
    Some(Signal { kind: SignalKind::Abandonment, strength, turns: vec![last as u32] })
}

/// A negative first message states a problem; only later ones judge an answer.
fn turn_follows_answer(scene: &Scene<'_>, last: usize) -> bool {
    scene.turns[..last].iter().any(|turn| turn.role == Role::Assistant)
}
