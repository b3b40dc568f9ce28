use crate::{KeyError, KeyKind, SerialNumber};
use der::asn1::{AnyRef, BitStringRef, IntRef, ObjectIdentifier, OctetStringRef};
use der::oid::AssociatedOid;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use ids::{CertSha256, Hex, UnixTime};
use std::net::IpAddr;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, PolicyConstraints, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

/// Extensions in one certificate: profiles for devices and CAs have about 10, those with attestation 15.
pub const MAX_EXTENSIONS: usize = 32;
/// Names of one subjectAltName that are read; the others are counted. A device has one, a gateway a few.
pub const MAX_NAMES: usize = 32;
/// Purposes in one extKeyUsage.
pub const MAX_PURPOSES: usize = 32;

/// What may be marked as critical, as it is heeded in every path (RFC 5280 §4.2). Not so cRLDistributionPoints: no CRL
/// is read.
const PROCESSED: [ObjectIdentifier; 5] =
    [KeyUsage::OID, SubjectAltName::OID, BasicConstraints::OID, NameConstraints::OID, ExtendedKeyUsage::OID];

/// One X.509 v3 certificate as it reads; **nothing about it has been verified**.
#[derive(Clone, Debug)]
pub struct Certificate {
    sha256: CertSha256,
    serial: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
    spki: Vec<u8>,
    pub(crate) signature_algorithm: ObjectIdentifier,
    extensions: Extensions,
}

/// The extensions that we read (RFC 5280 §4.2.1); the others are webpki's to judge.
#[derive(Clone, Debug, Default)]
struct Extensions {
    seen: Vec<ObjectIdentifier>,
    ski: Option<Vec<u8>>,
    names: Names,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    purposes: Option<Vec<ObjectIdentifier>>,
    has_unprocessed: bool,
}

/// The subjectAltName, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) dns: Vec<String>,
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
    /// Reads one DER certificate; trailing octets, repeated extensions, versions 1 and 2, and more than
    /// [`MAX_EXTENSIONS`] or [`MAX_PURPOSES`] are malformed. Takes a few microseconds and verifies nothing.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let mut whole = SliceReader::new(der)?;
        let mut certificate = sequence(&mut whole)?;
        let mut tbs = sequence(&mut certificate)?;
        let signature_algorithm = sequence(&mut certificate)?.decode()?;
        BitStringRef::decode(&mut certificate)?;
        certificate.finish(())?;
        whole.finish(())?;
        version_3(&mut tbs)?;
        let serial = IntRef::decode(&mut tbs)?.as_bytes().to_vec();
        sequence(&mut tbs)?;
        let issuer = sequence_bytes(&mut tbs)?;
        let validity = Validity::decode(&mut tbs)?;
        let subject = sequence_bytes(&mut tbs)?;
        let spki = sequence_bytes(&mut tbs)?;
        let extensions = Extensions::decode(&mut tbs)?;
        tbs.finish(())?;
        Ok(Self {
            sha256: CertSha256::of(der),
            serial,
            issuer,
            subject,
            not_before: unix_time(validity.not_before),
            not_after: unix_time(validity.not_after),
            spki,
            signature_algorithm,
            extensions,
        })
    }

    /// SHA-256 over the whole DER.
    pub fn sha256(&self) -> CertSha256 {
        self.sha256
    }

    /// The serial number in lower-case hex, as the octets of the INTEGER, most significant first.
    pub fn serial(&self) -> String {
        Hex(&self.serial).to_string()
    }

    /// The serial number as the octets of the INTEGER.
    pub fn serial_octets(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number as it stands in revocation lists and OCSP; `None` where it is longer than one may be.
    pub fn serial_number(&self) -> Option<SerialNumber> {
        SerialNumber::from_octets(&self.serial)
    }

    /// The issuer's name as text (RFC 4514); for people, never for comparison.
    pub fn issuer(&self) -> String {
        printable(&self.issuer)
    }

    /// The issuer's name as DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer
    }

    /// The subject's name as text (RFC 4514); for people, never for comparison.
    pub fn subject(&self) -> String {
        printable(&self.subject)
    }

    /// The subject's name as DER, as it would stand in an ID_DER_ASN1_DN.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
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
        self.extensions.ski.as_deref()
    }

    /// The algorithm of the issuer's signature, without its parameters.
    pub fn signature_algorithm(&self) -> ObjectIdentifier {
        self.signature_algorithm
    }

    /// What kind of key it holds.
    ///
    /// # Errors
    /// [`KeyError`] for keys that are not accepted.
    pub fn key(&self) -> Result<KeyKind, KeyError> {
        KeyKind::of_spki(&self.spki)
    }

    /// The dNSNames among the first [`MAX_NAMES`] of the subjectAltName, as they stand there.
    pub fn dns_names(&self) -> &[String] {
        &self.extensions.names.dns
    }

    /// The iPAddresses among the first [`MAX_NAMES`] of the subjectAltName.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.extensions.names.ip
    }

    /// How many names of any kind the subjectAltName has.
    pub fn name_count(&self) -> usize {
        self.extensions.names.count()
    }

    /// Whether basicConstraints says cA=TRUE.
    pub fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    /// How many issuers may stand below this one, where basicConstraints says so.
    pub(crate) fn path_length(&self) -> Option<u8> {
        self.extensions.basic_constraints.as_ref()?.path_len_constraint
    }

    /// Whether an extension asks for something that nothing here does, see [`PROCESSED`].
    pub(crate) fn has_unprocessed(&self) -> bool {
        self.extensions.has_unprocessed
    }

    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// extKeyUsage (RFC 5280 §4.2.1.12); `None` without the extension.
    pub fn purposes(&self) -> Option<&[ObjectIdentifier]> {
        self.extensions.purposes.as_deref()
    }
}

