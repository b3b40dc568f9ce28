//! Bad input of every kind gets the RFC's answer or silence. What it costs is counted in public-key operations, what
//! is kept of it in half-open IKE SAs: an honest attach makes one key pair, one shared secret and one verification of
//! AUTH, and nothing that a stranger sends makes more for one half-open IKE SA, whatever comes behind it.

use super::{super::beginning::MAX_INIT, *};
use crate::{
    crypto::{Ephemeral, Secret},
    payload::{
        Authentication, CertEncoding, Certificate, Encr, KeyExchange, KeyExchangeMethod, MAX_PAYLOADS, Prf,
        Proposal, ProtocolId, Transform, TransformType, write_chain,
    },
};
use std::sync::Mutex;

/// Public-key operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Work {
    key_pairs: usize,
    secrets: usize,
    verifications: usize,
}

const NO_WORK: Work = Work { key_pairs: 0, secrets: 0, verifications: 0 };
const ONE_KEY_PAIR: Work = Work { key_pairs: 1, ..NO_WORK };
const NO_SIGNATURE: Work = Work { secrets: 1, ..ONE_KEY_PAIR };
const HONEST_ATTACH: Work = Work { verifications: 1, ..NO_SIGNATURE };

/// [`Toy`], which counts: its key exchanges are the real ones.
struct Counting(Toy, Arc<Mutex<Work>>);

struct CountingKey(Box<dyn Ephemeral>, Arc<Mutex<Work>>);

impl CryptoProvider for Counting {
    fn random(&self, out: &mut [u8]) {
        self.0.random(out);
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        self.1.lock().unwrap().key_pairs += 1;
        Some(Box::new(CountingKey(self.0.key_exchange(method)?, self.1.clone())))
    }

    fn verify_auth(&self, spki: &[u8], auth: &Authentication, octets: &[u8], allow_sha1: bool) -> bool {
        self.1.lock().unwrap().verifications += 1;
        self.0.verify_auth(spki, auth, octets, allow_sha1)
    }
}

