//! Whoever sends what no honest unit does.

use super::network::{Network, authority, ca, credential, vendor_realm};
use super::tlv::{bits, explicit, sequence, tlv};
use super::unit::{
    Ask, Credential, Draft, ECDSA_SHA1, ECDSA_SHA256, ERROR, IP, IR, KUP, KUR, Popo, key, public_key, subject,
};
use cmp::{
    Arrival, FailureInfo, MAX_MESSAGE, MAX_SENDER, ProtectionKey, Refusal, RegistrationAuthority, Signer,
};
use pki::{CaSpec, FileKey, KeyAlgorithm, PrivateKey};
use rcgen::PublicKeyData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use x509::PathError;

/// Sends it and says what came: kind of the answer, the bit, and why.
struct Case<'a> {
    network: &'a Network,
    unit: &'a Credential,
}

impl Case<'_> {
    fn is(&self, message: &[u8], kind: u8, bit: FailureInfo, why: Refusal) {
        let asked = self.network.asked().len();
        let reply = self.network.send(message);
        assert_eq!(
            (reply.kind(), reply.failure(), self.network.why()),
            (kind, Some(bit.bit()), Some(why)),
            "{why:?}"
        );
        assert_eq!(self.network.asked().len(), asked, "{why:?}: the register was asked");
    }

    /// The draft signed by the unit's key is answered by an error.
    fn draft(&self, draft: &Draft, bit: FailureInfo, why: Refusal) {
        self.is(&draft.sign(&self.unit.key), ERROR, bit, why);
    }

    fn ir(&self) -> Draft {
        self.network.ir(self.unit, 1)
    }

    /// The request is answered by an ip.
    fn ask(&self, ask: &Ask, bit: FailureInfo, why: Refusal) {
        let draft = Draft { body: ask.body(IR), ..self.ir() };
        self.is(&draft.sign(&self.unit.key), IP, bit, why);
    }
}

fn fresh() -> FileKey {
    key(KeyAlgorithm::P256)
}

fn signed_by(by: FileKey, algorithm: &[u8]) -> Popo {
    Popo::Signature { input: None, algorithm: algorithm.to_vec(), by }
}

#[test]
fn syntax_and_size() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let good = case.ir().sign(&unit.key);
    let bad = FailureInfo::BAD_DATA_FORMAT;
    case.is(&[], ERROR, bad, Refusal::Malformed);
    case.is(b"GET / HTTP/1.1", ERROR, bad, Refusal::Malformed);
    case.is(&vec![0x30; MAX_MESSAGE + 1], ERROR, bad, Refusal::TooLarge);
    case.is(&[good.clone(), good.clone()].concat(), ERROR, bad, Refusal::SeveralMessages);
    case.is(&[good.clone(), vec![0]].concat(), ERROR, bad, Refusal::SeveralMessages);
    case.is(&sequence(&[&good, &good]), ERROR, bad, Refusal::Malformed);
    case.is(&sequence(&[&good]), ERROR, bad, Refusal::Malformed);
    let extra_certs = vec![unit.chain[1].clone(); 7];
    case.draft(&Draft { extra_certs, ..case.ir() }, bad, Refusal::TooManyCertificates);
    let long = explicit(4, &sequence(&[&tlv(0x31, &vec![0; MAX_SENDER])]));
    case.draft(&Draft { sender: long, ..case.ir() }, bad, Refusal::Malformed);
    for id in [None, Some(vec![]), Some(vec![1; 15]), Some(vec![1; 33])] {
        case.draft(&Draft { id, ..case.ir() }, bad, Refusal::TransactionId);
    }
    for nonce in [None, Some(vec![1; 15]), Some(vec![1; 33])] {
        let draft = Draft { nonce, ..case.ir() };
        case.draft(&draft, FailureInfo::BAD_SENDER_NONCE, Refusal::SenderNonce);
    }
    for version in [0, 1, 4, 0x80] {
        case.draft(&Draft { version, ..case.ir() }, FailureInfo::UNSUPPORTED_VERSION, Refusal::Version);
    }
}

