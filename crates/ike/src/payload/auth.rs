use super::Malformed;
use crate::reader::Reader;

/// Auth Method (RFC 7296 §3.8, RFC 4754 §5, RFC 7427 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthMethod(pub u8);

impl AuthMethod {
    /// RSA Digital Signature: PKCS #1 v1.5 with SHA-1.
    pub const RSA_SHA1: Self = Self(1);
    /// Shared Key Message Integrity Code: refused here.
    pub const SHARED_KEY: Self = Self(2);
    /// ECDSA with SHA-256 on P-256.
    pub const ECDSA_SHA256_P256: Self = Self(9);
    /// ECDSA with SHA-384 on P-384.
    pub const ECDSA_SHA384_P384: Self = Self(10);
    /// NULL Authentication (RFC 7619): refused here.
    pub const NULL: Self = Self(13);
    /// Digital Signature (RFC 7427).
    pub const DIGITAL_SIGNATURE: Self = Self(14);
}

/// Authentication payload (RFC 7296 §3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// How `data` was made.
    pub method: AuthMethod,
    /// Signature; for method 14 behind its AlgorithmIdentifier (RFC 7427 §3).
    pub data: Vec<u8>,
}

impl Authentication {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let [method, _, _, _] = reader.array()?;
        Ok(Self { method: AuthMethod(method), data: reader.rest().to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.method.0, 0, 0, 0]);
        out.extend_from_slice(&self.data);
    }
}
