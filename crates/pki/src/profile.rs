//! What the certificates say (TS 33.310 clause 6.1, RFC 5280 §4, RFC 4945 §5.1).

use crate::{PkiError, StatusUris};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use ids::{Realm, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
    date_time_ymd,
};
use std::net::IpAddr;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// notBefore lies this much before the order, for units whose clock is a little slow.
pub const BACKDATE: Duration = Duration::from_secs(300);
/// A device's certificate unless ordered otherwise.
pub const DEFAULT_VALIDITY: Duration = DAY.saturating_mul(30);
/// The longest for a gateway.
pub const LONGEST_GATEWAY: Duration = DAY.saturating_mul(398);
/// A certificate that signs OCSP responses: it cannot be revoked (id-pkix-ocsp-nocheck), so it ends soon.
pub const OCSP_SIGNER_VALIDITY: Duration = DAY.saturating_mul(14);
/// For a registration authority; it is issued anew [`RA_RENEWAL`] before its end.
pub(crate) const RA_VALIDITY: Duration = LONGEST_GATEWAY;
/// How long before its end a registration authority's certificate is replaced at the next start.
pub(crate) const RA_RENEWAL: Duration = DAY.saturating_mul(90);
/// Shorter than this, the back-dating would leave nothing.
pub(crate) const SHORTEST: Duration = HOUR;
const ROOT_VALIDITY: Duration = DAY.saturating_mul(30 * 365);
const ISSUING_VALIDITY: Duration = DAY.saturating_mul(20 * 365);

/// First and last second of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
}

impl Window {
    /// Back-dated from `now`; both ends count, hence the second less (RFC 5280 §4.1.2.5).
    pub(crate) fn from(now: UnixTime, span: Duration) -> Self {
        let not_before = UnixTime::from_secs(now.before(BACKDATE).secs());
        let not_after = not_before.after(span.saturating_sub(Duration::from_secs(1)));
        Self { not_before, not_after }
    }

    /// Of a CA that is not the root.
    pub(crate) fn issuing(now: UnixTime) -> Self {
        Self::from(now, ISSUING_VALIDITY)
    }

    /// The same, which ends no later than `end`.
    pub(crate) fn until(self, end: UnixTime) -> Self {
        Self { not_after: self.not_after.min(end), ..self }
    }
}

fn dated(params: &mut CertificateParams, window: Window) {
    let date = |time: UnixTime| {
        let seconds = u64::try_from(time.secs()).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = date(window.not_before);
    params.not_after = date(window.not_after);
}

/// 16 random octets with the first bit clear and the second set: positive, never short, 126 random bits.
pub(crate) fn serial() -> Result<[u8; 16], PkiError> {
    let mut octets = [0; 16];
    SystemRandom::new().fill(&mut octets).map_err(|_| PkiError::Signing)?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(octets)
}

pub(crate) fn subject(holder: &Holder<'_>) -> Result<DistinguishedName, PkiError> {
    let mut name = DistinguishedName::new();
    if let Some(country) = holder.country {
        name.push(DnType::CountryName, printable(country)?);
    }
    name.push(DnType::OrganizationName, holder.organization);
    name.push(DnType::CommonName, holder.common_name);
    Ok(name)
}

/// Two letters of ISO 3166, which a subject holds as PrintableString (RFC 5280 A.1).
fn printable(country: &str) -> Result<DnValue, PkiError> {
    let wrong = PkiError::Order("a country is two capital letters");
    let letters = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    let text = letters.then(|| country.try_into().ok()).flatten();
    text.map(DnValue::PrintableString).ok_or(wrong)
}

/// Whom certificates name.
pub(crate) struct Holder<'a> {
    pub(crate) country: Option<&'a str>,
    pub(crate) organization: &'a str,
    pub(crate) common_name: &'a str,
}

fn common(holder: &Holder<'_>, serial: [u8; 16], window: Window) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(holder)?;
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.use_authority_key_identifier_extension = true;
    dated(&mut params, window);
    Ok(params)
}

