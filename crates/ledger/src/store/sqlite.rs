mod backup;
mod files;

use super::{Applied, SealedRow, Store, StoreError};
use events::journal::Mark;
use files::{Files, wrong};
use ids::{Epoch, NodeId, Sha256};
use rusqlite::{
    CachedStatement, Connection, OpenFlags, OptionalExtension, Row as SqlRow, params, types::Type,
};
use std::{fs::File, path::Path, sync::Arc, time::Duration};

/// SQLite in one file, write-ahead logged. A commit survives a crash of the process; what the journal
/// acknowledged is brought back after a crash of the machine.
pub struct Sqlite {
    connection: Connection,
    // Behind `connection`: closed after it.
    files: Arc<Files>,
}

/// The schema that this Truecell writes; a database with a higher one is left alone.
const SCHEMA: i64 = 4;
const MIGRATIONS: [&str; SCHEMA as usize] = [
    include_str!("../../migrations/0001-rows/sqlite.sql"),
    include_str!("../../migrations/0002-kind-of-change/sqlite.sql"),
    include_str!("../../migrations/0003-applied-hash/sqlite.sql"),
    include_str!("../../migrations/0004-scope-of-device/sqlite.sql"),
];
/// Long enough for a checkpoint of the write-ahead log, short against a unit's retransmission.
const BUSY: Duration = Duration::from_millis(200);

/// Negative: KiB (SQLite). The inner pages of an estate of 100,000 units, 2 MiB, and as much of leaves;
/// the rest is in the kernel's page cache, one copy away.
const CACHE_KIB: i64 = -4096;

impl Sqlite {
    /// Opens the database, makes it if there is none, looks at each of its pages, and brings its schema
    /// up to date.
    ///
    /// # Errors
    /// [`StoreError`], also for a schema of a newer Truecell.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = files::make(path)?;
        let opened = Connection::open(path).and_then(|connection| set_up(&connection).map(|()| connection));
        let connection = opened.map_err(|error| wrong(path, &error))?;
        let files = Arc::new(Files::of(path, database)?);
        let mut this = Self { connection, files };
        this.check_pages()?;
        this.migrate()?;
        Ok(this)
    }

    /// Opens a database that is there, for reading, beside whoever writes to it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let database = File::open(path).map_err(|error| wrong(path, &error))?;
        // SQLite makes the log and its index at the first read.
        let read = |connection: &Connection| connection.pragma_query(None, "user_version", |_| Ok(()));
        let opened = read_only(path).and_then(|connection| read(&connection).map(|()| connection));
        let connection = opened.map_err(|error| wrong(path, &error))?;
        Ok(Self { connection, files: Arc::new(Files::of(path, database)?) })
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let has: i64 = self.sql(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if has > SCHEMA {
            let newer = format!(
                "it has schema {has}, this Truecell knows {SCHEMA}: use a newer one, or restore a backup \
                 that this one made before the upgrade (`truecell backup`)"
            );
            return Err(wrong(&self.files.path, &newer));
        }
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(has).unwrap_or(0)) {
            let script = format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;", index + 1);
            self.sql(|c| c.execute_batch(&script))?;
        }
        Ok(())
    }

    /// Reads every page.
    fn check_pages(&mut self) -> Result<(), StoreError> {
        let found: String = self.sql(|c| c.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))?;
        if found == "ok" { Ok(()) } else { Err(wrong(&self.files.path, &format!("it is damaged: {found}"))) }
    }

    fn sql<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut self.connection).map_err(|error| self.files.failed(&error))
    }

    fn statement<T>(
        &mut self,
        sql: &str,
        work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.sql(|connection| work(&mut connection.prepare_cached(sql)?))
    }
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(32);
    // SQLite makes the log and its index at the first read.
    connection.pragma_query(None, "user_version", |_| Ok(()))
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

    fn outside(
        &mut self,
        table: &str,
        name: &str,
        first: &str,
        last: &str,
    ) -> Result<Option<(u64, String)>, StoreError> {
        let sql = "SELECT count(*), min(key) FROM entry WHERE tbl = ?1 AND name = ?2 AND (value < ?3 OR value > ?4)";
        let found = |row: &SqlRow<'_>| Ok((unsigned(row.get(0)?), row.get::<_, Option<String>>(1)?));
        let (rows, key) = self.statement(sql, |s| s.query_row([table, name, first, last], found))?;
        Ok(key.map(|key| (rows, key)))
    }

    fn nodes(&mut self) -> Result<Vec<NodeId>, StoreError> {
        let names: Vec<String> =
            self.statement("SELECT node FROM node", |s| s.query_map([], |row| row.get(0))?.collect())?;
        let node = |name: &String| name.parse().map_err(|error| wrong(&self.files.path, &error));
        names.iter().map(node).collect()
    }

    fn applied(&mut self, node: &NodeId) -> Result<Applied, StoreError> {
        let sql = "SELECT applied, applied_sha256 FROM node WHERE node = ?1";
        let read = |row: &SqlRow<'_>| {
            let hash: Option<[u8; 32]> = row.get(1)?;
            Ok(Applied { seq: unsigned(row.get(0)?), sha256: hash.map(Sha256) })
        };
        let applied = self.statement(sql, |s| s.query_row([node.as_str()], read).optional())?;
        Ok(applied.unwrap_or_default())
    }

    fn set_applied(&mut self, node: &NodeId, mark: &Mark) -> Result<(), StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied, applied_sha256) VALUES (?1, 0, ?2, ?3) \
                   ON CONFLICT (node) DO UPDATE SET applied = ?2, applied_sha256 = ?3 WHERE applied <= ?2";
        let (seq, hash) = (signed(mark.seq), mark.sha256.0);
        self.statement(sql, |s| s.execute(params![node.as_str(), seq, hash]).map(drop))
    }

    fn next_epoch(&mut self, node: &NodeId) -> Result<Epoch, StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied) VALUES (?1, 1, 0) \
                   ON CONFLICT (node) DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
        self.statement(sql, |s| s.query_row([node.as_str()], |row| row.get(0)))
            .map(|epoch| Epoch(unsigned(epoch)))
    }

    /// What SQLite has in memory hides that a file was damaged, removed or replaced: looks at them as well.
    fn check(&mut self) -> Result<(), StoreError> {
        self.files.check()?;
        if self.files.is_damaged() {
            // A connection that has nothing in memory yet.
            self.beside()?.check_pages()?;
            self.files.mended();
        }
        Ok(())
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
        let connection = read_only(&self.files.path).map_err(|error| self.files.failed(&error))?;
        Ok(Self { connection, files: self.files.clone() })
    }
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
