use super::{Begun, Checkpoint, Place, Recovered, Tail, epoch, segment};
use crate::{
    JournalKey, PublicKey, Record, Recorded,
    gateway::{Alarm, NodeStarted},
    witness::CheckpointLine,
};
use ids::{Epoch, EventRef, NodeId, Sha256, UnixTime};
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// When an append returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the record is on disk (fsync, shared with whoever else waits).
    Durable,
    /// Once it is written; on disk within 50 ms.
    Grouped,
}

/// Why nothing was appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused; what was there before is whole. The next append tries again.
    #[error("journal {path}: {source}; free space or mend the disk, appending goes on by itself")]
    Write {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// After this nobody can know what is on disk: nothing is appended before a restart.
    #[error(
        "journal {path}: {source}; what is on disk is not known: mend the disk, then restart to have it checked; \
         tunnels go on until then"
    )]
    Lost {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process writes this journal.
    #[error("journal {0} is in use by another process")]
    InUse(PathBuf),
    /// The last segment does not hold together.
    #[error("journal {path}: {why}; see `truecell event verify`")]
    Broken {
        /// The segment.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A record that was there is not any more.
    #[error("journal {dir}: record {seq} is missing, or it is another one than it was")]
    Missing {
        /// The folder.
        dir: PathBuf,
        /// Its number.
        seq: u64,
    },
    /// What is appended goes to a file that nobody finds.
    #[error("journal {0}: the file was removed or replaced; put it back")]
    Gone(PathBuf),
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
    /// The event can't be written as JSON.
    #[error("event: {0}")]
    Event(String),
}

/// What opening had to mend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Octets of an unfinished last line that were cut off.
    pub cut: u64,
}

/// A record by number, and the hash of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Hash of its line; zeros before the first.
    pub sha256: Sha256,
}

/// A node's journal, open for appending. Clones share it; one thread of its own brings lines to disk
/// and signs checkpoints. Closed when the last clone is dropped, or by [`Self::close`].
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

/// What clones share; dropping it closes the journal.
struct Handle {
    shared: Arc<Shared>,
    flusher: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    node: NodeId,
    key: JournalKey,
    _lock: File,
}

struct State {
    dir: PathBuf,
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    seq: u64,
    prev: Sha256,
    last_at: UnixTime,
    /// Highest time of the records that were there when it was opened.
    seen_until: Option<UnixTime>,
    /// The newest record of the last segment, as it was opened, that names an epoch.
    epoch: Option<Record>,
    /// Everything up to here is on disk.
    synced: Mark,
    /// When what is behind that must be on disk, unless it is on its way.
    sync_due: Option<Instant>,
    /// Someone waits for everything up to here.
    wanted: u64,
    /// Records behind the last checkpoint, and when they must be signed.
    unsigned: u64,
    checkpoint_due: Option<Instant>,
    /// Why the last checkpoint was not written.
    checkpoint_failed: Option<JournalError>,
    lost: Option<JournalError>,
    closing: bool,
    line: Vec<u8>,
}

/// What stands at the end of a journal that is opened.
struct Last {
    mark: Mark,
    seen_until: Option<UnixTime>,
    epoch: Option<Record>,
}

/// The highest time that a clock showed which was not known to be wrong.
#[derive(Default)]
struct SeenUntil {
    until: Option<UnixTime>,
    /// The clock has been set forward, and this start has not seen it right since.
    jumped: bool,
}

impl SeenUntil {
    fn take(&mut self, record: &Record) -> Option<UnixTime> {
        let alarm = record.read::<Alarm>().ok().flatten().filter(|alarm| alarm.alarm == Alarm::CLOCK_JUMPED);
        match alarm {
            Some(Alarm { raised: true, expected, .. }) => {
                self.jumped = true;
                // The records of the moment before it was noticed have the wrong time, too.
                self.until = self.until.min(expected.or(self.until));
            }
            Some(_) => self.jumped = false,
            None if record.kind == NodeStarted::KIND => self.jumped = false,
            None => {}
        }
        if !self.jumped {
            self.until = self.until.max(Some(record.at));
        }
        self.until
    }
}

const GROUP: Duration = Duration::from_millis(40); // leaves 10 ms of the 50 promised for the fsync itself
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);
const CHECKPOINT_RECORDS: u64 = 1000;
const ROOM: u64 = 256 << 10; // one second of 200 attaches at 1.2 KiB a record

