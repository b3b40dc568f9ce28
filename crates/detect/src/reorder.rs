use crate::{ledger_change::LedgerChange, world::FeedId};
use ids::UnixTime;
use records::row::{Row, Stamp};
use std::collections::BTreeMap;

/// What waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Row(Row),
    Ledger(LedgerChange),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) feed: FeedId,
    pub(crate) item: Item,
}

/// Rows that wait, by the second in which they happened. A second is handed on whole, in order of time, feed and number.
///
/// Rows of one feed mostly come in order: within a second the stable sort finds the runs and merges them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reorder {
    seconds: BTreeMap<i64, Vec<Waiting>>,
    len: usize,
    /// The room of a second that was judged, for the next that begins.
    spare: Vec<Waiting>,
}

impl Item {
    pub(crate) fn stamp(&self) -> &Stamp {
        match self {
            Self::Row(row) => row.stamp(),
            Self::Ledger(change) => &change.stamp,
        }
    }
}

impl Waiting {
    fn order(&self) -> (UnixTime, FeedId, u64) {
        let stamp = self.item.stamp();
        (stamp.at, self.feed, stamp.seq)
    }
}

impl Reorder {
    pub(crate) fn insert(&mut self, waiting: Waiting) {
        let new = || std::mem::take(&mut self.spare);
        self.seconds.entry(waiting.item.stamp().at.secs()).or_insert_with(new).push(waiting);
        self.len += 1;
    }

    /// The earliest second, if it is before that one.
    pub(crate) fn next(&mut self, before: i64) -> Option<(i64, Vec<Waiting>)> {
        let second = *self.seconds.first_key_value().filter(|(second, _)| **second < before)?.0;
        let mut waiting = self.seconds.remove(&second)?;
        waiting.sort_by_key(Waiting::order);
        self.len -= waiting.len();
        Some((second, waiting))
    }

    /// Takes back the room of what was judged.
    pub(crate) fn reuse(&mut self, mut judged: Vec<Waiting>) {
        judged.clear();
        if judged.capacity() > self.spare.capacity() {
            self.spare = judged;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All, in order.
    pub(crate) fn all(&self) -> Vec<&Waiting> {
        let mut all: Vec<_> = self.seconds.values().flatten().collect();
        all.sort_by_key(|waiting| waiting.order());
        all
    }
}
