//! Units as a transaction reads and writes them.

use crate::{
    Device, DeviceChange, LedgerError, LifeCycle, Move, NewDevice, People, Row, Tx,
    transaction::Because,
    trust::{Said, TrustEvidence},
};
use ids::{CellKey, DeviceId, UnixTime};

impl Tx<'_> {
    /// The units that may carry a cell: one, and those that are retired.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn devices_of_cell(&mut self, cell: CellKey) -> Result<Vec<Device>, LedgerError> {
        self.all(Some((Device::CELL, &cell.to_string())))
    }

    pub(crate) fn add_device(
        &mut self,
        new: NewDevice,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        if self.device(new.id)?.is_some() {
            return Err(LedgerError::Exists { table: Device::TABLE, key: new.id.to_string() });
        }
        self.may_be_new(&new)?;
        self.write_new(new, because, now)
    }

    /// Whether a unit that is not in the ledger could be; its addresses are another matter.
    pub(crate) fn may_be_new(&mut self, new: &NewDevice) -> Result<(), LedgerError> {
        let device = new.clone().into_device((None, None), UnixTime::from_secs(0));
        device.fits(None)?;
        self.cells_are_free(&device)
    }

    /// A unit that may be new.
    pub(crate) fn write_new(
        &mut self,
        new: NewDevice,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        let device = new.into_device(self.draw_addresses()?, now);
        self.put_device(None, &device, because, now)?;
        Ok(device)
    }

    pub(crate) fn known_device(&mut self, id: DeviceId) -> Result<Device, LedgerError> {
        self.device(id)?.ok_or_else(|| LedgerError::NotFound { table: Device::TABLE, key: id.to_string() })
    }

    pub(crate) fn move_device(
        &mut self,
        id: DeviceId,
        to: LifeCycle,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        let known = self.known_device(id)?;
        let from = known.state;
        if from == to {
            return Ok(known);
        }
        let step = Move::between(from, to).ok_or(LedgerError::NoSuchMove { device: id, from, to })?;
        if step.needs == People::Two {
            because.approval(|| format!("{id} from {from} to {to}"))?;
        }
        let device = Device { state: to, state_since: now, ..known.clone() };
        self.put_device(Some(&known), &device, because, now)?;
        Ok(device)
    }

    pub(crate) fn set_device(
        &mut self,
        id: DeviceId,
        set: DeviceChange,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        let known = self.known_device(id)?;
        let device = set.applied_to(&known);
        if device == known {
            return Ok(device);
        }
        self.may_become(&known, &device, because)?;
        self.put_device(Some(&known), &device, because, now)?;
        Ok(device)
    }

    /// Whether a unit's particulars may be these.
    pub(crate) fn may_become(
        &mut self,
        known: &Device,
        device: &Device,
        because: &Because<'_>,
    ) -> Result<(), LedgerError> {
        device.fits(Some(known))?;
        if device.cells != known.cells {
            self.cells_are_free(device)?;
        }
        if device.is_taken_from_its_line(known) {
            because.approval(|| format!("another line for {}, which is {}", known.id, known.state))?;
        }
        Ok(())
    }

    /// Writes a unit's row, and what that does to the trust in its cells.
    pub(crate) fn put_device(
        &mut self,
        before: Option<&Device>,
        device: &Device,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let event = self.put_row(device, because, now)?;
        let detail = format!("{} is {}: {}", device.id, device.state, because.why);
        let said = Said::now("life cycle", TrustEvidence::Event(event), &detail, now);
        self.device_changed(before, device, &said, now)
    }

    /// No other unit that is not retired has one of its cells.
    fn cells_are_free(&mut self, device: &Device) -> Result<(), LedgerError> {
        if device.state == LifeCycle::Retired {
            return Ok(());
        }
        for cell in &device.cells {
            let is_holder = |other: &Device| other.id != device.id && other.state != LifeCycle::Retired;
            if let Some(other) = self.devices_of_cell(*cell)?.into_iter().find(is_holder) {
                let (id, state) = (other.id, other.state);
                return Err(LedgerError::Conflict(format!(
                    "the cell {cell} is that of {id}, which is {state}"
                )));
            }
        }
        Ok(())
    }
}

impl Device {
    /// It stood behind a line that was known, and may attach from there: another one lets it be elsewhere.
    fn is_taken_from_its_line(&self, before: &Self) -> bool {
        let stands = matches!(before.state, LifeCycle::Installed | LifeCycle::Live | LifeCycle::Silent);
        stands && before.access_line.is_some() && self.access_line != before.access_line
    }
}
