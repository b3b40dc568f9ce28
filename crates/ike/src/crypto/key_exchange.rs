use super::Secret;

/// A key pair that is used once (RFC 7296 §2.12).
pub trait Ephemeral: Send {
    /// The public value as it goes into the KE payload.
    fn public_value(&self) -> &[u8];

    /// The shared secret with the peer's public value, of the fixed length that the method sets.
    ///
    /// # Errors
    /// [`KeyExchangeError`] when the value fails the recipient's tests (RFC 6989 §2).
    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError>;
}

/// The peer's public value has a wrong length, is no element of the group, or is one that would make
/// the secret known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public value fails the tests of RFC 6989")]
pub struct KeyExchangeError;
