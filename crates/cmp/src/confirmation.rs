use super::Refusal;
use super::protection::{ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, SHA256_WITH_RSA, SHA384_WITH_RSA};
use super::tlv::{self, INTEGER, OCTET_STRING, SEQUENCE, sequence, tagged, tlv};
use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA384};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use x509::Certificate;

const IN_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const IN_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");

/// What a peer says of the certificate that it was sent (RFC 9810 §5.3.18).
#[derive(Clone, Debug)]
pub(crate) enum Confirmation<'a> {
    /// It takes the certificate with this hash into use.
    Accepted {
        hash: &'a [u8],
        /// The AlgorithmIdentifier of the hash, where a peer of version 3 gives one.
        algorithm: Option<&'a [u8]>,
    },
    /// It does not want it: said so, or confirmed none.
    Rejected,
}

impl<'a> Confirmation<'a> {
    /// Reads a CertConfirmContent.
    pub(crate) fn read(mut body: SliceReader<'a>) -> Result<Self, Refusal> {
        let mut list = sequence(&mut body)?;
        body.finish(())?;
        if list.is_finished() {
            return Ok(Self::Rejected);
        }
        let mut status = sequence(&mut list)?;
        if !list.is_finished() {
            return Err(Refusal::SeveralRequests);
        }
        let hash = tagged(&mut status, Tag::OctetString)?;
        let id = tagged(&mut status, Tag::Integer)?;
        let accepted = match tlv::next_is(&status, Tag::Sequence) {
            true => accepts(sequence(&mut status)?)?,
            false => true,
        };
        let algorithm = match tlv::optional(&mut status, TagNumber::N0)? {
            Some(mut content) => Some(tlv::sequence_bytes(&mut content)?),
            None => None,
        };
        status.finish(())?;
        match (id, accepted) {
            ([0], true) => Ok(Self::Accepted { hash, algorithm }),
            ([0], false) => Ok(Self::Rejected),
            (_, _) => Err(Refusal::RequestId),
        }
    }

    /// Whether this certificate is the one confirmed: by the hash of the certificate's own signature algorithm.
    pub(crate) fn is_about(&self, certificate: &[u8]) -> Result<(), Refusal> {
        let Self::Accepted { hash, algorithm } = self else { return Ok(()) };
        let read = Certificate::from_der(certificate).map_err(|_| Refusal::Failed)?;
        let (oid, own) = hash_of(read.signature_algorithm()).ok_or(Refusal::Failed)?;
        if let Some(algorithm) = algorithm
            && !names(algorithm, oid)
        {
            return Err(Refusal::Algorithm);
        }
        match digest::digest(own, certificate).as_ref() == *hash {
            true => Ok(()),
            false => Err(Refusal::OtherCertificate),
        }
    }
}

/// Whether a PKIStatusInfo says `accepted` or `grantedWithMods` rather than `rejection` (RFC 9810 §5.2.3).
fn accepts(mut status: SliceReader<'_>) -> Result<bool, Refusal> {
    let accepted = match tagged(&mut status, Tag::Integer)? {
        [0 | 1] => true,
        [2] => false,
        _ => return Err(Refusal::Malformed),
    };
    if tlv::next_is(&status, Tag::Sequence) {
        sequence(&mut status)?;
    }
    if tlv::next_is(&status, Tag::BitString) {
        tagged(&mut status, Tag::BitString)?;
    }
    Ok(status.finish(accepted)?)
}

/// A CertConfirmContent that accepts this certificate, without statusInfo (RFC 9810 §5.3.18). `None` when its signature
/// has an algorithm that certificates have not here.
pub(crate) fn acceptance(certificate: &[u8]) -> Option<Vec<u8>> {
    let read = Certificate::from_der(certificate).ok()?;
    let (_, algorithm) = hash_of(read.signature_algorithm())?;
    let hash = digest::digest(algorithm, certificate);
    let status = tlv(SEQUENCE, &[&tlv(OCTET_STRING, &[hash.as_ref()]), &tlv(INTEGER, &[&[0]])]);
    Some(tlv(SEQUENCE, &[&status]))
}

/// The hash of a signature algorithm that certificates have here (RFC 5758 §3.2, RFC 8017 A.2.4).
fn hash_of(signature: ObjectIdentifier) -> Option<(ObjectIdentifier, &'static Algorithm)> {
    match signature {
        ECDSA_WITH_SHA256 | SHA256_WITH_RSA => Some((IN_SHA256, &SHA256)),
        ECDSA_WITH_SHA384 | SHA384_WITH_RSA => Some((IN_SHA384, &SHA384)),
        _ => None,
    }
}

/// Whether an AlgorithmIdentifier is of this OBJECT IDENTIFIER.
fn names(algorithm: &[u8], oid: ObjectIdentifier) -> bool {
    let content = AnyRef::from_der(algorithm).map(|any| any.value());
    let read =
        content.and_then(SliceReader::new).and_then(|mut fields| ObjectIdentifier::decode(&mut fields));
    read.is_ok_and(|read| read == oid)
}
