//! Rows of columns that a source has: of one kind, or each of its own.

use super::{Options, columns::of_kind};
use crate::{
    columns::{Columns, Numbers, Texts, Unfit},
    entry::{Entry, Kind},
    field::Field,
    kind::{Reader, V, needed},
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use ids::{Label, UnixTime};
use records::row::Stamp;

/// What all batches of a source have in common.
pub(super) struct Batches {
    kind: Option<Kind>,
    feed: Option<Label>,
    is_numbered: bool,
}

/// One batch.
pub(super) struct Rows<'a> {
    batches: &'a Batches,
    columns: Columns<'a>,
    kinds: Texts,
    version: Numbers,
    at: <UnixTime as Field>::View,
    feed: <Label as Field>::View,
    seq: <u64 as Field>::View,
    readers: Vec<OfKind<'a>>,
}

/// Reads rows of one kind, which have nothing in columns of others.
struct OfKind<'a> {
    kind: Kind,
    reader: Box<dyn Reader>,
    others: Vec<(&'a str, &'a ArrayRef)>,
}

impl Batches {
    pub(super) fn new(options: &Options) -> Self {
        Self { kind: options.kind, feed: options.feed.clone(), is_numbered: options.is_numbered }
    }

    /// The rows of a batch; or what is wrong with its columns.
    pub(super) fn of<'a>(&'a self, batch: &'a RecordBatch) -> Result<Rows<'a>, String> {
        let columns = Columns(batch);
        let seq = if columns.get("seq").is_some() { "seq" } else { "feed_seq" };
        let found = || {
            Ok(Rows {
                batches: self,
                columns,
                kinds: Texts::of(columns, "kind")?,
                version: Numbers::of(columns, "v")?,
                at: UnixTime::view(columns, "at")?,
                feed: Label::view(columns, "feed")?,
                seq: u64::view(columns, seq)?,
                readers: self.kind.map(|kind| OfKind::new(kind, columns)).transpose()?.into_iter().collect(),
            })
        };
        found().map_err(|unfit: Unfit| unfit.to_string())
    }
}

impl<'a> OfKind<'a> {
    fn new(kind: Kind, columns: Columns<'a>) -> Result<Self, Unfit> {
        let own = of_kind(kind);
        let schema = columns.0.schema_ref();
        let named = schema.fields().iter().map(|field| field.name().as_str()).zip(columns.0.columns());
        let others = named.filter(|(name, _)| !own.contains(*name)).collect();
        Ok(Self { kind, reader: kind.reader(columns)?, others })
    }
}

impl Rows<'_> {
    /// The entry of a row, or why it is none.
    pub(super) fn get(&mut self, row: usize) -> Result<Entry, String> {
        let bad = |(field, why): (&'static str, Box<str>)| format!("`{field}`: {why}");
        if let Some(version) = self.version.get::<u16>(row).map_err(|why| bad(("v", why)))?
            && version != V
        {
            return Err(format!("version {version}, this Truecell reads {V}"));
        }
        let of_kind = self.of_kind(row)?;
        let stamp = self.stamp(row).map_err(bad)?;
        let OfKind { kind, reader, others } = self.readers.get(of_kind).ok_or("it has no kind")?;
        if let Some((name, _)) = others.iter().find(|(_, array)| array.is_valid(row)) {
            return Err(format!("a row of {} has no `{name}`", kind.as_str()));
        }
        reader.get(row, stamp).map_err(bad)?.checked()
    }

    /// Which reader reads the row.
    fn of_kind(&mut self, row: usize) -> Result<usize, String> {
        if self.batches.kind.is_some() {
            return Ok(0);
        }
        let word = self.kinds.get(row).ok_or("`kind`: it is missing")?;
        if let Some(known) = self.readers.iter().position(|of_kind| of_kind.kind.as_str() == word) {
            return Ok(known);
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
        let kind = kind.ok_or_else(|| format!("`kind`: unknown kind `{}`", word.escape_debug()))?;
        self.readers.push(OfKind::new(kind, self.columns).map_err(|unfit| unfit.to_string())?);
        Ok(self.readers.len() - 1)
    }

    fn stamp(&self, row: usize) -> Result<Stamp, (&'static str, Box<str>)> {
        let at = needed::<UnixTime>(&self.at, row, "at")?;
        let feed = match &self.batches.feed {
            Some(feed) => feed.clone(),
            None => needed::<Label>(&self.feed, row, "feed")?,
        };
        let seq = if self.batches.is_numbered { 0 } else { needed::<u64>(&self.seq, row, "seq")? };
        Ok(Stamp { at, feed, seq })
    }
}
