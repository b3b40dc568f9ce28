//! Entry points for fuzzers: plain functions over bytes, which must return for every input.

use crate::crl::Signed;
use crate::{
    Anchor, Anchors, Certificate, Crl, DevicePolicy, NONCE, OcspQuestion, SerialNumber, verify_device,
    verify_device_by_subject, verify_request,
};
use ids::UnixTime;
use std::sync::LazyLock;

/// 2026-12-01T00:00:00Z, when the certificates of the corpus are valid.
const NOW: i64 = 1_796_083_200;

/// The roots of the hierarchies in tests/path/openssl, so that a corpus can hold chains that pass.
static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| {
    let mut anchors = Anchors::new();
    let roots: [&[u8]; 3] = [
        include_bytes!("../tests/path/openssl/root.der"),
        include_bytes!("../tests/path/openssl/rsa-root.der"),
        include_bytes!("../tests/path/openssl/p384-root.der"),
    ];
    for root in roots {
        if let (Ok(realm), Ok(anchor)) = ("femto.example".parse(), Anchor::from_der(root)) {
            anchors.insert(realm, anchor);
        }
    }
    anchors
});

/// The certificate path check on a hostile chain; returns how many certificates the path has, 0
/// when it is refused.
///
/// `data`: one octet, length of IDi; IDi; then certificates, each behind its length in two octets,
/// most significant first. Lengths past the end mean the rest.
pub fn device_path(data: &[u8]) -> usize {
    let (idi, mut rest) = counted::<1>(data);
    let mut chain = Vec::new();
    while !rest.is_empty() {
        let (der, after) = counted::<2>(rest);
        chain.push(der);
        rest = after;
    }
    if let Some(read) = chain.first().and_then(|der| Certificate::from_der(der).ok()) {
        let _ = Anchor::from_der(chain.first().copied().unwrap_or_default());
        let now = UnixTime::from_secs(NOW);
        let _ = verify_device_by_subject(&ANCHORS, &DevicePolicy::default(), read.subject_der(), &chain, now);
    }
    let verified = verify_device(&ANCHORS, &DevicePolicy::default(), idi, &chain, UnixTime::from_secs(NOW));
    verified.map_or(0, |verified| verified.path().len())
}

/// A PKCS#10 request; whether its sender proved to hold the key in it.
///
/// # Panics
/// When the same request proves it without its last octet, or with one more.
pub fn request(data: &[u8]) -> bool {
    let Ok(verified) = verify_request(data) else { return false };
    let _ = (verified.key(), verified.spki(), verified.dns_names(), verified.name_count());
    let longer = [data, &[0]].concat();
    let shorter = data.split_last().map_or(data, |(_, shorter)| shorter);
    for other in [shorter, &longer] {
        assert!(verify_request(other).is_err(), "a request has one length");
    }
    true
}

/// A revocation list; how many certificates it revokes, `None` when it does not count.
///
/// `data`: the certificate of its CA behind its length in two octets; the list. The list is read once more as if its
/// signature had verified.
///
/// # Panics
/// When what counts cannot be read, or counts as well without its last octet.
pub fn crl(data: &[u8]) -> Option<usize> {
    let (ca, list) = counted::<2>(data);
    let read = Signed::from_der(list).and_then(|signed| signed.read());
    let counts = Crl::verify(&Anchor::from_der(ca).ok()?, list).ok()?;
    assert!(read.is_ok_and(|read| read.len() == counts.len()), "whatever counts can be read");
    let shorter = list.split_last().map_or(list, |(_, shorter)| shorter);
    assert!(Signed::from_der(shorter).is_err(), "a list has one length");
    Some(counts.len())
}

/// An OCSP response to a fixed question; whether it says that the certificate is good, `None` when it is no answer.
///
/// `data`: the certificate of the CA behind its length in two octets; the response. The question is about serial number
/// 00ab01, and its nonce is 32 times 7.
pub fn ocsp_answer(data: &[u8]) -> Option<bool> {
    let (ca, response) = counted::<2>(data);
    let issuer = Anchor::from_der(ca).ok()?;
    let question = OcspQuestion::new(&issuer, SerialNumber::from_octets(&[0, 0xab, 1])?, [7; NONCE]).ok()?;
    let answer = question.answer(&issuer, response, UnixTime::from_secs(NOW)).ok()?;
    Some(answer.revoked.is_none())
}

/// Splits off what stands behind a length of `N` octets.
fn counted<const N: usize>(data: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = data.split_at(N.min(data.len()));
    let length = length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
    rest.split_at(length.min(rest.len()))
}
