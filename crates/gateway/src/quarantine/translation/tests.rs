use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const OWN_V4: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 9);
const STANDS_FOR_V4: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 254);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd64, 0, 0, 0, 0, 0, 0, 9);
const STANDS_FOR_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 7, 0xffff, 0, 0, 1);
const HOST_V4: [u8; 4] = [10, 0, 0, 5];
const HOST_V6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];

fn translation() -> Translation {
    let inside = Addresses { v4: Some(OWN_V4), v6: Some(OWN_V6) };
    let outside = Addresses { v4: Some(STANDS_FOR_V4), v6: Some(STANDS_FOR_V6) };
    Translation::new(inside, outside).unwrap()
}

fn outward(packet: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee; 3];
    translation().outward(packet, &Inner::parse(packet).unwrap(), &mut out);
    out.split_off(3)
}

fn inward(packet: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee; 3];
    let inner = translation().inward(packet, &Inner::parse(packet).unwrap(), &mut out).unwrap();
    assert_eq!(inner, Inner::parse(&out).unwrap(), "what is said of it is what it says");
    out
}

/// RFC 1071 §4.1, step by step: 0 over what holds its own good checksum.
fn sum(parts: &[&[u8]]) -> u16 {
    let pairs = parts.concat();
    let mut sum: u32 = 0;
    for pair in pairs.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Addresses of a packet, and where its protocol begins; the packets here have one extension header or none.
fn parts(packet: &[u8]) -> (&[u8], &[u8]) {
    if packet[0] >> 4 == 4 {
        return (&packet[12..20], &packet[usize::from(packet[0] & 15) * 4..]);
    }
    let behind = if packet[6] == 60 { 48 } else { 40 };
    (&packet[8..40], &packet[behind..])
}

/// Where the checksum stands.
fn field(protocol: u8) -> Option<usize> {
    match protocol {
        6 => Some(16),
        17 | 33 | 136 => Some(6),
        1 | 58 => Some(2),
        _ => None,
    }
}

fn upper_sum(packet: &[u8], protocol: u8) -> u16 {
    let (addresses, upper) = parts(packet);
    let pseudo = [addresses, &(upper.len() as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat();
    // ICMP over IPv4 has no pseudo-header.
    if protocol == 1 { sum(&[upper]) } else { sum(&[&pseudo, upper]) }
}

/// With good checksums. `upper`: the protocol's header and data, at least 20 octets.
fn packet(is_v4: bool, has_options: bool, protocol: u8, mut upper: Vec<u8>) -> Vec<u8> {
    let at = field(protocol);
    if let Some(at) = at {
        upper[at..at + 2].fill(0);
    }
    let mut packet = Vec::new();
    if is_v4 {
        let options: &[u8] = if has_options { &[1, 1, 1, 0] } else { &[] };
        let length = (20 + options.len() + upper.len()) as u16;
        packet.extend([0x45 + options.len() as u8 / 4, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([0, 7, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend(OWN_V4.octets());
        packet.extend(HOST_V4);
        packet.extend(options);
        let header = sum(&[&packet]);
        packet[10..12].copy_from_slice(&header.to_be_bytes());
    } else {
        let options: &[u8] = if has_options { &[protocol, 0, 1, 4, 0, 0, 0, 0] } else { &[] };
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(((options.len() + upper.len()) as u16).to_be_bytes());
        packet.extend([if has_options { 60 } else { protocol }, 64]);
        packet.extend(OWN_V6.octets());
        packet.extend(HOST_V6);
        packet.extend(options);
    }
    let start = packet.len();
    packet.extend(upper);
    if let Some(at) = at {
        let good = upper_sum(&packet, protocol);
        let good = if good == 0 && protocol == 17 { 0xffff } else { good };
        packet[start + at..start + at + 2].copy_from_slice(&good.to_be_bytes());
    }
    packet
}

fn header_is_good(packet: &[u8]) -> bool {
    packet[0] >> 4 == 6 || sum(&[&packet[..usize::from(packet[0] & 15) * 4]]) == 0
}

/// What the host sends back: the same with its ends swapped, which no checksum sees.
fn turned(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (first, size) = if packet[0] >> 4 == 4 { (12, 4) } else { (8, 16) };
    let source = packet[first..first + size].to_vec();
    packet.copy_within(first + size..first + 2 * size, first);
    packet[first + size..first + 2 * size].copy_from_slice(&source);
    packet
}

/// All but addresses and checksums.
fn rest(packet: &[u8], protocol: u8) -> Vec<u8> {
    let mut rest = packet.to_vec();
    let start = packet.len() - parts(packet).1.len();
    if let Some(at) = field(protocol) {
        rest[start + at..start + at + 2].fill(0);
    }
    if packet[0] >> 4 == 4 {
        rest[10..20].fill(0);
    } else {
        rest[8..40].fill(0);
    }
    rest
}

const PROTOCOLS: [u8; 8] = [6, 17, 33, 136, 1, 58, 132, 253];

proptest! {
    #[test]
    fn there_and_back_every_checksum_is_good_and_nothing_else_is_touched(
        is_v4: bool,
        has_options: bool,
        which in 0..PROTOCOLS.len(),
        upper in prop::collection::vec(any::<u8>(), 20..200),
        wrong in 1..u16::MAX,
    ) {
        let protocol = PROTOCOLS[which];
        let sent = packet(is_v4, has_options, protocol, upper);
        let gone = outward(&sent);
        let source = Inner::parse(&gone).unwrap().source;
        prop_assert_eq!(source, if is_v4 { IpAddr::V4(STANDS_FOR_V4) } else { IpAddr::V6(STANDS_FOR_V6) });
        prop_assert_eq!(rest(&gone, protocol), rest(&sent, protocol));
        let covered = field(protocol).is_some();
        prop_assert!(header_is_good(&gone) && (!covered || upper_sum(&gone, protocol) == 0));
        let came = inward(&turned(&gone));
        prop_assert!(header_is_good(&came) && (!covered || upper_sum(&came, protocol) == 0));
        prop_assert_eq!(&turned(&came)[..], &sent[..]);
        // A packet that was damaged on its way is not made good.
        let (mut damaged, last) = (sent.clone(), sent.len() & !1);
        let word = u16::from_be_bytes([damaged[last - 2], damaged[last - 1]]).wrapping_add(wrong);
        damaged[last - 2..last].copy_from_slice(&word.to_be_bytes());
        if covered && upper_sum(&damaged, protocol) != 0 {
            prop_assert_ne!(upper_sum(&outward(&damaged), protocol), 0);
        }
    }

    #[test]
    fn no_packet_makes_it_panic(packet in prop::collection::vec(any::<u8>(), 0..120), is_v4: bool) {
        let mut packet = packet;
        packet.iter_mut().take(1).for_each(|first| *first = if is_v4 { 0x45 } else { 0x60 });
        let addresses: &[u8] = if is_v4 { &OWN_V4.octets() } else { &OWN_V6.octets() };
        let at = if is_v4 { 12 } else { 8 };
        packet.iter_mut().skip(at).zip(addresses).for_each(|(place, octet)| *place = *octet);
        if let Ok(inner) = Inner::parse(&packet) {
            let mut out = Vec::new();
            translation().outward(&packet, &inner, &mut out);
            prop_assert_eq!(out.len(), inner.length);
        }
    }
}

#[test]
fn a_datagram_without_a_checksum_stays_without_and_none_loses_its_own() {
    for payload in u16::MIN..=u16::MAX {
        let upper = [&[0, 7, 0, 7, 0, 20, 0, 0][..], &payload.to_be_bytes(), &[0; 10]].concat();
        for is_v4 in [true, false] {
            let gone = outward(&packet(is_v4, false, 17, upper.clone()));
            assert_eq!(upper_sum(&gone, 17), 0);
            assert_ne!(parts(&gone).1[6..8], [0, 0]);
        }
    }
    let mut without = packet(true, false, 17, vec![1; 20]);
    without[26..28].fill(0);
    assert_eq!(outward(&without)[26..28], [0, 0]);
}

/// The checksum of a datagram stands in its first fragment, and is of all of them.
#[test]
fn a_datagram_in_fragments_is_good_once_it_is_whole_again() {
    let whole = packet(true, false, 17, (0..64).collect());
    let fragment = |from: usize, to: usize, more: bool| {
        let mut fragment = [&whole[..20], &whole[20 + from..20 + to]].concat();
        fragment[2..4].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
        let word = (from as u16 / 8) | if more { 0x2000 } else { 0 };
        fragment[6..8].copy_from_slice(&word.to_be_bytes());
        fragment[10..12].fill(0);
        let header = sum(&[&fragment[..20]]);
        fragment[10..12].copy_from_slice(&header.to_be_bytes());
        fragment
    };
    let parts: Vec<_> = [fragment(0, 24, true), fragment(24, 48, true), fragment(48, 64, false)]
        .iter()
        .map(|part| outward(part))
        .collect();
    assert!(parts.iter().all(|part| header_is_good(part) && part[12..16] == STANDS_FOR_V4.octets()));
    let data: Vec<u8> = parts.iter().flat_map(|part| part[20..].to_vec()).collect();
    assert_eq!(data[8..], whole[28..], "the data is as it was");
    let again = [&parts[0][..20], &data].concat();
    assert_eq!(upper_sum(&again, 17), 0);
}

#[test]
fn packets_of_and_for_others_are_none() {
    let own = packet(true, false, 17, vec![1; 20]);
    let mut others = own.clone();
    others[15] ^= 1;
    let mut out = Vec::new();
    translation().outward(&others, &Inner::parse(&others).unwrap(), &mut out);
    assert!(out.is_empty());
    for packet in [own.clone(), turned(&own), turned(&others)] {
        assert_eq!(translation().inward(&packet, &Inner::parse(&packet).unwrap(), &mut out), None);
    }
}

#[test]
fn a_family_that_one_side_lacks_does_not_pass() {
    let inside = Addresses { v4: Some(OWN_V4), v6: Some(OWN_V6) };
    let v4 = Addresses { v4: Some(STANDS_FOR_V4), v6: None };
    let translation = Translation::new(inside, v4).unwrap();
    assert_eq!(translation.outside(), v4);
    let packet = packet(false, false, 17, vec![1; 20]);
    assert!(!translation.has_inside(&Inner::parse(&packet).unwrap()));
    assert_eq!(Translation::new(Addresses { v4: None, v6: Some(OWN_V6) }, v4), None);
}
