use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One thing that may or may not be known about a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence<T> {
    /// Known. Boxed, as most of a claim is missing and a claim is kept for as long as its tunnel.
    Known(Box<Known<T>>),
    /// Not known.
    Missing(Missing),
}

/// What is known, and how it came to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<T> {
    /// What.
    pub value: T,
    /// Who says so: `ike`, `x509`, `ledger` ...
    pub source: Cow<'static, str>,
    /// When it was seen.
    pub observed_at: UnixTime,
}

/// Why evidence is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is there may be a mistake, by what else is there.
    Doubtful,
}

impl<T> Evidence<T> {
    /// Seen now, by `source`.
    pub fn seen(value: T, source: &'static str, now: UnixTime) -> Self {
        Self::Known(Box::new(Known { value, source: source.into(), observed_at: now }))
    }

    /// The value, if known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(&known.value),
            Self::Missing(_) => None,
        }
    }
}
