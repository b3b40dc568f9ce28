use crate::memo::{Memo, Signed};
use crate::{Anchor, AnchorSet, Certificate, KeyError, KeyKind, PathError, Place};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader};
use ids::{CertSha256, UnixTime};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, VerifiedPath, aws_lc_rs,
};
use x509_cert::ext::pkix::KeyUsage;

/// End entity and intermediates: vendor and operator hierarchies have up to 4 certificates with the root.
pub const MAX_CERTIFICATES: usize = 6;
/// Octets of all certificates of one chain: 6 of an RSA-4096 CA (about 2 KiB each), and some air.
pub const MAX_CHAIN_OCTETS: usize = 24 * 1024;

/// Signatures for one chain. A whole path takes at most 6, and 4 remain for wrong turns among
/// cross-certified issuers. A stranger's worst case is 10 P-384 verifications, about 1.7 ms.
pub const MAX_SIGNATURES: u32 = 10;
/// Certificates that may be tried at any place of the path, without counting their signatures.
pub const MAX_STEPS: u32 = 24;
/// Octets of an RSAPublicKey of 4096 bits with an exponent of 32 (RFC 8017 A.1.1): no key that we take is longer,
/// and none that is longer verifies anything.
const MAX_PUBLIC_KEY: usize = 4 + (4 + 513) + (2 + 5);

/// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
const IPSEC_IKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.17");
/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// The IKE-intermediate purpose of older profiles.
const IKE_INTERMEDIATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.8.2.2");

/// What extKeyUsage may say of who authenticates by IKE.
pub(crate) const IKE: [ObjectIdentifier; 3] = [IPSEC_IKE, ANY_PURPOSE, IKE_INTERMEDIATE];
/// What it says of a registration authority: id-kp-cmcRA (RFC 6402 §2.10), and nothing that includes it.
pub(crate) const CMC_RA: [ObjectIdentifier; 1] = [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.28")];

/// Signatures with MD2, MD5 or SHA-1: with RSA, DSA and ECDSA, in old and new numbering.
pub(crate) const BROKEN: [ObjectIdentifier; 7] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),
    ObjectIdentifier::new_unwrap("1.3.14.3.2.27"),
    ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];

