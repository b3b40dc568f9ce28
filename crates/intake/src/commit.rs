//! How far all is done: one file, replaced whole. What it does not say has not happened.

use crate::{IntakeError, journal::JournalPlace};
use detect::{BadCheckpoint, Engine, Setup};
use ids::UnixTime;
use lake::Offset;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Version of this form.
    v: u16,
    /// Counts up from 1; parts of the lake carry it.
    pub number: u64,
    /// When it was made, by the clock of the machine.
    pub made_at: UnixTime,
    /// When the engine began.
    pub start: UnixTime,
    /// The newest row's time.
    pub newest: UnixTime,
    /// All feeds have said all until then.
    pub is_ended: bool,
    /// How far each source is read.
    pub sources: Sources,
    /// How far the journal is read.
    pub journal: JournalPlace,
}

/// How far sources are read, by their names.
pub(crate) type Sources = BTreeMap<String, Offset>;

/// Version of the form of this file.
const FORM: u16 = 1;

/// Octets of its line at most: each unit that is attached takes some 300.
const HEAD: u64 = 1 << 30;

/// The folder that keeps it, for one process at a time.
#[derive(Debug)]
pub(crate) struct Commits {
    folder: PathBuf,
    _lock: File,
}

impl Commit {
    /// The one that follows, as far as all is the same.
    pub(crate) fn next(&self) -> Self {
        Self { v: FORM, number: self.number + 1, made_at: UnixTime::now(), ..self.clone() }
    }

    /// It says anything that the one before does not.
    pub(crate) fn is_news_after(&self, before: &Self) -> bool {
        let Self { v, number, made_at, .. } = *before;
        Self { v, number, made_at, ..self.clone() } != *before
    }
}

impl Commits {
    /// In this folder, which is made.
    ///
    /// # Errors
    /// [`IntakeError::InUse`], and what the folder's disk says.
    pub(crate) fn open(folder: &Path) -> Result<Self, IntakeError> {
        fs::create_dir_all(folder).map_err(|source| IntakeError::io(folder, source))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(|source| IntakeError::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(IntakeError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(IntakeError::io(&path, source)),
        }
    }

    /// The newest, with the engine as it was.
    pub(crate) fn newest(&self, setup: &Setup) -> Result<Option<(Commit, Engine)>, IntakeError> {
        let path = self.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IntakeError::io(&path, error)),
        };
        let bad = |why: String| IntakeError::Commit { path: path.clone(), why };
        let (mut file, mut head) = (BufReader::new(file), Vec::new());
        let read = file.by_ref().take(HEAD).read_until(b'\n', &mut head);
        read.map_err(|error| IntakeError::io(&path, error))?;
        let commit: Commit = serde_json::from_slice(&head).map_err(|error| bad(error.to_string()))?;
        if commit.v != FORM {
            return Err(bad(format!("it is of form {}, this Truecell reads {FORM}", commit.v)));
        }
        let setup = Setup { start: commit.start, ..setup.clone() };
        let engine = Engine::restore_from(setup, &mut file).map_err(|error| bad(error.to_string()))?;
        Ok(Some((commit, engine)))
    }

    /// From now on this holds.
    pub(crate) fn put(&self, commit: &Commit, engine: &Engine) -> Result<(), IntakeError> {
        let (path, unfinished) = (self.path(), self.folder.join("commit.new"));
        let io = |source| IntakeError::io(&unfinished, source);
        let open = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&unfinished);
        let mut file = BufWriter::new(open.map_err(io)?);
        serde_json::to_writer(&mut file, commit)?;
        file.write_all(b"\n").map_err(io)?;
        engine.checkpoint_to(&mut file).map_err(|error| match error {
            BadCheckpoint::Storage(source) => io(source),
            error @ (BadCheckpoint::Damaged
            | BadCheckpoint::Format(_)
            | BadCheckpoint::Detectors
            | BadCheckpoint::Setup
            | BadCheckpoint::Form(_)) => IntakeError::Commit { path: path.clone(), why: error.to_string() },
        })?;
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().and_then(|()| fs::rename(&unfinished, &path)).map_err(io)?;
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| IntakeError::io(&self.folder, source))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("commit")
    }
}
