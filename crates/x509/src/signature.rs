use crate::path::{ALGORITHMS, BROKEN};
use crate::{KeyError, KeyKind};
use der::Decode;
use der::asn1::{AnyRef, ObjectIdentifier};
use rustls_pki_types::SignatureVerificationAlgorithm;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{RawPublicKeyEntity, aws_lc_rs};

/// RSA (PKCS #1) without the NULL that its AlgorithmIdentifier should have: must be taken as well (RFC 4055 §5), and
/// OpenSSL 3.0 writes it so in CMP.
const WITHOUT_NULL: [&dyn SignatureVerificationAlgorithm; 3] = [
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
];

/// Why a signature counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The AlgorithmIdentifier is none.
    #[error("no algorithm identifier")]
    Malformed,
    /// The key is not one that we accept.
    #[error("its key: {0}")]
    Key(#[from] KeyError),
    /// Signed with SHA-1, MD5 or MD2.
    #[error("signed with a broken hash")]
    Broken,
    /// An algorithm that we do not use, or parameters that do not belong to it.
    #[error("signature algorithm is not accepted")]
    Algorithm,
    /// The signature is not by this key over these octets.
    #[error("the signature does not verify")]
    Mismatch,
}

/// Verifies a signature by a public key alone, with the keys and algorithms that certificates may have.
///
/// `spki`: DER SubjectPublicKeyInfo. `algorithm`: DER AlgorithmIdentifier. `signature`: content of the BIT
/// STRING, without the octet that counts unused bits. Costs one verification at most.
///
/// # Errors
/// [`SignatureError`], see there.
pub fn verify_signature(
    spki: &[u8],
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    KeyKind::of_spki(spki)?;
    let parameters = AnyRef::from_der(algorithm).map_err(|_| SignatureError::Malformed)?.value();
    if has_broken_hash(oid(parameters)?) {
        return Err(SignatureError::Broken);
    }
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| KeyError::Malformed)?;
    let mut known = false;
    let candidates = ALGORITHMS.iter().chain(&WITHOUT_NULL);
    for candidate in candidates.filter(|known| known.signature_alg_id().as_ref() == parameters) {
        known = true;
        if key.verify_signature(*candidate, message, signature).is_ok() {
            return Ok(());
        }
    }
    Err(if known { SignatureError::Mismatch } else { SignatureError::Algorithm })
}

/// Whether a signature algorithm hashes with SHA-1, MD5 or MD2.
pub fn has_broken_hash(algorithm: ObjectIdentifier) -> bool {
    BROKEN.contains(&algorithm)
}

/// `parameters`: content of the AlgorithmIdentifier.
fn oid(parameters: &[u8]) -> Result<ObjectIdentifier, SignatureError> {
    let mut reader = der::SliceReader::new(parameters).map_err(|_| SignatureError::Malformed)?;
    ObjectIdentifier::decode(&mut reader).map_err(|_| SignatureError::Malformed)
}