impl Journal {
    /// Opens the journal in `dir`, or begins one; cuts off an unfinished last line.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn open(
        dir: &Path,
        node: NodeId,
        key: JournalKey,
        now: UnixTime,
    ) -> Result<(Self, Recovery), JournalError> {
        let io = |source: io::Error| JournalError::Write { path: dir.to_owned(), source: Arc::new(source) };
        fs::create_dir_all(dir).map_err(io)?;
        let lock = segment::to_write().create(true).open(dir.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let (state, cut) = State::open(dir, &node, now)?;
        let begins = state.seq == 0;
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new(), node, key, _lock: lock };
        let journal = Self(Arc::new(Handle::start(Arc::new(shared)).map_err(io)?));
        if begins {
            journal.append(&Begun { key: journal.public_key() }, now, Durability::Durable)?;
        }
        if let Some(cut) = &cut {
            journal.append(cut, now, Durability::Durable)?;
        }
        Ok((journal, Recovery { cut: cut.map_or(0, |cut| cut.cut) }))
    }

    /// The key that checkpoints verify with.
    pub fn public_key(&self) -> PublicKey {
        self.0.shared.key.public_key()
    }

    /// Whose journal.
    pub fn node(&self) -> &NodeId {
        &self.0.shared.node
    }

    /// Its folder.
    pub fn dir(&self) -> PathBuf {
        lock(&self.0.shared.state).dir.clone()
    }

    /// Number of the last record.
    pub fn head(&self) -> u64 {
        lock(&self.0.shared.state).seq
    }

    /// The last record that is known to be on disk.
    pub fn on_disk(&self) -> Mark {
        lock(&self.0.shared.state).synced
    }

    /// Highest time of the records in the last segment when it was opened, before anything was appended, but for
    /// those of a clock that was known to have been set forward; `None` for a journal that was begun now.
    pub fn seen_until(&self) -> Option<UnixTime> {
        lock(&self.0.shared.state).seen_until
    }

    /// The first epoch that may come behind all that the journal had when it was opened; 0 where none of it names one.
    ///
    /// # Errors
    /// [`JournalError::Broken`]: it can't be read.
    pub fn next_epoch(&self) -> Result<Epoch, JournalError> {
        let (dir, newest) = {
            let state = lock(&self.0.shared.state);
            (state.dir.clone(), state.epoch.clone())
        };
        let broken = |why: String| JournalError::Broken { path: dir.clone(), why };
        let newest = match newest {
            None => epoch::before_last_segment(&dir).map_err(|error| broken(error.to_string()))?,
            newest => newest,
        };
        let epoch = newest.as_ref().map(epoch::behind).transpose();
        Ok(epoch.map_err(|error| broken(error.to_string()))?.flatten().unwrap_or(Epoch(0)))
    }

    /// Record `seq` is there, and its line has this hash, where one is given.
    ///
    /// # Errors
    /// [`JournalError::Missing`]; [`JournalError::Broken`] when it can't be read.
    pub fn holds(&self, seq: u64, sha256: Option<Sha256>) -> Result<(), JournalError> {
        let dir = self.dir();
        let found = self.hash_of(&dir, seq)?;
        let holds = found.is_some_and(|found| sha256.is_none_or(|sha256| sha256 == found));
        if holds { Ok(()) } else { Err(JournalError::Missing { dir, seq }) }
    }

    /// What the record behind says about it, or the journal about its last one.
    fn hash_of(&self, dir: &Path, seq: u64) -> Result<Option<Sha256>, JournalError> {
        {
            let state = lock(&self.0.shared.state);
            if seq >= state.seq {
                return Ok((seq == state.seq).then_some(state.prev));
            }
        }
        let next = Tail::new(dir, seq + 1).next_record();
        let next =
            next.map_err(|error| JournalError::Broken { path: dir.to_owned(), why: error.to_string() })?;
        Ok(next.filter(|next| next.seq == seq + 1).map(|next| next.prev))
    }

    /// Writes one event.
    ///
    /// # Errors
    /// [`JournalError`]: nothing was acknowledged, and no half line stays.
    pub fn append<T: Recorded>(
        &self,
        event: &T,
        at: UnixTime,
        durability: Durability,
    ) -> Result<EventRef, JournalError> {
        let body = serde_json::to_vec(event).map_err(|error| JournalError::Event(error.to_string()))?;
        let mut state = lock(&self.0.shared.state);
        if state.closing {
            return Err(JournalError::Closed);
        }
        let is_first = state.sync_due.is_none();
        let seq = state.append(&self.0.shared.node, T::KIND, T::V, &body, at)?;
        if state.unsigned >= CHECKPOINT_RECORDS {
            self.0.shared.sign(&mut state);
        }
        if durability == Durability::Durable {
            state.wanted = state.wanted.max(seq);
            self.0.shared.changed.notify_all();
            self.0.shared.wait_until_synced(state, seq)?;
        } else if is_first {
            self.0.shared.changed.notify_all();
        }
        Ok(EventRef { node: self.0.shared.node.clone(), seq })
    }

    /// Brings everything written so far to disk.
    ///
    /// # Errors
    /// [`JournalError::Lost`]
    pub fn sync(&self) -> Result<(), JournalError> {
        let mut state = lock(&self.0.shared.state);
        let seq = state.seq;
        state.wanted = state.wanted.max(seq);
        self.0.shared.changed.notify_all();
        self.0.shared.wait_until_synced(state, seq)
    }

    /// Signs a checkpoint now, behind everything written so far, and returns once it is on disk: what a
    /// [witness](crate::witness) keeps.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn checkpoint(&self, at: UnixTime) -> Result<CheckpointLine, JournalError> {
        let shared = &self.0.shared;
        let mut state = lock(&shared.state);
        if state.closing {
            return Err(JournalError::Closed);
        }
        shared.checkpoint(&mut state, at)?;
        let (seq, line) = (state.seq, CheckpointLine::parse(&state.line));
        state.wanted = state.wanted.max(seq);
        shared.changed.notify_all();
        shared.wait_until_synced(state, seq)?;
        line.map_err(|why| JournalError::Event(why.to_string()))
    }

    /// Something can be written now where it will be found, and what was written is signed in time: takes
    /// room on the disk for what comes next.
    ///
    /// # Errors
    /// [`JournalError::Write`], [`JournalError::Lost`], [`JournalError::Gone`]; also those of a checkpoint
    /// that is overdue.
    pub fn check(&self) -> Result<(), JournalError> {
        let state = lock(&self.0.shared.state);
        if let Some(error) = state.lost.as_ref().or(state.checkpoint_failed.as_ref()) {
            return Err(error.clone());
        }
        let write = |source| JournalError::Write { path: state.path.clone(), source: Arc::new(source) };
        if !state.is_in_place().map_err(write)? {
            return Err(JournalError::Gone(state.path.clone()));
        }
        state.take_room().map_err(write)
    }

    /// Signs a last checkpoint and stops; later appends are refused.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn close(&self) -> Result<(), JournalError> {
        self.0.close()
    }
}

