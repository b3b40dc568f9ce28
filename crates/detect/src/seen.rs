use crate::{
    about::About,
    finding::{Finding, FindingId, Handsets, Subject},
    handset::Handset,
    ledger_change::{Session, Unit},
    step::Step,
    timers::Timers,
    world::{CellId, FeedId, UnitId, World},
};
use ids::{CellKey, Label, SubscriberKey, UnixTime};
use records::row::{Access, Code, Gap, Ims, Row};
use serde::{Deserialize, Serialize};

/// One thing that happened, in its turn, with what was known before it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When.
    pub at: UnixTime,
    /// The row that says so.
    pub row: RowId,
    /// What.
    pub what: What<'a>,
}

/// A row, by feed and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    /// Its feed.
    pub feed: FeedId,
    /// Its number.
    pub seq: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A handset and a cell.
    Access {
        /// The row.
        row: &'a Access,
        /// Its cell.
        cell: CellId,
        /// Whether the plan of macro cells has it now.
        is_macro: bool,
        /// Where the handset was before; as new where that is not known.
        before: Handset,
        /// What it tells of where a cell is.
        step: Option<Step>,
    },
    /// A registration with IMS.
    Ims {
        /// The row.
        row: &'a Ims,
        /// Its cell, where it has one.
        cell: Option<CellId>,
        /// Whether the plan of macro cells has it now.
        is_macro: bool,
        /// Where the handset was before.
        before: Handset,
    },
    /// A one-time code was delivered.
    Code {
        /// The row.
        row: &'a Code,
        /// Its cell, where it has one.
        cell: Option<CellId>,
    },
    /// A unit's row has changed; the world has it as it is.
    Unit {
        /// Which.
        unit: UnitId,
        /// As it was.
        before: Option<&'a Unit>,
    },
    /// A unit's session came or went; the world has it as it is.
    Session {
        /// Whose.
        unit: UnitId,
        /// As it was.
        before: Option<&'a Session>,
    },
    /// Something of a feed is missing.
    Gap(&'a Gap),
    /// Anything else.
    Other(&'a Row),
}

/// What a detector does its work with: what all know, and where to say what it found.
#[derive(Debug)]
pub struct Context<'a> {
    /// What all know.
    pub world: &'a World,
    /// The time of the row or timer.
    pub now: UnixTime,
    pub(crate) owner: u8,
    pub(crate) about: &'static About,
    pub(crate) timers: &'a mut Timers,
    pub(crate) found: &'a mut Vec<Finding>,
}

/// A finding as a detector makes it; the rest follows from the world.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is about.
    pub key: Subject,
    /// What was seen, with its figures.
    pub what: String,
    /// Rows that show it, the first of them first.
    pub rows: Vec<RowId>,
    /// Cells; their units and lines come by themselves.
    pub cells: Vec<CellId>,
    /// Units beside those of the cells.
    pub units: Vec<UnitId>,
    /// How many handsets, at least, and some of them.
    pub handsets: (usize, Vec<SubscriberKey>),
    /// How sure, 0 to 100.
    pub confidence: u8,
    /// Something of its past is not known.
    pub partial: bool,
}

impl Context<'_> {
    /// Calls this detector at that time, in event time, with that key. The same time and key twice is one call.
    pub fn at(&mut self, time: UnixTime, key: u64) {
        self.timers.set(time, self.owner, key);
    }

    /// What a finding about a cell is about; `None` of a cell without a name.
    pub fn cell(&self, cell: CellId) -> Option<Subject> {
        self.world.key(cell).map(Subject::Cell)
    }

    /// Says what was found.
    pub fn find(&mut self, draft: Draft) {
        let Draft { key, what, rows, cells, mut units, handsets: (count, some), confidence, partial } = draft;
        let name = |row: &RowId| self.world.name(row.feed).map(|feed| (feed.clone(), row.seq));
        let mut evidence: Vec<(Label, u64)> = rows.iter().filter_map(name).collect();
        evidence.truncate(Finding::MOST);
        let Some(first) = evidence.first() else { return };
        units.extend(cells.iter().filter_map(|cell| self.world.unit_of(*cell)));
        units.sort_unstable();
        units.dedup();
        let rows_of_units = || units.iter().filter_map(|unit| self.world.unit(*unit)).take(Finding::MOST);
        let cells: Vec<CellKey> = cells.iter().filter_map(|cell| self.world.key(*cell)).collect();
        self.found.push(Finding {
            id: FindingId::new(self.about.id, self.about.version, &key, first),
            detector: self.about.id,
            version: self.about.version,
            at: self.now,
            key,
            what,
            cells: cells.into_iter().take(Finding::MOST).collect(),
            devices: rows_of_units().map(|state| state.unit.device).collect(),
            lines: rows_of_units().filter_map(|state| state.unit.line.clone()).collect(),
            handsets: Handsets { count: count as u64, some },
            evidence,
            confidence: confidence.min(100),
            benign: self.about.causes(),
            partial,
        });
    }
}
