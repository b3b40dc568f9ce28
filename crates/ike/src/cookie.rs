use crate::crypto::{CryptoProvider, PrfAlgorithm};
use ids::IkeSpi;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq as _;

/// Makes and checks stateless cookies (RFC 7296 §2.6): generation | prf (secret, Ni | IPi | SPIi).
///
/// The secret changes every [`Self::LIFETIME`], whenever it is looked at; the one before it still counts, so a cookie is
/// good for one to two lifetimes.
pub(crate) struct CookieJar {
    secrets: [[u8; 32]; 2],
    generation: u8,
    /// When the secret was due that is the newer one.
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
        let changes = age.as_secs() / Self::LIFETIME.as_secs();
        for _ in 0..changes.min(2) {
            self.secrets.swap(0, 1);
            crypto.random(&mut self.secrets[0]);
            self.generation = self.generation.wrapping_add(1);
        }
        self.since += Duration::from_secs(changes * Self::LIFETIME.as_secs());
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

/// For how long a cookie is asked for.
///
/// An initiator that was asked for one signs its request with the cookie in it (RFC 7296 §2.15). A copy of the request
/// without, sent before it was asked, must then not be answered as if nothing had been: its AUTH would verify for no answer
/// of ours. Copies come late when we are slow, which is when it begins and ceases to be crowded all the time. So once a
/// cookie is asked for, it is for [`Self::LONGER`] after the last time that one was due.
#[derive(Default)]
pub(crate) struct Asking {
    due: Option<Instant>,
}

impl Asking {
    /// Far above how much later than its answer a copy can come that was sent before it: by what it waited on the way and in
    /// our queues. What an initiator sends again later has the cookie.
    const LONGER: Duration = Duration::from_secs(60);

    /// Whether a cookie is asked for. `is_due`: it would be, if nothing had been before.
    pub(crate) fn goes_on(&mut self, is_due: bool, now: Instant) -> bool {
        if is_due {
            self.due = Some(now);
        }
        self.due.is_some_and(|due| now.saturating_duration_since(due) < Self::LONGER)
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
    fn a_cookie_is_good_for_one_to_two_lifetimes_however_seldom_one_is_asked_for() {
        let crypto = SeededProvider::new(1);
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        for (baked, looked_at, is_good) in [
            (0, &[59][..], true),
            (0, &[119], true),
            (0, &[119, 120], false),
            (59, &[60, 119], true),
            (59, &[119, 120], false),
            (61, &[119, 179], true),
            (61, &[119, 180], false),
            (150, &[239], true),
            (150, &[240], false),
        ] {
            let mut jar = CookieJar::new(&crypto, start);
            jar.rotate(&crypto, after(baked));
            let cookie = jar.bake(&[1; 32], ADDRESS, IkeSpi(5));
            looked_at.iter().for_each(|seconds| jar.rotate(&crypto, after(*seconds)));
            let good = jar.is_ours(&cookie, &[1; 32], ADDRESS, IkeSpi(5));
            assert_eq!(good, is_good, "of {baked} s, at {looked_at:?}");
        }
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
