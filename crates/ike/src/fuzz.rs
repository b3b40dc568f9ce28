//! Entry points for fuzzers: plain functions over bytes, which must return for every input.
//!
//! Each returns a figure of what it read or did, so that a test can tell a corpus that is understood
//! from one that is merely refused. A panic is a finding.

pub(crate) mod lie;
pub(crate) mod peer;
mod responder;
mod rules;
pub(crate) mod toy;

pub use responder::{Step, responder};

use crate::{
    crypto::{
        AwsLc, CryptoProvider, Direction, IkeKeys, MessageCipher, PrfAlgorithm, SignatureAlgorithm,
        SignatureHashes, split_algorithm,
    },
    header::Header,
    message::{FragmentNumber, MAX_MESSAGE, Reassembly, Sealed, Sealer, open, parse_plain},
    payload::{
        AuthMethod, Authentication, Delete, KeyExchangeMethod, Payload, PayloadType, parse_chain, write_chain,
    },
    suite::{CipherSuite, IkeSuite},
};
use ids::IkeSpi;
use std::sync::LazyLock;

/// A datagram as it comes from the network; returns the number of payloads, of a plain message or
/// of one that [`seal`] made, and at least 1 for an authentic one.
///
/// `datagram`: an IKE message, header included.
pub fn message(datagram: &[u8]) -> usize {
    let Ok(header) = Header::parse(datagram) else { return 0 };
    if let Ok(sealed) = Sealed::find(&header, datagram) {
        let opened = CIPHERS.iter().find_map(|cipher| open(cipher, datagram, &sealed).ok());
        return opened.map_or(0, |plain| chain(sealed.first_inner, &plain).max(1));
    }
    parse_plain(&header, datagram).map_or(0, |payloads| survives(&payloads))
}

/// A protected message that [`message`] can open, in fragments if it is longer than `limit`.
pub fn seal(
    suite: CipherSuite,
    header: Header,
    payloads: &[Payload],
    limit: Option<usize>,
    crypto: &dyn CryptoProvider,
) -> Vec<Vec<u8>> {
    Sealer::new(cipher(suite)).seal(header, payloads, limit, crypto)
}

/// Under keys that everyone knows.
static CIPHERS: LazyLock<[MessageCipher; 4]> = LazyLock::new(|| CipherSuite::ALL.map(cipher));

fn cipher(cipher: CipherSuite) -> MessageCipher {
    let key_exchange = KeyExchangeMethod::CURVE25519;
    let suite = IkeSuite { cipher, prf: PrfAlgorithm::HmacSha256, key_exchange };
    // Other keys for each suite: the integrity key alone would not tell apart two that share its length.
    let keys = IkeKeys::derive(&suite, &[cipher as u8; 32], (&[1; 32], &[2; 32]), (IkeSpi(1), IkeSpi(2)));
    MessageCipher::new(cipher, &keys, Direction::FromInitiator)
}

/// A chain of payloads; returns how many were read.
///
/// `data`: one octet, the type of the first payload; then the chain.
pub fn payload(data: &[u8]) -> usize {
    data.split_first().map_or(0, |(first, bytes)| chain(PayloadType(*first), bytes))
}

fn chain(first: PayloadType, bytes: &[u8]) -> usize {
    parse_chain(first, bytes).map_or(0, |payloads| survives(&payloads))
}

/// What was read from at most [`MAX_MESSAGE`] octets must come through the wire unchanged, unless
/// reading it left something out by design.
fn survives(payloads: &[Payload]) -> usize {
    let mut bytes = Vec::new();
    let first = write_chain(payloads, &mut bytes);
    if bytes.len() <= MAX_MESSAGE && payloads.iter().all(is_whole) {
        assert_eq!(parse_chain(first, &bytes).as_deref(), Ok(payloads));
    }
    payloads.len()
}

fn is_whole(payload: &Payload) -> bool {
    match payload {
        Payload::Sa(proposals) => {
            proposals.iter().flat_map(|proposal| &proposal.transforms).all(|one| !one.has_unknown_attribute)
        }
        Payload::TsI(selectors) | Payload::TsR(selectors) => !selectors.is_empty(),
        Payload::Delete(delete) => !matches!(delete, Delete::Other(_)),
        Payload::Ke(_)
        | Payload::IdI(_)
        | Payload::IdR(_)
        | Payload::Cert(_)
        | Payload::CertReq(_)
        | Payload::Auth(_)
        | Payload::Nonce(_)
        | Payload::Notify(_)
        | Payload::VendorId(_)
        | Payload::Cp(_)
        | Payload::Eap => true,
    }
}

/// Authenticated fragments in any order; returns how many messages became whole.
///
/// `data`: for each fragment number, total, type of the first payload inside, length: one octet
/// each; then that many octets times 64.
pub fn fragments(data: &[u8]) -> usize {
    let mut reassembly = Reassembly::default();
    let (mut rest, mut whole) = (data, 0);
    while let Some(([number, total, first, length], after)) = rest.split_first_chunk() {
        let (part, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let number = FragmentNumber { number: u16::from(*number), total: u16::from(*total) };
        if number.number == 0 || number.number > number.total {
            continue; // Sealed::find refuses it
        }
        let sealed = Sealed { first_inner: PayloadType(*first), start: 0, fragment: Some(number) };
        if let Some((_, message)) = reassembly.take(&sealed, number, part.repeat(64)) {
            assert!(message.len() <= MAX_MESSAGE);
            whole += 1;
        }
    }
    whole
}

/// AUTH data of method 14, against one key of each kind; returns 1 when its AlgorithmIdentifier is
/// one that we take, 2 when the signature verifies as well.
///
/// `data`: what stands in the AUTH payload behind the method.
pub fn auth(data: &[u8]) -> usize {
    let auth = Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: data.to_vec() };
    let valid = KEYS.iter().any(|spki| AwsLc.verify_auth(spki, &auth, SIGNED, false));
    let known = split_algorithm(data).and_then(|(algorithm, _)| SignatureAlgorithm::parse(algorithm));
    let _ = SignatureHashes::parse(data);
    usize::from(known.is_some()) + usize::from(valid)
}

/// What the signatures of the corpus are over.
pub const SIGNED: &[u8] = b"signed octets";

/// SubjectPublicKeyInfo of throw-away keys: P-256, P-384, RSA-2048.
const KEYS: [&[u8]; 3] = [
    include_bytes!("../tests/auth/p256.spki.der"),
    include_bytes!("../tests/auth/p384.spki.der"),
    include_bytes!("../tests/auth/rsa2048.spki.der"),
];
