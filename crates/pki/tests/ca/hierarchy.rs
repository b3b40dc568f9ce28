//! Making and opening hierarchies.

use crate::world::*;
use pki::{Ca, CaSpec, DeviceOrder, KeyAlgorithm, KeyError, KeySource, PkiError};
use rustls_pki_types::pem::PemObject;
use std::os::unix::fs::PermissionsExt;
use x509::PathError;

#[test]
fn private_keys_are_readable_by_their_owner_only() {
    let world = World::with(&CaSpec { intermediates: 1, ..CaSpec::new("Example", realm()) });
    let directory = world.directory.path().join("ca");
    let mode = |name: &str| directory.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["root.key", "between-1.key", "devices.key", "gateways.key"].map(mode), [0o600; 4]);
    let issued = world.issue(&order()).unwrap();
    issued.write(world.directory.path(), "unit").unwrap();
    let key = world.directory.path().join("unit.key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_kind_of_key_and_every_depth_makes_chains_that_verify() {
    for (key, intermediates) in [
        (KeyAlgorithm::P256, 0),
        (KeyAlgorithm::P256, 3),
        (KeyAlgorithm::P384, 1),
        (KeyAlgorithm::Rsa2048, 1),
        (KeyAlgorithm::Rsa3072, 0),
    ] {
        let spec = CaSpec { key, intermediates, ..CaSpec::new("Example", realm()) };
        let world = World::with(&spec);
        let issued = world.issue(&DeviceOrder { key: KeySource::Generate(key), ..order() }).unwrap();
        assert_eq!(issued.chain.len(), 2 + usize::from(intermediates));
        let verified = world.verify(&issued, "00aabbccddee.femto.example").unwrap();
        assert_eq!(verified.path().len(), 3 + usize::from(intermediates), "{key:?}");
    }
}

/// What a thief of an issuing CA's key makes of it: the signature is good, the constraint in its
/// certificate holds.
fn thiefs_device(world: &World, ca: &str, realm: &str) -> Result<(), PathError> {
    let directory = world.directory.path().join("ca");
    let read = |end: &str| std::fs::read_to_string(directory.join(format!("{ca}.{end}"))).unwrap();
    let thief =
        rcgen::Issuer::from_ca_cert_pem(&read("pem"), rcgen::KeyPair::from_pem(&read("key")).unwrap());
    let name = format!("00aabbccddee.{realm}");
    let params = rcgen::CertificateParams::new(vec![name.clone()]).unwrap();
    let stolen = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &thief.unwrap()).unwrap();
    let mut anchors = x509::Anchors::new();
    anchors.insert(realm.parse().unwrap(), x509::Anchor::from_der(world.ca.root()).unwrap());
    let issuing = rustls_pki_types::CertificateDer::from_pem_slice(read("pem").as_bytes()).unwrap();
    let chain: [&[u8]; 2] = [stolen.der(), &issuing];
    x509::verify_device(&anchors, &Default::default(), name.as_bytes(), &chain, now()).map(|_| ())
}

#[test]
fn an_issuing_ca_cannot_name_devices_outside_its_own_domain() {
    let elsewhere = "segw.operator.example".parse().unwrap();
    let world = World::with(&CaSpec { gateway_domain: elsewhere, ..CaSpec::new("Example", realm()) });
    assert_eq!(thiefs_device(&world, "devices", "other.example"), Err(PathError::NameConstraint));
    assert_eq!(thiefs_device(&world, "gateways", "femto.example"), Err(PathError::NameConstraint));
}

#[test]
fn a_gateway_outside_the_realm_is_named_by_a_ca_of_its_own() {
    let elsewhere: ids::Realm = "segw.operator.example".parse().unwrap();
    let world = World::with(&CaSpec { gateway_domain: elsewhere, ..CaSpec::new("Example", realm()) });
    let ask = |name: &str| {
        let order = pki::GatewayOrder { names: vec![name.into()], ..gateway_order() };
        world.ca.issue_gateway(&order, &mut world.books(), now())
    };
    let issued = ask("segw.operator.example").unwrap();
    assert_eq!(issued.info.issuer, "CN=femto.example gateway CA,O=Example");
    assert!(matches!(ask("segw.femto.example").unwrap_err(), PkiError::OutsideDomains { .. }));
}

#[test]
fn a_second_ca_is_never_made_over_the_first() {
    let world = World::new();
    let directory = world.directory.path().join("ca");
    let before = std::fs::read(directory.join("root.key")).unwrap();
    let refused = Ca::create(&directory, &CaSpec::new("Example", realm()), now()).unwrap_err();
    assert!(matches!(refused, PkiError::Exists(_)), "{refused}");
    assert_eq!(std::fs::read(directory.join("root.key")).unwrap(), before);
}

#[test]
fn a_ca_opens_again_without_its_root_key_and_issues_under_the_same_root() {
    let world = World::new();
    let root = world.ca.root().to_vec();
    std::fs::remove_file(world.directory.path().join("ca/root.key")).unwrap();
    let world = world.restart();
    assert_eq!(world.ca.root(), root.as_slice());
    let issued = world.issue(&order()).unwrap();
    world.verify(&issued, "00aabbccddee.femto.example").unwrap();
}

#[test]
fn what_is_no_ca_is_not_opened() {
    let world = World::new();
    let ca = world.directory.path().join("ca");
    let open = |directory: &std::path::Path| Ca::open(directory).map(|_| ()).unwrap_err();
    assert!(matches!(open(world.directory.path()), PkiError::NoCa(_)));

    let issuing = std::fs::read(ca.join("devices.key")).unwrap();
    std::fs::copy(ca.join("root.key"), ca.join("devices.key")).unwrap();
    assert!(matches!(open(&ca), PkiError::Key(KeyError::Foreign { .. })));
    std::fs::write(ca.join("devices.key"), b"nothing").unwrap();
    assert!(matches!(open(&ca), PkiError::Key(KeyError::File { .. })));
    std::fs::remove_file(ca.join("devices.key")).unwrap();
    assert!(matches!(open(&ca), PkiError::Key(KeyError::Missing { .. })));
    std::fs::write(ca.join("devices.key"), issuing).unwrap();
    let newer = std::fs::read_to_string(ca.join("ca.json")).unwrap().replace("\"v\": 1", "\"v\": 2");
    std::fs::write(ca.join("ca.json"), newer).unwrap();
    assert!(open(&ca).to_string().contains("version"));
}

#[test]
fn specifications_that_make_no_sense_are_refused() {
    let directory = tempfile::TempDir::new().unwrap();
    let spec = CaSpec::new("Example", realm());
    for (number, bad) in [
        CaSpec { intermediates: 4, ..spec.clone() },
        CaSpec { country: Some("Korea".into()), ..spec.clone() },
        CaSpec { country: Some("kr".into()), ..spec },
    ]
    .iter()
    .enumerate()
    {
        let refused = Ca::create(&directory.path().join(number.to_string()), bad, now()).unwrap_err();
        assert!(matches!(refused, PkiError::Order(_)), "{bad:?}: {refused}");
    }
}
