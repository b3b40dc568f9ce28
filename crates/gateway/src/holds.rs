//! Sessions whose unit was seen outside the network of its access line: no packet passes, and each has so much
//! time to be back, or to authenticate anew.

use ids::SessionId;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Every hold that runs.
pub(crate) struct Holds {
    time: Duration,
    ends: HashMap<SessionId, Instant>,
}

impl Holds {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, ends: HashMap::new() }
    }

    /// The unit is outside. Another address outside does not begin it anew.
    pub(crate) fn begin(&mut self, session: SessionId, now: Instant) {
        self.ends.entry(session).or_insert(now + self.time);
    }

    /// The unit is back, or its session is over.
    pub(crate) fn end(&mut self, session: SessionId) {
        self.ends.remove(&session);
    }

    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.ends.contains_key(&session)
    }

    /// Those whose time is over.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<SessionId> {
        let due: Vec<_> = self.ends.iter().filter(|(_, end)| **end <= now).map(|(id, _)| *id).collect();
        due.iter().for_each(|id| self.end(*id));
        due
    }

    /// When the next one is over.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.ends.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Epoch;

    #[test]
    fn a_hold_has_its_time_from_the_first_address_outside_and_ends_once() {
        let (now, time) = (Instant::now(), Duration::from_secs(30));
        let [away, back] = [1, 2].map(|number| SessionId { epoch: Epoch(1), number });
        let mut holds = Holds::new(time);
        holds.begin(away, now);
        holds.begin(back, now);
        holds.begin(away, now + time / 2);
        holds.end(back);
        assert_eq!((holds.next_due(), holds.has(back)), (Some(now + time), false));
        assert_eq!(holds.due(now + time - Duration::from_millis(1)), []);
        assert_eq!(holds.due(now + time), [away]);
        assert_eq!((holds.due(now + time * 2), holds.next_due()), (vec![], None));
    }
}
