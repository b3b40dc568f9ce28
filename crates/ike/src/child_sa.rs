use crate::{
    Path,
    crypto::{CryptoProvider, PrfAlgorithm, Secret, child_keymat},
    payload::TrafficSelector,
    suite::EspSuite,
};
use ids::Spi;
use std::{collections::HashSet, fmt};
use zeroize::Zeroizing;

/// Keys of one ESP SA, one direction. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct EspKeys {
    /// Encryption key; for AES-GCM 4 octets of salt behind it (RFC 4106 §8.1).
    pub encr: Secret,
    /// Integrity key; empty for AES-GCM.
    pub integ: Secret,
}

impl fmt::Debug for EspKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EspKeys(..)")
    }
}

/// A pair of ESP SAs in tunnel mode (RFC 7296 §1.3, RFC 4301 §4.4.2.1), ready for use.
#[derive(Clone, Debug)]
pub struct ChildSa {
    /// The SPI that we receive on; names the pair.
    pub spi_in: Spi,
    /// The SPI that we send with.
    pub spi_out: Spi,
    /// Algorithms, and whether sequence numbers have 64 bits.
    pub suite: EspSuite,
    /// Keys of what we receive.
    pub keys_in: EspKeys,
    /// Keys of what we send.
    pub keys_out: EspKeys,
    /// Our side: TSr for the responder of the exchange.
    pub ts_local: Vec<TrafficSelector>,
    /// The peer's side: TSi for the responder of the exchange.
    pub ts_remote: Vec<TrafficSelector>,
    /// Outer addresses. Where not `encapsulated`, the peer will send ESP outside UDP.
    pub path: Path,
    /// Inbound SPI of the pair that this one takes over from; its `RemoveChildSa` follows.
    pub replaces: Option<Spi>,
    /// We began the exchange, so the peer has its half already. When false and something is
    /// replaced, go on sending with the old pair until a packet comes in on this one, or the old
    /// one is removed (RFC 7296 §2.8).
    pub peer_is_ready: bool,
}

/// The two directions of a CHILD SA from KEYMAT: first the one from the exchange's initiator to its
/// responder, and in each encryption before integrity (RFC 7296 §2.17).
pub(crate) struct ChildKeys {
    pub(crate) from_initiator: EspKeys,
    pub(crate) from_responder: EspKeys,
}

impl ChildKeys {
    pub(crate) fn derive(
        suite: EspSuite,
        prf: PrfAlgorithm,
        sk_d: &[u8],
        shared_secret: &[u8],
        nonces: (&[u8], &[u8]),
    ) -> Self {
        let (encr, integ) = (suite.cipher.keymat_len(), suite.cipher.integ_key_len());
        let keymat = child_keymat(prf, sk_d, shared_secret, nonces, 2 * (encr + integ));
        let direction = |octets: &[u8]| {
            let (encr, integ) = octets.split_at_checked(encr).unwrap_or_default();
            EspKeys { encr: Zeroizing::new(encr.to_vec()), integ: Zeroizing::new(integ.to_vec()) }
        };
        let (first, second) = keymat.split_at(keymat.len() / 2);
        Self { from_initiator: direction(first), from_responder: direction(second) }
    }
}

/// Draws an SPI that no other CHILD SA receives on; 0 to 255 are reserved (RFC 4303 §2.1).
pub(crate) fn draw_spi(taken: &mut HashSet<Spi>, crypto: &dyn CryptoProvider) -> Spi {
    loop {
        let mut octets = [0; 4];
        crypto.random(&mut octets);
        let spi = Spi(u32::from_be_bytes(octets));
        if spi.0 > 255 && taken.insert(spi) {
            return spi;
        }
    }
}
