use crate::{
    Device, DeviceChange, Ledger, LedgerError, LifeCycle, NewDevice, Particular, Tx, transaction::Because,
};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// A unit as a file has it: what it does not speak of is left as it is, or is unknown of a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportUnit {
    /// Which.
    pub id: DeviceId,
    /// Where it is in its life; absent, a new one is `installed`.
    #[serde(default)]
    pub state: Option<LifeCycle>,
    /// What is known of it.
    #[serde(default)]
    pub known: DeviceChange,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Rows that are new.
    pub added: u64,
    /// Rows that were there already, exactly so.
    pub unchanged: u64,
    /// Rows of units that were there, and were otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedRow>,
    /// Rows that were not taken.
    pub refused: Vec<RefusedRow>,
}

/// A row of an import that changed a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// Its line in the file.
    pub line: u64,
    /// The unit.
    pub id: DeviceId,
    /// What is otherwise now.
    pub particulars: Vec<Change>,
}

/// What was known of a unit, and what is known now; an empty text for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Of which of its particulars.
    pub name: Particular,
    /// Before.
    pub was: String,
    /// Now.
    pub is: String,
}

impl Change {
    fn all(from: &Device, to: &Device) -> Vec<Self> {
        let change = |name: Particular| Self { name, was: name.text(from), is: name.text(to) };
        Particular::ALL.into_iter().map(change).filter(|change| change.was != change.is).collect()
    }
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
        self.changed.extend(more.changed);
        self.refused.extend(more.refused);
    }
}

/// Rows to a transaction: each shares one fsync, and admissions run in between.
const CHUNK: usize = 1000;

impl From<NewDevice> for ImportUnit {
    fn from(new: NewDevice) -> Self {
        let (id, state) = (new.id, Some(new.state));
        let device = new.into_device((None, None), UnixTime::from_secs(0));
        Self { id, state, known: DeviceChange::to(device) }
    }
}

impl ImportUnit {
    fn new_device(&self) -> NewDevice {
        NewDevice::with(self.id, self.state.unwrap_or(LifeCycle::Installed), self.known.clone())
    }
}

/// What an import does about units that are there and are otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Differing<'a> {
    /// They are refused, and named.
    Refuse,
    /// They become as the file has them; another state, and what takes a second person, is refused.
    Change {
        /// Why, for the record.
        why: &'a str,
        /// Who else agreed.
        approver: Option<&'a str>,
    },
}

impl<'a> Differing<'a> {
    fn because(self, by: &'a str) -> Option<Because<'a>> {
        match self {
            Self::Refuse => None,
            Self::Change { why, approver } => Some(Because { by, why, approver }),
        }
    }
}

impl Ledger {
    /// Takes an existing estate: (line in the file, unit). A unit that is there already, exactly so, is
    /// left as it is. `progress` hears how many rows are done.
    ///
    /// # Errors
    /// The transient ones; what was done until then stays, and doing it again does no harm.
    pub fn import<U: Into<ImportUnit>>(
        &self,
        rows: impl IntoIterator<Item = (u64, U)>,
        differing: Differing<'_>,
        by: &str,
        now: UnixTime,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, LedgerError> {
        let mut imported = Imported::default();
        let mut rows = rows.into_iter().map(|(line, unit)| (line, unit.into())).peekable();
        let (mut done, change) = (0, differing.because(by));
        while rows.peek().is_some() {
            let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
            done += chunk.len() as u64;
            imported.add(self.import_chunk(&chunk, change.as_ref(), by, now)?);
            progress(done);
        }
        Ok(imported)
    }

    fn import_chunk(
        &self,
        chunk: &[(u64, ImportUnit)],
        change: Option<&Because<'_>>,
        by: &str,
        now: UnixTime,
    ) -> Result<Imported, LedgerError> {
        self.rely_on_index::<Device>()?;
        let (mut tx, mut imported) = (self.begin()?, Imported::default());
        let because = Because::new(by, "imported");
        for (line, unit) in chunk {
            let taken = tx.look_at(unit, change).and_then(|taken| {
                match (&taken, change) {
                    (Taken::New(new), _) => drop(tx.write_new((**new).clone(), &because, now)?),
                    (Taken::Changed { from, to, .. }, Some(change)) => {
                        tx.put_device(Some(from), to, change, now)?;
                    }
                    (Taken::Changed { .. } | Taken::Unchanged | Taken::Differs(_), _) => {}
                }
                Ok(taken)
            });
            imported.count(*line, unit.id, taken)?;
        }
        tx.commit()?;
        Ok(imported)
    }

    /// What [`Self::import`] of these rows would do, once `before` other units were added; of rows that speak of each
    /// other it says nothing. Changes nothing.
    ///
    /// # Errors
    /// The transient ones.
    pub fn check_import<U: Into<ImportUnit>>(
        &self,
        rows: impl IntoIterator<Item = (u64, U)>,
        differing: Differing<'_>,
        before: u64,
    ) -> Result<Imported, LedgerError> {
        self.rely_on_index::<Device>()?;
        let (mut tx, mut imported) = (self.begin()?, Imported::default());
        let (room, change) = (tx.room(), differing.because("nobody"));
        for (line, unit) in rows {
            let unit = unit.into();
            let has_room = room.is_none_or(|room| before + imported.added < room);
            let taken = tx.look_at(&unit, change.as_ref()).and_then(|taken| {
                let is_new = matches!(taken, Taken::New(_));
                let fits = has_room || !is_new;
                fits.then_some(taken).ok_or(LedgerError::PoolExhausted("inner address"))
            });
            imported.count(line, unit.id, taken)?;
        }
        Ok(imported)
    }
}

/// What becomes of a row that is taken.
enum Taken {
    New(Box<NewDevice>),
    Unchanged,
    Changed { from: Box<Device>, to: Box<Device>, particulars: Vec<Change> },
    Differs(String),
}

impl Tx<'_> {
    /// `change`: a unit that is otherwise is changed.
    fn look_at(&mut self, unit: &ImportUnit, change: Option<&Because<'_>>) -> Result<Taken, LedgerError> {
        let Some(from) = self.device(unit.id)? else {
            let new = unit.new_device();
            self.may_be_new(&new)?;
            return Ok(Taken::New(new.into()));
        };
        if unit.state.is_some_and(|state| state != from.state) {
            let is = from.state;
            return Ok(Taken::Differs(format!(
                "it is in the ledger as {is}: `device move` changes its state"
            )));
        }
        let to = unit.known.applied_to(&from);
        let particulars = Change::all(&from, &to);
        match (particulars.first(), change) {
            (None, _) => Ok(Taken::Unchanged),
            (Some(Change { name, .. }), None) => Ok(Taken::Differs(format!(
                "it is in the ledger with another {name}: `device import --update` and `device set` change it"
            ))),
            (Some(_), Some(because)) => {
                self.may_become(&from, &to, because)?;
                Ok(Taken::Changed { from: from.into(), to: to.into(), particulars })
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
            Ok(Taken::New(_)) => {
                self.added += 1;
                return Ok(());
            }
            Ok(Taken::Unchanged) => {
                self.unchanged += 1;
                return Ok(());
            }
            Ok(Taken::Changed { particulars, .. }) => {
                self.changed.push(ChangedRow { line, id, particulars });
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
