//! A CA in a directory of its own, and books that remember in memory.

use ids::{DeviceId, Realm, UnixTime};
use pki::{
    Books, Ca, CaSpec, DeviceOrder, GatewayOrder, Generation, Issued, Issuing, KeyAlgorithm, KeySource,
    Particulars, PkiError,
};
use std::sync::Mutex;
use tempfile::TempDir;
use x509::{CertPathVerified, Certificate, PathError, verify_device};

pub(crate) const DEVICES: Generation = Generation::first(Issuing::Devices);
pub(crate) const GATEWAYS: Generation = Generation::first(Issuing::Gateways);
pub(crate) const DAY: u64 = 86_400;

pub(crate) fn now() -> UnixTime {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn realm() -> Realm {
    "femto.example".parse().unwrap()
}

pub(crate) fn device() -> DeviceId {
    "00aabbccddee".parse().unwrap()
}

/// What was written down: the certificate in DER behind what it should say.
type Written = (Particulars, Vec<u8>);

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) issued: Mutex<Vec<Written>>,
    pub(crate) unreachable: Mutex<bool>,
    pub(crate) forbidden: Mutex<Option<DeviceId>>,
    pub(crate) exception: Mutex<Option<String>>,
}

impl Memory {
    pub(crate) fn issued(&self) -> Vec<Written> {
        self.issued.lock().unwrap().clone()
    }
}

impl Books for &Memory {
    fn may_issue(&mut self, wanted: &Particulars) -> Result<Option<String>, PkiError> {
        match *self.forbidden.lock().unwrap() {
            Some(device) if wanted.device == Some(device) => {
                Err(PkiError::Forbidden(format!("{device} is retired")))
            }
            Some(_) | None => Ok(self.exception.lock().unwrap().clone()),
        }
    }

    fn issued(
        &mut self,
        what: &Particulars,
        certificate: &Certificate,
        der: &[u8],
        _: UnixTime,
    ) -> Result<(), PkiError> {
        if *self.unreachable.lock().unwrap() {
            return Err(PkiError::Books("the ledger is locked".into()));
        }
        assert_eq!(what.serial, certificate.serial());
        self.issued.lock().unwrap().push((what.clone(), der.to_vec()));
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) ca: Ca,
    pub(crate) books: Memory,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&CaSpec::new("Example Telecom", realm()))
    }

    pub(crate) fn with(spec: &CaSpec) -> Self {
        let directory = TempDir::new().unwrap();
        let ca = Ca::create(&directory.path().join("ca"), spec, now()).unwrap();
        Self { directory, ca, books: Memory::default() }
    }

    pub(crate) fn issue(&self, order: &DeviceOrder) -> Result<Issued, PkiError> {
        self.ca.issue(order, &mut self.books(), now())
    }

    pub(crate) fn verify(&self, issued: &Issued, name: &str) -> Result<CertPathVerified, PathError> {
        let chain: Vec<&[u8]> = issued.chain.iter().map(Vec::as_slice).collect();
        verify_device(self.ca.anchors(), &Default::default(), name.as_bytes(), &chain, now())
    }

    /// The books, to be written into.
    pub(crate) fn books(&self) -> &Memory {
        &self.books
    }

    /// The CA, opened again.
    pub(crate) fn restart(self) -> Self {
        let Self { directory, ca, books } = self;
        drop(ca);
        let ca = Ca::open(&directory.path().join("ca")).unwrap();
        Self { directory, ca, books }
    }
}

pub(crate) fn order() -> DeviceOrder {
    DeviceOrder {
        device: device(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    }
}

pub(crate) fn gateway_order() -> GatewayOrder {
    GatewayOrder {
        names: vec!["segw.femto.example".into()],
        addresses: vec![],
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    }
}
