//! What a stranger may send before AUTH has verified.

use crate::der::tlv;
use crate::world::{self, *};
use ids::UnixTime;
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use std::sync::LazyLock;
use x509::{KeyError, KeyKind, PathError, Place};

static WORLD: LazyLock<World> = LazyLock::new(World::new);
static DEVICE: LazyLock<Cert> = LazyLock::new(|| WORLD.issuing.device(|_| {}));

#[test]
fn a_crowd_of_issuers_with_one_name_is_given_up_early() {
    // Each signs for each other by name, so that a naive search tries every permutation.
    let twin = || root("Twin", |_| {});
    let crowd: Vec<Cert> = (0..x509::MAX_CERTIFICATES - 1).map(|_| twin()).collect();
    let device = crowd[0].device(|_| {});
    let chain: Vec<&[u8]> = std::iter::once(&device).chain(&crowd).map(|cert| cert.der.as_slice()).collect();
    let refused = WORLD.verify(NAME, &chain).map(|_| ()).unwrap_err();
    assert_eq!(refused, PathError::TooCostly);
}

#[test]
fn a_crowd_under_the_anchors_name_stops_at_the_signature_budget() {
    let twin = || root("Example root", |_| {});
    let crowd: Vec<Cert> = (0..x509::MAX_CERTIFICATES - 1).map(|_| twin()).collect();
    let device = crowd[0].device(|_| {});
    let chain: Vec<&[u8]> = std::iter::once(&device).chain(&crowd).map(|cert| cert.der.as_slice()).collect();
    let refused = WORLD.verify(NAME, &chain).map(|_| ()).unwrap_err();
    assert_eq!(refused, PathError::TooCostly);
}

#[test]
fn the_signature_budget_holds_within_one_step() {
    // Anchors that share a name are all tried against one signature.
    let refused_by = |twins: usize| {
        let mut anchors = x509::Anchors::new();
        for _ in 0..twins {
            anchors.insert(realm(REALM), x509::Anchor::from_der(&root("Twin", |_| {}).der).unwrap());
        }
        let device = root("Twin", |_| {}).device(|_| {});
        verify(&anchors, NAME, &[&device.der]).map(|_| ()).unwrap_err()
    };
    assert_eq!(refused_by(10), PathError::BadSignature);
    assert_eq!(refused_by(11), PathError::TooCostly);
}

#[test]
fn copies_of_one_intermediate_cost_nothing() {
    let (device, issuing) = (&DEVICE.der, &WORLD.issuing.der);
    WORLD.verify(NAME, &[device, issuing, issuing, issuing, issuing, issuing]).unwrap();
}

#[test]
fn a_remembered_signature_vouches_for_nothing_else() {
    let world = World::new();
    let device = world.issuing.device(|_| {});
    world.verify(NAME, &[&device.der, &world.issuing.der]).unwrap();
    // The same issuer with one octet of its signature changed.
    let mut issuing = world.issuing.der.clone();
    *issuing.last_mut().unwrap() ^= 1;
    let refused = world.verify(NAME, &[&device.der, &issuing]).map(|_| ()).unwrap_err();
    assert_eq!(refused, PathError::BadSignature);
    // Another key under the same name, signed by nobody.
    let key = KeyPair::generate().unwrap();
    let fake = root_with("Example issuing CA", key, |_| {});
    let theirs = fake.device(|_| {});
    assert!(world.verify(NAME, &[&theirs.der, &fake.der, &world.issuing.der]).is_err());
    world.verify(NAME, &[&device.der, &world.issuing.der]).unwrap();
}

/// A device's certificate with one thing too much in it.
struct Excess {
    what: &'static str,
    clause: &'static str,
    bend: fn(&mut CertificateParams),
    answer: PathError,
}

fn names(params: &mut CertificateParams, count: usize) {
    params.subject_alt_names.extend((0..count).map(|_| dns("a")));
}

