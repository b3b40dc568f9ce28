use crate::crypto::CryptoProvider;
use aws_lc_rs::{constant_time, hmac};
use ids::IkeSpi;
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Stateless cookies (RFC 7296 §2.6): version of the secret | HMAC-SHA-256 (secret, Ni | IPi | SPIi),
/// cut to 16 octets. The secret changes every two minutes; the one before still counts.
pub(crate) struct Cookies {
    current: Key,
    previous: Option<Key>,
    rotate_at: Instant,
}

struct Key {
    version: u8,
    key: hmac::Key,
}

impl Key {
    fn draw(version: u8, crypto: &dyn CryptoProvider) -> Self {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        crypto.random(secret.as_mut_slice());
        Self { version, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()) }
    }

    fn make(&self, nonce: &[u8], peer: SocketAddr, spi_i: IkeSpi) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(nonce);
        match peer.ip() {
            IpAddr::V4(v4) => context.update(&v4.octets()),
            IpAddr::V6(v6) => context.update(&v6.octets()),
        }
        context.update(&peer.port().to_be_bytes());
        context.update(&spi_i.0.to_be_bytes());
        let tag = context.sign();
        std::iter::once(self.version).chain(tag.as_ref().iter().copied().take(16)).collect()
    }
}

impl Cookies {
    const LIFE: Duration = Duration::from_secs(120);

    pub(crate) fn new(crypto: &dyn CryptoProvider, now: Instant) -> Self {
        Self { current: Key::draw(0, crypto), previous: None, rotate_at: now + Self::LIFE }
    }

    pub(crate) fn make(
        &mut self,
        nonce: &[u8],
        peer: SocketAddr,
        spi_i: IkeSpi,
        crypto: &dyn CryptoProvider,
        now: Instant,
    ) -> Vec<u8> {
        if now >= self.rotate_at {
            let next = Key::draw(self.current.version.wrapping_add(1), crypto);
            self.previous = Some(std::mem::replace(&mut self.current, next));
            self.rotate_at = now + Self::LIFE;
        }
        self.current.make(nonce, peer, spi_i)
    }

    /// `cookie` is one that we made for this peer. A wrong one counts as none (§2.6).
    pub(crate) fn is_ours(&self, cookie: &[u8], nonce: &[u8], peer: SocketAddr, spi_i: IkeSpi) -> bool {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .any(|key| constant_time::verify_slices_are_equal(&key.make(nonce, peer, spi_i), cookie).is_ok())
    }
}
