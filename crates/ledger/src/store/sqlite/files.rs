use super::StoreError;
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The files of one database, as the connections of this process have them open.
///
/// Looking at them closes none: with the first descriptor of a file that is closed the process gives up
/// all its locks on it, SQLite's too (fcntl(2)), and whoever opens the database then takes it for unused.
pub(super) struct Files {
    pub(super) path: PathBuf,
    database: File,
    /// `None` of a copy that nobody writes to.
    log: Option<File>,
    /// Each file, and its device and inode.
    inodes: Vec<(PathBuf, Inode)>,
    /// A page that was read can't be what was written.
    damaged: AtomicBool,
}

type Inode = (u64, u64);

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Behind the end of the write-ahead log: what 64 claims change, if each changes four pages of 4 KiB.
const ROOM: u64 = 1 << 20;

/// Opens the database for reading, and makes it if there is none: SQLite would leave its mode to the
/// umask, and gives the files beside it the same.
pub(super) fn make(path: &Path) -> Result<File, StoreError> {
    let made = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    made.map_err(|error| wrong(path, &error))
}

impl Files {
    /// The files as they are now, all of them open in SQLite; `database` was before it was.
    pub(super) fn of(path: &Path, database: File) -> Result<Self, StoreError> {
        // SQLite puts its files beside the database itself, not beside a link to it.
        let path = path.canonicalize().map_err(|error| wrong(path, &error))?;
        let [log, index] = [beside(&path, "-wal"), beside(&path, "-shm")];
        let opened = OpenOptions::new().append(true).open(&log).map_err(|error| wrong(&log, &error))?;
        let found = |path: &Path| inode(fs::metadata(path)).map_err(|error| wrong(path, &error));
        let inodes = vec![
            (path.clone(), inode(database.metadata()).map_err(|error| wrong(&path, &error))?),
            (log.clone(), inode(opened.metadata()).map_err(|error| wrong(&log, &error))?),
            (index.clone(), found(&index)?),
        ];
        Ok(Self { path, database, log: Some(opened), inodes, damaged: AtomicBool::new(false) })
    }

    /// That of a copy, which is one file.
    pub(super) fn of_copy(path: &Path, database: File) -> Self {
        let (path, damaged) = (path.to_owned(), AtomicBool::new(false));
        Self { path, database, log: None, inodes: Vec::new(), damaged }
    }

    /// They are where they were, begin as they must, and the log can grow.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.inodes {
            let here = inode(fs::metadata(path)).map_err(|error| wrong(path, &error))?;
            if here != *opened {
                return Err(wrong(path, &"it was replaced by another file"));
            }
        }
        let mut magic = [0; MAGIC.len()];
        self.database.read_exact_at(&mut magic, 0).map_err(|error| wrong(&self.path, &error))?;
        if magic != *MAGIC {
            return Err(damaged(&self.path, &"it was overwritten: it is no database any more"));
        }
        self.take_room().map_err(|error| wrong(&self.path, &error))
    }

    /// Has the file system set octets aside behind the log, where it can do that.
    fn take_room(&self) -> io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let end = log.metadata()?.len();
        match fallocate(log, FallocateFlags::KEEP_SIZE, end, ROOM) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers an error that tells of a damaged file.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        if tells_of_damage(error) {
            self.damaged.store(true, Relaxed);
        }
        of_sqlite(&self.path, error)
    }

    /// Such an error was met since [`Self::mended`].
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Relaxed)
    }

    /// All pages are well.
    pub(super) fn mended(&self) {
        self.damaged.store(false, Relaxed);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn inode(metadata: io::Result<Metadata>) -> io::Result<Inode> {
    metadata.map(|metadata| (metadata.dev(), metadata.ino()))
}

pub(super) fn wrong(path: &Path, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(format!("{}: {what}", path.display()))
}

pub(super) fn damaged(path: &Path, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::damaged(format!("{}: {what}", path.display()))
}

/// What SQLite said, and whether that is for good.
pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> StoreError {
    if tells_of_damage(error) { damaged(path, error) } else { wrong(path, error) }
}

fn tells_of_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