#[test]
fn bodies_that_are_not_served() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let content = Ask::for_key(fresh()).body(IR);
    for number in (1..=26).filter(|number| ![7, 23, 24].contains(number)) {
        let body = [&[0xa0 | number], &content[1..]].concat();
        case.draft(&Draft { body, ..case.ir() }, FailureInfo::BAD_REQUEST, Refusal::Body);
    }
    let body = [&[0xa0 | 27], &content[1..]].concat();
    case.draft(&Draft { body, ..case.ir() }, FailureInfo::BAD_DATA_FORMAT, Refusal::Malformed);
    let one = Ask::for_key(fresh()).message();
    let body = explicit(IR, &sequence(&[&one, &one]));
    case.draft(&Draft { body, ..case.ir() }, FailureInfo::BAD_REQUEST, Refusal::SeveralRequests);
    let body = Ask { id: 1, ..Ask::for_key(fresh()) }.body(IR);
    case.draft(&Draft { body, ..case.ir() }, FailureInfo::BAD_REQUEST, Refusal::RequestId);
    let body = explicit(IR, &sequence(&[]));
    case.draft(&Draft { body, ..case.ir() }, FailureInfo::BAD_DATA_FORMAT, Refusal::Malformed);
}

#[test]
fn time_of_the_message_and_our_own() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let (edge, beyond) = (Duration::from_secs(300), Duration::from_secs(301));
    for time in [network.now.before(beyond), network.now.after(beyond)] {
        case.draft(&Draft { time: Some(time), ..case.ir() }, FailureInfo::BAD_TIME, Refusal::Time);
    }
    for (id, time) in [(2, network.now.before(edge)), (3, network.now.after(edge))] {
        let draft = Draft { time: Some(time), ..network.ir(&unit, id) };
        network.send(&draft.sign(&unit.key)).certificate();
    }
    let renewing = network.enrolled();
    let body = Ask::for_key(fresh()).body(KUR);
    let draft = Draft { time: None, ..Draft::new(&renewing, 4, network.now, body) };
    case.is(&draft.sign(&renewing.key), ERROR, FailureInfo::BAD_TIME, Refusal::Time);
    let arrival = Arrival { now: None, ..network.arrival() };
    let octets = network.ra().handle(&case.ir().sign(&unit.key), &arrival, &network.books());
    let reply = super::unit::Reply(octets);
    assert_eq!(reply.failure(), Some(FailureInfo::SYSTEM_UNAVAIL.bit()));
    assert_eq!(network.why(), Some(Refusal::ClockUnsure));
    assert!(reply.header().iter().all(|field| field.tag != 0xa0), "no time that we do not know");
}

#[test]
fn protection_that_is_none_of_this_signers() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let check = FailureInfo::BAD_MESSAGE_CHECK;
    case.is(&case.ir().bare(), ERROR, check, Refusal::Unprotected);
    case.draft(&Draft { algorithm: None, ..case.ir() }, check, Refusal::Unprotected);
    case.is(&case.ir().sign(&fresh()), ERROR, check, Refusal::Protection);
    let empty = explicit(4, &sequence(&[]));
    case.draft(&Draft { sender: empty, ..case.ir() }, check, Refusal::Sender);
    let dns_name = tlv(0x82, b"00aabbccddee.vendor.example");
    case.draft(&Draft { sender: dns_name, ..case.ir() }, check, Refusal::Sender);
    let nobody = Draft { kid: Some(vec![7; 20]), ..case.ir() };
    case.draft(&nobody, FailureInfo::SIGNER_NOT_TRUSTED, Refusal::NoSigner);
    let without = Draft { extra_certs: vec![], ..case.ir() };
    case.draft(&without, FailureInfo::SIGNER_NOT_TRUSTED, Refusal::NoSigner);
    let password_based = sequence(&[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf6, 0x7d, 7, 0x42, 0x0d]]);
    let pbmac1 = sequence(&[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0e]]);
    for algorithm in [password_based, pbmac1] {
        let draft = Draft { algorithm: Some(algorithm), extra_certs: vec![], ..case.ir() };
        case.draft(&draft, FailureInfo::WRONG_INTEGRITY, Refusal::Mac);
    }
}

