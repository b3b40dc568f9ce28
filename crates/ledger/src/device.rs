use crate::{Enrolment, LedgerError, LifeCycle, Row};
use ids::{AccessLine, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

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
    /// Region.
    pub region: String,
    /// Class.
    pub class: String,
    /// The fixed line behind which it is installed, where one is known.
    pub access_line: Option<AccessLine>,
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
    /// Whether it may have a certificate now.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] with the reason.
    pub fn may_be_certified(&self) -> Result<(), LedgerError> {
        let Self { id, state, enrolment, .. } = self;
        if !state.may_enrol() {
            return Err(LedgerError::Conflict(format!("{id} is {state}: it may have no certificate")));
        }
        if *enrolment == Enrolment::Held {
            let why = format!("the enrolment of {id} is held until a person has looked");
            return Err(LedgerError::Conflict(why));
        }
        Ok(())
    }
}

/// A unit to be put into the ledger; its inner addresses come from the pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// Which.
    pub id: DeviceId,
    /// Where it is in its life.
    pub state: LifeCycle,
    /// Who answers for it.
    pub owner: String,
    /// Where it is installed.
    pub site: String,
    /// Region.
    pub region: String,
    /// Class.
    pub class: String,
    /// Its line.
    pub access_line: Option<AccessLine>,
    /// Anything worth knowing.
    pub note: String,
}

impl NewDevice {
    /// A unit at its site, with nothing else known.
    pub fn installed(id: DeviceId) -> Self {
        Self {
            id,
            state: LifeCycle::Installed,
            owner: String::new(),
            site: String::new(),
            region: String::new(),
            class: String::new(),
            access_line: None,
            note: String::new(),
        }
    }

    pub(crate) fn into_device(self, inner: (Option<Ipv4Addr>, Option<Ipv6Addr>), now: UnixTime) -> Device {
        let Self { id, state, owner, site, region, class, access_line, note } = self;
        let (inner_v4, inner_v6) = inner;
        let enrolment = Enrolment::None;
        Device {
            id,
            state,
            enrolment,
            owner,
            site,
            region,
            class,
            access_line,
            inner_v4,
            inner_v6,
            note,
            added_at: now,
            state_since: now,
        }
    }

    /// The ledger has exactly this unit already.
    pub(crate) fn is(&self, device: &Device) -> bool {
        let same_words = (&self.owner, &self.site, &self.region, &self.class, &self.note)
            == (&device.owner, &device.site, &device.region, &device.class, &device.note);
        same_words && self.id == device.id && self.access_line == device.access_line
    }
}

impl Row for Device {
    const TABLE: &'static str = "device";

    fn key(&self) -> String {
        self.id.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![("state", self.state.to_string())];
        entries.extend(self.inner_v4.map(|v4| ("inner_v4", format!("{:08x}", v4.to_bits()))));
        entries.extend(self.inner_v6.map(|v6| ("inner_v6", format!("{:032x}", v6.to_bits()))));
        entries.extend(self.access_line.as_ref().map(|line| ("line", line.to_string())));
        entries
    }
}
