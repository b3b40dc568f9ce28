//! A CA in a directory of its own.

use ids::{Realm, UnixTime};
use pki::{Ca, CaSpec, DeviceOrder, KeyAlgorithm, KeySource};
use tempfile::TempDir;

pub(crate) const DAY: u64 = 86_400;

pub(crate) fn now() -> UnixTime {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn realm() -> Realm {
    "femto.example".parse().unwrap()
}

pub(crate) fn order() -> DeviceOrder {
    DeviceOrder {
        device: "00aabbccddee".parse().unwrap(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    }
}

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) ca: Ca,
}

impl World {
    pub(crate) fn new(spec: &CaSpec, now: UnixTime) -> Self {
        let directory = TempDir::new().unwrap();
        let ca = Ca::create(&directory.path().join("ca"), spec, now).unwrap();
        Self { directory, ca }
    }
}
