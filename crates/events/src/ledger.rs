//! What changes in the ledger. The event stands before the row: a row that no event explains is
//! forged, a transaction without its rows is finished at the next start. Which changes stand, [`Changes`] says.

mod changes;

pub use changes::Changes;

use crate::record::{Recorded, recorded};
use ids::{UnixTime, number_as_text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// A row of the ledger takes a new value, once its transaction is [`Committed`]. In version 1 it stands by itself.
/// Rows are JSON: whoever writes it has them as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowChanged<Row = Value> {
    /// Kind of row: `device`, `credential`, `line`, `pair`, `order`, `incident` and others.
    pub table: String,
    /// Its key within the table.
    pub key: String,
    /// Of the new value; counts up from 1 by one.
    #[serde(with = "number_as_text")]
    pub revision: u64,
    /// The row before; `None` when it is new.
    pub before: Option<Row>,
    /// The row from now on; `None` when it is removed.
    pub after: Option<Row>,
    /// Who did it: a person, or the part of Truecell.
    pub by: String,
    /// Why.
    pub why: String,
    /// Who approved, where the move needs it.
    pub approver: Option<String>,
    /// Since when it holds.
    pub effective_at: UnixTime,
}

/// A transaction of the ledger stands: all rows that changed from record `from` up to this one. There is one writer, so
/// a [`RowChanged`] that no such record covers is of a transaction that was given up, or cut off: it never happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Its first record.
    #[serde(with = "number_as_text")]
    pub from: u64,
}

/// The ledger was opened: a new epoch of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The new epoch.
    #[serde(with = "number_as_text")]
    pub epoch: u64,
    /// Half-done moves that were finished now: `<table> <key>`.
    pub finished: Vec<String>,
}

/// What the rows of a table are found by did not fit them: somebody wrote to the database. It is written anew from the
/// rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexMended {
    /// Which table.
    pub table: String,
    /// Of how many rows, also of such as are not there.
    #[serde(with = "number_as_text")]
    pub rows: u64,
    /// Keys of some.
    pub examples: Vec<String>,
}

/// Somebody takes a copy of the node's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupBegun {
    /// Where to, as they named it.
    pub to: String,
    /// Its private keys go with it.
    pub with_keys: bool,
    /// Who.
    pub by: String,
}

impl Recorded for RowChanged<Box<RawValue>> {
    const KIND: &'static str = <RowChanged>::KIND;
    const V: u16 = <RowChanged>::V;
}

recorded! {
    RowChanged => "ledger.row_changed" v 2,
    Committed => "ledger.committed",
    Opened => "ledger.opened",
    IndexMended => "ledger.index_mended",
    BackupBegun => "ledger.backup_begun",
}
