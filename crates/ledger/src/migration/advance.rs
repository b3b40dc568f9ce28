//! A migration goes on: by itself, and by what people say.

use super::{Counts, Migration, MigrationState, Step, Wave};
use crate::{
    ByLegacy, CONFIRM_WAIT, Closed, InstallOrder, Ledger, LedgerError, NewIncident, NewOrder, Row, Tx,
    transaction::Because,
};
use ids::{DeviceId, Label, UnixTime};
use serde_json::json;

/// Who opens and closes orders of waves.
const BY: &str = "migration";
/// Why an order is closed with its wave, whose unit was not heard of.
const ENDED: &str = "its wave is over";
/// Why with the whole migration.
const ROLLED_BACK: &str = "the migration was rolled back";
/// Kind of the incident when a migration has halted by itself.
const HALTED: &str = "migration-halted";
/// Orders in one transaction: admissions and enrolments run in between. Few in tests, which cut it off between any two.
const CHUNK: usize = if cfg!(test) { 2 } else { 200 };

/// Whether an order was closed because its wave was over.
pub(super) fn is_end(closed: &Closed) -> bool {
    closed.by == BY && closed.why == ENDED
}

/// What to do next.
enum Next {
    /// Nothing, for now.
    Rest,
    /// Something was done: look again.
    Again,
}

/// What came of a wave.
struct Judged {
    counts: Counts,
    /// Units that have failed, in all.
    failed: u32,
    /// Its time is over.
    is_over: bool,
}

impl Ledger {
    /// Takes every migration as far as it can go now: each minute, by whoever serves enrolment.
    ///
    /// # Errors
    /// The transient ones; what was done until then stays.
    pub fn advance_migrations(&self, now: UnixTime) -> Result<(), LedgerError> {
        for migration in self.migrations()?.rows {
            self.advance_migration(&migration.name, now)?;
        }
        Ok(())
    }

    /// The same of one.
    ///
    /// # Errors
    /// As [`Self::advance_migrations`].
    pub fn advance_migration(&self, name: &Label, now: UnixTime) -> Result<(), LedgerError> {
        self.rely_on_index::<InstallOrder>()?;
        while let Next::Again = self.step(name, now)? {}
        Ok(())
    }

    fn step(&self, name: &Label, now: UnixTime) -> Result<Next, LedgerError> {
        let Some(migration) = self.migration(name)? else { return Ok(Next::Rest) };
        let wave = self.wave(name, migration.wave)?;
        match (migration.state, wave) {
            (MigrationState::Running, None) => self.move_on(
                &migration,
                now,
                |migration| migration.state = MigrationState::Done,
                "all waves are over",
            ),
            (MigrationState::Running, Some(wave)) => self.step_of_wave(&migration, wave, now),
            (MigrationState::RolledBack, Some(wave)) if wave.is_open() => {
                self.withdraw(&wave, ROLLED_BACK, now)?;
                self.close_wave(&migration, &wave, now)
            }
            (_, _) => Ok(Next::Rest),
        }
    }

    fn step_of_wave(&self, migration: &Migration, wave: Wave, now: UnixTime) -> Result<Next, LedgerError> {
        if wave.closed_at.is_some() {
            return self.move_on(migration, now, |migration| migration.wave += 1, "the next wave");
        }
        let Some(opened_at) = wave.opened_at else { return self.open_wave(migration, wave, now) };
        let ends = opened_at.after(migration.window());
        if now <= ends {
            self.order_all(migration, &wave, ends, now)?;
        }
        let Judged { counts, failed, is_over } = self.judged(migration, &wave, now)?;
        if migration.halt.is_met(failed, counts.units) {
            return self.halt_by_itself(migration, &wave, failed, now);
        }
        match is_over || counts.enrolled == counts.units {
            true => {
                self.withdraw(&wave, ENDED, now)?;
                self.close_wave(migration, &wave, now)
            }
            false => Ok(Next::Rest),
        }
    }

    /// What came of a wave that was opened.
    fn judged(&self, migration: &Migration, wave: &Wave, now: UnixTime) -> Result<Judged, LedgerError> {
        let ends = wave.opened_at.unwrap_or(now).after(migration.window());
        // Who asked in time may confirm in time.
        let is_over = now > ends.after(CONFIRM_WAIT);
        let counts = self.tally(migration, wave, now)?;
        let failed = counts.failed() + if is_over { counts.open } else { 0 };
        Ok(Judged { counts, failed, is_over })
    }

