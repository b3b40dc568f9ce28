//! Asking a CA's OCSP responder about one certificate (RFC 6960), and what counts as an answer.
//!
//! - **The question** has one CertID, by SHA-1 as every responder knows it (RFC 5019 §2.1.1; it tells issuers apart and
//!   protects nothing), and a nonce of [`NONCE`] octets (RFC 9654 §2.1).
//! - **The answer** must have that very nonce. One without it may be an older one that somebody kept, as it comes
//!   over plain HTTP: for a CA whose responder leaves the nonce out, its revocation list is what helps.
//! - **Who signs**: the CA itself, or whom it delegated by [`verify_ocsp_signer`]; no locally trusted responder. It is
//!   the one that responderID names. Whether its own certificate was revoked is not asked.
//! - `unknown`, every status but `successful`, and whatever does not verify or is not of now count as no answer
//!   ([`NoAnswer`]). RFC 6960 §2.2 has `good` for any serial number that is not revoked; that nobody issued it, the
//!   certificate's own signature excludes.

use crate::certificate::{sequence, unix_time};
use crate::key::public_key_octets;
use crate::{
    Anchor, Certificate, PathError, Revoked, SerialNumber, SignatureError, verify_ocsp_signer,
    verify_signature,
};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::asn1::{AnyRef, BitStringRef, Null, ObjectIdentifier, OctetString, OctetStringRef};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Reader, Sequence, SliceReader};
use ids::UnixTime;
use std::time::Duration;
use x509_cert::ext::Extension;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, ResponderId, ResponseData, SingleResponse, TbsRequest, Version,
};

/// Octets of our nonce (RFC 9654 §2.1: what a client should send).
pub const NONCE: usize = 32;
/// Octets of a response: one certificate, its signer's and those above take 8 KiB with RSA of 4096 bits.
pub const MAX_RESPONSE: usize = 16 * 1024;
/// Certificates in a response that are looked at.
pub const MAX_SIGNERS: usize = 4;

/// How far a CA's clock may be before ours.
pub(crate) const SKEW: Duration = Duration::from_secs(300);
/// For how long an answer without nextUpdate counts: newer information is always there (RFC 6960 §4.2.2.1).
const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(3600);

/// id-sha1.
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// id-pkix-ocsp-nonce (RFC 6960 §4.4.1).
const OCSP_NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// One question, for which one response is the answer.
#[derive(Clone, Debug)]
pub struct OcspQuestion {
    asked: CertId,
    /// The nonce's extnValue.
    nonce: OctetString,
    der: Vec<u8>,
}

/// What the CA says of the certificate that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcspAnswer {
    /// `None`: it is good.
    pub revoked: Option<Revoked>,
    /// When the CA knew this.
    pub this_update: UnixTime,
    /// For how long it may be used.
    pub until: UnixTime,
}

/// Why a response is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// More than [`MAX_RESPONSE`] octets.
    #[error("the response is larger than one may be")]
    TooLarge,
    /// No OCSPResponse with a BasicOCSPResponse in DER.
    #[error("no OCSP response in DER")]
    Malformed,
    /// The responder refuses to answer (RFC 6960 §4.2.1).
    #[error("the responder does not answer: {0}")]
    Refused(&'static str),
    /// A critical extension.
    #[error("the response has a critical extension that is not understood")]
    CriticalExtension,
    /// It has none, or another: made for somebody else, or earlier.
    #[error("the nonce is not that of the question")]
    Nonce,
    /// It is about other certificates.
    #[error("the response is about another certificate")]
    OtherCertificate,
    /// Its time is over.
    #[error("the response is stale")]
    Stale,
    /// thisUpdate is still to come.
    #[error("the response is from the future")]
    Future,
    /// The responder knows nothing about it.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// No certificate in it is that of the responder that it names, nor is it the CA.
    #[error("nobody who may answer for the CA has signed it")]
    NoSigner,
    /// The responder's certificate does not speak for the CA.
    #[error("the signer's certificate: {0}")]
    Signer(#[from] PathError),
    /// Not by the signer's key.
    #[error("its signature: {0}")]
    Signature(#[from] SignatureError),
}

impl NoAnswer {
    /// Stable, for events and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "ocsp-too-large",
            Self::Malformed => "ocsp-malformed",
            Self::Refused(_) => "ocsp-refused",
            Self::CriticalExtension => "ocsp-unknown-critical",
            Self::Nonce => "ocsp-nonce",
            Self::OtherCertificate => "ocsp-other-certificate",
            Self::Stale => "ocsp-stale",
            Self::Future => "ocsp-future",
            Self::Unknown => "ocsp-unknown",
            Self::NoSigner => "ocsp-no-signer",
            Self::Signer(_) => "ocsp-signer",
            Self::Signature(_) => "ocsp-bad-signature",
        }
    }
}

