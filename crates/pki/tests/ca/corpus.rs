//! The corpus of the fuzz target `ocsp`, replayed: requests by the openssl command line (ocsp/make.sh), and others
//! that are made here.

use crate::ocsp::{SHA1, SHA256, cert_id, nonce, request};
use der::Encode;
use pki::fuzz::ocsp;
use std::path::{Path, PathBuf};
use x509::Certificate;
use x509_cert::ext::Extension;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ocsp")
}

/// By openssl: name, and what becomes of it. The last digit of a serial is its status (pki::fuzz).
const BY_OPENSSL: [(&str, &str); 9] = [
    ("openssl-sha1", "answered"),
    ("openssl-sha1-nonce", "answered"),
    ("openssl-sha256", "answered"),
    ("openssl-sha256-nonce", "answered"),
    ("openssl-sha512", "ocsp-other-issuer"),
    ("openssl-three", "answered"),
    ("openssl-both-hashes", "answered"),
    ("openssl-out-of-reach", "ocsp-books-unreachable"),
    ("openssl-signed", "answered"),
];

/// By hand.
fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let issuer = Certificate::from_der(include_bytes!("ocsp/issuer.der")).unwrap();
    let id = |hash| cert_id(&issuer, hash, "4b00aa05");
    let of = |extensions| request([id(SHA1)], extensions).to_der().unwrap();
    let many = |count| request((0..count).map(|_| id(SHA256)), vec![]).to_der().unwrap();
    let mut other = id(SHA1);
    other.issuer_key_hash = other.issuer_name_hash.clone();
    let critical = Extension { extn_id: "1.2.3.4".parse().unwrap(), critical: true, ..nonce(&[1]) };
    let whole = of(vec![nonce(&[1; 32])]);
    vec![
        ("nonce-1", "answered", of(vec![nonce(&[1])])),
        ("nonce-128", "answered", of(vec![nonce(&[1; 128])])),
        ("nonce-129", "ocsp-nonce", of(vec![nonce(&[1; 129])])),
        ("nonce-empty", "ocsp-nonce", of(vec![nonce(&[])])),
        ("nonce-twice", "ocsp-nonce", of(vec![nonce(&[1]), nonce(&[1])])),
        ("critical", "ocsp-critical-extension", of(vec![critical])),
        ("sixteen", "answered", many(16)),
        ("seventeen", "ocsp-too-many", many(17)),
        ("about-nothing", "ocsp-malformed", many(0)),
        ("other-issuer", "ocsp-other-issuer", request([other], vec![]).to_der().unwrap()),
        ("cut-off", "ocsp-malformed", whole[..50].to_vec()),
        ("more-behind-it", "ocsp-malformed", [whole, vec![0]].concat()),
        ("too-large", "ocsp-too-large", of(vec![nonce(&[0; 8192])])),
        ("path-of-a-get", "ocsp-malformed", b"MEIwQDA%2BMDwwOjAJBgUrDgMCGgUABBQ=".to_vec()),
    ]
}

#[test]
fn requests_by_openssl_are_answered_as_their_names_say() {
    for (name, outcome) in BY_OPENSSL {
        assert_eq!(ocsp(&std::fs::read(corpus().join(name)).unwrap()), outcome, "{name}");
    }
}

#[test]
fn requests_made_by_hand_are_answered_as_their_names_say() {
    for (name, outcome, octets) in seeds() {
        assert_eq!(ocsp(&octets), outcome, "{name}");
        assert_eq!(std::fs::read(corpus().join(name)).unwrap(), octets, "{name}");
    }
}

#[test]
fn every_input_of_the_corpus_returns_whole_and_cut_off() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in (0..octets.len()).step_by(7) {
            ocsp(&octets[..cut]);
        }
        ocsp(&octets);
    }
}

#[test]
#[ignore = "writes those of fuzz/corpus/ocsp that are made by hand anew, after ocsp/make.sh"]
fn write_the_corpus() {
    for (name, _, octets) in seeds() {
        std::fs::write(corpus().join(name), octets).unwrap();
    }
}
