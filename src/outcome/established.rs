//! Established users, week after week: exposure in one, outcome after it, covariates from before it.
//!
//! A user gives several episodes; `adjust::clustered_difference` compares them, its errors by user.

use super::adjustment::Covariates;
use super::window::{DaySet, LAST_DAY, Window};

/// Days of a week in which exposure is looked for.
pub const WEEK_DAYS: u32 = 7;
/// Days before the week whose activity counts as prior.
const PRIOR_DAYS: u32 = 28;

/// What one user did, by day since their first conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diary {
    /// Days with any activity.
    pub active: DaySet,
    /// Days with a conversation, day n being bit n.
    pub talked: i64,
    /// Days with a conversation in the theme, or with the signal: some of `talked`.
    pub exposed: i64,
    /// Days after the first that are complete: T - d0.
    pub followed_days: u32,
}

/// One week of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserWeek {
    /// Which, since the first conversation; from 1, for in week 0 nobody is established.
    pub week: u32,
    /// Days since the first conversation, active days in the four weeks before (fewer for users who came
    /// later), and days with a conversation in the week.
    pub covariates: Covariates,
    /// Exposed on any day of the week.
    pub exposed: bool,
    /// Active on any day of the outcome's window.
    pub outcome: bool,
}

/// The user's weeks with a conversation, each with the outcome in `outcome`, in days since the week began.
///
/// Weeks without a conversation are left out: nobody can be exposed in them, and users who are away are no
/// comparison for users who are there. So are weeks whose outcome is not yet complete. `Err`, in words, when
/// the outcome begins before the week of exposure has ended.
pub fn user_weeks(diary: &Diary, outcome: Window) -> Result<Vec<UserWeek>, String> {
    if outcome.first < WEEK_DAYS {
        return Err(format!(
            "an outcome from day {} on is not compared between weeks with and without exposure: exposure is \
             still being looked for up to day {}; whoever comes back could become exposed by coming back",
            outcome.first,
            WEEK_DAYS - 1
        ));
    }
    let last = diary.followed_days.min(LAST_DAY);
    let weeks = (1..).take_while(|week| week * WEEK_DAYS + outcome.last <= last);
    Ok(weeks.filter_map(|week| diary.week(week, outcome)).collect())
}

impl Diary {
    fn week(&self, week: u32, outcome: Window) -> Option<UserWeek> {
        let start = week * WEEK_DAYS;
        let own = Window::week(week).mask();
        let talked = (self.talked & own).count_ones();
        let before = Window { first: start.saturating_sub(PRIOR_DAYS), last: start - 1 };
        let prior = self.active.days().filter(|day| (before.first..=before.last).contains(day)).count();
        let after = Window { first: start + outcome.first, last: start + outcome.last };
        (talked > 0).then(|| UserWeek {
            week,
            covariates: [start, prior as u32, talked],
            exposed: self.exposed & own != 0,
            outcome: self.active.meets(after),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::adjust::{Episode, clustered_difference};
    use super::super::adjustment::Layers;
    use super::*;

    fn bits(days: &[u32]) -> i64 {
        days.iter().fold(0, |all, day| all | 1 << day)
    }

    fn diary(active: &[u32], talked: &[u32], exposed: &[u32], followed_days: u32) -> Diary {
        let active = DaySet::from_days(active.iter().copied());
        Diary { active, talked: bits(talked), exposed: bits(exposed), followed_days }
    }

    #[test]
    fn weeks_know_what_came_before_and_after() {
        let active = [0, 3, 8, 9, 15, 30, 31, 37];
        let one = diary(&active, &[0, 8, 9, 31], &[9], 62);
        let weeks = user_weeks(&one, Window::week(1)).expect("after the week");
        // Weeks 1 and 4 have conversations.
        let first = UserWeek { week: 1, covariates: [7, 2, 2], exposed: true, outcome: true };
        let second = UserWeek { week: 4, covariates: [28, 5, 1], exposed: false, outcome: true };
        assert_eq!(weeks, [first, second]);
    }

    #[test]
    fn weeks_without_a_complete_outcome_are_left_out() {
        let seen = |followed_days| {
            let one = diary(&[0, 8, 15, 22], &[0, 8, 15, 22], &[], followed_days);
            user_weeks(&one, Window::week(1)).expect("after the week").len()
        };
        assert_eq!([seen(19), seen(20), seen(26), seen(27), seen(34)], [0, 1, 1, 2, 3]);
        // Nothing is kept of later days.
        assert_eq!(seen(500), 3);
    }

    #[test]
    fn outcomes_within_the_week_are_refused() {
        let one = diary(&[0], &[0], &[], 62);
        let message = user_weeks(&one, Window { first: 6, last: 12 }).expect_err("refused");
        assert!(message.starts_with("an outcome from day 6 on is not compared"), "{message}");
    }

    #[test]
    fn repeated_weeks_are_compared_within_strata() {
        // Odd users are active every day; even ones in every other week, and on each week's first day.
        let mut weeks = Vec::new();
        for user in 0..120_u32 {
            let heavy = user % 2 == 1;
            let is_active = |day: &u32| heavy || day / 7 % 2 == user / 2 % 2 || day % 7 == 0;
            let active: Vec<u32> = (0..=62).filter(is_active).collect();
            let exposed: Vec<u32> = active.iter().copied().filter(|day| (day / 7 + user) % 3 == 0).collect();
            let one = diary(&active, &active, &exposed, 62);
            let own = user_weeks(&one, Window::week(1)).expect("after the week");
            weeks.extend(own.into_iter().map(|week| (user, week)));
        }
        let counts: Vec<(Covariates, u64)> = weeks.iter().map(|(_, week)| (week.covariates, 1)).collect();
        let layers = Layers::cut(&counts);
        let episode = |(user, week): &(u32, UserWeek)| Episode {
            user: *user,
            stratum: layers.of(&week.covariates).expect("counted"),
            exposed: week.exposed,
            outcome: week.outcome,
        };
        let episodes: Vec<Episode> = weeks.iter().map(episode).collect();
        let found = clustered_difference(&episodes).expect("both sides");
        assert_eq!(found.users, 120);
        // Everybody comes back: no difference, and yet no certainty of none.
        assert_eq!(found.difference.value, 0.0);
        assert!(found.difference.low < 0.0 && found.difference.high > 0.0);
    }
}
