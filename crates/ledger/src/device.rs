mod change;
mod particular;
mod recorded;

pub use change::DeviceChange;
pub use particular::{ParseParticularError, Particular};

use crate::{
    Enrolment, LedgerError, LifeCycle, Revoked, Row, Scope,
    life_cycle::{allows, bars},
    pool::{v4_entry, v6_entry},
};
use ids::{AccessLine, AccessMode, CellKey, CsgId, DeviceId, Plmn, Position, Tac, UnixTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

/// One femtocell as the carrier knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// Where it is in its life.
    pub state: LifeCycle,
    /// How far its enrolment is.
    pub enrolment: Enrolment,
    /// Who answers for it.
    pub owner: String,
    /// Where it is installed.
    pub site: String,
    /// The postal address of that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Where on the Earth that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Region.
    pub region: String,
    /// Class.
    pub class: String,
    /// The fixed line behind which it is installed, where one is known.
    pub access_line: Option<AccessLine>,
    /// The cells that it may carry: no other unit may carry one of them before this one is retired.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cells: BTreeSet<CellKey>,
    /// The networks that it may serve.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub plmns: BTreeSet<Plmn>,
    /// The tracking or location area of its cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tac: Option<Tac>,
    /// Whom it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// The closed subscriber group that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csg: Option<CsgId>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vendor: String,
    /// Its model and hardware version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hardware: String,
    /// The firmware that it is meant to have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// Its inner IPv4 address: bound to it for as long as it is in the ledger.
    pub inner_v4: Option<Ipv4Addr>,
    /// Its inner IPv6 address.
    pub inner_v6: Option<Ipv6Addr>,
    /// Anything worth knowing.
    pub note: String,
    /// Since when it is in the ledger.
    pub added_at: UnixTime,
    /// Since when it is in its state.
    pub state_since: UnixTime,
}

impl Device {
    /// A unit of which nothing else is known, with no inner address.
    pub fn new(id: DeviceId, state: LifeCycle, now: UnixTime) -> Self {
        Self {
            id,
            state,
            enrolment: Enrolment::None,
            owner: String::new(),
            site: String::new(),
            address: String::new(),
            position: None,
            region: String::new(),
            class: String::new(),
            access_line: None,
            cells: BTreeSet::new(),
            plmns: BTreeSet::new(),
            tac: None,
            access_mode: None,
            csg: None,
            vendor: String::new(),
            hardware: String::new(),
            firmware: String::new(),
            inner_v4: None,
            inner_v6: None,
            note: String::new(),
            added_at: now,
            state_since: now,
        }
    }

    /// The name of the value by which the units of a cell are found.
    pub(crate) const CELL: &'static str = "cell";
    pub(crate) const LINE: &'static str = "line";

    /// Why no certificate of it counts for now, as revocation lists and OCSP say it; none while its life lets it
    /// attach.
    pub fn barred(&self) -> Option<Revoked> {
        let reason = bars(self.state)?;
        Some(Revoked {
            at: self.state_since,
            why: format!("the unit is {}", self.state),
            reason: Some(reason),
        })
    }

    /// Whether it may have a certificate now.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] with the reason.
    pub fn may_be_certified(&self) -> Result<(), LedgerError> {
        let Self { id, state, enrolment, .. } = self;
        if allows(*state, *enrolment).enrol {
            return Ok(());
        }
        Err(LedgerError::Conflict(match enrolment {
            Enrolment::Held => format!("the enrolment of {id} is held until a person has looked"),
            Enrolment::None | Enrolment::Ordered | Enrolment::Enrolled => {
                format!("{id} is {state}: it may have no certificate")
            }
        }))
    }
}

/// A unit to be put into the ledger; its inner addresses come from the pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Which.
    pub id: DeviceId,
    /// Where it is in its life; absent: `installed`.
    #[serde(default = "installed")]
    pub state: LifeCycle,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// Where it is installed.
    #[serde(default)]
    pub site: String,
    /// The postal address of that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Where on the Earth that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Region, as policies name it.
    #[serde(default)]
    pub region: String,
    /// Class, as policies name it.
    #[serde(default)]
    pub class: String,
    /// The line behind which it is installed; admission then checks its addresses.
    #[serde(default, rename = "line")]
    pub access_line: Option<AccessLine>,
    /// The cells that it may carry.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cells: BTreeSet<CellKey>,
    /// The networks that it may serve.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub plmns: BTreeSet<Plmn>,
    /// The tracking or location area of its cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tac: Option<Tac>,
    /// Whom it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// The closed subscriber group that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csg: Option<CsgId>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vendor: String,
    /// Its model and hardware version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hardware: String,
    /// The firmware that it is meant to have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// Anything worth knowing.
    #[serde(default)]
    pub note: String,
}

fn installed() -> LifeCycle {
    LifeCycle::Installed
}

impl NewDevice {
    /// A unit at its site, with nothing else known.
    pub fn installed(id: DeviceId) -> Self {
        Self::with(id, LifeCycle::Installed, DeviceChange::default())
    }

    /// A unit of which so much is known.
    pub fn with(id: DeviceId, state: LifeCycle, known: DeviceChange) -> Self {
        let mut device = Device::new(id, state, UnixTime::from_secs(0));
        known.apply(&mut device);
        device.into()
    }

    pub(crate) fn into_device(self, inner: (Option<Ipv4Addr>, Option<Ipv6Addr>), now: UnixTime) -> Device {
        let Self { id, state, owner, site, address, position, region, class, access_line, .. } = self;
        let Self { cells, plmns, tac, access_mode, csg, vendor, hardware, firmware, note, .. } = self;
        let (inner_v4, inner_v6) = inner;
        Device {
            id,
            state,
            enrolment: Enrolment::None,
            owner,
            site,
            address,
            position,
            region,
            class,
            access_line,
            cells,
            plmns,
            tac,
            access_mode,
            csg,
            vendor,
            hardware,
            firmware,
            inner_v4,
            inner_v6,
            note,
            added_at: now,
            state_since: now,
        }
    }
}

impl From<Device> for NewDevice {
    fn from(device: Device) -> Self {
        let Device { id, state, owner, site, address, position, region, class, access_line, .. } = device;
        let Device { cells, plmns, tac, access_mode, csg, vendor, hardware, firmware, note, .. } = device;
        Self {
            id,
            state,
            owner,
            site,
            address,
            position,
            region,
            class,
            access_line,
            cells,
            plmns,
            tac,
            access_mode,
            csg,
            vendor,
            hardware,
            firmware,
            note,
        }
    }
}

impl Row for Device {
    const TABLE: &'static str = "device";

    fn key(&self) -> String {
        self.id.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![("state", self.state.to_string()), ("scope", Scope::of(self).entry())];
        entries.extend(self.inner_v4.map(|v4| ("inner_v4", v4_entry(v4))));
        entries.extend(self.inner_v6.map(|v6| ("inner_v6", v6_entry(v6))));
        entries.extend(self.access_line.as_ref().map(|line| (Self::LINE, line.to_string())));
        entries.extend(self.cells.iter().map(|cell| (Self::CELL, cell.to_string())));
        entries
    }
}

#[cfg(test)]
mod tests;
