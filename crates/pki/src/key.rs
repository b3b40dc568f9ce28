//! Keys: in files, encrypted or not, and what the CA signs with.

mod error;
mod file_key;
mod keeper;
mod kept;
mod place;
mod private_key;
mod secret;
mod token;
mod token_uri;

pub use error::KeyError;
pub use file_key::FileKey;
pub(crate) use kept::KeptKey;
pub use place::{CaKeys, KeyPlace, KeysAbove};
pub use private_key::PrivateKey;
pub use secret::{NoSource, SecretSource};
pub use token_uri::{NoTokenUri, TokenUri};

use rcgen::PublicKeyData;
use serde::{Deserialize, Serialize};

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

/// What a CA signs with, certificates and revocation lists alike: a key from a file, or one in a token.
pub trait CaKey: PublicKeyData + Send + Sync {
    /// The signature over `message`, as it stands in a certificate: DER of ECDSA-Sig-Value (RFC 3279 §2.2.3) with SHA-256
    /// of P-256 and SHA-384 of P-384, PKCS #1 v1.5 with SHA-256 of RSA.
    ///
    /// # Errors
    /// [`KeyError`]: the key has not signed.
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Whether it signs at once, asking nobody.
    fn is_in_memory(&self) -> bool {
        false
    }
}
