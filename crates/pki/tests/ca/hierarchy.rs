//! Making and opening hierarchies.

use crate::world::*;
use pki::{Ca, CaSpec, DeviceOrder, KeyAlgorithm, KeySource, PkiError};
use std::os::unix::fs::PermissionsExt;
use x509::PathError;

#[test]
fn private_keys_are_readable_by_their_owner_only() {
    let world = World::with(&CaSpec { intermediates: 1, ..CaSpec::new("Example", realm()) });
    let directory = world.directory.path().join("ca");
    let mode = |name: &str| directory.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["root.key", "between-1.key", "issuing.key"].map(mode), [0o600; 3]);
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

#[test]
fn the_issuing_ca_cannot_name_another_realms_devices() {
    // Whoever steals issuing.key signs what they like; the constraint in its certificate holds.
    let world = World::new();
    let directory = world.directory.path().join("ca");
    let key =
        rcgen::KeyPair::from_pem(&std::fs::read_to_string(directory.join("issuing.key")).unwrap()).unwrap();
    let pem = std::fs::read_to_string(directory.join("issuing.pem")).unwrap();
    let thief = rcgen::Issuer::from_ca_cert_pem(&pem, key).unwrap();
    let name = "00aabbccddee.other.example";
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let stolen = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &thief).unwrap();
    let mut anchors = x509::Anchors::new();
    anchors.insert("other.example".parse().unwrap(), x509::Anchor::from_der(world.ca.root()).unwrap());
    let chain: [&[u8]; 2] = [stolen.der(), &world.ca.issuers()[0]];
    let result = x509::verify_device(&anchors, &Default::default(), name.as_bytes(), &chain, now());
    assert_eq!(result.map(|_| ()).unwrap_err(), PathError::NameConstraint);
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
    let (world, settled) = world.restart();
    assert_eq!((world.ca.root(), settled), (root.as_slice(), vec![]));
    let issued = world.issue(&order()).unwrap();
    world.verify(&issued, "00aabbccddee.femto.example").unwrap();
}

#[test]
fn what_is_no_ca_is_not_opened() {
    let world = World::new();
    let ca = world.directory.path().join("ca");
    let open =
        |directory: &std::path::Path| Ca::open(directory, &world.books, now()).map(|_| ()).unwrap_err();
    assert!(matches!(open(world.directory.path()), PkiError::NoCa(_)));

    let issuing = std::fs::read(ca.join("issuing.key")).unwrap();
    std::fs::copy(ca.join("root.key"), ca.join("issuing.key")).unwrap();
    assert!(matches!(open(&ca), PkiError::File { why: "does not belong to issuing.key", .. }));
    std::fs::write(ca.join("issuing.key"), b"nothing").unwrap();
    assert!(matches!(open(&ca), PkiError::File { .. }));
    std::fs::write(ca.join("issuing.key"), issuing).unwrap();
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
