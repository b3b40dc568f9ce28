use super::token::TokenKey;
use super::{CaKey, FileKey, KeyAlgorithm, KeyError, PrivateKey, SecretSource, TokenUri};
use crate::{Generation, Issuing};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the CA's keys are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaKeys {
    /// Opens keys in files that are encrypted; those that are made from now on are.
    pub passphrase: Option<SecretSource>,
    /// The key of the issuing CA for devices is in a token; later ones have their number behind the label.
    pub devices: Option<TokenUri>,
    /// The same for gateways.
    pub gateways: Option<TokenUri>,
}

/// Where the keys of root and CAs between are made: on this machine, or where it can be taken off.
#[derive(Clone, Copy, Debug)]
pub struct KeysAbove<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// They are encrypted with it.
    pub passphrase: Option<&'a SecretSource>,
}

impl KeysAbove<'_> {
    pub(crate) fn place(&self, name: &str) -> KeyPlace {
        KeyPlace::File(self.folder.join(format!("{name}.key")), self.passphrase.cloned())
    }
}

/// Where one key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a file, and what opens that if it is encrypted.
    File(PathBuf, Option<SecretSource>),
    /// In a token.
    Token(TokenUri),
}

impl CaKeys {
    /// Relative paths start at `folder` from now on.
    pub fn resolve(&mut self, folder: &Path) {
        self.passphrase.iter_mut().for_each(|source| source.resolve(folder));
        self.devices.iter_mut().chain(&mut self.gateways).for_each(|token| token.resolve(folder));
    }

    /// Where the key of an issuing CA is: in the file of its name in `directory` if there is one, else where the next is made.
    pub(crate) fn place(&self, directory: &Path, generation: Generation) -> KeyPlace {
        let file = self.file(directory, &generation.to_string());
        let token = match generation.issuing() {
            Issuing::Devices => &self.devices,
            Issuing::Gateways => &self.gateways,
        };
        match token {
            Some(token) if !file.file().is_some_and(Path::exists) => {
                KeyPlace::Token(token.of(generation.number()))
            }
            Some(_) | None => file,
        }
    }

    /// The file of the key of any CA.
    pub(crate) fn file(&self, directory: &Path, name: &str) -> KeyPlace {
        KeyPlace::File(directory.join(format!("{name}.key")), self.passphrase.clone())
    }
}

impl KeyPlace {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Token(_) => None,
        }
    }

    /// The key that is there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(&self) -> Result<Arc<dyn CaKey>, KeyError> {
        match self {
            Self::File(path, passphrase) => {
                let key = PrivateKey::open(path, passphrase.as_ref())?;
                let key = FileKey::new(&key).map_err(|error| KeyError::file(path, error))?;
                Ok(Arc::new(key))
            }
            Self::Token(uri) => Ok(Arc::new(TokenKey::open(uri)?)),
        }
    }

    /// Makes one there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn make(&self, algorithm: KeyAlgorithm) -> Result<Arc<dyn CaKey>, KeyError> {
        match self {
            Self::File(path, passphrase) => {
                let private = PrivateKey::generate(algorithm).map_err(|_| KeyError::Signing)?;
                let key = FileKey::new(&private).map_err(|_| KeyError::Signing)?;
                private.keep_new(path, passphrase.as_ref())?;
                Ok(Arc::new(key))
            }
            Self::Token(uri) => Ok(Arc::new(TokenKey::make(uri, algorithm)?)),
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Token(uri) => uri.fmt(f),
        }
    }
}
