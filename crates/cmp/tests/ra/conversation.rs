//! Units that are served.

use super::network::{NONCE, Network, authority, read};
use super::tlv::{SEQUENCE, explicit, inside, sequence, tlv};
use super::unit::{
    Ask, CERT_CONF, Credential, Draft, ERROR, IP, IR, KUP, KUR, PKI_CONF, Popo, Reply, confirmation, key,
    public_key,
};
use cmp::{FailureInfo, Refusal, Stage};
use ids::{CertSha256, Sha256, UnixTime};
use pki::{FileKey, KeyAlgorithm};
use rcgen::PublicKeyData;
use std::time::Duration;
use x509::{verify_device, verify_registration_authority, verify_signature};

const ALGORITHMS: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048];

/// The confirmation of what this reply brought.
fn conf(unit: &Credential, network: &Network, id: u8, certificate: &[u8]) -> Draft {
    let body = confirmation(&Sha256::of(certificate).0, None, &[]);
    Draft { recip_nonce: Some(NONCE.to_vec()), ..Draft::new(unit, id, network.now, body) }
}

fn stage(network: &Network) -> Vec<Stage> {
    network.register.records.lock().unwrap().values().map(|record| record.stage).collect()
}

/// A unit enrolled by ir, and its new key: served up to ip.
fn issued(network: &Network, unit: &Credential, id: u8) -> (Reply, Vec<u8>) {
    let reply = network.send(&network.ir(unit, id).sign(&unit.key));
    let certificate = reply.certificate();
    (reply, certificate)
}

#[test]
fn a_factory_fresh_unit_gets_a_certificate_for_its_new_key_and_its_own_name() {
    let network = Network::new();
    for (id, algorithm) in (1..).zip(ALGORITHMS) {
        let unit = network.unit(algorithm);
        let new = key(algorithm);
        let spki = new.subject_public_key_info();
        let draft = Draft::new(&unit, id, network.now, Ask::for_key(new).body(IR));
        let reply = network.send(&draft.sign(&unit.key));
        assert_eq!(reply.kind(), IP, "{algorithm:?}: {:?}", network.why());
        let certificate = reply.certificate();
        let extra_certs = reply.extra_certs();
        let chain: Vec<&[u8]> =
            std::iter::once(certificate.as_slice()).chain(extra_certs.iter().map(Vec::as_slice)).collect();
        let name = b"00aabbccddee.femto.example";
        let anchors = network.carrier.ca.anchors();
        let verified = verify_device(anchors, &Default::default(), name, &chain, network.now).unwrap();
        assert_eq!(verified.spki(), spki);
        let conf = network.send(&conf(&unit, &network, id, &certificate).sign(&unit.key));
        assert_eq!(conf.kind(), PKI_CONF);
        assert_eq!(conf.body(), [5, 0], "NULL");
    }
    assert_eq!(network.asked(), ["enrol 00aabbccddee.vendor.example", "confirm"].repeat(3));
    assert_eq!(stage(&network), [Stage::Confirmed; 3]);
    assert_eq!(network.why(), None);
}

