//! What the trust in a cell was: the last changes, each a row of its own.

use super::{CellTrust, Reading, Signal, TrustReason, TrustState};
use crate::Row;
use ids::{CellKey, UnixTime};
use serde::{Deserialize, Serialize};

/// The trust in a cell changed, or one more thing keeps it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellTrustChange {
    /// Which cell.
    pub cell: CellKey,
    /// Counts up from 1 for each cell, in the order in which they became known.
    pub number: u64,
    /// Since when: where it fell, the time of the signal, else when that became known.
    pub at: UnixTime,
    /// How it was until then.
    pub from: TrustState,
    /// How it was from then on.
    pub to: TrustState,
    /// By what.
    pub signal: Signal,
    /// When it became known.
    pub known_at: UnixTime,
    /// Up to when something was known of the cell, to the day.
    pub data_at: Option<UnixTime>,
    /// Version of the rules that said so.
    pub rules: u32,
}

impl CellTrustChange {
    /// So many of one cell are kept in rows; what was before is in the journal.
    pub const KEPT: u64 = 32;

    /// All of a cell are behind this key, and `KEPT` rows from there on are enough.
    pub(super) fn before(cell: CellKey) -> String {
        format!("{cell}/")
    }

    /// What came late keeps its place: later changes that were known before it did not know of it.
    fn is_late(&self, all: &[Self]) -> bool {
        all.iter().any(|other| other.number < self.number && other.at > self.at)
    }

    fn is_lifted_by(&self, other: &Self) -> bool {
        let (fall, lift) = (&self.signal, &other.signal);
        lift.device == fall.device && lift.kind.lifts(fall.kind) && fall.at < lift.data_at
    }
}

impl Row for CellTrustChange {
    const TABLE: &'static str = "cell_trust_change";

    fn key(&self) -> String {
        format!("{}{:02}", Self::before(self.cell), self.number % Self::KEPT)
    }
}

/// What the trust was at a time that is not after the newest change, by the changes that are kept, in any order.
pub(super) fn read(cell: CellKey, changes: &[CellTrustChange], at: UnixTime) -> Reading {
    let mut past: Vec<_> = changes.iter().filter(|change| change.at <= at).collect();
    past.sort_by_key(|change| (change.at, change.number));
    let Some(last) = past.last() else { return before(cell, changes, at) };
    let is_lifted = |fall: &CellTrustChange| past.iter().any(|other| fall.is_lifted_by(other));
    let late =
        past.iter().filter(|fall| fall.signal.kind.stays() && fall.is_late(changes) && !is_lifted(fall));
    let late = late.filter_map(|fall| Some((*fall, fall.signal.kind.rule().falls_to?)));
    let worst = late.max_by_key(|(_, state)| *state).filter(|(_, state)| *state > last.to);
    let (change, state) = worst.unwrap_or((*last, last.to));
    Reading {
        cell,
        at,
        state,
        since: Some(change.at),
        reasons: vec![TrustReason::of(&change.signal)],
        data_at: last.data_at,
        rules: change.rules,
    }
}

fn before(cell: CellKey, changes: &[CellTrustChange], at: UnixTime) -> Reading {
    let first = changes.iter().min_by_key(|change| change.number);
    match first.filter(|first| first.number > 1) {
        Some(first) => {
            let text =
                format!("rows keep the last {} changes: the journal has those before", CellTrustChange::KEPT);
            Reading::unknown(cell, at, TrustReason::word("not-kept", Some(first.at), text))
        }
        None => Reading::no_data(cell, at, "nothing was known of it yet"),
    }
}

impl CellTrust {
    /// What it was at a time, with the changes that are kept.
    pub fn read_at(&self, changes: &[CellTrustChange], at: UnixTime) -> Reading {
        let newest = changes.iter().map(|change| change.at).max();
        match newest.is_none_or(|newest| newest <= at) && self.since <= at {
            true => self.read(at),
            false => read(self.cell, changes, at),
        }
    }
}
