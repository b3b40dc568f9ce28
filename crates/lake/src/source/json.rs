use super::{
    BadRow, Offset, Options, Ready, Schema, SourceError,
    lines::{Line, Lines},
    octets::Octets,
};
use crate::entry::Entry;
use ids::Label;
use records::{facts, line, row::Row};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

/// Lines that are read at once.
const CHUNK: usize = 1 << 10;
/// Octets of a bad line that are kept.
const SHOWN: usize = 256;

/// JSON lines.
pub(super) struct Json {
    path: PathBuf,
    lines: Lines<Octets>,
    reader: Reader,
}

/// How a line becomes an entry.
enum Reader {
    /// With what all lines have besides.
    Rows(String),
    Lines(Label),
    Facts(Label),
}

impl Json {
    pub(super) fn new(
        mut octets: Octets,
        path: PathBuf,
        options: &Options,
        offset: &Offset,
    ) -> Result<Self, SourceError> {
        if !octets.go_to(offset.done, 0).map_err(SourceError::io(&path))? {
            return Err(SourceError::Shorter { path });
        }
        let lines = Lines::new(octets, offset.done, offset.lines);
        Ok(Self { path, lines, reader: Reader::new(options)? })
    }

    pub(super) fn fill(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, SourceError> {
        let Self { path, lines, reader } = self;
        while ready.len() < CHUNK {
            match lines.next().map_err(SourceError::io(path))? {
                Some(line) => ready.extend(reader.read(&line, path)),
                None => break,
            }
        }
        if ready.is_empty() {
            is_not_shorter(lines, path)?;
        }
        Ok(!ready.is_empty())
    }

    pub(super) fn finish(&mut self, ready: &mut VecDeque<Ready>) {
        let Self { path, lines, reader } = self;
        ready.extend(lines.last().and_then(|line| reader.read(&line, path)));
    }
}

/// A file that is followed only grows.
pub(super) fn is_not_shorter(lines: &mut Lines<Octets>, path: &Path) -> Result<(), SourceError> {
    let done = lines.done();
    match lines.input().length().map_err(SourceError::io(path))? {
        Some(length) if length < done => Err(SourceError::Shorter { path: path.to_owned() }),
        Some(_) | None => Ok(()),
    }
}

impl Reader {
    fn new(options: &Options) -> Result<Self, SourceError> {
        let feed = || options.feed.clone().ok_or(SourceError::Options("a feed has to be said"));
        Ok(match options.schema {
            Schema::Lines => Self::Lines(feed()?),
            Schema::Facts => Self::Facts(feed()?),
            Schema::Rows => {
                let kind = options.kind.map(|kind| format!("\"kind\":\"{}\",", kind.as_str()));
                let feed = options.feed.as_ref().map(|feed| format!("\"feed\":\"{feed}\","));
                let seq = options.is_numbered.then(|| "\"seq\":0,".to_owned());
                Self::Rows([kind, feed, seq].into_iter().flatten().collect())
            }
        })
    }

    fn read(&self, line: &Line<'_>, path: &Path) -> Option<Ready> {
        let text = line.text.unwrap_or_default();
        if line.text.is_ok() && text.trim_ascii().is_empty() {
            return None;
        }
        let given = line.text.map_err(|bad| bad.to_string()).and_then(|text| self.entry(text));
        let bad = |why| Box::new(BadRow { file: path.to_owned(), line: line.number, why, text: shown(text) });
        Some(Ready { given: given.map_err(bad), done: line.done, lines: line.number })
    }

    fn entry(&self, text: &[u8]) -> Result<Entry, String> {
        match self {
            Self::Rows(besides) if besides.is_empty() => {
                Row::parse(text).map(Entry::Row).map_err(|bad| bad.to_string())
            }
            Self::Rows(besides) => {
                // What a line has itself, too, is then there twice, and refused as that.
                let whole = match text.trim_ascii_start().strip_prefix(b"{") {
                    Some(rest) => [b"{", besides.as_bytes(), rest].concat(),
                    None => text.to_vec(),
                };
                Row::parse(&whole).map(Entry::Row).map_err(|bad| bad.to_string())
            }
            Self::Lines(feed) => {
                let record = line::Record::parse(text).map_err(|bad| bad.to_string())?;
                Ok(Entry::of_line(feed.clone(), 0, record))
            }
            Self::Facts(feed) => {
                let record = facts::Record::parse(text).map_err(|bad| bad.to_string())?;
                Ok(Entry::of_facts(feed.clone(), 0, record))
            }
        }
    }
}

/// The start of a line, for people.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..SHOWN).unwrap_or(text)).into_owned()
}
