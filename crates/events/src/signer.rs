use crate::{KeyFile, KeyFileError};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use ids::Hex;
use serde::{Deserialize, Serialize};
use std::{io, path::Path, sync::Arc};

/// The Ed25519 key (RFC 8032) that signs a journal's checkpoints.
#[derive(Clone)]
pub struct JournalKey(Arc<Ed25519KeyPair>);

/// Its public half: all that anyone needs to verify a journal. Text: 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(ids::Sha256);

impl JournalKey {
    /// Draws a key and keeps it in a new PKCS #8 file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], also when the file is there already.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let file = key_file(path);
        let no_key = |_| file.io(io::Error::other("no key could be generated"));
        // aws-lc-rs wipes what it generates when it is dropped.
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_key)?;
        file.create(pkcs8.as_ref())?;
        Self::from_pkcs8(pkcs8.as_ref()).ok_or_else(|| file.damaged())
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// [`KeyFileError`], also when there is no file.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let file = key_file(path);
        Self::from_pkcs8(&file.read()?).ok_or_else(|| file.damaged())
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
        Hex(self.0.sign(message.as_bytes()).as_ref()).to_string()
    }
}

fn key_file(path: &Path) -> KeyFile<'_> {
    KeyFile { what: "journal key", path }
}

impl PublicKey {
    /// `signature` is 128 hex digits, lower case: it has no second spelling.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let octets: Option<Vec<u8>> = signature.as_bytes().chunks(2).map(octet).collect();
        octets.is_some_and(|octets| {
            let key = UnparsedPublicKey::new(&ED25519, self.0.0);
            Hex(&octets).to_string() == signature && key.verify(message.as_bytes(), &octets).is_ok()
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
