//! What a carrier gives: Parquet, CSV or JSON lines, from a file, a folder or standard input. Nothing in it is trusted.

mod aside;
mod batch;
mod columns;
mod csv;
mod files;
#[cfg(feature = "fuzz")]
mod fuzz;
mod json;
mod lines;
mod numbering;
mod octets;
mod open;
mod parquet;

pub use aside::Aside;
pub use lines::LONGEST;

#[cfg(feature = "fuzz")]
pub use fuzz::csv as fuzz_csv;

use crate::entry::{Entry, Kind};
use ids::Label;
use open::Open;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
};

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a folder: its files whose names end as a format's do, in the order of their names. One that comes later has to have a later
    /// name; others of the same folder are passed over.
    Path(PathBuf),
    /// Standard input; the format has to be said.
    Standard,
}

/// How rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Columns by name, as the lake has them, or as text as JSON lines have it: `.parquet`.
    Parquet,
    /// The same with a line of names first: `.csv`, `.csv.gz`.
    Csv,
    /// One object a line: `.jsonl`, `.jsonl.gz`.
    JsonLines,
}

/// Which JSON lines are read; CSV and Parquet name the kind in a column, or have one for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schema {
    /// Rows of core, IMS and billing.
    #[default]
    Rows,
    /// The feed of lines, which has no feed and no numbers: [`Options::feed`] names it, and the source numbers it.
    Lines,
    /// The feed of device facts, likewise.
    Facts,
}

/// How a source is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `None`: by the end of each file's name.
    pub format: Option<Format>,
    /// Which JSON lines.
    pub schema: Schema,
    /// The kind of all rows, which have none themselves.
    pub kind: Option<Kind>,
    /// The feed of all rows, which name none themselves.
    pub feed: Option<Label>,
    /// Rows have no numbers: the source numbers those of each feed from 1 on, in its own order.
    pub is_numbered: bool,
    /// Columns that no kind has are passed over; else the source is refused.
    pub ignores_unknown: bool,
    /// More may come: at the end, iterating again looks for it, and a last line without its end is waited for.
    pub is_followed: bool,
}

/// Up to where a source was read: what a checkpoint keeps. Its rows come again in the same order, so whoever goes on here misses none and
/// gets none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// The file at hand, by its name in the folder, and `-` for standard input; those with earlier names are done. `None` before the first.
    pub file: Option<String>,
    /// What of it is done: rows of Parquet, else octets, unpacked.
    pub done: u64,
    /// Lines of it that are done.
    pub lines: u64,
    /// The whole file is done: it may be gone.
    pub is_over: bool,
    /// The last number that the source gave out, by feed.
    pub numbers: BTreeMap<Label, u64>,
}

/// What is no row, and why. Reading goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// In which file; standard input is `-`.
    pub file: PathBuf,
    /// Which line, or which row of Parquet, from 1.
    pub line: u64,
    /// Why.
    pub why: String,
    /// The start of the line; of Parquet nothing.
    pub text: String,
}

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The end of its name is that of no format.
    #[error("{} ends in none of .parquet, .csv, .csv.gz, .jsonl and .jsonl.gz: say its format", path.display())]
    NoFormat {
        /// Which.
        path: PathBuf,
    },
    /// No Parquet, or damaged.
    #[error("{} is no Parquet that can be read: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Columns that no row can be made of.
    #[error("{}: {why}", path.display())]
    Columns {
        /// Which file.
        path: PathBuf,
        /// Which column, and what is wrong with it.
        why: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Options(&'static str),
    /// The file at hand has become shorter than what was read of it.
    #[error("{} is shorter than what was read of it before: rows may be missing; give it another name to have it read anew", path.display())]
    Shorter {
        /// Which.
        path: PathBuf,
    },
}

impl SourceError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io { path, error }
    }
}

/// Why a source gives no row.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// This one is none; the next one may be.
    #[error("{}, line {}: {}", .0.file.display(), .0.line, .0.why)]
    Bad(Box<BadRow>),
    /// The source, or this file of it, cannot be read on. In a folder the next call goes on with the next file.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A source that is read: rows in its own order, one by one. Holds some thousand rows, whatever the source is.
///
/// `None` is the end for now: with [`Options::is_followed`], calling again finds what has come.
pub struct Source {
    input: Input,
    options: Options,
    offset: Offset,
    open: Option<Open>,
    /// Rows that are read, each with what is done once it is given out.
    ready: VecDeque<Ready>,
}

/// The next thing that a source gives.
struct Ready {
    given: Result<Entry, Box<BadRow>>,
    done: u64,
    lines: u64,
}

