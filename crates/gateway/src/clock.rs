use ids::UnixTime;
use std::{sync::Arc, time::Duration};

/// Wall time for certificates and evidence. Protocol timers use `Instant` instead.
pub trait WallClock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}

/// 2026-11-01T00:00:00Z: this code did not exist before.
const WRITTEN: i64 = 1_793_491_200;

/// How far the clock may be behind what was seen before: NTP slews more slowly, and a reboot with a
/// dead battery is years off.
const MARGIN: Duration = Duration::from_secs(300);

/// Says whether the wall clock can be right. It can't when it is before the last time that the
/// journal has seen, or before this code was written: then no certificate is judged.
pub(crate) struct ClockGuard {
    clock: Arc<dyn WallClock>,
    not_before: UnixTime,
}

impl ClockGuard {
    /// `last_seen`: highest time that the journal had seen before this start.
    pub(crate) fn new(clock: Arc<dyn WallClock>, last_seen: Option<UnixTime>) -> Self {
        let written = UnixTime::from_secs(WRITTEN);
        let not_before = last_seen.map_or(written, |seen| seen.before(MARGIN).max(written));
        Self { clock, not_before }
    }

    /// The time, for what does not depend on its being right.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The time, unless it can't be right.
    pub(crate) fn trusted(&self) -> Option<UnixTime> {
        let now = self.clock.now();
        let trusted = now >= self.not_before;
        trusted.then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(i64);

    impl WallClock for Fixed {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(self.0)
        }
    }

    #[test]
    fn section_4_line_43() {
        let seen = WRITTEN + 1_000_000;
        let judged = |now, last_seen: Option<i64>| {
            let guard = ClockGuard::new(Arc::new(Fixed(now)), last_seen.map(UnixTime::from_secs));
            guard.trusted().is_some()
        };
        assert!(!judged(0, None));
        assert!(judged(WRITTEN, None));
        assert!(judged(seen - 300, Some(seen)));
        assert!(!judged(seen - 301, Some(seen)));
        assert!(!judged(WRITTEN - 1, Some(0)));
    }
}
