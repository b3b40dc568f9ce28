use super::{Malformed, PayloadType};

/// Cert Encoding (RFC 7296 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertEncoding(pub u8);

impl CertEncoding {
    /// X.509 Certificate - Signature: one certificate in DER.
    pub const X509_SIGNATURE: Self = Self(4);
}

/// Certificate payload (RFC 7296 §3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// How to read `data`.
    pub encoding: CertEncoding,
    /// The certificate.
    pub data: Vec<u8>,
}

impl Certificate {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let (encoding, data) = split(body, PayloadType::CERT)?;
        Ok(Self { encoding, data: data.to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.encoding.0);
        out.extend_from_slice(&self.data);
    }
}

/// Certificate Request payload (RFC 7296 §3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// What kind of certificate is asked for.
    pub encoding: CertEncoding,
    /// Concatenated SHA-1 hashes, 20 octets each, of the SubjectPublicKeyInfo of trusted anchors.
    pub authorities: Vec<u8>,
}

impl CertificateRequest {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let (encoding, authorities) = split(body, PayloadType::CERTREQ)?;
        Ok(Self { encoding, authorities: authorities.to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.encoding.0);
        out.extend_from_slice(&self.authorities);
    }
}

fn split(body: &[u8], kind: PayloadType) -> Result<(CertEncoding, &[u8]), Malformed> {
    let (encoding, data) = body.split_first().ok_or(Malformed::Payload(kind))?;
    Ok((CertEncoding(*encoding), data))
}