#[test]
fn section_5_3_an_answer_has_the_header_and_the_protection_of_the_profile() {
    for algorithm in ALGORITHMS {
        let network = Network::at(crate::world::now(), algorithm);
        let unit = network.unit(KeyAlgorithm::P256);
        let (reply, _) = issued(&network, &unit, 1);
        let signer = network.ra();
        let signer = signer.signer().certificate();
        let header = reply.header();
        assert_eq!(header[0].whole, [2, 1, 2], "pvno");
        assert_eq!(header[1].content, signer.subject_der(), "sender");
        assert_eq!(header[2].whole, unit.name(), "recipient");
        assert_eq!(inside(header[3].whole, &[0xa0, 0x18]).unwrap().content, b"20261201120000Z");
        assert_eq!(reply.octets(2).as_deref(), signer.ski(), "senderKID");
        assert_eq!(reply.octets(4).unwrap(), [1; 16], "transactionID");
        assert_eq!(reply.octets(5).unwrap(), NONCE, "senderNonce");
        assert_eq!(reply.octets(6).unwrap(), [0xfe; 16], "recipNonce");
        let (signed, algorithm, signature) = reply.protection();
        verify_signature(signer.spki(), &algorithm, &signed, &signature).unwrap();
        let extra_certs = reply.extra_certs();
        assert_eq!(extra_certs.len(), 3, "the authority's, the issuing CA's, the root");
        let chain: Vec<&[u8]> = extra_certs[..2].iter().map(Vec::as_slice).collect();
        let anchors = network.carrier.ca.gateway_anchors();
        let verified = verify_registration_authority(anchors, &chain, network.now).unwrap();
        assert_eq!(verified.certificate().spki(), signer.spki());
        assert_eq!(extra_certs[2], network.carrier.ca.root());
    }
}

#[test]
fn the_authoritys_certificate_is_made_once_and_anew_before_it_ends_and_no_device_has_one() {
    let network = Network::new();
    let ca = &network.carrier.ca;
    let sha256 = |now: UnixTime| authority(ca, now).certificate().sha256();
    let first = sha256(network.now);
    assert_eq!(sha256(network.now), first);
    let days = |days: u64| network.now.after(Duration::from_secs(days * crate::world::DAY));
    assert_eq!(sha256(days(300)), first);
    assert_ne!(sha256(days(310)), first, "398 days, and 90 before their end");
    // Key and certificate of two issuances, as a crash between their files leaves them.
    let other = pki::PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    other.write(&ca.directory().join("ra.key")).unwrap();
    let third = sha256(network.now);
    assert_ne!(third, first);
    assert_eq!(sha256(network.now), third);
    let device = network.enrolled();
    let chain: Vec<&[u8]> = device.chain.iter().map(Vec::as_slice).collect();
    verify_registration_authority(ca.gateway_anchors(), &chain, network.now).unwrap_err();
}

#[test]
fn a_unit_renews_by_kur_and_says_which_certificate_it_replaces() {
    let network = Network::new();
    let unit = network.enrolled();
    let certificate = unit.certificate();
    let serial: Vec<u8> = certificate.serial().as_bytes().chunks(2).map(hex).collect();
    let id = sequence(&[&explicit(4, certificate.issuer_der()), &tlv(0x02, &serial)]);
    let old = [6, 9, 0x2b, 6, 1, 5, 5, 7, 5, 1, 5];
    let controls = sequence(&[&sequence(&[&old, &id])]);
    let ask = Ask { controls, ..Ask::for_key(key(KeyAlgorithm::P256)) };
    let reply = network.send(&Draft::new(&unit, 1, network.now, ask.body(KUR)).sign(&unit.key));
    assert_eq!(reply.kind(), KUP);
    let certificate = reply.certificate();
    let conf = network.send(&conf(&unit, &network, 1, &certificate).sign(&unit.key));
    assert_eq!(conf.kind(), PKI_CONF);
    assert_eq!(network.asked(), ["renew 00aabbccddee.femto.example", "confirm"]);

    let id = sequence(&[&explicit(4, unit.certificate().subject_der()), &tlv(0x02, &serial)]);
    let controls = sequence(&[&sequence(&[&old, &id])]);
    let ask = Ask { controls, ..Ask::for_key(key(KeyAlgorithm::P256)) };
    let reply = network.send(&Draft::new(&unit, 2, network.now, ask.body(KUR)).sign(&unit.key));
    assert_eq!((reply.kind(), reply.failure()), (KUP, Some(FailureInfo::BAD_CERT_ID.bit())));
}

