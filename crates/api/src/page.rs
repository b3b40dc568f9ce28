use serde::Deserialize;
use std::str::FromStr;

/// Which rows of a list are asked for: those behind the key `after`, so many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked<K> {
    pub(crate) after: Option<K>,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// Behind which row a list goes on. One that somebody made up may have a key that names nothing.
pub(crate) fn continued<K: FromStr>(key: &str, last: Option<K>) -> Option<K> {
    key.parse().ok().or(last)
}

/// Rows in one answer: 1 to 1,000, and so many unless asked for fewer.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "usize")]
pub(crate) struct Limit(usize);

const PAGE: usize = 1_000;

impl Limit {
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(PAGE)
    }
}

impl TryFrom<usize> for Limit {
    type Error = String;

    fn try_from(limit: usize) -> Result<Self, String> {
        if (1..=PAGE).contains(&limit) { Ok(Self(limit)) } else { Err(format!("a limit is 1 to {PAGE}")) }
    }
}
