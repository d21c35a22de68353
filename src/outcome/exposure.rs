//! Who counts as exposed, and which outcomes may be set against that exposure.
//!
//! New users only, by landmark: exposed if a conversation on days d0 .. d0+L-1 was in the theme or
//! had the signal; the outcome is observed from day L on. A user cannot become exposed by staying
//! long enough to be (no immortal time; Anderson, Cain & Gelber 1983, "Analysis of survival by
//! tumor response", section on the landmark method).

use super::window::NamedWindow;

/// Splits outcomes into those that begin at or after the landmark and, in words, the others.
///
/// `window_days` is L: exposure is looked for on days 0..L since the first conversation.
pub fn split_at_landmark(outcomes: Vec<NamedWindow>, window_days: u32) -> (Vec<NamedWindow>, Vec<String>) {
    let (kept, overlapping): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| outcome.window.first >= window_days);
    (kept, overlapping.iter().map(|outcome| explain_refusal(outcome, window_days)).collect())
}

fn explain_refusal(outcome: &NamedWindow, window_days: u32) -> String {
    let NamedWindow { name, window, .. } = outcome;
    format!(
        "{name} is not compared between exposed and unexposed users: it begins on day {}, while \
         exposure is still being looked for up to day {}; whoever comes back could become exposed \
         by coming back",
        window.first,
        window_days.saturating_sub(1),
    )
}

/// The order of exposures in tables: themes by number, then signals, then grades.
pub fn report_order(exposure: &str) -> (u8, u32, &str) {
    let (kind, name) = exposure.split_once(':').unwrap_or((exposure, ""));
    let rank = match kind {
        "theme" => 0,
        "signal" => 1,
        "grade" => 2,
        _ => 3,
    };
    (rank, name.parse().unwrap_or(u32::MAX), exposure)
}

#[cfg(test)]
mod tests {
    use super::super::window::{Calendar, Window};
    use super::*;

    fn names(outcomes: &[NamedWindow]) -> Vec<&str> {
        outcomes.iter().map(|outcome| outcome.name.as_str()).collect()
    }

    #[test]
    fn outcomes_inside_the_exposure_window_are_refused() {
        let last_complete = chrono::NaiveDate::from_ymd_opt(2026, 4, 30).expect("a date");
        let calendar = Calendar { last_complete, follow_up: Some(28) };
        let (kept, refused) = split_at_landmark(calendar.outcomes(), 7);
        assert_eq!(names(&kept), ["D7", "D28", "D7+", "W1", "W4"]);
        assert_eq!(refused.len(), 1);
        assert!(refused[0].starts_with("D1 is not compared"), "{}", refused[0]);
        let (kept, refused) = split_at_landmark(calendar.outcomes(), 8);
        assert_eq!(names(&kept), ["D28", "W4"]);
        assert_eq!(refused.len(), 4);
        assert!(kept.iter().all(|outcome| outcome.window != Window::day(7)));
    }

    #[test]
    fn themes_sort_by_number() {
        let mut all = ["theme:10", "signal:loop", "grade:bad", "theme:9", "signal:doubt"];
        all.sort_by(|a, b| report_order(a).cmp(&report_order(b)));
        assert_eq!(all, ["theme:9", "theme:10", "signal:doubt", "signal:loop", "grade:bad"]);
    }
}