#[test]
fn sha_1_is_refused_wherever_it_stands() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let rsa_sha1 = sequence(&[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], &[5, 0]]);
    let ed25519 = sequence(&[&[6, 3, 0x2b, 0x65, 0x70]]);
    let bad = FailureInfo::BAD_ALG;
    for (algorithm, why) in [
        (ECDSA_SHA1.to_vec(), Refusal::BrokenHash),
        (rsa_sha1, Refusal::BrokenHash),
        (ed25519, Refusal::Algorithm),
    ] {
        case.draft(&Draft { algorithm: Some(algorithm.clone()), ..case.ir() }, bad, why);
        let ask = Ask { popo: signed_by(fresh(), &algorithm), ..Ask::for_key(fresh()) };
        case.ask(&ask, bad, why);
    }
    // Another vendor certificate of the unit's, as an openssl command made it once: see x509's tests.
    let sha1 = include_bytes!("../../../x509/tests/path/openssl/device-sha1.der").to_vec();
    let read = super::network::read(&sha1);
    let draft = Draft {
        sender: explicit(4, read.subject_der()),
        kid: read.ski().map(<[u8]>::to_vec),
        extra_certs: vec![sha1],
        ..case.ir()
    };
    let anchor = x509::Anchor::from_der(include_bytes!("../../../x509/tests/path/openssl/root.der")).unwrap();
    let mut anchors = x509::Anchors::new();
    anchors.insert("femto.example".parse().unwrap(), anchor);
    let signer = authority(&network.carrier.ca, network.now);
    let ra = cmp::RegistrationAuthority::new(signer, anchors, x509::Anchors::new());
    let reply = super::unit::Reply(ra.handle(&draft.sign(&unit.key), &network.arrival(), &network.books()));
    assert_eq!(reply.failure(), Some(bad.bit()));
    assert_eq!(network.why(), Some(Refusal::Path(PathError::WeakSignature(x509::Place::EndEntity))));
}

#[test]
fn a_vendors_certificate_enrols_only_and_the_carriers_renews_only() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let untrusted = FailureInfo::SIGNER_NOT_TRUSTED;
    let realm = Refusal::Path(PathError::UnknownRealm);
    let body = Ask::for_key(fresh()).body(KUR);
    case.draft(&Draft { body: body.clone(), ..case.ir() }, untrusted, realm);
    let enrolled = network.enrolled();
    let ir = Draft::new(&enrolled, 1, network.now, Ask::for_key(fresh()).body(IR));
    case.is(&ir.sign(&enrolled.key), ERROR, untrusted, realm);
    // Another CA that says it is this vendor, and one that says it is the carrier.
    let vendor = ca(&CaSpec::new("Vendor", vendor_realm()), network.now);
    let copy = credential(&vendor.ca, KeyAlgorithm::P256, network.now);
    let ir = network.ir(&copy, 1).sign(&copy.key);
    let forged = network.send(&ir);
    assert_eq!(forged.failure(), Some(untrusted.bit()));
    let carrier = ca(&CaSpec::new("Example Telecom", crate::world::realm()), network.now);
    let copy = credential(&carrier.ca, KeyAlgorithm::P256, network.now);
    let kur = network.send(&Draft::new(&copy, 1, network.now, body).sign(&copy.key));
    assert_eq!((kur.kind(), kur.failure()), (ERROR, Some(untrusted.bit())));
    assert_eq!(network.asked(), [""; 0]);
}

#[test]
fn possession_that_is_not_proven() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let bad = FailureInfo::BAD_POP;
    let ask = |popo: Popo| Ask { popo, ..Ask::for_key(fresh()) };
    case.ask(&ask(Popo::Missing), bad, Refusal::NoPossession);
    case.ask(&ask(Popo::RaVerified), bad, Refusal::RaVerified);
    case.ask(&ask(Popo::KeyEncipherment), bad, Refusal::OtherPossession);
    case.ask(&ask(signed_by(fresh(), ECDSA_SHA256)), bad, Refusal::Possession);
    let template = FailureInfo::BAD_CERT_TEMPLATE;
    case.ask(&Ask { template: subject(), ..Ask::for_key(fresh()) }, template, Refusal::NoKey);
    // The vendor key again.
    let vendor = network.unit(KeyAlgorithm::P256);
    let name = vendor.name();
    let ask = Ask { template: [subject(), public_key(&vendor.key)].concat(), ..Ask::for_key(vendor.key) };
    let again = Credential { key: fresh(), chain: vendor.chain };
    let draft = Draft { sender: name, body: ask.body(IR), ..network.ir(&again, 1) };
    let Popo::Signature { by, .. } = &ask.popo else { unreachable!() };
    case.is(&draft.sign(by), IP, template, Refusal::SameKey);
}

