//! The tables whose rows events explain: one list for whoever reads rows without knowing their type.

use crate::{
    AccessLineRecord, Breaker, CertificateRecord, Credential, Device, Distrust, Extension, Incident,
    InstallOrder, LegacyGroup, LegacyUse, LifeCycle, ManagementOrder, Migration, Observation, Pair,
    PolicyRule, Profile, Row, Sighting, Wave,
    detection::{Detection, Kept},
    trust::{CellTrust, CellTrustChange},
};
use serde_json::Value;

/// Every one but the leases, which records of admissions explain.
pub(crate) const EXPLAINED: [Table; 23] = [
    table::<Device>(),
    table::<CertificateRecord>(),
    table::<Credential>(),
    table::<Sighting>(),
    table::<Distrust>(),
    table::<LegacyGroup>(),
    table::<LegacyUse>(),
    table::<Extension>(),
    table::<AccessLineRecord>(),
    table::<Pair>(),
    table::<InstallOrder>(),
    table::<Migration>(),
    table::<Wave>(),
    table::<PolicyRule>(),
    table::<Observation>(),
    table::<Breaker>(),
    table::<Profile>(),
    table::<Incident>(),
    table::<ManagementOrder>(),
    table::<CellTrust>(),
    table::<CellTrustChange>(),
    table::<Detection>(),
    table::<Kept>(),
];

/// One of them.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    read: fn(&Value) -> Option<Written>,
}

/// What a row is in the database.
pub(crate) struct Written {
    /// JSON as Truecell writes it.
    pub(crate) body: String,
    /// The values that it is found by.
    pub(crate) entries: Vec<(&'static str, String)>,
    /// The values that it alone may have.
    pub(crate) alone: Vec<Alone>,
}

/// A value that belongs to one.
pub(crate) struct Alone {
    /// What it is.
    pub(crate) name: &'static str,
    /// The value.
    pub(crate) value: String,
    /// Whose: rows of the same may share it.
    pub(crate) holder: String,
}

/// Rows with values that belong to one.
trait Own {
    fn alone(&self) -> Vec<Alone> {
        Vec::new()
    }
}

/// Inner addresses and cells; a unit that is retired never uses its own again.
impl Own for Device {
    fn alone(&self) -> Vec<Alone> {
        if self.state == LifeCycle::Retired {
            return Vec::new();
        }
        let alone = |name, value| Alone { name, value, holder: self.id.to_string() };
        let v4 = self.inner_v4.map(|v4| alone("inner_v4", v4.to_string()));
        let v6 = self.inner_v6.map(|v6| alone("inner_v6", v6.to_string()));
        let cells = self.cells.iter().map(|cell| alone(Self::CELL, cell.to_string()));
        v4.into_iter().chain(v6).chain(cells).collect()
    }
}

/// The key, which a unit may have certified again; a certificate that was revoked counts no more.
impl Own for Credential {
    fn alone(&self) -> Vec<Alone> {
        if self.revoked.is_some() {
            return Vec::new();
        }
        vec![Alone { name: "spki", value: self.spki_sha256.to_string(), holder: self.device.to_string() }]
    }
}

impl Own for CertificateRecord {}
impl Own for Sighting {}
impl Own for Distrust {}
impl Own for LegacyGroup {}
impl Own for LegacyUse {}
impl Own for Extension {}
impl Own for AccessLineRecord {}
impl Own for Pair {}
impl Own for InstallOrder {}
impl Own for Migration {}
impl Own for Wave {}
impl Own for PolicyRule {}
impl Own for Observation {}
impl Own for Breaker {}
impl Own for Profile {}
impl Own for Incident {}
impl Own for ManagementOrder {}
impl Own for CellTrust {}
impl Own for CellTrustChange {}
impl Own for Detection {}
impl Own for Kept {}

const fn table<R: Row + Own>() -> Table {
    Table { name: R::TABLE, read: written::<R> }
}

fn written<R: Row + Own>(body: &Value) -> Option<Written> {
    let row = R::deserialize(body).ok()?;
    Some(Written { body: serde_json::to_string(&row).ok()?, entries: row.entries(), alone: row.alone() })
}

/// A row of any table, from its JSON as a value. One that this Truecell does not know is kept as it is, and found by
/// its key alone.
pub(crate) fn row_of(table: &str, body: &Value) -> Written {
    let known = EXPLAINED.iter().find(|known| known.name == table).and_then(|known| (known.read)(body));
    known.unwrap_or_else(|| Written { body: body.to_string(), entries: Vec::new(), alone: Vec::new() })
}