impl Ephemeral for CountingKey {
    fn public_value(&self) -> &[u8] {
        self.0.public_value()
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, crate::crypto::KeyExchangeError> {
        self.1.lock().unwrap().secrets += 1;
        self.0.agree(peer)
    }
}

fn counted() -> (Line, Arc<Mutex<Work>>) {
    let work = Arc::new(Mutex::new(NO_WORK));
    (Line::with_crypto(Arc::new(Counting(Toy::new(1), work.clone()))), work)
}

impl Line {
    /// What the one datagram says that was sent since it was last asked for; `None` for silence.
    fn heard(&mut self) -> Option<Vec<NotifyType>> {
        assert!(self.sent.len() <= 1, "one answer at most");
        let datagram = self.sent.pop()?;
        let header = Header::parse(&datagram).unwrap();
        let contents = match self.said.pop() {
            Some((_, contents)) => contents,
            None => parse_plain(&header, &datagram).and_then(Contents::sort).unwrap(),
        };
        Some(contents.notifies.iter().map(|notify| notify.kind).collect())
    }
}

#[test]
fn an_honest_attach_costs_one_key_pair_one_secret_and_one_verification() {
    let (mut line, work) = counted();
    line.init();
    assert_eq!(*work.lock().unwrap(), ONE_KEY_PAIR);
    line.auth(HONEST);
    assert!(line.stands());
    assert_eq!(*work.lock().unwrap(), HONEST_ATTACH);
    assert_eq!(line.asked, 1);
}

/// An IKE_SA_INIT with one thing wrong.
struct BadInit {
    what: &'static str,
    clause: &'static str,
    bend: fn(&mut Vec<Payload>),
    reason: Reason,
}

fn offer(payloads: &mut [Payload], bend: impl FnOnce(&mut Vec<Proposal>)) {
    for payload in payloads {
        if let Payload::Sa(proposals) = payload {
            return bend(proposals);
        }
    }
}

fn value(payloads: &mut [Payload], method: KeyExchangeMethod, octets: Vec<u8>) {
    for payload in payloads {
        if let Payload::Ke(ke) = payload {
            *ke = KeyExchange { method, data: octets.clone() };
        }
    }
}

fn without(payloads: &mut Vec<Payload>, kind: PayloadType) {
    payloads.retain(|payload| payload.kind() != kind);
}

fn twice(payloads: &mut Vec<Payload>, kind: PayloadType) {
    let again = payloads.iter().find(|payload| payload.kind() == kind).cloned();
    payloads.extend(again);
}

const BAD_INITS: [BadInit; 22] = [
    BadInit {
        what: "no SA",
        clause: "RFC 7296 §1.2",
        bend: |payloads| without(payloads, PayloadType::SA),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "no KE",
        clause: "RFC 7296 §1.2",
        bend: |payloads| without(payloads, PayloadType::KE),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "no nonce",
        clause: "RFC 7296 §1.2",
        bend: |payloads| without(payloads, PayloadType::NONCE),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "two SA",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::SA),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "two KE",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::KE),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "two nonces",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::NONCE),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "a nonce of 15 octets",
        clause: "RFC 7296 §3.9",
        bend: |payloads| {
            without(payloads, PayloadType::NONCE);
            payloads.push(Payload::Nonce(vec![1; 15]));
        },
        reason: Reason::Malformed,
    },
    BadInit {
        what: "a nonce of 257 octets",
        clause: "RFC 7296 §3.9",
        bend: |payloads| {
            without(payloads, PayloadType::NONCE);
            payloads.push(Payload::Nonce(vec![1; 257]));
        },
        reason: Reason::Malformed,
    },
    BadInit {
        what: "more payloads than any exchange needs",
        clause: "MAX_PAYLOADS",
        bend: |payloads| payloads.extend((0..MAX_PAYLOADS).map(|_| Payload::VendorId(vec![]))),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "longer than any honest one",
        clause: "MAX_INIT",
        bend: |payloads| payloads.push(Payload::VendorId(vec![0; MAX_INIT])),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "33 proposals",
        clause: "MAX_PROPOSALS",
        bend: |payloads| {
            offer(payloads, |proposals| *proposals = vec![proposals[0].clone(); 33]);
        },
        reason: Reason::Malformed,
    },
    BadInit {
        what: "65 transforms",
        clause: "MAX_TRANSFORMS",
        bend: |payloads| {
            let many = vec![Transform::encr(Encr::AES_CBC, 128); 65];
            offer(payloads, |proposals| proposals[0].transforms = many);
        },
        reason: Reason::Malformed,
    },
    BadInit {
        what: "no proposal at all",
        clause: "RFC 7296 §3.3",
        bend: |payloads| offer(payloads, Vec::clear),
        reason: Reason::Malformed,
    },
    BadInit {
        what: "a protocol other than IKE",
        clause: "RFC 7296 §2.7",
        bend: |payloads| {
            offer(payloads, |all| all.iter_mut().for_each(|one| one.protocol = ProtocolId::ESP));
        },
        reason: Reason::NoProposalChosen,
    },
    BadInit {
        what: "group 2 alone",
        clause: "RFC 8247 §2.4",
        bend: |payloads| {
            let group_2 = KeyExchangeMethod(2);
            let transforms = vec![
                Transform::encr(Encr::AES_GCM_16, 256),
                Transform::new(TransformType::PRF, Prf::HMAC_SHA2_256.0),
                Transform::ke(group_2),
            ];
            offer(payloads, |all| {
                all.truncate(1);
                all[0].transforms = transforms;
            });
            value(payloads, group_2, vec![1; 128]);
        },
        reason: Reason::NoProposalChosen,
    },
    BadInit {
        what: "a method that was not offered",
        clause: "RFC 7296 §1.2",
        bend: |payloads| value(payloads, KeyExchangeMethod(2), vec![1; 128]),
        reason: Reason::InvalidKe,
    },
    BadInit {
        what: "X25519 of 31 octets",
        clause: "RFC 8031 §3.1",
        bend: |payloads| value(payloads, KeyExchangeMethod::CURVE25519, vec![9; 31]),
        reason: Reason::PublicValue,
    },
    BadInit {
        what: "X25519 of 33 octets",
        clause: "RFC 8031 §3.1",
        bend: |payloads| value(payloads, KeyExchangeMethod::CURVE25519, vec![9; 33]),
        reason: Reason::PublicValue,
    },
    BadInit {
        what: "P-256 with the octet of an uncompressed point",
        clause: "RFC 5903 §7",
        bend: |payloads| value(payloads, KeyExchangeMethod::ECP_256, vec![4; 65]),
        reason: Reason::PublicValue,
    },
    BadInit {
        what: "P-384 with x alone",
        clause: "RFC 5903 §7",
        bend: |payloads| value(payloads, KeyExchangeMethod::ECP_384, vec![4; 48]),
        reason: Reason::PublicValue,
    },
    BadInit {
        what: "MODP 2048 without its leading zeros",
        clause: "RFC 7296 §3.4",
        bend: |payloads| value(payloads, KeyExchangeMethod::MODP_2048, vec![2]),
        reason: Reason::PublicValue,
    },
    BadInit {
        what: "MODP 2048 of 3,000 octets",
        clause: "RFC 7296 §3.4",
        bend: |payloads| value(payloads, KeyExchangeMethod::MODP_2048, vec![2; 3_000]),
        reason: Reason::PublicValue,
    },
];

