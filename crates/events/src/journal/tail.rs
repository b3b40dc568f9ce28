use super::segment;
use crate::Record;
use ids::UnixTime;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Reads a journal in order, while it may still grow. Checks nothing: that is `verify`'s part.
pub struct Tail {
    dir: PathBuf,
    next: u64,
    reader: Option<BufReader<File>>,
}

/// A line can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The file can't.
    #[error("journal {path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no record.
    #[error("journal {path}: record {seq} is not readable: {source}")]
    Line {
        /// The folder.
        path: PathBuf,
        /// The record expected.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
}

impl Tail {
    /// Begins with record `from`, or the first one there is behind it; 0 and 1 are the beginning.
    pub fn new(dir: &Path, from: u64) -> Self {
        Self { dir: dir.to_owned(), next: from.max(1), reader: None }
    }

    /// Begins with the segment that has the first record of `time` or later: a few records before it come first.
    ///
    /// # Errors
    /// [`TailError`]
    pub fn since(dir: &Path, time: UnixTime) -> Result<Self, TailError> {
        let io = |source| TailError::Io { path: dir.to_owned(), source };
        for (first, _) in segment::list(dir).map_err(io)?.into_iter().rev() {
            let mut tail = Self::new(dir, first);
            if tail.next_record()?.is_some_and(|record| record.at <= time) {
                return Ok(Self::new(dir, first));
            }
        }
        Ok(Self::new(dir, 1))
    }

    /// The next record, or `None` as long as there is none yet. An unfinished line is not there yet.
    ///
    /// # Errors
    /// [`TailError`]
    pub fn next_record(&mut self) -> Result<Option<Record>, TailError> {
        loop {
            if self.reader.is_none() && !self.open()? {
                return Ok(None);
            }
            let Some(record) = self.read_line()? else { return Ok(None) };
            if record.seq >= self.next {
                self.next = record.seq + 1;
                return Ok(Some(record));
            }
        }
    }

    /// Opens the segment that holds the next record; `false` when there is none.
    fn open(&mut self) -> Result<bool, TailError> {
        let io = |source| TailError::Io { path: self.dir.clone(), source };
        let segments = segment::list(&self.dir).map_err(io)?;
        let at_or_before = segments.iter().rfind(|(first, _)| *first <= self.next);
        let Some((_, path)) = at_or_before.or(segments.first()) else { return Ok(false) };
        self.reader = Some(BufReader::new(File::open(path).map_err(io)?));
        Ok(true)
    }

    fn read_line(&mut self) -> Result<Option<Record>, TailError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let io = |source| TailError::Io { path: self.dir.clone(), source };
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line).map_err(io)?;
        if line.last() != Some(&b'\n') {
            let back = i64::try_from(read).unwrap_or(0);
            reader.seek(SeekFrom::Current(-back)).map_err(io)?;
            return if read == 0 { self.next_segment() } else { Ok(None) };
        }
        let line = serde_json::from_slice(&line);
        line.map(Some).map_err(|source| TailError::Line { path: self.dir.clone(), seq: self.next, source })
    }

    fn next_segment(&mut self) -> Result<Option<Record>, TailError> {
        if !segment::path(&self.dir, self.next).exists() {
            return Ok(None);
        }
        self.reader = None;
        if self.open()? { self.read_line() } else { Ok(None) }
    }
}
