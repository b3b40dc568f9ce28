use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// Wakes owners at times they gave. An owner that no longer needs a wake-up is woken all the same and
/// says when next; so there is at most one entry for each change to an earlier time.
pub(crate) struct Timers<K>(BinaryHeap<Reverse<(Instant, K)>>);

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(crate) fn add(&mut self, at: Instant, key: K) {
        self.0.push(Reverse((at, key)));
    }

    pub(crate) fn first(&self) -> Option<(Instant, K)> {
        self.0.peek().map(|Reverse(entry)| *entry)
    }

    /// The owner of the earliest entry that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<K> {
        self.first().filter(|(at, _)| *at <= now)?;
        self.0.pop().map(|Reverse((_, key))| key)
    }
}
