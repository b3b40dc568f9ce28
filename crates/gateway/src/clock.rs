use ids::UnixTime;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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

/// How far the clock may be behind what it must be: NTP slews more slowly, and a reboot with a dead
/// battery is years off.
const MARGIN: Duration = Duration::from_secs(300);

/// Says whether the wall clock can be right. It can't when it is before the last time that the journal
/// has seen, before this code was written, or has gone back while we run: then no certificate is judged. When it was
/// set forward while we run, either time may be the right one: nobody is refused by the later one alone.
pub(crate) struct ClockGuard {
    clock: Arc<dyn WallClock>,
    started: Instant,
    /// What it showed then.
    began: UnixTime,
    /// Earliest time that `started` can have been.
    not_before: UnixTime,
}

impl ClockGuard {
    /// `last_seen`: highest time that the journal had seen before this start.
    pub(crate) fn new(clock: Arc<dyn WallClock>, last_seen: Option<UnixTime>, now: Instant) -> Self {
        let began = clock.now();
        let seen = last_seen.map_or(began, |seen| seen.max(began));
        let not_before = seen.before(MARGIN).max(UnixTime::from_secs(WRITTEN));
        Self { clock, started: now, began, not_before }
    }

    /// The time, for what does not depend on its being right.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The time, unless it can't be right.
    pub(crate) fn trusted(&self) -> Option<UnixTime> {
        self.trusted_after(self.started.elapsed())
    }

    /// What the time is by the monotonic clock, once the wall clock has been set forward since the start.
    pub(crate) fn before_jump(&self) -> Option<UnixTime> {
        self.before_jump_after(self.started.elapsed())
    }

    fn before_jump_after(&self, running: Duration) -> Option<UnixTime> {
        let expected = self.began.after(running);
        (self.clock.now() > expected.after(MARGIN)).then_some(expected)
    }

    /// The time for those who are attached: no tunnel ends because the clock was set.
    pub(crate) fn for_attached(&self) -> UnixTime {
        self.before_jump().unwrap_or_else(|| self.now())
    }

    /// The monotonic clock says how long we run: the wall clock must have gone on with it.
    fn trusted_after(&self, running: Duration) -> Option<UnixTime> {
        let now = self.clock.now();
        (now >= self.not_before.after(running)).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    #[derive(Default)]
    struct Set(AtomicI64);

    impl WallClock for Set {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(self.0.load(Relaxed))
        }
    }

    fn guard(now: i64, last_seen: Option<i64>) -> (Arc<Set>, ClockGuard) {
        let clock = Arc::new(Set(AtomicI64::new(now)));
        let last_seen = last_seen.map(UnixTime::from_secs);
        (clock.clone(), ClockGuard::new(clock, last_seen, Instant::now()))
    }

    #[test]
    fn section_4_line_43() {
        let seen = WRITTEN + 1_000_000;
        let judged =
            |now, last_seen: Option<i64>| guard(now, last_seen).1.trusted_after(Duration::ZERO).is_some();
        assert!(!judged(0, None));
        assert!(judged(WRITTEN, None));
        assert!(judged(seen - 300, Some(seen)));
        assert!(!judged(seen - 301, Some(seen)));
        assert!(!judged(WRITTEN - 1, Some(0)));
    }

    #[test]
    fn a_clock_that_is_set_back_while_we_run_is_trusted_again_once_it_is_right() {
        let (start, day) = (WRITTEN + 1_000_000, 86_400);
        let (clock, guard) = guard(start, None);
        let running = Duration::from_secs(30 * day as u64);
        let judged = |now| {
            clock.0.store(now, Relaxed);
            guard.trusted_after(running).is_some()
        };
        assert!(judged(start + 30 * day));
        assert!(!judged(start + 9 * day), "an expired certificate would count again");
        assert!(!judged(start + 30 * day - 301));
        assert!(judged(start + 30 * day - 300));
    }

    #[test]
    fn a_clock_that_is_set_forward_is_noticed_and_one_that_goes_a_little_fast_is_not() {
        let start = WRITTEN + 1_000_000;
        let (clock, guard) = guard(start, None);
        let running = Duration::from_secs(1000);
        let before_jump = |now| {
            clock.0.store(now, Relaxed);
            assert!(guard.trusted_after(running).is_some(), "not by itself");
            guard.before_jump_after(running)
        };
        assert_eq!(before_jump(start + 1001), None, "a leap second");
        assert_eq!(before_jump(start + 1300), None);
        assert_eq!(before_jump(start + 1301), Some(UnixTime::from_secs(start + 1000)));
        assert_eq!(before_jump(start + 365 * 86_400), Some(UnixTime::from_secs(start + 1000)));
        assert_eq!(before_jump(start + 1000), None, "it was set right");
    }
}
