//! Counts what could not be used and says so.

use super::item::{Bad, Found, Item};
use crate::cli::CliError;

/// Records named one by one; further ones are only counted.
const NAMED: usize = 5;

/// What an input gave that is not a whole, good record.
pub struct Unusable {
    /// `line` or `row`.
    unit: &'static str,
    used: u64,
    count: u64,
    named: Vec<Bad>,
    mended: u64,
    cut_off: Option<Bad>,
}

impl Unusable {
    /// Nothing so far; places are counted in `unit`s.
    pub fn new(unit: &'static str) -> Unusable {
        Unusable { unit, used: 0, count: 0, named: Vec::new(), mended: 0, cut_off: None }
    }

    /// Keeps account of all and hands on the texts, and the error that ended the reading.
    pub fn sort(&mut self, found: Vec<Found>) -> (Vec<Item>, Option<CliError>) {
        let mut items = Vec::with_capacity(found.len());
        for found in found {
            match found {
                Found::Item(item) => {
                    self.mended += u64::from(item.mended);
                    items.push(item);
                }
                Found::Bad(bad) => {
                    self.count += 1;
                    tracing::info!("{} {} not used: {}", self.unit, bad.place, bad.reason);
                    if self.named.len() < NAMED {
                        self.named.push(bad);
                    }
                }
                Found::CutOff(bad) => self.cut_off = Some(bad),
                Found::Failed(error) => {
                    self.used += items.len() as u64;
                    return (items, Some(error));
                }
            }
        }
        self.used += items.len() as u64;
        (items, None)
    }

    /// Records that could not be used.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing at all was lost.
    pub fn none(&self) -> bool {
        self.count == 0 && self.cut_off.is_none()
    }

    /// Whether at most `share` (0..=1) of the records could not be used. One that is cut off is no fault of its
    /// own, but where it is the only one.
    pub fn within(&self, share: f64) -> bool {
        let nothing_else = self.used + self.count == 0 && self.cut_off.is_some();
        self.count as f64 <= share * (self.used + self.count) as f64 && !nothing_else
    }

    /// `2 of 90 lines not used: first at line 7: why`, with a line for each further one that is named.
    pub fn summary(&self) -> Option<String> {
        let (first, others) = self.named.split_first()?;
        let Unusable { unit, count, .. } = self;
        let all = self.used + count;
        let mut said =
            format!("{count} of {all} {unit}s not used: first at {unit} {}: {}", first.place, first.reason);
        for bad in others {
            said += &format!("\n  {unit} {}: {}", bad.place, bad.reason);
        }
        if *count > NAMED as u64 {
            said += &format!("\n  and {} more (-v names each)", count - NAMED as u64);
        }
        Some(said)
    }

    /// Everything worth a warning.
    pub fn warnings(&self) -> Vec<String> {
        let unit = self.unit;
        let cut_off = self.cut_off.as_ref().map(|bad| {
            format!("cut off at {unit} {}: {}; every whole {unit} before it was used", bad.place, bad.reason)
        });
        let mended = (self.mended > 0)
            .then(|| format!("{} {unit}s had bytes that are not UTF-8, read as U+FFFD", self.mended));
        [cut_off, self.summary(), mended].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::embed::item::Beside;

    fn item() -> Found {
        Found::Item(Item { text: String::new(), beside: Beside::Nothing, mended: false })
    }

    fn bad(place: u64) -> Found {
        Found::Bad(Bad { place, reason: "why".into() })
    }

    #[test]
    fn one_in_a_hundred_is_within_one_per_cent() {
        let mut unusable = Unusable::new("line");
        let found = (1..100).map(|_| item()).chain([bad(100)]).collect();
        assert_eq!(unusable.sort(found).0.len(), 99);
        assert!(unusable.within(0.01) && !unusable.none());
        assert_eq!(unusable.summary().unwrap(), "1 of 100 lines not used: first at line 100: why");
        unusable.sort(vec![bad(101)]);
        assert!(!unusable.within(0.01));
        assert_eq!(unusable.summary().unwrap().lines().nth(1), Some("  line 101: why"));
    }

    #[test]
    fn a_cut_is_no_record() {
        let mut unusable = Unusable::new("row");
        unusable.sort(vec![Found::CutOff(Bad { place: 3, reason: "why".into() })]);
        assert!(!unusable.within(0.0), "it was the only one");
        unusable.sort(vec![item()]);
        assert!(unusable.within(0.0) && !unusable.none());
        assert!(unusable.warnings()[0].starts_with("cut off at row 3: why"));
    }
}
