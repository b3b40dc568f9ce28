//! Where rows are kept: one narrow trait, and the databases behind it.

mod sqlite;

pub use sqlite::Sqlite;

pub use crate::row::SealedRow;

use events::journal::Mark;
use ids::{Epoch, NodeId, Sha256};

/// Up to which record of a node's journal rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Hash of its line; `None` where an older Truecell wrote the rows.
    pub sha256: Option<Sha256>,
}

/// The database did not do it. All of its causes are treated alike: nothing is known until it works again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A database that holds sealed rows. One writer at a time; changes stand only after `commit`.
///
/// # Errors
/// Every method: [`StoreError`], after which the transaction is rolled back.
pub trait Store: Send {
    /// Begins a transaction that keeps other writers out.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the trait")]
    fn begin(&mut self) -> Result<(), StoreError>;
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
