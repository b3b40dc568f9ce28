use crate::{LedgerError, row::SealedRow};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// The highest revision of every row that this process has read, or written and committed, so that none
/// is ever taken back unnoticed. 16 octets a row.
#[derive(Default)]
pub(crate) struct Seen {
    hasher: RandomState,
    revisions: HashMap<u64, u64>,
    /// What the transaction under way has written; `None` for what it removed.
    written: HashMap<u64, Option<u64>>,
}

impl Seen {
    /// # Errors
    /// [`LedgerError::Tampered`] when the row is older than one seen before.
    pub(crate) fn read(&mut self, row: &SealedRow) -> Result<(), LedgerError> {
        let name = self.name(&row.table, &row.key);
        if let Some(written) = self.written.get(&name) {
            return not_below(written.unwrap_or(0), row);
        }
        let highest = self.revisions.entry(name).or_default();
        not_below(*highest, row)?;
        *highest = row.revision;
        Ok(())
    }

    /// # Errors
    /// [`LedgerError::Tampered`] when there was such a row, and nobody here removed it.
    pub(crate) fn read_none(&self, table: &str, key: &str) -> Result<(), LedgerError> {
        let name = self.name(table, key);
        let stands = self.written.get(&name).map_or(self.revisions.contains_key(&name), Option::is_some);
        if !stands {
            return Ok(());
        }
        let (table, key) = (table.to_owned(), key.to_owned());
        Err(LedgerError::Tampered { table, key, why: "it was removed" })
    }

    /// The highest revision of a row that was read or written here; 0 for none.
    pub(crate) fn highest(&self, table: &str, key: &str) -> u64 {
        let name = self.name(table, key);
        let written = self.written.get(&name).copied().flatten();
        written.or_else(|| self.revisions.get(&name).copied()).unwrap_or(0)
    }

    /// The row has this revision once the transaction is committed.
    pub(crate) fn wrote(&mut self, row: &SealedRow) {
        self.written.insert(self.name(&row.table, &row.key), Some(row.revision));
    }

    /// The row is gone once the transaction is committed: the next one with its key begins anew.
    pub(crate) fn removed(&mut self, table: &str, key: &str) {
        self.written.insert(self.name(table, key), None);
    }

    pub(crate) fn commit(&mut self) {
        for (name, written) in self.written.drain() {
            match written {
                Some(revision) => self.revisions.insert(name, revision),
                None => self.revisions.remove(&name),
            };
        }
    }

    pub(crate) fn roll_back(&mut self) {
        self.written.clear();
    }

    fn name(&self, table: &str, key: &str) -> u64 {
        self.hasher.hash_one((table, key))
    }
}

fn not_below(highest: u64, row: &SealedRow) -> Result<(), LedgerError> {
    if row.revision >= highest {
        return Ok(());
    }
    let (table, key) = (row.table.clone(), row.key.clone());
    Err(LedgerError::Tampered { table, key, why: "it was rolled back to an older revision" })
}