    /// The next wave opens. Where the time of the group is over, nobody of it could enrol.
    fn open_wave(&self, migration: &Migration, wave: Wave, now: UnixTime) -> Result<Next, LedgerError> {
        let group = self.legacy_group(&migration.group)?;
        if group.is_none_or(|group| !group.is_in_force(now)) {
            return self.halt_by_itself(migration, &wave, 0, now);
        }
        let because = Because::new(BY, "a wave is opened");
        self.change(|tx| {
            if tx.still(migration)? {
                tx.put_row(&Wave { opened_at: Some(now), ..wave }, &because, now)?;
            }
            Ok(Next::Again)
        })
    }

    /// Each unit of the wave has its order, but for those that can't have one.
    fn order_all(
        &self,
        migration: &Migration,
        wave: &Wave,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let mut without = Vec::new();
        for unit in &wave.units {
            let order = self.row::<InstallOrder>(&wave.order(*unit)?.to_string())?;
            if order.is_none() && !self.has_own(*unit, now)? {
                without.push(*unit);
            }
        }
        without.chunks(CHUNK).try_for_each(|some| {
            self.change(|tx| match tx.still(migration)? {
                true => some.iter().try_for_each(|unit| tx.order_unit(migration, wave, *unit, until, now)),
                false => Ok(()),
            })
        })
    }

    /// The orders of a wave that are still there are closed.
    fn withdraw(&self, wave: &Wave, why: &str, now: UnixTime) -> Result<(), LedgerError> {
        let mut open = Vec::new();
        for unit in &wave.units {
            let order = self.row::<InstallOrder>(&wave.order(*unit)?.to_string())?;
            open.extend(order.filter(|order| order.closed.is_none()).map(|order| order.id));
        }
        open.chunks(CHUNK).try_for_each(|some| {
            self.change(|tx| {
                for id in some {
                    // Meanwhile its unit may have used it.
                    if tx.order(id)?.is_some_and(|order| order.closed.is_none()) {
                        tx.close_order(id, &Because::new(BY, why), now)?;
                    }
                }
                Ok(())
            })
        })
    }

    fn close_wave(&self, migration: &Migration, wave: &Wave, now: UnixTime) -> Result<Next, LedgerError> {
        let because = Because::new(BY, "a wave is over");
        self.change(|tx| {
            if tx.still(migration)? {
                tx.put_row(&Wave { closed_at: Some(now), ..wave.clone() }, &because, now)?;
            }
            Ok(Next::Again)
        })
    }

    /// Changes the migration's row, unless somebody else has meanwhile.
    fn move_on(
        &self,
        migration: &Migration,
        now: UnixTime,
        change: impl FnOnce(&mut Migration),
        why: &str,
    ) -> Result<Next, LedgerError> {
        self.change(|tx| {
            if tx.still(migration)? {
                let mut next = migration.clone();
                change(&mut next);
                if next.state != migration.state {
                    next.last = Step { at: now, by: BY.to_owned(), why: why.to_owned() };
                }
                tx.put_row(&next, &Because::new(BY, why), now)?;
            }
            Ok(Next::Again)
        })
    }

    /// It halts, and a person is told.
    fn halt_by_itself(
        &self,
        migration: &Migration,
        wave: &Wave,
        failed: u32,
        now: UnixTime,
    ) -> Result<Next, LedgerError> {
        let (name, number, units) = (&migration.name, wave.number, wave.units.len());
        let why = match failed {
            0 => format!("legacy group {} has ended", migration.group),
            _ => format!("{failed} of the {units} units of wave {number} have failed"),
        };
        let summary = format!("migration {name} has halted: {why}");
        let evidence = json!({
            "table": Migration::TABLE, "key": name, "wave": number, "units": units, "failed": failed,
            "halt": migration.halt,
        });
        self.change(|tx| {
            if tx.still(migration)? {
                let (state, last) =
                    (MigrationState::Halted, Step { at: now, by: BY.to_owned(), why: why.clone() });
                tx.put_row(&Migration { state, last, ..migration.clone() }, &Because::new(BY, &why), now)?;
                let new = NewIncident { kind: HALTED, devices: Vec::new(), summary, evidence, more: 0 };
                tx.open_incident(new, BY, now)?;
            }
            Ok(Next::Rest)
        })
    }

