//! N-day, unbounded and bracket retention, and weekly cohorts, from days since first conversation.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use super::estimate::Rate;
use super::window::{Calendar, DaySet, LAST_DAY, NamedWindow, Window};

/// Retention of all users of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionTable {
    /// Users with a first conversation in the period.
    pub users: u64,
    /// T, the last complete date (`YYYY-MM-DD`).
    pub last_complete_date: String,
    /// The named outcomes: D1, D7, D28, D7+, W1, W4 ...
    pub points: Vec<RetentionPoint>,
    /// Active on exactly day n, n = 0, 1, ...; eligible users only.
    pub n_day: Vec<CurvePoint>,
    /// Active on day n or later, follow-up capped equally for all.
    pub unbounded: Vec<CurvePoint>,
    /// Active on any day of each of `BRACKETS`, named by their days: `1-3`, `4-7` ...
    #[serde(default)]
    pub brackets: Vec<RetentionPoint>,
    /// Weekly cohorts, oldest first, with rolling weeks: each user's own, counted from their first day.
    pub cohorts: Vec<Cohort>,
    /// The same cohorts with calendar weeks: in week w a user was active between the Monday w weeks
    /// after that of their first day and the Sunday after it. All of a cohort see a week end together, so
    /// no cell is incomplete; but users who began late in their week have had less of week 0.
    #[serde(default)]
    pub calendar_cohorts: Vec<Cohort>,
}

/// Days since the first conversation that are told together, from the second day on.
pub const BRACKETS: [Window; 5] = [
    Window { first: 1, last: 3 },
    Window { first: 4, last: 7 },
    Window { first: 8, last: 14 },
    Window { first: 15, last: 28 },
    Window { first: 29, last: 56 },
];

/// One named outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionPoint {
    /// `D7`, `D7+`, `W1` ...
    pub name: String,
    /// What it means in words.
    pub meaning: String,
    /// Users retained of users eligible.
    pub rate: Rate,
}

/// One day of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Days since the first conversation.
    pub day: u32,
    /// Users retained of users eligible.
    pub rate: Rate,
}

/// Users whose first conversation fell in one week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    /// Monday of the week (`YYYY-MM-DD`).
    pub week: String,
    /// Users in it.
    pub users: u64,
    /// Week 0, 1, ...: users active in that week after their first day. `None` when not one user is eligible.
    pub cells: Vec<Option<CohortCell>>,
}

/// One cell of the cohort table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CohortCell {
    /// Users active on any day of [7w, 7w+6] since their first day; in week 0 that is everybody.
    pub retained: u64,
    /// Users whose whole week w lies on or before T.
    pub eligible: u64,
    /// True when some users of the cohort are not yet eligible.
    pub incomplete: bool,
}

/// Users alike in all that retention asks: the same first date, active on the same days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserGroup {
    /// Date of the first conversation.
    pub d0: NaiveDate,
    /// Days since then on which they were active.
    pub days: DaySet,
    /// How many they are.
    pub users: u64,
}

/// Counts retention in one pass over groups of users; its size does not grow with them.
#[derive(Debug, Clone)]
pub struct RetentionTally {
    calendar: Calendar,
    users: u64,
    points: Vec<(NamedWindow, Cell)>,
    n_day: Vec<(Window, Cell)>,
    unbounded: Vec<(Window, Cell)>,
    brackets: Vec<(Window, Cell)>,
    cohorts: Cohorts,
    calendar_cohorts: Cohorts,
    weeks: u32,
}

/// Users and weekly cells by the Monday of the first day's week.
type Cohorts = BTreeMap<NaiveDate, (u64, Vec<Cell>)>;

/// Users retained of users eligible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// Active in the window.
    pub retained: u64,
    /// Followed to the window's end.
    pub eligible: u64,
}

impl std::ops::Add for Cell {
    type Output = Cell;

    fn add(self, more: Cell) -> Cell {
        Cell { retained: self.retained + more.retained, eligible: self.eligible + more.eligible }
    }
}

impl std::ops::Sub for Cell {
    type Output = Cell;

    /// `part` must be a part of these users.
    fn sub(self, part: Cell) -> Cell {
        Cell { retained: self.retained - part.retained, eligible: self.eligible - part.eligible }
    }
}

impl std::iter::Sum for Cell {
    fn sum<I: Iterator<Item = Cell>>(cells: I) -> Cell {
        cells.fold(Cell::default(), |sum, cell| sum + cell)
    }
}

impl Cell {
    fn count(&mut self, group: &UserGroup, window: Window, calendar: &Calendar) {
        if calendar.covers(group.d0, window) {
            self.eligible += group.users;
            self.retained += if group.days.meets(window) { group.users } else { 0 };
        }
    }

    /// The rate with its interval.
    pub fn rate(self) -> Rate {
        Rate::new(self.retained, self.eligible)
    }
}

