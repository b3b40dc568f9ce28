//! Orders: what comes of those that are allowed, and why the others are refused.

use crate::world::*;
use pki::{
    BACKDATE, DeviceOrder, FileKey, GatewayOrder, KeyAlgorithm, KeySource, Kind, PkiError, PrivateKey,
};
use rcgen::PublicKeyData;
use std::time::Duration;
use x509::{Certificate, GatewayName, KeyKind, verify_gateway};

const NAME: &str = "00aabbccddee.femto.example";

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

fn request(algorithm: KeyAlgorithm, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let key = FileKey::new(&PrivateKey::generate(algorithm).unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = rcgen::CertificateParams::new(names).unwrap();
    (params.serialize_request(&key).unwrap().der().to_vec(), key.subject_public_key_info())
}

#[test]
fn section_5_1_the_operator_device_certificate_has_the_profile() {
    let world = World::new();
    let issued = world.issue(&order()).unwrap();
    let verified = world.verify(&issued, NAME).unwrap();
    assert_eq!(verified.name().to_string(), NAME);
    assert_eq!(verified.warnings(), [], "nothing about it is odd");
    assert_eq!(verified.key(), KeyKind::P256);
    assert_eq!(verified.not_before(), now().before(BACKDATE));
    assert_eq!(verified.validity(), days(30) - Duration::from_secs(1), "30 days with both ends counted");
    assert!(verified.ski().is_some());
    assert_eq!(verified.serial().len(), 32, "16 octets, none of them a leading zero");
    assert_eq!(issued.info.kind, Kind::Device);
    assert_eq!(issued.info.device, Some(device()));
    assert_eq!(issued.info.sha256, verified.cert_sha256());
    assert_eq!(issued.chain.len(), 2, "the root stays at home");
}

#[test]
fn serials_are_random_and_the_key_is_handed_out_once() {
    let world = World::new();
    let (one, two) = (world.issue(&order()).unwrap(), world.issue(&order()).unwrap());
    assert_ne!(one.info.serial, two.info.serial);
    assert_ne!(one.info.spki_sha256, two.info.spki_sha256);
    let key = FileKey::new(one.private_key.as_ref().unwrap()).unwrap();
    let certificate = Certificate::from_der(&one.chain[0]).unwrap();
    assert_eq!(key.subject_public_key_info(), certificate.spki());
}

#[test]
fn a_request_proves_possession_and_may_not_ask_for_another_name() {
    let world = World::new();
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072] {
        let (der, spki) = request(algorithm, &[NAME]);
        let issued = world.issue(&DeviceOrder { key: KeySource::Request(der), ..order() }).unwrap();
        assert_eq!(Certificate::from_der(&issued.chain[0]).unwrap().spki(), spki);
        assert!(issued.private_key.is_none());
        world.verify(&issued, NAME).unwrap();
    }
    let (nameless, _) = request(KeyAlgorithm::P256, &[]);
    world.issue(&DeviceOrder { key: KeySource::Request(nameless), ..order() }).unwrap();

    let other = "00aabbccddef.femto.example";
    for names in [&[other][..], &[NAME, other], &[NAME, "192.0.2.1"]] {
        let (der, _) = request(KeyAlgorithm::P256, names);
        let refused = world.issue(&DeviceOrder { key: KeySource::Request(der), ..order() }).unwrap_err();
        assert!(matches!(refused, PkiError::Order(_)), "{names:?}: {refused}");
    }
    let (mut forged, _) = request(KeyAlgorithm::P256, &[NAME]);
    *forged.last_mut().unwrap() ^= 1;
    let refused = world.issue(&DeviceOrder { key: KeySource::Request(forged), ..order() }).unwrap_err();
    assert!(matches!(refused, PkiError::Request(_)), "{refused}");
}

#[test]
fn the_books_say_how_long_and_the_record_names_their_exception() {
    let world = World::new();
    let ask = |span| world.issue(&DeviceOrder { validity: Some(span), ..order() });
    ask(days(30)).unwrap();
    *world.books.exception.lock().unwrap() = Some("estate of 2013".into());
    let ten_years = ask(days(3650)).unwrap();
    assert_eq!(
        ten_years.info.not_after.since(ten_years.info.not_before),
        days(3650) - Duration::from_secs(1)
    );
    let used: Vec<_> = world.books.issued().into_iter().map(|(what, _)| what.exception).collect();
    assert_eq!(used, [None, Some("estate of 2013".to_owned())]);
    for refused in [Duration::from_secs(3599), Duration::ZERO, days(40 * 365), Duration::MAX] {
        let error = ask(refused).unwrap_err();
        assert!(matches!(error, PkiError::Order(_)), "{refused:?}: {error}");
    }
}

#[test]
fn a_gateway_is_named_inside_the_domains_and_for_398_days_at_most() {
    let world = World::new();
    let ask = |order: GatewayOrder| world.ca.issue_gateway(&order, &mut world.books(), now());
    let issued = ask(GatewayOrder { addresses: vec![[192, 0, 2, 1].into()], ..gateway_order() }).unwrap();
    let chain: Vec<&[u8]> = issued.chain.iter().map(Vec::as_slice).collect();
    let check = |name| verify_gateway(world.ca.gateway_anchors(), &name, &chain, now());
    check(GatewayName::Fqdn("segw.femto.example".into())).unwrap();
    check(GatewayName::Address([192, 0, 2, 1].into())).unwrap();
    assert_eq!((issued.info.kind, issued.info.device), (Kind::Gateway, None));
    assert_eq!(issued.info.not_after.since(issued.info.not_before), days(398) - Duration::from_secs(1));

    for name in ["segw.other.example", "x.notfemto.example", "telecom.example"] {
        let refused = ask(GatewayOrder { names: vec![name.into()], ..gateway_order() }).unwrap_err();
        assert!(matches!(refused, PkiError::OutsideDomains { .. }), "{refused}");
    }
    for order in [
        GatewayOrder { names: vec![], ..gateway_order() },
        GatewayOrder { validity: Some(days(399)), ..gateway_order() },
        GatewayOrder { names: vec!["*.femto.example".into()], ..gateway_order() },
        GatewayOrder { names: vec!["segw.femto.example.".into()], ..gateway_order() },
    ] {
        assert!(matches!(ask(order).unwrap_err(), PkiError::Order(_)));
    }
}

#[test]
fn no_gateway_certificate_passes_for_a_device() {
    let world = World::new();
    let named_as_device = GatewayOrder { names: vec![NAME.into()], ..gateway_order() };
    let refused = world.ca.issue_gateway(&named_as_device, &mut world.books(), now()).unwrap_err();
    assert!(matches!(refused, PkiError::Order(_)), "{refused}");
}

#[test]
fn another_carriers_ca_issues_off_the_books_and_its_devices_are_strangers_here() {
    let world = World::new();
    let spec = pki::CaSpec::new("Other Telecom", "femto.other.example".parse().unwrap());
    let other = pki::Ca::create(&world.directory.path().join("other"), &spec, now()).unwrap();
    let issued = other.issue(&order(), &mut pki::OffTheBooks, now()).unwrap();
    let name = "00aabbccddee.femto.other.example";
    assert_eq!(issued.info.names, [name]);
    let refused = world.verify(&issued, name).map(|_| ()).unwrap_err();
    assert_eq!(refused, x509::PathError::UnknownRealm);
    assert_eq!(world.books.issued(), []);
}
