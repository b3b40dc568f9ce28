use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};
use zeroize::Zeroizing;

/// The Ed25519 key (RFC 8032) that signs a journal's checkpoints.
#[derive(Clone)]
pub struct JournalKey(Arc<Ed25519KeyPair>);

/// Its public half: all that anyone needs to verify a journal. Text: 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(ids::Sha256);

/// The key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalKeyError {
    /// Reading or writing failed.
    #[error("journal key {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("journal key {0} can be read by others: chmod 600 it, and think about who did")]
    Exposed(String),
    /// It holds no Ed25519 key in PKCS #8.
    #[error("journal key {0} holds no Ed25519 key in PKCS #8")]
    NotAKey(String),
}

impl JournalKey {
    /// Reads the key from a PKCS #8 file that only its owner can read; makes it if there is none.
    ///
    /// # Errors
    /// [`JournalKeyError`]
    pub fn open_or_create(path: &Path) -> Result<Self, JournalKeyError> {
        let name = || path.display().to_string();
        let io = |source| JournalKeyError::Io { path: name(), source };
        if !path.exists() {
            Self::create(path).map_err(io)?;
        }
        if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(JournalKeyError::Exposed(name()));
        }
        let pkcs8 = Zeroizing::new(fs::read(path).map_err(io)?);
        Self::from_pkcs8(&pkcs8).ok_or_else(|| JournalKeyError::NotAKey(name()))
    }

    fn create(path: &Path) -> io::Result<()> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| io::Error::other("no key could be generated"))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(pkcs8.as_ref())?;
        file.sync_all()
    }

    /// Reads a key from PKCS #8 DER.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(der).ok().map(|pair| Self(Arc::new(pair)))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(ids::Sha256(self.0.public_key().as_ref().try_into().unwrap_or([0; 32])))
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        self.0.sign(message.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl PublicKey {
    /// `signature` is 128 hex digits.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let octets: Option<Vec<u8>> = signature.as_bytes().chunks(2).map(octet).collect();
        octets.is_some_and(|octets| {
            UnparsedPublicKey::new(&ED25519, self.0.0).verify(message.as_bytes(), &octets).is_ok()
        })
    }
}

impl std::str::FromStr for PublicKey {
    type Err = ids::ParseSha256Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
