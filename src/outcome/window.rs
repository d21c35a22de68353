//! Outcome windows in days since the first conversation, and who has been followed long enough.

use chrono::{Days, NaiveDate};

/// Latest day since the first conversation that is kept of a user: a bit of one `BIGINT` each.
pub const LAST_DAY: u32 = 62;

/// Consecutive days since the first conversation, both ends included, within 0..=`LAST_DAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First day.
    pub first: u32,
    /// Last day, not before `first`.
    pub last: u32,
}

impl Window {
    /// The window of one day.
    pub fn day(n: u32) -> Window {
        Window { first: n, last: n }
    }

    /// The window of week `w`: days `7w` to `7w + 6`.
    pub fn week(w: u32) -> Window {
        Window { first: 7 * w, last: 7 * w + 6 }
    }

    /// Its days as bits of a `DaySet`.
    pub fn mask(self) -> i64 {
        debug_assert!(self.first <= self.last && self.last <= LAST_DAY);
        let up_to = |n: u32| (1_i64 << n) - 1;
        // One bit past the last day would be the sign.
        let through_last = if self.last == LAST_DAY { i64::MAX } else { up_to(self.last + 1) };
        through_last & !up_to(self.first)
    }
}

/// The days since their first conversation on which a user was active; holds 0..=`LAST_DAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DaySet(i64);

impl DaySet {
    /// From bits, day n being bit n; day 0 is always in, for the first conversation is activity.
    pub fn from_bits(bits: i64) -> DaySet {
        DaySet((bits & i64::MAX) | 1)
    }

    /// From days; those past `LAST_DAY` are left out.
    pub fn from_days(days: impl IntoIterator<Item = u32>) -> DaySet {
        let bits = days.into_iter().filter(|&day| day <= LAST_DAY).map(|day| 1_i64 << day);
        DaySet::from_bits(bits.fold(0, |all, bit| all | bit))
    }

    /// True when active on any day of the window.
    pub fn meets(self, window: Window) -> bool {
        self.0 & window.mask() != 0
    }

    /// The days, ascending.
    pub fn days(self) -> impl Iterator<Item = u32> {
        (0..=LAST_DAY).filter(move |day| self.0 >> day & 1 == 1)
    }
}

/// An outcome with a name: active on any day of its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedWindow {
    /// `D7`, `D7+`, `W1` ...
    pub name: String,
    /// What it means in words.
    pub meaning: String,
    /// Its days.
    pub window: Window,
}

/// The end of what was observed, which decides who counts for which window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// T: the last date whose activity is complete.
    pub last_complete: NaiveDate,
    /// Days every user is followed for unbounded outcomes; `None` when the period is too short.
    pub follow_up: Option<u32>,
}

impl Calendar {
    /// Chooses the follow-up: `wanted` days (at most `LAST_DAY`), or as many as at least half of
    /// the users who started by `last_complete` have behind them, whichever is less.
    ///
    /// `starts` holds each first-conversation date once with its number of users.
    pub fn new(last_complete: NaiveDate, wanted: u32, starts: &[(NaiveDate, u64)]) -> Calendar {
        let mut tenures: Vec<(i64, u64)> = starts
            .iter()
            .map(|&(d0, users)| ((last_complete - d0).num_days(), users))
            .filter(|&(days, _)| days >= 0)
            .collect();
        tenures.sort_unstable_by(|a, b| b.cmp(a));
        let all: u64 = tenures.iter().map(|&(_, users)| users).sum();
        let mut covered = 0;
        let half_have = tenures.into_iter().find_map(|(days, users)| {
            covered += users;
            (2 * covered >= all).then_some(days)
        });
        let days = half_have.unwrap_or(0).min(i64::from(wanted.min(LAST_DAY)));
        let follow_up = u32::try_from(days).ok().filter(|&days| days > 0);
        Calendar { last_complete, follow_up }
    }

    /// Eligible: the window's last day of a user who began on `d0` is complete, d0 + last <= T.
    pub fn covers(&self, d0: NaiveDate, window: Window) -> bool {
        d0 + Days::new(u64::from(window.last)) <= self.last_complete
    }

    /// The reported outcomes, in their fixed order: D1, D7, D28, D7+, W1, W4.
    ///
    /// D7+ runs from day 7 to the follow-up, and is absent where the follow-up is shorter.
    pub fn outcomes(&self) -> Vec<NamedWindow> {
        let day = |n: u32| NamedWindow {
            name: format!("D{n}"),
            meaning: format!("active on day {n} after the first conversation"),
            window: Window::day(n),
        };
        let week = |w: u32| {
            let window = Window::week(w);
            NamedWindow {
                name: format!("W{w}"),
                meaning: format!("active on any of days {} to {}", window.first, window.last),
                window,
            }
        };
        let unbounded = |n: u32| {
            let last = self.follow_up.filter(|&last| last >= n)?;
            Some(NamedWindow {
                name: format!("D{n}+"),
                meaning: format!("active on day {n} or later, up to day {last} for every user"),
                window: Window { first: n, last },
            })
        };
        let all = [Some(day(1)), Some(day(7)), Some(day(28)), unbounded(7), Some(week(1)), Some(week(4))];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).expect("a date")
    }

    #[test]
    fn masks_hold_their_days_and_no_others() {
        for first in 0..=LAST_DAY {
            for last in first..=LAST_DAY {
                let window = Window { first, last };
                let days: Vec<u32> = DaySet(window.mask()).days().collect();
                assert_eq!(days, (first..=last).collect::<Vec<_>>());
                assert!(window.mask() > 0);
            }
        }
    }

    #[test]
    fn follow_up_is_what_half_of_the_users_have() {
        let starts = [(date(1), 10), (date(11), 10), (date(21), 10), (date(31), 10)];
        let follow_up = |wanted| Calendar::new(date(31), wanted, &starts).follow_up;
        assert_eq!(follow_up(28), Some(20));
        assert_eq!(follow_up(14), Some(14));
        // Users who began after T count for nothing.
        assert_eq!(Calendar::new(date(12), 28, &starts).follow_up, Some(11));
        assert_eq!(Calendar::new(date(1), 28, &starts).follow_up, None);
        assert_eq!(Calendar::new(date(1), 28, &[]).follow_up, None);
    }

    #[test]
    fn eligible_up_to_the_last_complete_date() {
        let calendar = Calendar { last_complete: date(8), follow_up: None };
        assert!(calendar.covers(date(1), Window::day(7)));
        assert!(!calendar.covers(date(2), Window::day(7)));
        assert!(!calendar.covers(date(1), Window::week(1)));
    }
}
