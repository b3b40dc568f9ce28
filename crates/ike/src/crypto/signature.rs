use super::{SignatureAlgorithm, sha1};
use crate::payload::{AuthMethod, Authentication};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey, VerificationAlgorithm},
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

    /// Whether it is the private half of the key in a DER SubjectPublicKeyInfo (RFC 5280 §4.1), which ends with the
    /// public half.
    pub fn is_of(&self, spki: &[u8]) -> bool {
        match &self.0 {
            Key::P256(pair, _) | Key::P384(pair, _) => spki.ends_with(pair.public_key().as_ref()),
            Key::Rsa(pair) => spki.ends_with(pair.public_key().as_ref()),
        }
    }
}

impl PrivateAuthKey for AuthKey {
    fn sign(&self, octets: &[u8], hashes: SignatureHashes) -> Option<Authentication> {
        let random = SystemRandom::new();
        let digital = |algorithm: SignatureAlgorithm, signature: &[u8]| {
            let algorithm = algorithm.to_der();
            let length = u8::try_from(algorithm.len()).ok()?;
            let data = [&[length], algorithm.as_slice(), signature].concat();
            Some(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data })
        };
        let plain = |method, signature: &[u8]| Some(Authentication { method, data: signature.to_vec() });
        match &self.0 {
            Key::P256(asn1, _) if hashes.contains(SignatureHash::Sha256) => digital(
                SignatureAlgorithm::Ecdsa(SignatureHash::Sha256),
                asn1.sign(&random, octets).ok()?.as_ref(),
            ),
            Key::P256(_, fixed) => {
                plain(AuthMethod::ECDSA_SHA256_P256, fixed.sign(&random, octets).ok()?.as_ref())
            }
            Key::P384(asn1, _) if hashes.contains(SignatureHash::Sha384) => digital(
                SignatureAlgorithm::Ecdsa(SignatureHash::Sha384),
                asn1.sign(&random, octets).ok()?.as_ref(),
            ),
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
                digital(SignatureAlgorithm::RsaPkcs1(hash), &signature)
            }
        }
    }
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
    /// Reads `SEQUENCE { AlgorithmIdentifier, BIT STRING }` as far as the key's kind; the library
    /// reads the rest. Points must be uncompressed, RSA moduli of a size that needs long lengths.
    fn of(spki: &[u8]) -> Option<Self> {
        const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
            \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
        const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
            \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04";
        const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82";
        match spki {
            [0x30, 0x82, high, low, rest @ ..] if rest.starts_with(RSA) => {
                (usize::from(u16::from_be_bytes([*high, *low])) == rest.len()).then_some(Self::Rsa)
            }
            _ if spki.starts_with(P256) && spki.len() == P256.len() + 64 => Some(Self::P256),
            _ if spki.starts_with(P384) && spki.len() == P384.len() + 96 => Some(Self::P384),
            _ => None,
        }
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
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    use SignatureHash::{Sha256, Sha384, Sha512};
    Some(match (kind, SignatureAlgorithm::parse(algorithm)?) {
        (KeyKind::P256, Ecdsa(Sha256)) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, Ecdsa(Sha384)) => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, Ecdsa(Sha512)) => &signature::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, Ecdsa(Sha256)) => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, Ecdsa(Sha384)) => &signature::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, Ecdsa(Sha512)) => &signature::ECDSA_P384_SHA512_ASN1,
        (KeyKind::Rsa, RsaPkcs1(Sha256)) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, RsaPkcs1(Sha384)) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, RsaPkcs1(Sha512)) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa, RsaPss(Sha256)) => &signature::RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa, RsaPss(Sha384)) => &signature::RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa, RsaPss(Sha512)) => &signature::RSA_PSS_2048_8192_SHA512,
        (KeyKind::P256 | KeyKind::P384, RsaPkcs1(_) | RsaPss(_)) | (KeyKind::Rsa, Ecdsa(_)) => return None,
    })
}

/// SHA-1 over a SubjectPublicKeyInfo, as CERTREQ names a trust anchor (RFC 7296 §3.7).
pub fn authority_hash(spki: &[u8]) -> [u8; 20] {
    sha1(&[spki])
}
