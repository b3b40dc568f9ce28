//! Misuse seen from inside the network: rows of what cells and handsets did go in, findings come out.
//!
//! Sans-IO: no clock, thread, socket or file. Time is event time, as rows carry it; whoever drives the [`Engine`] reads feeds, keeps late
//! rows aside, writes findings and checkpoints. So the same code judges live, again over history, and in the lab, and comes to the same.
//!
//! - **Order.** Rows arrive late, twice and mixed. The engine puts them in order of (time, feed, number) and hands them on once no feed
//!   can bring an earlier one: each feed has a bounded lateness, and one that is silent for too long stops holding the others back and
//!   leaves a gap, which is a row itself. So findings depend on the set of rows, never on the order of their arrival.
//! - **What all know** is in [`World`]: units and sessions as the ledger's events tell them, the plan of macro cells, where each handset
//!   was last. **What one detector knows** is in its own [`Keyed`] state, bounded in keys and per key. Where a bound is reached what was
//!   touched longest ago goes, by event time and key alone, and what begins after that under the same key is marked partial.
//! - **Absence and sequence** are timers in event time, which fire between rows exactly where they belong.
//! - **A detector** is one file: what it sees, the honest causes that look like it, why each threshold is what it is, what it remembers
//!   ([`About`]). docs/detectors.md has these for people and is held to the code.
//! - **A checkpoint** is the whole state in octets, the same for the same input. With what was fed after it the engine goes on as if
//!   nothing had been: a finding's id comes from its detector, key and first row, so nothing is lost and nothing is said twice.

mod about;
mod checkpoint;
pub mod detectors;
mod engine;
mod feed;
mod few;
mod finding;
mod forgotten;
mod handset;
mod keyed;
mod ledger_change;
mod reorder;
mod seen;
mod seqs;
mod step;
mod timers;
mod world;

pub use about::{About, Benign, Memory, Threshold};
pub use checkpoint::BadCheckpoint;
pub use detectors::ABOUT;
pub use engine::{Counts, Engine, Input, Taken};
pub use feed::{Feed, FeedCounts};
pub use few::Few;
pub use finding::{Finding, FindingId, Handsets, Subject};
pub use handset::{Handset, HandsetTable, Protection};
pub use keyed::{Dense, Entry, Hashed, Index, Key, Keyed};
pub use ledger_change::{Change, LedgerChange, Session, Unit};
pub use seen::{Context, Draft, RowId, Seen, What};
pub use step::Step;
pub use world::{Bounds, Cell, CellId, FeedId, Gaps, Setup, Site, UnitId, UnitState, World};
