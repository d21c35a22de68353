//! Numbers and dates as a reader meets them: few digits, the interval beside the estimate.

use chrono::{Datelike, NaiveDate};

use crate::outcome::estimate::{Interval, Rate};

/// The minus sign; a hyphen is too short to be seen in a column of numbers.
const MINUS: char = '\u{2212}';

/// `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 user`, `12,345 users`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A share 0..=1 as `0%`, `<0.1%`, `7.3%`, `43%`, `>99.9%`, `100%`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if !value.is_finite() {
        "n/a".into()
    } else if value > 0.0 && value < 0.095 {
        "<0.1%".into()
    } else if value > 99.9 && value < 100.0 {
        ">99.9%".into()
    } else if value == 0.0 || value == 100.0 || (9.95..99.5).contains(&value) {
        format!("{value:.0}%")
    } else {
        format!("{value:.1}%")
    }
}

/// `43% (38% to 48%)`, or `16.5% (15.8% to 17.3%)` when whole percents would hide a narrow interval;
/// a rate of nobody has no value.
pub fn rate(rate: &Rate) -> String {
    if rate.of == 0 {
        return "no data".into();
    }
    let Interval { value, low, high } = rate.interval;
    let is_narrow = high - low < 0.03;
    let show = |share: f64| match percent(share) {
        whole if is_narrow && (0.0995..0.995).contains(&share) && !whole.contains('.') => {
            format!("{:.1}%", share * 100.0)
        }
        text => text,
    };
    format!("{} ({} to {})", show(value), show(low), show(high))
}

/// `123 of 1,234`.
pub fn ratio_of(rate: &Rate) -> String {
    format!("{} of {}", count(rate.count), count(rate.of))
}

/// A difference of two shares as `−12 pts (−18 to −6)`.
pub fn points(difference: &Interval) -> String {
    let Interval { value, low, high } = *difference;
    if !(value.is_finite() && low.is_finite() && high.is_finite()) {
        return "n/a".into();
    }
    let decimals = point_decimals(difference);
    let unit = if decimals == 0 && (value * 100.0).abs().round() == 1.0 { "pt" } else { "pts" };
    let [value, low, high] = [value, low, high].map(|share| signed(share * 100.0, decimals));
    format!("{value} {unit} ({low} to {high})")
}

/// Enough digits that an end which is not zero does not read as zero: readers look at exactly that.
fn point_decimals(difference: &Interval) -> usize {
    let ends = [difference.value, difference.low, difference.high].map(|share| share.abs() * 100.0);
    let least = if ends[0] < 9.95 { 1 } else { 0 };
    (least..2).find(|&d| ends.iter().all(|&e| e == 0.0 || e >= 0.5 / 10f64.powi(d as i32))).unwrap_or(2)
}

/// `+12`, `−6.3`, `0`.
pub fn signed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let zero = digits.bytes().all(|b| b == b'0' || b == b'.');
    match value {
        _ if zero => digits,
        v if v < 0.0 => format!("{MINUS}{digits}"),
        _ => format!("+{digits}"),
    }
}

/// p and q values: `<0.001`, `0.012`, `0.43`.
pub fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => "n/a".into(),
        p if p < 0.001 => "<0.001".into(),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// `q = 0.012`, `q < 0.001`: the sign belongs to the statement.
pub fn q_statement(q: f64) -> String {
    match p_value(q) {
        small if small.starts_with('<') => format!("q < {}", &small[1..]),
        value => format!("q = {value}"),
    }
}

/// `0.82`, for quantities on 0..=1 that are not shares of something counted.
pub fn score(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "n/a".into() }
}

/// `6`, `6.5`.
pub fn median(value: f64) -> String {
    match value {
        v if !v.is_finite() => "n/a".into(),
        v if v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}

/// A risk ratio as `0.74 (0.62 to 0.88)`.
pub fn ratio(interval: &Interval) -> String {
    format!("{} ({} to {})", score(interval.value), score(interval.low), score(interval.high))
}

/// `5 Oct 2026` from `2026-10-05`; anything else is shown as it is.
pub fn date(iso: &str) -> String {
    match NaiveDate::parse_from_str(iso, "%Y-%m-%d") {
        Ok(day) => day.format("%-d %b %Y").to_string(),
        Err(_) => iso.to_string(),
    }
}

/// `5 Oct` from `2026-10-05`.
pub fn day(iso: &str) -> String {
    match NaiveDate::parse_from_str(iso, "%Y-%m-%d") {
        Ok(day) => day.format("%-d %b").to_string(),
        Err(_) => iso.to_string(),
    }
}

/// `5 Oct – 15 Nov 2026`; `None` when the conversations carry no times.
pub fn period(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let (first, last) = (first?, last?);
    let parse = |iso: &str| NaiveDate::parse_from_str(iso, "%Y-%m-%d").ok();
    let same_year = parse(first).zip(parse(last)).is_some_and(|(a, b)| a.year() == b.year());
    Some(match (first == last, same_year) {
        (true, _) => date(first),
        (false, true) => format!("{} – {}", day(first), date(last)),
        (false, false) => format!("{} – {}", date(first), date(last)),
    })
}

/// `2026-10-05 14:03` from RFC 3339; anything else is shown as it is.
pub fn moment(rfc3339: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(rfc3339) {
        Ok(at) => at.format("%-d %b %Y, %H:%M").to_string(),
        Err(_) => rfc3339.to_string(),
    }
}
