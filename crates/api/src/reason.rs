use serde::{Deserialize, Serialize};
use std::{fmt, ops::Deref, str::FromStr};

/// Why somebody does something, for the record: any text that says something, in 1,000 characters at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// The text is none for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReason {
    /// It is empty or blank.
    #[error("a reason is for the record: it cannot be blank")]
    Blank,
    /// It has more than 1,000 characters.
    #[error("a reason is for the record: it has 1,000 characters at most")]
    TooLong,
}

const LONGEST: usize = 1_000;

impl TryFrom<String> for Reason {
    type Error = BadReason;

    fn try_from(text: String) -> Result<Self, BadReason> {
        if text.trim().is_empty() {
            return Err(BadReason::Blank);
        }
        let is_too_long = text.chars().nth(LONGEST).is_some();
        if is_too_long { Err(BadReason::TooLong) } else { Ok(Self(text)) }
    }
}

impl FromStr for Reason {
    type Err = BadReason;

    fn from_str(text: &str) -> Result<Self, BadReason> {
        text.to_owned().try_into()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_is_no_book() {
        let reason = |text: String| Reason::try_from(text).map(String::from);
        assert_eq!(reason(" \n".into()), Err(BadReason::Blank));
        assert_eq!(reason("손".repeat(1_000)), Ok("손".repeat(1_000)));
        assert_eq!(reason("손".repeat(1_001)), Err(BadReason::TooLong));
    }
}
