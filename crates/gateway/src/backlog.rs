//! How much may wait for another thread. A channel bounds the number; this bounds the memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Octets that wait now, and how many may.
pub(crate) struct Backlog {
    waiting: AtomicUsize,
    most: usize,
}

/// A share of it, given back when it is dropped.
pub(crate) struct Share {
    backlog: Arc<Backlog>,
    octets: usize,
}

impl Backlog {
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), most }
    }

    /// `None` when there is no room for so many more.
    pub(crate) fn take(self: &Arc<Self>, octets: usize) -> Option<Share> {
        let more = |waiting: usize| waiting.checked_add(octets).filter(|all| *all <= self.most);
        self.waiting.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Share { backlog: self.clone(), octets })
    }

    /// What can wait for longer has to come again.
    pub(crate) fn is_half_full(&self) -> bool {
        self.waiting.load(Relaxed) > self.most / 2
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.backlog.waiting.fetch_sub(self.octets, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_waits_than_the_bound_and_what_is_taken_makes_room() {
        let backlog = Arc::new(Backlog::new(100));
        assert!(!backlog.is_half_full());
        let most = backlog.take(99).unwrap();
        assert!(backlog.is_half_full());
        assert!(backlog.take(2).is_none());
        let last = backlog.take(1).unwrap();
        assert!(backlog.take(1).is_none() && backlog.take(usize::MAX).is_none());
        drop((most, last));
        assert!(backlog.take(100).is_some());
    }
}
