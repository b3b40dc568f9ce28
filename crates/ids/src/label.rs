use crate::serde_as_text;
use std::{fmt, str::FromStr, sync::Arc};

/// The name that people of the carrier give to something of Truecell's own: a legacy group, a migration.
/// Text: 1 to 32 lower-case letters, digits and hyphens, with a letter or digit first; compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

/// The text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 32 lower-case letters, digits and hyphens, and begins with a letter or digit")]
pub struct ParseLabelError;

impl Label {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = ParseLabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| is_plain(b) || b == b'-');
        match fits && !text.starts_with('-') {
            true => Ok(Self(text.into())),
            false => Err(ParseLabelError),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Label);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_need_escaping_in_a_path_or_a_key_is_no_name() {
        assert_eq!("2026-estate".parse::<Label>().unwrap().as_str(), "2026-estate");
        for bad in ["", "-a", "A", "a b", "a/b", "a.b", "ä", &"x".repeat(33)] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
    }
}
