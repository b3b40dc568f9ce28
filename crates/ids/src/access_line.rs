use crate::serde_as_text;
use std::{fmt, str::FromStr, sync::Arc};

/// The fixed line behind which a unit is installed, as the carrier's line register names it.
/// Text: 1 to 64 letters, digits and `-._/:#`, compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessLine(Arc<str>);

/// The text names no access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access line has 1 to 64 letters, digits and `-._/:#`")]
pub struct ParseAccessLineError;

impl FromStr for AccessLine {
    type Err = ParseAccessLineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:#".contains(&b);
        if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(ParseAccessLineError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AccessLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(AccessLine);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_control_characters_and_empty_names_are_refused() {
        assert_eq!("KT/02-1234:7#3".parse::<AccessLine>().unwrap().to_string(), "KT/02-1234:7#3");
        for bad in ["", "a b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<AccessLine>().is_err(), "{bad:?}");
        }
    }
}
