use crate::{
    entry::Kind,
    merge::Rows,
    part::{Day, Name, UNFINISHED},
    visitors::Visitors,
    writer::Writer,
};
use arrow_schema::ArrowError;
use ids::{CellKey, UnixTime};
use parquet::errors::ParquetError;
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// A folder of parts: `<kind>/<YYYY-MM-DD>/<commit>-<part>.parquet`, and `visitors` beside the kinds.
///
/// One process writes, any number read. What a commit wrote is there once it is published; a crash before leaves files of other names, which
/// nobody reads and [`Self::forget_after`] removes.
#[derive(Clone, Debug)]
pub struct Lake {
    dir: PathBuf,
}

/// The folder of visitors.
pub(crate) const VISITORS: &str = "visitors";

/// The lake cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A file or folder of it.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A part that is no Parquet, or damaged.
    #[error("{} is damaged, or no part of the lake: {why}; move it away, or bring it back from a copy", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A part with other columns, or of another version.
    #[error("{} has {found}, this Truecell reads {known}", path.display())]
    Schema {
        /// Which.
        path: PathBuf,
        /// What it says of itself.
        found: String,
        /// What is read.
        known: String,
    },
    /// A name that no part has.
    #[error("{} is not named as a part of the lake is; move it away", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// A value that its field cannot have.
    #[error("{}, row {row}: `{field}`: {why}", path.display())]
    Value {
        /// Which part.
        path: PathBuf,
        /// Which row, from 0.
        row: usize,
        /// Which field.
        field: &'static str,
        /// Why.
        why: String,
    },
    /// More parts overlap in time than are merged at once.
    #[error("more than {most} parts of the lake overlap at {at}: ask for less time, or for fewer kinds")]
    TooManyAtOnce {
        /// How many are merged.
        most: usize,
        /// When.
        at: UnixTime,
    },
    /// A commit has a number for each of its parts, and they are used up.
    #[error("commit {commit} has {most} parts, and no more: publish it, and begin another one")]
    TooManyParts {
        /// Which.
        commit: u64,
        /// How many it has.
        most: u32,
    },
    /// A commit's number has 12 digits.
    #[error("commit {0} has a number of more than 12 digits")]
    Commit(u64),
}

impl LakeError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io { path, error }
    }

    pub(crate) fn damaged(path: &Path) -> impl FnOnce(String) -> Self {
        let path = path.to_owned();
        |why| Self::Damaged { path, why }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        |error| Self::Damaged { path, why: error.to_string() }
    }

    pub(crate) fn arrow(path: &Path) -> impl FnOnce(ArrowError) -> Self {
        let path = path.to_owned();
        |error| Self::Damaged { path, why: error.to_string() }
    }
}

impl Lake {
    /// The lake in that folder, which is made if it is missing.
    ///
    /// # Errors
    /// [`LakeError::Io`]
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LakeError> {
        let dir = dir.into();
        make(&dir)?;
        Ok(Self { dir })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins a commit. `is_femtocell`: of the cells of which visitors are kept; asked once for each cell of a part.
    ///
    /// # Errors
    /// [`LakeError::Commit`]
    pub fn writer<F: Fn(CellKey) -> bool>(
        &self,
        commit: u64,
        is_femtocell: F,
    ) -> Result<Writer<F>, LakeError> {
        Writer::new(self.clone(), commit, is_femtocell)
    }

    /// Removes what commits behind this one wrote, and what a crash left unfinished: for whoever writes, before it writes. Returns how
    /// many parts of commits it removed.
    ///
    /// # Errors
    /// [`LakeError::Io`], [`LakeError::Name`]
    pub fn forget_after(&self, commit: u64) -> Result<usize, LakeError> {
        let (mut days, mut going, mut parts) = (Vec::new(), Vec::new(), 0);
        for folder in Kind::ALL.map(Kind::as_str).into_iter().chain([VISITORS]) {
            days.extend(self.days(folder)?.into_iter().map(|(_, day)| day));
        }
        for path in days.iter().map(|day| files(day)).collect::<Result<Vec<_>, _>>()?.concat() {
            let is_unfinished = path.extension().is_some_and(|end| end == UNFINISHED);
            let is_later = !is_unfinished && Name::of(&path)?.commit > commit;
            parts += usize::from(is_later);
            going.extend((is_unfinished || is_later).then_some(path));
        }
        going.iter().try_for_each(|path| fs::remove_file(path).map_err(LakeError::io(path)))?;
        days.iter().try_for_each(|day| sync(day))?;
        Ok(parts)
    }

    /// The newest commit that has a part.
    ///
    /// # Errors
    /// [`LakeError::Io`], [`LakeError::Name`]
    pub fn last_commit(&self) -> Result<Option<u64>, LakeError> {
        let mut last = None;
        for kind in Kind::ALL {
            for (_, day) in self.days(kind.as_str())? {
                for (name, _) in parts(&day)? {
                    last = last.max(Some(name.commit));
                }
            }
        }
        Ok(last)
    }

    /// Rows of these kinds in the order of (at, feed, seq), from `from` on and before `to`. Parts are merged in bounded memory: what does not fit
    /// is put aside in the lake's folder, in files without a name.
    ///
    /// # Errors
    /// [`LakeError`]: the folders cannot be read. What is wrong with a part comes as an item, and nothing after it.
    pub fn read(&self, kinds: &[Kind], from: UnixTime, to: UnixTime) -> Result<Rows, LakeError> {
        Rows::new(self, kinds, from, to)
    }

    /// Who was at which femtocell, on the days from `from` on and before `to`, by day and commit: one for each part of a commit that has rows
    /// of both.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn visitors(&self, from: UnixTime, to: UnixTime) -> Result<Visitors, LakeError> {
        Visitors::new(self, from, to)
    }

    pub(crate) fn folder(&self, name: &str, day: Day) -> PathBuf {
        self.dir.join(name).join(day.to_string())
    }

    /// The days that a folder has, in their order.
    pub(crate) fn days(&self, folder: &str) -> Result<Vec<(Day, PathBuf)>, LakeError> {
        let mut days = Vec::new();
        for path in files(&self.dir.join(folder))? {
            let day = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            days.push((day.ok_or_else(|| LakeError::Name { path: path.clone() })?, path));
        }
        days.sort();
        Ok(days)
    }
}

/// The parts of a day, in the order of commits.
pub(crate) fn parts(day: &Path) -> Result<Vec<(Name, PathBuf)>, LakeError> {
    let paths = files(day)?.into_iter().filter(|path| path.extension().is_none_or(|end| end != UNFINISHED));
    let mut parts = paths.map(|path| Ok((Name::of(&path)?, path))).collect::<Result<Vec<_>, _>>()?;
    parts.sort();
    Ok(parts)
}

/// Everything in a folder; one that is not there is empty.
fn files(dir: &Path) -> Result<Vec<PathBuf>, LakeError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LakeError::io(dir)(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(LakeError::io(dir))).collect()
}

/// Makes a folder and those above it that are missing, each with its name on disk.
pub(crate) fn make(dir: &Path) -> Result<(), LakeError> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(above)?;
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(LakeError::io(dir)(error)),
        Err(_) | Ok(()) => sync(above),
    }
}

/// Brings the names in a folder to disk.
pub(crate) fn sync(dir: &Path) -> Result<(), LakeError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LakeError::io(dir))
}
