use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use cmp::ProtectionKey;
use der::pem::{self, LineEnding};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PKCS#8 in PEM.
    #[error("no private key in PKCS#8 PEM")]
    NoKey,
    /// Neither P-256 nor P-384 nor RSA.
    #[error("keys are P-256, P-384 or RSA")]
    Kind,
    /// The system has no randomness.
    #[error("no key could be made")]
    Random,
}

/// A private key in memory, wiped when dropped and never printed.
pub struct Key {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: Pair,
    spki: Vec<u8>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// A fresh one on P-256.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| KeyError::Random)?;
        Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// `pkcs8`: DER (RFC 5958).
    ///
    /// # Errors
    /// [`KeyError::Kind`].
    pub fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let ecdsa = |scheme| EcdsaKeyPair::from_pkcs8(scheme, &pkcs8).map(Pair::Ecdsa);
        let pair = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .or_else(|_| ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING))
            .or_else(|_| RsaKeyPair::from_pkcs8(&pkcs8).map(Pair::Rsa))
            .map_err(|_| KeyError::Kind)?;
        let spki: Result<PublicKeyX509Der<'_>, _> = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        };
        let spki = spki.map_err(|_| KeyError::Kind)?.as_ref().to_vec();
        Ok(Self { pkcs8, pair, spki })
    }

    /// From PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`KeyError::NoKey`], [`KeyError::Kind`].
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|_| KeyError::NoKey)?;
        let mut key = PrivateKeyDer::Pkcs8(key);
        let copy = Zeroizing::new(key.secret_der().to_vec());
        key.zeroize();
        Self::from_pkcs8(copy)
    }

    /// PKCS#8 as PEM.
    pub fn pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.pkcs8).unwrap_or_default())
    }

    /// PKCS#8 as DER, for who signs with it.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl ProtectionKey for Key {
    fn spki(&self) -> Vec<u8> {
        self.spki.clone()
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, octets).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, octets, &mut signature).ok().map(|()| signature)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
