use super::Refusal;
use der::Decode;
use der::asn1::{ObjectIdentifier, OctetString, OctetStringRef};
use x509_cert::ext::Extension;
use x509_ocsp::{CertId, OcspRequest, Request};

/// Octets of a request: [`MAX_ASKED`] certificates with SHA-256 take 2 KiB, a signature with two certificates
/// as much again, and there is some air.
pub const MAX_REQUEST: usize = 8 * 1024;
/// Certificates that one request may ask about: a chain or two.
pub const MAX_ASKED: usize = 16;
/// Octets of a nonce (RFC 9654 §2.1).
pub const MAX_NONCE: usize = 128;

/// id-pkix-ocsp-nonce (RFC 6960 §4.4.1).
pub(super) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// What a request is about. Nothing in it has been compared with anything of ours.
pub(crate) struct Asked {
    /// 1 to [`MAX_ASKED`], as they stand there.
    pub(crate) certificates: Vec<CertId>,
    /// The nonce's extnValue: an OCTET STRING in DER.
    pub(crate) nonce: Option<OctetString>,
}

impl Asked {
    /// Reads one OCSPRequest (RFC 6960 §4.1.1).
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Refusal> {
        if der.len() > MAX_REQUEST {
            return Err(Refusal::TooLarge);
        }
        let request = OcspRequest::from_der(der).map_err(|_| Refusal::Malformed)?.tbs_request;
        match request.request_list.len() {
            0 => return Err(Refusal::Malformed),
            1..=MAX_ASKED => (),
            _ => return Err(Refusal::TooMany),
        }
        let nonce = nonce(request.request_extensions.unwrap_or_default())?;
        let certificates = request.request_list.into_iter().map(certificate).collect::<Result<_, _>>()?;
        Ok(Self { certificates, nonce })
    }
}

fn certificate(request: Request) -> Result<CertId, Refusal> {
    match request.single_request_extensions.unwrap_or_default().iter().any(|extension| extension.critical) {
        true => Err(Refusal::CriticalExtension),
        false => Ok(request.req_cert),
    }
}

fn nonce(extensions: Vec<Extension>) -> Result<Option<OctetString>, Refusal> {
    let mut nonce = None;
    for extension in extensions {
        if extension.extn_id == NONCE {
            let value = OctetStringRef::from_der(extension.extn_value.as_bytes());
            let length = value.map_err(|_| Refusal::Nonce)?.as_bytes().len();
            if !(1..=MAX_NONCE).contains(&length) || nonce.replace(extension.extn_value).is_some() {
                return Err(Refusal::Nonce);
            }
        } else if extension.critical {
            return Err(Refusal::CriticalExtension);
        }
    }
    Ok(nonce)
}
