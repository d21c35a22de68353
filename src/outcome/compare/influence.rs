//! How far each observation moves the terms of a decomposition; their standard errors from that.

use std::collections::BTreeMap;

use super::{Observation, Side, Theme};

/// Standard errors.
pub(super) struct Errors {
    pub mix: f64,
    pub within: f64,
    pub interaction: f64,
    pub difference: f64,
    /// Of the change of each theme's share, in the order of the themes.
    pub shares: Vec<f64>,
}

/// What an observation of one theme on one side moves mix, within and the difference by: a part that
/// all of them share, and one that grows with the distance from the theme's mean.
#[derive(Clone, Copy, Default)]
struct Moves {
    common: [f64; 3],
    slope: [f64; 3],
    mean: f64,
    /// Gives back the spread that was lost to estimating the mean (HC2: MacKinnon & White 1985).
    inflate: f64,
}

impl Moves {
    fn of(&self, value: f64) -> [f64; 3] {
        let residual = (value - self.mean) * self.inflate;
        [0, 1, 2].map(|term| self.common[term] + self.slope[term] * residual)
    }
}

/// Errors of all terms: squares of the users' summed influences, times g/(g-1) for g users.
///
/// `order` has the observations of a user together, by theme. A theme's share s and mean r are moved by
/// one of its n observations by (1 - s)/n and (y - r)/(s n), every other share by -s/n; the terms follow
/// by the chain rule.
pub(super) fn errors(order: &[&Observation], themes: &[Theme], all: &[Side; 2]) -> Errors {
    let index: BTreeMap<u32, usize> = themes.iter().enumerate().map(|(at, theme)| (theme.id, at)).collect();
    let moves = all_moves(themes, all);
    let mut shares = ShareSquares::new(themes.len());
    let (mut squares, mut users) = ([0.0; 4], 0.0);
    for own in order.chunk_by(|a, b| a.user == b.user) {
        let mut sums = [0.0; 3];
        for observation in own {
            let moved =
                moves[index[&observation.theme]][usize::from(observation.after)].of(observation.value);
            sums.iter_mut().zip(moved).for_each(|(sum, moved)| *sum += moved);
        }
        let [mix, within, difference] = sums;
        let each = [mix, within, difference - mix - within, difference];
        squares.iter_mut().zip(each).for_each(|(square, sum)| *square += sum * sum);
        shares.add(own, &index, all);
        users += 1.0;
    }
    let few = if users > 1.0 { users / (users - 1.0) } else { 1.0 };
    let error = |square: f64| (few * square).max(0.0).sqrt();
    let [mix, within, interaction, difference] = squares.map(error);
    let shares = shares.finish(themes).into_iter().map(error).collect();
    Errors { mix, within, interaction, difference, shares }
}

/// By theme and side.
fn all_moves(themes: &[Theme], all: &[Side; 2]) -> Vec<[Moves; 2]> {
    let within: f64 = themes.iter().map(|theme| theme.terms()[1]).sum();
    let standing: f64 = themes.iter().map(|theme| theme.shares[1] * theme.standing()).sum();
    let both = |theme: &Theme| if theme.on_both_sides() { 1.0 } else { 0.0 };
    let make = |theme: &Theme, side: usize| {
        let own = theme.sides[side];
        let ([s0, s1], n, mean) = (theme.shares, all[side].n, all[side].mean());
        if own.n == 0.0 {
            return Moves::default();
        }
        let above = own.mean() - mean;
        let (common, slope) = match side {
            0 => ([-above, theme.change() - within, -above], [(s1 - s0) / s0, -both(theme), -1.0]),
            _ => ([theme.standing() - standing, 0.0, above], [1.0 - both(theme), both(theme) * s0 / s1, 1.0]),
        };
        // A single observation has no distance from its own mean: that from everybody's stands in.
        let (mean, inflate) =
            if own.n > 1.0 { (own.mean(), (own.n / (own.n - 1.0)).sqrt()) } else { (mean, 1.0) };
        Moves { common: common.map(|x| x / n), slope: slope.map(|x| x / n), mean, inflate }
    };
    themes.iter().map(|theme| [make(theme, 0), make(theme, 1)]).collect()
}

/// Sums over users from which the variance of every theme's change of share follows, without a number
/// for each user and theme.
///
/// A user moves the change of share k by d - b s1 + a s0, where d is their share of all observations
/// after that are in k, less that before, and b and a are their shares of all observations.
struct ShareSquares {
    dd: Vec<f64>,
    da: Vec<f64>,
    db: Vec<f64>,
    aa: f64,
    ab: f64,
    bb: f64,
}

impl ShareSquares {
    fn new(themes: usize) -> ShareSquares {
        let zeros = vec![0.0; themes];
        ShareSquares { dd: zeros.clone(), da: zeros.clone(), db: zeros, aa: 0.0, ab: 0.0, bb: 0.0 }
    }

    /// Adds one user.
    fn add(&mut self, own: &[&Observation], index: &BTreeMap<u32, usize>, all: &[Side; 2]) {
        let share = |of: &[&Observation], after: bool| {
            let count = of.iter().filter(|observation| observation.after == after).count();
            count as f64 / all[usize::from(after)].n
        };
        let (a, b) = (share(own, false), share(own, true));
        self.aa += a * a;
        self.ab += a * b;
        self.bb += b * b;
        for together in own.chunk_by(|x, y| x.theme == y.theme) {
            let (k, d) = (index[&together[0].theme], share(together, true) - share(together, false));
            self.dd[k] += d * d;
            self.da[k] += d * a;
            self.db[k] += d * b;
        }
    }

    fn finish(&self, themes: &[Theme]) -> Vec<f64> {
        let square = |(k, theme): (usize, &Theme)| {
            let [s0, s1] = theme.shares;
            let crossed = 2.0 * (s0 * self.da[k] - s1 * self.db[k]);
            self.dd[k] + crossed + s0 * s0 * self.aa - 2.0 * s0 * s1 * self.ab + s1 * s1 * self.bb
        };
        themes.iter().enumerate().map(square).collect()
    }
}
