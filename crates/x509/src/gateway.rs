use crate::{AnchorSet, Certificate, PathError, path};
use ids::{CertSha256, UnixTime};
use std::net::IpAddr;

/// How a femtocell is told to recognise its gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayName {
    /// IDr is this ID_FQDN.
    Fqdn(String),
    /// IDr is this ID_IPV4_ADDR or ID_IPV6_ADDR.
    Address(IpAddr),
}

/// A gateway's certificate that leads to an anchor and bears the name asked for. Only
/// [`verify_gateway`] makes one.
#[derive(Clone, Debug)]
pub struct GatewayVerified {
    certificate: Certificate,
    valid_until: UnixTime,
    path: Vec<CertSha256>,
}

impl GatewayVerified {
    /// The public key as DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        self.certificate.spki()
    }

    /// The certificate as it reads.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Earliest notAfter on the path, the anchor's included.
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }

    /// SHA-256 of each certificate from the gateway's to the anchor's.
    pub fn path(&self) -> &[CertSha256] {
        &self.path
    }
}

/// Validates the gateway's chain (end entity first, then intermediates in any order) as a
/// femtocell does: path to one of `anchors`, profile as for devices, and `name` among the
/// subjectAltNames (ASCII case folded; no wildcards, no common name).
///
/// # Errors
/// [`PathError`], see there.
pub fn verify_gateway(
    anchors: &AnchorSet,
    name: &GatewayName,
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<GatewayVerified, PathError> {
    let certificate = path::end_entity(chain)?;
    if certificate.name_count() == 0 {
        return Err(PathError::NoName);
    }
    if !name.stands_in(&certificate) {
        return Err(PathError::NameMismatch);
    }
    path::check_end_entity(&certificate, &path::IKE, now)?;
    let found = path::build(anchors, &certificate, chain, &path::IKE, now)?;
    Ok(GatewayVerified { certificate, valid_until: found.valid_until, path: found.sha256s })
}

impl GatewayName {
    fn stands_in(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Fqdn(name) => certificate.dns_names().iter().any(|san| san.eq_ignore_ascii_case(name)),
            Self::Address(address) => certificate.ip_addresses().contains(address),
        }
    }
}