impl From<der::Error> for NoAnswer {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl OcspQuestion {
    /// About the certificate of `issuer` with this serial number. `nonce`: drawn anew for each question.
    ///
    /// # Errors
    /// [`NoAnswer::Malformed`], for a serial number that no certificate may have.
    pub fn new(issuer: &Anchor, serial: SerialNumber, nonce: [u8; NONCE]) -> Result<Self, NoAnswer> {
        let ca = issuer.certificate();
        let key = public_key_octets(ca.spki()).ok_or(NoAnswer::Malformed)?;
        let asked = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(Null.into()) },
            issuer_name_hash: OctetString::new(sha1(ca.subject_der()))?,
            issuer_key_hash: OctetString::new(sha1(key))?,
            serial_number: x509_cert::serial_number::SerialNumber::from_der(&integer(serial)?)?,
        };
        let nonce = OctetString::new(OctetStringRef::new(&nonce)?.to_der()?)?;
        let extension = Extension { extn_id: OCSP_NONCE, critical: false, extn_value: nonce.clone() };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![Request { req_cert: asked.clone(), single_request_extensions: None }],
            request_extensions: Some(vec![extension]),
        };
        let der = OcspRequest { tbs_request, optional_signature: None }.to_der()?;
        Ok(Self { asked, nonce, der })
    }

    /// The OCSPRequest in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What a response by `issuer`, whom the question is about, says at `now`. Costs [`MAX_SIGNERS`] path checks of one
    /// signature and as many verifications at most, and none before the rest has been looked at.
    ///
    /// # Errors
    /// [`NoAnswer`], see there.
    pub fn answer(&self, issuer: &Anchor, response: &[u8], now: UnixTime) -> Result<OcspAnswer, NoAnswer> {
        if response.len() > MAX_RESPONSE {
            return Err(NoAnswer::TooLarge);
        }
        let response = OcspResponse::from_der(response)?;
        refusal(response.response_status).map_or(Ok(()), Err)?;
        let bytes = response.response_bytes.ok_or(NoAnswer::Malformed)?;
        if bytes.response_type != BasicOcspResponse::OID {
            return Err(NoAnswer::Malformed);
        }
        let basic = Basic::from_der(bytes.response.as_bytes())?;
        let data = ResponseData::from_der(&basic.data)?;
        self.check_nonce(data.response_extensions.as_deref().unwrap_or_default())?;
        let answer = self.find(&data.responses, now)?;
        basic.verify(issuer, &data.responder_id, now)?;
        answer.ok_or(NoAnswer::Unknown)
    }

    fn check_nonce(&self, extensions: &[Extension]) -> Result<(), NoAnswer> {
        let mut nonces = extensions.iter().filter(|extension| extension.extn_id == OCSP_NONCE);
        if extensions.iter().any(|extension| extension.critical && extension.extn_id != OCSP_NONCE) {
            return Err(NoAnswer::CriticalExtension);
        }
        match (nonces.next(), nonces.next()) {
            (Some(nonce), None) if nonce.extn_value == self.nonce => Ok(()),
            _ => Err(NoAnswer::Nonce),
        }
    }

    /// What it says of the one certificate; `None` for `unknown`.
    fn find(&self, responses: &[SingleResponse], now: UnixTime) -> Result<Option<OcspAnswer>, NoAnswer> {
        let mut about = responses.iter().filter(|single| self.is_about(&single.cert_id));
        let (Some(single), None) = (about.next(), about.next()) else {
            return Err(NoAnswer::OtherCertificate);
        };
        if single.single_extensions.iter().flatten().any(|extension| extension.critical) {
            return Err(NoAnswer::CriticalExtension);
        }
        let this_update = time(single.this_update);
        let until = single.next_update.map_or(this_update.after(WITHOUT_NEXT_UPDATE), time);
        if this_update > now.after(SKEW) {
            return Err(NoAnswer::Future);
        }
        if until < now {
            return Err(NoAnswer::Stale);
        }
        let revoked = match single.cert_status {
            CertStatus::Good(_) => None,
            CertStatus::Revoked(info) => {
                Some(Revoked { at: time(info.revocation_time), reason: info.revocation_reason })
            }
            CertStatus::Unknown(_) => return Ok(None),
        };
        Ok(Some(OcspAnswer { revoked, this_update, until }))
    }

    /// The parameters of the hash may be left out.
    fn is_about(&self, id: &CertId) -> bool {
        id.hash_algorithm.oid == self.asked.hash_algorithm.oid
            && id.issuer_name_hash == self.asked.issuer_name_hash
            && id.issuer_key_hash == self.asked.issuer_key_hash
            && id.serial_number == self.asked.serial_number
    }
}

