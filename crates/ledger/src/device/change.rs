use super::Device;
use ids::{AccessLine, AccessMode, CellKey, CsgId, Plmn, Position, Tac};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// What is to be different about a unit; what is absent stays as it is. What may be unknown is so again by `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChange {
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where it is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The postal address of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where on the Earth that is.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub position: Option<Option<Position>>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its line.
    #[serde(rename = "line", skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub access_line: Option<Option<AccessLine>>,
    /// The cells that it may carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<BTreeSet<CellKey>>,
    /// The networks that it may serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plmns: Option<BTreeSet<Plmn>>,
    /// The tracking or location area of its cells.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub tac: Option<Option<Tac>>,
    /// Whom it serves.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub access_mode: Option<Option<AccessMode>>,
    /// The closed subscriber group that it serves.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub csg: Option<Option<CsgId>>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Its model and hardware version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// The firmware that it is meant to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Anything worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Tells a `null` from a field that is absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl DeviceChange {
    /// What makes any unit have all particulars of this one.
    pub(crate) fn to(device: Device) -> Self {
        let Device { owner, site, address, position, region, class, access_line, cells, .. } = device;
        let Device { plmns, tac, access_mode, csg, vendor, hardware, firmware, note, .. } = device;
        Self {
            owner: Some(owner),
            site: Some(site),
            address: Some(address),
            position: Some(position),
            region: Some(region),
            class: Some(class),
            access_line: Some(access_line),
            cells: Some(cells),
            plmns: Some(plmns),
            tac: Some(tac),
            access_mode: Some(access_mode),
            csg: Some(csg),
            vendor: Some(vendor),
            hardware: Some(hardware),
            firmware: Some(firmware),
            note: Some(note),
        }
    }

    /// What it makes of a unit.
    pub fn applied_to(&self, device: &Device) -> Device {
        let mut changed = device.clone();
        self.clone().apply(&mut changed);
        changed
    }

    pub(crate) fn apply(self, device: &mut Device) {
        let Self { owner, site, address, position, region, class, access_line, cells, .. } = self;
        let Self { plmns, tac, access_mode, csg, vendor, hardware, firmware, note, .. } = self;
        put(&mut device.owner, owner);
        put(&mut device.site, site);
        put(&mut device.address, address);
        put(&mut device.position, position);
        put(&mut device.region, region);
        put(&mut device.class, class);
        put(&mut device.access_line, access_line);
        put(&mut device.cells, cells);
        put(&mut device.plmns, plmns);
        put(&mut device.tac, tac);
        put(&mut device.access_mode, access_mode);
        put(&mut device.csg, csg);
        put(&mut device.vendor, vendor);
        put(&mut device.hardware, hardware);
        put(&mut device.firmware, firmware);
        put(&mut device.note, note);
    }
}

fn put<T>(known: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *known = new;
    }
}
