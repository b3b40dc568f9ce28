use crate::{Anchor, Certificate, PathError, Place, path};
use ids::UnixTime;
use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage};

/// id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9 (RFC 6960 §4.2.2.2), as DER content.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

/// Whether whoever holds the key in the certificate `der` may sign OCSP responses about what `issuer` issued
/// (RFC 6960 §4.2.2.2): that very CA signed it, it is valid at `now`, its extKeyUsage has id-kp-OCSPSigning
/// (anyExtendedKeyUsage does not do) and its keyUsage, where there is one, digitalSignature.
///
/// Its own revocation is not evaluated, and how long it lives is not judged.
///
/// # Errors
/// [`PathError`], see there.
pub fn verify_ocsp_signer(issuer: &Anchor, der: &[u8], now: UnixTime) -> Result<(), PathError> {
    let place = Place::EndEntity;
    let certificate = Certificate::from_der(der).map_err(|_| PathError::Malformed(place))?;
    if certificate.is_ca() {
        return Err(PathError::CaAsEndEntity);
    }
    path::check_validity(issuer.certificate(), Place::Anchor, now)?;
    path::check_validity(&certificate, place, now)?;
    if !certificate.key_usage().is_none_or(|usage| usage.digital_signature()) {
        return Err(PathError::KeyUsage(place));
    }
    path::check_extensions(&certificate, place)?;
    path::check_strength(&certificate, place)?;
    let der = CertificateDer::from(der);
    let signer = EndEntityCert::try_from(&der).map_err(|error| path::of_webpki(&error, place))?;
    let trusts = std::slice::from_ref(&issuer.trust);
    let usage = KeyUsage::required(OCSP_SIGNING);
    let verified =
        signer.verify_for_usage(&path::ALGORITHMS, trusts, &[], path::seconds(now), usage, None, None);
    verified.map(drop).map_err(|error| path::of_webpki(&error, place))
}
