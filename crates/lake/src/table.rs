use crate::{entry::Entry, field::Field, kind::Columnar};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use ids::{Label, UnixTime};

/// Rows of one kind, gathered by column until they are a part.
pub(crate) trait Table {
    /// Adds a row; one of another kind is none.
    fn push(&mut self, entry: &Entry);
    fn len(&self) -> usize;
    /// Its rows in the order of a part: by cell, time, feed and number.
    fn order(&self) -> Vec<u32>;
    /// Some of its rows, in that order.
    fn batch(&self, order: &[u32]) -> Result<RecordBatch, ArrowError>;
}

/// The rows of one kind.
pub(crate) struct OfKind<T: Columnar> {
    at: <UnixTime as Field>::Store,
    feed: <Label as Field>::Store,
    seq: <u64 as Field>::Store,
    own: T::Store,
}

impl<T: Columnar> Default for OfKind<T> {
    fn default() -> Self {
        Self {
            at: Default::default(),
            feed: Default::default(),
            seq: Default::default(),
            own: Default::default(),
        }
    }
}

impl<T: Columnar> OfKind<T> {
    fn name(&self, row: u32) -> (&str, Option<u64>) {
        (self.feed.text(row), self.seq.get(row))
    }
}

impl<T: Columnar> Table for OfKind<T> {
    fn push(&mut self, entry: &Entry) {
        let Some(row) = T::of(entry) else { return };
        let stamp = row.stamp();
        UnixTime::push(Some(&stamp.at), &mut self.at);
        Label::push(Some(&stamp.feed), &mut self.feed);
        u64::push(Some(&stamp.seq), &mut self.seq);
        row.push(&mut self.own);
    }

    fn len(&self) -> usize {
        self.at.len()
    }

    fn order(&self) -> Vec<u32> {
        let cells = T::cells(&self.own);
        let key =
            |row: u32| (cells.map_or(0, |cells| cells.rank(row)), self.at.get(row).unwrap_or_default(), row);
        let mut keys: Vec<(u64, i64, u32)> = (0..).take(self.len()).map(key).collect();
        keys.sort_unstable_by(|a, b| {
            (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| self.name(a.2).cmp(&self.name(b.2)))
        });
        keys.into_iter().map(|(_, _, row)| row).collect()
    }

    fn batch(&self, order: &[u32]) -> Result<RecordBatch, ArrowError> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        UnixTime::arrays(&self.at, order, &mut arrays);
        Label::arrays(&self.feed, order, &mut arrays);
        u64::arrays(&self.seq, order, &mut arrays);
        T::arrays(&self.own, order, &mut arrays);
        RecordBatch::try_new(T::KIND.schema(), arrays)
    }
}
