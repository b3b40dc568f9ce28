mod cells;
mod gaps;
mod units;

pub use cells::{Cell, CellId, Site};
pub use gaps::Gaps;
pub use units::{UnitId, UnitState};

use crate::{
    feed::Feed,
    handset::{Handset, HandsetTable, Slot},
    ledger_change::Unit,
};
use cells::Cells;
use ids::{CellKey, Label, Position, SubscriberKey, UnixTime};
use records::row::Access;
use serde::{Deserialize, Serialize};
use std::{hint::black_box, net::IpAddr};
use units::Units;

/// What an engine is set up for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Rows from before are late.
    pub start: UnixTime,
    /// The feeds that there are, 64 at most: rows of others are refused, as nobody could say what they lack.
    pub feeds: Vec<Feed>,
    /// What is kept at most.
    pub bounds: Bounds,
}

/// What is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Handsets, 41 octets each.
    pub handsets: usize,
    /// Cells of any kind, some 120 octets each: rows of cells beyond it are counted and not judged.
    pub cells: usize,
    /// Rows that wait for their turn, some 160 octets each: beyond it the earliest are judged before their time, and counted.
    pub waiting: usize,
}

/// A feed, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeedId(pub(crate) u8);

/// What all detectors know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    start: UnixTime,
    names: Vec<Label>,
    pub(crate) cells: Cells,
    pub(crate) units: Units,
    pub(crate) handsets: HandsetTable,
    pub(crate) gaps: Gaps,
    pub(crate) knows_macro_rows: bool,
}

/// What was found of an access record before its turn: cells stay where they are, a handset may be elsewhere by then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) cell: Option<CellId>,
    pub(crate) handset: Option<Slot>,
    /// Where the handset was.
    before: Option<CellId>,
}

impl Ahead {
    pub(crate) fn cells(self) -> impl Iterator<Item = CellId> {
        self.cell.into_iter().chain(self.before)
    }
}

impl Default for Bounds {
    /// For a carrier of 10 million handsets and a million cells.
    fn default() -> Self {
        Self { handsets: 12_000_000, cells: 1_000_000, waiting: 2_000_000 }
    }
}

impl Setup {
    /// Feeds in the order of their names, each once: what numbers of feeds stand for.
    pub(crate) fn in_order(mut self) -> Self {
        self.feeds.sort_by(|a, b| a.name.cmp(&b.name));
        self.feeds.dedup_by(|a, b| a.name == b.name);
        self.feeds.truncate(64);
        self
    }
}

impl World {
    pub(crate) fn new(setup: &Setup, names: Vec<Label>) -> Self {
        Self {
            start: setup.start,
            names,
            cells: Cells::new(setup.bounds.cells),
            units: Units::default(),
            handsets: HandsetTable::new(setup.bounds.handsets),
            gaps: Gaps::default(),
            knows_macro_rows: false,
        }
    }

    /// Whole seconds since the engine's start.
    pub fn secs(&self, at: UnixTime) -> u32 {
        u32::try_from(at.secs() - self.start.secs()).unwrap_or(0)
    }

    /// How long the engine has seen rows.
    pub fn watched(&self, now: UnixTime) -> std::time::Duration {
        now.since(self.start)
    }

    /// A cell's name.
    pub fn key(&self, cell: CellId) -> Option<CellKey> {
        self.cells.get(cell).map(|cell| cell.key)
    }

    /// The unit that may carry a cell.
    pub fn unit_of(&self, cell: CellId) -> Option<UnitId> {
        self.cells.get(cell).and_then(|cell| cell.unit)
    }

    /// What is known of a unit.
    pub fn unit(&self, unit: UnitId) -> Option<&UnitState> {
        self.units.get(unit)
    }

    /// The unit that has an inner address now.
    pub fn at_inner(&self, inner: IpAddr) -> Option<UnitId> {
        self.units.at_inner(inner)
    }

