//! What happens in a conversation, before anybody has said a word: its beats.

use rand::Rng;

/// One step of a conversation; most are one user turn and the assistant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// The user says hello, the assistant too.
    Greeting,
    /// The user asks for something new. No answer yet.
    Request,
    /// The assistant asks back, the user tells.
    Clarify,
    /// The assistant meets the request.
    Answer,
    /// The assistant meets it after having missed it.
    Amend,
    /// The assistant misses it.
    Miss,
    /// The user asks for the same in other words.
    Rephrase { angry: bool },
    /// The user says the same again.
    Retry { angry: bool },
    /// The user has had enough, and says so.
    Complain,
    /// The assistant is sorry, and mends nothing.
    Apologise,
    /// A further step, and its answer.
    FollowUp,
    /// The same for something else, and its answer. Not a rephrase.
    Again,
    /// Thanks, and perhaps a word back.
    Close,
}

/// A conversation to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) beats: Vec<Beat>,
    /// The user was missed and had to try again, complain, or leave.
    pub(super) friction: bool,
    /// Ends on an unmet request.
    pub(super) abandoned: bool,
    /// Meant to be much longer than the theme's others.
    pub(super) long: bool,
}

/// Chances a plan is drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chances {
    pub(super) friction: f64,
    pub(super) closing: f64,
    pub(super) long: f64,
}

impl Plan {
    /// Draws what happens.
    pub(super) fn draw(chances: Chances, rng: &mut impl Rng) -> Plan {
        let friction = rng.gen_bool(chances.friction);
        let long = rng.gen_bool(chances.long);
        let mut plan = Plan { beats: Vec::new(), friction, abandoned: false, long };
        if rng.gen_bool(0.04) {
            plan.beats.push(Beat::Greeting);
        }
        if friction {
            plan.frustrate(rng);
        } else {
            plan.satisfy(chances.closing, rng);
        }
        plan
    }

    /// A request met, and where it leads.
    fn satisfy(&mut self, closing: f64, rng: &mut impl Rng) {
        self.beats.push(Beat::Request);
        if rng.gen_bool(0.12) {
            self.beats.push(Beat::Clarify);
        }
        self.beats.push(Beat::Answer);
        let further = if self.long { rng.gen_range(9..=14) } else { geometric(0.47, 3, rng) };
        self.go_on(further, rng);
        if rng.gen_bool(closing) {
            self.beats.push(Beat::Close);
        }
    }

    /// So many further steps, all of them met.
    fn go_on(&mut self, steps: usize, rng: &mut impl Rng) {
        for _ in 0..steps {
            match rng.gen_range(0..10) {
                0..=5 => self.beats.push(Beat::FollowUp),
                6..=7 => self.beats.push(Beat::Again),
                _ => self.beats.extend([Beat::Request, Beat::Answer]),
            }
        }
    }

    /// A request missed: tries again, and in most cases leaves without an answer.
    fn frustrate(&mut self, rng: &mut impl Rng) {
        if self.long || rng.gen_bool(0.2) {
            self.beats.extend([Beat::Request, Beat::Answer]);
            let steps = if self.long { rng.gen_range(7..=11) } else { 0 };
            self.go_on(steps, rng);
        }
        self.beats.extend([Beat::Request, Beat::Miss]);
        let tries = if rng.gen_bool(0.14) { 0 } else { 1 + geometric(0.32, 2, rng) };
        for round in 0..tries {
            // Tempers rise with every round.
            let angry = rng.gen_bool(0.25 + 0.2 * round as f64);
            self.beats.push(if rng.gen_bool(0.3) { Beat::Retry { angry } } else { Beat::Rephrase { angry } });
            self.beats.push(Beat::Miss);
        }
        if tries > 0 && rng.gen_bool(0.25) {
            self.recover(rng);
        } else {
            self.give_up(rng);
        }
    }

    /// The last miss turns out to be an answer.
    fn recover(&mut self, rng: &mut impl Rng) {
        self.beats.pop();
        self.beats.push(Beat::Amend);
        if rng.gen_bool(0.35) {
            self.beats.push(Beat::Close);
        }
    }

    /// Leaves: at once, after a last remark, or before the last answer has come.
    fn give_up(&mut self, rng: &mut impl Rng) {
        self.abandoned = true;
        match rng.gen_range(0..10) {
            0..=3 => {
                self.beats.push(Beat::Complain);
                if rng.gen_bool(0.6) {
                    self.beats.push(Beat::Apologise);
                }
            }
            4..=5 => {
                self.beats.pop();
            }
            _ => {}
        }
    }
}

/// How many times in a row a coin of probability `on` comes up, at most `most`.
pub(super) fn geometric(on: f64, most: usize, rng: &mut impl Rng) -> usize {
    (0..most).take_while(|_| rng.gen_bool(on)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn plans(friction: f64) -> Vec<Plan> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let chances = Chances { friction, closing: 0.5, long: 0.05 };
        (0..2000).map(|_| Plan::draw(chances, &mut rng)).collect()
    }

    #[test]
    fn calm_plans_carry_no_friction() {
        for plan in plans(0.0) {
            assert!(!plan.friction && !plan.abandoned);
            let missed = |beat: &Beat| {
                matches!(beat, Beat::Miss | Beat::Rephrase { .. } | Beat::Retry { .. } | Beat::Complain)
            };
            assert!(!plan.beats.iter().any(missed));
        }
    }

    #[test]
    fn frustrated_plans_miss_and_mostly_end_badly() {
        let plans = plans(1.0);
        for plan in &plans {
            let closes = plan.beats.last() == Some(&Beat::Close);
            assert!(plan.friction && !(closes && plan.abandoned));
            let tried =
                plan.beats.iter().any(|beat| matches!(beat, Beat::Rephrase { .. } | Beat::Retry { .. }));
            assert!(tried || plan.abandoned);
        }
        let abandoned = plans.iter().filter(|plan| plan.abandoned).count();
        assert!((1400..1800).contains(&abandoned), "{abandoned}");
    }
}
