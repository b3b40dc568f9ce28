//! The corpus of the fuzz target, replayed.

use super::tlv::{bits, explicit, sequence, tlv};
use super::unit::{Ask, Draft, ECDSA_SHA256, IR, KUR, Popo, confirmation, key, public_key};
use cmp::fuzz::{Told, cmp};
use ids::Sha256;
use pki::KeyAlgorithm;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cmp")
}

/// By whom a message of an input is protected.
#[derive(Clone, Copy)]
enum By {
    Nobody = 0,
    Vendor = 2,
    Carrier = 3,
}

/// The CN as the fuzz target names its units.
fn sender(realm: &str) -> Vec<u8> {
    let name = sequence(&[&[0x06, 3, 0x55, 4, 3], &tlv(0x0c, format!("{realm} unit").as_bytes())]);
    explicit(4, &sequence(&[&tlv(0x31, &name)]))
}

fn draft(by: By, body: Vec<u8>) -> Draft {
    let realm = if matches!(by, By::Carrier) { "femto.example" } else { "vendor.example" };
    Draft {
        version: 2,
        sender: sender(realm),
        time: Some(crate::world::now()),
        algorithm: Some(ECDSA_SHA256.to_vec()),
        kid: None,
        id: Some(vec![1; 16]),
        nonce: Some(vec![2; 16]),
        recip_nonce: Some(vec![0x5a; 16]),
        body,
        extra_certs: Vec::new(),
    }
}

/// One message of an input.
fn step(by: By, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&[by as u8][..], &length.to_be_bytes(), message].concat()
}

/// A message that is protected where it is replayed.
fn protected(by: By, draft: &Draft) -> Vec<u8> {
    step(by, &draft.protected())
}

fn ask() -> Ask {
    Ask::for_key(key(KeyAlgorithm::P256))
}

fn told(asked: &[&'static str], refused: &[&'static str]) -> Told {
    Told { asked: asked.to_vec(), refused: refused.to_vec() }
}

/// Inputs: name, what the register is asked and what is refused, octets. Keys are drawn anew each time.
fn inputs() -> Vec<(&'static str, Told, Vec<u8>)> {
    let ir = |ask: Ask| draft(By::Vendor, ask.body(IR));
    let kur = protected(By::Carrier, &draft(By::Carrier, ask().body(KUR)));
    let good = protected(By::Vendor, &ir(ask()));
    let issued = include_bytes!("../../../x509/tests/path/openssl/device.der");
    let conf = |body: Vec<u8>| protected(By::Vendor, &draft(By::Vendor, body));
    let accepted = conf(confirmation(&Sha256::of(issued).0, Some(0), &[]));
    let other = conf(confirmation(&[0; 32], None, &[]));
    let rejected = conf(confirmation(&[0; 32], Some(2), &[]));
    let error = conf(explicit(23, &sequence(&[&sequence(&[&tlv(0x02, &[2]), &bits(&[0x80])])])));
    let new = || key(KeyAlgorithm::P256);
    let nameless = {
        let by = new();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&by);
        let input = Some([explicit(0, &sender("vendor.example")), spki].concat());
        let template = public_key(&by);
        Ask { template, popo: Popo::Signature { input, algorithm: ECDSA_SHA256.to_vec(), by }, ..ask() }
    };
    let bare = step(By::Nobody, &ir(ask()).bare());
    let foreign = step(By::Nobody, &ir(ask()).sign(&new()));
    let wrong =
        Ask { popo: Popo::Signature { input: None, algorithm: ECDSA_SHA256.to_vec(), by: new() }, ..ask() };
    let genm = draft(By::Vendor, explicit(21, &sequence(&[])));
    vec![
        ("ir", told(&["enrol"], &[]), good.clone()),
        ("ir-conf", told(&["enrol", "confirm"], &[]), [good.clone(), accepted.clone()].concat()),
        ("ir-conf-twice", told(&["enrol", "confirm"], &[]), [&good[..], &accepted, &accepted].concat()),
        ("ir-rejected", told(&["enrol", "rejected"], &[]), [good.clone(), rejected].concat()),
        ("ir-error", told(&["enrol", "rejected"], &[]), [good.clone(), error].concat()),
        ("ir-other-hash", told(&["enrol"], &["confirms-other-cert"]), [good.clone(), other].concat()),
        ("ir-twice", told(&["enrol"], &["transaction-in-use"]), [good.clone(), good].concat()),
        ("ir-nameless", told(&["enrol"], &[]), protected(By::Vendor, &ir(nameless))),
        ("kur", told(&["renew"], &[]), kur),
        ("kur-by-vendor", told(&[], &["realm-unknown"]), conf(ask().body(KUR))),
        ("conf-of-nothing", told(&[], &["transaction-unknown"]), accepted),
        (
            "pop-missing",
            told(&[], &["pop-missing"]),
            protected(By::Vendor, &ir(Ask { popo: Popo::Missing, ..ask() })),
        ),
        ("pop-wrong", told(&[], &["pop-bad-signature"]), protected(By::Vendor, &ir(wrong))),
        ("genm", told(&[], &["cmp-body"]), protected(By::Vendor, &genm)),
        ("unprotected", told(&[], &["cmp-unprotected"]), bare),
        ("no-signer", told(&[], &["cmp-no-signer"]), foreign),
        ("nothing", told(&[], &["cmp-malformed"]), step(By::Nobody, &[])),
        ("empty", told(&[], &[]), vec![]),
    ]
}

#[test]
fn the_corpus_of_cmp_messages_is_told_what_its_names_say() {
    for (name, told, _) in inputs() {
        let octets = std::fs::read(corpus().join(name)).unwrap();
        assert_eq!(cmp(&octets), told, "{name}");
    }
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in (0..octets.len()).step_by(7) {
            cmp(&octets[..cut]);
        }
    }
}

/// The signature of the protection is made over what was altered, so that this reaches all that comes behind it.
#[test]
fn an_altered_message_of_a_units_own_never_gets_more_than_it_asked_for() {
    for (name, most) in [("ir-conf", 2), ("ir-nameless", 1), ("kur", 1)] {
        let octets = std::fs::read(corpus().join(name)).unwrap();
        for octet in 0..octets.len() {
            let mut altered = octets.clone();
            altered[octet] ^= 1 << (octet % 8);
            let told = cmp(&altered);
            assert!(told.asked.len() <= most, "{name}, octet {octet}: {told:?}");
        }
    }
}

#[test]
#[ignore = "writes fuzz/corpus/cmp anew"]
fn write_the_corpus_of_cmp_messages() {
    std::fs::create_dir_all(corpus()).unwrap();
    for (name, _, octets) in inputs() {
        std::fs::write(corpus().join(name), octets).unwrap();
    }
}
