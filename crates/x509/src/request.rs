use crate::certificate::Names;
use crate::path::signed_part;
use crate::signature::{self, SignatureError};
use crate::{KeyError, KeyKind};
use der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::request::{CertReq, ExtensionReq};

/// A PKCS#10 request whose sender holds the private key. Only [`verify_request`] makes one.
#[derive(Clone, Debug)]
pub struct RequestVerified {
    spki: Vec<u8>,
    key: KeyKind,
    names: Names,
}

/// Why a request proves no possession of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No DER PKCS#10 request (RFC 2986 §4), or one above 16 KiB.
    #[error("no DER certificate request")]
    Malformed,
    /// The key in it is not one that we accept.
    #[error("its key: {0}")]
    Key(#[from] KeyError),
    /// Signed with SHA-1, MD5 or an algorithm that we do not use.
    #[error("signature algorithm is not accepted")]
    Algorithm,
    /// The signature is not by the key in the request.
    #[error("the signature does not prove possession of the key")]
    Signature,
}

impl RequestVerified {
    /// The public key as DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What kind of key that is.
    pub fn key(&self) -> KeyKind {
        self.key
    }

    /// The dNSNames asked for. The order decides the name; these can only contradict it.
    pub fn dns_names(&self) -> &[String] {
        &self.names.dns
    }

    /// How many names of any kind were asked for.
    pub fn name_count(&self) -> usize {
        self.names.count()
    }
}

/// Reads a PKCS#10 request and verifies its signature with the key inside (RFC 2986 §3, note 2).
/// Subject and any extension but subjectAltName are not looked at: the CA's profile decides them.
///
/// # Errors
/// [`RequestError`], see there.
pub fn verify_request(der: &[u8]) -> Result<RequestVerified, RequestError> {
    if der.len() > 16 * 1024 {
        return Err(RequestError::Malformed);
    }
    let request = CertReq::from_der(der).map_err(|_| RequestError::Malformed)?;
    let spki = request.info.public_key.to_der().map_err(|_| RequestError::Malformed)?;
    let key = KeyKind::of_spki(&spki)?;
    verify_signature(der, &request, &spki)?;
    let names = names(&request).map_err(|_| RequestError::Malformed)?;
    Ok(RequestVerified { spki, key, names })
}

fn verify_signature(der: &[u8], request: &CertReq, spki: &[u8]) -> Result<(), RequestError> {
    let signed = signed_part(der).ok_or(RequestError::Malformed)?;
    let signature = request.signature.as_bytes().ok_or(RequestError::Malformed)?;
    let algorithm = request.algorithm.to_der().map_err(|_| RequestError::Malformed)?;
    signature::verify_signature(spki, &algorithm, signed, signature).map_err(|error| match error {
        SignatureError::Malformed => RequestError::Malformed,
        SignatureError::Key(error) => RequestError::Key(error),
        SignatureError::Broken | SignatureError::Algorithm => RequestError::Algorithm,
        SignatureError::Mismatch => RequestError::Signature,
    })
}

/// The subjectAltName of the extensionRequest attribute (RFC 2985 §5.4.2).
fn names(request: &CertReq) -> der::Result<Names> {
    let mut names = Names::default();
    let attributes = request.info.attributes.iter();
    for attribute in attributes.filter(|a| a.oid == <ExtensionReq as der::oid::AssociatedOid>::OID) {
        for value in attribute.values.iter() {
            let ExtensionReq(extensions) = value.decode_as()?;
            let san = <SubjectAltName as der::oid::AssociatedOid>::OID;
            for extension in extensions.iter().filter(|extension| extension.extn_id == san) {
                names = Names::from_der(extension.extn_value.as_bytes())?;
            }
        }
    }
    Ok(names)
}
