//! A feed of JSON lines of another system, followed in the background: what is common to all of them.

mod aside;

use aside::Aside;
use records::{Heard, Piece, Tail, TooLong};
use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

/// How often it is looked whether more has come.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A file may be missing for so long while another takes its place.
const ROTATES_WITHIN: Duration = Duration::from_secs(30);

/// One feed: its files are read from their beginning at each start. A line that is no record is kept aside, with its
/// reason, and counted.
pub(crate) struct Feed {
    path: PathBuf,
    intake: Mutex<Intake>,
    told: Mutex<Told>,
}

/// Reads, one at a time.
struct Intake {
    tail: Tail,
    aside: Aside,
}

/// What is counted, and why nothing comes.
#[derive(Default)]
struct Told {
    lines: BTreeMap<&'static str, u64>,
    unreadable: Option<(Instant, String)>,
}

impl Feed {
    /// `name`: of the files in `folder` that keep its bad lines; the folder is made where it is missing. `longest`: octets
    /// of a line.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(crate) fn new(path: PathBuf, longest: usize, folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let intake = Intake { tail: Tail::new(path.clone(), longest), aside: Aside::new(folder, name) };
        Ok(Self { path, intake: Mutex::new(intake), told: Mutex::default() })
    }

    /// Reads all that there is by now: each line by `parse`, and what came of some of them by `take`.
    pub(crate) fn read<R, E: Display>(
        &self,
        parse: impl Fn(Result<&[u8], TooLong>) -> Result<R, E>,
        mut take: impl FnMut(Vec<R>),
    ) {
        let mut intake = lock(&self.intake);
        loop {
            let mut records = Vec::new();
            let Intake { tail, aside } = &mut *intake;
            let each = |piece: Piece<'_>| match parse(piece.line) {
                Ok(record) => records.push(record),
                Err(bad) => {
                    aside.keep(&piece, &bad);
                    self.count("bad");
                }
            };
            let read = tail.read(each);
            take(records);
            match read {
                Ok(true) => {}
                Ok(false) => break lock(&self.told).unreadable = None,
                Err(error) => {
                    let since = Instant::now();
                    let mut told = lock(&self.told);
                    break told.unreadable.get_or_insert((since, String::new())).1 = error.to_string();
                }
            }
        }
    }

    /// One more line of that kind.
    pub(crate) fn count(&self, outcome: &'static str) {
        *lock(&self.told).lines.entry(outcome).or_default() += 1;
    }

    /// How many lines there were of each kind.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        lock(&self.told).lines.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect()
    }

    /// Why it says nothing that counts. `is_stale`: it wrote last too long ago.
    pub(crate) fn silence(&self, heard: Heard, is_stale: bool) -> Option<String> {
        let feed = self.path.display();
        let told = lock(&self.told);
        let unreadable = told.unreadable.as_ref();
        match (unreadable.filter(|(since, _)| is_stale || since.elapsed() > ROTATES_WITHIN), heard.last()) {
            (Some((_, why)), _) => Some(format!("{feed} cannot be read: {why}")),
            (None, _) if !is_stale => None,
            (None, Some(heard)) => Some(format!("{feed} has said nothing since {heard}")),
            (None, None) => Some(format!("{feed} has said nothing yet")),
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
