use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader};
use std::fmt;
use x509_cert::spki::SubjectPublicKeyInfoRef;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// What kind of public key a certificate holds; every value is strong enough to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256 (FIPS 186-5).
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of this many bits, 2048 to 4096.
    Rsa(u16),
}

/// Why a public key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyError {
    /// No SubjectPublicKeyInfo, or its key is none of its algorithm's.
    #[error("malformed public key")]
    Malformed,
    /// Not RSA, P-256 or P-384; also explicit curve parameters, compressed points and keys bound to RSASSA-PSS.
    #[error("algorithm or curve is not accepted")]
    Unsupported,
    /// RSA below 2048 or above 4096 bits, or a public exponent below 65537 or of more than 32 bits: it is what a
    /// verification costs, and nobody needs a longer one.
    #[error("RSA keys have 2048 to 4096 bits and an exponent of 65537 to 2^32")]
    Strength,
}

impl KeyKind {
    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Whether a point lies on its curve is
    /// left to the first use of the key.
    ///
    /// # Errors
    /// [`KeyError`], see there.
    pub fn of_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| KeyError::Malformed)?;
        let key = spki.subject_public_key.as_bytes().ok_or(KeyError::Malformed)?;
        match spki.algorithm.oid {
            EC_PUBLIC_KEY => {
                let curve = spki.algorithm.parameters_oid().map_err(|_| KeyError::Unsupported)?;
                Self::of_point(curve, key)
            }
            RSA => rsa_bits(key).map(Self::Rsa),
            _ => Err(KeyError::Unsupported),
        }
    }

    fn of_point(curve: ObjectIdentifier, point: &[u8]) -> Result<Self, KeyError> {
        let (kind, coordinate) = match curve {
            P256 => (Self::P256, 32),
            P384 => (Self::P384, 48),
            _ => return Err(KeyError::Unsupported),
        };
        match point.first() {
            Some(0x04) if point.len() == 1 + 2 * coordinate => Ok(kind),
            Some(0x02 | 0x03) if point.len() == 1 + coordinate => Err(KeyError::Unsupported),
            _ => Err(KeyError::Malformed),
        }
    }
}

/// What stands in the BIT STRING of a SubjectPublicKeyInfo; RFC 6960 §4.1.1 and RFC 7296 §3.7 hash one or the other.
pub(crate) fn public_key_octets(spki: &[u8]) -> Option<&[u8]> {
    SubjectPublicKeyInfoRef::from_der(spki).ok()?.subject_public_key.as_bytes()
}

/// Bits of the modulus of an RSAPublicKey (RFC 8017 A.1.1).
fn rsa_bits(key: &[u8]) -> Result<u16, KeyError> {
    let (modulus, exponent) = rsa_numbers(key).map_err(|_| KeyError::Malformed)?;
    let leading = modulus.as_bytes().first().map_or(8, |first| first.leading_zeros());
    let bits = (modulus.as_bytes().len() * 8).saturating_sub(leading as usize);
    let fits = (3..=4).contains(&exponent.as_bytes().len());
    let even = exponent.as_bytes().last().is_none_or(|last| last & 1 == 0);
    match u16::try_from(bits) {
        Ok(bits) if (2048..=4096).contains(&bits) && fits && !even => Ok(bits),
        Ok(_) | Err(_) => Err(KeyError::Strength),
    }
}

fn rsa_numbers(key: &[u8]) -> der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(key)?;
    let numbers = reader.sequence(|inner| Ok((UintRef::decode(inner)?, UintRef::decode(inner)?)))?;
    reader.finish(numbers)
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}