impl RetentionTally {
    /// Counts N-day retention on days 0..=`curve_days` (at most `LAST_DAY`), unbounded retention
    /// on days 0..=follow-up, the named outcomes, and cohorts over the same days in weeks.
    pub fn new(calendar: Calendar, curve_days: u32) -> RetentionTally {
        let curve_days = curve_days.min(LAST_DAY);
        let unbounded = |last| (0..=last).map(move |n| (Window { first: n, last }, Cell::default()));
        RetentionTally {
            calendar,
            users: 0,
            points: calendar.outcomes().into_iter().map(|o| (o, Cell::default())).collect(),
            n_day: (0..=curve_days).map(|n| (Window::day(n), Cell::default())).collect(),
            unbounded: calendar.follow_up.map(unbounded).into_iter().flatten().collect(),
            brackets: BRACKETS.into_iter().map(|window| (window, Cell::default())).collect(),
            cohorts: BTreeMap::new(),
            calendar_cohorts: BTreeMap::new(),
            weeks: (curve_days + 1) / 7,
        }
    }

    /// Counts one group.
    pub fn add(&mut self, group: &UserGroup) {
        let calendar = self.calendar;
        self.users += group.users;
        for (outcome, cell) in &mut self.points {
            cell.count(group, outcome.window, &calendar);
        }
        let days = self.n_day.iter_mut().chain(&mut self.unbounded).chain(&mut self.brackets);
        for (window, cell) in days {
            cell.count(group, *window, &calendar);
        }
        let monday = group.d0.week(Weekday::Mon).first_day();
        // Days of the first week that were gone before the user came.
        let late = group.d0.weekday().num_days_from_monday();
        let calendar_week = |week: u32| {
            let rolling = Window::week(week);
            Window { first: rolling.first.saturating_sub(late), last: rolling.last - late }
        };
        let empty = || (0, vec![Cell::default(); self.weeks as usize]);
        let tables: [(&mut Cohorts, &dyn Fn(u32) -> Window); 2] =
            [(&mut self.cohorts, &Window::week), (&mut self.calendar_cohorts, &calendar_week)];
        for (cohorts, window) in tables {
            let (users, cells) = cohorts.entry(monday).or_insert_with(empty);
            *users += group.users;
            for (week, cell) in (0..).zip(cells) {
                cell.count(group, window(week), &calendar);
            }
        }
    }

    /// The table. Days of the curves and weeks of the cohorts that nobody has reached are left
    /// off; a named outcome nobody has reached stays, as 0 of 0.
    pub fn finish(self) -> RetentionTable {
        let curve = |cells: Vec<(Window, Cell)>| -> Vec<CurvePoint> {
            let reached = cells.into_iter().filter(|(_, cell)| cell.eligible > 0);
            reached.map(|(window, cell)| CurvePoint { day: window.first, rate: cell.rate() }).collect()
        };
        let point = |(outcome, cell): (NamedWindow, Cell)| RetentionPoint {
            name: outcome.name,
            meaning: outcome.meaning,
            rate: cell.rate(),
        };
        let bracket = |(Window { first, last }, cell): (Window, Cell)| RetentionPoint {
            name: format!("{first}-{last}"),
            meaning: format!("active on any of days {first} to {last}"),
            rate: cell.rate(),
        };
        RetentionTable {
            users: self.users,
            last_complete_date: self.calendar.last_complete.to_string(),
            points: self.points.into_iter().map(point).collect(),
            n_day: curve(self.n_day),
            unbounded: curve(self.unbounded),
            brackets: self.brackets.into_iter().map(bracket).collect(),
            cohorts: finish_cohorts(self.cohorts),
            calendar_cohorts: finish_cohorts(self.calendar_cohorts),
        }
    }
}

fn finish_cohorts(cohorts: Cohorts) -> Vec<Cohort> {
    let reached = |cells: &[Cell]| cells.iter().take_while(|cell| cell.eligible > 0).count();
    let weeks = cohorts.values().map(|(_, cells)| reached(cells)).max().unwrap_or(0);
    let finish = |(monday, (users, cells)): (NaiveDate, (u64, Vec<Cell>))| Cohort {
        week: monday.to_string(),
        users,
        cells: cells[..weeks]
            .iter()
            .map(|&Cell { retained, eligible }| {
                let incomplete = eligible < users;
                (eligible > 0).then_some(CohortCell { retained, eligible, incomplete })
            })
            .collect(),
    };
    cohorts.into_iter().map(finish).collect()
}

