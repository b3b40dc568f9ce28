//! Sessions whose unit is not on its line, or of whom nobody knows: the feed of lines is behind them.

use ids::{AccessLine, SessionId};
use std::{
    collections::BTreeMap,
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
