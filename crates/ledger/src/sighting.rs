//! The shared-credential finder: every key with which somebody asked to enrol, or was refused at the gate as it is not
//! recorded as that unit's or came from elsewhere, and all that it was used for. What is used as it was issued, the
//! credentials say. A key is one unit's; the second unit that shows it is refused, and all are named.

use crate::{LedgerError, NewIncident, Row, Tx, transaction::Because};
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeSet, net::IpAddr};

/// Kind of the incident that names the first two units of one key.
pub(crate) const SHARED: &str = "shared-credential";

/// A key that was seen, and its uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// SHA-256 over its SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// Each unit, certificate and address once, in the order in which they came; [`Self::MAX_USES`] at most, of them
    /// [`Self::MAX_USES_OF_ONE`] of one unit.
    pub uses: Vec<KeyUse>,
}

/// One use of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUse {
    /// Whom the certificate names.
    pub device: DeviceId,
    /// The certificate.
    pub cert_sha256: CertSha256,
    /// The realm that the certificate names it in; none where that was not written down yet.
    #[serde(default)]
    pub realm: Option<Realm>,
    /// From where.
    pub from: IpAddr,
    /// By what protocol: `cmp`, `est`, `ike`.
    pub by: String,
    /// When it was so for the first time.
    pub at: UnixTime,
}

impl Sighting {
    /// What comes beyond is not written down: by then there is enough to look at.
    pub const MAX_USES: usize = 64;
    /// So that no unit fills the list by coming from everywhere.
    pub const MAX_USES_OF_ONE: usize = 8;

    /// The units that the key was used for, each once, in the order in which they came.
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices = Vec::new();
        for KeyUse { device, .. } in &self.uses {
            if !devices.contains(device) {
                devices.push(*device);
            }
        }
        devices
    }
}

impl Sighting {
    /// Since when it was used for more than one unit.
    pub fn shared_since(&self) -> Option<UnixTime> {
        let first = self.uses.first()?.device;
        self.uses.iter().find(|one| one.device != first).map(|one| one.at)
    }

    /// The name of the value by which the keys are found that were used for a unit.
    pub(crate) const DEVICE: &'static str = "device";
    /// The same for those that certificates of a realm vouched for.
    pub(crate) const REALM: &'static str = "realm";

    /// Whether this use is one that there is none of yet, and has room.
    fn is_news(&self, new: &KeyUse) -> bool {
        let of_one = self.uses.iter().filter(|known| known.device == new.device).count();
        let has_room = self.uses.len() < Self::MAX_USES && of_one < Self::MAX_USES_OF_ONE;
        has_room && !self.uses.iter().any(|known| known.is(new))
    }
}

impl KeyUse {
    /// The same again, whenever.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.device, self.cert_sha256, self.from) == (other.device, other.cert_sha256, other.from)
    }
}

impl Row for Sighting {
    const TABLE: &'static str = "sighting";

    fn key(&self) -> String {
        self.spki_sha256.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let devices = self.devices().into_iter().map(|device| (Self::DEVICE, device.to_string()));
        let realms: BTreeSet<_> = self.uses.iter().filter_map(|one| one.realm.as_ref()).collect();
        devices.chain(realms.into_iter().map(|realm| (Self::REALM, realm.to_string()))).collect()
    }
}

impl Tx<'_> {
    /// A key was used; all that it was used for until now.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn sighted(
        &mut self,
        spki_sha256: Sha256,
        new: KeyUse,
        now: UnixTime,
    ) -> Result<Sighting, LedgerError> {
        let known: Option<(Sighting, u64)> = self.row(&spki_sha256.to_string())?;
        let mut sighting = match &known {
            Some((known, _)) => known.clone(),
            None => Sighting { spki_sha256, uses: Vec::new() },
        };
        if sighting.is_news(&new) {
            let by = new.by.clone();
            sighting.uses.push(new);
            self.put_row_behind(known, &sighting, &Because::new(&by, "key seen"), now)?;
        }
        Ok(sighting)
    }

    /// A key was shown at the gate by whom the ledger does not have it for, or not from there. Where it was another unit's
    /// as well, a person is told, once while that is open. Nobody is held for it: a copy is no switch for the genuine unit.
    /// The key of a legacy group that is in force is counted as that: many have it.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn shown_at_the_gate(
        &mut self,
        spki_sha256: Sha256,
        new: KeyUse,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (device, from) = (new.device, new.from);
        if let Some(group) = self.legacy_group_of(spki_sha256)?.filter(|group| group.is_in_force(now)) {
            let is_ours = self.device(device)?.is_some();
            return if is_ours { self.legacy_used(&group, new, now) } else { Ok(()) };
        }
        let sighting = self.sighted(spki_sha256, new, now)?;
        let holders = self.key_holders(spki_sha256)?.into_iter().filter_map(|holder| holder.device);
        let mut units = holders.chain(sighting.devices());
        let Some(first) = units.next() else { return Ok(()) };
        let Some(second) = units.find(|other| *other != first) else { return Ok(()) };
        let devices = vec![first.min(second), first.max(second)];
        let summary = format!("{device} came from {from} with a key that is another unit's as well");
        let evidence = json!({ "key": spki_sha256, "uses_of_its_key": sighting.uses });
        let shared = NewIncident { kind: SHARED, devices, summary, evidence, more: 0 };
        match self.is_open(&shared)? {
            true => Ok(()),
            false => self.open_incident(shared, "admission", now).map(drop),
        }
    }

    /// What a key was used for.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn sighting(&mut self, spki_sha256: Sha256) -> Result<Option<Sighting>, LedgerError> {
        Ok(self.row(&spki_sha256.to_string())?.map(|(sighting, _)| sighting))
    }
}
