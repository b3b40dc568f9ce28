//! Revocation lists (RFC 5280 §5), as they are read.
//!
//! - A complete list by the very CA that issued the certificates, signed with that CA's own key. Indirect lists,
//!   deltas, those for some reasons or one distribution point only, and those signed with another key of the CA are
//!   refused: what they leave out would read as good.
//! - issuingDistributionPoint is heeded where it says onlyContainsUserCerts or onlyContainsCACerts alone. Any other
//!   critical extension, of the list or of an entry, makes it useless (§5.2, §5.3).
//! - Versions 1 and 2; nextUpdate must be there (§5.1.2.5), as nothing else says for how long it speaks.
//! - removeFromCRL belongs into deltas (§5.3.1) and makes a complete list malformed. certificateHold revokes for as
//!   long as the entry is there.

use crate::certificate::{explicit, extension, sequence, sequence_bytes, unix_time};
use crate::{Anchor, SerialNumber, SignatureError, verify_signature};
use der::asn1::{BitStringRef, IntRef, ObjectIdentifier};
use der::oid::AssociatedOid;
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use ids::UnixTime;
pub use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::crl::{BaseCrlNumber, CrlNumber, IssuingDistributionPoint};
use x509_cert::time::Time;

/// Octets of a list: [`MAX_ENTRIES`] with long serial numbers and reasons take 14 MiB.
pub const MAX_CRL: usize = 16 * 1024 * 1024;
/// Certificates that one list revokes. Large vendors' lists have 100,000; an entry takes 40 octets in memory.
pub const MAX_ENTRIES: usize = 1 << 18;

/// RFC 5280 §5.2.5. The constant of x509-cert 0.2.5 is another's OID.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
/// certificateIssuer (RFC 5280 §5.3.3), the mark of an indirect list.
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// A complete revocation list whose signature has verified.
#[derive(Clone, Debug)]
pub struct Crl {
    pub(crate) number: Option<SerialNumber>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: UnixTime,
    pub(crate) scope: Scope,
    /// By serial number.
    pub(crate) entries: Vec<(SerialNumber, Revoked)>,
}

/// Which certificates of its CA a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    EndEntities,
    Authorities,
}

/// What a CA says of a certificate that counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub at: UnixTime,
    /// Why, where it says so.
    pub reason: Option<CrlReason>,
}

/// Why a list says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// More than [`MAX_CRL`] octets, or [`MAX_ENTRIES`].
    #[error("the list is larger than one may be")]
    TooLarge,
    /// No CertificateList in DER, or one with removeFromCRL.
    #[error("no DER revocation list")]
    Malformed,
    /// Another CA's.
    #[error("the list is of another CA")]
    OtherIssuer,
    /// The CA's keyUsage lacks cRLSign.
    #[error("the CA may not sign revocation lists")]
    KeyUsage,
    /// Not by the CA's key.
    #[error("its signature: {0}")]
    Signature(#[from] SignatureError),
    /// It must be understood, and is not.
    #[error("the list has a critical extension that is not understood")]
    CriticalExtension,
    /// A delta, indirect, or for some reasons or one distribution point.
    #[error("the list is not complete")]
    Incomplete,
    /// It does not say how long it speaks.
    #[error("the list has no nextUpdate")]
    NoNextUpdate,
}

impl Revoked {
    /// For the time being (certificateHold): the CA may take it back. Every other reason is final (RFC 5280 §5.3.1).
    pub fn is_hold(&self) -> bool {
        self.reason == Some(CrlReason::CertificateHold)
    }

    /// The reason as RFC 5280 §5.3.1 spells it.
    pub fn reason_code(&self) -> Option<&'static str> {
        self.reason.map(|reason| match reason {
            CrlReason::Unspecified => "unspecified",
            CrlReason::KeyCompromise => "keyCompromise",
            CrlReason::CaCompromise => "cACompromise",
            CrlReason::AffiliationChanged => "affiliationChanged",
            CrlReason::Superseded => "superseded",
            CrlReason::CessationOfOperation => "cessationOfOperation",
            CrlReason::CertificateHold => "certificateHold",
            CrlReason::RemoveFromCRL => "removeFromCRL",
            CrlReason::PrivilegeWithdrawn => "privilegeWithdrawn",
            CrlReason::AaCompromise => "aACompromise",
        })
    }
}

