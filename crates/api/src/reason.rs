use serde::{Deserialize, Serialize};
use std::{fmt, ops::Deref, str::FromStr};

/// Why somebody does something, for the record: any text that says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// The text is empty or blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is for the record: it cannot be blank")]
pub struct BlankReason;

impl TryFrom<String> for Reason {
    type Error = BlankReason;

    fn try_from(text: String) -> Result<Self, BlankReason> {
        if text.trim().is_empty() { Err(BlankReason) } else { Ok(Self(text)) }
    }
}

impl FromStr for Reason {
    type Err = BlankReason;

    fn from_str(text: &str) -> Result<Self, BlankReason> {
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
