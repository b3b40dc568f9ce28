use super::sha1;
use crate::payload::{AuthMethod, Authentication};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, UnparsedPublicKey, VerificationAlgorithm},
};

/// Hash of a digital signature (RFC 7427 §4, IANA "IKEv2 Hash Algorithms"). SHA-1 is never offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// SHA2-256, value 2.
    Sha256,
    /// SHA2-384, value 3.
    Sha384,
    /// SHA2-512, value 4.
    Sha512,
}

/// The hashes a side takes in signatures: data of SIGNATURE_HASH_ALGORITHMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignatureHashes {
    sha256: bool,
    sha384: bool,
    sha512: bool,
}

impl SignatureHashes {
    /// What we take: SHA2-256, -384 and -512.
    pub const OURS: Self = Self { sha256: true, sha384: true, sha512: true };

    /// Reads the notification's data; values we don't know are skipped.
    pub fn parse(data: &[u8]) -> Self {
        let has = |value: u8| data.as_chunks::<2>().0.contains(&[0, value]);
        Self { sha256: has(2), sha384: has(3), sha512: has(4) }
    }

    /// The notification's data.
    pub fn to_data(self) -> Vec<u8> {
        let values = [(self.sha256, 2), (self.sha384, 3), (self.sha512, 4)];
        values.iter().filter(|(has, _)| *has).flat_map(|(_, value)| [0, *value]).collect()
    }

    fn contains(self, hash: SignatureHash) -> bool {
        match hash {
            SignatureHash::Sha256 => self.sha256,
            SignatureHash::Sha384 => self.sha384,
            SignatureHash::Sha512 => self.sha512,
        }
    }
}

/// The private key behind a certificate.
pub trait PrivateAuthKey: Send + Sync {
    /// Signs `octets` as AUTH data with the best method that a peer taking `hashes` understands;
    /// empty `hashes` means that the peer does not speak RFC 7427. `None`: no method fits.
    fn sign(&self, octets: &[u8], hashes: SignatureHashes) -> Option<Authentication>;
}

/// A private key held in memory, wiped by the library that holds it.
pub struct AuthKey(Key);

enum Key {
    P256(EcdsaKeyPair, EcdsaKeyPair),
    P384(EcdsaKeyPair, EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

/// The octets are no PKCS #8 key of a kind that can sign AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PKCS #8 private key on P-256 or P-384, nor RSA of 2048 to 8192 bits")]
pub struct AuthKeyError;

impl AuthKey {
    /// Reads a PKCS #8 DER private key: P-256, P-384 or RSA.
    ///
    /// # Errors
    /// [`AuthKeyError`]
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, AuthKeyError> {
        let ec = |asn1, fixed| {
            Some((EcdsaKeyPair::from_pkcs8(asn1, der).ok()?, EcdsaKeyPair::from_pkcs8(fixed, der).ok()?))
        };
        let p256 =
            || ec(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
        let p384 =
            || ec(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_FIXED_SIGNING);
        if let Some((asn1, fixed)) = p256() {
            return Ok(Self(Key::P256(asn1, fixed)));
        }
        if let Some((asn1, fixed)) = p384() {
            return Ok(Self(Key::P384(asn1, fixed)));
        }
        rsa::KeyPair::from_pkcs8(der).map(|key| Self(Key::Rsa(key))).map_err(|_| AuthKeyError)
    }
}

impl PrivateAuthKey for AuthKey {
    fn sign(&self, octets: &[u8], hashes: SignatureHashes) -> Option<Authentication> {
        let random = SystemRandom::new();
        let digital = |algorithm: &[u8], signature: &[u8]| {
            let length = u8::try_from(algorithm.len()).ok()?;
            let data = [&[length], algorithm, signature].concat();
            Some(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data })
        };
        let plain = |method, signature: &[u8]| Some(Authentication { method, data: signature.to_vec() });
        match &self.0 {
            Key::P256(asn1, _) if hashes.contains(SignatureHash::Sha256) => {
                digital(ECDSA_SHA256, asn1.sign(&random, octets).ok()?.as_ref())
            }
            Key::P256(_, fixed) => {
                plain(AuthMethod::ECDSA_SHA256_P256, fixed.sign(&random, octets).ok()?.as_ref())
            }
            Key::P384(asn1, _) if hashes.contains(SignatureHash::Sha384) => {
                digital(ECDSA_SHA384, asn1.sign(&random, octets).ok()?.as_ref())
            }
            Key::P384(_, fixed) => {
                plain(AuthMethod::ECDSA_SHA384_P384, fixed.sign(&random, octets).ok()?.as_ref())
            }
            Key::Rsa(key) => {
                let (hash, encoding) = [
                    (SignatureHash::Sha256, &signature::RSA_PKCS1_SHA256),
                    (SignatureHash::Sha384, &signature::RSA_PKCS1_SHA384),
                    (SignatureHash::Sha512, &signature::RSA_PKCS1_SHA512),
                ]
                .into_iter()
                .find(|(hash, _)| hashes.contains(*hash))?;
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, octets, &mut signature).ok()?;
                digital(rsa_pkcs1(hash), &signature)
            }
        }
    }
}

// AlgorithmIdentifiers as RFC 7427 Appendix A spells them.
const ECDSA_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const ECDSA_SHA384: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";
const ECDSA_SHA512: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04";
const RSA_SHA256: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const RSA_SHA384: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00";
const RSA_SHA512: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00";

fn rsa_pkcs1(hash: SignatureHash) -> &'static [u8] {
    match hash {
        SignatureHash::Sha256 => RSA_SHA256,
        SignatureHash::Sha384 => RSA_SHA384,
        SignatureHash::Sha512 => RSA_SHA512,
    }
}

