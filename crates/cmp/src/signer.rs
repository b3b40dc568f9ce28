use super::protection::{ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, SHA256_WITH_RSA};
use super::tlv::{self, tlv};
use std::fmt;
use x509::{Certificate, KeyKind};

/// A private key that protects messages: in a file, in a token.
pub trait ProtectionKey: Send + Sync {
    /// The public key as DER SubjectPublicKeyInfo.
    fn spki(&self) -> Vec<u8>;

    /// Its signature: ECDSA with SHA-256 (P-256) or SHA-384 (P-384) as DER, or RSA PKCS #1 with SHA-256. `None` when
    /// the key fails.
    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>>;
}

/// Why a key and certificates make no [`Signer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// There is none, or it does not read as one.
    #[error("no certificate")]
    NoCertificate,
    /// The certificate has another public key.
    #[error("the certificate is not the key's")]
    OtherKey,
    /// The certificate names no device, or several.
    #[error("the certificate has not the one name of a device")]
    NoDevice,
    /// The key did not sign.
    #[error("the key does not sign")]
    Fails,
    /// Neither P-256 nor P-384 nor RSA.
    #[error("keys are P-256, P-384 or RSA")]
    Kind,
}

/// Who protects messages: a key with its certificates.
pub struct Signer {
    key: Box<dyn ProtectionKey>,
    /// AlgorithmIdentifier of its signatures.
    algorithm: Vec<u8>,
    certificate: Certificate,
    /// Its own certificate, then the issuers.
    chain: Vec<Vec<u8>>,
}

impl Signer {
    /// `chain`: the key's certificate, then the issuers, an authority's root last, as DER.
    ///
    /// # Errors
    /// [`SignerError`], see there.
    pub fn new(key: Box<dyn ProtectionKey>, chain: Vec<Vec<u8>>) -> Result<Self, SignerError> {
        let first = chain.first().map(|der| Certificate::from_der(der));
        let Some(Ok(certificate)) = first else { return Err(SignerError::NoCertificate) };
        if key.spki() != certificate.spki() {
            return Err(SignerError::OtherKey);
        }
        let kind = certificate.key().map_err(|_| SignerError::Kind)?;
        Ok(Self { key, algorithm: algorithm(kind), certificate, chain })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(crate) fn algorithm(&self) -> &[u8] {
        &self.algorithm
    }

    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    pub(crate) fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(octets)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.certificate.subject())
    }
}

/// How a [`ProtectionKey`] of this kind signs.
pub(crate) fn algorithm(kind: KeyKind) -> Vec<u8> {
    let oid = |oid: der::asn1::ObjectIdentifier| tlv(0x06, &[oid.as_bytes()]);
    match kind {
        KeyKind::P256 => tlv(tlv::SEQUENCE, &[&oid(ECDSA_WITH_SHA256)]),
        KeyKind::P384 => tlv(tlv::SEQUENCE, &[&oid(ECDSA_WITH_SHA384)]),
        KeyKind::Rsa(_) => tlv(tlv::SEQUENCE, &[&oid(SHA256_WITH_RSA), &tlv(tlv::NULL, &[])]),
    }
}
