//! The operator: a CA, its registration authority, and a register that keeps the rules which `cmp::Register` states.

use agent::{Key, Wire, WireError};
use cmp::{
    Arrival, Enrol, Operator, Record, Refusal, Refused, Register, RegistrationAuthority, Renew, Signer,
    Stage, Transaction, TransactionId,
};
use ids::{CertSha256, DeviceName, Realm, UnixTime};
use pki::{Ca, CaSpec, DeviceOrder, KeyAlgorithm, KeySource, OffTheBooks};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;
use x509::Anchor;

/// RFC 9810 §5.3.18: confirmWaitTime.
const CONFIRM_WAIT: Duration = Duration::from_secs(300);

pub(crate) fn realm() -> Realm {
    "femto.example".parse().unwrap()
}

pub(crate) fn start() -> UnixTime {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

/// The operator and a vendor, with one unit.
pub(crate) struct Authority {
    _directory: TempDir,
    pub(crate) ca: Ca,
    vendor: Ca,
    ra: RegistrationAuthority,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    records: BTreeMap<TransactionId, (Record, UnixTime)>,
    keys: BTreeSet<Vec<u8>>,
    /// The certificate of a legacy group.
    pub(crate) legacy: Option<CertSha256>,
    /// The one certificate that counts.
    pub(crate) head: Option<CertSha256>,
    /// Everything that the unit confirmed.
    pub(crate) confirmed: Vec<CertSha256>,
    pub(crate) refused: Vec<Refusal>,
    /// What is asked, in order.
    pub(crate) asked: Vec<&'static str>,
    /// What it answers to requests.
    pub(crate) refuses: Option<Refusal>,
    /// A certificate for this unit's key is issued for another's, or for another unit.
    pub(crate) confuses: Option<Confusion>,
}

#[derive(Clone, Copy)]
pub(crate) enum Confusion {
    Key,
    Unit,
}

/// The register at one time.
struct Books<'a> {
    authority: &'a Authority,
    now: UnixTime,
}

impl Authority {
    pub(crate) fn new(now: UnixTime) -> Self {
        // In memory where there is such a folder: a CA waits for its disk each time that it issues.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let make = |name: &str, realm| {
            Ca::create(&directory.path().join(name), &CaSpec::new(name, realm), now).unwrap()
        };
        let (ca, vendor) = (make("operator", realm()), make("vendor", "vendor.example".parse().unwrap()));
        let issued = ca.issue_registration_authority(&mut OffTheBooks, now).unwrap();
        let signer = ca.keep_registration_authority(&issued).unwrap();
        let ra = RegistrationAuthority::new(signer, vendor.anchors().clone(), ca.device_anchors().unwrap());
        Self { _directory: directory, ca, vendor, ra, state: Mutex::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::new(realm(), Anchor::from_der(self.ca.root()).unwrap())
    }

    /// Key in PEM and certificates of a unit as it leaves the vendor's factory.
    pub(crate) fn factory(&self, algorithm: KeyAlgorithm, now: UnixTime) -> (String, Vec<Vec<u8>>) {
        let order = order("00aabbccddee", KeySource::Generate(algorithm));
        let issued = self.vendor.issue(&order, &mut OffTheBooks, now).unwrap();
        (issued.private_key.unwrap().pem().to_string(), issued.chain)
    }

    pub(crate) fn vendor(&self, algorithm: KeyAlgorithm, now: UnixTime) -> Signer {
        let (key, chain) = self.factory(algorithm, now);
        Signer::new(Box::new(Key::from_pem(key.as_bytes()).unwrap()), chain).unwrap()
    }

    /// Answers are protected from now on by the certificate of a unit of the operator, which leads to the same root.
    pub(crate) fn be_a_unit(&mut self, now: UnixTime) {
        let order = order("00aabbccddef", KeySource::Generate(KeyAlgorithm::P256));
        let issued = self.ca.issue(&order, &mut OffTheBooks, now).unwrap();
        let key = Key::from_pem(issued.private_key.unwrap().pem().as_bytes()).unwrap();
        let chain = [issued.chain, vec![self.ca.root().to_vec()]].concat();
        let signer = Signer::new(Box::new(key), chain).unwrap();
        self.ra = RegistrationAuthority::new(
            signer,
            self.vendor.anchors().clone(),
            self.ca.device_anchors().unwrap(),
        );
    }

