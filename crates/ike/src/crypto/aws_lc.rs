use super::{CryptoProvider, Ephemeral, KeyExchangeError, Secret, modp::Modp2048};
use crate::payload::KeyExchangeMethod;
use aws_lc_rs::{agreement, rand};
use zeroize::Zeroizing;

/// The production provider: aws-lc-rs, and crypto-bigint for group 14.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl CryptoProvider for AwsLc {
    fn random(&self, out: &mut [u8]) {
        // Fails only when the kernel has no randomness to give; going on without would be worse.
        #[expect(clippy::expect_used, reason = "no randomness, no service")]
        rand::fill(out).expect("the system's random number generator works");
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        if method == KeyExchangeMethod::MODP_2048 {
            return Some(Box::new(Modp2048::new(|out| self.random(out))?));
        }
        let key = agreement::PrivateKey::generate(algorithm(method)?).ok()?;
        Some(Box::new(Ecdh::new(key)?))
    }
}

pub(super) fn algorithm(method: KeyExchangeMethod) -> Option<&'static agreement::Algorithm> {
    match method {
        KeyExchangeMethod::CURVE25519 => Some(&agreement::X25519),
        KeyExchangeMethod::ECP_256 => Some(&agreement::ECDH_P256),
        KeyExchangeMethod::ECP_384 => Some(&agreement::ECDH_P384),
        _ => None,
    }
}

/// X25519 (RFC 8031 §2) or ECP (RFC 5903 §7: x and y without the leading 04; the secret is x).
pub(super) struct Ecdh {
    key: agreement::PrivateKey,
    public_key: agreement::PublicKey,
}

impl Ecdh {
    pub(super) fn new(key: agreement::PrivateKey) -> Option<Self> {
        let public_key = key.compute_public_key().ok()?;
        Some(Self { key, public_key })
    }

    fn is_x25519(&self) -> bool {
        self.public_key.as_ref().len() == 32
    }
}

impl Ephemeral for Ecdh {
    fn public_value(&self) -> &[u8] {
        let octets = self.public_key.as_ref();
        if self.is_x25519() { octets } else { octets.get(1..).unwrap_or_default() }
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        if peer.len() != self.public_value().len() {
            return Err(KeyExchangeError);
        }
        let mut point = Vec::with_capacity(1 + peer.len());
        if !self.is_x25519() {
            point.push(4); // uncompressed (SEC 1 §2.3.3)
        }
        point.extend_from_slice(peer);
        let peer = agreement::UnparsedPublicKey::new(self.key.algorithm(), point);
        agreement::agree(&self.key, peer, KeyExchangeError, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
}
