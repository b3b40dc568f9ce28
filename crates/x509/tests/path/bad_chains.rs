//! Chains with exactly one thing wrong, and the reason that each must be refused for.

use crate::world::{self, *};
use ids::UnixTime;
use rcgen::{
    BasicConstraints, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyUsagePurpose, NameConstraints, SanType,
};
use x509::{Anchors, DevicePolicy, Extension, PathError, Place, verify_device};

fn refused<T: std::fmt::Debug>(result: Result<T, PathError>, expected: PathError) {
    assert_eq!(result.map(|_| ()).unwrap_err(), expected);
}

#[test]
fn nothing_sent_or_no_certificate_at_all() {
    let world = World::new();
    refused(world.verify(NAME, &[]), PathError::NoCertificate);
    let device = world.issuing.device(|_| {});
    let trailing = [device.der.as_slice(), &[0]].concat();
    for bytes in [&b""[..], b"hello", &[0x30, 0x80], &device.der[..device.der.len() - 1], &trailing] {
        refused(world.verify(NAME, &[bytes, &world.issuing.der]), PathError::Malformed(Place::EndEntity));
    }
}

#[test]
fn an_intermediate_that_is_no_certificate_refuses_when_it_was_needed() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    refused(world.verify(NAME, &[&device.der, b"junk"]), PathError::Malformed(Place::Issuer));
    world.verify(NAME, &[&device.der, b"junk", &world.issuing.der]).unwrap();
}

#[test]
fn too_many_and_too_large() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    let chain = vec![device.der.as_slice(); x509::MAX_CERTIFICATES + 1];
    refused(world.verify(NAME, &chain), PathError::TooManyCertificates);
    let bulk = vec![0; x509::MAX_CHAIN_OCTETS];
    refused(world.verify(NAME, &[&device.der, &bulk]), PathError::TooLarge);
}

#[test]
fn repeated_extensions_and_differing_algorithm_fields_are_malformed() {
    let world = World::new();
    let again = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![3, 2, 7, 0x80]);
    let result = world.bent(|params| params.custom_extensions = vec![again]);
    refused(result, PathError::Malformed(Place::EndEntity));
    let unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    let result = world.bent(|params| params.custom_extensions = vec![unknown.clone(), unknown]);
    refused(result, PathError::Malformed(Place::EndEntity));

    let device = world.issuing.device(|_| {});
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let outer = device.der.windows(8).rposition(|window| window == sha256).unwrap();
    let mut bytes = device.der.clone();
    bytes[outer + 7] = 0x03;
    refused(world.verify(NAME, &[&bytes, &world.issuing.der]), PathError::Malformed(Place::EndEntity));
}

#[test]
fn names_missing_or_of_another_kind() {
    let world = World::new();
    refused(world.bent(|params| params.subject_alt_names.clear()), PathError::NoName);
    let ip = SanType::IpAddress([192, 0, 2, 1].into());
    refused(world.bent(|params| params.subject_alt_names = vec![ip]), PathError::NoName);
    let uri = SanType::URI(format!("ike://{NAME}").try_into().unwrap());
    refused(world.bent(|params| params.subject_alt_names = vec![uri]), PathError::NoName);
}

#[test]
fn names_beside_the_one() {
    let world = World::new();
    let beside = [
        dns(NAME),
        dns("00aabbccddef.femto.example"),
        SanType::IpAddress([192, 0, 2, 1].into()),
        SanType::Rfc822Name("ops@femto.example".try_into().unwrap()),
        SanType::URI("https://femto.example".try_into().unwrap()),
        SanType::OtherName((vec![1, 3, 6, 1, 5, 5, 7, 8, 4], "hardware".into())),
    ];
    for name in beside {
        refused(world.bent(|params| params.subject_alt_names.push(name)), PathError::SeveralNames);
    }
}

#[test]
fn realms_that_nobody_configured_and_realms_of_others() {
    let mut world = World::new();
    let foreign = "00aabbccddee.other.example";
    let device = world.issuing.device(|params| params.subject_alt_names = vec![dns(foreign)]);
    refused(world.verify(foreign, &[&device.der, &world.issuing.der]), PathError::UnknownRealm);

    let other = root("Other root", |_| {});
    world.anchors.insert(realm("other.example"), x509::Anchor::from_der(&other.der).unwrap());
    refused(world.verify(foreign, &[&device.der, &world.issuing.der]), PathError::OtherRealm);
    let theirs = other.device(|_| {});
    refused(world.verify(NAME, &[&theirs.der]), PathError::OtherRealm);
}

