//! The corpus of the fuzz target `cmp_answer`, replayed: what a unit makes of answers.

use super::tlv::{bits, explicit, octets, sequence, tlv};
use super::unit::{ERROR, IP, KUP, PKI_CONF};
use cmp::fuzz::answer;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cmp_answer")
}

const ISSUED: &[u8] = include_bytes!("../../../x509/tests/path/openssl/device.der");

/// Header and body, protected where it is replayed. `id`, `nonce`: what it repeats. `time`: GeneralizedTime.
fn header(id: u8, nonce: u8, time: &str) -> Vec<u8> {
    let name = sequence(&[&[0x06, 3, 0x55, 4, 3], &tlv(0x0c, b"authority unit")]);
    let sender = explicit(4, &sequence(&[&tlv(0x31, &name)]));
    let time = if time.is_empty() { Vec::new() } else { explicit(0, &tlv(0x18, time.as_bytes())) };
    sequence(&[
        &tlv(0x02, &[2]),
        &sender,
        &explicit(4, &sequence(&[])),
        &time,
        &explicit(1, super::unit::ECDSA_SHA256),
        &octets(4, Some(&[id; 16])),
        &octets(5, Some(&[3; 16])),
        &octets(6, Some(&[nonce; 16])),
    ])
}

fn good() -> Vec<u8> {
    header(1, 2, "20261201120000Z")
}

/// A CertRepMessage with one response to certReqId 0.
fn response(number: u8, status: &[u8], pair: &[u8]) -> Vec<u8> {
    let response = sequence(&[&tlv(0x02, &[0]), status, pair]);
    explicit(number, &sequence(&[&sequence(&[&response])]))
}

fn granted(number: u8, certificate: &[u8]) -> Vec<u8> {
    response(number, &sequence(&[&tlv(0x02, &[0])]), &sequence(&[&explicit(0, certificate)]))
}

/// PKIStatusInfo: rejection, some text, notAuthorized.
fn rejection() -> Vec<u8> {
    sequence(&[&tlv(0x02, &[2]), &sequence(&[&tlv(0x0c, b"no")]), &tlv(0x03, &[0, 0, 0, 1])])
}

fn inputs() -> Vec<(&'static str, [&'static str; 2], Vec<u8>)> {
    let signed = |header: Vec<u8>, body: Vec<u8>| [vec![1], header, body].concat();
    let error = || explicit(ERROR, &sequence(&[&rejection()]));
    let conf = || explicit(PKI_CONF, &tlv(0x05, &[]));
    let waiting = sequence(&[&tlv(0x02, &[3])]);
    let with_ca_pubs = {
        let response = sequence(&[&tlv(0x02, &[0]), &rejection()]);
        let pubs = explicit(1, &sequence(&[ISSUED]));
        explicit(IP, &sequence(&[&pubs, &sequence(&[&response])]))
    };
    vec![
        ("pkiconf", ["answer-other-body", "taken"], signed(good(), conf())),
        // It is under another root than the one that is drawn for the replay.
        ("ip", ["cert-untrusted", "answer-other-body"], signed(good(), granted(IP, ISSUED))),
        ("kup", ["answer-other-body"; 2], signed(good(), granted(KUP, ISSUED))),
        (
            "ip-no-certificate",
            ["cert-malformed", "answer-other-body"],
            signed(good(), granted(IP, &sequence(&[]))),
        ),
        ("ip-rejection", ["refused", "answer-other-body"], signed(good(), response(IP, &rejection(), &[]))),
        ("ip-ca-pubs", ["refused", "answer-other-body"], signed(good(), with_ca_pubs)),
        ("ip-waiting", ["cmp-body"; 2], signed(good(), response(IP, &waiting, &[]))),
        ("error", ["refused"; 2], signed(good(), error())),
        ("error-unsigned", ["answer-unsigned"; 2], [vec![0], sequence(&[&good(), &error()])].concat()),
        ("pkiconf-unsigned", ["cmp-unprotected"; 2], [vec![0], sequence(&[&good(), &conf()])].concat()),
        ("other-transaction", ["answer-other-message"; 2], signed(header(9, 2, "20261201120000Z"), conf())),
        ("other-nonce", ["answer-other-message"; 2], signed(header(1, 9, "20261201120000Z"), conf())),
        ("no-time", ["answer-no-time"; 2], signed(header(1, 2, ""), conf())),
        ("early", ["answer-early"; 2], signed(header(1, 2, "20261201115459Z"), conf())),
        ("hardly-early", ["answer-other-body", "taken"], signed(header(1, 2, "20261201115500Z"), conf())),
        ("genp", ["cmp-body"; 2], signed(good(), explicit(22, &sequence(&[])))),
        ("two-bits", ["refused"; 2], {
            let status = sequence(&[&tlv(0x02, &[2]), &bits(&[0xff, 0xff])]);
            signed(good(), explicit(ERROR, &sequence(&[&status])))
        }),
        ("nothing", ["cmp-malformed"; 2], vec![0]),
    ]
}

#[test]
fn answers_are_taken_or_refused_as_their_names_say() {
    for (name, told, octets) in inputs() {
        assert_eq!(answer(&octets), told, "{name}");
        assert_eq!(std::fs::read(corpus().join(name)).unwrap(), octets, "{name}");
    }
}

/// The signature is made over what was altered, so that this reaches what comes behind it: an altered answer by the
/// true authority is at most what it says it is.
#[test]
fn a_cut_or_altered_answer_never_becomes_a_certificate() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in (0..octets.len()).step_by(7) {
            assert_ne!(answer(&octets[..cut])[0], "taken");
        }
        for octet in 0..octets.len() {
            let mut altered = octets.clone();
            altered[octet] ^= 1 << (octet % 8);
            assert_ne!(answer(&altered)[0], "taken");
        }
    }
}

#[test]
#[ignore = "writes fuzz/corpus/cmp_answer anew"]
fn write_the_corpus_of_answers() {
    for (name, _, octets) in inputs() {
        std::fs::write(corpus().join(name), octets).unwrap();
    }
}
