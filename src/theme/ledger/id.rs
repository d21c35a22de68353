//! The permanent id of a theme, `t-000017`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names a theme for good: given once, never given again.
///
/// Written `t-000017` for people and in JSON; [`ThemeId::number`] is what tables carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ThemeId(u32);

/// Not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a theme id: those look like `t-000017`")]
pub struct NotAnId(pub String);

impl ThemeId {
    /// The id with this number.
    pub fn new(number: u32) -> ThemeId {
        ThemeId(number)
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The id after it.
    pub(in crate::theme) fn next(self) -> ThemeId {
        ThemeId(self.0.saturating_add(1))
    }
}

impl fmt::Display for ThemeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t-{:06}", self.0)
    }
}

impl FromStr for ThemeId {
    type Err = NotAnId;

    /// Reads `t-000017`; leading zeros may be left out, and so may `t-`.
    fn from_str(text: &str) -> Result<ThemeId, NotAnId> {
        let digits = text.trim().trim_start_matches("t-");
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain { digits.parse().ok() } else { None };
        number.map(ThemeId).ok_or_else(|| NotAnId(text.to_owned()))
    }
}

impl TryFrom<String> for ThemeId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<ThemeId, NotAnId> {
        text.parse()
    }
}

impl From<ThemeId> for String {
    fn from(id: ThemeId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_spelling() {
        for number in [0, 17, 999_999, 1_000_000, u32::MAX] {
            let id = ThemeId::new(number);
            assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).expect("an id is JSON");
            assert_eq!(serde_json::from_str::<ThemeId>(&json).expect("and back"), id);
        }
        assert_eq!(ThemeId::new(17).to_string(), "t-000017");
        assert_eq!("17".parse(), Ok(ThemeId::new(17)));
        for wrong in ["", "t-", "x-1", "t--1", "t-+1", "t-4294967296", "1.5"] {
            assert!(wrong.parse::<ThemeId>().is_err(), "{wrong}");
        }
    }
}
