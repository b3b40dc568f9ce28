use super::{SealedRow, Store, StoreError};
use ids::{Epoch, NodeId};
use rusqlite::{
    CachedStatement, Connection, OpenFlags, OptionalExtension, Row as SqlRow, params, types::Type,
};
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// SQLite in one file, write-ahead logged. A commit survives a crash of the process; what the journal
/// acknowledged is brought back after a crash of the machine.
pub struct Sqlite {
    path: PathBuf,
    /// Device and inode of the file that `connection` has open.
    inode: (u64, u64),
    connection: Connection,
}

/// The schema that this Truecell writes; a database with a higher one is left alone.
const SCHEMA: i64 = 2;
const MIGRATIONS: [&str; SCHEMA as usize] = [
    include_str!("../../migrations/0001-rows/sqlite.sql"),
    include_str!("../../migrations/0002-kind-of-change/sqlite.sql"),
];
/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Long enough for a checkpoint of the write-ahead log, short against a unit's retransmission.
const BUSY: Duration = Duration::from_millis(200);

/// Negative: KiB (SQLite). The inner pages of an estate of 100,000 units, 2 MiB, and as much of leaves;
/// the rest is in the kernel's page cache, one copy away.
const CACHE_KIB: i64 = -4096;

impl Sqlite {
    /// Opens the database, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], also for a schema of a newer Truecell.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite would leave the mode to the umask; its files beside this one get the same.
        let mut options = OpenOptions::new();
        let made = options.append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| StoreError(format!("{}: {error}", path.display())))?;
        let connection = Connection::open(path).map_err(|error| at(path, &error))?;
        let mut this = Self { inode: inode(path)?, path: path.to_owned(), connection };
        this.set_up().map_err(|error| at(path, &error))?;
        this.migrate()?;
        Ok(this)
    }

    fn set_up(&mut self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        self.connection.pragma_update(None, "trusted_schema", false)?;
        self.connection.set_prepared_statement_cache_capacity(32);
        Ok(())
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let has: i64 = self.sql(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if has > SCHEMA {
            let path = self.path.display();
            return Err(StoreError(format!(
                "{path} has schema {has}, this Truecell knows {SCHEMA}: use a newer one"
            )));
        }
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(has).unwrap_or(0)) {
            let script = format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;", index + 1);
            self.sql(|c| c.execute_batch(&script))?;
        }
        Ok(())
    }

    fn sql<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut self.connection).map_err(|error| at(&self.path, &error))
    }

    fn statement<T>(
        &mut self,
        sql: &str,
        work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.sql(|connection| work(&mut connection.prepare_cached(sql)?))
    }
}

fn inode(path: &Path) -> Result<(u64, u64), StoreError> {
    let file = fs::metadata(path).map_err(|error| StoreError(format!("{}: {error}", path.display())))?;
    Ok((file.dev(), file.ino()))
}

fn at(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError(format!("{}: {error}", path.display()))
}

const COLUMNS: &str = "tbl, key, revision, event, body, hmac";

