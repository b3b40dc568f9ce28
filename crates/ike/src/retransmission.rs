use crate::config::Retransmission;
use std::time::{Duration, Instant};

/// When a request that has been sent goes out again (RFC 7296 §2.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    first_sent: Instant,
    due: Instant,
    wait: Duration,
    sent: u8,
}

impl Schedule {
    /// The request goes out for the first time.
    pub(crate) fn start(plan: &Retransmission, now: Instant) -> Self {
        Self { first_sent: now, due: now + plan.first, wait: plan.first, sent: 1 }
    }

    /// When it goes out again, or is given up.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// It does not go out again before `at`.
    pub(crate) fn hold_until(&mut self, at: Instant) {
        self.due = self.due.max(at);
    }

    /// From its only sending until now; `None` when it went out more than once.
    pub(crate) fn round_trip(&self, now: Instant) -> Option<Duration> {
        (self.sent == 1).then(|| now.saturating_duration_since(self.first_sent))
    }

    /// It is due: true when it goes out again, false when it went out often enough.
    pub(crate) fn again(&mut self, plan: &Retransmission, now: Instant) -> bool {
        if self.sent >= plan.tries {
            return false;
        }
        self.sent += 1;
        self.wait = self.wait * 9 / 5;
        self.due = now + self.wait;
        true
    }

    /// It goes out again though it went out often enough, after as long a wait as the last.
    pub(crate) fn once_more(&mut self, now: Instant) {
        self.due = now + self.wait;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test begins at some time")]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_it_is_given_up() {
        let plan = Retransmission { first: Duration::from_secs(2), tries: 3 };
        let start = Instant::now();
        let mut schedule = Schedule::start(&plan, start);
        let mut waits = Vec::new();
        let mut now = start;
        loop {
            waits.push(schedule.due() - now);
            now = schedule.due();
            if !schedule.again(&plan, now) {
                break;
            }
            assert_eq!(schedule.round_trip(now), None);
        }
        assert_eq!(waits, [2000, 3600, 6480].map(Duration::from_millis));
    }
}
