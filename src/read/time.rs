//! Times as exports write them: RFC 3339, zone-less stamps, plain dates, epoch numbers.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Stamps with an offset that RFC 3339 does not allow: `+0200`, `+02`.
const WITH_OFFSET: [&str; 4] = [
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f %#z",
    "%Y-%m-%d %H:%M:%S%.f %#z",
];

/// Stamps without a zone. Year first only: 03/04 is March to some and April to others.
const WITHOUT_ZONE: [&str; 6] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M",
];

/// Reads a time; `None` for text that is none, or before the year 2000 or past the day after tomorrow: one
/// such stamp would move the end of the observed period, and with it every retention figure.
///
/// Accepts RFC 3339 (also with a space for the `T`, ` UTC`, `+02` or `+0200`); stamps and plain
/// dates without a zone, year first, which are taken as local times of `zone`; and epoch numbers
/// (see `epoch`). The flag is true for a stamp or date without a zone.
pub fn parse_time(text: &str, zone: Tz) -> Option<(DateTime<Utc>, bool)> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return epoch(text.parse().ok()?).map(|at| (at, false));
    }
    if let Some(at) = parse_zoned(text) {
        return plausible(at).map(|at| (at, false));
    }
    let naive = parse_naive(text)?;
    local_time(naive, zone).and_then(plausible).map(|at| (at, true))
}

/// The instant of an epoch number; `None` where it could be something else.
///
/// Seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else nanoseconds: the
/// ranges do not meet for any date from 1973 on. Numbers under 1e8 seconds (March 1973) are not
/// times: `20180410` is a date that lost its dashes.
pub fn epoch(number: f64) -> Option<DateTime<Utc>> {
    let millis = match number {
        n if !n.is_finite() || n < 1e8 => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    DateTime::from_timestamp_millis(millis as i64).and_then(plausible)
}

/// The instant of a local time. In the hour that a clock change repeats it is the first pass; in
/// the hour that a clock change skips it is as if the clock had not changed yet.
pub fn local_time(naive: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        LocalResult::None => {
            let day = Duration::days(1);
            let before = zone.from_local_datetime(&(naive - day)).earliest()?;
            Some(before.to_utc() + day)
        }
    }
}

/// Refuses the placeholders of exports, such as the years 1 and 9999: one would move the end of
/// what was observed by millennia.
pub fn plausible(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    static LATEST: LazyLock<DateTime<Utc>> = LazyLock::new(|| Utc::now() + Duration::days(2));
    (at.year() >= 2000 && at <= *LATEST).then_some(at)
}

fn parse_zoned(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    if let Some(stamp) = text.strip_suffix("UTC") {
        return parse_naive(stamp.trim_end()).map(|naive| naive.and_utc());
    }
    let parse = |format: &&str| DateTime::parse_from_str(text, format).ok();
    WITH_OFFSET.iter().find_map(parse).map(|at| at.to_utc())
}

fn parse_naive(text: &str) -> Option<NaiveDateTime> {
    let stamp = |format: &&str| NaiveDateTime::parse_from_str(text, format).ok();
    let date = |format: &&str| NaiveDate::parse_from_str(text, format).ok();
    WITHOUT_ZONE
        .iter()
        .find_map(stamp)
        .or_else(|| ["%Y-%m-%d", "%Y/%m/%d"].iter().find_map(date).and_then(|date| date.and_hms_opt(0, 0, 0)))
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;

    use super::*;

    #[track_caller]
    fn reads(text: &str, utc: &str, zoneless: bool) {
        let (at, flag) = parse_time(text, Berlin).unwrap_or_else(|| panic!("{text} is a time"));
        let expected = DateTime::parse_from_rfc3339(utc).expect("RFC 3339");
        assert_eq!((at, flag), (expected.to_utc(), zoneless), "{text}");
    }

    #[test]
    fn stamps_with_a_zone() {
        for text in [
            "2018-04-10T18:02:17Z",
            "2018-04-10T20:02:17+02:00",
            "2018-04-10 18:02:17+00:00",
            "2018-04-10 18:02:17 UTC",
            "2018-04-10T14:02:17-0400",
            "2018-04-10 18:02:17+00",
            " 2018-04-10t18:02:17z ",
            "1523383337",
            "1523383337000",
            "1523383337000000",
            "1523383337.0",
        ] {
            reads(text, "2018-04-10T18:02:17Z", false);
        }
        reads("2018-04-10T18:02:17.250Z", "2018-04-10T18:02:17.250Z", false);
    }

    #[test]
    fn stamps_without_a_zone_are_local() {
        reads("2018-04-10 20:02:17", "2018-04-10T18:02:17Z", true);
        reads("2018-04-10T20:02:17.5", "2018-04-10T18:02:17.5Z", true);
        reads("2018-04-10 20:02", "2018-04-10T18:02:00Z", true);
        reads("2018-04-10", "2018-04-09T22:00:00Z", true);
        reads("2018/04/10", "2018-04-09T22:00:00Z", true);
    }

    #[test]
    fn clock_changes() {
        // Repeated on 2018-10-28: the first pass, in summer time. Skipped on 2018-03-25.
        reads("2018-10-28 02:30:00", "2018-10-28T00:30:00Z", true);
        reads("2018-03-25 02:30:00", "2018-03-25T01:30:00Z", true);
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            ".",
            "yesterday",
            "20180410",
            "10/04/2018",
            "2018-13-01",
            "0001-01-01T00:00:00Z",
            "9999-12-31",
            "2018-04-10T25:00:00Z",
            "1e9",
            "-5",
            "1523383337.0.0",
            "NaN",
        ] {
            assert_eq!(parse_time(text, Berlin), None, "{text}");
        }
        assert_eq!(epoch(f64::NAN), None);
        assert_eq!(epoch(f64::INFINITY), None);
    }
}
