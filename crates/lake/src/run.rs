//! The rows of one part in the order of time: held, or, where too much is held, put aside in a file without a name.

use crate::{
    columns::{Columns, Texts},
    entry::{Entry, Kind},
    field::Field,
    kind::needed,
    lake::LakeError,
    part::Part,
};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::ArrowError;
use arrow_select::take::take_record_batch;
use ids::{Label, UnixTime};
use records::row::Stamp;
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Seek},
    path::{Path, PathBuf},
    vec,
};

/// Rows that are made of columns at once.
const CHUNK: usize = 1 << 10;

/// One part, its rows one by one in the order of (at, feed, seq).
pub(crate) struct Run {
    pub(crate) kind: Kind,
    path: PathBuf,
    rows: Held,
    ready: vec::IntoIter<Entry>,
    /// Rows that it holds in memory.
    pub(crate) held: usize,
}

enum Held {
    Here { batch: RecordBatch, order: Vec<u32>, next: usize },
    Aside(Box<StreamReader<BufReader<File>>>),
}

impl Run {
    /// Reads a part, and of its rows those that are of the time that was asked for.
    pub(crate) fn open(path: PathBuf, kind: Kind, from: UnixTime, to: UnixTime) -> Result<Self, LakeError> {
        let part = Part::open(&path, kind.as_str(), kind.schema())?;
        let rows = part.rows;
        let mut reader = part.read(rows).map_err(LakeError::parquet(&path))?;
        let batch = reader.next().transpose().map_err(LakeError::arrow(&path))?;
        let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(kind.schema()));
        if batch.num_rows() != rows {
            let why = format!("it has {} rows, and says {rows}", batch.num_rows());
            return Err(LakeError::Damaged { path, why });
        }
        let order = Stamps::of(&batch, &path)?.order(from, to)?;
        let held = order.len();
        Ok(Self {
            kind,
            path,
            rows: Held::Here { batch, order, next: 0 },
            ready: Vec::new().into_iter(),
            held,
        })
    }

    /// Puts its rows aside.
    pub(crate) fn put_aside(&mut self, folder: &Path) -> Result<(), LakeError> {
        let Held::Here { batch, order, next } = &self.rows else { return Ok(()) };
        let (batch, order) = (batch, order.get(*next..).unwrap_or_default());
        let written = || {
            let mut writer = StreamWriter::try_new(BufWriter::new(without_name(folder)?), &batch.schema())?;
            for rows in order.chunks(CHUNK) {
                writer.write(&take_record_batch(batch, &UInt32Array::from(rows.to_vec()))?)?;
            }
            writer.finish()?;
            let mut file = writer.into_inner()?.into_inner().map_err(|error| error.into_error())?;
            file.rewind()?;
            StreamReader::try_new(BufReader::new(file), None)
        };
        let aside = written().map_err(|error: ArrowError| LakeError::io(folder)(io::Error::other(error)))?;
        self.rows = Held::Aside(Box::new(aside));
        self.held = CHUNK.min(self.held);
        Ok(())
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, LakeError> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Ok(Some(entry));
            }
            let entries = match &mut self.rows {
                Held::Here { batch, order, next } => {
                    let rows = order.get(*next..order.len().min(*next + CHUNK)).unwrap_or_default();
                    *next += rows.len();
                    entries(self.kind, batch, rows, &self.path)?
                }
                Held::Aside(reader) => {
                    match reader.next().transpose().map_err(LakeError::arrow(&self.path))? {
                        Some(batch) => {
                            let rows: Vec<u32> = (0..).take(batch.num_rows()).collect();
                            entries(self.kind, &batch, &rows, &self.path)?
                        }
                        None => Vec::new(),
                    }
                }
            };
            if entries.is_empty() {
                return Ok(None);
            }
            self.ready = entries.into_iter();
        }
    }
}

/// Makes the entries of some rows.
fn entries(kind: Kind, batch: &RecordBatch, rows: &[u32], path: &Path) -> Result<Vec<Entry>, LakeError> {
    let stamps = Stamps::of(batch, path)?;
    let damaged = |why: String| LakeError::Damaged { path: path.to_owned(), why };
    let reader = kind.reader(Columns(batch)).map_err(|unfit| damaged(unfit.to_string()))?;
    let bad =
        |row, field, why: Box<str>| LakeError::Value { path: path.to_owned(), row, field, why: why.into() };
    rows.iter()
        .map(|row| {
            let row = *row as usize;
            reader.get(row, stamps.get(row)?).map_err(|(field, why)| bad(row, field, why))
        })
        .collect()
}

/// The columns of the stamp.
struct Stamps<'a> {
    path: &'a Path,
    rows: usize,
    at: <UnixTime as Field>::View,
    feed: <Label as Field>::View,
    feeds: Texts,
    seq: <u64 as Field>::View,
}

impl<'a> Stamps<'a> {
    fn of(batch: &RecordBatch, path: &'a Path) -> Result<Self, LakeError> {
        let columns = Columns(batch);
        let found = || {
            let (at, seq) = (UnixTime::view(columns, "at")?, u64::view(columns, "feed_seq")?);
            let (feed, feeds) = (Label::view(columns, "feed")?, Texts::of(columns, "feed")?);
            Ok(Self { path, rows: batch.num_rows(), at, feed, feeds, seq })
        };
        found().map_err(|unfit: crate::columns::Unfit| LakeError::Damaged {
            path: path.to_owned(),
            why: unfit.to_string(),
        })
    }

    fn get(&self, row: usize) -> Result<Stamp, LakeError> {
        let at = self.needed(needed::<UnixTime>(&self.at, row, "at"), row)?;
        let feed = self.needed(needed::<Label>(&self.feed, row, "feed"), row)?;
        Ok(Stamp { at, feed, seq: self.seq(row)? })
    }

    fn seq(&self, row: usize) -> Result<u64, LakeError> {
        self.needed(needed::<u64>(&self.seq, row, "seq"), row)
    }

    fn needed<T>(&self, value: Result<T, (&'static str, Box<str>)>, row: usize) -> Result<T, LakeError> {
        let path = || self.path.to_owned();
        value.map_err(|(field, why)| LakeError::Value { path: path(), row, field, why: why.into() })
    }

    /// The rows of that time, in the order of (at, feed, seq).
    fn order(&self, from: UnixTime, to: UnixTime) -> Result<Vec<u32>, LakeError> {
        let mut keys = Vec::with_capacity(self.rows);
        for (row, number) in (0..self.rows).zip(0_u32..) {
            let at = self.needed(needed::<UnixTime>(&self.at, row, "at"), row)?;
            if (from..to).contains(&at) {
                keys.push((at, number, self.seq(row)?));
            }
        }
        let feed = |row: u32| self.feeds.get(row as usize);
        keys.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| feed(a.1).cmp(&feed(b.1))).then_with(|| a.2.cmp(&b.2))
        });
        Ok(keys.into_iter().map(|(_, row, _)| row).collect())
    }
}

/// A file that is gone once it is closed, whatever happens.
pub(crate) fn without_name(folder: &Path) -> io::Result<File> {
    for number in 0_u32.. {
        let path = folder.join(format!(".aside-{}-{number}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