/// Retention in week `week` over all cohorts, each weighted by its eligible users: the sum of the
/// retained over the sum of the eligible, never a mean of rates.
pub fn weighted_mean(cohorts: &[Cohort], week: usize) -> Rate {
    let cells = cohorts.iter().filter_map(|cohort| cohort.cells.get(week).copied().flatten());
    let (retained, eligible) = cells.fold((0, 0), |(r, e), cell| (r + cell.retained, e + cell.eligible));
    Rate::new(retained, eligible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn tabulate(groups: &[UserGroup], calendar: Calendar, curve_days: u32) -> RetentionTable {
        let mut tally = RetentionTally::new(calendar, curve_days);
        groups.iter().for_each(|group| tally.add(group));
        tally.finish()
    }

    fn group(d0: &str, days: &[u32], users: u64) -> UserGroup {
        UserGroup { d0: date(d0), days: DaySet::from_days(days.iter().copied()), users }
    }

    fn counts(curve: &[CurvePoint]) -> Vec<(u64, u64)> {
        curve.iter().map(|point| (point.rate.count, point.rate.of)).collect()
    }

    #[test]
    fn three_users_one_back_on_day_1_one_on_day_5_one_never() {
        let start = "2026-03-02";
        let groups = [group(start, &[0, 1], 1), group(start, &[0, 5], 1), group(start, &[0], 1)];
        let calendar = Calendar { last_complete: date("2026-03-08"), follow_up: Some(6) };
        let table = tabulate(&groups, calendar, 34);
        let n_day = [(3, 3), (1, 3), (0, 3), (0, 3), (0, 3), (1, 3), (0, 3)];
        let unbounded = [(3, 3), (2, 3), (1, 3), (1, 3), (1, 3), (1, 3), (0, 3)];
        assert_eq!(counts(&table.n_day), n_day);
        assert_eq!(counts(&table.unbounded), unbounded);
    }

    #[test]
    fn cohorts_weigh_by_their_users() {
        // 10 users of whom 2 return in week 1, a week later 100 users of whom none does.
        let groups =
            [group("2026-03-02", &[0, 9], 2), group("2026-03-02", &[0], 8), group("2026-03-09", &[0], 100)];
        let calendar = Calendar { last_complete: date("2026-03-31"), follow_up: None };
        let table = tabulate(&groups, calendar, 34);
        let weeks: Vec<&str> = table.cohorts.iter().map(|cohort| cohort.week.as_str()).collect();
        assert_eq!(weeks, ["2026-03-02", "2026-03-09"]);
        let mean = weighted_mean(&table.cohorts, 1);
        assert_eq!((mean.count, mean.of), (2, 110));
        let w1 = table.points.iter().find(|point| point.name == "W1").expect("W1");
        assert_eq!((w1.rate.count, w1.rate.of), (2, 110));
    }

    #[test]
    fn users_not_yet_followed_leave_numerator_and_denominator() {
        let groups = [group("2026-03-02", &[0, 7], 4), group("2026-03-04", &[0, 7], 3)];
        let calendar = Calendar { last_complete: date("2026-03-09"), follow_up: None };
        let table = tabulate(&groups, calendar, 34);
        let d7 = table.n_day.iter().find(|point| point.day == 7).expect("day 7");
        assert_eq!((d7.rate.count, d7.rate.of), (4, 4));
        assert_eq!(table.n_day.last().map(|point| point.day), Some(7));
        // Week 0 is whole for all seven users only on the 10th; week 1 for nobody.
        let cells = &table.cohorts[0].cells;
        let week_0 = CohortCell { retained: 4, eligible: 4, incomplete: true };
        assert_eq!(cells, &[Some(week_0)]);
    }

    #[test]
    fn a_cohort_nobody_has_followed_shows_an_empty_cell() {
        let groups = [group("2026-03-02", &[0], 1), group("2026-03-09", &[0], 1)];
        let calendar = Calendar { last_complete: date("2026-03-10"), follow_up: None };
        let table = tabulate(&groups, calendar, 34);
        assert_eq!(table.cohorts[1].cells, [None]);
    }

    #[test]
    fn calendar_weeks_end_on_sundays() {
        // A Monday and a Saturday of one week; both come back on the Monday after.
        let groups = [group("2026-03-02", &[0, 7], 3), group("2026-03-07", &[0, 2], 5)];
        let calendar = Calendar { last_complete: date("2026-03-16"), follow_up: None };
        let table = tabulate(&groups, calendar, 34);
        let cells = |cohorts: &[Cohort]| -> Vec<_> {
            let counts = |cell: &CohortCell| (cell.retained, cell.eligible, cell.incomplete);
            cohorts[0].cells.iter().map(|cell| cell.as_ref().map(counts)).collect()
        };
        assert_eq!(cells(&table.calendar_cohorts), [Some((8, 8, false)), Some((8, 8, false))]);
        // Rolling: the Saturday's second week ends on the 20th, and its user came in the first.
        assert_eq!(cells(&table.cohorts), [Some((8, 8, false)), Some((3, 3, true))]);
    }

    #[test]
    fn brackets_count_any_of_their_days() {
        let groups = [
            group("2026-03-02", &[0, 2, 3], 2),
            group("2026-03-02", &[0, 7], 3),
            group("2026-03-20", &[0, 1], 4),
        ];
        let calendar = Calendar { last_complete: date("2026-03-25"), follow_up: None };
        let table = tabulate(&groups, calendar, 34);
        let counts: Vec<_> =
            table.brackets.iter().map(|b| (b.name.as_str(), b.rate.count, b.rate.of)).collect();
        assert_eq!(counts, [("1-3", 6, 9), ("4-7", 3, 5), ("8-14", 0, 5), ("15-28", 0, 0), ("29-56", 0, 0)]);
    }
}
