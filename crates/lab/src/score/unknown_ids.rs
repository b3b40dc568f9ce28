//! The method of the case's carrier: cell identities in access records that no register has, looked for in batch.
//!
//! It is run here at each midnight over all that has arrived, which is far better than once in 11 months. It cannot find a cell that a
//! register has: one of a unit in service that is carried elsewhere as well, or that of a lost unit.

use super::said::Said;
use crate::scenario::Truth;
use detect::{Change, Input};
use ids::{CellKey, UnixTime};
use records::row::Row;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Its name.
pub const UNKNOWN_IDS: &str = "unknown-ids-in-batch";

const DAY_S: i64 = 86_400;

/// The batch, between its runs.
#[derive(Default)]
pub(super) struct UnknownIds {
    day: i64,
    /// Cells that a unit of the ledger has, or had.
    pub(super) registered: BTreeSet<CellKey>,
    planned: BTreeSet<CellKey>,
    /// Records of each cell since the last run.
    records: HashMap<CellKey, u64>,
    found: Vec<(UnixTime, CellKey, u64)>,
}

impl UnknownIds {
    /// Something arrives.
    pub(super) fn see(&mut self, arrives: UnixTime, input: &Input) {
        let day = arrives.secs().div_euclid(DAY_S);
        if day != self.day {
            self.run(UnixTime::from_secs(day * DAY_S));
            self.day = day;
        }
        match input {
            Input::Row(Row::Access(access)) => *self.records.entry(access.cell).or_insert(0) += 1,
            Input::Row(Row::MacroCell(of)) => {
                self.planned.insert(of.cell);
            }
            Input::Ledger(change) => match &change.change {
                Change::Unit { after, .. } => {
                    self.registered.extend(after.iter().flat_map(|unit| &unit.cells))
                }
                Change::Session { .. } => {}
            },
            Input::Row(_) | Input::Watermark { .. } => {}
        }
    }

    fn run(&mut self, now: UnixTime) {
        let (registered, planned) = (&self.registered, &self.planned);
        let is_known = |cell: &CellKey| registered.contains(cell) || planned.contains(cell);
        let unknown: BTreeMap<_, _> = self.records.drain().filter(|(cell, _)| !is_known(cell)).collect();
        self.found.extend(unknown.into_iter().map(|(cell, records)| (now, cell, records)));
    }

    /// The last run, and what all found.
    pub(super) fn finish(&mut self, ends: UnixTime, truth: &Truth) -> Vec<Said> {
        self.run(ends);
        let said = |(told, cell, records): &(UnixTime, CellKey, u64)| {
            let what = format!("{records} access records of a cell that no register has");
            Said::cell(UNKNOWN_IDS, *told, *cell, what, truth)
        };
        self.found.iter().map(said).collect()
    }
}
