use super::{CaKey, KeyError, PrivateKey};
use crate::PkiError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use der::asn1::{Any, ObjectIdentifier};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use std::fmt;
use x509_cert::spki::AlgorithmIdentifierOwned;

const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

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

impl CaKey for FileKey {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign(message).map_err(|_| KeyError::Signing)
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({:?})", self.algorithm)
    }
}
