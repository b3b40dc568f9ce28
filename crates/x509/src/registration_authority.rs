use crate::{AnchorSet, Certificate, PathError, Place, path};
use ids::UnixTime;

/// A registration authority's certificate that leads to an anchor. Only [`verify_registration_authority`] makes one.
#[derive(Clone, Debug)]
pub struct RegistrationAuthorityVerified {
    certificate: Certificate,
    valid_until: UnixTime,
}

impl RegistrationAuthorityVerified {
    /// The certificate as it reads.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Earliest notAfter on the path, the anchor's included.
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }
}

/// Validates the chain of who protects CMP answers (its own certificate first, then intermediates in any order)
/// as a femtocell does: path to one of `anchors`, digitalSignature, and extKeyUsage id-kp-cmcRA, which must be
/// there (RFC 9810 §4.5): without it any certified device could speak for the authority.
///
/// # Errors
/// [`PathError`], see there.
pub fn verify_registration_authority(
    anchors: &AnchorSet,
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<RegistrationAuthorityVerified, PathError> {
    let certificate = path::end_entity(chain)?;
    if certificate.purposes().is_none() {
        return Err(PathError::ExtendedKeyUsage(Place::EndEntity));
    }
    path::check_end_entity(&certificate, &path::CMC_RA, now)?;
    let found = path::build(anchors, &certificate, chain, &path::CMC_RA, now)?;
    Ok(RegistrationAuthorityVerified { certificate, valid_until: found.valid_until })
}
