//! A copy of the database while others write to it, and such a copy as it is.

use super::{BUSY, Sqlite, StoreError, files, files::Files, wrong};
use rusqlite::{Connection, OpenFlags};
use std::{fmt::Write, fs::File, os::unix::ffi::OsStrExt, path::Path, sync::Arc};

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

    /// Opens what [`Self::copy`] made, for reading: no file is written, and none made beside it.
    ///
    /// # Errors
    /// [`StoreError`], also for a schema other than [`Self::SCHEMA`].
    pub fn open_copy(path: &Path) -> Result<Self, StoreError> {
        let database = File::open(path).map_err(|error| wrong(path, &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let opened = Connection::open_with_flags(unchanging(path), flags);
        let connection = opened.map_err(|error| wrong(path, &error))?;
        let files = Arc::new(Files::of_copy(path, database));
        let mut this = Self { checkpoints: None, connection, files };
        let has: i64 = this.sql(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if has != Self::SCHEMA {
            let why = format!("it has schema {has}, this Truecell checks copies of schema {}", Self::SCHEMA);
            return Err(wrong(path, &why));
        }
        Ok(this)
    }
}

/// A name by which SQLite takes the file for one that nobody changes (sqlite.org/uri.html).
fn unchanging(path: &Path) -> String {
    let octets = path.as_os_str().as_bytes().iter();
    let name = octets.fold(String::new(), |mut name, octet| {
        if octet.is_ascii_alphanumeric() || b"/._-".contains(octet) {
            name.push(char::from(*octet));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{octet:02X}");
        }
        name
    });
    format!("file:{name}?immutable=1")
}
