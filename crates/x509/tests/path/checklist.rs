//! Lines of the conformance checklist for a security gateway that this crate answers for.
//!
//! Line 8 (revocation) is not here: until OCSP and CRL come, the ledger's revoked flag decides, and
//! its test stands there.

use crate::world::*;
use ids::Sha256;
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use x509::{PathError, Place};

fn reason(result: Result<x509::CertPathVerified, PathError>) -> PathError {
    result.map(|_| ()).unwrap_err()
}

#[test]
fn section_4_line_4_identity_is_an_fqdn_equal_to_the_one_san_dns_name() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    let ask = |idi: &str| world.verify(idi, &[&device.der, &world.issuing.der]);
    ask(NAME).unwrap();
    ask("00AABBccddEE.Femto.EXAMPLE").unwrap();
    assert_eq!(reason(ask("00aabbccddef.femto.example")), PathError::NameMismatch);
    assert_eq!(reason(ask("00aabbccddee.femto.example.org")), PathError::NameMismatch);
    let upper = world.issuing.device(|params| params.subject_alt_names = vec![dns(&NAME.to_uppercase())]);
    let verified = world.verify(NAME, &[&upper.der, &world.issuing.der]).unwrap();
    assert_eq!(verified.name().to_string(), NAME);
}

#[test]
fn section_4_line_4_the_common_name_is_never_read() {
    let world = World::new();
    assert_eq!(reason(world.bent(|params| params.subject_alt_names.clear())), PathError::NoName);
    let other = "00aabbccddef.femto.example";
    let device = world.issuing.device(|params| params.subject_alt_names = vec![dns(other)]);
    assert_eq!(reason(world.verify(NAME, &[&device.der, &world.issuing.der])), PathError::NameMismatch);
    let two = world.bent(|params| params.subject_alt_names.push(dns(other)));
    assert_eq!(reason(two), PathError::SeveralNames);
}

#[test]
fn section_4_line_5_the_identity_parses_as_eui_and_realm() {
    let world = World::new();
    let no_device_names = [
        "",
        "femto.example",
        "00aabbccddee",
        "00aabbccdde.femto.example",
        "00aabbccddeef.femto.example",
        "00aabbccddee.femto.example.",
        "*.femto.example",
        "00aabbccddee.f\u{e9}mto.example",
        "00aabbccddee.femto.example\0",
        " 00aabbccddee.femto.example",
        "00-aa-bb-cc-dd-ee.femto.example",
    ];
    for idi in no_device_names {
        let device = world.issuing.device(|_| {});
        let result = world.verify(idi, &[&device.der, &world.issuing.der]);
        assert_eq!(reason(result), PathError::IdentityMalformed, "{idi:?}");
    }
    let not_utf8 = [0xff; 12];
    let device = world.issuing.device(|_| {});
    let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
    let result = x509::verify_device(&world.anchors, &Default::default(), &not_utf8, &chain, now());
    assert_eq!(reason(result), PathError::IdentityMalformed);
}

#[test]
fn section_4_line_5_a_realm_is_bound_to_its_own_anchors() {
    let mut world = World::new();
    let vendor = root("Vendor root", |_| {});
    world.anchors.insert(realm("vendor.example"), x509::Anchor::from_der(&vendor.der).unwrap());
    let forged = vendor.device(|_| {});
    assert_eq!(reason(world.verify(NAME, &[&forged.der])), PathError::OtherRealm);
    let own_name = "00aabbccddee.vendor.example";
    let own = vendor.device(|params| params.subject_alt_names = vec![dns(own_name)]);
    assert_eq!(world.verify(own_name, &[&own.der]).unwrap().name().realm, realm("vendor.example"));
}

#[test]
fn section_4_line_6_key_usage_and_purpose_are_checked_where_present() {
    let world = World::new();
    let usage = |usage| world.bent(|params| params.key_usages = vec![usage]);
    usage(KeyUsagePurpose::DigitalSignature).unwrap();
    assert_eq!(reason(usage(KeyUsagePurpose::KeyAgreement)), PathError::KeyUsage(Place::EndEntity));
    let purpose = |purpose| world.bent(|params| params.extended_key_usages = purpose);
    purpose(vec![]).unwrap();
    purpose(vec![ExtendedKeyUsagePurpose::Any]).unwrap();
    purpose(vec![ipsec_ike()]).unwrap();
    let web = purpose(vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(reason(web), PathError::ExtendedKeyUsage(Place::EndEntity));
}

#[test]
fn section_4_line_6_the_path_ends_at_a_configured_anchor() {
    let world = World::new();
    let stranger = root("Stranger", |_| {});
    let device = stranger.device(|_| {});
    assert_eq!(reason(world.verify(NAME, &[&device.der, &stranger.der])), PathError::Untrusted);
}

#[test]
fn section_4_line_7_vendor_and_operator_certificates_are_told_apart_by_their_realm() {
    let mut world = World::new();
    let vendor = root("Vendor root", |_| {});
    world.anchors.insert(realm("vendor.example"), x509::Anchor::from_der(&vendor.der).unwrap());
    let name = "00aabbccddee.vendor.example";
    let by_vendor = vendor.device(|params| params.subject_alt_names = vec![dns(name)]);
    let by_operator = world.issuing.device(|_| {});
    let vendors = world.verify(name, &[&by_vendor.der]).unwrap();
    let operators = world.verify(NAME, &[&by_operator.der, &world.issuing.der]).unwrap();
    assert_eq!(vendors.name().device, operators.name().device, "one device, two names");
    assert_ne!(vendors.name().realm, operators.name().realm, "by which policy tells them apart");
}

#[test]
fn section_4_line_3_no_raw_key_passes_for_a_certificate() {
    let world = World::new();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&world.issuing.device(|_| {}).key);
    assert_eq!(reason(world.verify(NAME, &[&spki])), PathError::Malformed(Place::EndEntity));
}

#[test]
fn section_5_2_certreq_names_anchors_by_the_sha_1_of_their_keys() {
    let world = World::new();
    let set = world.anchors.of(&realm(REALM)).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&world.root.key);
    let sha1 =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &spki).as_ref().to_vec();
    assert_eq!(set.certreq(), sha1);
    assert_eq!(set.iter().next().unwrap().key_hash().as_slice(), sha1);
}

#[test]
fn section_5_1_a_short_serial_is_read_and_noted() {
    let world = World::new();
    let verified = world.bent(|params| params.serial_number = Some(vec![7].into())).unwrap();
    assert_eq!(verified.serial(), "07");
    assert!(verified.warnings().contains(&x509::Warning::ShortSerial));
    assert_ne!(verified.cert_sha256(), Sha256([0; 32]));
}
