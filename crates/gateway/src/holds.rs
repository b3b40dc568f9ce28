//! Sessions whose unit was seen outside the network of its access line, or at an address that nobody has judged yet:
//! no packet passes. Outside, each has so much time to be back, or to authenticate anew.

use crate::OffLine;
use ids::{SessionId, UnixTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A hold as people and programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Why.
    pub why: HeldWhy,
    /// When the session ends, unless it is over by then; `None` as long as nobody can judge the address.
    pub until: Option<UnixTime>,
}

/// Why a session is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldWhy {
    /// The unit is outside the network of its access line.
    OffLine,
    /// The unit has another address, and whether that is on its line is not known yet.
    NotJudged,
}

/// Every hold that runs.
pub(crate) struct Holds {
    policy: OffLine,
    time: Duration,
    /// `None`: until the unit's address is judged.
    ends: HashMap<SessionId, Option<Instant>>,
}

impl Holds {
    pub(crate) fn new(policy: OffLine, time: Duration) -> Self {
        Self { policy, time, ends: HashMap::new() }
    }

    /// Other terms from now on. Returns those who are held under the old ones, and are not to be any more.
    pub(crate) fn set(&mut self, policy: OffLine, time: Duration) -> Vec<SessionId> {
        (self.policy, self.time) = (policy, time);
        if policy == OffLine::Keep { self.ends.keys().copied().collect() } else { Vec::new() }
    }

    /// Whoever is outside is held.
    pub(crate) fn are_kept(&self) -> bool {
        self.policy != OffLine::Keep
    }

    /// The unit has another address. Returns whether it is held until that is judged, which lasts as long as the
    /// ledger is out of reach.
    pub(crate) fn ask(&mut self, session: SessionId) -> bool {
        if self.are_kept() {
            self.ends.entry(session).or_insert(None);
        }
        self.are_kept()
    }

    /// The unit is outside. Another address outside does not begin it anew.
    pub(crate) fn begin(&mut self, session: SessionId, now: Instant) {
        self.ends.entry(session).or_insert(None).get_or_insert(now + self.time);
    }

    /// The unit is back, or its session is over.
    pub(crate) fn end(&mut self, session: SessionId) {
        self.ends.remove(&session);
    }

    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.ends.contains_key(&session)
    }

    /// As it is shown; `now` and `wall` are the same moment.
    pub(crate) fn of(&self, session: SessionId, now: Instant, wall: UnixTime) -> Option<Held> {
        let end = *self.ends.get(&session)?;
        let until = end.map(|end| wall.after(end.saturating_duration_since(now)));
        Some(Held { why: if end.is_some() { HeldWhy::OffLine } else { HeldWhy::NotJudged }, until })
    }

    /// Those whose time is over.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<SessionId> {
        let is_due = |end: &Option<Instant>| end.is_some_and(|end| end <= now);
        let due: Vec<_> = self.ends.iter().filter(|(_, end)| is_due(end)).map(|(id, _)| *id).collect();
        due.iter().for_each(|id| self.end(*id));
        due
    }

    /// When the next one is over.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.ends.values().flatten().min().copied()
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
        let mut holds = Holds::new(OffLine::Hold, time);
        holds.begin(away, now);
        holds.begin(back, now);
        holds.begin(away, now + time / 2);
        holds.end(back);
        assert_eq!((holds.next_due(), holds.has(back)), (Some(now + time), false));
        assert_eq!(holds.due(now + time - Duration::from_millis(1)), []);
        assert_eq!(holds.due(now + time), [away]);
        assert_eq!((holds.due(now + time * 2), holds.next_due()), (vec![], None));
    }

    #[test]
    fn who_is_held_under_terms_that_hold_nobody_is_let_go() {
        let (now, time) = (Instant::now(), Duration::from_secs(30));
        let [away, asked] = [1, 2].map(|number| SessionId { epoch: Epoch(1), number });
        let mut holds = Holds::new(OffLine::Hold, time);
        holds.begin(away, now);
        holds.ask(asked);
        assert_eq!(holds.set(OffLine::Close, time * 2), []);
        let mut released = holds.set(OffLine::Keep, time);
        released.sort();
        assert_eq!((released, holds.are_kept()), (vec![away, asked], false));
    }

    #[test]
    fn an_address_that_is_not_judged_has_no_time_until_it_is_found_to_be_outside() {
        let (now, time) = (Instant::now(), Duration::from_secs(30));
        let session = SessionId { epoch: Epoch(1), number: 1 };
        let mut holds = Holds::new(OffLine::Close, time);
        assert!(holds.ask(session) && holds.has(session));
        let wall = UnixTime::from_secs(1_000);
        let not_judged = Held { why: HeldWhy::NotJudged, until: None };
        assert_eq!(holds.of(session, now, wall), Some(not_judged));
        assert_eq!((holds.due(now + time * 9), holds.next_due()), (vec![], None));
        holds.begin(session, now);
        assert!(holds.ask(session), "and another one");
        let off_line = Held { why: HeldWhy::OffLine, until: Some(UnixTime::from_secs(1_020)) };
        assert_eq!(holds.of(session, now + Duration::from_secs(10), wall), Some(off_line));
        assert_eq!(holds.next_due(), Some(now + time));
        assert!(!Holds::new(OffLine::Keep, time).ask(session));
    }
}
