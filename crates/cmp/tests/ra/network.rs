//! A carrier with its registration authority, a vendor with its units, and a register in memory.

use super::unit::{Ask, Credential, Draft, IR, Reply, key};
use crate::world::{self, World};
use cmp::{
    Arrival, Enrol, Nonce, Record, Refusal, Refused, Register, RegistrationAuthority, Renew, Signer, Stage,
    TransactionId,
};
use ids::{CertSha256, DeviceName, Realm, UnixTime};
use pki::{Ca, CaSpec, DeviceOrder, FileKey, KeyAlgorithm, KeySource, OffTheBooks, PrivateKey};
use std::collections::BTreeMap;
use std::sync::Mutex;
use x509::Certificate;

pub(crate) const NONCE: Nonce = [0x5a; 16];

/// The carrier's side, and a vendor.
pub(crate) struct Network {
    pub(crate) carrier: World,
    pub(crate) vendor: World,
    pub(crate) register: Memory,
    pub(crate) now: UnixTime,
}

/// What a register must keep, kept here in memory: it outlives every registration authority of a test.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) records: Mutex<BTreeMap<TransactionId, Record>>,
    pub(crate) refused: Mutex<Vec<Refused>>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// What it answers to every request.
    pub(crate) refuses: Mutex<Option<Refusal>>,
    /// The certificate of a legacy group.
    pub(crate) legacy: Mutex<Option<CertSha256>>,
}

/// The register with the CA that it has certificates issued by.
pub(crate) struct Books<'a> {
    memory: &'a Memory,
    ca: &'a Ca,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::at(world::now(), KeyAlgorithm::P256)
    }

    /// `key`: of the carrier's CAs.
    pub(crate) fn at(now: UnixTime, key: KeyAlgorithm) -> Self {
        let carrier = ca(&CaSpec { key, ..CaSpec::new("Example Telecom", world::realm()) }, now);
        let vendor = ca(&CaSpec::new("Vendor", vendor_realm()), now);
        Self { carrier, vendor, register: Memory::default(), now }
    }

    pub(crate) fn ra(&self) -> RegistrationAuthority {
        let ca = &self.carrier.ca;
        let signer = authority(ca, self.now);
        RegistrationAuthority::new(signer, self.vendor.ca.anchors().clone(), ca.device_anchors().unwrap())
    }

    /// The register, to be asked.
    pub(crate) fn books(&self) -> Books<'_> {
        Books { memory: &self.register, ca: &self.carrier.ca }
    }

    pub(crate) fn arrival(&self) -> Arrival {
        Arrival { from: "192.0.2.7".parse().unwrap(), now: Some(self.now), nonce: NONCE }
    }

    pub(crate) fn send(&self, message: &[u8]) -> Reply {
        Reply(self.ra().handle(message, &self.arrival(), &self.books()))
    }

    /// A unit as it leaves the vendor's factory.
    pub(crate) fn unit(&self, algorithm: KeyAlgorithm) -> Credential {
        credential(&self.vendor.ca, algorithm, self.now)
    }

    /// A unit that has a certificate of the carrier.
    pub(crate) fn enrolled(&self) -> Credential {
        credential(&self.carrier.ca, KeyAlgorithm::P256, self.now)
    }

    /// The honest ir of this unit for a new key.
    pub(crate) fn ir(&self, unit: &Credential, id: u8) -> Draft {
        Draft::new(unit, id, self.now, Ask::for_key(key(KeyAlgorithm::P256)).body(IR))
    }

    /// Why the last one was refused.
    pub(crate) fn why(&self) -> Option<Refusal> {
        self.register.refused.lock().unwrap().last().map(|refused| refused.refusal)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.register.asked.lock().unwrap().clone()
    }
}

/// The carrier's registration authority, which is made where there is none.
pub(crate) fn authority(ca: &Ca, now: UnixTime) -> Signer {
    ca.registration_authority(now).unwrap().unwrap_or_else(|| {
        let issued = ca.issue_registration_authority(&mut OffTheBooks, now).unwrap();
        ca.keep_registration_authority(&issued).unwrap()
    })
}

pub(crate) fn vendor_realm() -> Realm {
    "vendor.example".parse().unwrap()
}

pub(crate) fn ca(spec: &CaSpec, now: UnixTime) -> World {
    World::new(spec, now)
}

pub(crate) fn credential(ca: &Ca, algorithm: KeyAlgorithm, now: UnixTime) -> Credential {
    let order = DeviceOrder { key: KeySource::Generate(algorithm), ..world::order() };
    let issued = ca.issue(&order, &mut OffTheBooks, now).unwrap();
    let private: PrivateKey = issued.private_key.unwrap();
    Credential { key: FileKey::new(&private).unwrap(), chain: issued.chain }
}

impl Books<'_> {
    fn grant(
        &self,
        what: &str,
        who: &DeviceName,
        possession: &cmp::Possession,
        transaction: &cmp::Transaction,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        self.memory.asked.lock().unwrap().push(format!("{what} {who}"));
        if let Some(refusal) = *self.memory.refuses.lock().unwrap() {
            return Err(refusal);
        }
        let mut records = self.memory.records.lock().unwrap();
        if records.contains_key(&transaction.id) {
            return Err(Refusal::TransactionInUse);
        }
        let key = KeySource::Proven(possession.clone());
        let order = DeviceOrder { device: who.device, key, validity: None, by: "test".into() };
        let chain = self.ca.issue(&order, &mut OffTheBooks, now).map_err(|_| Refusal::Failed)?.chain;
        let (transaction, certificate) = (transaction.clone(), chain[0].clone());
        let record = Record { transaction: transaction.clone(), certificate, stage: Stage::Waiting };
        records.insert(transaction.id, record);
        Ok(chain)
    }

    fn end(&self, what: &str, id: &TransactionId, stage: Stage) {
        self.memory.asked.lock().unwrap().push(what.to_owned());
        self.memory.records.lock().unwrap().get_mut(id).unwrap().stage = stage;
    }
}

impl Register for Books<'_> {
    fn find(&self, id: &TransactionId, _: UnixTime) -> Result<Option<Record>, Refusal> {
        Ok(self.memory.records.lock().unwrap().get(id).cloned())
    }

    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal> {
        let legacy = *self.memory.legacy.lock().unwrap();
        Ok(legacy.filter(|known| *known == certificate).map(|_| vendor_realm()))
    }

    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.grant("enrol", request.by.name(), request.possession, request.transaction, now)
    }

    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        let what = if request.expired { "renew expired" } else { "renew" };
        self.grant(what, request.current.name(), request.possession, request.transaction, now)
    }

    fn confirm(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end("confirm", id, Stage::Confirmed);
        Ok(())
    }

    fn rejected(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end("rejected", id, Stage::Over);
        Ok(())
    }

    fn refused(&self, refused: &Refused) {
        self.memory.refused.lock().unwrap().push(refused.clone());
    }
}

/// A certificate of this DER.
pub(crate) fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}
