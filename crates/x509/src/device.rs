use crate::{Anchors, Certificate, KeyKind, PathError, path};
use ids::{CertSha256, DeviceName, UnixTime};
use std::fmt;
use std::time::Duration;

/// What may vary in the path checks of devices. How long a certificate may live is not among it:
/// that is a fact for `admission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePolicy {
    /// Accept the IKE-intermediate purpose of older profiles where ipsecIKE is missing. Default: yes.
    pub older_purpose: bool,
    /// Which certificates are taken though they have ended. Default: none.
    pub extension: Option<Extension>,
}

/// Devices' certificates of some issuing CAs are taken until a time, though they have ended. Every other check is as ever; that
/// none of them is revoked is for whoever knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The certificates of the issuing CAs, which are judged as of now.
    pub issuers: Vec<CertSha256>,
    /// What ended before then is not taken.
    pub from: UnixTime,
    /// Until when.
    pub until: UnixTime,
}

impl Extension {
    fn is_about(&self, certificate: &Certificate, now: UnixTime) -> bool {
        let end = certificate.not_after();
        self.from <= end && end.secs() < now.secs() && now <= self.until
    }

    /// When the path ends.
    fn end_of(&self, found: &path::Found, now: UnixTime) -> Result<UnixTime, PathError> {
        if found.sha256s.get(1).is_none_or(|issuer| !self.issuers.contains(issuer)) {
            return Err(PathError::Expired(crate::Place::EndEntity));
        }
        match now <= found.issuers_until {
            true => Ok(self.until.min(found.issuers_until)),
            false => Err(PathError::Expired(crate::Place::Issuer)),
        }
    }
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self { older_purpose: true, extension: None }
    }
}

/// Something that a person should see, though it refuses nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// extKeyUsage has the older IKE-intermediate purpose only.
    OlderPurpose,
    /// No keyUsage extension.
    NoKeyUsage,
    /// keyUsage is not marked critical or allows more than signatures.
    WideKeyUsage,
    /// Signed up to notAfter 99991231235959Z, "no end".
    NoEnd,
    /// An issuer or the anchor ends before the device's certificate does.
    IssuerEndsFirst,
    /// Serial number with less than 64 bits.
    ShortSerial,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OlderPurpose => "extKeyUsage has the older IKE purpose only",
            Self::NoKeyUsage => "it has no keyUsage",
            Self::WideKeyUsage => "keyUsage is not critical, or allows more than signatures",
            Self::NoEnd => "it has no end",
            Self::IssuerEndsFirst => "an issuer or the anchor ends before it does",
            Self::ShortSerial => "its serial number has less than 64 bits",
        })
    }
}

/// A device's certificate, its name and its path to an anchor of its realm: evidence that only
/// [`verify_device`], [`verify_device_by_subject`] and [`verify_device_by_certificate`] make. It does not say that the peer holds the key;
/// `AuthVerified` does.
#[derive(Clone, Debug)]
pub struct CertPathVerified {
    name: DeviceName,
    certificate: Certificate,
    key: KeyKind,
    valid_until: UnixTime,
    path: Vec<CertSha256>,
    warnings: Vec<Warning>,
    extended: bool,
}

impl CertPathVerified {
    /// The device under the realm that vouches for it.
    pub fn name(&self) -> &DeviceName {
        &self.name
    }

    /// SHA-256 over the certificate, the name of the credential in the ledger.
    pub fn cert_sha256(&self) -> CertSha256 {
        self.certificate.sha256()
    }

    /// The public key as DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        self.certificate.spki()
    }

    /// What kind of key that is.
    pub fn key(&self) -> KeyKind {
        self.key
    }

    /// The subjectKeyIdentifier, where there is one.
    pub fn ski(&self) -> Option<&[u8]> {
        self.certificate.ski()
    }

    /// The serial number in lower-case hex.
    pub fn serial(&self) -> String {
        self.certificate.serial()
    }

    /// First second of validity.
    pub fn not_before(&self) -> UnixTime {
        self.certificate.not_before()
    }

    /// Last second of validity.
    pub fn not_after(&self) -> UnixTime {
        self.certificate.not_after()
    }

    /// How long the certificate is valid in all: notAfter - notBefore. `admission` judges it.
    pub fn validity(&self) -> Duration {
        self.not_after().since(self.not_before())
    }

    /// Whether it has ended, and counts by an [`Extension`] alone.
    pub fn is_extended(&self) -> bool {
        self.extended
    }

    /// Earliest notAfter on the path, the anchor's included; of one that is extended, the end of that or of its issuers.
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }

    /// How long the path remains valid, to the end of the second that [`Self::valid_until`] names: a tunnel
    /// must not outlive it, and while it lasts a unit whose tunnel ended would be let in again.
    pub fn remaining(&self, now: UnixTime) -> Duration {
        self.valid_until.after(Duration::from_secs(1)).since(now)
    }

    /// The issuer's name as text, for people.
    pub fn issuer(&self) -> String {
        self.certificate.issuer()
    }

    /// SHA-256 of each certificate from the device's to the anchor's.
    pub fn path(&self) -> &[CertSha256] {
        &self.path
    }

    /// What a person should see, though it refuses nobody.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Validates a device's chain: `idi` are the octets of an IDi of type ID_FQDN, `chain` the DER
