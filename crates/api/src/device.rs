//! Devices as the API shows them.

use ids::{AccessLine, CertSha256, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// One unit as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its permanent identity.
    pub id: DeviceId,
    /// Where it is in its life cycle.
    pub state: String,
    /// How far its enrolment is.
    pub enrolment: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it is installed.
    pub site: String,
    /// Region, as policies name it.
    pub region: String,
    /// Class, as policies name it.
    pub class: String,
    /// The line behind which it is installed.
    pub access_line: Option<AccessLine>,
    /// Its inner IPv4 address.
    pub inner_v4: Option<Ipv4Addr>,
    /// Its inner IPv6 address.
    pub inner_v6: Option<Ipv6Addr>,
    /// Anything worth knowing.
    pub note: String,
}

/// A unit to put into the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Its permanent identity.
    pub id: DeviceId,
    /// Where in its life cycle it starts; absent: `installed`.
    #[serde(default)]
    pub state: Option<String>,
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

/// Asks to add one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDevice {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The unit.
    pub device: NewDevice,
}

/// Asks to add many units: all that can be are, and the rest is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportDevices {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The units, with the line of each in the file that they come from.
    pub rows: Vec<ImportRow>,
}

/// One unit of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// Its line in the file.
    pub line: u64,
    /// The unit.
    pub device: NewDevice,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Units that are new.
    pub added: u64,
    /// Units that were there already, exactly so.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub refused: Vec<RefusedRow>,
}

/// A row of an import that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its line in the file.
    pub line: u64,
    /// As it was written.
    pub id: String,
    /// Why not.
    pub why: String,
}

/// Asks to move one unit to another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveDevice {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Where to.
    pub to: String,
    /// The reason, for the record.
    pub why: String,
    /// Who else agreed, where the move needs two.
    #[serde(default)]
    pub approver: Option<String>,
}

/// Some units, in the order of their identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePage {
    /// The units.
    pub devices: Vec<Device>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<DeviceId>,
}

/// One unit with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    /// The unit.
    pub device: Device,
    /// The certificates that the ledger recorded as issued to it.
    pub credentials: Vec<Credential>,
}

/// A certificate that the ledger recorded as issued to a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// SHA-256 over the certificate.
    pub cert_sha256: CertSha256,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// Why and since when it no longer counts.
    pub revoked: Option<String>,
}
