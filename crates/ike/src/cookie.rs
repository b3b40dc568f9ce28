use crate::crypto::{CryptoProvider, PrfAlgorithm};
use ids::IkeSpi;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq as _;

/// Makes and checks stateless cookies (RFC 7296 §2.6): generation | prf (secret, Ni | IPi | SPIi).
///
/// The secret changes every [`Self::LIFETIME`]; the one before it still counts, so a cookie is good
/// for one to two lifetimes.
pub(crate) struct CookieJar {
    secrets: [[u8; 32]; 2],
    generation: u8,
    since: Instant,
}

impl CookieJar {
    const LIFETIME: Duration = Duration::from_secs(60);

    pub(crate) fn new(crypto: &dyn CryptoProvider, now: Instant) -> Self {
        let mut jar = Self { secrets: [[0; 32]; 2], generation: 0, since: now };
        jar.secrets.iter_mut().for_each(|secret| crypto.random(secret));
        jar
    }

    /// Changes the secret if that is due.
    pub(crate) fn rotate(&mut self, crypto: &dyn CryptoProvider, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        for _ in 0..(age.as_secs() / Self::LIFETIME.as_secs()).min(2) {
            self.secrets.swap(0, 1);
            crypto.random(&mut self.secrets[0]);
            self.generation = self.generation.wrapping_add(1);
            self.since = now;
        }
    }

    /// The cookie for an initiator, 17 octets.
    pub(crate) fn bake(&self, nonce: &[u8], address: IpAddr, spi_i: IkeSpi) -> Vec<u8> {
        self.cookie(0, nonce, address, spi_i)
    }

    /// Says whether `cookie` is one that we gave to this initiator and is still good.
    pub(crate) fn is_ours(&self, cookie: &[u8], nonce: &[u8], address: IpAddr, spi_i: IkeSpi) -> bool {
        let Some(age) = cookie.first().map(|generation| self.generation.wrapping_sub(*generation)) else {
            return false;
        };
        age <= 1 && bool::from(self.cookie(age, nonce, address, spi_i).ct_eq(cookie))
    }

    fn cookie(&self, age: u8, nonce: &[u8], address: IpAddr, spi_i: IkeSpi) -> Vec<u8> {
        let secret = &self.secrets[usize::from(age)];
        let spi_i = spi_i.0.to_be_bytes();
        let mac = PrfAlgorithm::HmacSha256.key(secret).apply(&[nonce, &address_octets(address), &spi_i]);
        let mut cookie = vec![self.generation.wrapping_sub(age)];
        cookie.extend_from_slice(mac.get(..16).unwrap_or_default());
        cookie
    }
}

/// An IPv4 address as its IPv4-mapped IPv6 address, so that both kinds have one length.
fn address_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test begins at some time")]
mod tests {
    use super::*;
    use crate::crypto::SeededProvider;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn a_cookie_is_good_for_its_initiator_alone_and_for_two_secrets_at_most() {
        let crypto = SeededProvider::new(1);
        let start = Instant::now();
        let mut jar = CookieJar::new(&crypto, start);
        let cookie = jar.bake(&[1; 32], ADDRESS, IkeSpi(5));
        let good = |jar: &CookieJar| jar.is_ours(&cookie, &[1; 32], ADDRESS, IkeSpi(5));
        assert!(good(&jar));
        assert!(!jar.is_ours(&cookie, &[2; 32], ADDRESS, IkeSpi(5)));
        assert!(!jar.is_ours(&cookie, &[1; 32], IpAddr::from([192, 0, 2, 8]), IkeSpi(5)));
        assert!(!jar.is_ours(&cookie, &[1; 32], ADDRESS, IkeSpi(6)));
        assert!(!jar.is_ours(&[], &[1; 32], ADDRESS, IkeSpi(5)));
        assert!(!jar.is_ours(&cookie[..16], &[1; 32], ADDRESS, IkeSpi(5)));
        jar.rotate(&crypto, start + CookieJar::LIFETIME);
        assert!(good(&jar), "the secret before still counts");
        jar.rotate(&crypto, start + 2 * CookieJar::LIFETIME);
        assert!(!good(&jar));
    }

    #[test]
    fn a_long_pause_makes_both_secrets_new() {
        let crypto = SeededProvider::new(1);
        let start = Instant::now();
        let mut jar = CookieJar::new(&crypto, start);
        let cookie = jar.bake(&[1; 32], ADDRESS, IkeSpi(5));
        jar.rotate(&crypto, start + 100 * CookieJar::LIFETIME);
        assert!(!jar.is_ours(&cookie, &[1; 32], ADDRESS, IkeSpi(5)));
    }
}