impl CrlError {
    /// Stable, for events and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "crl-too-large",
            Self::Malformed => "crl-malformed",
            Self::OtherIssuer => "crl-of-other-ca",
            Self::KeyUsage => "crl-key-usage",
            Self::Signature(_) => "crl-bad-signature",
            Self::CriticalExtension => "crl-unknown-critical",
            Self::Incomplete => "crl-incomplete",
            Self::NoNextUpdate => "crl-no-next-update",
        }
    }
}

impl From<der::Error> for CrlError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl Crl {
    /// Reads a list and verifies that `issuer` made it. Its times are not judged. Costs one verification over the
    /// whole of it before any entry is read.
    ///
    /// # Errors
    /// [`CrlError`], see there.
    pub fn verify(issuer: &Anchor, der: &[u8]) -> Result<Self, CrlError> {
        let signed = Signed::from_der(der)?;
        let ca = issuer.certificate();
        if signed.issuer()? != ca.subject_der() {
            return Err(CrlError::OtherIssuer);
        }
        if !ca.key_usage().is_none_or(|usage| usage.crl_sign()) {
            return Err(CrlError::KeyUsage);
        }
        verify_signature(ca.spki(), signed.algorithm, signed.tbs, signed.signature)?;
        signed.read()
    }

    /// Since when its CA says so.
    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// When the CA issues the next one at the latest.
    pub fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it revokes none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is about certificates of CAs, or of end entities.
    pub fn covers(&self, is_ca: bool) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::EndEntities => !is_ca,
            Scope::Authorities => is_ca,
        }
    }

    /// What it says of the certificate with this serial number, if it revokes it.
    pub fn revoked(&self, serial: SerialNumber) -> Option<Revoked> {
        let position = self.entries.binary_search_by_key(&serial, |(serial, _)| *serial).ok()?;
        self.entries.get(position).map(|(_, revoked)| *revoked)
    }

    /// Whether it was made before `other`: lower cRLNumber (RFC 5280 §5.2.3), or earlier thisUpdate.
    pub fn is_older_than(&self, other: &Self) -> bool {
        let by_number = self.number.zip(other.number).is_some_and(|(this, other)| this < other);
        by_number || self.this_update < other.this_update
    }
}

/// A CertificateList in its three parts; **nothing has been verified**.
pub(crate) struct Signed<'a> {
    tbs: &'a [u8],
    /// The AlgorithmIdentifier, in DER.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn from_der(der: &'a [u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL {
            return Err(CrlError::TooLarge);
        }
        let mut whole = SliceReader::new(der)?;
        let mut list = sequence(&mut whole)?;
        let (tbs, algorithm) = (list.tlv_bytes()?, list.tlv_bytes()?);
        let signature = BitStringRef::decode(&mut list)?.as_bytes().ok_or(CrlError::Malformed)?;
        list.finish(())?;
        whole.finish(Self { tbs, algorithm, signature }).map_err(CrlError::from)
    }

    /// The issuer's name in DER, once the two AlgorithmIdentifiers agree (RFC 5280 §5.1.2.2).
    fn issuer(&self) -> Result<Vec<u8>, CrlError> {
        let (issuer, _) = self.head()?;
        Ok(issuer)
    }

    /// Version, signature and issuer; and what stands behind them.
    fn head(&self) -> Result<(Vec<u8>, SliceReader<'a>), CrlError> {
        let mut whole = SliceReader::new(self.tbs)?;
        let mut tbs = sequence(&mut whole)?;
        // Version ::= INTEGER { v2(1) } OPTIONAL
        if tbs.peek_tag()? == Tag::Integer && tbs.decode::<u8>()? != 1 {
            return Err(CrlError::Malformed);
        }
        if tbs.tlv_bytes()? != self.algorithm {
            return Err(CrlError::Malformed);
        }
        let issuer = sequence_bytes(&mut tbs)?;
        Ok((issuer, tbs))
    }

    /// Everything behind the issuer.
    pub(crate) fn read(&self) -> Result<Crl, CrlError> {
        let (_, mut tbs) = self.head()?;
        let this_update = unix_time(Time::decode(&mut tbs)?);
        let next = |tbs: &SliceReader<'_>| if tbs.is_finished() { None } else { tbs.peek_tag().ok() };
        let next_update = match next(&tbs) {
            Some(Tag::UtcTime | Tag::GeneralizedTime) => unix_time(Time::decode(&mut tbs)?),
            _ => return Err(CrlError::NoNextUpdate),
        };
        let entries = if next(&tbs) == Some(Tag::Sequence) { entries(&mut tbs)? } else { Vec::new() };
        let mut crl = Crl { number: None, this_update, next_update, scope: Scope::All, entries };
        if !tbs.is_finished() {
            crl.heed(&mut sequence(&mut explicit(&mut tbs, TagNumber::N0)?)?)?;
        }
        tbs.finish(crl).map_err(CrlError::from)
    }
}

