use crate::issue::particulars;
use crate::order::Subject;
use crate::profile::{self, OCSP_SIGNER_VALIDITY};
use crate::{Books, Ca, FileKey, Generation, Kind, PkiError};
use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use ids::UnixTime;
use rcgen::{PublicKeyData, SigningKey};
use std::fmt;
use x509::{Anchor, Certificate, PathError, Place, verify_ocsp_signer};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_ocsp::CertId;

const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// Who signs responses about what one issuing CA issued. Only [`Ca::ocsp_signer`] makes one.
pub struct Signer {
    issuing: Generation,
    issuer: [IssuerHashes; 2],
    key: FileKey,
    algorithm: Vec<u8>,
    key_hash: OctetString,
    certificate: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// How a CertID names the issuer by one hash algorithm (RFC 6960 §4.1.1).
struct IssuerHashes {
    algorithm: ObjectIdentifier,
    name: Vec<u8>,
    key: Vec<u8>,
}

impl Ca {
    /// Makes a key and has `issuing` certify it for signing OCSP responses, in the manner of all that is issued.
    /// `by`: who ordered it, for the record. It may sign once the transaction of its books is committed.
    ///
    /// The key is of the same kind as the CA's and is kept nowhere: who loses it, by a crash in the middle of this
    /// too, has another one issued. What was signed with the one before stays good until that certificate ends.
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn ocsp_signer(
        &self,
        issuing: Generation,
        by: &str,
        books: &mut dyn Books,
        now: UnixTime,
    ) -> Result<Signer, PkiError> {
        let ca = self.generation(issuing)?;
        let window = ca.window(OCSP_SIGNER_VALIDITY, now)?;
        let (key, subject) = Subject::generate(self.spec.key)?;
        let name = format!("{} OCSP of {issuing}", self.spec.realm);
        let serial = profile::serial()?;
        let params = profile::ocsp_signer(&self.holder(&name), serial, window)?;
        let what = particulars(issuing, Kind::OcspSigner, &name, serial, window, &subject, by, now);
        let check = |chain: &[&[u8]]| {
            let [signer, issuer, ..] = chain else { return Err(PathError::NoCertificate) };
            let issuer = Anchor::from_der(issuer).map_err(|_| PathError::Malformed(Place::Issuer))?;
            verify_ocsp_signer(&issuer, signer, now)
        };
        let issued = ca.carry_out(what, &params, subject, books, now, check)?;
        let certificate = issued.chain.into_iter().next().ok_or(PkiError::Signing)?;
        Signer::new(issuing, &ca.certificate, certificate, key)
    }
}

impl Signer {
    /// `certificate` is the one of `key`, from `issuer`; nothing of that is checked.
    pub(crate) fn new(
        issuing: Generation,
        issuer: &Certificate,
        certificate: Vec<u8>,
        key: FileKey,
    ) -> Result<Self, PkiError> {
        let own = Certificate::from_der(&certificate).map_err(|_| PkiError::Signing)?;
        Ok(Self {
            issuing,
            issuer: [
                IssuerHashes::new(issuer, ID_SHA1, &SHA1_FOR_LEGACY_USE_ONLY)?,
                IssuerHashes::new(issuer, ID_SHA256, &SHA256)?,
            ],
            algorithm: key.signature_algorithm().to_der().map_err(|_| PkiError::Signing)?,
            key_hash: OctetString::new(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, key.der_bytes()).as_ref())
                .map_err(|_| PkiError::Signing)?,
            key,
            not_before: own.not_before(),
            not_after: own.not_after(),
            certificate,
        })
    }

    /// About whose certificates it may speak.
    pub fn issuing(&self) -> Generation {
        self.issuing
    }

    /// Its certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// First second of its certificate.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// Last second of its certificate.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    pub(super) fn is_valid(&self, now: UnixTime) -> bool {
        (self.not_before.secs()..=self.not_after.secs()).contains(&now.secs())
    }

    /// Whether this names a certificate of the issuing CA: the hashes of name and key both, by an algorithm that
    /// we know and that has no parameters.
    pub(super) fn speaks_for(&self, id: &CertId) -> bool {
        let plain = id.hash_algorithm.parameters.as_ref().is_none_or(|any| *any == Any::null());
        plain && self.issuer.iter().any(|issuer| issuer.is_of(id))
    }

    /// AlgorithmIdentifier of its signatures, in DER.
    pub(super) fn algorithm(&self) -> &[u8] {
        &self.algorithm
    }

    /// KeyHash of its ResponderID: SHA-1 over its public key (RFC 6960 §4.2.1).
    pub(super) fn key_hash(&self) -> &OctetString {
        &self.key_hash
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(message).ok()
    }
}

impl IssuerHashes {
    fn new(
        issuer: &Certificate,
        algorithm: ObjectIdentifier,
        digest: &'static Algorithm,
    ) -> Result<Self, PkiError> {
        let key = SubjectPublicKeyInfoRef::from_der(issuer.spki()).map_err(|_| PkiError::Signing)?;
        let hash = |octets: &[u8]| digest::digest(digest, octets).as_ref().to_vec();
        let key = hash(key.subject_public_key.raw_bytes());
        Ok(Self { algorithm, name: hash(issuer.subject_der()), key })
    }

    fn is_of(&self, id: &CertId) -> bool {
        id.hash_algorithm.oid == self.algorithm
            && id.issuer_name_hash.as_bytes() == self.name
            && id.issuer_key_hash.as_bytes() == self.key
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} until {})", self.issuing, self.not_after)
    }
}
