//! Where rows are kept: one narrow trait, and the databases behind it.

mod sqlite;

pub use sqlite::Sqlite;

pub use crate::row::SealedRow;

use events::journal::Mark;
use ids::{Epoch, NodeId, Sha256};
use std::{collections::BTreeSet, ops::Range};

/// Up to which record of a node's journal rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Hash of its line; `None` where an older Truecell wrote the rows.
    pub sha256: Option<Sha256>,
}

/// One value that a row is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Key of the row.
    pub key: String,
    /// What the value is.
    pub name: String,
    /// The value.
    pub value: String,
}

/// The database did not do it. All of its causes are treated alike: nothing is known until it works again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct StoreError {
    why: String,
    next: &'static str,
}

impl StoreError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        let next = "see that its disk has room and that nobody else holds it, and try again";
        Self { why: why.into(), next }
    }

    /// The file is not what was written: waiting does not help, and nothing of it is needed.
    pub(crate) fn damaged(why: impl Into<String>) -> Self {
        let next = "stop `serve`, move `ledger.sqlite*` away and start: the ledger is made anew from the journal, and \
                    nothing is lost";
        Self { why: why.into(), next }
    }

    /// The file is that of another version, and says so.
    pub(crate) fn of_newer(why: impl Into<String>) -> Self {
        Self { why: why.into(), next: "leave the file as it is" }
    }

    /// What a person does about it.
    pub fn next(&self) -> &'static str {
        self.next
    }
}

/// A database that holds sealed rows. One writer at a time; changes stand only after `commit`.
///
/// # Errors
/// Every method: [`StoreError`], after which the transaction is rolled back.
pub trait Store: Send {
    /// Begins a transaction that keeps other writers out.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Everything is read as it is now until [`Self::roll_back`], for one look at the files of the database.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn begin_reading(&mut self) -> Result<(), StoreError>;
    /// Makes all changes since `begin` stand, or none.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Undoes all changes since `begin`; nothing to do outside a transaction.
    fn roll_back(&mut self);

    /// One row.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn get(&mut self, table: &str, key: &str) -> Result<Option<SealedRow>, StoreError>;
    /// Writes a row, in place of the one with its key, with the values that it is found by. `fed`: the
    /// change feed names it.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn put(
        &mut self,
        row: &SealedRow,
        entries: &[(&'static str, String)],
        fed: bool,
    ) -> Result<(), StoreError>;
    /// Removes a row, if it is there.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn remove(&mut self, table: &str, key: &str) -> Result<(), StoreError>;
    /// Writes the values that a row is found by, in place of those that there are.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn put_entries(
        &mut self,
        table: &str,
        key: &str,
        entries: &[(&'static str, String)],
    ) -> Result<(), StoreError>;
    /// Every table that has a row, or an entry of one.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn tables(&mut self) -> Result<BTreeSet<String>, StoreError>;
    /// The values that rows of a table are found by, behind `after`, in the order of key, name and value.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn entries(&mut self, table: &str, after: &Entry, limit: usize) -> Result<Vec<Entry>, StoreError>;
    /// Rows with keys behind `after`, in order.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn page(&mut self, table: &str, after: &str, limit: usize) -> Result<Vec<SealedRow>, StoreError>;
    /// The row with the last key.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn last(&mut self, table: &str) -> Result<Option<SealedRow>, StoreError>;
    /// Rows found by another value, keys behind `after`, in order.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn find(
        &mut self,
        table: &str,
        name: &str,
        value: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SealedRow>, StoreError>;
    /// Rows found by a value of that name behind `after`, a value and a key, up to `last` and with it; each with that value,
    /// in the order of value and key.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn find_up_to(
        &mut self,
        table: &str,
        name: &str,
        after: (&str, &str),
        last: &str,
        limit: usize,
    ) -> Result<Vec<(String, SealedRow)>, StoreError>;
    /// How many rows have a value of that name from `first` to `last` and with both, by `part` of it, in its order: its octets
    /// are ASCII.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn count_by(
        &mut self,
        table: &str,
        name: &str,
        first: &str,
        last: &str,
        part: Range<usize>,
    ) -> Result<Vec<(String, u64)>, StoreError>;
    /// The highest value of that name, up to `limit` and with it.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn last_entry(&mut self, table: &str, name: &str, limit: &str) -> Result<Option<String>, StoreError>;
    /// How many rows have a value of that name before `first` or behind `last`, and the key of one; `None` when none
    /// has.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn outside(
        &mut self,
        table: &str,
        name: &str,
        first: &str,
        last: &str,
    ) -> Result<Option<(u64, String)>, StoreError>;

    /// The nodes whose journals explain rows.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn nodes(&mut self) -> Result<Vec<NodeId>, StoreError>;
    /// Up to which record of a node's journal the rows are written.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn applied(&mut self, node: &NodeId) -> Result<Applied, StoreError>;
    /// Sets it, unless it is further on.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn set_applied(&mut self, node: &NodeId, mark: &Mark) -> Result<(), StoreError>;
    /// The next epoch of a node.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn next_epoch(&mut self, node: &NodeId) -> Result<Epoch, StoreError>;
    /// The next epoch of a node is at least this one; returns which.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn skip_epochs(&mut self, node: &NodeId, at_least: Epoch) -> Result<Epoch, StoreError>;

    /// What is written now will be found again: nothing behind the database is gone, damaged or full.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn check(&mut self) -> Result<(), StoreError>;

    /// Another connection, for reading beside the writer.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn reader(&self) -> Result<Box<dyn Store>, StoreError>;
    /// The same, reading what is committed now for as long as it lives, whatever is written meanwhile.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn snapshot(&self) -> Result<Box<dyn Store>, StoreError>;
}
