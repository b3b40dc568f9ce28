//! Sessions whose unit is not on its line, or of whom nobody knows: the feed of lines is behind them.

use super::Registrar;
use crate::{
    OffLine,
    evidence::{self, Known},
    hand_off::{Answer, Why},
};
use admission::{Evidence, Missing};
use ids::{AccessLine, SessionId};
use ledger::Device;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Bound::{Excluded, Unbounded},
};

/// Sessions looked at in a second, whether the feed says something else of where they are.
const LOOKED_AT: usize = 2_000;

/// Where one was when it was looked at last.
pub(super) struct Place {
    /// The unit's line.
    pub(super) own: Option<AccessLine>,
    /// Whose line its address is instead, if anybody knows.
    pub(super) seen: Option<AccessLine>,
}

/// Each of them.
#[derive(Default)]
pub(super) struct Away {
    places: BTreeMap<SessionId, Place>,
    /// The last that was looked at.
    seen: Option<SessionId>,
}

impl Away {
    pub(super) fn insert(&mut self, session: SessionId, place: Place) {
        self.places.insert(session, place);
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        self.places.remove(&session);
    }

    /// Those whose turn it is: all of them in turn, [`LOOKED_AT`] at once.
    pub(super) fn take_turn(&mut self) -> impl Iterator<Item = (SessionId, &Place)> {
        let behind = self.seen.map_or(Unbounded, Excluded);
        let turn: Vec<_> = self.places.range((behind, Unbounded)).take(LOOKED_AT).collect();
        self.seen = turn.last().filter(|_| turn.len() == LOOKED_AT).map(|(session, _)| **session);
        turn.into_iter().map(|(session, place)| (*session, place))
    }
}

impl Registrar {
    /// Whether an address is on the unit's line; `None` when nobody knows.
    pub(super) fn is_on_line(&self, known: &Known, to: SocketAddr) -> Option<bool> {
        let line = known.device.as_ref()?.access_line.as_ref()?;
        let here = evidence::outer(to, known, &*self.outside.origins, self.clock.for_attached());
        here.is_behind(line).or_else(|| known.line.as_ref()?.covers(to.ip()))
    }

    /// The feed of lines is behind the units that move: whoever is away is judged anew once it says something else.
    pub(super) fn look_for_away(&mut self) {
        let (now, origins, sessions) = (self.clock.for_attached(), &self.outside.origins, &self.sessions);
        let away = self.away.take_turn().filter_map(|(id, place)| Some((sessions.get(id)?, place)));
        let other = away.filter(|(session, Place { own, seen })| {
            origins.line(session.outer(), own.as_ref(), now).value() != seen.as_ref()
        });
        self.reviews.extend(other.map(|(session, _)| session.device));
    }

    /// Who is let in while the feed does not know whose line its address is, is judged anew once it does.
    pub(super) fn watch_line(
        &mut self,
        session: SessionId,
        line: &Evidence<AccessLine>,
        unit: Option<&Device>,
    ) {
        match line {
            Evidence::Missing(Missing::NoRecord | Missing::Stale | Missing::Doubtful) => {
                self.watch(session, None, unit);
            }
            Evidence::Missing(Missing::NotGathered | Missing::NotSent) | Evidence::Known(_) => {
                self.away.remove(session);
            }
        }
    }

    /// It is looked at again once the feed says something else than `seen` of where it is.
    pub(super) fn watch(&mut self, session: SessionId, seen: Option<AccessLine>, unit: Option<&Device>) {
        let own = unit.and_then(|unit| unit.access_line.clone());
        self.away.insert(session, Place { own, seen });
    }

    /// A unit is outside the network of its line, or is not known to be.
    pub(super) fn seen_at(&self, session: SessionId, outside: bool) {
        match (self.terms.off_line, outside) {
            (OffLine::Hold, outside) => self.answer(Answer::Line { session, outside }),
            (OffLine::Close, true) => self.answer(Answer::End { session, why: Why::LeftLine }),
            (OffLine::Close, false) => self.answer(Answer::Line { session, outside: false }),
            (OffLine::Keep, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Epoch;

    #[test]
    fn each_second_so_many_of_them_are_looked_at_and_none_is_left_out() {
        let (mut away, all) = (Away::default(), 2 * LOOKED_AT as u64 + 10);
        let session = |number| SessionId { epoch: Epoch(1), number };
        (0..all).for_each(|number| away.insert(session(number), Place { own: None, seen: None }));
        let mut turns: Vec<Vec<_>> = Vec::new();
        for _ in 0..4 {
            turns.push(away.take_turn().map(|(session, _)| session.number).collect());
        }
        assert_eq!(turns.iter().map(Vec::len).collect::<Vec<_>>(), [LOOKED_AT, LOOKED_AT, 10, LOOKED_AT]);
        assert!(turns[..3].concat().into_iter().eq(0..all));
        assert_eq!(turns[3], turns[0]);
        away.remove(session(LOOKED_AT as u64));
        assert_eq!(away.take_turn().next().map(|(session, _)| session.number), Some(LOOKED_AT as u64 + 1));
    }
}
