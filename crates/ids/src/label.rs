use crate::serde_as_text;
use std::{fmt, str::FromStr};

/// The name that people of the carrier give to something of Truecell's own: a legacy group, a migration.
/// Text: 1 to 32 lower-case letters, digits and hyphens, with a letter or digit first; compared exactly.
///
/// Each row of a feed has its feed's name, so it is held in place: no memory of its own, nothing that threads would share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label([u8; MOST]);

/// Octets of a name at most. A shorter one is filled with zeros, which no name has: so it sorts as its text does.
const MOST: usize = 32;

/// The text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 32 lower-case letters, digits and hyphens, and begins with a letter or digit")]
pub struct ParseLabelError;

impl Label {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        let filled = self.0.split(|octet| *octet == 0).next();
        filled.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl FromStr for Label {
    type Err = ParseLabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=MOST).contains(&text.len()) && text.bytes().all(|b| is_plain(b) || b == b'-');
        match fits && !text.starts_with('-') {
            true => {
                let mut name = [0; MOST];
                name.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
                Ok(Self(name))
            }
            false => Err(ParseLabelError),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

serde_as_text!(Label);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_need_escaping_in_a_path_or_a_key_is_no_name() {
        assert_eq!("2026-estate".parse::<Label>().unwrap().as_str(), "2026-estate");
        let longest = "x".repeat(MOST);
        assert_eq!(longest.parse::<Label>().unwrap().as_str(), longest);
        for bad in ["", "-a", "A", "a b", "a/b", "a.b", "ä", &"x".repeat(33)] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_sort_as_their_texts_do() {
        let texts = ["-a", "a", "a-", "a-b", "a1", "aa", "b", "0"];
        let mut names: Vec<Label> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        names.sort();
        assert!(names.is_sorted_by_key(|name| name.to_string()));
    }
}
