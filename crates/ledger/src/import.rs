use crate::{Device, Ledger, LedgerError, NewDevice, transaction::Because};
use ids::UnixTime;
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
const CHUNK: usize = 500;

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
            self.import_chunk(chunk, by, now, &mut imported)?;
            progress(done);
        }
        Ok(imported)
    }

    fn import_chunk(
        &self,
        chunk: Vec<(u64, NewDevice)>,
        by: &str,
        now: UnixTime,
        imported: &mut Imported,
    ) -> Result<(), LedgerError> {
        self.rely_on_index::<Device>()?;
        let mut tx = self.begin()?;
        let (mut added, mut unchanged) = (0, 0);
        for (line, new) in chunk {
            let id = new.id;
            let known = tx.device(id)?;
            if let Some(device) = known {
                match new.differs_from(&device) {
                    None => unchanged += 1,
                    Some(why) => imported.refused.push(RefusedRow { line, id: id.to_string(), why }),
                }
                continue;
            }
            match tx.add_device(new, &Because::new(by, "imported"), now) {
                Ok(_) => added += 1,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    let id = id.to_string();
                    imported.refused.push(RefusedRow { line, id, why: error.to_string() });
                }
            }
        }
        tx.commit()?;
        imported.added += added;
        imported.unchanged += unchanged;
        Ok(())
    }
}