impl Crl {
    /// crlExtensions (RFC 5280 §5.2).
    fn heed(&mut self, list: &mut SliceReader<'_>) -> Result<(), CrlError> {
        let mut seen = Vec::new();
        while !list.is_finished() {
            let (oid, is_critical, value) = extension(list)?;
            if seen.contains(&oid) || seen.len() >= crate::MAX_EXTENSIONS {
                return Err(CrlError::Malformed);
            }
            seen.push(oid);
            match oid {
                BaseCrlNumber::OID => return Err(CrlError::Incomplete),
                ISSUING_DISTRIBUTION_POINT => self.scope = scope(value)?,
                CrlNumber::OID => {
                    let number = IntRef::from_der(value)?;
                    self.number =
                        Some(SerialNumber::from_octets(number.as_bytes()).ok_or(CrlError::Malformed)?);
                }
                _ if is_critical => return Err(CrlError::CriticalExtension),
                _ => {}
            }
        }
        Ok(())
    }
}

fn scope(value: &[u8]) -> Result<Scope, CrlError> {
    let point = IssuingDistributionPoint::from_der(value)?;
    let is_partial = point.distribution_point.is_some()
        || point.only_some_reasons.is_some()
        || point.indirect_crl
        || point.only_contains_attribute_certs;
    match (is_partial, point.only_contains_user_certs, point.only_contains_ca_certs) {
        (true, ..) | (_, true, true) => Err(CrlError::Incomplete),
        (_, true, false) => Ok(Scope::EndEntities),
        (_, false, true) => Ok(Scope::Authorities),
        (_, false, false) => Ok(Scope::All),
    }
}

/// revokedCertificates, sorted; where one stands there twice, the entry that is final.
fn entries(tbs: &mut SliceReader<'_>) -> Result<Vec<(SerialNumber, Revoked)>, CrlError> {
    let mut list = sequence(tbs)?;
    let mut entries = Vec::new();
    while !list.is_finished() {
        if entries.len() >= MAX_ENTRIES {
            return Err(CrlError::TooLarge);
        }
        entries.push(entry(&mut list)?);
    }
    entries.sort_unstable_by_key(|(serial, revoked)| (*serial, revoked.is_hold()));
    entries.dedup_by_key(|(serial, _)| *serial);
    Ok(entries)
}

fn entry(list: &mut SliceReader<'_>) -> Result<(SerialNumber, Revoked), CrlError> {
    let mut entry = sequence(list)?;
    let serial = SerialNumber::from_octets(IntRef::decode(&mut entry)?.as_bytes());
    let mut revoked = Revoked { at: unix_time(Time::decode(&mut entry)?), reason: None };
    if !entry.is_finished() {
        let mut extensions = sequence(&mut entry)?;
        while !extensions.is_finished() {
            let (oid, is_critical, value) = extension(&mut extensions)?;
            match oid {
                CrlReason::OID => revoked.reason = Some(reason(value)?),
                CERTIFICATE_ISSUER => return Err(CrlError::Incomplete),
                _ if is_critical => return Err(CrlError::CriticalExtension),
                _ => {}
            }
        }
    }
    entry.finish(())?;
    Ok((serial.ok_or(CrlError::Malformed)?, revoked))
}

fn reason(value: &[u8]) -> Result<CrlReason, CrlError> {
    let reason = CrlReason::from_der(value)?;
    if reason == CrlReason::RemoveFromCRL { Err(CrlError::Malformed) } else { Ok(reason) }
}
