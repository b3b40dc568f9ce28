//! Protection by signature (RFC 9810 §5.1.3.3), the only one here.

use super::tlv::as_sequence;
use super::{Message, Refusal};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, SliceReader};
use x509::{Certificate, SignatureError, has_broken_hash, verify_signature};

pub(crate) const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
pub(crate) const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
pub(crate) const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
pub(crate) const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");

/// Protection by a shared secret: PasswordBasedMac, DHBasedMac, KEM-based MAC (RFC 9810 §5.1.3), PBMAC1 (RFC 8018).
const MACS: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.2.840.113533.7.66.13"),
    ObjectIdentifier::new_unwrap("1.2.840.113533.7.66.30"),
    ObjectIdentifier::new_unwrap("1.2.840.113533.7.66.16"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14"),
];

/// Signature algorithms of protection and of proof of possession (TS 33.310 clause 9.5.1): SHA-256 and SHA-384.
const ACCEPTED: [ObjectIdentifier; 4] =
    [ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, SHA256_WITH_RSA, SHA384_WITH_RSA];

/// The extraCerts with that which protects the message first: the one that senderKID names by its
/// subjectKeyIdentifier, or, without either, the one that bears the sender's name.
pub(crate) fn chain<'a, B>(message: &Message<'a, B>) -> Result<(Certificate, Vec<&'a [u8]>), Refusal> {
    let read = |der: &&'a [u8]| Certificate::from_der(der).ok();
    let certificates: Vec<_> = message.extra_certs.iter().map(read).collect();
    let is_named = |certificate: &Certificate| match (message.header.sender_kid, certificate.ski()) {
        (Some(kid), Some(ski)) => kid == ski,
        (Some(_), None) | (None, _) => message.header.sender_name() == Some(certificate.subject_der()),
    };
    let named = certificates.iter().position(|certificate| certificate.as_ref().is_some_and(is_named));
    let position = named.ok_or(Refusal::NoSigner)?;
    let signer = certificates.into_iter().nth(position).flatten().ok_or(Refusal::NoSigner)?;
    let mut chain = message.extra_certs.clone();
    chain.swap(0, position);
    Ok((signer, chain))
}

/// The signature of the message, by this certificate's key and under its name. The caller has let
/// [`check_algorithm`] pass.
pub(crate) fn verify<B>(message: &Message<'_, B>, signer: &Certificate) -> Result<(), Refusal> {
    check_sender(message, signer)?;
    let (Some(algorithm), Some(signature)) = (message.header.protection, message.protection) else {
        return Err(Refusal::Unprotected);
    };
    let signed = as_sequence(message.protected);
    verify_signature(signer.spki(), algorithm, &signed, signature).map_err(|error| match error {
        SignatureError::Broken => Refusal::BrokenHash,
        SignatureError::Algorithm | SignatureError::Key(_) => Refusal::Algorithm,
        SignatureError::Malformed | SignatureError::Mismatch => Refusal::Protection,
    })
}

/// The sender is a directoryName that equals the subject, octet for octet.
fn check_sender<B>(message: &Message<'_, B>, signer: &Certificate) -> Result<(), Refusal> {
    match message.header.sender_name() {
        Some(name) if name == signer.subject_der() => Ok(()),
        Some(_) | None => Err(Refusal::Sender),
    }
}

/// Whether the message is protected at all, and by an algorithm that is accepted: for any body, and before anybody
/// looks for a certificate, which who protects by a shared secret does not send.
pub(crate) fn check_algorithm<B>(message: &Message<'_, B>) -> Result<(), Refusal> {
    match (message.header.protection, message.protection) {
        (Some(algorithm), Some(_)) => accept(algorithm),
        (_, _) => Err(Refusal::Unprotected),
    }
}

/// `algorithm`: an AlgorithmIdentifier.
pub(crate) fn accept(algorithm: &[u8]) -> Result<(), Refusal> {
    let content = AnyRef::from_der(algorithm)?.value();
    let oid = ObjectIdentifier::decode(&mut SliceReader::new(content)?)?;
    if MACS.contains(&oid) {
        return Err(Refusal::Mac);
    }
    match ACCEPTED.contains(&oid) {
        true => Ok(()),
        false if has_broken_hash(oid) => Err(Refusal::BrokenHash),
        false => Err(Refusal::Algorithm),
    }
}