#[test]
fn a_bad_ike_sa_init_is_answered_as_the_rfc_says_costs_nothing_and_keeps_nothing() {
    for BadInit { what, clause, bend, reason } in BAD_INITS {
        let (mut line, work) = counted();
        let request = line.peer.init(HONEST);
        let header = Header::parse(&request).unwrap();
        let mut payloads = parse_plain(&header, &request).unwrap();
        bend(&mut payloads);
        line.deliver(&[write_plain(header, &payloads)]);
        let answer = match reason.answer() {
            Answer::Notify(NotifyType::AUTHENTICATION_FAILED) | Answer::Silence => None,
            Answer::Notify(kind) => Some(vec![kind]),
        };
        assert_eq!(line.heard(), answer, "{what}: {clause}");
        assert_eq!(line.responder.stats().refused(reason), 1, "{what}: {clause}");
        assert_eq!(*work.lock().unwrap(), NO_WORK, "{what}");
        assert_eq!(line.responder.held(), (0, 0, 0), "{what}");
    }
}

#[test]
fn an_ike_sa_init_cut_anywhere_keeps_nothing() {
    let (mut line, work) = counted();
    let request = line.peer.init(HONEST);
    for length in 0..request.len() {
        let mut cut = request[..length].to_vec();
        line.deliver(std::slice::from_ref(&cut));
        if let Some(field) = cut.get_mut(24..28) {
            field.copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            line.deliver(&[cut]);
        }
    }
    assert_eq!(line.heard(), None);
    assert_eq!((*work.lock().unwrap(), line.responder.held()), (NO_WORK, (0, 0, 0)));
}

#[test]
fn a_header_that_lies_is_not_answered() {
    type Lie = fn(&mut [u8]);
    let lies: [(&str, Lie, Reason); 7] = [
        ("a length too long", |octets| octets[27] += 1, Reason::Malformed),
        ("a length of 4 GiB", |octets| octets[24..28].fill(0xff), Reason::Malformed),
        ("SPIi zero", |octets| octets[..8].fill(0), Reason::Malformed),
        ("SPIr not zero", |octets| octets[15] = 1, Reason::UnexpectedExchange),
        ("Message ID 1", |octets| octets[23] = 1, Reason::UnexpectedExchange),
        ("a response", |octets| octets[19] |= 0x20, Reason::UnexpectedExchange),
        ("not from an initiator", |octets| octets[19] &= !0x08, Reason::UnexpectedExchange),
    ];
    for (what, lie, reason) in lies {
        let (mut line, work) = counted();
        let mut request = line.peer.init(HONEST);
        lie(&mut request);
        line.deliver(&[request]);
        assert_eq!(line.heard(), None, "{what}");
        assert_eq!(line.responder.stats().refused(reason), 1, "{what}");
        assert_eq!((*work.lock().unwrap(), line.responder.held()), (NO_WORK, (0, 0, 0)), "{what}");
    }
}