/// What CA signatures may use. SHA-512 beside SHA-256 and SHA-384: no weaker, and CAs use it.
pub(crate) const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 12] = [
    aws_lc_rs::ECDSA_P256_SHA256,
    aws_lc_rs::ECDSA_P256_SHA384,
    aws_lc_rs::ECDSA_P256_SHA512,
    aws_lc_rs::ECDSA_P384_SHA256,
    aws_lc_rs::ECDSA_P384_SHA384,
    aws_lc_rs::ECDSA_P384_SHA512,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// A path that verified.
pub(crate) struct Found {
    /// From the end entity to the anchor.
    pub(crate) sha256s: Vec<CertSha256>,
    /// Earliest notAfter among them.
    pub(crate) valid_until: UnixTime,
    /// The same without the end entity's.
    pub(crate) issuers_until: UnixTime,
}

/// Bounds the chain and reads its first certificate.
pub(crate) fn end_entity(chain: &[&[u8]]) -> Result<Certificate, PathError> {
    let first = chain.first().ok_or(PathError::NoCertificate)?;
    if chain.len() > MAX_CERTIFICATES {
        return Err(PathError::TooManyCertificates);
    }
    if chain.iter().map(|der| der.len()).sum::<usize>() > MAX_CHAIN_OCTETS {
        return Err(PathError::TooLarge);
    }
    Certificate::from_der(first).map_err(|_| PathError::Malformed(Place::EndEntity))
}

/// The profile of an end entity that signs. `purposes`: of which extKeyUsage must have one, where it is there.
pub(crate) fn check_end_entity(
    certificate: &Certificate,
    purposes: &[ObjectIdentifier],
    now: UnixTime,
) -> Result<KeyKind, PathError> {
    if certificate.is_ca() {
        return Err(PathError::CaAsEndEntity);
    }
    check_validity(certificate, Place::EndEntity, now)?;
    let signs = |usage: KeyUsage| usage.digital_signature() || usage.non_repudiation();
    if !certificate.key_usage().is_none_or(signs) {
        return Err(PathError::KeyUsage(Place::EndEntity));
    }
    let allows = |there: &[ObjectIdentifier]| purposes.iter().any(|purpose| there.contains(purpose));
    if !certificate.purposes().is_none_or(allows) {
        return Err(PathError::ExtendedKeyUsage(Place::EndEntity));
    }
    check_extensions(certificate, Place::EndEntity)?;
    check_strength(certificate, Place::EndEntity)
}

/// Whether the certificate owes its use for IKE to the older purpose.
pub(crate) fn has_older_purpose_only(certificate: &Certificate) -> bool {
    let older = |purposes: &[ObjectIdentifier]| {
        purposes.contains(&IKE_INTERMEDIATE) && ![IPSEC_IKE, ANY_PURPOSE].iter().any(|p| purposes.contains(p))
    };
    certificate.purposes().is_some_and(older)
}

/// Whether keyUsage allows more than signatures of its own.
pub(crate) fn is_wide(usage: KeyUsage) -> bool {
    usage.key_cert_sign()
        || usage.crl_sign()
        || usage.key_agreement()
        || usage.key_encipherment()
        || usage.data_encipherment()
}

pub(crate) fn check_validity(
    certificate: &Certificate,
    place: Place,
    now: UnixTime,
) -> Result<(), PathError> {
    let (from, to) = (certificate.not_before(), certificate.not_after());
    if from > to {
        return Err(PathError::BadValidity(place));
    }
    if now.secs() < from.secs() {
        return Err(PathError::NotYetValid(place));
    }
    if now.secs() > to.secs() {
        return Err(PathError::Expired(place));
    }
    Ok(())
}

pub(crate) fn check_extensions(certificate: &Certificate, place: Place) -> Result<(), PathError> {
    if certificate.has_unprocessed() { Err(PathError::UnknownCriticalExtension(place)) } else { Ok(()) }
}

pub(crate) fn check_strength(certificate: &Certificate, place: Place) -> Result<KeyKind, PathError> {
    if BROKEN.contains(&certificate.signature_algorithm) {
        return Err(PathError::WeakSignature(place));
    }
    certificate.key().map_err(|error| match error {
        KeyError::Malformed => PathError::Malformed(place),
        KeyError::Unsupported => PathError::UnsupportedAlgorithm(place),
        KeyError::Strength => PathError::WeakKey(place),
    })
}

/// Finds a path from `leaf`, which is `chain`'s first certificate, to one of `set` (RFC 5280 §6), where each
/// extKeyUsage has one of `purposes`. The caller has bounded the chain by [`end_entity`].
pub(crate) fn build(
    set: &AnchorSet,
    leaf: &Certificate,
    chain: &[&[u8]],
    purposes: &[ObjectIdentifier],
    now: UnixTime,
) -> Result<Found, PathError> {
    let (first, rest) = chain.split_first().ok_or(PathError::NoCertificate)?;
    let end_entity_der = CertificateDer::from(*first);
    let end_entity = EndEntityCert::try_from(&end_entity_der).map_err(|e| of_webpki(&e, Place::EndEntity))?;
    let intermediates = distinct(rest);
    let budget = Budget::new(signed_part(first).unwrap_or_default(), &set.memo);
    let algorithms = ALGORITHMS.map(|inner| Bounded { inner, budget: &budget });
    let algorithms = algorithms.each_ref().map(|bounded| bounded as &dyn SignatureVerificationAlgorithm);
    let outcome = RefCell::new(None);
    let judge = |path: &VerifiedPath<'_>| {
        let verdict = check_path(set, leaf, path, now);
        let accepted = verdict.is_ok();
        outcome.replace(Some(verdict));
        if accepted { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    };
    let built = end_entity.verify_for_usage(
        &algorithms,
        &set.trusts,
        &intermediates,
        seconds(now),
        Purposes { accepted: purposes, steps: Cell::new(MAX_STEPS) },
        None,
        Some(&judge),
    );
    let refused = built.err();
    match (outcome.into_inner(), refused) {
        (Some(verdict), _) => verdict,
        (None, _) if budget.exhausted() => Err(PathError::TooCostly),
        (None, Some(error)) => Err(of_webpki(&error, Place::Issuer)),
        (None, None) => Err(PathError::Untrusted),
    }
}

/// What webpki leaves out, for every certificate above the end entity.
fn check_path(
    set: &AnchorSet,
    leaf: &Certificate,
    path: &VerifiedPath<'_>,
    now: UnixTime,
) -> Result<Found, PathError> {
    let anchor = set.behind(path.anchor()).ok_or(PathError::Untrusted)?;
    let issuers_until = UnixTime::from_micros(i64::MAX);
    let mut found = Found { sha256s: vec![leaf.sha256()], valid_until: leaf.not_after(), issuers_until };
    for issuer in path.intermediate_certificates() {
        let issuer = Certificate::from_der(&issuer.der()).map_err(|_| PathError::Malformed(Place::Issuer))?;
        check_issuer(&issuer)?;
        found.add(&issuer);
    }
    check_anchor(anchor, found.sha256s.len() - 1, now)?;
    found.add(anchor.certificate());
    Ok(found)
}

fn check_issuer(issuer: &Certificate) -> Result<(), PathError> {
    if !issuer.key_usage().is_none_or(|usage| usage.key_cert_sign()) {
        return Err(PathError::KeyUsage(Place::Issuer));
    }
    check_extensions(issuer, Place::Issuer)?;
    check_strength(issuer, Place::Issuer).map(|_| ())
}

/// `issuers`: how many intermediates stand below the anchor.
fn check_anchor(anchor: &Anchor, issuers: usize, now: UnixTime) -> Result<(), PathError> {
    check_validity(anchor.certificate(), Place::Anchor, now)?;
    match anchor.certificate().path_length() {
        Some(most) if issuers > usize::from(most) => Err(PathError::PathLength),
        Some(_) | None => Ok(()),
    }
}

impl Found {
    fn add(&mut self, certificate: &Certificate) {
        self.sha256s.push(certificate.sha256());
        self.valid_until = self.valid_until.min(certificate.not_after());
        self.issuers_until = self.issuers_until.min(certificate.not_after());
    }
}

/// Each intermediate once: a repeated one adds work and no path.
fn distinct<'a>(certificates: &[&'a [u8]]) -> Vec<CertificateDer<'a>> {
    let mut seen = Vec::with_capacity(certificates.len());
    let mut kept = Vec::with_capacity(certificates.len());
    for der in certificates {
        let hash = CertSha256::of(der);
        if !seen.contains(&hash) {
            seen.push(hash);
            kept.push(CertificateDer::from(*der));
        }
    }
    kept
}

