//! Basic NAT (RFC 3022 §2.1), one address for one. Packets in, packets out.

use super::Addresses;
use crate::offload::Checksum;
use esp::Inner;
use std::net::IpAddr;

/// The addresses that a unit has in its tunnel, and those that stand for them behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    inside: Addresses,
    outside: Addresses,
}

/// Which end of a packet is the unit.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

const V4_CHECKSUM: usize = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const ICMPV6: u8 = 58;
const UDP_LITE: u8 = 136;

impl Translation {
    /// Of the families that both have; `None` where there is none.
    pub(crate) fn new(inside: Addresses, outside: Addresses) -> Option<Self> {
        let v4 = inside.v4.zip(outside.v4);
        let v6 = inside.v6.zip(outside.v6);
        let (inside_v4, outside_v4) = v4.unzip();
        let (inside_v6, outside_v6) = v6.unzip();
        (v4.is_some() || v6.is_some()).then_some(Self {
            inside: Addresses { v4: inside_v4, v6: inside_v6 },
            outside: Addresses { v4: outside_v4, v6: outside_v6 },
        })
    }

    /// Behind the gateway.
    pub(crate) fn outside(&self) -> Addresses {
        self.outside
    }

    /// Whether a packet comes from the unit, by an address that another stands for.
    pub(crate) fn has_inside(&self, inner: &Inner) -> bool {
        self.inside.iter().any(|inside| inside == inner.source)
    }

    /// Appends a packet from the unit as it goes on behind the gateway. One from anybody else is none.
    pub(crate) fn outward(&self, packet: &[u8], inner: &Inner, out: &mut Vec<u8>) {
        if self.has_inside(inner) {
            translate(packet, inner, End::Source, self.outside, out);
        }
    }

    /// Makes `out` the packet for the unit as it goes on into its tunnel, with what its headers say then; `None` where it
    /// is for somebody else.
    pub(crate) fn inward(&self, packet: &[u8], inner: &Inner, out: &mut Vec<u8>) -> Option<Inner> {
        self.outside.iter().find(|outside| *outside == inner.destination)?;
        out.clear();
        translate(packet, inner, End::Destination, self.inside, out);
        let mut inner = *inner;
        inner.destination = match inner.destination {
            IpAddr::V4(_) => IpAddr::V4(self.inside.v4?),
            IpAddr::V6(_) => IpAddr::V6(self.inside.v6?),
        };
        Some(inner)
    }
}

/// `inner`: of `packet`, of which what is behind its length is left out.
fn translate(packet: &[u8], inner: &Inner, end: End, to: Addresses, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(packet.get(..inner.length).unwrap_or(packet));
    let Some(packet) = out.get_mut(start..) else { return };
    match (inner.source, to) {
        (IpAddr::V4(_), Addresses { v4: Some(to), .. }) => {
            let at = if let End::Source = end { 12 } else { 16 };
            let Some(was) = replace(packet, at, to.octets()) else { return };
            update(packet, V4_CHECKSUM, was, to.octets());
            update_upper(packet, inner, was, to.octets());
        }
        (IpAddr::V6(_), Addresses { v6: Some(to), .. }) => {
            let at = if let End::Source = end { 8 } else { 24 };
            let Some(was) = replace(packet, at, to.octets()) else { return };
            update_upper(packet, inner, was, to.octets());
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => out.truncate(start),
    }
}

fn replace<const N: usize>(packet: &mut [u8], at: usize, with: [u8; N]) -> Option<[u8; N]> {
    let place = packet.get_mut(at..)?.first_chunk_mut()?;
    Some(std::mem::replace(place, with))
}

/// The checksum of a protocol that covers the addresses by a pseudo-header (RFC 9293 §3.1, RFC 768, RFC 3828, RFC 4340
/// §9.1, RFC 4443 §2.3). A fragment has it in its first part, for the whole.
fn update_upper<const N: usize>(packet: &mut [u8], inner: &Inner, was: [u8; N], is: [u8; N]) {
    let Some(upper) = inner.upper else { return };
    match inner.protocol {
        TCP => update(packet, upper + 16, was, is),
        DCCP => update(packet, upper + 6, was, is),
        ICMPV6 => update(packet, upper + 2, was, is),
        UDP | UDP_LITE => update_udp(packet, upper + 6, was, is),
        _ => {}
    }
}

/// A datagram without a checksum (RFC 768) stays without, and none loses its own.
fn update_udp<const N: usize>(packet: &mut [u8], at: usize, was: [u8; N], is: [u8; N]) {
    if packet.get(at..at + 2).is_none_or(|field| field == [0, 0]) {
        return;
    }
    update(packet, at, was, is);
    if let Some(field) = packet.get_mut(at..at + 2).filter(|field| **field == [0, 0]) {
        field.fill(0xff);
    }
}

/// HC' = ~(~HC + ~m + m') (RFC 1624 §3, equation 3). A packet that ends before its checksum has none.
fn update<const N: usize>(packet: &mut [u8], at: usize, was: [u8; N], is: [u8; N]) {
    let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) else { return };
    let old = field.map(|octet| !octet);
    let sum = Checksum::default().add(&old).add(&was.map(|octet| !octet)).add(&is);
    *field = sum.finish();
}

#[cfg(test)]
mod tests;