/// certificates as they came, end entity first, intermediates in any order, root not needed.
///
/// # Errors
/// [`PathError`]: the first check that failed, cheap ones first.
pub fn verify_device(
    anchors: &Anchors,
    policy: &DevicePolicy,
    idi: &[u8],
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<CertPathVerified, PathError> {
    let claimed = device_name(idi).ok_or(PathError::IdentityMalformed)?;
    let certificate = path::end_entity(chain)?;
    let dns_name = only_dns_name(&certificate)?;
    if !dns_name.as_bytes().eq_ignore_ascii_case(idi) {
        return Err(PathError::NameMismatch);
    }
    verify_named(anchors, policy, claimed, certificate, chain, now)
}

/// As [`verify_device`] for units that present an IDi of type ID_DER_ASN1_DN: `subject` are its
/// octets and must equal the certificate's subject octet for octet. The device's name still comes
/// from the one dNSName. For a named legacy profile only; nothing else calls this.
///
/// # Errors
/// [`PathError`], as there.
pub fn verify_device_by_subject(
    anchors: &Anchors,
    policy: &DevicePolicy,
    subject: &[u8],
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<CertPathVerified, PathError> {
    let certificate = path::end_entity(chain)?;
    if certificate.subject_der() != subject {
        return Err(PathError::SubjectMismatch);
    }
    let name = device_name(only_dns_name(&certificate)?.as_bytes()).ok_or(PathError::IdentityMalformed)?;
    verify_named(anchors, policy, name, certificate, chain, now)
}

/// As [`verify_device`] where the peer claims no name beside its certificate, as in CMP and EST: the device's
/// name is the one dNSName.
///
/// # Errors
/// [`PathError`], as there.
pub fn verify_device_by_certificate(
    anchors: &Anchors,
    policy: &DevicePolicy,
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<CertPathVerified, PathError> {
    let certificate = path::end_entity(chain)?;
    let name = device_name(only_dns_name(&certificate)?.as_bytes()).ok_or(PathError::IdentityMalformed)?;
    verify_named(anchors, policy, name, certificate, chain, now)
}

fn verify_named(
    anchors: &Anchors,
    policy: &DevicePolicy,
    name: DeviceName,
    certificate: Certificate,
    chain: &[&[u8]],
    now: UnixTime,
) -> Result<CertPathVerified, PathError> {
    let set = anchors.of(&name.realm).ok_or(PathError::UnknownRealm)?;
    let extension = policy.extension.as_ref().filter(|extension| extension.is_about(&certificate, now));
    let at = extension.map_or(now, |_| certificate.not_after());
    let key = path::check_end_entity(&certificate, &path::IKE, at)?;
    if !policy.older_purpose && path::has_older_purpose_only(&certificate) {
        return Err(PathError::ExtendedKeyUsage(crate::Place::EndEntity));
    }
    let found = path::build(set, &certificate, chain, &path::IKE, at)
        .map_err(|error| elsewhere(error, anchors, &name, chain))?;
    let warnings = warnings(&certificate, found.valid_until);
    let valid_until = extension.map_or(Ok(found.valid_until), |extension| extension.end_of(&found, now))?;
    Ok(CertPathVerified {
        name,
        certificate,
        key,
        valid_until,
        path: found.sha256s,
        warnings,
        extended: extension.is_some(),
    })
}

fn device_name(octets: &[u8]) -> Option<DeviceName> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

fn only_dns_name(certificate: &Certificate) -> Result<&str, PathError> {
    match (certificate.dns_names(), certificate.name_count()) {
        ([name], 1) => Ok(name),
        ([], _) => Err(PathError::NoName),
        (_, _) => Err(PathError::SeveralNames),
    }
}

/// Says so when an untrusted chain points by name at an anchor of another realm. Only the reason
/// becomes more exact; the answer is no in both cases.
fn elsewhere(error: PathError, anchors: &Anchors, name: &DeviceName, chain: &[&[u8]]) -> PathError {
    let points_elsewhere = |der: &&[u8]| {
        Certificate::from_der(der)
            .is_ok_and(|cert| anchors.other_realm_has_subject(&name.realm, cert.issuer_der()))
    };
    let astray = error == PathError::Untrusted && chain.iter().any(points_elsewhere);
    if astray { PathError::OtherRealm } else { error }
}

fn warnings(certificate: &Certificate, valid_until: UnixTime) -> Vec<Warning> {
    let no_end = UnixTime::from_micros(i64::MAX);
    let usage = certificate.key_usage();
    [
        (path::has_older_purpose_only(certificate), Warning::OlderPurpose),
        (usage.is_none(), Warning::NoKeyUsage),
        (usage.is_some_and(path::is_wide), Warning::WideKeyUsage),
        (certificate.not_after() == no_end, Warning::NoEnd),
        (valid_until < certificate.not_after(), Warning::IssuerEndsFirst),
        (certificate.serial().len() < 16, Warning::ShortSerial),
    ]
    .into_iter()
    .filter_map(|(applies, warning)| applies.then_some(warning))
    .collect()
}