impl Source {
    /// A source from its beginning.
    ///
    /// # Errors
    /// As [`Self::resume`].
    pub fn open(input: Input, options: Options) -> Result<Self, SourceError> {
        Self::resume(input, options, Offset::default())
    }

    /// A source from where another one, of the same input and options, had come to. Of standard input, which has to begin anew, that much is
    /// passed over.
    ///
    /// # Errors
    /// [`SourceError::Options`]. What is wrong with its files comes as an item.
    pub fn resume(input: Input, options: Options, from: Offset) -> Result<Self, SourceError> {
        options.check(&input)?;
        Ok(Self { input, options, offset: from, open: None, ready: VecDeque::new() })
    }

    /// Up to where it was read: what was given out is done, and nothing else.
    pub fn offset(&self) -> &Offset {
        &self.offset
    }

    /// Reads on until there is something; false at the end.
    fn fill(&mut self) -> Result<bool, SourceError> {
        loop {
            if !self.ready.is_empty() {
                return Ok(true);
            }
            let Some(open) = &mut self.open else {
                if !self.begin()? {
                    return Ok(false);
                }
                continue;
            };
            if open.fill(&mut self.ready)? {
                continue;
            }
            let is_last = files::after(&self.input, &self.options, self.offset.file.as_deref())?.is_none();
            if is_last && self.options.is_followed {
                return Ok(false);
            }
            open.finish(&mut self.ready)?;
            if self.ready.is_empty() {
                (self.open, self.offset.is_over) = (None, true);
            }
        }
    }

    /// Opens the file at hand, or the next one; false where there is none.
    fn begin(&mut self) -> Result<bool, SourceError> {
        if self.offset.is_over || self.offset.file.is_none() {
            let next = files::after(&self.input, &self.options, self.offset.file.as_deref())?;
            let Some(next) = next else { return Ok(false) };
            let numbers = std::mem::take(&mut self.offset.numbers);
            self.offset = Offset { file: Some(next), numbers, ..Offset::default() };
        }
        // A file that cannot be opened is passed over by the next call.
        self.offset.is_over = true;
        self.open = Some(Open::new(&self.input, &self.options, &self.offset)?);
        self.offset.is_over = false;
        Ok(true)
    }

    fn give(&mut self, Ready { given, done, lines }: Ready) -> Result<Entry, Stop> {
        (self.offset.done, self.offset.lines) = (done, lines);
        let given = match given {
            Ok(entry) if self.options.numbers() => {
                let file = self
                    .offset
                    .file
                    .as_deref()
                    .map(|file| files::path(&self.input, file))
                    .unwrap_or_default();
                let bad = |why| Box::new(BadRow { file, line: lines, why, text: String::new() });
                numbering::number(entry, &mut self.offset.numbers).map_err(bad)
            }
            Err(bad) if self.options.numbers() => {
                // Its number is a hole in its feed: who reads the rows knows that one is missing.
                self.options.feed.iter().for_each(|feed| numbering::skip(feed, &mut self.offset.numbers));
                Err(bad)
            }
            given => given,
        };
        given.map_err(Stop::Bad)
    }
}

impl Iterator for Source {
    type Item = Result<Entry, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    (self.open, self.offset.is_over) = (None, true);
                    return Some(Err(error.into()));
                }
            }
        }
        let ready = self.ready.pop_front()?;
        Some(self.give(ready))
    }
}

impl Options {
    /// The source numbers rows: it was asked to, or they have no numbers.
    fn numbers(&self) -> bool {
        self.is_numbered || self.schema != Schema::Rows
    }

    fn check(&self, input: &Input) -> Result<(), SourceError> {
        let is_row = self.kind.is_none_or(|kind| Kind::ROWS.contains(&kind));
        let is_json = self.format.is_none_or(|format| format == Format::JsonLines);
        let wrong = match (self.schema, input) {
            (_, Input::Standard) if self.format.is_none() => {
                Some("of standard input the format has to be said")
            }
            (Schema::Lines | Schema::Facts, _) if self.feed.is_none() => {
                Some("the feeds of lines and of device facts do not say their name: a feed has to be said")
            }
            (Schema::Lines | Schema::Facts, _) if !is_json || self.kind.is_some() => {
                Some("the feeds of lines and of device facts are JSON lines, each of its own kind")
            }
            (Schema::Rows, _) if self.format == Some(Format::JsonLines) && !is_row => {
                Some("JSON lines of rows have none of that kind")
            }
            (Schema::Rows | Schema::Lines | Schema::Facts, _) => None,
        };
        wrong.map_or(Ok(()), |wrong| Err(SourceError::Options(wrong)))
    }
}
