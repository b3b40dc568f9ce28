//! Chains that must pass, and the facts that come out.

use crate::world::{self, *};
use ids::UnixTime;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RsaKeySize,
    date_time_ymd,
};
use std::time::Duration;
use x509::{KeyKind, PathError, Warning, verify_device_by_subject};

/// Four certificates with the root, all keys of one kind; the device's facts.
fn four(key: impl Fn() -> KeyPair, expected: KeyKind) {
    let root = root_with("Root", key(), |_| {});
    let middle = root.ca_with("Vendor CA", key(), |_| {});
    let issuing = middle.ca_with("Issuing CA", key(), |_| {});
    let device = issuing.device_with(key(), |_| {});
    let anchors = anchors(REALM, &root.der);
    let orders: [[&[u8]; 3]; 2] =
        [[&device.der, &issuing.der, &middle.der], [&device.der, &middle.der, &issuing.der]];
    for chain in orders {
        let verified = verify(&anchors, NAME, &chain).unwrap();
        assert_eq!((verified.key(), verified.path().len()), (expected, 4));
    }
    let with_root: [&[u8]; 4] = [&device.der, &root.der, &middle.der, &issuing.der];
    verify(&anchors, NAME, &with_root).unwrap();
}

#[test]
fn four_certificates_in_any_order_with_p_256() {
    four(|| world::key(&rcgen::PKCS_ECDSA_P256_SHA256), KeyKind::P256);
}

#[test]
fn four_certificates_in_any_order_with_p_384() {
    four(|| world::key(&rcgen::PKCS_ECDSA_P384_SHA384), KeyKind::P384);
}

#[test]
fn four_certificates_in_any_order_with_rsa_2048() {
    let key = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    four(key, KeyKind::Rsa(2048));
}

#[test]
fn four_certificates_in_any_order_with_rsa_3072() {
    let key = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA384, RsaKeySize::_3072).unwrap();
    four(key, KeyKind::Rsa(3072));
}

#[test]
fn the_facts_are_those_of_the_certificate() {
    let world = World::new();
    let device = world.issuing.device(|params| valid(params, -1, 3649));
    let verified = world.verify(NAME, &[&device.der, &world.issuing.der]).unwrap();
    let read = x509::Certificate::from_der(&device.der).unwrap();
    assert_eq!(verified.name().to_string(), NAME);
    assert_eq!(verified.cert_sha256(), read.sha256());
    assert_eq!(verified.spki(), rcgen::PublicKeyData::subject_public_key_info(&device.key));
    assert_eq!(verified.ski().unwrap(), device.params.key_identifier(&device.key));
    assert_eq!(verified.serial(), read.serial());
    assert_eq!(verified.issuer(), "CN=Example issuing CA,O=Example Telecom");
    assert_eq!(verified.validity(), Duration::from_secs(3650 * DAY), "ten years is a fact, not a refusal");
    assert_eq!(verified.valid_until().secs() - now().secs(), 1000 * 86_400);
    assert_eq!(
        verified.remaining(now()),
        Duration::from_secs(1000 * DAY + 1),
        "notAfter's second is the last"
    );
    assert_eq!(verified.warnings(), [Warning::IssuerEndsFirst]);
    let sha256 = |der: &[u8]| x509::Certificate::from_der(der).unwrap().sha256();
    let path = [&device.der, &world.issuing.der, &world.root.der].map(|der| sha256(der));
    assert_eq!(verified.path(), path);
}

#[test]
fn a_certificate_without_end_is_read_and_noted() {
    let world = World::new();
    let device = world.issuing.device(|params| {
        params.not_after = date_time_ymd(9999, 12, 31) + Duration::from_secs(DAY - 1);
    });
    let verified = world.verify(NAME, &[&device.der, &world.issuing.der]).unwrap();
    assert_eq!(verified.not_after(), UnixTime::from_micros(i64::MAX));
    assert!(verified.warnings().contains(&Warning::NoEnd));
}

fn passes(bend: impl FnOnce(&mut CertificateParams), warning: Option<Warning>) {
    let verified = World::new().bent(bend).unwrap();
    assert_eq!(verified.warnings(), warning.as_slice());
}

#[test]
fn key_usages_that_allow_signatures_pass() {
    passes(|params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment], None);
    passes(|params| params.key_usages.clear(), Some(Warning::NoKeyUsage));
    let wide = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    passes(|params| params.key_usages = wide, Some(Warning::WideKeyUsage));
}

#[test]
fn purposes_that_allow_ike_pass() {
    passes(|params| params.extended_key_usages.clear(), None);
    passes(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any], None);
    let both = vec![ExtendedKeyUsagePurpose::ClientAuth, ipsec_ike()];
    passes(|params| params.extended_key_usages = both, None);
    passes(|params| params.extended_key_usages = vec![ike_intermediate()], Some(Warning::OlderPurpose));
    let older = vec![ExtendedKeyUsagePurpose::ServerAuth, ike_intermediate()];
    passes(|params| params.extended_key_usages = older, Some(Warning::OlderPurpose));
}

#[test]
fn an_empty_subject_makes_the_name_critical_and_passes() {
    passes(|params| params.distinguished_name = DistinguishedName::new(), None);
}

#[test]
fn an_eui_64_and_a_certificate_straight_from_the_anchor_pass() {
    let world = World::new();
    let name = "00aabbfffeccddee.femto.example";
    let device = world.root.device(|params| params.subject_alt_names = vec![dns(name)]);
    let verified = world.verify(name, &[&device.der]).unwrap();
    assert_eq!((verified.name().to_string().as_str(), verified.path().len()), (name, 2));
}

#[test]
fn a_way_around_an_expired_cross_certificate_is_found() {
    let world = World::new();
    let key = world::key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let pem = key.serialize_pem();
    let expired = world.root.ca_with("Crossed CA", key, |params| valid(params, -30, -1));
    let again = KeyPair::from_pem(&pem).unwrap();
    let fresh = world.root.ca_with("Crossed CA", again, |_| {});
    let device = fresh.device(|_| {});
    world.verify(NAME, &[&device.der, &expired.der, &fresh.der]).unwrap();
    world.verify(NAME, &[&device.der, &fresh.der, &expired.der]).unwrap();
}

#[test]
fn a_realm_may_have_several_anchors_and_its_neighbour_others() {
    let mut world = World::new();
    let second = root("Second root", |_| {});
    world.anchors.insert(realm(REALM), x509::Anchor::from_der(&second.der).unwrap());
    world.anchors.insert(realm(REALM), x509::Anchor::from_der(&second.der).unwrap());
    assert_eq!(world.anchors.of(&realm(REALM)).unwrap().iter().count(), 2);
    world.verify(NAME, &[&second.device(|_| {}).der]).unwrap();
    assert_eq!(world.anchors.certreq().len(), 40);
}

#[test]
fn a_subject_identifies_only_when_it_is_equal_octet_for_octet() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    let subject = x509::Certificate::from_der(&device.der).unwrap().subject_der().to_vec();
    let ask = |subject: &[u8]| {
        let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
        verify_device_by_subject(&world.anchors, &Default::default(), subject, &chain, now())
    };
    assert_eq!(ask(&subject).unwrap().name().to_string(), NAME);
    let mut other = subject.clone();
    *other.last_mut().unwrap() ^= 0x20;
    assert_eq!(ask(&other).map(|_| ()).unwrap_err(), PathError::SubjectMismatch);
}