pub(crate) fn seconds(now: UnixTime) -> rustls_pki_types::UnixTime {
    let secs = u64::try_from(now.secs()).unwrap_or(0);
    rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// The signed part of a certificate or request, header included.
pub(crate) fn signed_part(signed: &[u8]) -> Option<&[u8]> {
    let content = AnyRef::from_der(signed).ok()?.value();
    SliceReader::new(content).ok()?.tlv_bytes().ok()
}

/// What one chain may cost, and what earlier chains already paid for.
#[derive(Debug)]
struct Budget<'a> {
    signatures: AtomicU32,
    end_entity_tbs: &'a [u8],
    memo: &'a Memo,
}

impl<'a> Budget<'a> {
    fn new(end_entity_tbs: &'a [u8], memo: &'a Memo) -> Self {
        Self { signatures: AtomicU32::new(0), end_entity_tbs, memo }
    }

    fn spend(&self) -> Result<(), InvalidSignature> {
        let spent = self.signatures.fetch_add(1, Ordering::Relaxed);
        if spent < MAX_SIGNATURES { Ok(()) } else { Err(InvalidSignature) }
    }

    fn exhausted(&self) -> bool {
        self.signatures.load(Ordering::Relaxed) > MAX_SIGNATURES
    }
}

/// A signature algorithm that spends from a budget and remembers what issuers' signatures verified.
#[derive(Debug)]
struct Bounded<'a> {
    inner: &'static dyn SignatureVerificationAlgorithm,
    budget: &'a Budget<'a>,
}

