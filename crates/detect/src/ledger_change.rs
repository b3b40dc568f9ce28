use ids::{AccessLine, AccessMode, CellKey, DeviceId, LifeCycle, Position, SourceClass};
use records::row::Stamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What became of a row of the ledger, or of a session: whole before and after, at the time from which it holds.
///
/// So history can be judged again with what was known then. The ledger is a feed as any other: a change has its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerChange {
    /// When it holds from, by which feed, and its number there.
    pub stamp: Stamp,
    /// What became of what.
    pub change: Change,
}

/// What became of what: `None` before is new, `None` after is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A unit's row.
    Unit {
        /// As it was.
        before: Option<Unit>,
        /// As it is.
        after: Option<Unit>,
    },
    /// A unit's session with its lease: a tunnel that carries traffic.
    Session {
        /// As it was.
        before: Option<Session>,
        /// As it is.
        after: Option<Session>,
    },
}

/// A unit, as far as cells and handsets tell anything of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Which.
    pub device: DeviceId,
    /// Where it is in its life.
    pub state: LifeCycle,
    /// Where it is registered to be.
    pub position: Option<Position>,
    /// Behind which line.
    pub line: Option<AccessLine>,
    /// Whom it serves.
    pub mode: Option<AccessMode>,
    /// The cells that it may carry.
    pub cells: Vec<CellKey>,
}

/// A tunnel that carries a unit's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub device: DeviceId,
    /// Its inner address: what the core sees its cells speak from.
    pub inner: IpAddr,
    /// Its outer address.
    pub outer: IpAddr,
    /// The line that has the outer address, where that is known.
    pub line: Option<AccessLine>,
    /// The kind of network that it is in, where that is known.
    pub class: Option<SourceClass>,
}