fn hex(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

#[test]
fn an_expired_certificate_of_ours_is_put_before_the_register_as_that() {
    let mut network = Network::new();
    let unit = network.enrolled();
    network.now = network.now.after(Duration::from_secs(60 * crate::world::DAY));
    let body = Ask::for_key(key(KeyAlgorithm::P256)).body(KUR);
    let reply = network.send(&Draft::new(&unit, 1, network.now, body).sign(&unit.key));
    reply.certificate();
    assert_eq!(network.asked(), ["renew expired 00aabbccddee.femto.example"]);
    // An expired vendor certificate is refused before anybody is asked.
    let unit = super::network::credential(&network.vendor.ca, KeyAlgorithm::P256, crate::world::now());
    let reply = network.send(&network.ir(&unit, 2).sign(&unit.key));
    assert_eq!(reply.failure(), Some(FailureInfo::SIGNER_NOT_TRUSTED.bit()));
    assert_eq!(network.asked().len(), 1);
}

#[test]
fn a_unit_that_knows_no_time_enrols_and_learns_it() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let reply = network.send(&Draft { time: None, ..network.ir(&unit, 1) }.sign(&unit.key));
    reply.certificate();
    let epoch = Some(UnixTime::from_secs(0));
    let reply = network.send(&Draft { time: epoch, ..network.ir(&unit, 2) }.sign(&unit.key));
    assert_eq!(reply.failure(), Some(FailureInfo::BAD_TIME.bit()));
    assert_eq!(inside(reply.header()[3].whole, &[0xa0, 0x18]).unwrap().content, b"20261201120000Z");
}

#[test]
fn version_3_is_answered_in_kind_and_may_name_the_hash() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let reply = network.send(&Draft { version: 3, ..network.ir(&unit, 1) }.sign(&unit.key));
    assert_eq!(reply.header()[0].whole, [2, 1, 3]);
    let hash = Sha256::of(&reply.certificate()).0;
    let named = |last: u8| {
        let oid = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
        let body = confirmation(&hash, Some(0), &explicit(0, &sequence(&[&oid])));
        let draft = Draft { version: 3, ..Draft::new(&unit, 1, network.now, body) };
        network.send(&Draft { recip_nonce: Some(NONCE.to_vec()), ..draft }.sign(&unit.key))
    };
    assert_eq!(
        named(2).failure(),
        Some(FailureInfo::BAD_ALG.bit()),
        "SHA-384 for a certificate with SHA-256"
    );
    assert_eq!(named(1).kind(), PKI_CONF);
}

#[test]
fn certificates_may_come_in_any_order_and_the_signer_be_named_by_its_name_alone() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let mut draft = network.ir(&unit, 1);
    draft.extra_certs.reverse();
    network.send(&draft.sign(&unit.key)).certificate();
    let draft = Draft { kid: None, ..network.ir(&unit, 2) };
    network.send(&draft.sign(&unit.key)).certificate();
}

/// A template without subject, proven by a poposkInput with this sender and key.
fn nameless(new: FileKey, sender: Option<&[u8]>, key: &FileKey) -> Ask {
    let template = public_key(&new);
    let input = sender.map(|sender| [explicit(0, sender), key.subject_public_key_info()].concat());
    let algorithm = super::unit::ECDSA_SHA256.to_vec();
    Ask {
        template,
        popo: Popo::Signature { input, algorithm, by: new },
        ..Ask::for_key(crate::unit::key(KeyAlgorithm::P256))
    }
}