impl SignatureVerificationAlgorithm for Bounded<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if public_key.len() > MAX_PUBLIC_KEY {
            return Err(InvalidSignature);
        }
        let algorithm = self.inner.signature_alg_id();
        let signed = Signed { public_key, algorithm: algorithm.as_ref(), message, signature };
        let of_issuer = message != self.budget.end_entity_tbs;
        if of_issuer && self.budget.memo.knows(&signed) {
            return Ok(());
        }
        self.budget.spend()?;
        self.inner.verify_signature(public_key, message, signature)?;
        if of_issuer {
            self.budget.memo.remember(&signed);
        }
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

/// The purposes that webpki asks about for each certificate that it tries; also counts those tries.
struct Purposes<'a> {
    accepted: &'a [ObjectIdentifier],
    steps: Cell<u32>,
}

impl ExtendedKeyUsageValidator for Purposes<'_> {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let left = self.steps.get().checked_sub(1).ok_or(webpki::Error::MaximumPathBuildCallsExceeded)?;
        self.steps.set(left);
        let mut empty = true;
        for purpose in purposes {
            let purpose = purpose?;
            empty = false;
            if self.accepted.iter().any(|oid| purpose == KeyPurposeId::new(oid.as_bytes())) {
                return Ok(());
            }
        }
        if empty { Ok(()) } else { Err(webpki::Error::EmptyEkuExtension) }
    }
}

/// webpki's reason as ours. `place`: where it was looking; the end entity was checked before.
#[expect(clippy::wildcard_enum_match_arm, reason = "webpki's enum is non-exhaustive")]
pub(crate) fn of_webpki(error: &webpki::Error, place: Place) -> PathError {
    use webpki::Error as E;
    match error {
        E::CaUsedAsEndEntity => PathError::CaAsEndEntity,
        E::EndEntityUsedAsCa => PathError::EndEntityAsCa,
        E::CertExpired { .. } => PathError::Expired(place),
        E::CertNotValidYet { .. } => PathError::NotYetValid(place),
        E::InvalidCertValidity => PathError::BadValidity(place),
        E::EmptyEkuExtension | E::RequiredEkuNotFoundContext(_) => PathError::ExtendedKeyUsage(place),
        E::InvalidSignatureForPublicKey => PathError::BadSignature,
        E::NameConstraintViolation
        | E::MalformedNameConstraint
        | E::InvalidNetworkMaskConstraint
        | E::UnsupportedNameType => PathError::NameConstraint,
        E::PathLenConstraintViolated | E::MaximumPathDepthExceeded => PathError::PathLength,
        E::UnknownIssuer => PathError::Untrusted,
        E::UnsupportedCriticalExtension => PathError::UnknownCriticalExtension(place),
        E::UnsupportedSignatureAlgorithmContext(context) => {
            of_algorithm(&context.signature_algorithm_id, place)
        }
        E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => PathError::UnsupportedAlgorithm(place),
        E::MaximumSignatureChecksExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumNameConstraintComparisonsExceeded => PathError::TooCostly,
        _ => PathError::Malformed(place),
    }
}

/// `algorithm`: content of the AlgorithmIdentifier SEQUENCE.
fn of_algorithm(algorithm: &[u8], place: Place) -> PathError {
    let oid = SliceReader::new(algorithm).and_then(|mut reader| ObjectIdentifier::decode(&mut reader));
    match oid {
        Ok(oid) if BROKEN.contains(&oid) => PathError::WeakSignature(place),
        Ok(_) | Err(_) => PathError::UnsupportedAlgorithm(place),
    }
}

#[cfg(test)]
mod pkits;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_longer_than_any_we_take_costs_no_verification() {
        let memo = Memo::default();
        let spent = |octets: usize| {
            let budget = Budget::new(&[], &memo);
            let rsa = Bounded { inner: aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, budget: &budget };
            assert!(rsa.verify_signature(&vec![0; octets], b"signed", &[0; 512]).is_err());
            budget.signatures.load(Ordering::Relaxed)
        };
        assert_eq!(spent(MAX_PUBLIC_KEY), 1);
        assert_eq!(spent(MAX_PUBLIC_KEY + 1), 0);
    }
}