#[test]
fn no_path_to_an_anchor() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    refused(world.verify(NAME, &[&device.der]), PathError::Untrusted);

    let stranger = root("Stranger", |_| {});
    let theirs = stranger.device(|_| {});
    refused(world.verify(NAME, &[&theirs.der, &stranger.der]), PathError::Untrusted);

    let own_key = world::key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let self_signed = device_params(NAME).self_signed(&own_key).unwrap();
    refused(world.verify(NAME, &[self_signed.der()]), PathError::Untrusted);

    let mut empty = Anchors::new();
    refused(verify(&empty, NAME, &[&device.der, &world.issuing.der]), PathError::UnknownRealm);
    empty.insert(realm(REALM), x509::Anchor::from_der(&stranger.der).unwrap());
    refused(verify(&empty, NAME, &[&device.der, &world.issuing.der]), PathError::Untrusted);
}

#[test]
fn signatures_by_the_wrong_key_or_over_other_contents() {
    let world = World::new();
    let impostor = root("Example root", |_| {});
    let theirs = impostor.device(|_| {});
    refused(world.verify(NAME, &[&theirs.der]), PathError::BadSignature);
    let fake_issuing = impostor.ca("Example issuing CA", |_| {});
    let theirs = fake_issuing.device(|_| {});
    refused(world.verify(NAME, &[&theirs.der, &fake_issuing.der]), PathError::BadSignature);
    refused(world.verify(NAME, &[&theirs.der, &world.issuing.der]), PathError::BadSignature);

    // The name of another device written over the signed one.
    let device = world.issuing.device(|_| {});
    let mut bytes = device.der.clone();
    let at = bytes.windows(NAME.len()).rposition(|window| window == NAME.as_bytes()).unwrap();
    bytes[at + 11] = b'f';
    let other = "00aabbccddef.femto.example";
    refused(world.verify(other, &[&bytes, &world.issuing.der]), PathError::BadSignature);
}

#[test]
fn validity_of_each_certificate_on_the_path() {
    let world = World::new();
    refused(world.bent(|params| valid(params, -30, -1)), PathError::Expired(Place::EndEntity));
    refused(world.bent(|params| valid(params, 1, 30)), PathError::NotYetValid(Place::EndEntity));
    refused(world.bent(|params| valid(params, 1, -1)), PathError::BadValidity(Place::EndEntity));
    refused(world.bent_issuer(|params| valid(params, -30, -1)), PathError::Expired(Place::Issuer));
    refused(world.bent_issuer(|params| valid(params, 1, 30)), PathError::NotYetValid(Place::Issuer));
    refused(world.bent_issuer(|params| valid(params, 1, -1)), PathError::BadValidity(Place::Issuer));
    for (from, to, expected) in
        [(-30, -1, PathError::Expired(Place::Anchor)), (1, 30, PathError::NotYetValid(Place::Anchor))]
    {
        let root = root("Old root", |params| valid(params, from, to));
        let device = root.device(|_| {});
        refused(verify(&anchors(REALM, &root.der), NAME, &[&device.der]), expected);
    }
}

#[test]
fn what_has_ended_is_taken_by_an_extension_of_its_issuer_alone_and_while_its_issuers_last() {
    let day = |days: i64| UnixTime::from_micros(now().micros() + days * 86_400_000_000);
    let sha256 = |cert: &Cert| x509::Certificate::from_der(&cert.der).unwrap().sha256();
    let judged = |world: &World, device: &Cert, issuer, from, until, at| {
        let extension = Some(Extension { issuers: vec![issuer], from, until });
        let policy = DevicePolicy { extension, ..DevicePolicy::default() };
        let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
        let verified = verify_device(&world.anchors, &policy, NAME.as_bytes(), &chain, at);
        verified.map(|verified| (verified.is_extended(), verified.valid_until()))
    };
    let ended = PathError::Expired(Place::EndEntity);
    let world = World::new();
    let device = world.issuing.device(|params| valid(params, -30, -1));
    let of = sha256(&world.issuing);
    assert_eq!(judged(&world, &device, of, day(-10), day(5), day(0)), Ok((true, day(5))));
    assert_eq!(judged(&world, &device, of, day(-10), day(5), day(5)), Ok((true, day(5))));
    assert_eq!(judged(&world, &device, of, day(-10), day(5), day(6)), Err(ended), "it ends by itself");
    assert_eq!(judged(&world, &device, of, day(0), day(5), day(0)), Err(ended), "it ended before");
    assert_eq!(judged(&world, &device, sha256(&world.root), day(-10), day(5), day(0)), Err(ended));
    let lasts = world.issuing.device(|params| valid(params, -30, 3));
    assert_eq!(judged(&world, &lasts, of, day(-10), day(5), day(0)), Ok((false, day(3))));

    let root = root("Example root", |_| {});
    let issuing = root.ca("Example issuing CA", |params| valid(params, -60, 2));
    let short = World { anchors: anchors(REALM, &root.der), root, issuing };
    let device = short.issuing.device(|params| valid(params, -30, -1));
    let of = sha256(&short.issuing);
    assert_eq!(judged(&short, &device, of, day(-10), day(5), day(0)), Ok((true, day(2))));
    let issuer_ended = Err(PathError::Expired(Place::Issuer));
    assert_eq!(judged(&short, &device, of, day(-10), day(5), day(3)), issuer_ended);
    let forged = World::new().issuing.device(|params| valid(params, -30, -1));
    assert!(judged(&short, &forged, of, day(-10), day(5), day(0)).is_err(), "every other check is as ever");
}

