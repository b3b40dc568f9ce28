//! The rows of one part in the order of time: held, or, where too much is held, put aside in a file without a name.

use crate::{
    columns::{Columns, Unfit, Why},
    entry::{Entry, Kind},
    field::Field,
    kind::{Reader, needed},
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
    Here { columns: RecordBatch, order: Vec<u32>, next: usize },
    Aside(Box<StreamReader<BufReader<File>>>),
}

impl Run {
    /// Reads a part, and of its rows those that are of the time that was asked for.
    pub(crate) fn open(path: PathBuf, kind: Kind, from: UnixTime, to: UnixTime) -> Result<Self, LakeError> {
        let part = Part::open(&path, kind.as_str(), kind.schema())?;
        let rows = part.rows;
        let batch = part.read(rows, &path)?.next(&path)?;
        let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(kind.schema()));
        if batch.num_rows() != rows {
            let why = format!("it has {} rows, and says {rows}", batch.num_rows());
            return Err(LakeError::Damaged { path, why });
        }
        let batch = Batch::of(kind, batch, &path)?;
        let (mut order, mut columns) = (batch.order(from, to, &path)?, batch.columns);
        if order.len() < rows {
            columns = take(&columns, &order).map_err(LakeError::arrow(&path))?;
            order = (0..).take(order.len()).collect();
        }
        let held = order.len();
        let rows = Held::Here { columns, order, next: 0 };
        Ok(Self { kind, path, rows, ready: Vec::new().into_iter(), held })
    }

    /// Puts its rows aside.
    pub(crate) fn put_aside(&mut self, folder: &Path) -> Result<(), LakeError> {
        let Held::Here { columns, order, next } = &self.rows else { return Ok(()) };
        let order = order.get(*next..).unwrap_or_default();
        let written = || {
            let mut writer = StreamWriter::try_new(BufWriter::new(without_name(folder)?), &columns.schema())?;
            for rows in order.chunks(CHUNK) {
                writer.write(&take(columns, rows)?)?;
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
            let entries = self.fill()?;
            if entries.is_empty() {
                return Ok(None);
            }
            self.ready = entries.into_iter();
        }
    }

    /// The next rows; none at the end.
    fn fill(&mut self) -> Result<Vec<Entry>, LakeError> {
        let columns = match &mut self.rows {
            Held::Here { columns, order, next } => {
                let rows = order.get(*next..order.len().min(*next + CHUNK)).unwrap_or_default();
                *next += rows.len();
                Some(take(columns, rows)).transpose()
            }
            Held::Aside(reader) => reader.next().transpose(),
        };
        let Some(columns) = columns.map_err(LakeError::arrow(&self.path))? else { return Ok(Vec::new()) };
        let rows = Batch::of(self.kind, columns, &self.path)?;
        (0..rows.columns.num_rows()).map(|row| rows.get(row, &self.path)).collect()
    }
}

fn take(columns: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, ArrowError> {
    take_record_batch(columns, &UInt32Array::from(rows.to_vec()))
}

/// Some rows of a part.
struct Batch {
    columns: RecordBatch,
    at: <UnixTime as Field>::View,
    feed: <Label as Field>::View,
    seq: <u64 as Field>::View,
    own: Box<dyn Reader>,
}

impl Batch {
    fn of(kind: Kind, batch: RecordBatch, path: &Path) -> Result<Self, LakeError> {
        let columns = Columns(&batch);
        let found = || {
            let (at, feed) = (UnixTime::view(columns, "at")?, Label::view(columns, "feed")?);
            Ok((at, feed, u64::view(columns, "feed_seq")?, kind.reader(columns)?))
        };
        let damaged = |unfit: Unfit| LakeError::Damaged { path: path.to_owned(), why: unfit.to_string() };
        let (at, feed, seq, own) = found().map_err(damaged)?;
        Ok(Self { columns: batch, at, feed, seq, own })
    }

    fn get(&self, row: usize, path: &Path) -> Result<Entry, LakeError> {
        let found = || {
            let (at, feed) =
                (needed::<UnixTime>(&self.at, row, "at")?, needed::<Label>(&self.feed, row, "feed")?);
            self.own.get(row, Stamp { at, feed, seq: needed::<u64>(&self.seq, row, "seq")? })
        };
        found().map_err(bad(row, path))
    }

    /// The rows of that time, in the order of (at, feed, seq).
    fn order(&self, from: UnixTime, to: UnixTime, path: &Path) -> Result<Vec<u32>, LakeError> {
        let mut keys: Vec<(UnixTime, u32, u64)> = Vec::with_capacity(self.columns.num_rows());
        for (row, number) in (0..self.columns.num_rows()).zip(0..) {
            let at = needed::<UnixTime>(&self.at, row, "at").map_err(bad(row, path))?;
            if (from..to).contains(&at) {
                keys.push((at, number, needed::<u64>(&self.seq, row, "seq").map_err(bad(row, path))?));
            }
        }
        let feed = |row: u32| self.feed.text(row as usize);
        keys.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| feed(a.1).cmp(&feed(b.1))).then_with(|| a.2.cmp(&b.2))
        });
        Ok(keys.into_iter().map(|(_, row, _)| row).collect())
    }
}

fn bad(row: usize, path: &Path) -> impl Fn((&'static str, Why)) -> LakeError {
    move |(field, why)| LakeError::Value { path: path.to_owned(), row, field, why: why.into() }
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
