use crate::{KeyError, KeyKind};
use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use ids::{CertSha256, Sha256, UnixTime};
use std::net::IpAddr;
use x509_cert::TbsCertificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};

/// One X.509 v3 certificate as it reads; **nothing about it has been verified**.
#[derive(Clone, Debug)]
pub struct Certificate {
    sha256: CertSha256,
    serial: Vec<u8>,
    issuer: String,
    issuer_der: Vec<u8>,
    subject: String,
    subject_der: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
    spki: Vec<u8>,
    ski: Option<Vec<u8>>,
    names: Names,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) purposes: Option<Vec<ObjectIdentifier>>,
    pub(crate) signature_algorithm: ObjectIdentifier,
}

/// The subjectAltName, by kind.
#[derive(Clone, Debug, Default)]
struct Names {
    dns: Vec<String>,
    ip: Vec<IpAddr>,
    others: usize,
}

/// The bytes are no DER certificate of version 3 (RFC 5280 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no DER certificate of version 3")]
pub struct Malformed;

impl From<der::Error> for Malformed {
    fn from(_: der::Error) -> Self {
        Self
    }
}

impl Certificate {
    /// Reads one DER certificate; trailing octets, repeated extensions and versions 1 and 2 are
    /// malformed. Takes a few microseconds and verifies nothing.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let parsed = x509_cert::Certificate::from_der(der)?;
        let tbs = &parsed.tbs_certificate;
        if tbs.version != x509_cert::Version::V3 {
            return Err(Malformed);
        }
        let time = |time: x509_cert::time::Time| {
            UnixTime::from_secs(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        Ok(Self {
            sha256: sha256(der),
            serial: tbs.serial_number.as_bytes().to_vec(),
            issuer: printable(&tbs.issuer.to_string()),
            issuer_der: tbs.issuer.to_der()?,
            subject: printable(&tbs.subject.to_string()),
            subject_der: tbs.subject.to_der()?,
            not_before: time(tbs.validity.not_before),
            not_after: time(tbs.validity.not_after),
            spki: tbs.subject_public_key_info.to_der()?,
            ski: tbs.get::<SubjectKeyIdentifier>()?.map(|(_, ski)| ski.0.into_bytes()),
            names: Names::of(tbs)?,
            basic_constraints: tbs.get()?.map(|(_, constraints)| constraints),
            key_usage: tbs.get()?.map(|(_, usage)| usage),
            purposes: tbs.get::<ExtendedKeyUsage>()?.map(|(_, purposes)| purposes.0),
            signature_algorithm: parsed.signature_algorithm.oid,
        })
    }

    /// SHA-256 over the whole DER.
    pub fn sha256(&self) -> CertSha256 {
        self.sha256
    }

    /// The serial number in lower-case hex, as the octets of the INTEGER, most significant first.
    pub fn serial(&self) -> String {
        self.serial.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The issuer's name as text (RFC 4514); for people, never for comparison.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer's name as DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The subject's name as text (RFC 4514); for people, never for comparison.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject's name as DER, as it would stand in an ID_DER_ASN1_DN.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// First second of validity.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// Last second of validity; 99991231235959Z ("no end", RFC 5280 §4.1.2.5) becomes the last
    /// time that [`UnixTime`] can write.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The SubjectPublicKeyInfo as DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The subjectKeyIdentifier, where there is one.
    pub fn ski(&self) -> Option<&[u8]> {
        self.ski.as_deref()
    }

    /// What kind of key it holds.
    ///
    /// # Errors
    /// [`KeyError`] for keys that are not accepted.
    pub fn key(&self) -> Result<KeyKind, KeyError> {
        KeyKind::of_spki(&self.spki)
    }

    /// The dNSNames of the subjectAltName, as they stand there.
    pub fn dns_names(&self) -> &[String] {
        &self.names.dns
    }

    /// The iPAddresses of the subjectAltName.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.names.ip
    }

    /// How many names of any kind the subjectAltName has.
    pub fn name_count(&self) -> usize {
        self.names.dns.len() + self.names.ip.len() + self.names.others
    }

    /// Whether basicConstraints says cA=TRUE.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }
}

impl Names {
    fn of(tbs: &TbsCertificate) -> Result<Self, Malformed> {
        let mut names = Self::default();
        let Some((_, SubjectAltName(list))) = tbs.get()? else { return Ok(names) };
        for name in list {
            names.add(name);
        }
        Ok(names)
    }

    fn add(&mut self, name: GeneralName) {
        match name {
            GeneralName::DnsName(name) => self.dns.push(name.to_string()),
            GeneralName::IpAddress(octets) => match ip_address(octets.as_bytes()) {
                Some(address) => self.ip.push(address),
                None => self.others += 1,
            },
            GeneralName::OtherName(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::UniformResourceIdentifier(_)
            | GeneralName::RegisteredId(_) => self.others += 1,
        }
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Sha256(octets)
}

/// A name as it may stand in a log: at most 256 characters, none of them a control character.
fn printable(text: &str) -> String {
    text.chars().take(256).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