#[test]
fn what_we_sent_and_gets_back_to_us_changes_nothing() {
    let (mut line, work) = counted();
    line.init();
    line.auth(HONEST);
    assert!(line.stands());
    let ours = std::mem::take(&mut line.sent);
    let before = (*work.lock().unwrap(), line.responder.held(), line.installed);
    for datagram in &ours {
        for flags in [datagram[19], datagram[19] ^ 0x08, datagram[19] ^ 0x20, datagram[19] ^ 0x28] {
            let mut reflected = datagram.clone();
            reflected[19] = flags;
            line.deliver(&[reflected]);
        }
    }
    assert!(line.sent.is_empty() && line.stands());
    assert_eq!((*work.lock().unwrap(), line.responder.held(), line.installed), before);
}

fn octets(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The u-coordinates of small order on Curve25519 and its twist: 0, 1, two of order 8, -1, and 0 and 1 once more as p
/// and p + 1. Each is the same with the bit that RFC 7748 §5 has masked.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// p of group 14 as RFC 3526 §3 prints it.
const GROUP_14: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718",
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
);

/// Gx and Gy of P-256 (SEC 2 §2.4.2); with its last bit changed y belongs to no point of that x.
const G_OF_P256: &str = concat!(
    "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296",
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5",
);

fn bad_values() -> Vec<(KeyExchangeMethod, Vec<u8>, &'static str)> {
    let mut values = Vec::new();
    for point in SMALL_ORDER.map(octets) {
        let mut with_high_bit = point.clone();
        with_high_bit[31] |= 0x80;
        values.push((KeyExchangeMethod::CURVE25519, point, "small order: RFC 7748 §6.1"));
        values.push((KeyExchangeMethod::CURVE25519, with_high_bit, "small order, high bit set"));
    }
    let mut off = octets(G_OF_P256);
    off[63] ^= 1;
    values.push((KeyExchangeMethod::ECP_256, off, "off the curve: RFC 6989 §2.3"));
    for (method, length) in [(KeyExchangeMethod::ECP_256, 64), (KeyExchangeMethod::ECP_384, 96)] {
        values.push((method, vec![0; length], "infinity, or the nearest to it that can be written"));
        values.push((method, vec![1; length], "off the curve"));
        values.push((method, vec![0xff; length], "coordinates above p: RFC 6989 §2.3"));
    }
    let p = octets(GROUP_14);
    let end = |last: [u8; 8]| [&p[..248], last.as_slice()].concat();
    let mut one = vec![0; 256];
    one[255] = 1;
    // p ends with 64 ones, which p + 1 turns into zeros and a carry into the 0x68 before them.
    let mut p_plus_1 = end([0; 8]);
    p_plus_1[247] += 1;
    let group_14 = [
        (vec![0; 256], "zero: RFC 6989 §2.1"),
        (one, "one"),
        (end([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), "p - 1"),
        (p.clone(), "p"),
        (p_plus_1, "p + 1"),
        (vec![0xff; 256], "2^2048 - 1"),
    ];
    values.extend(group_14.map(|(octets, what)| (KeyExchangeMethod::MODP_2048, octets, what)));
    values
}

/// An IKE_AUTH request under keys that nobody has.
fn sealed_by_nobody((spi_i, spi_r): (u64, u64), octets: u16) -> Vec<u8> {
    let length = 28 + 4 + octets;
    let mut datagram = [spi_i.to_be_bytes(), spi_r.to_be_bytes()].concat();
    datagram.extend([PayloadType::SK.0, 0x20, ExchangeType::IKE_AUTH.0, 0x08, 0, 0, 0, 1, 0, 0]);
    datagram.extend(length.to_be_bytes());
    datagram.extend([PayloadType::ID_I.0, 0]);
    datagram.extend((length - 28).to_be_bytes());
    datagram.resize(length.into(), 0x5a);
    datagram
}

fn spis(answer: &[u8]) -> (u64, u64) {
    let spi = |at: usize| u64::from_be_bytes(answer[at..at + 8].try_into().unwrap());
    (spi(0), spi(8))
}

#[test]
fn section_4_line_21_a_public_value_outside_its_group_ends_the_half_open_ike_sa_in_silence() {
    for (method, octets, what) in bad_values() {
        let (mut line, work) = counted();
        let request = line.peer.init(HONEST);
        let header = Header::parse(&request).unwrap();
        let mut payloads = parse_plain(&header, &request).unwrap();
        value(&mut payloads, method, octets);
        line.deliver(&[write_plain(header, &payloads)]);
        let answer = line.sent.pop().expect("IKE_SA_INIT is answered before the value is used");
        assert_eq!(*work.lock().unwrap(), ONE_KEY_PAIR, "{what}");
        line.deliver(&[sealed_by_nobody(spis(&answer), 64)]);
        assert!(line.sent.is_empty(), "{method:?} {what}");
        assert_eq!(line.responder.stats().refused(Reason::PublicValue), 1, "{method:?} {what}");
        assert_eq!((*work.lock().unwrap(), line.responder.held()), (NO_SIGNATURE, (0, 0, 0)), "{what}");
    }
}

/// An IKE_AUTH under the right keys with one thing wrong.
struct BadAuth {
    what: &'static str,
    clause: &'static str,
    bend: fn(&mut Vec<Payload>),
    reason: Reason,
}

fn cert(octets: usize) -> Payload {
    Payload::Cert(Certificate { encoding: CertEncoding::X509_SIGNATURE, data: vec![0x30; octets] })
}

fn sign(payloads: &mut [Payload], data: Vec<u8>) {
    for payload in payloads {
        if let Payload::Auth(auth) = payload {
            auth.data.clone_from(&data);
        }
    }
}

const BAD_AUTHS: [BadAuth; 14] = [
    BadAuth {
        what: "no IDi",
        clause: "RFC 7296 §1.2",
        bend: |payloads| without(payloads, PayloadType::ID_I),
        reason: Reason::NoIdentity,
    },
    BadAuth {
        what: "two IDi",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::ID_I),
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "two AUTH",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::AUTH),
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "two TSi",
        clause: "RFC 7296 §1.2",
        bend: |payloads| twice(payloads, PayloadType::TS_I),
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "SA without TSr",
        clause: "RFC 7296 §1.2",
        bend: |payloads| without(payloads, PayloadType::TS_R),
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "no CERT",
        clause: "RFC 7296 §3.6",
        bend: |payloads| without(payloads, PayloadType::CERT),
        reason: Reason::NoCertificate,
    },
    BadAuth {
        what: "nine CERT",
        clause: "MAX_CERTIFICATES",
        bend: |payloads| payloads.extend((0..8).map(|_| cert(10))),
        reason: Reason::CertificateSize,
    },
    BadAuth {
        what: "a CERT of 4,097 octets",
        clause: "MAX_CERTIFICATE",
        bend: |payloads| payloads.push(cert(4_097)),
        reason: Reason::CertificateSize,
    },
    BadAuth {
        what: "an empty CERT",
        clause: "RFC 7296 §3.6",
        bend: |payloads| {
            without(payloads, PayloadType::CERT);
            payloads.push(cert(0));
        },
        reason: Reason::AuthMismatch,
    },
    BadAuth {
        what: "more payloads than any exchange needs",
        clause: "MAX_PAYLOADS",
        bend: |payloads| payloads.extend((0..MAX_PAYLOADS).map(|_| Payload::VendorId(vec![]))),
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "more attributes than a unit can ask for",
        clause: "MAX_ATTRIBUTES",
        bend: |payloads| {
            for payload in payloads {
                if let Payload::Cp(configuration) = payload {
                    let asked = configuration.attributes[0].clone();
                    configuration.attributes = vec![asked; 65];
                }
            }
        },
        reason: Reason::Malformed,
    },
    BadAuth {
        what: "an AUTH of one octet",
        clause: "RFC 7427 §3",
        bend: |payloads| sign(payloads, vec![0xff]),
        reason: Reason::AuthMismatch,
    },
    BadAuth {
        what: "an AUTH of 20,000 octets",
        clause: "RFC 7427 §3",
        bend: |payloads| sign(payloads, vec![0xff; 20_000]),
        reason: Reason::AuthMismatch,
    },
    BadAuth {
        what: "an IDi of 20,000 octets with NULs",
        clause: "RFC 7296 §3.5",
        bend: |payloads| {
            without(payloads, PayloadType::ID_I);
            payloads.push(Payload::IdI(Identification {
                id_type: crate::payload::IdType::FQDN,
                data: vec![0; 20_000],
            }));
        },
        reason: Reason::AuthMismatch,
    },
];