fn extensions(params: &mut CertificateParams, count: u64) {
    let extension = |arc| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, arc], vec![5, 0]);
    params.custom_extensions = (0..count).map(extension).collect();
}

fn purposes(params: &mut CertificateParams, count: u64) {
    let purpose = |arc| ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 32473, arc]);
    params.extended_key_usages = std::iter::once(ipsec_ike()).chain((1..count).map(purpose)).collect();
}

const EXCESSES: [Excess; 8] = [
    Excess {
        what: "10,000 names",
        clause: "RFC 4945 §5.1.3.6: one name is the identity",
        bend: |params| names(params, 10_000),
        answer: PathError::TooLarge,
    },
    Excess {
        what: "as many names as a chain has room for",
        clause: "RFC 4945 §5.1.3.6",
        bend: |params| names(params, 7_700),
        answer: PathError::SeveralNames,
    },
    Excess {
        what: "a name more than are read, none of them a dNSName",
        clause: "RFC 4945 §5.1.3.6",
        bend: |params| {
            let mail = || rcgen::SanType::Rfc822Name("a".try_into().unwrap());
            params.subject_alt_names = (0..x509::MAX_NAMES).map(|_| mail()).chain([dns(NAME)]).collect();
        },
        answer: PathError::NoName,
    },
    Excess {
        what: "a dNSName that goes on behind a NUL",
        clause: "RFC 5280 §4.2.1.6: preferred name syntax",
        bend: |params| params.subject_alt_names = vec![dns(&format!("{NAME}\0.evil.example"))],
        answer: PathError::NameMismatch,
    },
    Excess {
        what: "more extensions than any profile",
        clause: "RFC 5280 §4.2",
        bend: |params| extensions(params, 200),
        answer: PathError::Malformed(Place::EndEntity),
    },
    Excess {
        what: "more purposes than any profile",
        clause: "RFC 5280 §4.2.1.12",
        bend: |params| purposes(params, 33),
        answer: PathError::Malformed(Place::EndEntity),
    },
    Excess {
        what: "a validity that was over in 1970",
        clause: "RFC 5280 §4.1.2.5",
        bend: |params| {
            (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), date_time_ymd(1970, 1, 2));
        },
        answer: PathError::Expired(Place::EndEntity),
    },
    Excess {
        what: "a validity that begins in 9999",
        clause: "RFC 5280 §4.1.2.5",
        bend: |params| {
            (params.not_before, params.not_after) = (date_time_ymd(9999, 1, 1), date_time_ymd(9999, 12, 31));
        },
        answer: PathError::NotYetValid(Place::EndEntity),
    },
];

#[test]
fn a_certificate_with_too_much_in_it_is_refused() {
    for Excess { what, clause, bend, answer } in EXCESSES {
        let refused = WORLD.bent(bend).map(|_| ()).unwrap_err();
        assert_eq!(refused, answer, "{what}: {clause}");
    }
    WORLD.bent(|params| purposes(params, 32)).unwrap();
    // Beside the five that rcgen writes for this profile.
    WORLD.bent(|params| extensions(params, x509::MAX_EXTENSIONS as u64 - 6)).unwrap();
}

#[test]
fn a_clock_in_1970_or_9999_judges_like_any_other() {
    let at = |world: &World, device: &Cert, now: UnixTime| {
        let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
        x509::verify_device(&world.anchors, &Default::default(), NAME.as_bytes(), &chain, now)
    };
    let first = [UnixTime::from_secs(i64::MIN), UnixTime::from_secs(0)];
    let last = UnixTime::from_secs(i64::MAX);
    for now in first {
        assert_eq!(
            at(&WORLD, &DEVICE, now).map(|_| ()).unwrap_err(),
            PathError::NotYetValid(Place::EndEntity)
        );
    }
    assert_eq!(at(&WORLD, &DEVICE, last).map(|_| ()).unwrap_err(), PathError::Expired(Place::EndEntity));
    let always = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), date_time_ymd(9999, 12, 31));
    };
    let root = root("Root for good", always);
    let issuing = root.ca("CA for good", always);
    let world = World { anchors: anchors(REALM, &root.der), root, issuing };
    let device = world.issuing.device(always);
    for now in [first[1], world::now(), last] {
        let verified = at(&world, &device, now).unwrap();
        assert!(verified.remaining(now) <= verified.validity() + std::time::Duration::from_secs(1));
    }
}

