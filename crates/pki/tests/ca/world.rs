//! A CA in a directory of its own, and books that remember in memory.

use ids::{DeviceId, Realm, UnixTime};
use pki::{Books, Ca, CaSpec, DeviceOrder, GatewayOrder, Intent, Issued, KeyAlgorithm, KeySource, PkiError};
use std::sync::Mutex;
use tempfile::TempDir;
use x509::{CertPathVerified, Certificate, PathError, verify_device};

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

/// Where the process dies, as seen from the books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dies {
    BeforeIntent,
    AfterIntent,
    BeforeOutcome,
    AfterOutcome,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) dies: Mutex<Option<Dies>>,
    pub(crate) unreachable: Mutex<bool>,
    pub(crate) forbidden: Mutex<Option<DeviceId>>,
    pub(crate) exception: Mutex<Option<String>>,
    pub(crate) refuses_outcome: Mutex<bool>,
    pub(crate) exceptions_used: Mutex<Vec<Option<String>>>,
}

impl Memory {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn write(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn die_at(&self, point: Dies) {
        let dies = *self.dies.lock().unwrap();
        assert!(dies != Some(point), "the process dies here");
    }

    fn reach(&self) -> Result<(), PkiError> {
        match *self.unreachable.lock().unwrap() {
            true => Err(PkiError::Books("the ledger is locked".into())),
            false => Ok(()),
        }
    }
}

impl Books for Memory {
    fn may_issue(&self, wanted: &Intent) -> Result<Option<String>, PkiError> {
        match *self.forbidden.lock().unwrap() {
            Some(device) if wanted.device == Some(device) => {
                Err(PkiError::Forbidden(format!("{device} is retired")))
            }
            Some(_) | None => Ok(self.exception.lock().unwrap().clone()),
        }
    }

    fn intended(&self, intent: &Intent) -> Result<(), PkiError> {
        self.die_at(Dies::BeforeIntent);
        self.reach()?;
        self.write(format!("intended {}", intent.serial));
        self.exceptions_used.lock().unwrap().push(intent.exception.clone());
        self.die_at(Dies::AfterIntent);
        Ok(())
    }

    fn issued(&self, intent: &Intent, certificate: &Certificate, _: UnixTime) -> Result<(), PkiError> {
        self.die_at(Dies::BeforeOutcome);
        self.reach()?;
        assert_eq!(intent.serial, certificate.serial());
        if *self.refuses_outcome.lock().unwrap() {
            return Err(PkiError::Forbidden("another has this key".into()));
        }
        self.write(format!("issued {}", intent.serial));
        self.die_at(Dies::AfterOutcome);
        Ok(())
    }

    fn abandoned(&self, intent: &Intent, _: &str, _: UnixTime) -> Result<(), PkiError> {
        self.write(format!("abandoned {}", intent.serial));
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
        self.ca.issue(order, &self.books, now())
    }

    pub(crate) fn verify(&self, issued: &Issued, name: &str) -> Result<CertPathVerified, PathError> {
        let chain: Vec<&[u8]> = issued.chain.iter().map(Vec::as_slice).collect();
        verify_device(self.ca.anchors(), &Default::default(), name.as_bytes(), &chain, now())
    }

    /// The CA and its books after a restart.
    pub(crate) fn restart(self) -> (Self, Vec<pki::Settled>) {
        let Self { directory, ca, books } = self;
        drop(ca);
        *books.dies.lock().unwrap() = None;
        let (ca, settled) = Ca::open(&directory.path().join("ca"), &books, now()).unwrap();
        (Self { directory, ca, books }, settled)
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