#[test]
fn a_bad_ike_auth_is_answered_authentication_failed_once_and_costs_no_more_than_an_honest_one() {
    for BadAuth { what, clause, bend, reason } in BAD_AUTHS {
        let (mut line, work) = counted();
        line.init();
        line.sent.clear();
        let (datagrams, _) = line.peer.auth_with(HONEST, bend);
        line.deliver(&datagrams);
        assert_eq!(line.heard(), Some(vec![NotifyType::AUTHENTICATION_FAILED]), "{what}: {clause}");
        assert_eq!(line.responder.stats().refused(reason), 1, "{what}: {clause}");
        let asked = usize::from(reason == Reason::AuthMismatch);
        assert_eq!(*work.lock().unwrap(), Work { verifications: asked, ..NO_SIGNATURE }, "{what}");
        assert_eq!(
            (line.asked, line.installed, line.responder.stats().half_open_now),
            (asked, 0, 0),
            "{what}"
        );
        for _ in 0..100 {
            line.deliver(&datagrams);
        }
        assert_eq!(
            *work.lock().unwrap(),
            Work { verifications: asked, ..NO_SIGNATURE },
            "sent again: {what}"
        );
        line.pass(line.responder.config.half_open.lifetime);
        assert_eq!(line.responder.held(), (0, 0, 0), "{what}");
    }
}

