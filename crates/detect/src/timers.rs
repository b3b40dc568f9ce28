use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who is called when, in event time: each (time, owner, key) once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timers(BTreeSet<(UnixTime, u8, u64)>);

impl Timers {
    pub(crate) fn set(&mut self, at: UnixTime, owner: u8, key: u64) {
        self.0.insert((at, owner, key));
    }

    /// The first that is due before `at`; at that very time rows come first.
    pub(crate) fn due(&mut self, before: UnixTime) -> Option<(UnixTime, u8, u64)> {
        let first = self.0.first().filter(|(at, ..)| *at < before)?;
        let first = *first;
        self.0.remove(&first);
        Some(first)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
