use crate::{
    entry::{Entry, Kind},
    lake::{self, Lake, LakeError, VISITORS},
    part::{Day, Name, PART, PartWriter, UNFINISHED},
    table::Table,
    visitors::{self, Gather},
};
use ids::CellKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Parts that are gathered at once: kinds and days.
pub(crate) const OPEN: usize = 512;
/// Rows that are put into columns at once.
const CHUNK: usize = 1 << 16;

/// One commit: takes rows in any order, and writes them as parts that nobody sees before they are published. Holds at most [`PART`] rows.
///
/// One that is dropped, as a [`Sealed`] is, leaves nothing.
pub struct Writer<F> {
    lake: Lake,
    commit: u64,
    is_femtocell: F,
    open: Vec<Open>,
    /// Where the last row went.
    last: usize,
    held: usize,
    sealed: Sealed,
}

struct Open {
    kind: Kind,
    day: Day,
    table: Box<dyn Table>,
}

/// A commit that is on disk whole, under names that nobody reads.
#[derive(Debug, Default)]
pub struct Sealed {
    /// Under which name a part is, and under which it will be.
    parts: Vec<(PathBuf, PathBuf)>,
    published: Published,
}

/// What a commit brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Rows of each kind.
    pub rows: BTreeMap<Kind, u64>,
    /// Files.
    pub parts: usize,
    /// Octets of them all.
    pub octets: u64,
}

impl<F: Fn(CellKey) -> bool> Writer<F> {
    pub(crate) fn new(lake: Lake, commit: u64, is_femtocell: F) -> Result<Self, LakeError> {
        if commit >= Name::COMMITS {
            return Err(LakeError::Commit(commit));
        }
        let (open, sealed) = (Vec::new(), Sealed::default());
        Ok(Self { lake, commit, is_femtocell, open, last: 0, held: 0, sealed })
    }

    /// Which commit it is.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Rows that it took so far.
    pub fn rows(&self) -> u64 {
        self.sealed.published.rows.values().sum::<u64>() + self.held as u64
    }

    /// Adds a row. Where that is one too many to hold, a part is written, which takes its time.
    ///
    /// # Errors
    /// [`LakeError::Io`], [`LakeError::TooManyParts`]: the commit cannot be finished, and its rows are to be given to another one.
    pub fn push(&mut self, entry: &Entry) -> Result<(), LakeError> {
        let (kind, day) = (entry.kind(), Day::of(entry.stamp().at));
        let is_it = |open: &Open| open.kind == kind && open.day == day;
        if !self.open.get(self.last).is_some_and(is_it) {
            self.last = match self.open.iter().position(is_it) {
                Some(known) => known,
                None => self.begin(kind, day)?,
            };
        }
        if let Some(open) = self.open.get_mut(self.last) {
            open.table.push(entry);
            self.held += 1;
        }
        if self.held >= PART { self.write_fullest() } else { Ok(()) }
    }

    /// Writes what it holds, and brings all to disk.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn seal(mut self) -> Result<Sealed, LakeError> {
        while !self.open.is_empty() {
            self.write_fullest()?;
        }
        for (path, _) in &self.sealed.parts {
            let synced = File::open(path).and_then(|file| {
                file.sync_all()?;
                file.metadata()
            });
            self.sealed.published.octets += synced.map_err(LakeError::io(path))?.len();
        }
        Ok(self.sealed)
    }

    fn begin(&mut self, kind: Kind, day: Day) -> Result<usize, LakeError> {
        if self.open.len() >= OPEN {
            self.write_fullest()?;
        }
        self.open.push(Open { kind, day, table: kind.table() });
        Ok(self.open.len() - 1)
    }

    fn write_fullest(&mut self) -> Result<(), LakeError> {
        let fullest = (0..self.open.len()).max_by_key(|at| self.open.get(*at).map(|open| open.table.len()));
        let Some(at) = fullest else { return Ok(()) };
        let Open { kind, day, table } = self.open.swap_remove(at);
        self.last = self.open.len();
        self.held -= table.len();
        self.write(kind, day, table.as_ref())?;
        *self.sealed.published.rows.entry(kind).or_default() += table.len() as u64;
        Ok(())
    }

    fn write(&mut self, kind: Kind, day: Day, table: &dyn Table) -> Result<(), LakeError> {
        let name = self.name()?;
        let path = self.path(kind.as_str(), day, name)?;
        let mut writer = PartWriter::new(&path, kind.as_str(), kind.schema())?;
        let mut visitors = (kind == Kind::Access).then(Gather::default);
        for order in table.order().chunks(CHUNK) {
            let batch = table.batch(order).map_err(LakeError::arrow(&path))?;
            writer.write(&batch).map_err(LakeError::parquet(&path))?;
            if let Some(visitors) = &mut visitors {
                visitors.add(&batch, &self.is_femtocell);
            }
        }
        writer.finish().map_err(LakeError::parquet(&path))?;
        if let Some(batch) = visitors.and_then(Gather::finish) {
            let path = self.path(VISITORS, day, name)?;
            let mut writer = PartWriter::new(&path, VISITORS, visitors::schema())?;
            let written = writer.write(&batch).and_then(|()| writer.finish());
            written.map_err(LakeError::parquet(&path))?;
        }
        Ok(())
    }

    fn name(&self) -> Result<Name, LakeError> {
        let part = u32::try_from(self.sealed.parts.len()).ok().filter(|part| *part < Name::PARTS);
        let part = part.ok_or(LakeError::TooManyParts { commit: self.commit, most: Name::PARTS })?;
        Ok(Name { commit: self.commit, part })
    }

    /// Where the part is to be written.
    fn path(&mut self, folder: &str, day: Day, name: Name) -> Result<PathBuf, LakeError> {
        let folder = self.lake.folder(folder, day);
        lake::make(&folder)?;
        let (hidden, path) = (folder.join(format!("{name}.{UNFINISHED}")), folder.join(name.to_string()));
        self.sealed.parts.push((hidden.clone(), path));
        Ok(hidden)
    }
}

impl Sealed {
    /// Gives all parts their names, and brings those to disk.
    ///
    /// # Errors
    /// [`LakeError::Io`]: some parts may have theirs. [`Lake::forget_after`] with the commit before takes them back.
    pub fn publish(mut self) -> Result<Published, LakeError> {
        let folders: BTreeSet<PathBuf> =
            self.parts.iter().filter_map(|(_, path)| path.parent().map(Path::to_owned)).collect();
        self.published.parts = self.parts.len();
        while let Some((hidden, path)) = self.parts.pop() {
            fs::rename(&hidden, &path).map_err(LakeError::io(&path))?;
        }
        folders.iter().try_for_each(|folder| lake::sync(folder))?;
        Ok(std::mem::take(&mut self.published))
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        for (hidden, _) in &self.parts {
            // What cannot be removed now is when the next writer starts.
            let _ = fs::remove_file(hidden);
        }
    }
}