#[test]
fn a_request_without_subject_needs_a_poposk_input_that_names_sender_and_key() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let fresh = || key(KeyAlgorithm::P256);
    let mut id = 0;
    let mut sent = |ask: Ask| {
        id += 1;
        network.send(&Draft::new(&unit, id, network.now, ask.body(IR)).sign(&unit.key))
    };
    let new = pki::PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let new = || FileKey::new(&new).unwrap();
    let other = explicit(4, &sequence(&[]));
    let bad_pop = Some(FailureInfo::BAD_POP.bit());
    assert_eq!(sent(nameless(new(), None, &new())).failure(), bad_pop, "as OpenSSL 3.0 sends it");
    assert_eq!(sent(nameless(new(), Some(&other), &new())).failure(), bad_pop, "another sender");
    assert_eq!(sent(nameless(new(), Some(&unit.name()), &fresh())).failure(), bad_pop, "another key");
    assert_eq!(network.asked(), [""; 0]);
    sent(nameless(new(), Some(&unit.name()), &new())).certificate();
    let mut both = nameless(new(), Some(&unit.name()), &new());
    both.template = [super::unit::subject(), both.template].concat();
    assert_eq!(sent(both).failure(), bad_pop, "a subject beside poposkInput");
}

#[test]
fn nothing_is_kept_in_memory_between_ip_and_cert_conf_and_a_lost_pki_conf_is_said_again() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    // Each message meets an authority of its own, as after `kill -9`.
    let (_, certificate) = issued(&network, &unit, 1);
    assert_eq!(stage(&network), [Stage::Waiting]);
    // extraCerts are not needed any more.
    let conf = Draft { extra_certs: Vec::new(), ..conf(&unit, &network, 1, &certificate) };
    for _ in 0..2 {
        assert_eq!(network.send(&conf.sign(&unit.key)).kind(), PKI_CONF);
        assert_eq!(stage(&network), [Stage::Confirmed]);
    }
    let asked = network.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == "confirm").count(), 1);
    let rejection = Draft { body: confirmation(&[], Some(2), &[]), ..conf };
    let reply = network.send(&rejection.sign(&unit.key));
    assert_eq!((reply.kind(), reply.failure()), (ERROR, Some(FailureInfo::CERT_CONFIRMED.bit())));
}

#[test]
fn a_unit_may_reject_its_certificate_in_three_ways() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let status = sequence(&[&tlv(0x02, &[2])]);
    let bodies = [
        confirmation(&[7; 32], Some(2), &[]),
        explicit(CERT_CONF, &sequence(&[])),
        explicit(ERROR, &tlv(SEQUENCE, &status)),
    ];
    for (id, body) in (1..).zip(bodies) {
        let (_, certificate) = issued(&network, &unit, id);
        let draft = Draft { body, ..conf(&unit, &network, id, &certificate) };
        assert_eq!(network.send(&draft.sign(&unit.key)).kind(), PKI_CONF);
        assert_eq!(stage(&network).last(), Some(&Stage::Over));
        let late = network.send(&conf(&unit, &network, id, &certificate).sign(&unit.key));
        assert_eq!(late.failure(), Some(FailureInfo::CERT_REVOKED.bit()));
    }
}

