//! Replays the committed fuzz corpora on the stable tool chain: each file through its target's
//! function. `cargo run -p ike --example write_corpora` wrote most of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use ike::{
    crypto::{CryptoProvider as _, SeededProvider},
    fuzz::{self, Step},
    payload::{NotifyType, Payload, PayloadType, parse_chain},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

/// Runs a target over its corpus; returns each file's name and figure.
fn replay(target: &str, run: fn(&[u8]) -> usize) -> Vec<(String, usize)> {
    let files = fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), run(&fs::read(file.path()).unwrap())))
        .collect()
}

/// Nothing panics, and enough of the corpus is understood to reach what lies behind the parser.
fn replay_understood(target: &str, run: fn(&[u8]) -> usize, at_least: usize) {
    let replayed = replay(target, run);
    let understood = replayed.iter().filter(|(_, figure)| *figure > 0).count();
    println!("{target}: {understood} of {} understood", replayed.len());
    assert!(understood >= at_least, "{target}: {understood} of {} understood", replayed.len());
}

#[test]
fn corpus_of_message() {
    replay_understood("message", fuzz::message, 25);
}

#[test]
fn corpus_of_payload() {
    replay_understood("payload", fuzz::payload, 40);
}

/// Every payload that is not the wrapping of others, and every notification that something here reads.
#[test]
fn corpus_of_payload_has_every_payload_and_notification() {
    let (mut kinds, mut notifies) = (BTreeSet::new(), BTreeSet::new());
    for file in fs::read_dir(corpus("payload")).unwrap() {
        let octets = fs::read(file.unwrap().path()).unwrap();
        let Some((first, chain)) = octets.split_first() else { continue };
        for payload in parse_chain(PayloadType(*first), chain).unwrap_or_default() {
            kinds.insert(payload.kind().0);
            if let Payload::Notify(notify) = payload {
                notifies.insert(notify.kind.0);
            }
        }
    }
    let (sk, eap) = (PayloadType::SK.0, PayloadType::EAP.0);
    let missing: Vec<u8> =
        (PayloadType::SA.0..=eap).filter(|kind| *kind != sk && !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "payloads {missing:?} are never understood");
    let missing: Vec<_> = READ.into_iter().filter(|kind| !notifies.contains(&kind.0)).collect();
    assert!(missing.is_empty(), "notifications {missing:?} are never understood");
}

const READ: [NotifyType; 20] = [
    NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
    NotifyType::INVALID_SYNTAX,
    NotifyType::NO_PROPOSAL_CHOSEN,
    NotifyType::INVALID_KE_PAYLOAD,
    NotifyType::AUTHENTICATION_FAILED,
    NotifyType::NO_ADDITIONAL_SAS,
    NotifyType::INTERNAL_ADDRESS_FAILURE,
    NotifyType::TS_UNACCEPTABLE,
    NotifyType::TEMPORARY_FAILURE,
    NotifyType::CHILD_SA_NOT_FOUND,
    NotifyType::INITIAL_CONTACT,
    NotifyType::NAT_DETECTION_SOURCE_IP,
    NotifyType::NAT_DETECTION_DESTINATION_IP,
    NotifyType::COOKIE,
    NotifyType::REKEY_SA,
    NotifyType::AUTH_LIFETIME,
    NotifyType::CHILDLESS_IKEV2_SUPPORTED,
    NotifyType::IKEV2_FRAGMENTATION_SUPPORTED,
    NotifyType::SIGNATURE_HASH_ALGORITHMS,
    NotifyType::PPK_IDENTITY,
];

#[test]
fn corpus_of_fragments() {
    replay_understood("fragments", fuzz::fragments, 3);
}

#[test]
fn corpus_of_responder() {
    replay_understood("responder", fuzz::responder, 100);
}

/// Steps that are drawn, after an honest attach: beyond the corpus, and the same every time. `IKE_SEQUENCES`
/// sets how many.
#[test]
fn the_responders_rules_hold_for_drawn_sequences() {
    let attach = [
        [Step::Init as u8, 0, 0, 0],
        [Step::Auth as u8, 0, 0, 0],
        [Step::Tell as u8, 0, 0, 0],
        [Step::Tell as u8, 0, 3, 0],
    ];
    for seed in 0..number_of_sequences() {
        let draws = SeededProvider::new(seed);
        let mut octets = vec![0; 2 + 4 * 80];
        draws.random(&mut octets);
        octets.splice(2..2, attach.concat());
        octets[0] = if seed % 2 == 0 { 0 } else { 2 }; // with fragments, without
        for step in octets[2..].chunks_mut(4).skip(4) {
            tame(step);
        }
        let played = std::panic::catch_unwind(|| fuzz::responder(&octets));
        assert!(played.is_ok(), "sequence {seed}: {octets:02x?}");
    }
}

/// Makes most steps honest, and time short, so that some lies come late in the life of a tunnel.
fn tame(step: &mut [u8]) {
    let [what, who, how, which] = step else { return };
    if *which & 3 != 0 {
        (*who, *how) = (*who & 3, 0);
    }
    let what = Step::of(*what);
    if what == Step::Time {
        (*how, *which) = (*how % 8, 0);
    } else if what == Step::Delete && *how == 0 {
        *how = 1;
    }
}

fn number_of_sequences() -> u64 {
    std::env::var("IKE_SEQUENCES").ok().map_or(500, |text| text.parse().unwrap())
}

#[test]
fn corpus_of_auth_verifies_what_openssl_signed_and_nothing_else() {
    let refused = ["empty", "length-past-end", "rsa-pkcs1-sha1", "rsa-pss-salt20", "rsa-pss-defaults"];
    for (name, figure) in replay("auth", fuzz::auth) {
        let expected = match name.as_str() {
            name if refused.contains(&name) => 0,
            name if name.starts_with("bent-") => continue,
            _ => 2,
        };
        assert_eq!(figure, expected, "{name}");
    }
}
