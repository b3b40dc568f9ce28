use crate::{
    Enrolment, LedgerError, LifeCycle, Revoked, Row, Scope,
    life_cycle::allows,
    pool::{v4_entry, v6_entry},
};
use ids::{AccessLine, DeviceId, UnixTime};
use serde::{Deserialize, Deserializer, Serialize};
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
    /// Why no certificate of it counts for now, as revocation lists and OCSP say it; none while its life lets it attach.
    pub fn barred(&self) -> Option<Revoked> {
        let reason = self.state.bars()?;
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
    /// Region, as policies name it.
    #[serde(default)]
    pub region: String,
    /// Class, as policies name it.
    #[serde(default)]
    pub class: String,
    /// The line behind which it is installed; admission then checks its addresses.
    #[serde(default, rename = "line")]
    pub access_line: Option<AccessLine>,
    /// Anything worth knowing.
    #[serde(default)]
    pub note: String,
}

fn installed() -> LifeCycle {
    LifeCycle::Installed
}

/// What is to be different about a unit; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChange {
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where it is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its line; `null` when it is not known any more.
    #[serde(rename = "line", skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub access_line: Option<Option<AccessLine>>,
    /// Anything worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Tells a `null` from a field that is absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl DeviceChange {
    pub(crate) fn apply(self, device: &mut Device) {
        let Self { owner, site, region, class, access_line, note } = self;
        let texts = [
            (owner, &mut device.owner),
            (site, &mut device.site),
            (region, &mut device.region),
            (class, &mut device.class),
            (note, &mut device.note),
        ];
        for (new, old) in texts {
            *old = new.unwrap_or_else(|| std::mem::take(old));
        }
        device.access_line = access_line.unwrap_or_else(|| device.access_line.take());
    }
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

    /// Which particular the ledger's unit has otherwise, and what changes it; `None` when it is exactly so.
    pub(crate) fn differs_from(&self, device: &Device) -> Option<String> {
        if self.state != device.state {
            let is = device.state;
            return Some(format!("it is in the ledger as {is}: `device move` changes its state"));
        }
        let particulars = [
            ("owner", self.owner == device.owner),
            ("site", self.site == device.site),
            ("region", self.region == device.region),
            ("class", self.class == device.class),
            ("line", self.access_line == device.access_line),
            ("note", self.note == device.note),
        ];
        let (name, _) = particulars.into_iter().find(|(_, is_same)| !is_same)?;
        Some(format!("it is in the ledger with another {name}: `device set` changes it"))
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
        entries.extend(self.access_line.as_ref().map(|line| ("line", line.to_string())));
        entries
    }
}
