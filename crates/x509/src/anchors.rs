use crate::memo::Memo;
use crate::{Certificate, KeyKind, Malformed};
use aws_lc_rs::digest;
use ids::{CertSha256, Realm, UnixTime};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use std::collections::BTreeMap;

/// A CA certificate that the carrier's configuration trusts.
#[derive(Clone, Debug)]
pub struct Anchor {
    pub(crate) trust: TrustAnchor<'static>,
    pub(crate) certificate: Certificate,
}

/// The anchors of one realm, or those that vouch for the gateway.
#[derive(Clone, Debug, Default)]
pub struct AnchorSet {
    pub(crate) anchors: Vec<Anchor>,
    pub(crate) trusts: Vec<TrustAnchor<'static>>,
    pub(crate) memo: Memo,
}

/// Which anchors may vouch for the devices of which realm. A realm without anchors admits nobody.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    realms: BTreeMap<Realm, AnchorSet>,
}

/// Why a certificate cannot be an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// No certificate of version 3.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// cA=TRUE is missing, or keyUsage does not allow to sign certificates.
    #[error("not a CA's certificate")]
    NotCa,
    /// Its key is not one that we accept.
    #[error("its key: {0}")]
    Key(#[from] crate::KeyError),
}

impl Anchor {
    /// Takes one DER certificate as trusted. Its signature is not checked (RFC 5280 §6.1.1 d);
    /// its validity is, each time that it is used.
    ///
    /// # Errors
    /// [`AnchorError`], see there.
    pub fn from_der(der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::from_der(der)?;
        let signs = certificate.key_usage().is_none_or(|usage| usage.key_cert_sign());
        if !certificate.is_ca() || !signs {
            return Err(AnchorError::NotCa);
        }
        KeyKind::of_spki(certificate.spki())?;
        let der = CertificateDer::from(der);
        let trust = webpki::anchor_from_trusted_cert(&der).map_err(|_| Malformed)?.to_owned();
        Ok(Self { trust, certificate })
    }

    /// The certificate as it reads.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// SHA-1 over the SubjectPublicKeyInfo, as CERTREQ names an anchor (RFC 7296 §3.7).
    pub fn key_hash(&self) -> [u8; 20] {
        let mut octets = [0; 20];
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.certificate.spki());
        octets.copy_from_slice(hash.as_ref());
        octets
    }
}

impl AnchorSet {
    /// No anchor yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an anchor; one that is there already stays once.
    pub fn insert(&mut self, anchor: Anchor) {
        if !self.anchors.iter().any(|known| known.certificate.sha256() == anchor.certificate.sha256()) {
            self.trusts.push(anchor.trust.clone());
            self.anchors.push(anchor);
        }
    }

    /// The anchors, in the order of their insertion.
    pub fn iter(&self) -> impl Iterator<Item = &Anchor> {
        self.anchors.iter()
    }

    /// Content of a CERTREQ payload of encoding 4: one 20-octet hash for each key (RFC 7296 §3.7).
    pub fn certreq(&self) -> Vec<u8> {
        certreq(self.iter())
    }

    /// Whether one of the anchors bears this name.
    pub(crate) fn has_subject(&self, name_der: &[u8]) -> bool {
        self.anchors.iter().any(|anchor| anchor.certificate.subject_der() == name_der)
    }

    /// The anchor behind a path that webpki found.
    pub(crate) fn behind(&self, found: &TrustAnchor<'_>) -> Option<&Anchor> {
        let position = self.trusts.iter().position(|trust| trust == found)?;
        self.anchors.get(position)
    }
}

impl Anchors {
    /// No realm yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `anchor` vouch for the devices of `realm`, and of no other realm unless inserted there too.
    pub fn insert(&mut self, realm: Realm, anchor: Anchor) {
        self.realms.entry(realm).or_default().insert(anchor);
    }

    /// The anchors of one realm.
    pub fn of(&self, realm: &Realm) -> Option<&AnchorSet> {
        self.realms.get(realm)
    }

    /// The realms with anchors, in alphabetical order.
    pub fn realms(&self) -> impl Iterator<Item = &Realm> {
        self.realms.keys()
    }

    /// Content of a CERTREQ payload that names every realm's anchors, each key once.
    pub fn certreq(&self) -> Vec<u8> {
        certreq(self.realms.values().flat_map(AnchorSet::iter))
    }

    /// Every anchor: the realm, and the hash of the certificate.
    pub fn iter(&self) -> impl Iterator<Item = (&Realm, CertSha256)> {
        let all = self.realms.iter().flat_map(|(realm, set)| set.iter().map(move |anchor| (realm, anchor)));
        all.map(|(realm, anchor)| (realm, anchor.certificate.sha256()))
    }

    /// Anchors past their notAfter, for a warning at start.
    pub fn expired(&self, now: UnixTime) -> impl Iterator<Item = (&Realm, CertSha256)> {
        let all = self.realms.iter().flat_map(|(realm, set)| set.iter().map(move |anchor| (realm, anchor)));
        all.filter(move |(_, anchor)| anchor.certificate.not_after().secs() < now.secs())
            .map(|(realm, anchor)| (realm, anchor.certificate.sha256()))
    }

    /// Whether an anchor of any realm but `realm` bears this name.
    pub(crate) fn other_realm_has_subject(&self, realm: &Realm, name_der: &[u8]) -> bool {
        self.realms.iter().any(|(other, set)| other != realm && set.has_subject(name_der))
    }
}

fn certreq<'a>(anchors: impl Iterator<Item = &'a Anchor>) -> Vec<u8> {
    let mut hashes: Vec<[u8; 20]> = anchors.map(Anchor::key_hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.concat()
}