    pub(crate) fn handle(&self, message: &[u8], now: UnixTime) -> Vec<u8> {
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let arrival = Arrival { from: "192.0.2.7".parse().unwrap(), now: Some(now), nonce };
        self.ra.handle(message, &arrival, &Books { authority: self, now })
    }
}

fn order(device: &str, key: KeySource) -> DeviceOrder {
    DeviceOrder { device: device.parse().unwrap(), key, validity: None, by: "test".into() }
}

impl Books<'_> {
    fn grant(
        &self,
        what: &'static str,
        who: &DeviceName,
        possession: &cmp::Possession,
        transaction: &Transaction,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let mut state = self.authority.state();
        state.asked.push(what);
        if let Some(refusal) = state.refuses {
            return Err(refusal);
        }
        if !state.keys.insert(possession.spki().to_vec()) {
            return Err(Refusal::KnownKey);
        }
        // What the unit did not confirm is taken back: it begins anew.
        for (record, _) in state.records.values_mut().filter(|(record, _)| record.stage == Stage::Waiting) {
            record.stage = Stage::Over;
        }
        let own = KeySource::Proven(possession.clone());
        let device = who.device.to_string();
        let order = match state.confuses {
            None => order(&device, own),
            Some(Confusion::Unit) => order("00aabbccddef", own),
            Some(Confusion::Key) => order(&device, KeySource::Generate(KeyAlgorithm::P256)),
        };
        let issued = self.authority.ca.issue(&order, &mut OffTheBooks, self.now);
        let chain = issued.map_err(|_| Refusal::Failed)?.chain;
        let (transaction, certificate) = (transaction.clone(), chain[0].clone());
        let record = Record { transaction: transaction.clone(), certificate, stage: Stage::Waiting };
        state.records.insert(transaction.id, (record, self.now));
        Ok(chain)
    }
}

impl Register for Books<'_> {
    fn find(&self, id: &TransactionId, _: UnixTime) -> Result<Option<Record>, Refusal> {
        let mut state = self.authority.state();
        let Some((record, issued)) = state.records.get_mut(id) else { return Ok(None) };
        if record.stage == Stage::Waiting && self.now.since(*issued) > CONFIRM_WAIT {
            record.stage = Stage::Over;
        }
        Ok(Some(record.clone()))
    }

    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal> {
        let is_known = self.authority.state().legacy == Some(certificate);
        Ok(is_known.then(|| "vendor.example".parse().unwrap()))
    }

    fn enrol(&self, request: &Enrol<'_>, _: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        if self.authority.state().head.is_some() {
            return Err(Refusal::AlreadyEnrolled);
        }
        self.grant("enrol", request.by.name(), request.possession, request.transaction)
    }

    fn renew(&self, request: &Renew<'_>, _: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        if self.authority.state().head != Some(request.current.cert_sha256()) {
            return Err(Refusal::Superseded);
        }
        self.grant("renew", request.current.name(), request.possession, request.transaction)
    }

    fn confirm(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        let mut state = self.authority.state();
        let (record, _) = state.records.get_mut(id).unwrap();
        record.stage = Stage::Confirmed;
        let head = CertSha256::of(&record.certificate);
        state.head = Some(head);
        state.confirmed.push(head);
        Ok(())
    }

    fn rejected(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.authority.state().records.get_mut(id).unwrap().0.stage = Stage::Over;
        Ok(())
    }

    fn refused(&self, refused: &Refused) {
        self.authority.state().refused.push(refused.refusal);
    }
}

/// A way that leads nowhere.
#[derive(Debug)]
pub(crate) struct Down;

impl Wire for Down {
    fn post(&self, _: &[u8]) -> Result<Vec<u8>, WireError> {
        Err(WireError::Way("down".into()))
    }
}