impl Handle {
    fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let works = Arc::clone(&shared);
        let flusher =
            thread::Builder::new().name("journal".into()).spawn(move || while works.flush_once() {})?;
        Ok(Self { shared, flusher: Mutex::new(Some(flusher)) })
    }

    fn close(&self) -> Result<(), JournalError> {
        let Some(flusher) = lock(&self.flusher).take() else { return Ok(()) };
        let mut state = lock(&self.shared.state);
        if state.unsigned > 0 {
            self.shared.sign(&mut state);
        }
        state.closing = true;
        self.shared.changed.notify_all();
        drop(state);
        let _ = flusher.join();
        let state = lock(&self.shared.state);
        state.lost.as_ref().or(state.checkpoint_failed.as_ref()).map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl Shared {
    fn wait_until_synced(&self, mut state: MutexGuard<'_, State>, seq: u64) -> Result<(), JournalError> {
        while state.synced.seq < seq {
            if let Some(lost) = &state.lost {
                return Err(lost.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Signs what is unsigned. What can't be written now is tried again, and [`Journal::check`] says so.
    fn checkpoint(&self, state: &mut State, at: UnixTime) -> Result<(), JournalError> {
        let message = state.place(&self.node, at).checkpoint();
        let signature = self.key.sign(&message);
        let signed = state.append_control(&self.node, &Checkpoint { signature }, at);
        state.checkpoint_failed = signed.as_ref().err().cloned();
        if signed.is_err() {
            state.checkpoint_due = Some(Instant::now() + CHECKPOINT_AFTER);
        } else {
            (state.unsigned, state.checkpoint_due) = (0, None);
        }
        signed.map(drop)
    }

    /// The same where nobody waits for it: it has the time of the record before.
    fn sign(&self, state: &mut State) {
        let _ = self.checkpoint(state, state.last_at);
    }

    /// Does what is due, or waits until something may be; `false` once closed and all on disk.
    fn flush_once(&self) -> bool {
        let mut state = lock(&self.state);
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= Instant::now());
        if is_due(state.checkpoint_due) && !state.closing {
            self.sign(&mut state);
        }
        let is_dirty = state.synced.seq < state.seq && state.lost.is_none();
        if is_dirty && (state.closing || state.synced.seq < state.wanted || is_due(state.sync_due)) {
            self.sync_file(state);
        } else if state.closing {
            return false;
        } else {
            self.wait_until_due(state);
        }
        true
    }

    fn wait_until_due(&self, state: MutexGuard<'_, State>) {
        let sync_due = state.sync_due.filter(|_| state.lost.is_none());
        match sync_due.into_iter().chain(state.checkpoint_due).min() {
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now());
                drop(self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner));
            }
            None => drop(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// fsync without holding up appends.
    fn sync_file(&self, mut state: MutexGuard<'_, State>) {
        state.sync_due = None;
        let (file, path) = (Arc::clone(&state.file), state.path.clone());
        let mark = Mark { seq: state.seq, sha256: state.prev };
        drop(state);
        let synced = file.sync_data();
        let mut state = lock(&self.state);
        match synced {
            Ok(()) => state.synced = mark,
            Err(source) => state.lost = Some(JournalError::Lost { path, source: Arc::new(source) }),
        }
        self.changed.notify_all();
    }
}

impl State {
    fn open(dir: &Path, node: &NodeId, now: UnixTime) -> Result<(Self, Option<Recovered>), JournalError> {
        let io = |source: io::Error| JournalError::Write { path: dir.to_owned(), source: Arc::new(source) };
        let segments = segment::list(dir).map_err(io)?;
        let (first, path) = segments.last().cloned().unwrap_or_else(|| (1, segment::path(dir, 1)));
        let bytes = fs::read(&path).or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(io(error)) }
        })?;
        let whole = bytes.iter().rposition(|octet| *octet == b'\n').map_or(0, |last| last + 1);
        let (lines, rest) = bytes.split_at(whole);
        let Last { mark, seen_until, epoch } = Self::last_of(&segments, lines, first, node, &path)?;
        let file = segment::to_write().create(true).open(&path).map_err(io)?;
        let cut = (!rest.is_empty()).then(|| Recovered { cut: rest.len() as u64, sha256: Sha256::of(rest) });
        if cut.is_some() {
            file.set_len(whole as u64).map_err(io)?;
        }
        // Also what a process that was killed left to the kernel.
        file.sync_all().map_err(io)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        let state = Self {
            dir: dir.to_owned(),
            file: Arc::new(file),
            path,
            length: whole as u64,
            seq: mark.seq,
            prev: mark.sha256,
            last_at: now,
            seen_until,
            epoch,
            synced: mark,
            sync_due: None,
            wanted: 0,
            unsigned: 0,
            checkpoint_due: None,
            checkpoint_failed: None,
            lost: None,
            closing: false,
            line: Vec::new(),
        };
        Ok((state, cut))
    }

    /// The last whole line; checks the chain of the last segment.
    fn last_of(
        segments: &[(u64, PathBuf)],
        lines: &[u8],
        first: u64,
        node: &NodeId,
        path: &Path,
    ) -> Result<Last, JournalError> {
        let broken = |why: String| JournalError::Broken { path: path.to_owned(), why };
        let (mut last, mut seen): (Option<Last>, _) = (None, SeenUntil::default());
        for line in lines.split_inclusive(|octet| *octet == b'\n') {
            let record: Record = serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
            let expected = last.as_ref().map_or(first, |last| last.mark.seq + 1);
            let linked = last.as_ref().is_none_or(|last| record.prev == last.mark.sha256);
            if record.seq != expected || &record.node != node || !linked {
                return Err(broken(format!("record {} does not follow the one before", record.seq)));
            }
            let seen_until = seen.take(&record);
            let mark = Mark { seq: record.seq, sha256: Sha256::of(line) };
            let before = last.and_then(|last| last.epoch);
            let epoch = Some(record).filter(epoch::names_epoch).or(before);
            last = Some(Last { mark, seen_until, epoch });
        }
        match (last, segments.len()) {
            (Some(last), _) => Ok(last),
            (None, 0 | 1) if first == 1 => {
                Ok(Last { mark: Mark { seq: 0, sha256: Sha256([0; 32]) }, seen_until: None, epoch: None })
            }
            // A crash between making a segment and its first line: the one before has the last line.
            (None, count) => {
                let before = segments.get(count.wrapping_sub(2)).ok_or_else(|| broken("is empty".into()))?;
                let bytes = fs::read(&before.1).map_err(|error| broken(error.to_string()))?;
                Self::last_of(&segments[..count - 1], &bytes, before.0, node, &before.1)
            }
        }
    }

    fn place<'a>(&self, node: &'a NodeId, at: UnixTime) -> Place<'a> {
        Place { node, seq: self.seq + 1, prev: self.prev, at }
    }

    fn append_control<T: Recorded>(
        &mut self,
        node: &NodeId,
        event: &T,
        at: UnixTime,
    ) -> Result<u64, JournalError> {
        let body = serde_json::to_vec(event).map_err(|error| JournalError::Event(error.to_string()))?;
        self.append(node, T::KIND, T::V, &body, at)
    }

    fn append(
        &mut self,
        node: &NodeId,
        kind: &str,
        v: u16,
        body: &[u8],
        at: UnixTime,
    ) -> Result<u64, JournalError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let (seq, prev) = (self.seq + 1, self.prev);
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let head = write!(
            line,
            r#"{{"seq":"{seq}","prev":"{prev}","at":"{at}","node":"{node}","kind":"{kind}","v":{v},"body":"#
        );
        let written = head.and_then(|()| {
            line.extend_from_slice(body);
            line.extend_from_slice(b"}\n");
            self.write_line(&line, seq)
        });
        let hash = Sha256::of(&line);
        self.line = line;
        written.map_err(|source| {
            let write = JournalError::Write { path: self.path.clone(), source: Arc::new(source) };
            self.lost.clone().unwrap_or(write)
        })?;
        (self.seq, self.prev, self.last_at) = (seq, hash, at);
        self.unsigned += 1;
        let now = Instant::now();
        self.sync_due.get_or_insert(now + GROUP);
        self.checkpoint_due.get_or_insert(now + CHECKPOINT_AFTER);
        Ok(seq)
    }

    /// The segment is still where it was made.
    fn is_in_place(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(here) => Ok((here.dev(), here.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has the file system set octets aside behind the last line, where it can do that.
    fn take_room(&self) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.length, ROOM) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a whole line or nothing.
    fn write_line(&mut self, line: &[u8], seq: u64) -> io::Result<()> {
        if self.length > 0 && self.length + line.len() as u64 > segment::MAX_SEGMENT {
            self.next_segment(seq)?;
        }
        if let Err(error) = (&*self.file).write_all(line) {
            let cut_off = self.cut_off_rest();
            self.lost_if_failed(cut_off)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Cuts off what stands behind the last whole line. Where nothing does, nothing has to be written, which a file
    /// system that is read-only by now would refuse.
    fn cut_off_rest(&self) -> io::Result<()> {
        if self.file.metadata()?.len() == self.length { Ok(()) } else { self.file.set_len(self.length) }
    }

    fn lost_if_failed(&mut self, done: io::Result<()>) -> io::Result<()> {
        let Err(source) = done else { return Ok(()) };
        let kind = source.kind();
        self.lost = Some(JournalError::Lost { path: self.path.clone(), source: Arc::new(source) });
        Err(kind.into())
    }

    fn next_segment(&mut self, seq: u64) -> io::Result<()> {
        let synced = self.file.sync_all();
        self.lost_if_failed(synced)?;
        let path = segment::path(&self.dir, seq);
        let file = segment::to_write().create_new(true).open(&path)?;
        File::open(&self.dir)?.sync_all()?;
        (self.file, self.path, self.length) = (Arc::new(file), path, 0);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
