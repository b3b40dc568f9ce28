//! All certificates of one unit, whatever became of them, and the keys with which it asked for the first.

use crate::{
    CertificateRecord, Credential, Finding, InstallOrder, Leave, Ledger, LedgerError, LegacyUse, Row,
    Sighting,
};
use ids::{CertSha256, DeviceId, UnixTime};

/// What there is of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Its certificates, oldest first.
    pub certificates: Vec<Kin>,
    /// The keys of vendors' certificates that name it.
    pub keys: Vec<Sighting>,
    /// What came of it by the keys of legacy groups.
    pub legacy: Vec<LegacyUse>,
    /// Rows between them that were tampered with.
    pub tampered: Vec<Finding>,
}

/// One certificate of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kin {
    /// That it belongs to the unit; none before the unit has confirmed it.
    pub credential: Option<Credential>,
    /// That one of our CAs signed it; none where another did.
    pub record: Option<CertificateRecord>,
}

impl Kin {
    /// The certificate.
    pub fn cert_sha256(&self) -> Option<CertSha256> {
        let recorded = self.record.as_ref().map(|record| record.cert_sha256);
        recorded.or_else(|| self.credential.as_ref().map(|credential| credential.cert_sha256))
    }

    /// When it was issued; of one that another CA signed, when it was recorded.
    pub fn issued_at(&self) -> UnixTime {
        let issued = self.record.as_ref().map(|record| record.issued_at);
        issued.or_else(|| self.credential.as_ref().map(|credential| credential.issued_at)).unwrap_or_default()
    }
}

impl Ledger {
    /// The lineage of a unit. Certificates that never counted are found by their leave: the orders of the unit, and its other
    /// certificates.
    ///
    /// # Errors
    /// The transient ones.
    pub fn lineage(&self, device: DeviceId) -> Result<Lineage, LedgerError> {
        let (id, mut tampered) = (device.to_string(), Vec::new());
        let mut certificates = Vec::new();
        for credential in self.all_that_hold::<Credential>("device", &id, &mut tampered)? {
            let key = credential.spki_sha256.to_string();
            let of_key =
                self.all_that_hold::<CertificateRecord>(CertificateRecord::KEY, &key, &mut tampered)?;
            let record = of_key.into_iter().find(|record| record.cert_sha256 == credential.cert_sha256);
            certificates.push(Kin { credential: Some(credential), record });
        }
        let orders = self.all_that_hold::<InstallOrder>("device", &id, &mut tampered)?;
        let by_order = orders.into_iter().map(|order| Leave::Order(order.id));
        let by_parent = certificates.iter().filter_map(Kin::cert_sha256).map(Leave::Parent);
        for leave in by_order.chain(by_parent).collect::<Vec<_>>() {
            let entry = leave.entry().unwrap_or_default();
            for record in self.all_that_hold::<CertificateRecord>(Leave::ENTRY, &entry, &mut tampered)? {
                let name = record.cert_sha256;
                let is_known = certificates.iter().any(|kin| kin.cert_sha256() == Some(name));
                // Whether the unit has confirmed it, nobody knows then.
                let is_unknown = tampered.iter().any(|found| found.key == name.to_string());
                if !is_known && !is_unknown && record.device == Some(device) {
                    certificates.push(Kin { credential: None, record: Some(record) });
                }
            }
        }
        certificates.sort_by_key(|kin| (kin.issued_at(), kin.cert_sha256().map(|sha256| sha256.0)));
        let keys = self.all_that_hold::<Sighting>(Sighting::DEVICE, &id, &mut tampered)?;
        let legacy = self.all_that_hold::<LegacyUse>(LegacyUse::DEVICE, &id, &mut tampered)?;
        Ok(Lineage { certificates, keys, legacy, tampered })
    }

    fn all_that_hold<R: Row>(
        &self,
        name: &str,
        value: &str,
        tampered: &mut Vec<Finding>,
    ) -> Result<Vec<R>, LedgerError> {
        let every = self.every::<R>(Some((name, value)))?;
        tampered.extend(every.tampered);
        Ok(every.rows)
    }
}
