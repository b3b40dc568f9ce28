//! Sessions that were found out and go on for a while, as an emergency call goes on there.
//!
//! What says that a call goes on comes from the box itself, so it buys no more than one wait: a session waits once, and its
//! unit once in [`AGAIN`], as a copy that is ended may come again. It is kept in memory: sessions do not outlive a start.

use ids::{DeviceId, SessionId};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A unit's next session does not wait within this after one did.
pub(super) const AGAIN: Duration = Duration::from_secs(3600);

/// Who waits, and who did lately.
#[derive(Default)]
pub(super) struct Calls {
    waits: HashMap<DeviceId, Wait>,
}

struct Wait {
    session: SessionId,
    until: Instant,
    is_over: bool,
}

impl Calls {
    /// Whether this session waits now.
    pub(super) fn waits(&self, device: DeviceId, session: SessionId, now: Instant) -> bool {
        self.waits.get(&device).is_some_and(|wait| wait.session == session && wait.goes_on(now))
    }

    /// Whether it may begin to wait.
    pub(super) fn may_begin(&self, device: DeviceId, session: SessionId, now: Instant) -> bool {
        self.waits.get(&device).is_none_or(|wait| wait.session != session && now >= wait.until + AGAIN)
    }

    /// It waits from now on.
    pub(super) fn begin(&mut self, device: DeviceId, session: SessionId, until: Instant, now: Instant) {
        self.waits.retain(|_, wait| now < wait.until + AGAIN);
        self.waits.insert(device, Wait { session, until, is_over: false });
    }

    /// Units of those whose wait is over by time, or as their call is; each once.
    pub(super) fn over(&mut self, now: Instant, call_goes_on: impl Fn(SessionId) -> bool) -> Vec<DeviceId> {
        let waiting = self.waits.iter_mut().filter(|(_, wait)| !wait.is_over);
        let over = waiting.filter(|(_, wait)| now >= wait.until || !call_goes_on(wait.session));
        let each = over.map(|(device, wait)| {
            (wait.is_over, wait.until) = (true, wait.until.min(now));
            *device
        });
        each.collect()
    }
}

impl Wait {
    fn goes_on(&self, now: Instant) -> bool {
        !self.is_over && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Epoch;

    const UNIT: DeviceId = DeviceId::eui48([2; 6]);

    #[test]
    fn a_session_waits_once_and_its_unit_once_in_an_hour() {
        let (mut calls, start) = (Calls::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let [first, second] = [1, 2].map(|number| SessionId { epoch: Epoch(1), number });
        assert!(calls.may_begin(UNIT, first, start));
        calls.begin(UNIT, first, at(900), start);
        assert!(calls.waits(UNIT, first, at(899)) && !calls.waits(UNIT, second, at(1)));
        assert!(!calls.may_begin(UNIT, first, at(1)));
        assert_eq!(calls.over(at(10), |_| true), []);
        assert_eq!(calls.over(at(10), |_| false), [UNIT], "the call is over");
        assert_eq!(calls.over(at(11), |_| false), []);
        assert!(!calls.waits(UNIT, first, at(12)) && !calls.may_begin(UNIT, first, at(9999)));
        assert!(!calls.may_begin(UNIT, second, at(3609)));
        assert!(calls.may_begin(UNIT, second, at(3610)));
        calls.begin(UNIT, second, at(4510), at(3610));
        assert_eq!(calls.over(at(4510), |_| true), [UNIT], "that was the longest");
    }
}
