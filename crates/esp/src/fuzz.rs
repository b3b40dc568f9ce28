//! Entry points for fuzzers: plain functions over bytes, which must return for every input. A panic is a
//! finding, and so is an answer that contradicts another.

mod inner;

use crate::{
    Dropped, InboundSa, Keys, OutboundSa, Selector, Selectors, Suite,
    transform::{Header, Sealer},
    udp_encap::{Datagram, classify},
};
use ids::Spi;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

pub use inner::inner;

/// Of the SA that every input meets.
const SPI: Spi = Spi(0xc0ff_ee01);

/// A datagram of the NAT-T port, or what a peer that holds the keys seals; returns what became of it.
///
/// `data`: one octet, its two low bits the suite, then a bit for extended sequence numbers, then one for
/// the kind of what follows: 0 a datagram, 1 what is encrypted, from the inner packet to the next header,
/// cut to the suite's alignment.
///
/// # Panics
/// When a packet counts twice, or an opened one is not as long as its header says.
pub fn datagram(data: &[u8]) -> &'static str {
    let Some((&kind, rest)) = data.split_first() else { return "empty" };
    let (suite, extended) = (suite(kind), kind & 4 != 0);
    let sealed = if kind & 8 == 0 { rest.to_vec() } else { seal_raw(suite, extended, rest) };
    match classify(&sealed) {
        Datagram::Keepalive => "keepalive",
        Datagram::Ike(_) => "ike",
        Datagram::Runt => "runt",
        Datagram::Esp(_, packet) => open(suite, extended, packet),
    }
}

/// An inner packet as a datagram for [`datagram`]: sealed under the keys that it opens with. `None` when it
/// is no whole IP packet.
pub fn sealed(kind: u8, inner: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![kind];
    let mut sa = OutboundSa::new(SPI, keys(suite(kind))?, kind & 4 != 0, all());
    sa.seal(inner, &mut out).ok().map(|()| out)
}

fn open(suite: Suite, extended: bool, packet: &[u8]) -> &'static str {
    let Some(keys) = keys(suite) else { return "empty" };
    let mut sa = InboundSa::new(SPI, keys, extended, all());
    let answer = match sa.open(&mut packet.to_vec()) {
        Ok(opened) => {
            assert_eq!(opened.packet.len(), opened.inner.length, "padding is cut off");
            assert!(opened.newest, "the first packet is the newest");
            Ok(())
        }
        Err(rejected) => Err(rejected.why),
    };
    let again = sa.open(&mut packet.to_vec()).map(drop).map_err(|rejected| rejected.why);
    let was_new = answer.is_ok() || answer.is_err_and(Dropped::is_authentic);
    let expected = if was_new { Err(Dropped::Replayed) } else { answer };
    assert_eq!(again, expected, "an authentic packet counts once");
    answer.map_or_else(Dropped::label, |()| "opened")
}

fn seal_raw(suite: Suite, extended: bool, plain: &[u8]) -> Vec<u8> {
    let plain = plain.get(plain.len() % suite.alignment()..).unwrap_or_default();
    let mut out = Vec::new();
    let header = Header { spi: SPI, sequence: 1, extended };
    if let Some(keys) = keys(suite) {
        let _ = Sealer::new(keys).seal(header, &mut out, |out| out.extend_from_slice(plain));
    }
    out
}

fn suite(kind: u8) -> Suite {
    match kind & 3 {
        0 => Suite::Aes128Gcm16,
        1 => Suite::Aes256Gcm16,
        2 => Suite::Aes128CbcHmacSha256,
        _ => Suite::Aes256CbcHmacSha256,
    }
}

fn keys(suite: Suite) -> Option<Keys> {
    let octets = [0x5a; 36];
    Keys::new(suite, octets.get(..suite.encryption_len())?, octets.get(..suite.integrity_len())?).ok()
}

/// Selectors that nothing is outside of but packets from 127.0.0.0/8: their sender is another.
fn all() -> Arc<Selectors> {
    let v4 = |first, last| Selector::range(IpAddr::V4(first), IpAddr::V4(last));
    let v6 = Selector::range(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
    let everything = [v4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST), v6];
    let below = v4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(126, 255, 255, 255));
    let above = v4(Ipv4Addr::new(128, 0, 0, 0), Ipv4Addr::BROADCAST);
    Arc::new(Selectors { local: Arc::new(everything), remote: Box::new([below, above, v6]) })
}
