//! The journal as a feed: what became of units and of their sessions, in the order in which it was written.
//!
//! The feed's numbers count these changes, from the journal's first record on: so they have no holes, and who reads again counts the same.
//! A change holds from the time of its record, as nobody knew of it before, and one of a time that is told already from the end of that.

mod session;

use crate::IntakeError;
use detect::{Change, Input, LedgerChange, Unit};
use events::{
    Record,
    journal::Tail,
    ledger::{Changes, RowChanged},
};
use ids::{Label, UnixTime};
use ledger::{Device, Row};
use records::row::Stamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// What is read of a journal, up to the time that the rows beside it have come to.
pub struct JournalFeed {
    tail: Tail,
    /// Read, and later than what was asked for.
    next: Option<Record>,
    changes: Changes,
    place: JournalPlace,
    feed: Label,
}

/// How far a journal is read, and who is attached by it: enough to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPlace {
    /// The first record behind the newest transaction: what is open behind it is read again.
    changes_from: u64,
    /// Sessions are known up to this record.
    sessions_to: u64,
    /// Changes so far.
    count: u64,
    /// All of the time before was told.
    told_to: UnixTime,
    /// Who is attached.
    attached: session::Attached,
}

impl JournalFeed {
    /// Of the journal in this folder, from where it was left.
    pub fn open(journal: &Path, feed: Label, place: JournalPlace) -> Self {
        let tail = Tail::new(journal, place.changes_from);
        Self { tail, next: None, changes: Changes::default(), place, feed }
    }

    /// Nobody asks for the time before: what was so then is so at `start`.
    pub fn begin(&mut self, start: UnixTime) {
        self.place.told_to = self.place.told_to.max(start);
    }

    /// Where to go on once all that was given is in a checkpoint.
    pub fn place(&self) -> &JournalPlace {
        &self.place
    }

    /// All changes until that time, and that there are no others.
    ///
    /// # Errors
    /// [`IntakeError`]: the journal cannot be read.
    pub fn until(&mut self, time: UnixTime, inputs: &mut Vec<Input>) -> Result<(), IntakeError> {
        while let Some(record) = self.next(time)? {
            for change in self.changes(&record)? {
                inputs.push(self.input(record.at, change));
            }
        }
        self.place.told_to = self.place.told_to.max(time);
        inputs.push(Input::Watermark { feed: self.feed.clone(), at: time });
        Ok(())
    }

    /// The units as they are when the journal ends, as if they had been so from the beginning; of sessions nothing. For a history that
    /// is older than the ledger. Nothing of the journal is left to be read then.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn as_it_is(&mut self, inputs: &mut Vec<Input>) -> Result<(), IntakeError> {
        let mut units = BTreeMap::new();
        while let Some(record) = self.next(UnixTime::from_micros(i64::MAX))? {
            for change in self.changes(&record)? {
                if let Change::Unit { before, after } = change
                    && let Some(device) = after.as_ref().or(before.as_ref()).map(|unit| unit.device)
                {
                    units.insert(device, after);
                }
            }
        }
        for unit in units.into_values().flatten() {
            inputs.push(self.input(UnixTime::default(), Change::Unit { before: None, after: Some(unit) }));
        }
        Ok(())
    }

    fn input(&mut self, at: UnixTime, change: Change) -> Input {
        self.place.count += 1;
        let at = at.max(self.place.told_to);
        Input::Ledger(LedgerChange {
            stamp: Stamp { at, feed: self.feed.clone(), seq: self.place.count },
            change,
        })
    }

    /// The next record that is not later than that.
    fn next(&mut self, time: UnixTime) -> Result<Option<Record>, IntakeError> {
        if self.next.is_none() {
            self.next = self.tail.next_record()?;
        }
        Ok(self.next.take_if(|record| record.at <= time))
    }

    fn changes(&mut self, record: &Record) -> Result<Vec<Change>, IntakeError> {
        let stand = self.changes.take(record)?;
        let mut changes = Vec::new();
        for (_, changed) in stand {
            changes.extend(unit(&changed)?);
        }
        if !self.changes.is_open() {
            self.place.changes_from = record.seq + 1;
        }
        if record.seq > self.place.sessions_to {
            self.place.sessions_to = record.seq;
            changes.extend(session::changes(record, &mut self.place.attached)?);
        }
        Ok(changes)
    }
}

/// What became of a unit by a row's change; `None` of any other row.
fn unit(changed: &RowChanged) -> Result<Option<Change>, IntakeError> {
    if changed.table != Device::TABLE {
        return Ok(None);
    }
    let read = |row: &Option<Value>| {
        let device = row.as_ref().map(Device::deserialize).transpose();
        device.map(|device| device.as_ref().map(seen))
    };
    let (before, after) = (read(&changed.before)?, read(&changed.after)?);
    Ok(Some(Change::Unit { before, after }).filter(|_| changed.before != changed.after))
}

/// What cells and handsets tell anything of.
fn seen(device: &Device) -> Unit {
    Unit {
        device: device.id,
        state: device.state,
        position: device.position,
        line: device.access_line.clone(),
        mode: device.access_mode,
        cells: device.cells.iter().copied().collect(),
    }
}

#[cfg(test)]
mod tests;