#[test]
fn issuers_that_vouch_for_each_other_lead_nowhere() {
    let (a, b) = (root("A", |_| {}), root("B", |_| {}));
    let copy = |key: &KeyPair| KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let a_by_b = b.ca_with("A", copy(&a.key), |_| {});
    let b_by_a = a.ca_with("B", copy(&b.key), |_| {});
    let device = a.device(|_| {});
    let chain: [&[u8]; 5] = [&device.der, &a_by_b.der, &b_by_a.der, &a.der, &b.der];
    assert_eq!(WORLD.verify(NAME, &chain).map(|_| ()).unwrap_err(), PathError::Untrusted);
}

/// A SubjectPublicKeyInfo of RSA with a modulus of so many bits and this exponent.
fn rsa(bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] = 0xff >> ((8 - bits % 8) % 8);
    let integer = |octets: &[u8]| {
        let sign: &[u8] = if octets[0] & 0x80 == 0 { &[] } else { &[0] };
        tlv(2, &[sign, octets].concat())
    };
    let key = tlv(0x30, &[integer(&modulus), integer(exponent)].concat());
    let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    tlv(0x30, &[algorithm.as_slice(), &tlv(3, &[&[0], key.as_slice()].concat())].concat())
}

#[test]
fn rsa_keys_of_any_size_are_refused_before_they_verify_anything() {
    let f4 = &[1, 0, 1];
    for bits in [2048, 3072, 4096] {
        assert_eq!(KeyKind::of_spki(&rsa(bits, f4)), Ok(KeyKind::Rsa(u16::try_from(bits).unwrap())));
    }
    for bits in [8, 1024, 2047, 4097, 8192, 16_384, 131_072, 524_288] {
        assert_eq!(KeyKind::of_spki(&rsa(bits, f4)), Err(KeyError::Strength), "{bits} bits");
    }
    KeyKind::of_spki(&rsa(2048, &[0xff; 4])).unwrap();
    for exponent in [&[1][..], &[3], &[1, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 256]] {
        assert_eq!(KeyKind::of_spki(&rsa(2048, exponent)), Err(KeyError::Strength), "{exponent:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_are_refused(
        idi in proptest::collection::vec(any::<u8>(), 0..64),
        chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let result = x509::verify_device(&WORLD.anchors, &Default::default(), &idi, &chain, world::now());
        prop_assert!(result.is_err());
    }

    #[test]
    fn a_device_certificate_with_any_octet_changed_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = DEVICE.der.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(WORLD.verify(NAME, &[&bytes, &WORLD.issuing.der]).is_err());
    }

    #[test]
    fn an_issuer_with_any_octet_changed_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = WORLD.issuing.der.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(WORLD.verify(NAME, &[&DEVICE.der, &bytes]).is_err());
    }

    #[test]
    fn a_device_certificate_cut_or_spliced_anywhere_is_refused(
        at in any::<prop::sample::Index>(),
        splice in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let at = at.index(DEVICE.der.len());
        let bytes = [&DEVICE.der[..at], &splice, &DEVICE.der[at..]].concat();
        let cut = &DEVICE.der[..at];
        prop_assert!(WORLD.verify(NAME, &[cut, &WORLD.issuing.der]).is_err());
        let spliced = WORLD.verify(NAME, &[&bytes, &WORLD.issuing.der]);
        prop_assert!(splice.is_empty() || spliced.is_err());
    }
}
