use cmp::MAX_SKEW;
use ids::UnixTime;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The machine's clocks.
pub trait Clock {
    /// What it takes the time to be. It may say 1970.
    fn wall(&self) -> UnixTime;

    /// Since some moment that stays the same while this process runs.
    fn monotonic(&self) -> Duration;
}

/// Those of the operating system.
#[derive(Debug)]
pub struct MachineClock(Instant);

impl Default for MachineClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MachineClock {
    fn wall(&self) -> UnixTime {
        UnixTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The time as far as the unit knows it: its own clock's, until a registration authority has told it.
pub struct Time<'a> {
    clock: &'a dyn Clock,
    /// The authority's time, and when that was.
    learnt: Cell<Option<(UnixTime, Duration)>>,
}

impl<'a> Time<'a> {
    /// By the machine's clock alone.
    pub fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, learnt: Cell::new(None) }
    }

    /// The authority's time, just heard.
    pub fn learn(&self, time: UnixTime) {
        self.learnt.set(Some((time, self.clock.monotonic())));
    }

    /// The time, or what the unit's clock says.
    pub fn now(&self) -> UnixTime {
        match self.learnt.get() {
            Some((time, at)) => time.after(self.clock.monotonic().saturating_sub(at)),
            None => self.clock.wall(),
        }
    }

    /// The time, unless nobody told it and the unit's clock is behind what must have passed by now.
    pub fn known(&self, earliest: UnixTime) -> Option<UnixTime> {
        let now = self.now();
        (self.learnt.get().is_some() || now.after(MAX_SKEW) >= earliest).then_some(now)
    }
}

impl std::fmt::Debug for Time<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Time({})", self.now())
    }
}
