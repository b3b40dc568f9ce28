//! The cryptography of IKEv2 behind few types: key exchange, PRF and key derivation, message
//! protection, AUTH signatures. Every secret is wiped when it goes out of scope; none prints.

mod algorithm_id;
mod aws_lc;
mod cipher;
mod key_exchange;
#[cfg(feature = "key-log")]
mod key_log;
mod keymat;
mod modp;
mod prf;
mod seeded;
mod signature;

pub use aws_lc::AwsLc;
pub use key_exchange::{Ephemeral, KeyExchangeError};
#[cfg(feature = "key-log")]
pub use key_log::{DirectionKeys, IkeSaKeys};
pub use seeded::SeededProvider;
pub use signature::{AuthKey, AuthKeyError, PrivateAuthKey, SignatureHash, SignatureHashes, authority_hash};

pub(crate) use algorithm_id::SignatureAlgorithm;
pub(crate) use cipher::{Direction, MessageCipher, NotAuthentic};
pub(crate) use keymat::{IkeKeys, child_keymat, rekeyed_skeyseed, skeyseed};
pub(crate) use prf::PrfAlgorithm;
pub(crate) use signature::signature_is_valid;
#[cfg(feature = "fuzz")]
pub(crate) use signature::split_algorithm;

use crate::payload::{Authentication, KeyExchangeMethod};
use zeroize::Zeroizing;

/// Octets that are wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// Where randomness and public-key work come from. [`AwsLc`] in production; tests bring seeded ones.
///
/// Symmetric work is not behind this trait: it is deterministic already.
pub trait CryptoProvider: Send + Sync {
    /// Fills `out` with random octets.
    fn random(&self, out: &mut [u8]);

    /// Draws a fresh key pair; `None` when the method is not spoken.
    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>>;

    /// Says whether `authentication` is a signature over `signed_octets` (RFC 7296 §2.15) by the key
    /// in `spki`, a DER SubjectPublicKeyInfo. Method 1 only where `allow_sha1`.
    fn verify_auth(
        &self,
        spki: &[u8],
        authentication: &Authentication,
        signed_octets: &[u8],
        allow_sha1: bool,
    ) -> bool {
        signature_is_valid(spki, authentication, signed_octets, allow_sha1)
    }

    /// Hears the keys of each IKE SA, with the first message that goes out under them.
    #[cfg(feature = "key-log")]
    fn log_keys(&self, _keys: &IkeSaKeys<'_>) {}
}

/// SHA-1, only where the protocol names it for something that needs no collision resistance:
/// NAT_DETECTION (RFC 7296 §2.23) and CERTREQ (§3.7).
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 20];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod captures;
#[cfg(test)]
mod known_answers;
#[cfg(test)]
mod tests;
