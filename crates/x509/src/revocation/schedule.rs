use std::time::{Duration, Instant};

/// Between two answers: half of the time for which the last one counts, within these bounds.
const AT_LEAST: Duration = Duration::from_secs(60);
const AT_MOST: Duration = Duration::from_secs(3600);
/// After the first failure; twice as long after each further one.
const BACK_OFF: Duration = Duration::from_secs(5);
const BACK_OFF_AT_MOST: Duration = Duration::from_secs(600);

/// When something is asked next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// `None` while the question is out, or when it is never asked.
    pub(super) next: Option<Instant>,
    /// In a row.
    pub(super) failures: u32,
}

impl Schedule {
    pub(super) fn at(next: Instant) -> Self {
        Self { next: Some(next), failures: 0 }
    }

    pub(super) fn never() -> Self {
        Self { next: None, failures: 0 }
    }

    pub(super) fn is_due(&self, at: Instant) -> bool {
        self.next.is_some_and(|next| next <= at)
    }

    /// `good_for`: how long the answer counts.
    pub(super) fn succeeded(&mut self, at: Instant, good_for: Duration, draw: u16) {
        *self = Self::at(at + jittered((good_for / 2).clamp(AT_LEAST, AT_MOST), draw));
    }

    pub(super) fn failed(&mut self, at: Instant, draw: u16) {
        let wait = BACK_OFF.saturating_mul(1 << self.failures.min(16)).min(BACK_OFF_AT_MOST);
        let failures = self.failures.saturating_add(1);
        *self = Self { next: Some(at + jittered(wait, draw)), failures };
    }
}

/// Between three quarters of `span` and all of it.
fn jittered(span: Duration, draw: u16) -> Duration {
    span - span / 4 * u32::from(draw) / u32::from(u16::MAX)
}
