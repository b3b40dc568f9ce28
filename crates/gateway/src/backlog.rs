//! How much of what strangers send may wait for the IKE thread. A channel bounds the number; this bounds
//! the memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Octets that wait now.
#[derive(Default)]
pub(crate) struct Backlog(AtomicUsize);

/// A share of it, given back when it is dropped.
pub(crate) struct Share {
    backlog: Arc<Backlog>,
    octets: usize,
}

impl Backlog {
    /// 32,000 attaches' worth of IKE_SA_INIT.
    pub(crate) const MAX: usize = 16 << 20;

    /// `None` when there is no room for so many more.
    pub(crate) fn take(self: &Arc<Self>, octets: usize) -> Option<Share> {
        let more = |waiting: usize| waiting.checked_add(octets).filter(|all| *all <= Self::MAX);
        self.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Share { backlog: self.clone(), octets })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.backlog.0.fetch_sub(self.octets, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_waits_than_the_bound_and_what_is_taken_makes_room() {
        let backlog = Arc::new(Backlog::default());
        let most = backlog.take(Backlog::MAX - 1).unwrap();
        assert!(backlog.take(2).is_none());
        let last = backlog.take(1).unwrap();
        assert!(backlog.take(1).is_none() && backlog.take(usize::MAX).is_none());
        drop((most, last));
        assert!(backlog.take(Backlog::MAX).is_some());
    }
}
