use ids::UnixTime;
use serde::Serialize;

/// One thing that may or may not be known about a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence<T> {
    /// Known.
    Known {
        /// What.
        value: T,
        /// Who says so: `ike`, `x509`, `ledger` ...
        source: &'static str,
        /// When it was seen.
        observed_at: UnixTime,
        /// It was seen before two holders of one key can have parted: only such evidence may ever
        /// choose between them.
        before_fork: bool,
    },
    /// Not known.
    Missing(Missing),
}

/// Why evidence is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing here gathers it yet.
    NotGathered,
    /// The ledger has no record of it.
    NoRecord,
    /// The peer did not send it.
    NotSent,
    /// What is there is too old to count.
    Stale,
}

impl<T> Evidence<T> {
    /// Seen now, by `source`.
    pub fn seen(value: T, source: &'static str, now: UnixTime) -> Self {
        Self::Known { value, source, observed_at: now, before_fork: false }
    }

    /// The value, if known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Missing(_) => None,
        }
    }
}
