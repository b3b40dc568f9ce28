use std::time::{Duration, Instant};

/// How many key exchanges a peer may ask for in a tunnel: each costs us more than it costs the peer.
pub(crate) struct Allowance {
    left: u8,
    since: Instant,
}

impl Allowance {
    /// At once: a peer may have a CHILD SA for each class of service and each processor.
    const BURST: u8 = 32;
    /// Then one in this time.
    const EVERY: Duration = Duration::from_secs(10);

    pub(crate) fn new(now: Instant) -> Self {
        Self { left: Self::BURST, since: now }
    }

    /// Takes one, if one is left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.since).as_secs() / Self::EVERY.as_secs();
        if more > 0 {
            self.left = self.left.saturating_add(u8::try_from(more).unwrap_or(u8::MAX)).min(Self::BURST);
            self.since = now;
        }
        let is_left = self.left > 0;
        self.left -= u8::from(is_left);
        is_left
    }
}