    /// A migration begins, or goes on after it has halted. Where it halted because too many of a wave have failed, that
    /// wave is over: whoever says so accepts it.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] for one that is over; and the transient ones.
    pub fn run_migration(
        &self,
        name: &Label,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Migration, LedgerError> {
        let before =
            self.said(name, &[MigrationState::Planned, MigrationState::Halted, MigrationState::Running])?;
        let has_halted_itself = before.state == MigrationState::Halted && before.last.by == BY;
        let wave = self.wave(name, before.wave)?.filter(|wave| has_halted_itself && wave.is_open());
        if let Some(wave) = wave {
            let Judged { counts, failed, .. } = self.judged(&before, &wave, now)?;
            if before.halt.is_met(failed, counts.units) {
                self.withdraw(&wave, ENDED, now)?;
                self.close_wave(&before, &wave, now)?;
            }
        }
        self.set_state(name, MigrationState::Running, (by, why), now)?;
        self.advance_migration(name, now)?;
        self.change(|tx| tx.known_migration(name))
    }

    /// No further wave opens until a person says so; what is open stays so until its end.
    ///
    /// # Errors
    /// As [`Self::run_migration`].
    pub fn halt_migration(
        &self,
        name: &Label,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Migration, LedgerError> {
        self.said(name, &[MigrationState::Running, MigrationState::Halted])?;
        self.set_state(name, MigrationState::Halted, (by, why), now)
    }

    /// The orders that are still open are closed, for good. Who has a certificate of its own keeps it, and who has none its
    /// old service.
    ///
    /// # Errors
    /// As [`Self::run_migration`].
    pub fn roll_back_migration(
        &self,
        name: &Label,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Migration, LedgerError> {
        use MigrationState::{Halted, Planned, RolledBack, Running};
        self.said(name, &[Planned, Running, Halted, RolledBack])?;
        let migration = self.set_state(name, RolledBack, (by, why), now)?;
        self.advance_migration(name, now)?;
        Ok(migration)
    }

    /// A migration in one of these states.
    fn said(&self, name: &Label, in_states: &[MigrationState]) -> Result<Migration, LedgerError> {
        let migration = self.change(|tx| tx.known_migration(name))?;
        match in_states.contains(&migration.state) {
            true => Ok(migration),
            false => Err(LedgerError::Conflict(format!("migration {name} is {}", migration.state))),
        }
    }

    fn set_state(
        &self,
        name: &Label,
        state: MigrationState,
        (by, why): (&str, &str),
        now: UnixTime,
    ) -> Result<Migration, LedgerError> {
        self.change(|tx| {
            let known = tx.known_migration(name)?;
            if known.state == state {
                return Ok(known);
            }
            if known.state.is_over() {
                return Err(LedgerError::Conflict(format!("migration {name} is {}", known.state)));
            }
            let last = Step { at: now, by: by.to_owned(), why: why.to_owned() };
            let migration = Migration { state, last, ..known };
            tx.put_row(&migration, &Because::new(by, why), now)?;
            Ok(migration)
        })
    }
}

impl Tx<'_> {
    /// Whether nobody has changed the migration since it was read.
    fn still(&mut self, migration: &Migration) -> Result<bool, LedgerError> {
        Ok(self.known_migration(&migration.name)? == *migration)
    }

    /// Opens the way of one unit, unless it is open or can't be.
    fn order_unit(
        &mut self,
        migration: &Migration,
        wave: &Wave,
        unit: DeviceId,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let id = wave.order(unit)?;
        let Some(device) = self.device(unit)? else { return Ok(()) };
        let Some(line) = device.access_line.clone() else { return Ok(()) };
        if self.order(&id)?.is_some() || device.enrolment == crate::Enrolment::Held || until <= now {
            return Ok(());
        }
        let new =
            NewOrder { id, device: unit, line, site: String::new(), vendor_key: None, from: None, until };
        let legacy = ByLegacy {
            group: migration.group.clone(),
            migration: Some(migration.name.clone()),
            wave: Some(wave.number),
        };
        let why = format!("wave {} of migration {}", wave.number, migration.name);
        match self.open_order_by_legacy(&new, legacy, &Because::new(BY, &why), now) {
            Err(error) if error.is_transient() => Err(error),
            // The report says so, and why.
            Err(_) | Ok(_) => Ok(()),
        }
    }
}
