//! How far a cell can be trusted: one word for each cell and time, with its reasons. Admission, the life of its units, and
//! later inspection and detectors feed [`Signal`]s; payments and people read a [`Reading`].
//!
//! It falls at once and rises by evidence alone; time raises nothing, and data that are too old read as
//! [`TrustState::Unsure`]. What counts for what is one table, [`TABLE`], under the version [`RULES`].
//!
//! What is kept of a cell is, for each kind of signal and unit, the newest time, so that signals come in any order and more
//! than once: whatever comes late has its own place in time, and raises nothing that fell behind it.

mod books;
mod cell;
mod found;
mod history;
mod life;
mod reading;
mod rules;
mod signal;

pub use books::Said;
pub(crate) use cell::day;
pub use cell::{CellTrust, Fall};
pub use found::{FOUND, Found, HIGH, MEDIUM, severity};
pub use history::CellTrustChange;
pub use reading::{Reading, TrustReason};
pub use rules::{DAYS, KINDS, RULES, Rule, STALE, TABLE, Weight, rules};
pub use signal::{Signal, SignalKind, TrustEvidence};

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How far a cell can be trusted, best first. What is unknown is no better than what is on probation, and never trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustState {
    /// Nothing stands against it, and it has earned it.
    Trusted,
    /// Nothing stands against it, and it has yet to earn trust.
    Probation,
    /// Nothing is known of it.
    Unknown,
    /// Something is open, or the data are too old.
    Unsure,
    /// Evidence stands against it.
    Suspect,
    /// Its unit may not serve.
    Blocked,
}

/// The text names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of trust; they are trusted, probation, unknown, unsure, suspect, blocked")]
pub struct ParseTrustError(String);

impl TrustState {
    /// Each, best first.
    pub const ALL: [Self; 6] =
        [Self::Trusted, Self::Probation, Self::Unknown, Self::Unsure, Self::Suspect, Self::Blocked];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Probation => "probation",
            Self::Unknown => "unknown",
            Self::Unsure => "unsure",
            Self::Suspect => "suspect",
            Self::Blocked => "blocked",
        }
    }
}

impl FromStr for TrustState {
    type Err = ParseTrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| ParseTrustError(text.to_owned()))
    }
}

impl fmt::Display for TrustState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
