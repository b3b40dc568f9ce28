use crate::{LedgerError, row::SealedRow};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// The highest revision of every row that this process has read or written, so that none is ever taken
/// back unnoticed. 16 octets a row.
#[derive(Default)]
pub(crate) struct Seen {
    hasher: RandomState,
    revisions: HashMap<u64, u64>,
}

impl Seen {
    /// # Errors
    /// [`LedgerError::Tampered`] when the row is older than one seen before.
    pub(crate) fn check(&mut self, row: &SealedRow) -> Result<(), LedgerError> {
        let highest =
            self.revisions.entry(self.hasher.hash_one((row.table.as_str(), row.key.as_str()))).or_default();
        if row.revision < *highest {
            let (table, key) = (row.table.clone(), row.key.clone());
            return Err(LedgerError::Tampered { table, key, why: "it was rolled back to an older revision" });
        }
        *highest = row.revision;
        Ok(())
    }

    /// The row is gone: the next one with its key begins anew.
    pub(crate) fn forget(&mut self, table: &str, key: &str) {
        self.revisions.remove(&self.hasher.hash_one((table, key)));
    }
}
