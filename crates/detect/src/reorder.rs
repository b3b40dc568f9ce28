use crate::{ledger_change::LedgerChange, world::FeedId};
use ids::UnixTime;
use records::row::{Access, Row, Stamp};
use std::collections::BTreeMap;

/// What waits for its turn. Nearly all are access records: those lie side by side, and what is larger is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Access(Access),
    Row(Box<Row>),
    Ledger(Box<LedgerChange>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) feed: FeedId,
    pub(crate) item: Item,
}

/// Rows that wait, by the second in which they happened. A second is handed on whole, to be judged in order of time, feed and number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reorder {
    seconds: BTreeMap<i64, Second>,
    len: usize,
    /// The room of a second that was judged, for the next that begins.
    spare: Second,
}

/// The rows of one second as they came, and the turn of each.
///
/// Rows of one feed mostly come in order: the stable sort finds the runs and merges them, and moves no row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    rows: Vec<Waiting>,
    turns: Vec<Turn>,
}

/// When, which feed, which number, and where among the rows.
type Turn = (UnixTime, FeedId, u64, u32);

/// What [`Bounds::waiting`](crate::Bounds::waiting) says of a row that waits.
const _: () = assert!(size_of::<Waiting>() + size_of::<Turn>() <= 160);

impl Item {
    pub(crate) fn stamp(&self) -> &Stamp {
        match self {
            Self::Access(access) => &access.stamp,
            Self::Row(row) => row.stamp(),
            Self::Ledger(change) => &change.stamp,
        }
    }
}

impl From<Row> for Item {
    fn from(row: Row) -> Self {
        let Row::Access(access) = row else { return Self::Row(Box::new(row)) };
        Self::Access(access)
    }
}

impl Second {
    fn push(&mut self, waiting: Waiting) {
        let (stamp, at) = (waiting.item.stamp(), self.rows.len() as u32);
        self.turns.push((stamp.at, waiting.feed, stamp.seq, at));
        self.rows.push(waiting);
    }

    fn sort(&mut self) {
        self.turns.sort();
    }

    /// The rows in their turn, so many at a time.
    pub(crate) fn chunks(&self, most: usize) -> impl Iterator<Item = impl Iterator<Item = &Waiting> + Clone> {
        let row = |(.., at): &Turn| self.rows.get(*at as usize);
        self.turns.chunks(most).map(move |turns| turns.iter().filter_map(row))
    }
}

impl Reorder {
    pub(crate) fn insert(&mut self, waiting: Waiting) {
        let new = || std::mem::take(&mut self.spare);
        self.seconds.entry(waiting.item.stamp().at.secs()).or_insert_with(new).push(waiting);
        self.len += 1;
    }

    /// The earliest second, if it is before that one.
    pub(crate) fn next(&mut self, before: i64) -> Option<(i64, Second)> {
        let first = self.seconds.first_entry().filter(|entry| *entry.key() < before)?;
        let (at, mut second) = first.remove_entry();
        second.sort();
        self.len -= second.rows.len();
        Some((at, second))
    }

    /// Takes back the room of what was judged.
    pub(crate) fn reuse(&mut self, mut judged: Second) {
        judged.rows.clear();
        judged.turns.clear();
        if judged.rows.capacity() > self.spare.rows.capacity() {
            self.spare = judged;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All, in order.
    pub(crate) fn all(&self) -> Vec<&Waiting> {
        let mut all: Vec<_> = self.seconds.values().flat_map(|second| &second.rows).collect();
        all.sort_by_key(|waiting| (waiting.item.stamp().at, waiting.feed, waiting.item.stamp().seq));
        all
    }
}
