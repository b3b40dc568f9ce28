use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a unit is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifeCycle {
    /// Built, at the vendor's.
    Made,
    /// On its way to a customer.
    Shipped,
    /// At its site, not seen yet.
    Installed,
    /// In service.
    Live,
    /// Installed, but not seen for long.
    Silent,
    /// Barred for a time: a cancelled line, an open question.
    Suspended,
    /// Nobody knows where it is.
    Lost,
    /// Somebody took it.
    Stolen,
    /// Out of service for good.
    Retired,
}

/// The text names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no state; the states are made, shipped, installed, live, silent, suspended, lost, stolen, retired"
)]
pub struct ParseStateError(String);

use LifeCycle::{Installed, Live, Lost, Made, Retired, Shipped, Silent, Stolen, Suspended};

impl LifeCycle {
    /// All states, in the order of a life.
    pub const ALL: [Self; 9] = [Made, Shipped, Installed, Live, Silent, Suspended, Lost, Stolen, Retired];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Made => "made",
            Shipped => "shipped",
            Installed => "installed",
            Live => "live",
            Silent => "silent",
            Suspended => "suspended",
            Lost => "lost",
            Stolen => "stolen",
            Retired => "retired",
        }
    }
}

impl FromStr for LifeCycle {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseStateError(text.to_owned()))
    }
}

impl fmt::Display for LifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive() {
        for state in LifeCycle::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert!("gone".parse::<LifeCycle>().is_err());
    }
}
