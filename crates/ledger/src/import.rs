use crate::{Device, Ledger, LedgerError, NewDevice, Tx, transaction::Because};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Rows that are new.
    pub added: u64,
    /// Rows that were there already, exactly so.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub refused: Vec<RefusedRow>,
}

/// A row of an import that was not taken. It stops none of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its line in the file.
    pub line: u64,
    /// Which unit or order, as it is written there.
    pub id: String,
    /// Why not.
    pub why: String,
}

impl Imported {
    /// What became of more rows of the same import.
    pub fn add(&mut self, more: Self) {
        self.added += more.added;
        self.unchanged += more.unchanged;
        self.refused.extend(more.refused);
    }
}

/// Rows to a transaction: each shares one fsync, and admissions run in between.
const CHUNK: usize = 1000;

impl Ledger {
    /// Takes an existing estate: (line in the file, unit). A unit that is there already, exactly so, is
    /// left as it is; one that differs is refused and named. `progress` hears how many rows are done.
    ///
    /// # Errors
    /// The transient ones; what was done until then stays, and doing it again does no harm.
    pub fn import(
        &self,
        rows: impl IntoIterator<Item = (u64, NewDevice)>,
        by: &str,
        now: UnixTime,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, LedgerError> {
        let mut imported = Imported::default();
        let mut rows = rows.into_iter().peekable();
        let mut done = 0;
        while rows.peek().is_some() {
            let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
            done += chunk.len() as u64;
            imported.add(self.import_chunk(chunk, by, now)?);
            progress(done);
        }
        Ok(imported)
    }

    fn import_chunk(
        &self,
        chunk: Vec<(u64, NewDevice)>,
        by: &str,
        now: UnixTime,
    ) -> Result<Imported, LedgerError> {
        self.rely_on_index::<Device>()?;
        let (mut tx, mut imported) = (self.begin()?, Imported::default());
        let because = Because::new(by, "imported");
        for (line, new) in chunk {
            imported.count(
                line,
                new.id,
                tx.import(new, |tx, new| tx.write_new(new, &because, now).map(drop)),
            )?;
        }
        tx.commit()?;
        Ok(imported)
    }

    /// What [`Self::import`] of these rows would do, once `before` other units were added; of rows that speak of each other
    /// it says nothing. Changes nothing.
    ///
    /// # Errors
    /// The transient ones.
    pub fn check_import(
        &self,
        rows: impl IntoIterator<Item = (u64, NewDevice)>,
        before: u64,
    ) -> Result<Imported, LedgerError> {
        self.rely_on_index::<Device>()?;
        let (mut tx, mut imported) = (self.begin()?, Imported::default());
        let room = tx.room();
        for (line, new) in rows {
            let (id, has_room) = (new.id, room.is_none_or(|room| before + imported.added < room));
            let add =
                |_: &mut Tx<'_>, _| has_room.then_some(()).ok_or(LedgerError::PoolExhausted("inner address"));
            imported.count(line, id, tx.import(new, add))?;
        }
        Ok(imported)
    }
}

/// What becomes of a row that is taken.
enum Taken {
    Added,
    Unchanged,
    Differs(String),
}

impl Tx<'_> {
    fn import(
        &mut self,
        new: NewDevice,
        add: impl FnOnce(&mut Self, NewDevice) -> Result<(), LedgerError>,
    ) -> Result<Taken, LedgerError> {
        match self.device(new.id)? {
            Some(device) => Ok(new.differs_from(&device).map_or(Taken::Unchanged, Taken::Differs)),
            None => {
                self.may_be_new(&new)?;
                add(self, new).map(|()| Taken::Added)
            }
        }
    }
}

impl Imported {
    /// Takes note of one row; only what stops all of them is an error.
    fn count(
        &mut self,
        line: u64,
        id: DeviceId,
        taken: Result<Taken, LedgerError>,
    ) -> Result<(), LedgerError> {
        let why = match taken {
            Ok(Taken::Added) => {
                self.added += 1;
                return Ok(());
            }
            Ok(Taken::Unchanged) => {
                self.unchanged += 1;
                return Ok(());
            }
            Ok(Taken::Differs(why)) => why,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => error.to_string(),
        };
        self.refused.push(RefusedRow { line, id: id.to_string(), why });
        Ok(())
    }
}
