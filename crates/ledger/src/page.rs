use crate::{Finding, LedgerError, Row, RowKey, row::SealedRow};

/// Some rows of a table, by key. One that was tampered with does not hide the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// Those that hold.
    pub rows: Vec<R>,
    /// Those that do not.
    pub tampered: Vec<Finding>,
    /// The last key of a full page: there may be more behind it.
    pub next: Option<String>,
}

impl<R: Row> Page<R> {
    /// No row.
    pub(crate) fn none() -> Self {
        Self { rows: Vec::new(), tampered: Vec::new(), next: None }
    }

    /// `found_by`: name and value by which the index has the rows; one that has it not itself is none of them.
    pub(crate) fn unseal(
        sealed: &[SealedRow],
        found_by: Option<(&str, &str)>,
        limit: usize,
        key: &RowKey,
    ) -> Result<Self, LedgerError> {
        let next = sealed.last().filter(|_| sealed.len() == limit).map(|last| last.key.clone());
        let mut page = Self { next, ..Self::none() };
        for row in sealed {
            match key.unseal(row) {
                Ok(row) if has(&row, found_by) => page.rows.push(row),
                Ok(_) => {}
                Err(error) => page.tampered.push(Finding::of(&error).ok_or(error)?),
            }
        }
        Ok(page)
    }
}

impl<R: Row> Page<R> {
    /// The rows, for who must not miss any.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when one does not hold.
    pub(crate) fn whole(self) -> Result<Vec<R>, LedgerError> {
        let Some(Finding { table, key, .. }) = self.tampered.into_iter().next() else { return Ok(self.rows) };
        Err(LedgerError::Tampered { table, key, why: "it does not hold, and none may be missed" })
    }
}

/// Whether a row has itself what the index found it by.
pub(crate) fn has<R: Row>(row: &R, found_by: Option<(&str, &str)>) -> bool {
    let Some((name, value)) = found_by else { return true };
    row.entries().iter().any(|(other, own)| *other == name && own == value)
}
