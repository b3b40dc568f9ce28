mod backup;
mod checkpoints;
mod files;

use super::{Applied, Entry, SealedRow, Store, StoreError};
use checkpoints::Checkpoints;
use events::journal::Mark;
use files::{Files, damaged, of_sqlite, wrong};
use ids::{Epoch, EventRef, NodeId, Sha256};
use rusqlite::{
    CachedStatement, Connection, OpenFlags, OptionalExtension, Row as SqlRow, config::DbConfig, params,
    types::Type,
};
use std::{collections::BTreeSet, fs::File, ops::Range, path::Path, sync::Arc, time::Duration};

/// SQLite in one file, write-ahead logged. A commit survives a crash of the process; what the journal
/// acknowledged is brought back after a crash of the machine.
pub struct Sqlite {
    /// Where this is the one that writes.
    checkpoints: Option<Checkpoints>,
    connection: Connection,
    // Behind `connection`: closed after it.
    files: Arc<Files>,
}

/// The schema that this Truecell writes; a database with a higher one is left alone.
const SCHEMA: i64 = 7;
const MIGRATIONS: [&str; SCHEMA as usize] = [
    include_str!("../../migrations/0001-rows/sqlite.sql"),
    include_str!("../../migrations/0002-kind-of-change/sqlite.sql"),
    include_str!("../../migrations/0003-applied-hash/sqlite.sql"),
    include_str!("../../migrations/0004-scope-of-device/sqlite.sql"),
    include_str!("../../migrations/0005-revoked/sqlite.sql"),
    include_str!("../../migrations/0006-ends/sqlite.sql"),
    include_str!("../../migrations/0007-rows-apart/sqlite.sql"),
];
/// Long enough for whoever else writes, short against a unit's retransmission.
const BUSY: Duration = Duration::from_millis(200);

/// Negative: KiB (SQLite). The inner pages of an estate of 100,000 units, 2 MiB, and as much of leaves;
/// the rest is in the kernel's page cache, one copy away.
const CACHE_KIB: i64 = -4096;

impl Sqlite {
    /// The schema that this Truecell writes, and the newest that it reads.
    pub const SCHEMA: i64 = SCHEMA;

