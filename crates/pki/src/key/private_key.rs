use super::{KeyAlgorithm, KeyError, SecretSource};
use crate::{PkiError, file};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RsaKeyPair,
};
use der::asn1::OctetStringRef;
use der::pem::{self, LineEnding};
use der::{Decode, Encode, Sequence};
use pkcs5::{EncryptionScheme, pbes2};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::{fmt, io};
use zeroize::{Zeroize, Zeroizing};

/// A private key as PKCS#8 DER, wiped when dropped and never printed.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<Vec<u8>>);

/// EncryptedPrivateKeyInfo (RFC 5958 §3).
#[derive(Sequence)]
struct Encrypted<'a> {
    algorithm: EncryptionScheme<'a>,
    data: OctetStringRef<'a>,
}

/// Label of its PEM (RFC 7468 §11).
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Rounds of PBKDF2-HMAC-SHA256 for what we encrypt, a quarter of a second. Every reader has PBKDF2, and openssl
/// refuses a scrypt that would take as long.
const ITERATIONS: u32 = 600_000;

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

    /// Reads a PKCS#8 PEM file that is not encrypted.
    ///
    /// # Errors
    /// [`PkiError::Io`], or [`PkiError::File`] when it holds no such key.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let text = Zeroizing::new(file::read(path)?);
        Self::from_pem(&text).ok_or_else(|| PkiError::file(path, "no private key in PKCS#8 PEM"))
    }

    /// Reads a PKCS#8 PEM file, encrypted or not: PBES2 with scrypt or PBKDF2 and AES-CBC (RFC 8018 §6.2), as
    /// `openssl pkcs8 -topk8` makes it. The passphrase is asked for only where it is.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path, passphrase: Option<&SecretSource>) -> Result<Self, KeyError> {
        let text = Zeroizing::new(std::fs::read(path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return KeyError::Missing { place: path.display().to_string() };
            }
            KeyError::file(path, error)
        })?);
        if let Some(key) = Self::from_pem(&text) {
            return Ok(key);
        }
        let bad = || KeyError::file(path, "no private key in PKCS#8 PEM");
        let (label, der) = pem::decode_vec(&text).map_err(|_| bad())?;
        if label != ENCRYPTED {
            return Err(bad());
        }
        let passphrase =
            passphrase.ok_or_else(|| KeyError::NoPassphrase { path: path.to_owned() })?.read()?;
        let sealed = Encrypted::from_der(&der)
            .map_err(|_| KeyError::file(path, "encrypted in a way that is not read"))?;
        let opened = sealed.algorithm.decrypt(passphrase.as_bytes(), sealed.data.as_bytes());
        let wrong = |_| KeyError::WrongPassphrase { path: path.to_owned() };
        opened.map(|der| Self(Zeroizing::new(der))).map_err(wrong)
    }

    /// Whether a passphrase opens the file.
    pub fn is_encrypted(path: &Path) -> bool {
        let begin = format!("-----BEGIN {ENCRYPTED}-----");
        std::fs::read(path).is_ok_and(|text| Zeroizing::new(text).starts_with(begin.as_bytes()))
    }

    /// Writes a PKCS#8 PEM file of mode 0600, encrypted where there is a passphrase.
    ///
    /// # Errors
    /// [`KeyError::Secret`], [`KeyError::File`].
    pub fn keep(&self, path: &Path, passphrase: Option<&SecretSource>) -> Result<(), KeyError> {
        let text = self.sealed(passphrase)?;
        file::replace(path, file::SECRET, text.as_bytes()).map_err(|error| KeyError::file(path, error))
    }

    /// The same where there must be no file yet.
    ///
    /// # Errors
    /// As [`Self::keep`]; [`KeyError::Exists`].
    pub(crate) fn keep_new(&self, path: &Path, passphrase: Option<&SecretSource>) -> Result<(), KeyError> {
        let text = self.sealed(passphrase)?;
        file::create(path, file::SECRET, text.as_bytes()).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return KeyError::Exists { place: path.display().to_string() };
            }
            KeyError::file(path, error)
        })
    }

    fn sealed(&self, passphrase: Option<&SecretSource>) -> Result<Zeroizing<String>, KeyError> {
        match passphrase {
            Some(source) => self.encrypted_pem(&source.read()?).map(Zeroizing::new).ok_or(KeyError::Signing),
            None => Ok(self.pem()),
        }
    }

    /// Writes a PKCS#8 PEM file of mode 0600.
    ///
    /// # Errors
    /// [`PkiError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), PkiError> {
        file::write(path, file::SECRET, self.pem().as_bytes())
    }

    fn from_pem(text: &[u8]) -> Option<Self> {
        let mut key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from_pem_slice(text).ok()?);
        let copy = Zeroizing::new(key.secret_der().to_vec());
        key.zeroize();
        Some(Self(copy))
    }

    /// `None` when the system has no randomness.
    fn encrypted_pem(&self, passphrase: &str) -> Option<String> {
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        let random = SystemRandom::new();
        random.fill(&mut salt).and_then(|()| random.fill(&mut iv)).ok()?;
        let algorithm = pbes2::Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv).ok()?;
        let sealed = algorithm.encrypt(passphrase.as_bytes(), &self.0).ok()?;
        let data = OctetStringRef::new(&sealed).ok()?;
        let der = Encrypted { algorithm: algorithm.into(), data }.to_der().ok()?;
        pem::encode_string(ENCRYPTED, LineEnding::LF, &der).ok()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}