/// id-RSASSA-PSS with one hash throughout and a salt of the hash's length (RFC 7427 A.4.3).
fn rsa_pss(hash: SignatureHash) -> Vec<u8> {
    let (oid, salt) = match hash {
        SignatureHash::Sha256 => (1, 32),
        SignatureHash::Sha384 => (2, 48),
        SignatureHash::Sha512 => (3, 64),
    };
    let hash_id =
        [b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02".as_slice(), &[oid], b"\x05\x00"].concat();
    [
        b"\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f".as_slice(),
        &hash_id,
        b"\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08",
        &hash_id,
        b"\xa2\x03\x02\x01",
        &[salt],
    ]
    .concat()
}

/// The kinds of keys in a SubjectPublicKeyInfo that can verify AUTH, told by their
/// AlgorithmIdentifier.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    P256,
    P384,
    Rsa,
}

impl KeyKind {
    fn of(spki: &[u8]) -> Option<Self> {
        const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
        const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        let at = |oid: &[u8]| spki.windows(oid.len()).take(12).any(|window| window == oid);
        [(P256, Self::P256), (P384, Self::P384), (RSA, Self::Rsa)]
            .into_iter()
            .find_map(|(oid, kind)| at(oid).then_some(kind))
    }
}

/// Verifies AUTH data (RFC 7296 §2.15, RFC 4754, RFC 7427).
///
/// Refused whatever the signature: shared keys, NULL, SHA-1 under method 14, method 1 unless
/// `allow_sha1`, RSA keys under 2048 bits, a method that does not fit the key.
pub(crate) fn signature_is_valid(
    spki: &[u8],
    auth: &Authentication,
    octets: &[u8],
    allow_sha1: bool,
) -> bool {
    let Some(kind) = KeyKind::of(spki) else { return false };
    let verify = |algorithm: &'static dyn VerificationAlgorithm, signature: &[u8]| {
        UnparsedPublicKey::new(algorithm, spki).verify(octets, signature).is_ok()
    };
    match (auth.method, kind) {
        (AuthMethod::ECDSA_SHA256_P256, KeyKind::P256) => {
            verify(&signature::ECDSA_P256_SHA256_FIXED, &auth.data)
        }
        (AuthMethod::ECDSA_SHA384_P384, KeyKind::P384) => {
            verify(&signature::ECDSA_P384_SHA384_FIXED, &auth.data)
        }
        (AuthMethod::RSA_SHA1, KeyKind::Rsa) if allow_sha1 => {
            verify(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, &auth.data)
        }
        (AuthMethod::DIGITAL_SIGNATURE, _) => split_algorithm(&auth.data)
            .and_then(|(algorithm, signature)| Some(verify(digital_signature(kind, algorithm)?, signature)))
            .unwrap_or(false),
        _ => false,
    }
}

/// Splits `<length><AlgorithmIdentifier><signature>` (RFC 7427 §3).
pub(crate) fn split_algorithm(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn digital_signature(kind: KeyKind, algorithm: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    let hashes = [SignatureHash::Sha256, SignatureHash::Sha384, SignatureHash::Sha512];
    Some(match (kind, algorithm) {
        (KeyKind::P256, ECDSA_SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, ECDSA_SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, ECDSA_SHA512) => &signature::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, ECDSA_SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, ECDSA_SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, ECDSA_SHA512) => &signature::ECDSA_P384_SHA512_ASN1,
        (KeyKind::Rsa, RSA_SHA256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, RSA_SHA384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, RSA_SHA512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa, other) => match hashes.into_iter().find(|hash| rsa_pss(*hash) == other)? {
            SignatureHash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
            SignatureHash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
            SignatureHash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
        },
        (KeyKind::P256 | KeyKind::P384, _) => return None,
    })
}

/// SHA-1 over a SubjectPublicKeyInfo, as CERTREQ names a trust anchor (RFC 7296 §3.7).
pub fn authority_hash(spki: &[u8]) -> [u8; 20] {
    sha1(&[spki])
}