    /// Opens the database, makes it if there is none, looks at each of its pages, and brings its schema
    /// up to date.
    ///
    /// # Errors
    /// [`StoreError`], also for a schema of a newer Truecell.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = files::make(path)?;
        let opened = Connection::open(path).and_then(|connection| set_up(&connection).map(|()| connection));
        let connection = opened.map_err(|error| of_sqlite(path, &error))?;
        let files = Arc::new(Files::of(path, database)?);
        let mut this = Self { checkpoints: None, connection, files };
        this.check_pages()?;
        this.migrate()?;
        let checkpoints = Checkpoints::begin(this.files.clone());
        this.checkpoints = Some(checkpoints.map_err(|error| of_sqlite(path, &error))?);
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
        let connection = opened.map_err(|error| of_sqlite(path, &error))?;
        Ok(Self { checkpoints: None, connection, files: Arc::new(Files::of(path, database)?) })
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let has: i64 = self.sql(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if has > SCHEMA {
            let newer = format!(
                "it has schema {has}, this Truecell knows {SCHEMA}: use a newer one, or restore a backup \
                 that this one made before the upgrade (`truecell backup`)"
            );
            return Err(StoreError::of_newer(format!("{}: {newer}", self.files.path.display())));
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
        if found == "ok" {
            return Ok(());
        }
        // SQLite speaks in several lines.
        let lines = found.lines().map(|line| line.trim_matches([' ', '*'])).filter(|line| !line.is_empty());
        let found = lines.collect::<Vec<_>>().join(", ");
        Err(damaged(&self.files.path, &format!("it is damaged: {found}")))
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
    for_each_connection(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // SQLite makes the log and its index at the first read.
    connection.pragma_query(None, "user_version", |_| Ok(()))
}

fn for_each_connection(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Otherwise SQLite plans a statement anew for each value of its LIMIT, which takes longer than to run it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

const COLUMNS: &str = "tbl, key, revision, event, body, hmac";

/// A row as it is in the database. One that Truecell writes in no case (an HMAC of another length, a revision below
/// zero, an event that is none) reads as one whose HMAC does not fit: it was tampered with, and the database is well.
fn sealed(row: &SqlRow<'_>) -> rusqlite::Result<SealedRow> {
    let (table, key) = (row.get(0)?, row.get(1)?);
    if let Some((revision, event, body, hmac)) = written(row) {
        return Ok(SealedRow { table, key, revision, event, body, hmac });
    }
    let bad =
        |error: ids::ParseNodeError| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, error.into());
    let event = "none/0".parse().map_err(bad)?;
    Ok(SealedRow { table, key, revision: 0, event, body: String::new(), hmac: [0; 32] })
}

/// Revision, event, body and HMAC.
fn written(row: &SqlRow<'_>) -> Option<(u64, EventRef, String, [u8; 32])> {
    let revision = row.get::<_, i64>(2).ok()?.try_into().ok()?;
    let event = row.get::<_, String>(3).ok()?.parse().ok()?;
    Some((revision, event, row.get(4).ok()?, row.get(5).ok()?))
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

    fn begin_reading(&mut self) -> Result<(), StoreError> {
        self.statement("BEGIN DEFERRED", |s| s.execute([]).map(drop))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.statement("COMMIT", |s| s.execute([]).map(drop));
        match (&committed, &self.checkpoints) {
            (Ok(()), Some(checkpoints)) => checkpoints.committed(&self.connection),
            (Ok(()), None) => {}
            (Err(_), _) => self.roll_back(),
        }
        committed
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.statement("ROLLBACK", |s| s.execute([]).map(drop));
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
        // In its place: removed and written anew, it would lie elsewhere.
        let sql = "INSERT INTO row (tbl, key, revision, event, body, hmac) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (tbl, key) DO UPDATE SET revision = ?3, event = ?4, body = ?5, hmac = ?6";
        let (table, key, event) = (row.table.as_str(), row.key.as_str(), row.event.to_string());
        self.statement(sql, |s| {
            s.execute(params![table, key, signed(row.revision), event, row.body, row.hmac]).map(drop)
        })?;
        if row.revision > 1 {
            self.put_entries(table, key, entries)?;
        } else {
            self.add_entries(table, key, entries.iter())?;
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
        self.put_entries(table, key, &[])
    }

    fn put_entries(
        &mut self,
        table: &str,
        key: &str,
        entries: &[(&'static str, String)],
    ) -> Result<(), StoreError> {
        let sql = "SELECT name, value FROM entry WHERE tbl = ?1 AND key = ?2";
        let read = |row: &SqlRow<'_>| Ok((row.get(0)?, row.get(1)?));
        let before: Vec<(String, String)> =
            self.statement(sql, |s| s.query_map([table, key], read)?.collect())?;
        let is = |one: &(String, String), other: &(&str, String)| one.0 == other.0 && one.1 == other.1;
        for (name, value) in before.iter().filter(|one| !entries.iter().any(|other| is(one, other))) {
            let sql = "DELETE FROM entry WHERE tbl = ?1 AND name = ?2 AND value = ?3 AND key = ?4";
            self.statement(sql, |s| s.execute([table, name, value, key]).map(drop))?;
        }
        let new = entries.iter().filter(|entry| !before.iter().any(|one| is(one, entry)));
        self.add_entries(table, key, new)
    }

    fn tables(&mut self) -> Result<BTreeSet<String>, StoreError> {
        let sql = "SELECT tbl FROM row UNION SELECT tbl FROM entry";
        self.statement(sql, |s| s.query_map([], |row| row.get(0))?.collect())
    }

    fn entries(&mut self, table: &str, after: &Entry, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT key, name, value FROM entry INDEXED BY entry_of_row \
                   WHERE tbl = ?1 AND (key, name, value) > (?2, ?3, ?4) ORDER BY key, name, value LIMIT ?5";
        let read = |row: &SqlRow<'_>| Ok(Entry { key: row.get(0)?, name: row.get(1)?, value: row.get(2)? });
        let Entry { key, name, value } = after;
        self.statement(sql, |s| {
            s.query_map(params![table, key, name, value, signed(limit as u64)], read)?.collect()
        })
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

    fn find_up_to(
        &mut self,
        table: &str,
        name: &str,
        (value, key): (&str, &str),
        last: &str,
        limit: usize,
    ) -> Result<Vec<(String, SealedRow)>, StoreError> {
        let sql = "SELECT row.tbl, row.key, revision, event, body, hmac, value FROM entry JOIN row \
                   ON row.tbl = entry.tbl AND row.key = entry.key \
                   WHERE entry.tbl = ?1 AND name = ?2 AND (value, entry.key) > (?3, ?4) AND value <= ?5 \
                   ORDER BY value, entry.key LIMIT ?6";
        let read = |row: &SqlRow<'_>| Ok((row.get(6)?, sealed(row)?));
        self.statement(sql, |s| {
            s.query_map(params![table, name, value, key, last, signed(limit as u64)], read)?.collect()
        })
    }

    fn count_by(
        &mut self,
        table: &str,
        name: &str,
        first: &str,
        last: &str,
        part: Range<usize>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT substr(value, ?5, ?6), count(*) FROM entry \
                   WHERE tbl = ?1 AND name = ?2 AND value >= ?3 AND value <= ?4 GROUP BY 1 ORDER BY 1";
        let read = |row: &SqlRow<'_>| Ok((row.get(0)?, unsigned(row.get(1)?)));
        let (begin, length) = (signed(part.start as u64 + 1), signed(part.len() as u64));
        self.statement(sql, |s| {
            s.query_map(params![table, name, first, last, begin, length], read)?.collect()
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

    fn skip_epochs(&mut self, node: &NodeId, at_least: Epoch) -> Result<Epoch, StoreError> {
        let sql = "INSERT INTO node (node, epoch, applied) VALUES (?1, ?2, 0) \
                   ON CONFLICT (node) DO UPDATE SET epoch = max(epoch, ?2) RETURNING epoch + 1";
        let last = signed(at_least.0.saturating_sub(1));
        self.statement(sql, |s| s.query_row(params![node.as_str(), last], |row| row.get(0)))
            .map(|next| Epoch(unsigned(next)))
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
    fn add_entries<'a>(
        &mut self,
        table: &str,
        key: &str,
        entries: impl Iterator<Item = &'a (&'static str, String)>,
    ) -> Result<(), StoreError> {
        for (name, value) in entries {
            let sql = "INSERT OR IGNORE INTO entry (tbl, name, value, key) VALUES (?1, ?2, ?3, ?4)";
            self.statement(sql, |s| s.execute([table, *name, value.as_str(), key]).map(drop))?;
        }
        Ok(())
    }

    fn beside(&self) -> Result<Self, StoreError> {
        let connection = read_only(&self.files.path).map_err(|error| self.files.failed(&error))?;
        Ok(Self { checkpoints: None, connection, files: self.files.clone() })
    }
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    for_each_connection(&connection)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
