use crate::Row;
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// Two units that may send packets to each other. No others may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Which, the lower identity first.
    pub devices: [DeviceId; 2],
    /// Why they may.
    pub why: String,
    /// Who listed it.
    pub by: String,
    /// Since when.
    pub since: UnixTime,
    /// It counts no more.
    pub removed: Option<Removed>,
}

/// A pair counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Since when.
    pub at: UnixTime,
    /// Who removed it.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Pair {
    /// The value of `state` by which those are found that count.
    pub(crate) const LISTED: &'static str = "listed";

    /// The key of two units, whichever is named first.
    pub(crate) fn key_of([a, b]: [DeviceId; 2]) -> String {
        format!("{}-{}", a.min(b), a.max(b))
    }
}

impl Row for Pair {
    const TABLE: &'static str = "pair";

    fn key(&self) -> String {
        Self::key_of(self.devices)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        self.removed.is_none().then(|| ("state", Self::LISTED.to_owned())).into_iter().collect()
    }
}
