use super::Differences;
use crate::store::{Entry, Store, StoreError};
use std::{cmp::Ordering, collections::VecDeque};

/// The entries of one table, in the order of its rows.
pub(super) struct Walk<'a> {
    table: &'a str,
    ahead: VecDeque<Entry>,
    /// The last one that was read.
    last: Entry,
    ended: bool,
}

/// Entries read at once.
const PAGE: usize = 1000;

impl<'a> Walk<'a> {
    pub(super) fn new(table: &'a str) -> Self {
        Self { table, ahead: VecDeque::new(), last: Entry::default(), ended: false }
    }

    /// Those of the next row, name and value; those of rows before it, which there are not, are differences.
    pub(super) fn entries_of(
        &mut self,
        store: &mut dyn Store,
        key: &str,
        differences: &mut Differences,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut of_row = Vec::new();
        while let Some(entry) = self.next_if(store, |entry| entry.key.as_str() <= key)? {
            match entry.key.as_str().cmp(key) {
                Ordering::Equal => of_row.push((entry.name, entry.value)),
                Ordering::Less | Ordering::Greater => differences.of_no_row(self.table, &entry.key),
            }
        }
        Ok(of_row)
    }

    /// Those behind the last row.
    pub(super) fn rest(
        &mut self,
        store: &mut dyn Store,
        differences: &mut Differences,
    ) -> Result<(), StoreError> {
        while let Some(entry) = self.next_if(store, |_| true)? {
            differences.of_no_row(self.table, &entry.key);
        }
        Ok(())
    }

    fn next_if(
        &mut self,
        store: &mut dyn Store,
        is_meant: impl FnOnce(&Entry) -> bool,
    ) -> Result<Option<Entry>, StoreError> {
        if self.ahead.is_empty() && !self.ended {
            let page = store.entries(self.table, &self.last, PAGE)?;
            self.ended = page.len() < PAGE;
            self.last = page.last().cloned().unwrap_or_default();
            self.ahead = page.into();
        }
        Ok(self.ahead.pop_front_if(|entry| is_meant(entry)))
    }
}
