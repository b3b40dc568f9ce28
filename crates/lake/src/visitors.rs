//! Who was at which femtocell: for each part of access rows, beside it, so that a question about one cell and many days reads little.

use crate::{
    columns::{Columns, Unfit, Why},
    field::{Field, number::time},
    lake::{self, Lake, LakeError, VISITORS},
    part::{Day, Part, PartReader},
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use hashbrown::HashMap;
use ids::{CellKey, SubscriberKey, UnixTime};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    vec,
};

/// One subscriber who was at one femtocell on one day, by one part of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visitor {
    /// Where.
    pub cell: CellKey,
    /// Who.
    pub subscriber: SubscriberKey,
    /// The first access row.
    pub first: UnixTime,
    /// The last one.
    pub last: UnixTime,
    /// How many there are.
    pub rows: u64,
}

/// Rows that are read at once.
const CHUNK: usize = 1 << 13;

/// The columns of visitors.
pub(crate) fn schema() -> SchemaRef {
    let field = |(name, data_type): (String, DataType)| arrow_schema::Field::new(name, data_type, false);
    let mut columns = CellKey::columns("cell");
    columns.extend(SubscriberKey::columns("subscriber"));
    columns.extend([("first".into(), time()), ("last".into(), time()), ("rows".into(), DataType::UInt64)]);
    Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
}

/// Finds visitors in access rows that are sorted by cell.
#[derive(Default)]
pub(crate) struct Gather {
    /// The cell that is at hand, if visitors are kept of it.
    at: Option<CellKey>,
    is_femtocell: bool,
    here: HashMap<SubscriberKey, (UnixTime, UnixTime, u64), foldhash::fast::RandomState>,
    found: Store,
}

#[derive(Default)]
struct Store {
    cell: <CellKey as Field>::Store,
    subscriber: <SubscriberKey as Field>::Store,
    first: <UnixTime as Field>::Store,
    last: <UnixTime as Field>::Store,
    rows: <u64 as Field>::Store,
}

/// The columns of access rows that tell a visit.
struct Visits {
    cell: <CellKey as Field>::View,
    subscriber: <SubscriberKey as Field>::View,
    at: <UnixTime as Field>::View,
}

impl Visits {
    fn of(batch: &RecordBatch) -> Option<Self> {
        let columns = Columns(batch);
        let cell = CellKey::view(columns, "cell").ok()?;
        let (subscriber, at) =
            (SubscriberKey::view(columns, "subscriber").ok()?, UnixTime::view(columns, "at").ok()?);
        Some(Self { cell, subscriber, at })
    }
}

impl Gather {
    pub(crate) fn add(&mut self, access: &RecordBatch, is_femtocell: &impl Fn(CellKey) -> bool) {
        let Some(visits) = Visits::of(access) else { return };
        for row in 0..access.num_rows() {
            let Ok(Some(cell)) = CellKey::get(&visits.cell, row) else { continue };
            if self.at != Some(cell) {
                self.leave();
                (self.at, self.is_femtocell) = (Some(cell), is_femtocell(cell));
            }
            if !self.is_femtocell {
                continue;
            }
            let who = SubscriberKey::get(&visits.subscriber, row).ok().flatten();
            let Some((who, at)) = who.zip(UnixTime::get(&visits.at, row).ok().flatten()) else { continue };
            let (_, last, rows) = self.here.entry(who).or_insert((at, at, 0));
            (*last, *rows) = (at, *rows + 1);
        }
    }

    /// Done with a cell: its people in the order of their keys.
    fn leave(&mut self) {
        let mut here: Vec<_> = self.here.drain().collect();
        here.sort_unstable();
        for (who, (first, last, rows)) in here {
            CellKey::push(self.at.as_ref(), &mut self.found.cell);
            SubscriberKey::push(Some(&who), &mut self.found.subscriber);
            UnixTime::push(Some(&first), &mut self.found.first);
            UnixTime::push(Some(&last), &mut self.found.last);
            u64::push(Some(&rows), &mut self.found.rows);
        }
    }