#[test]
fn a_confirmation_counts_by_the_same_credential_our_nonce_and_the_certificates_hash() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let (_, certificate) = issued(&network, &unit, 1);
    let good = || conf(&unit, &network, 1, &certificate);
    let refused = |message: &[u8], bit: FailureInfo, why: Refusal| {
        let reply = network.send(message);
        assert_eq!((reply.kind(), reply.failure(), network.why()), (ERROR, Some(bit.bit()), Some(why)));
    };
    let twin = network.unit(KeyAlgorithm::P256);
    assert_eq!(twin.name(), unit.name(), "the same name, and another key");
    let by_twin = Draft { extra_certs: twin.chain.clone(), ..good() }.sign(&twin.key);
    refused(&by_twin, FailureInfo::BAD_MESSAGE_CHECK, Refusal::Protection);
    let new = network.enrolled();
    let by_new = Draft { sender: new.name(), extra_certs: new.chain.clone(), ..good() }.sign(&new.key);
    refused(&by_new, FailureInfo::BAD_MESSAGE_CHECK, Refusal::Sender);
    for nonce in [None, Some(vec![0; 16]), Some(NONCE[..15].to_vec())] {
        let draft = Draft { recip_nonce: nonce, ..good() };
        refused(&draft.sign(&unit.key), FailureInfo::BAD_RECIPIENT_NONCE, Refusal::RecipientNonce);
    }
    for hash in [Sha256::of(&unit.chain[0]).0.to_vec(), Vec::new()] {
        let draft = Draft { body: confirmation(&hash, Some(0), &[]), ..good() };
        refused(&draft.sign(&unit.key), FailureInfo::BAD_CERT_ID, Refusal::OtherCertificate);
    }
    let elsewhere = Draft { id: Some(vec![9; 16]), ..good() };
    refused(&elsewhere.sign(&unit.key), FailureInfo::BAD_REQUEST, Refusal::NoTransaction);
    let (sha1, bare) = (Some(super::unit::ECDSA_SHA1.to_vec()), good().bare());
    let by_sha1 = Draft { algorithm: sha1, ..good() };
    refused(&by_sha1.sign(&unit.key), FailureInfo::BAD_ALG, Refusal::BrokenHash);
    refused(&bare, FailureInfo::BAD_MESSAGE_CHECK, Refusal::Unprotected);
    let timeless = Draft { time: None, ..good() };
    refused(&timeless.sign(&unit.key), FailureInfo::BAD_TIME, Refusal::Time);
    assert_eq!(stage(&network), [Stage::Waiting]);
    assert_eq!(network.send(&good().sign(&unit.key)).kind(), PKI_CONF);
}

#[test]
fn a_certificate_under_a_p_384_authority_is_confirmed_by_sha_384() {
    let network = Network::at(crate::world::now(), KeyAlgorithm::P384);
    let unit = network.unit(KeyAlgorithm::P256);
    let (_, certificate) = issued(&network, &unit, 1);
    assert_eq!(read(&certificate).signature_algorithm().to_string(), "1.2.840.10045.4.3.3");
    let sha256 = network.send(&conf(&unit, &network, 1, &certificate).sign(&unit.key));
    assert_eq!(sha256.failure(), Some(FailureInfo::BAD_CERT_ID.bit()));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, &certificate);
    let body = confirmation(hash.as_ref(), None, &[]);
    let draft = Draft { body, ..conf(&unit, &network, 1, &certificate) };
    assert_eq!(network.send(&draft.sign(&unit.key)).kind(), PKI_CONF);
}

#[test]
fn what_the_register_refuses_the_peer_cannot_tell_apart_and_the_record_can() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let reasons = [
        Refusal::VendorDistrusted,
        Refusal::NoOrder,
        Refusal::OtherLine,
        Refusal::OtherVendorKey,
        Refusal::SharedCredential,
        Refusal::LegacyOver,
        Refusal::AlreadyEnrolled,
        Refusal::KnownKey,
        Refusal::Held,
        Refusal::Barred,
    ];
    for (id, reason) in (1..).zip(reasons) {
        *network.register.refuses.lock().unwrap() = Some(reason);
        let reply = network.send(&network.ir(&unit, id).sign(&unit.key));
        assert_eq!((reply.kind(), reply.failure()), (IP, Some(FailureInfo::NOT_AUTHORIZED.bit())));
        let refused = network.register.refused.lock().unwrap().last().cloned().unwrap();
        assert_eq!(refused.refusal, reason);
        let (name, sha256) = refused.who.unwrap();
        assert_eq!(name.to_string(), "00aabbccddee.vendor.example");
        assert_eq!(sha256, CertSha256::of(&unit.chain[0]));
        assert_eq!(refused.transaction.unwrap().octets(), [id; 16]);
    }
}

#[test]
fn rsa_without_the_null_of_its_algorithm_is_taken_as_rfc_4055_demands() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::Rsa2048);
    let without_null = sequence(&[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b]]);
    let draft = Draft { algorithm: Some(without_null), ..network.ir(&unit, 1) };
    network.send(&draft.sign(&unit.key)).certificate();
}