#[test]
fn the_first_and_the_last_second_count_and_their_neighbours_do_not() {
    let world = World::new();
    let device = world.issuing.device(|params| valid(params, -1, 1));
    let at = |micros: i64| {
        let time = UnixTime::from_micros(now().micros() + micros);
        let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
        verify_device(&world.anchors, &DevicePolicy::default(), NAME.as_bytes(), &chain, time).map(|_| ())
    };
    let day = 86_400_000_000;
    assert_eq!(at(-day), Ok(()));
    assert_eq!(at(day), Ok(()));
    assert_eq!(at(day + 999_999), Ok(()), "notAfter names a whole second");
    refused(at(-day - 1), PathError::NotYetValid(Place::EndEntity));
    refused(at(day + 1_000_000), PathError::Expired(Place::EndEntity));
}

#[test]
fn a_ca_is_no_device_and_a_device_no_ca() {
    let world = World::new();
    let result = world.bent(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    refused(result, PathError::CaAsEndEntity);

    let victim = world.issuing.device(|_| {});
    let under = victim.device(|_| {});
    refused(world.verify(NAME, &[&under.der, &victim.der, &world.issuing.der]), PathError::EndEntityAsCa);
    refused(world.bent_issuer(|params| params.is_ca = IsCa::NoCa), PathError::EndEntityAsCa);
}

#[test]
fn more_issuers_than_a_path_length_allows() {
    let world = World::new();
    let constrained = |most| IsCa::Ca(BasicConstraints::Constrained(most));
    let upper = world.root.ca("Upper CA", |params| params.is_ca = constrained(0));
    let lower = upper.ca("Lower CA", |_| {});
    let device = lower.device(|_| {});
    refused(world.verify(NAME, &[&device.der, &lower.der, &upper.der]), PathError::PathLength);

    let root = root("Root of length 0", |params| params.is_ca = constrained(0));
    let issuing = root.ca("One too many", |_| {});
    let device = issuing.device(|_| {});
    let anchors = anchors(REALM, &root.der);
    refused(verify(&anchors, NAME, &[&device.der, &issuing.der]), PathError::PathLength);
    verify(&anchors, NAME, &[&root.device(|_| {}).der]).unwrap();
}

fn permitted(names: &[&str]) -> Option<NameConstraints> {
    let permitted_subtrees = names.iter().map(|name| GeneralSubtree::DnsName((*name).into())).collect();
    Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] })
}

#[test]
fn names_outside_an_issuers_constraints() {
    let world = World::new();
    for outside in ["other.example", "emto.example", "x.femto.example", "00aabbccddef.femto.example"] {
        let result = world.bent_issuer(|params| params.name_constraints = permitted(&[outside]));
        refused(result, PathError::NameConstraint);
    }
    let excluded_subtrees = vec![GeneralSubtree::DnsName("femto.example".into())];
    let excluding = Some(NameConstraints { permitted_subtrees: vec![], excluded_subtrees });
    refused(world.bent_issuer(|params| params.name_constraints = excluding), PathError::NameConstraint);

    let root = root("Constrained root", |params| params.name_constraints = permitted(&["other.example"]));
    let device = root.device(|_| {});
    refused(verify(&anchors(REALM, &root.der), NAME, &[&device.der]), PathError::NameConstraint);
}

#[test]
fn constraints_that_cannot_be_evaluated_refuse() {
    let world = World::new();
    let mut organisation = DistinguishedName::new();
    organisation.push(DnType::OrganizationName, "Example Telecom");
    let permitted_subtrees = vec![GeneralSubtree::DirectoryName(organisation)];
    let constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    refused(world.bent_issuer(|params| params.name_constraints = constraints), PathError::NameConstraint);
}