    /// Whether sessions are told at all.
    pub fn knows_sessions(&self) -> bool {
        self.units.knows_sessions
    }

    /// Whether the plan of macro cells is told at all.
    pub fn knows_plan(&self) -> bool {
        self.cells.knows_plan
    }

    /// Whether access records of macro cells are told at all.
    pub fn knows_macro_rows(&self) -> bool {
        self.knows_macro_rows
    }

    /// Whether the ledger tells of any unit.
    pub fn knows_units(&self) -> bool {
        !self.units.is_empty()
    }

    /// Where a macro cell is at that time, by the plan; `None` of any other cell.
    pub fn macro_site(&self, cell: CellId, now: UnixTime) -> Option<Site> {
        self.cells.get(cell).filter(|cell| cell.unit.is_none()).and_then(|cell| cell.planned(now))
    }

    /// The cells that units may carry.
    pub fn cells_of_units(&self) -> impl Iterator<Item = CellKey> {
        self.cells.all().filter(|cell| cell.unit.is_some()).map(|cell| cell.key)
    }

    /// The cells that the plan of macro cells has, or had.
    pub fn cells_of_plan(&self) -> impl Iterator<Item = CellKey> {
        self.cells.all().filter(|cell| cell.is_planned()).map(|cell| cell.key)
    }

    /// Whether a cell is in the plan of macro cells at that time, and no unit's.
    pub fn is_macro(&self, cell: CellId, now: UnixTime) -> bool {
        self.macro_site(cell, now).is_some()
    }

    /// Where a unit is registered to be.
    pub fn home_of(&self, cell: CellId) -> Option<Position> {
        self.unit_of(cell).and_then(|unit| self.unit(unit)).and_then(|state| state.unit.position)
    }

    /// The ledger's row of the unit that may carry a cell.
    pub fn ledger_of(&self, cell: CellId) -> Option<&Unit> {
        self.unit_of(cell).and_then(|unit| self.unit(unit)).map(|state| &state.unit)
    }

    /// Whether somebody was told to move or fetch the cell's unit at about that time.
    pub fn is_booked(&self, cell: CellId, now: UnixTime) -> bool {
        self.unit_of(cell).is_some_and(|unit| self.is_unit_booked(unit, now))
    }

    /// Whether somebody was told to install, move or fetch a unit at about that time.
    pub fn is_unit_booked(&self, unit: UnitId, now: UnixTime) -> bool {
        self.unit(unit).is_some_and(|state| self.units.is_booked(state.unit.device, now))
    }

    /// What a row needs that comes soon, found before its turn.
    pub(crate) fn glance(&self, access: &Access) -> Ahead {
        black_box(access.inner.and_then(|inner| self.at_inner(inner)));
        let handset = self.handsets.find(access.subscriber);
        let before = handset.and_then(|slot| self.handsets.at(slot)).map(|handset| handset.cell);
        Ahead { cell: self.cells.find(access.cell), handset, before }
    }

    /// What is known of a cell of which a row comes soon.
    pub(crate) fn glance_at(&self, cell: CellId) {
        let state = self.unit_of(cell).and_then(|unit| self.unit(unit));
        black_box(state.map(|state| (state.unit.position, state.since, state.session_at)));
    }

    /// Cells and handsets that are known, and rows of cells for which there was no room.
    pub fn sizes(&self) -> (usize, usize, u64) {
        (self.cells.len(), self.handsets.len(), self.cells.beyond)
    }

    /// Where a subscriber's handset was last.
    pub fn handset(&self, subscriber: SubscriberKey) -> Option<Handset> {
        self.handsets.get(subscriber)
    }

    /// Whether what was known of a subscriber's handset was evicted.
    pub fn is_forgotten(&self, subscriber: SubscriberKey) -> bool {
        self.handsets.is_forgotten(subscriber)
    }

    /// What is known to be missing.
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// A feed's name.
    pub fn name(&self, feed: FeedId) -> Option<&Label> {
        self.names.get(usize::from(feed.0))
    }
}
