//! Friction: how hard a conversation was for its user, from its signals and tone, with reasons.

use serde::{Deserialize, Serialize};

use super::{Scene, Signal, SignalKind, SignalParams};
use crate::conversation::Role;

/// How a conversation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Friction below `MIXED_FROM`.
    Good,
    /// Between the two.
    Mixed,
    /// Friction of `BAD_FROM` or more.
    Bad,
}

impl Grade {
    /// The word used in tables and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Mixed => "mixed",
            Grade::Bad => "bad",
        }
    }

    /// The grade of a friction value.
    pub fn of(friction: f32) -> Grade {
        match friction {
            f if f >= BAD_FROM => Grade::Bad,
            f if f >= MIXED_FROM => Grade::Mixed,
            _ => Grade::Good,
        }
    }
}

/// Friction from which a conversation is mixed: one weak sign of trouble.
pub const MIXED_FROM: f32 = 0.2;

/// Friction from which a conversation is bad: one strong sign, or two weak ones.
pub const BAD_FROM: f32 = 0.4;

/// Weight of a signal of full strength.
fn weight(kind: SignalKind) -> f32 {
    match kind {
        SignalKind::Rephrase => 0.6,
        SignalKind::Retry => 0.7,
        SignalKind::Abandonment => 0.5,
        SignalKind::Closing | SignalKind::Long | SignalKind::Short => 0.0,
    }
}

/// Weight of the most negative turn after the first.
const TONE_WEIGHT: f32 = 0.5;

/// What remains of friction when the user ends with thanks.
const CLOSING_RELIEF: f32 = 0.5;

/// A conversation's friction and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Friction {
    /// 0..=1.
    pub value: f32,
    /// Good, mixed or bad.
    pub grade: Grade,
    /// The reasons, strongest first, in words.
    pub reasons: Vec<String>,
}

/// Noisy-or of weighted signal strengths and of negative tone, halved by a closing.
///
/// `1 - prod(1 - w_k s_k)`: every sign alone raises friction, none can lift it above 1 (Pearl 1988,
/// section 4.3.2). The first user turn's tone is left out: it speaks of the problem the user brings.
pub fn measure(scene: &Scene<'_>, signals: &[Signal], params: &SignalParams) -> Friction {
    let mut calm = 1.0_f32;
    let mut reasons: Vec<(f32, String)> = Vec::new();
    for signal in signals {
        let push = weight(signal.kind) * signal.strength;
        if push > 0.0 {
            calm *= 1.0 - push;
            reasons.push((push, reason(signal)));
        }
    }
    let negative = most_negative_later(scene);
    if negative >= params.negative_tone {
        let push = TONE_WEIGHT * negative;
        calm *= 1.0 - push;
        reasons.push((push, "the user's tone turns negative".to_owned()));
    }
    let mut value = 1.0 - calm;
    if signals.iter().any(|signal| signal.kind == SignalKind::Closing) {
        value *= CLOSING_RELIEF;
        reasons.push((0.0, "ends with thanks".to_owned()));
    }
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    Friction { value, grade: Grade::of(value), reasons: reasons.into_iter().map(|(_, text)| text).collect() }
}

/// Largest P(negative) of a user turn that follows an answer.
fn most_negative_later(scene: &Scene<'_>) -> f32 {
    let answered = scene.turns.iter().position(|turn| turn.role == Role::Assistant);
    let later = answered.map_or(&[][..], |first| &scene.turns[first..]);
    later.iter().filter_map(|turn| turn.tone).map(|tone| tone.negative).fold(0.0, f32::max)
}

fn reason(signal: &Signal) -> String {
    let times = match signal.turns.len() {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    match signal.kind {
        SignalKind::Rephrase => format!("asks again in other words, {times}"),
        SignalKind::Retry => format!("repeats the same words, {times}"),
        SignalKind::Abandonment => "leaves with the request unmet".to_owned(),
        SignalKind::Closing => "ends with thanks".to_owned(),
        SignalKind::Long => "much longer than usual for its theme".to_owned(),
        SignalKind::Short => "much shorter than usual for its theme".to_owned(),
    }
}