#[test]
fn a_transaction_serves_once() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let case = Case { network: &network, unit: &unit };
    let good = case.ir().sign(&unit.key);
    network.send(&good).certificate();
    let used = FailureInfo::TRANSACTION_ID_IN_USE;
    case.is(&good, ERROR, used, Refusal::TransactionInUse);
    case.draft(&case.ir(), used, Refusal::TransactionInUse);
    let enrolled = network.enrolled();
    let kur = Draft::new(&enrolled, 1, network.now, Ask::for_key(fresh()).body(KUR));
    case.is(&kur.sign(&enrolled.key), ERROR, used, Refusal::TransactionInUse);
    *network.register.refuses.lock().unwrap() = Some(Refusal::TransactionInUse);
    // Two at once: the register says so when the second is recorded.
    let reply = network.send(&network.ir(&unit, 2).sign(&unit.key));
    assert_eq!((reply.kind(), reply.failure()), (ERROR, Some(used.bit())));
    *network.register.refuses.lock().unwrap() = Some(Refusal::Revoked);
    let kur = Draft { id: Some(vec![3; 16]), ..kur };
    let reply = network.send(&kur.sign(&enrolled.key));
    assert_eq!((reply.kind(), reply.failure()), (KUP, Some(FailureInfo::CERT_REVOKED.bit())));
}

#[test]
fn an_altered_or_cut_message_is_refused_and_never_reaches_the_register() {
    let network = Network::new();
    let ra = network.ra();
    let unit = network.unit(KeyAlgorithm::P256);
    let mut ir = network.ir(&unit, 1);
    ir.extra_certs.truncate(2);
    let good = ir.sign(&unit.key);
    for cut in 0..good.len() {
        ra.handle(&good[..cut], &network.arrival(), &network.books());
    }
    for octet in 0..good.len() {
        let mut altered = good.clone();
        altered[octet] ^= 1 << (octet % 8);
        ra.handle(&altered, &network.arrival(), &network.books());
    }
    assert_eq!(network.asked(), [""; 0]);
    assert_eq!(network.register.refused.lock().unwrap().len(), 2 * good.len());
    network.send(&good).certificate();
}

#[test]
fn a_body_as_large_as_may_be_costs_no_more_than_its_octets() {
    let network = Network::new();
    // Nested as deep as the size allows: nothing here reads by recursion.
    let mut nested = Vec::new();
    while nested.len() < MAX_MESSAGE / 2 {
        nested = explicit(3, &nested);
    }
    network.send(&sequence(&[&nested]));
    let many = sequence(&[&bits(&[]).repeat(8000)]);
    let reply = network.send(&sequence(&[&sequence(&[&[2, 1, 2]]), &many]));
    assert_eq!(reply.failure(), Some(FailureInfo::BAD_DATA_FORMAT.bit()));
}

/// A key that counts what it signs, and may fail.
struct Counting {
    key: FileKey,
    signed: Arc<AtomicU32>,
    fails: bool,
}

impl ProtectionKey for Counting {
    fn spki(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        self.signed.fetch_add(1, Ordering::SeqCst);
        rcgen::SigningKey::sign(&self.key, octets).ok().filter(|_| !self.fails)
    }
}

/// The network's authority with such a key.
fn counting(network: &Network, signed: &Arc<AtomicU32>, fails: bool) -> RegistrationAuthority {
    let chain = network.send(&[]).extra_certs();
    let key = PrivateKey::read(&network.carrier.ca.directory().join("ra.key")).unwrap();
    let key = Counting { key: FileKey::new(&key).unwrap(), signed: signed.clone(), fails };
    let signer = Signer::new(Box::new(key), chain).unwrap();
    let own = network.carrier.ca.device_anchors().unwrap();
    RegistrationAuthority::new(signer, network.vendor.ca.anchors().clone(), own)
}

#[test]
fn each_message_costs_one_signature_of_ours_and_no_more() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let signed = Arc::new(AtomicU32::new(0));
    let ra = counting(&network, &signed, false);
    let good = network.ir(&unit, 1).sign(&unit.key);
    for (count, message) in (1..).zip([&[][..], &good[..100], &good, &good]) {
        ra.handle(message, &network.arrival(), &network.books());
        assert_eq!(signed.load(Ordering::SeqCst), count);
    }
    assert_eq!(network.asked().len(), 1);
}

#[test]
fn an_authority_whose_key_fails_says_so_without_protection_and_the_unit_begins_anew() {
    let network = Network::new();
    let unit = network.unit(KeyAlgorithm::P256);
    let ra = counting(&network, &Arc::default(), true);
    let reply = ra.handle(&network.ir(&unit, 1).sign(&unit.key), &network.arrival(), &network.books());
    let reply = super::unit::Reply(reply);
    assert_eq!((reply.kind(), reply.failure()), (ERROR, Some(FailureInfo::SYSTEM_FAILURE.bit())));
    assert_eq!(reply.octets(4).unwrap(), [1; 16], "its transaction");
    network.send(&network.ir(&unit, 2).sign(&unit.key)).certificate();
}