#[test]
fn an_ike_auth_whose_payloads_are_cut_anywhere_is_refused() {
    let (mut whole, _) = counted();
    whole.init();
    let mut chain = Vec::new();
    let mut first = PayloadType::NONE;
    whole.peer.auth_with(HONEST, |payloads| first = write_chain(payloads, &mut chain));
    for length in 0..chain.len() {
        let (mut line, work) = counted();
        line.init();
        line.sent.clear();
        let datagrams = line.peer.chain(first, &chain[..length]);
        line.deliver(&datagrams);
        assert_eq!(line.heard(), Some(vec![NotifyType::AUTHENTICATION_FAILED]), "{length} octets");
        assert_eq!((*work.lock().unwrap(), line.asked), (NO_SIGNATURE, 0), "{length} octets");
    }
}

#[test]
fn a_half_open_ike_sa_costs_one_secret_whatever_is_sent_to_it() {
    let (mut line, work) = counted();
    line.init();
    let names = spis(&line.sent.pop().unwrap());
    for octets in [0, 1, 16, 64, 1_000, 30_000].into_iter().cycle().take(600) {
        line.deliver(&[sealed_by_nobody(names, octets)]);
    }
    assert!(line.sent.is_empty());
    assert_eq!((*work.lock().unwrap(), line.asked), (NO_SIGNATURE, 0));
    assert_eq!(line.responder.stats().half_open_now, 1);
    line.auth(HONEST);
    assert!(line.stands(), "who has the keys is not kept out");
    assert_eq!(*work.lock().unwrap(), HONEST_ATTACH);
}

