//! Checkpoints of the write-ahead log: what is committed comes from the log into the database in a thread of its own.
//! SQLite would do it in the commit that fills the log, and all who wait for the writer would wait for the disk, twice.
//!
//! A checkpoint beside the writer never ends the log where somebody always writes: a log that has become long begins
//! anew in a commit, when nearly all of it is in the database.

use super::{Files, for_each_connection};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// From a commit until what it wrote is brought into the database, with all that was committed meanwhile. Whoever
/// writes next to a log that is done with begins it anew, and waits for the disk once.
const AFTER: Duration = Duration::from_secs(5);
/// Pages in the log from which on it is to begin anew: 256 MiB, what 1,000 claims a second write in 20 s. Its file stays as long
/// as it was: to cut it takes longer than to write over it.
const LONG: i64 = 65_536;
/// Pages that a commit may bring into the database for that: SQLite's own measure.
const REST: i64 = 1_000;

/// The thread, until it is dropped.
pub(super) struct Checkpoints {
    commits: Option<SyncSender<()>>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// The thread knows that something was committed.
    is_told: AtomicBool,
    /// The log is long, and nearly all of it is in the database.
    is_long: AtomicBool,
}

/// What SQLite says of a checkpoint.
struct Log {
    /// Pages in it.
    pages: i64,
    /// Of them, those that are in the database.
    done: i64,
}

impl Checkpoints {
    /// Of the database in these files.
    pub(super) fn begin(files: Arc<Files>) -> rusqlite::Result<Self> {
        let connection = open(&files.path)?;
        let (commits, told) = sync_channel(1);
        let state = Arc::new(State::default());
        let thread = thread::Builder::new().name("checkpoints".into()).spawn({
            let state = state.clone();
            move || run(&connection, &files, &told, &state)
        });
        let thread = thread.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self { commits: Some(commits), state, thread: Some(thread) })
    }

    /// Something was committed by this connection.
    pub(super) fn committed(&self, writer: &Connection) {
        if !self.state.is_told.swap(true, SeqCst)
            && let Some(commits) = &self.commits
        {
            // A full channel is one that tells already.
            let _ = commits.try_send(());
        }
        if self.state.is_long.swap(false, SeqCst) {
            // Whoever reads an older state keeps the log: not waited for, tried again after the next checkpoint.
            let begun_anew = writer.busy_timeout(Duration::ZERO).and_then(|()| checkpoint(writer, "RESTART"));
            let patient = for_each_connection(writer);
            if let Err(error) = begun_anew.and(patient) {
                tracing::warn!(%error, "the log of the ledger's database does not begin anew");
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    for_each_connection(&connection)?;
    Ok(connection)
}

fn run(connection: &Connection, files: &Files, commits: &Receiver<()>, state: &State) {
    while commits.recv().is_ok() {
        if !waited(commits) {
            return;
        }
        state.is_told.store(false, SeqCst);
        match checkpoint(connection, "PASSIVE") {
            Ok(Log { pages, done }) => state.is_long.store(pages > LONG && pages - done < REST, SeqCst),
            Err(error) => {
                let error = files.failed(&error);
                tracing::warn!(%error, "the log of the ledger's database is not brought into it; tried again");
            }
        }
    }
}

/// Until the time has come; `false` when it all ends.
fn waited(commits: &Receiver<()>) -> bool {
    let until = Instant::now() + AFTER;
    loop {
        match commits.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<Log> {
    let read = |row: &rusqlite::Row<'_>| Ok(Log { pages: row.get(1)?, done: row.get(2)? });
    connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], read)
}

#[cfg(test)]
mod tests;
