//! What a stranger may send before AUTH has verified.

use crate::world::{self, *};
use proptest::prelude::*;
use rcgen::KeyPair;
use std::sync::LazyLock;
use x509::PathError;

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
