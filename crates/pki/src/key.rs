use crate::{PkiError, file};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use der::asn1::{Any, ObjectIdentifier};
use der::pem::{self, LineEnding};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// Which kind of key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// ECDSA P-256, what the profile asks for.
    #[default]
    P256,
    /// ECDSA P-384.
    P384,
    /// RSA of 2048 bits, for peers that know nothing else.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
}

/// A private key as PKCS#8 DER, wiped when dropped and never printed.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<Vec<u8>>);

/// What a CA signs with: a key in a file now, a token's later.
pub trait CaKey: SigningKey + Send + Sync {}

/// A key held in memory, from a PKCS#8 file.
pub struct FileKey {
    pair: Pair,
    public: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`PkiError::Signing`] when the system has no randomness.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, PkiError> {
        let ecdsa = |algorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
            document.map(|document| document.as_ref().to_vec())
        };
        let rsa =
            |size| RsaKeyPair::generate(size).and_then(|pair| pair.as_der()).map(|der| der.as_ref().to_vec());
        let der = match algorithm {
            KeyAlgorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyAlgorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyAlgorithm::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyAlgorithm::Rsa3072 => rsa(KeySize::Rsa3072),
        };
        der.map(|der| Self(Zeroizing::new(der))).map_err(|_| PkiError::Signing)
    }

    /// PKCS#8 DER (RFC 5958), for who signs with it.
    pub fn pkcs8(&self) -> &[u8] {
        &self.0
    }

    /// PEM of the same.
    pub fn pem(&self) -> Zeroizing<String> {
        let text = pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.0);
        Zeroizing::new(text.unwrap_or_default())
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`PkiError::Io`], or [`PkiError::File`] when it holds no such key.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let text = Zeroizing::new(file::read(path)?);
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text)
            .map_err(|_| PkiError::file(path, "no private key in PKCS#8 PEM"))?;
        let mut key = PrivateKeyDer::Pkcs8(key);
        let copy = Zeroizing::new(key.secret_der().to_vec());
        zeroize::Zeroize::zeroize(&mut key);
        Ok(Self(copy))
    }

    /// Writes a PKCS#8 PEM file of mode 0600.
    ///
    /// # Errors
    /// [`PkiError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), PkiError> {
        file::write(path, file::SECRET, self.pem().as_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl FileKey {
    /// Takes a key into use.
    ///
    /// # Errors
    /// [`PkiError::Order`] for keys that the CA does not sign with.
    pub fn new(key: &PrivateKey) -> Result<Self, PkiError> {
        let ecdsa = |scheme: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_pkcs8(scheme, key.pkcs8());
        let (pair, algorithm) = if let Ok(pair) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING) {
            (Pair::Ecdsa(pair), &rcgen::PKCS_ECDSA_P256_SHA256)
        } else if let Ok(pair) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING) {
            (Pair::Ecdsa(pair), &rcgen::PKCS_ECDSA_P384_SHA384)
        } else if let Ok(pair) = RsaKeyPair::from_pkcs8(key.pkcs8()) {
            (Pair::Rsa(pair), &rcgen::PKCS_RSA_SHA256)
        } else {
            return Err(PkiError::Order("keys are P-256, P-384 or RSA"));
        };
        let public = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        };
        Ok(Self { pair, public, algorithm })
    }

    /// AlgorithmIdentifier of its signatures (RFC 5758 §3.2; RFC 4055 §5: NULL parameters for RSA).
    pub(crate) fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        let (oid, parameters) = match &self.pair {
            Pair::Ecdsa(_) if self.algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 => (ECDSA_SHA384, None),
            Pair::Ecdsa(_) => (ECDSA_SHA256, None),
            Pair::Rsa(_) => (RSA_SHA256, Some(Any::null())),
        };
        AlgorithmIdentifierOwned { oid, parameters }
    }
}

impl PublicKeyData for FileKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for FileKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

impl CaKey for FileKey {}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({:?})", self.algorithm)
    }
}
