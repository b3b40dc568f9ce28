//! What the life of a unit does to the trust in its cells.

use super::{CellTrust, Said, SignalKind};
use crate::{Device, LedgerError, LifeCycle, Tx, life_cycle::bars};
use ids::{CellKey, DeviceId, UnixTime};

impl Tx<'_> {
    /// A unit's row is another one: its state, or the cells that it may carry.
    pub(crate) fn device_changed(
        &mut self,
        before: Option<&Device>,
        after: &Device,
        said: &Said,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let had = before.map(|before| before.cells.clone()).unwrap_or_default();
        for cell in had.difference(&after.cells) {
            self.step_of_life(*cell, after.id, SignalKind::TakenOff, said, now)?;
        }
        for cell in after.cells.difference(&had) {
            self.cell_given(*cell, after, said, now)?;
        }
        let Some(kind) = before.and_then(|before| moved(before.state, after.state)) else { return Ok(()) };
        let mut kept = after.cells.intersection(&had);
        kept.try_for_each(|cell| self.step_of_life(*cell, after.id, kind, said, now))
    }

    /// Where the row of a unit can't be believed, its cells are suspect: those that it has there by now, and those that
    /// the index has of before. Either may be forged, and lowers trust alone.
    pub(crate) fn unit_tampered(
        &mut self,
        unit: DeviceId,
        said: &Said,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        match self.device(unit) {
            Ok(_) => return Ok(()),
            Err(LedgerError::Tampered { .. }) => {}
            Err(error) => return Err(error),
        }
        let cells = self.as_written::<Device>(&unit.to_string(), Device::CELL, Device::MAX_CELLS)?;
        let signal = said.signal(SignalKind::RowTampered, unit);
        let mut cells = cells.iter().filter_map(|cell| cell.parse().ok());
        cells.try_for_each(|cell| self.cell_signal_each(cell, std::slice::from_ref(&signal), now).map(drop))
    }

    /// A unit may carry a cell from now on. Who had it before is retired, or does not have it any more. A retired one
    /// carries nothing.
    fn cell_given(
        &mut self,
        cell: CellKey,
        unit: &Device,
        said: &Said,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        if unit.state == LifeCycle::Retired {
            return Ok(());
        }
        let trust = self.trust_of(cell, now)?.0;
        for other in units_against(&trust).filter(|other| *other != unit.id) {
            if self.device(other)?.is_none_or(|other| other.state == LifeCycle::Retired) {
                self.step_of_life(cell, other, SignalKind::TakenOff, said, now)?;
            }
        }
        // An estate that is imported writes nothing of cells that nobody has been seen at.
        if trust.data_at.is_some() || !trust.falls.is_empty() {
            self.step_of_life(cell, unit.id, SignalKind::Assigned, said, now)?;
        }
        match bars(unit.state) {
            Some(_) => self.step_of_life(cell, unit.id, SignalKind::Barred, said, now),
            None => Ok(()),
        }
    }

    /// One step is behind the one before it, whatever the clock says.
    fn step_of_life(
        &mut self,
        cell: CellKey,
        unit: DeviceId,
        kind: SignalKind,
        said: &Said,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let trust = self.trust_of(cell, now)?.0;
        let of_unit = trust.falls.iter().filter(|fall| fall.signal.device == Some(unit));
        let last = of_unit.map(|fall| fall.signal.at.max(fall.lifted.unwrap_or(fall.signal.at))).max();
        let behind = last.map(|last| UnixTime::from_micros(last.micros() + 1));
        let at = behind.map_or(said.at, |behind| said.at.max(behind));
        let said = Said { at, data_at: at, ..said.clone() };
        self.cell_signal_each(cell, &[said.signal(kind, unit)], now.max(at)).map(drop)
    }
}

/// The units for which something stands against a cell.
fn units_against(trust: &CellTrust) -> impl Iterator<Item = DeviceId> + use<> {
    let units: std::collections::BTreeSet<_> =
        trust.standing().filter_map(|fall| fall.signal.device).collect();
    units.into_iter()
}

/// What a move says of the unit's cells.
fn moved(from: LifeCycle, to: LifeCycle) -> Option<SignalKind> {
    match (bars(from).is_some(), bars(to).is_some()) {
        _ if from == to => None,
        (_, true) => Some(SignalKind::Barred),
        (true, false) => Some(SignalKind::Released),
        (false, false) if to == LifeCycle::Silent => Some(SignalKind::Silent),
        (false, false) if from == LifeCycle::Silent => Some(SignalKind::Returned),
        (false, false) => None,
    }
}