    /// All of them; `None` where there is nobody.
    pub(crate) fn finish(mut self) -> Option<RecordBatch> {
        self.leave();
        let Store { cell, subscriber, first, last, rows } = &self.found;
        let (order, mut arrays): (Vec<u32>, Vec<ArrayRef>) = ((0..).take(rows.len()).collect(), Vec::new());
        CellKey::arrays(cell, &order, &mut arrays);
        SubscriberKey::arrays(subscriber, &order, &mut arrays);
        UnixTime::arrays(first, &order, &mut arrays);
        UnixTime::arrays(last, &order, &mut arrays);
        u64::arrays(rows, &order, &mut arrays);
        RecordBatch::try_new(schema(), arrays).ok().filter(|batch| batch.num_rows() > 0)
    }
}

/// Visitors, part by part. After an error there is nothing more.
pub struct Visitors {
    parts: vec::IntoIter<PathBuf>,
    ready: vec::IntoIter<Visitor>,
    open: Option<(PathBuf, PartReader)>,
}

impl Visitors {
    pub(crate) fn new(lake: &Lake, from: UnixTime, to: UnixTime) -> Result<Self, LakeError> {
        let mut parts = Vec::new();
        for (day, path) in lake.days(VISITORS)? {
            if (Day::of(from)..=Day::of(to)).contains(&day) && day.begins() < to {
                parts.extend(lake::parts(&path)?.into_iter().map(|(_, path)| path));
            }
        }
        Ok(Self { parts: parts.into_iter(), ready: Vec::new().into_iter(), open: None })
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool, LakeError> {
        loop {
            let Some((path, reader)) = &mut self.open else {
                let Some(path) = self.parts.next() else { return Ok(false) };
                let part = Part::open(&path, VISITORS, schema())?;
                let reader = part.read(CHUNK, &path)?;
                self.open = Some((path, reader));
                continue;
            };
            match reader.next(path)? {
                Some(batch) => {
                    self.ready = visitors(path, &batch)?.into_iter();
                    return Ok(true);
                }
                None => self.open = None,
            }
        }
    }
}

impl Iterator for Visitors {
    type Item = Result<Visitor, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(visitor) = self.ready.next() {
                return Some(Ok(visitor));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    (self.parts, self.open) = (Vec::new().into_iter(), None);
                    return Some(Err(error));
                }
            }
        }
    }
}

fn visitors(path: &Path, batch: &RecordBatch) -> Result<Vec<Visitor>, LakeError> {
    let unfit = |unfit: Unfit| LakeError::Damaged { path: path.to_owned(), why: unfit.to_string() };
    let columns = Columns(batch);
    let (cell, who) = (
        CellKey::view(columns, "cell").map_err(unfit)?,
        SubscriberKey::view(columns, "subscriber").map_err(unfit)?,
    );
    let (first, last) =
        (UnixTime::view(columns, "first").map_err(unfit)?, UnixTime::view(columns, "last").map_err(unfit)?);
    let rows = u64::view(columns, "rows").map_err(unfit)?;
    let one = |row| {
        Ok(Visitor {
            cell: needed(CellKey::get(&cell, row))?,
            subscriber: needed(SubscriberKey::get(&who, row))?,
            first: needed(UnixTime::get(&first, row))?,
            last: needed(UnixTime::get(&last, row))?,
            rows: needed(u64::get(&rows, row))?,
        })
    };
    let bad = |(row, why): (usize, Why)| LakeError::Value {
        path: path.to_owned(),
        row,
        field: "visitor",
        why: why.into(),
    };
    (0..batch.num_rows()).map(|row| one(row).map_err(|why| bad((row, why)))).collect()
}

fn needed<T>(value: Result<Option<T>, Why>) -> Result<T, Why> {
    value?.ok_or_else(|| "something is missing".into())
}