fn sealed(row: &SqlRow<'_>) -> rusqlite::Result<SealedRow> {
    let event: String = row.get(3)?;
    let bad = |column, error: ids::ParseNodeError| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    };
    Ok(SealedRow {
        table: row.get(0)?,
        key: row.get(1)?,
        revision: row
            .get::<_, i64>(2)?
            .try_into()
            .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(2, 0))?,
        event: event.parse().map_err(|error| bad(3, error))?,
        body: row.get(4)?,
        hmac: row.get(5)?,
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Store for Sqlite {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.statement("BEGIN IMMEDIATE", |s| s.execute([]).map(drop))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.statement("COMMIT", |s| s.execute([]).map(drop));
        if committed.is_err() {
            self.roll_back();
        }
        committed
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn get(&mut self, table: &str, key: &str) -> Result<Option<SealedRow>, StoreError> {
        let sql = "SELECT tbl, key, revision, event, body, hmac FROM row WHERE tbl = ?1 AND key = ?2";
        self.statement(sql, |s| s.query_row([table, key], sealed).optional())
    }

    fn put(
        &mut self,
        row: &SealedRow,
        entries: &[(&'static str, String)],
        fed: bool,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO row (tbl, key, revision, event, body, hmac) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (table, key, event) = (row.table.as_str(), row.key.as_str(), row.event.to_string());
        self.statement(sql, |s| {
            s.execute(params![table, key, signed(row.revision), event, row.body, row.hmac]).map(drop)
        })?;
        if row.revision > 1 {
            self.statement("DELETE FROM entry WHERE tbl = ?1 AND key = ?2", |s| {
                s.execute([table, key]).map(drop)
            })?;
        }
        for (name, value) in entries {
            let sql = "INSERT OR IGNORE INTO entry (tbl, name, value, key) VALUES (?1, ?2, ?3, ?4)";
            self.statement(sql, |s| s.execute([table, *name, value.as_str(), key]).map(drop))?;
        }
        if fed {
            self.statement("INSERT INTO change (kind, key) VALUES (?1, ?2)", |s| {
                s.execute([table, key]).map(drop)
            })?;
        }
        Ok(())
    }

    fn remove(&mut self, table: &str, key: &str) -> Result<(), StoreError> {
        self.statement("DELETE FROM row WHERE tbl = ?1 AND key = ?2", |s| s.execute([table, key]).map(drop))?;
        self.statement("DELETE FROM entry WHERE tbl = ?1 AND key = ?2", |s| s.execute([table, key]).map(drop))
    }

    fn page(&mut self, table: &str, after: &str, limit: usize) -> Result<Vec<SealedRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM row WHERE tbl = ?1 AND key > ?2 ORDER BY key LIMIT ?3");
        self.statement(&sql, |s| s.query_map(params![table, after, signed(limit as u64)], sealed)?.collect())
    }

    fn last(&mut self, table: &str) -> Result<Option<SealedRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM row WHERE tbl = ?1 ORDER BY key DESC LIMIT 1");
        self.statement(&sql, |s| s.query_row([table], sealed).optional())
    }

    fn find(
        &mut self,
        table: &str,
        name: &str,
        value: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let sql = "SELECT row.tbl, row.key, revision, event, body, hmac FROM entry JOIN row \
                   ON row.tbl = entry.tbl AND row.key = entry.key \
                   WHERE entry.tbl = ?1 AND name = ?2 AND value = ?3 AND entry.key > ?4 ORDER BY entry.key LIMIT ?5";
        self.statement(sql, |s| {
            s.query_map(params![table, name, value, after, signed(limit as u64)], sealed)?.collect()
        })
    }

    fn last_entry(&mut self, table: &str, name: &str, limit: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM entry WHERE tbl = ?1 AND name = ?2 AND value <= ?3 ORDER BY value DESC LIMIT 1";
        self.statement(sql, |s| s.query_row([table, name, limit], |row| row.get(0)).optional())
    }

    fn applied(&mut self, node: &NodeId) -> Result<u64, StoreError> {
        let sql = "SELECT applied FROM node WHERE node = ?1";
        let applied = self.statement(sql, |s| s.query_row([node.as_str()], |row| row.get(0)).optional())?;
        Ok(unsigned(applied.unwrap_or(0)))
    }

    fn set_applied(&mut self, node: &NodeId, seq: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied) VALUES (?1, 0, ?2) \
                   ON CONFLICT (node) DO UPDATE SET applied = max(applied, ?2)";
        self.statement(sql, |s| s.execute(params![node.as_str(), signed(seq)]).map(drop))
    }

    fn next_epoch(&mut self, node: &NodeId) -> Result<Epoch, StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied) VALUES (?1, 1, 0) \
                   ON CONFLICT (node) DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
        self.statement(sql, |s| s.query_row([node.as_str()], |row| row.get(0)))
            .map(|epoch| Epoch(unsigned(epoch)))
    }

    /// What SQLite has in memory hides that the file was damaged, removed or replaced: looks at it as well.
    fn check(&mut self) -> Result<(), StoreError> {
        let wrong = |what: &dyn std::fmt::Display| StoreError(format!("{}: {what}", self.path.display()));
        let mut file = File::open(&self.path).map_err(|error| wrong(&error))?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic).map_err(|error| wrong(&error))?;
        if magic != *MAGIC {
            return Err(wrong(&"it was overwritten: it is no database any more"));
        }
        let here = file.metadata().map_err(|error| wrong(&error))?;
        if (here.dev(), here.ino()) != self.inode {
            return Err(wrong(&"it was replaced by another file"));
        }
        self.statement("UPDATE node SET applied = applied", |s| s.execute([]).map(drop))
    }

    fn reader(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.beside()?))
    }

    fn snapshot(&self) -> Result<Box<dyn Store>, StoreError> {
        let mut beside = self.beside()?;
        // SQLite takes the snapshot at the first read.
        beside.sql(|c| c.execute_batch("BEGIN DEFERRED; SELECT applied FROM node;"))?;
        Ok(Box::new(beside))
    }
}

impl Sqlite {
    fn beside(&self) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(|error| at(&self.path, &error))?;
        connection.busy_timeout(BUSY).map_err(|error| at(&self.path, &error))?;
        Ok(Self { path: self.path.clone(), inode: self.inode, connection })
    }
}