#[test]
fn whoever_is_met_with_silence_and_asks_again_without_end_is_judged_a_bounded_number_of_times() {
    let (ask_peer_alone, with_admission) = (Err(Refusal::Transient), Ok(()));
    for (peers, asked, verifications) in [(ask_peer_alone, 32, 0), (with_admission, 16, 16)] {
        let (mut line, work) = counted();
        (line.peers, line.admission) = (peers, Admission::Drop);
        line.init();
        let (datagrams, _) = line.peer.auth(HONEST);
        for _ in 0..1_000 {
            line.deliver(&datagrams);
            line.pass(Duration::from_secs(1));
        }
        assert_eq!((line.asked, *work.lock().unwrap()), (asked, Work { verifications, ..NO_SIGNATURE }));
        assert_eq!(line.responder.held(), (0, 0, 0));
    }
}

#[test]
fn section_4_line_22_a_bomb_of_fragments_is_forgotten_with_its_half_open_ike_sa() {
    let (many_in_short_fragments, all_but_the_last) = (lie(0x88, 0), lie(0x80, 0));
    for lie in [many_in_short_fragments, all_but_the_last] {
        let (mut line, work) = counted();
        line.init();
        line.sent.clear();
        let (datagrams, _) = line.peer.auth(lie);
        let (_, withheld) = datagrams.split_last().unwrap();
        for _ in 0..10 {
            line.deliver(withheld);
        }
        assert!(line.sent.is_empty());
        assert_eq!((*work.lock().unwrap(), line.asked), (NO_SIGNATURE, 0));
        line.pass(line.responder.config.half_open.lifetime);
        assert_eq!(line.responder.held(), (0, 0, 0));
        assert_eq!(line.responder.stats().refused(Reason::HalfOpenTimeout), 1);
    }
}

#[test]
fn a_certificate_that_never_ends_ends_no_clock() {
    let mut line = Line::new();
    line.init();
    let (datagrams, _) = line.peer.auth(HONEST);
    let now = line.now;
    let grant = Grant { expires_in: Duration::MAX, auth_lifetime: Duration::MAX, ..grant() };
    for datagram in &datagrams {
        line.responder.handle_datagram(line.path, datagram, now);
    }
    let asked = std::iter::from_fn(|| line.responder.poll_output()).find_map(|output| match output {
        Output::AskPeer { ticket, ask } => Some((ticket, ask)),
        Output::Transmit { .. }
        | Output::Keepalive { .. }
        | Output::AskAdmission { .. }
        | Output::InstallChildSa { .. }
        | Output::RemoveChildSa { .. }
        | Output::Event(_) => None,
    });
    let (ticket, ask) = asked.unwrap();
    let not_after = Duration::MAX;
    let peer = Peer { public_key_spki: ask.certificates[0].clone(), not_after, allow_sha1_signature: false };
    line.admission = Admission::Grant(grant);
    line.responder.handle_peer(ticket, Ok(peer), now);
    line.drain();
    assert!(line.stands());
}

#[test]
fn a_tunnel_has_sixteen_child_sas_and_no_more() {
    let mut line = Line::attached();
    for _ in 1..16 {
        let datagrams = line.peer.create_child_sa(false, HONEST);
        line.deliver(&datagrams);
    }
    assert_eq!(line.installed, 16);
    line.said.clear();
    let one_more = line.peer.create_child_sa(false, HONEST);
    line.deliver(&one_more);
    assert_eq!(line.notify().kind, NotifyType::NO_ADDITIONAL_SAS);
    assert_eq!(line.installed, 16);
}