fn ca(holder: &Holder<'_>, below: u8, window: Window) -> Result<CertificateParams, PkiError> {
    let mut params = common(holder, serial()?, window)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// `below`: how many CAs stand between it and a device.
pub(crate) fn root(holder: &Holder<'_>, below: u8, now: UnixTime) -> Result<CertificateParams, PkiError> {
    ca(holder, below, Window::from(now, ROOT_VALIDITY))
}

/// A CA between root and issuing CA.
pub(crate) fn between(holder: &Holder<'_>, below: u8, now: UnixTime) -> Result<CertificateParams, PkiError> {
    ca(holder, below, Window::issuing(now))
}

/// An issuing CA: it may name only what lies inside `domain`. One, because strongSwan wants a name to
/// lie inside every one that is permitted (its issue 2432).
pub(crate) fn issuing(
    holder: &Holder<'_>,
    domain: &Realm,
    window: Window,
) -> Result<CertificateParams, PkiError> {
    let mut params = ca(holder, 0, window)?;
    let permitted_subtrees = vec![GeneralSubtree::DnsName(domain.to_string())];
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    Ok(params)
}

fn end_entity(holder: &Holder<'_>, serial: [u8; 16], window: Window) -> Result<CertificateParams, PkiError> {
    let mut params = common(holder, serial, window)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ipsec_ike()];
    Ok(params)
}

/// A device's certificate; its common name is its one dNSName.
pub(crate) fn device(
    holder: &Holder<'_>,
    serial: [u8; 16],
    window: Window,
    status: &StatusUris,
) -> Result<CertificateParams, PkiError> {
    let mut params = end_entity(holder, serial, window)?;
    params.subject_alt_names = vec![dns_name(holder.common_name)?];
    status.write(&mut params)?;
    Ok(params)
}

/// A gateway's certificate.
pub(crate) fn gateway(
    holder: &Holder<'_>,
    names: &[String],
    addresses: &[IpAddr],
    serial: [u8; 16],
    window: Window,
    status: &StatusUris,
) -> Result<CertificateParams, PkiError> {
    let mut params = end_entity(holder, serial, window)?;
    status.write(&mut params)?;
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    params.subject_alt_names = names.iter().map(|name| dns_name(name)).collect::<Result<_, _>>()?;
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    Ok(params)
}

/// A certificate that signs OCSP responses for its issuer (RFC 6960 §4.2.2.2): id-kp-OCSPSigning alone, and
/// id-pkix-ocsp-nocheck, since nobody asks the responder about itself. It names nobody.
pub(crate) fn ocsp_signer(
    holder: &Holder<'_>,
    serial: [u8; 16],
    window: Window,
) -> Result<CertificateParams, PkiError> {
    let mut params = end_entity(holder, serial, window)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params.custom_extensions = vec![CustomExtension::from_oid_content(OCSP_NOCHECK, DER_NULL.to_vec())];
    Ok(params)
}

/// The certificate of who protects CMP answers: it names no host, and serves for nothing else (RFC 9810 §4.5).
pub(crate) fn registration_authority(
    holder: &Holder<'_>,
    serial: [u8; 16],
    window: Window,
) -> Result<CertificateParams, PkiError> {
    let mut params = end_entity(holder, serial, window)?;
    params.extended_key_usages = vec![cmc_ra()];
    Ok(params)
}

/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1); its value is NULL.
const OCSP_NOCHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
const DER_NULL: [u8; 2] = [5, 0];

fn dns_name(name: &str) -> Result<SanType, PkiError> {
    name.try_into().map(SanType::DnsName).map_err(|_| PkiError::Order("a name in a certificate is ASCII"))
}

/// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
fn ipsec_ike() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 17])
}

/// id-kp-cmcRA (RFC 6402 §2.10).
fn cmc_ra() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 28])
}