#[test]
fn key_usage_without_the_bit_that_the_place_needs() {
    let world = World::new();
    for usage in [
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
        KeyUsagePurpose::DataEncipherment,
        KeyUsagePurpose::CrlSign,
    ] {
        let result = world.bent(|params| params.key_usages = vec![usage]);
        refused(result, PathError::KeyUsage(Place::EndEntity));
    }
    let usage = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    refused(world.bent_issuer(|params| params.key_usages = usage), PathError::KeyUsage(Place::Issuer));
}

#[test]
fn extended_key_usage_without_an_ike_purpose() {
    let world = World::new();
    for purpose in [
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 6]),
    ] {
        let in_device = world.bent(|params| params.extended_key_usages = vec![purpose.clone()]);
        refused(in_device, PathError::ExtendedKeyUsage(Place::EndEntity));
        let in_issuer = world.bent_issuer(|params| params.extended_key_usages = vec![purpose]);
        refused(in_issuer, PathError::ExtendedKeyUsage(Place::Issuer));
    }
    let empty = CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 0]);
    let result = world.bent(|params| {
        params.extended_key_usages.clear();
        params.custom_extensions = vec![empty];
    });
    refused(result, PathError::ExtendedKeyUsage(Place::EndEntity));
}

#[test]
fn the_older_purpose_can_be_switched_off() {
    let world = World::new();
    let device = world.issuing.device(|params| params.extended_key_usages = vec![ike_intermediate()]);
    let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
    let strict = DevicePolicy { older_purpose: false, ..DevicePolicy::default() };
    let result = verify_device(&world.anchors, &strict, NAME.as_bytes(), &chain, now());
    refused(result, PathError::ExtendedKeyUsage(Place::EndEntity));
}

#[test]
fn critical_extensions_that_nobody_understands() {
    let world = World::new();
    let unknown = |oid: &[u64]| {
        let mut extension = CustomExtension::from_oid_content(oid, vec![5, 0]);
        extension.set_criticality(true);
        vec![extension]
    };
    for oid in [&[1, 3, 6, 1, 4, 1, 99999, 1][..], &[2, 5, 29, 32], &[2, 5, 29, 54]] {
        let in_device = world.bent(|params| params.custom_extensions = unknown(oid));
        refused(in_device, PathError::UnknownCriticalExtension(Place::EndEntity));
        let in_issuer = world.bent_issuer(|params| params.custom_extensions = unknown(oid));
        refused(in_issuer, PathError::UnknownCriticalExtension(Place::Issuer));
    }
}

#[test]
fn policy_constraints_refuse_whether_or_not_they_are_marked_as_critical() {
    let world = World::new();
    let constraints = |is_critical| {
        // requireExplicitPolicy 0
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 36], vec![0x30, 3, 0x80, 1, 0]);
        extension.set_criticality(is_critical);
        vec![extension]
    };
    for is_critical in [true, false] {
        let in_device = world.bent(|params| params.custom_extensions = constraints(is_critical));
        refused(in_device, PathError::UnknownCriticalExtension(Place::EndEntity));
        let in_issuer = world.bent_issuer(|params| params.custom_extensions = constraints(is_critical));
        refused(in_issuer, PathError::UnknownCriticalExtension(Place::Issuer));
    }
}

#[test]
fn keys_and_signatures_on_curves_that_ike_does_not_use() {
    let world = World::new();
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P521_SHA512] {
        let device = world.issuing.device_with(world::key(algorithm), |_| {});
        let result = world.verify(NAME, &[&device.der, &world.issuing.der]);
        refused(result, PathError::UnsupportedAlgorithm(Place::EndEntity));
        let issuing = world.root.ca_with("Odd CA", world::key(algorithm), |_| {});
        let device = issuing.device(|_| {});
        let result = world.verify(NAME, &[&device.der, &issuing.der]);
        refused(result, PathError::UnsupportedAlgorithm(Place::Issuer));
    }
}

#[test]
fn anchors_that_are_no_ca_or_hold_a_key_we_do_not_accept() {
    let world = World::new();
    let refuse = |der: &[u8]| x509::Anchor::from_der(der).map(|_| ()).unwrap_err();
    assert_eq!(refuse(b"no certificate"), x509::AnchorError::Malformed(x509::Malformed));
    assert_eq!(refuse(&world.issuing.device(|_| {}).der), x509::AnchorError::NotCa);
    let cannot_sign = root("No", |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(refuse(&cannot_sign.der), x509::AnchorError::NotCa);
    let odd = root_with("Odd", world::key(&rcgen::PKCS_ED25519), |_| {});
    assert_eq!(refuse(&odd.der), x509::AnchorError::Key(x509::KeyError::Unsupported));
}
