//! A copy of the database while others write to it, and what a restored one must not use again.

use super::{BUSY, Sqlite, Store, StoreError, files, signed, unsigned, wrong};
use ids::{Epoch, NodeId};
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;

impl Sqlite {
    /// Writes what is committed now in the database `from` to `to`, a new file of mode 0600, and brings it to
    /// disk. Writers go on meanwhile. Returns its schema.
    ///
    /// # Errors
    /// [`StoreError`]: there is no database at `from`, or a file at `to`.
    pub fn copy(from: &Path, to: &Path) -> Result<i64, StoreError> {
        if to.exists() {
            return Err(wrong(to, &"it is there already"));
        }
        let file = files::make(to)?;
        let copied = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|source| {
            source.busy_timeout(BUSY)?;
            source.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
            source.pragma_query_value(None, "user_version", |row| row.get(0))
        });
        let schema = copied.map_err(|error| wrong(from, &error))?;
        file.sync_all().map_err(|error| wrong(to, &error))?;
        Ok(schema)
    }

    /// The next epoch of a node is at least this one; returns which.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn skip_epochs(&mut self, node: &NodeId, at_least: Epoch) -> Result<Epoch, StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied) VALUES (?1, ?2, 0) \
                   ON CONFLICT (node) DO UPDATE SET epoch = max(epoch, ?2) RETURNING epoch + 1";
        let last = signed(at_least.0.saturating_sub(1));
        self.begin()?;
        let next =
            self.statement(sql, |s| s.query_row(params![node.as_str(), last], |row| row.get::<_, i64>(0)));
        match next {
            Ok(next) => self.commit().map(|()| Epoch(unsigned(next))),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }
}