/// A BasicOCSPResponse (RFC 6960 §4.2.1) in its parts; **nothing has been verified**.
struct Basic {
    /// tbsResponseData, header included.
    data: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

/// The same, as it stands in DER.
#[derive(Sequence)]
struct BasicDer<'a> {
    data: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    certificates: Option<AnyRef<'a>>,
}

impl Basic {
    fn from_der(der: &[u8]) -> Result<Self, NoAnswer> {
        let basic = BasicDer::from_der(der)?;
        let mut certificates = Vec::new();
        if let Some(list) = basic.certificates {
            let list = list.to_der()?;
            let mut list = sequence(&mut SliceReader::new(&list)?)?;
            while !list.is_finished() {
                certificates.push(list.tlv_bytes()?.to_vec());
            }
        }
        Ok(Self {
            data: basic.data.to_der()?,
            algorithm: basic.algorithm.to_der()?,
            signature: basic.signature.as_bytes().ok_or(NoAnswer::Malformed)?.to_vec(),
            certificates,
        })
    }

    /// Whether who it says has signed it, and may speak for the CA.
    fn verify(&self, issuer: &Anchor, responder: &ResponderId, now: UnixTime) -> Result<(), NoAnswer> {
        if is_named(issuer.certificate(), responder) {
            return Ok(self.verify_by(issuer.certificate())?);
        }
        for der in self.certificates.iter().take(MAX_SIGNERS) {
            let Ok(signer) = Certificate::from_der(der) else { continue };
            if is_named(&signer, responder) {
                verify_ocsp_signer(issuer, der, now)?;
                return Ok(self.verify_by(&signer)?);
            }
        }
        Err(NoAnswer::NoSigner)
    }

    fn verify_by(&self, signer: &Certificate) -> Result<(), SignatureError> {
        verify_signature(signer.spki(), &self.algorithm, &self.data, &self.signature)
    }
}

/// Whether a responderID is that of a certificate: its subject, or SHA-1 over its key (RFC 6960 §4.2.1).
fn is_named(certificate: &Certificate, responder: &ResponderId) -> bool {
    match responder {
        ResponderId::ByName(name) => name.to_der().is_ok_and(|name| name == certificate.subject_der()),
        ResponderId::ByKey(hash) => {
            public_key_octets(certificate.spki()).is_some_and(|key| sha1(key) == hash.as_bytes())
        }
    }
}

fn refusal(status: OcspResponseStatus) -> Option<NoAnswer> {
    match status {
        OcspResponseStatus::Successful => None,
        OcspResponseStatus::MalformedRequest => Some(NoAnswer::Refused("malformedRequest")),
        OcspResponseStatus::InternalError => Some(NoAnswer::Refused("internalError")),
        OcspResponseStatus::TryLater => Some(NoAnswer::Refused("tryLater")),
        OcspResponseStatus::SigRequired => Some(NoAnswer::Refused("sigRequired")),
        OcspResponseStatus::Unauthorized => Some(NoAnswer::Refused("unauthorized")),
    }
}

fn sha1(octets: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref().to_vec()
}

/// A serial number as INTEGER in DER; it has at most 21 octets.
fn integer(serial: SerialNumber) -> Result<Vec<u8>, NoAnswer> {
    let length = u8::try_from(serial.octets().len()).map_err(|_| NoAnswer::Malformed)?;
    Ok([&[2, length], serial.octets()].concat())
}

fn time(time: OcspGeneralizedTime) -> UnixTime {
    unix_time(Time::GeneralTime(time.0))
}