impl Extensions {
    /// Reads `extensions [3] EXPLICIT SEQUENCE OF Extension OPTIONAL`, the last field of the TBSCertificate.
    fn decode(tbs: &mut SliceReader<'_>) -> der::Result<Self> {
        let mut extensions = Self::default();
        if tbs.is_finished() {
            return Ok(extensions);
        }
        let mut list = sequence(&mut explicit(tbs, TagNumber::N3)?)?;
        while !list.is_finished() {
            let (oid, is_critical, value) = extension(&mut list)?;
            extensions.add(oid, value)?;
            // Policies are not read. CAs must mark policyConstraints as critical (RFC 5280 §4.2.1.11); those that do
            // not mean the same.
            let asks_for_more = oid == PolicyConstraints::OID || is_critical && !PROCESSED.contains(&oid);
            extensions.has_unprocessed |= asks_for_more;
        }
        Ok(extensions)
    }

    fn add(&mut self, oid: ObjectIdentifier, value: &[u8]) -> der::Result<()> {
        if self.seen.len() >= MAX_EXTENSIONS || self.seen.contains(&oid) {
            return Err(Tag::Sequence.value_error());
        }
        self.seen.push(oid);
        match oid {
            SubjectKeyIdentifier::OID => {
                self.ski = Some(SubjectKeyIdentifier::from_der(value)?.0.into_bytes());
            }
            SubjectAltName::OID => self.names = Names::from_der(value)?,
            BasicConstraints::OID => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            KeyUsage::OID => self.key_usage = Some(KeyUsage::from_der(value)?),
            ExtendedKeyUsage::OID => self.purposes = Some(purposes(value)?),
            _ => {}
        }
        Ok(())
    }
}

impl Names {
    /// Reads a subjectAltName as far as [`MAX_NAMES`], and counts the rest.
    pub(crate) fn from_der(value: &[u8]) -> der::Result<Self> {
        let mut names = Self::default();
        let mut list = whole_sequence(value)?;
        while !list.is_finished() {
            let name = list.tlv_bytes()?;
            if names.count() < MAX_NAMES {
                names.add(GeneralName::from_der(name)?);
            } else {
                names.others += 1;
            }
        }
        Ok(names)
    }

    /// How many names of any kind.
    pub(crate) fn count(&self) -> usize {
        self.dns.len() + self.ip.len() + self.others
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

fn purposes(value: &[u8]) -> der::Result<Vec<ObjectIdentifier>> {
    let mut purposes = Vec::new();
    let mut list = whole_sequence(value)?;
    while !list.is_finished() {
        if purposes.len() >= MAX_PURPOSES {
            return Err(Tag::Sequence.value_error());
        }
        purposes.push(list.decode()?);
    }
    Ok(purposes)
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

pub(crate) fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<SliceReader<'a>> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(any.value())
}

/// A SEQUENCE with nothing behind it.
fn whole_sequence(value: &[u8]) -> der::Result<SliceReader<'_>> {
    let mut whole = SliceReader::new(value)?;
    let content = sequence(&mut whole)?;
    whole.finish(content)
}

/// A SEQUENCE with its header.
pub(crate) fn sequence_bytes(reader: &mut SliceReader<'_>) -> der::Result<Vec<u8>> {
    reader.peek_tag()?.assert_eq(Tag::Sequence)?;
    Ok(reader.tlv_bytes()?.to_vec())
}

/// One Extension (RFC 5280 §4.1): its OID, whether it is critical, and what stands in its extnValue.
pub(crate) fn extension<'a>(list: &mut SliceReader<'a>) -> der::Result<(ObjectIdentifier, bool, &'a [u8])> {
    let mut extension = sequence(list)?;
    let oid = extension.decode()?;
    let is_critical = extension.peek_tag()? == Tag::Boolean && bool::decode(&mut extension)?;
    let value = OctetStringRef::decode(&mut extension)?;
    extension.finish((oid, is_critical, value.as_bytes()))
}

/// What stands in an EXPLICIT tag of the context.
pub(crate) fn explicit<'a>(reader: &mut SliceReader<'a>, number: TagNumber) -> der::Result<SliceReader<'a>> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(Tag::ContextSpecific { constructed: true, number })?;
    SliceReader::new(any.value())
}

/// `version [0] EXPLICIT INTEGER`, which must be there and say v3 (2): versions 1 and 2 have no extensions.
fn version_3(tbs: &mut SliceReader<'_>) -> der::Result<()> {
    let mut version = explicit(tbs, TagNumber::N0)?;
    match version.decode::<u8>()? {
        2 => version.finish(()),
        _ => Err(Tag::Integer.value_error()),
    }
}

pub(crate) fn unix_time(time: Time) -> UnixTime {
    UnixTime::from_secs(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

/// A name as it may stand in a log: at most 256 characters, none of them a control character.
fn printable(name: &[u8]) -> String {
    let text = Name::from_der(name).map_or_else(|_| "(unreadable)".to_owned(), |name| name.to_string());
    text.chars().take(256).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
