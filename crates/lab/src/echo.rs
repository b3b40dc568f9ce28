//! ICMP echo over IPv4 (RFC 792), as much of it as a ping needs, and datagrams for the UDP echo port (RFC 862).

use std::net::Ipv4Addr;

/// An echo request with 32 octets of payload.
pub(crate) fn request(source: Ipv4Addr, destination: Ipv4Addr, sequence: u16) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 0x7c, 0x01];
    icmp.extend_from_slice(&sequence.to_be_bytes());
    icmp.extend_from_slice(b"truecell lab: is anybody there?!");
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());

    ipv4(source, destination, ICMP, &icmp)
}

/// A UDP datagram to the echo port, in a packet of `length` octets; without a UDP checksum.
pub(crate) fn datagram(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Vec<u8> {
    let mut udp = vec![0x13, 0x88, 0, 7];
    udp.extend_from_slice(&(length.saturating_sub(20) as u16).to_be_bytes());
    udp.resize(length.saturating_sub(20).max(8), 0);
    ipv4(source, destination, UDP, &udp)
}

const ICMP: u8 = 1;
const UDP: u8 = 17;

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = Vec::with_capacity(length.into());
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// The sequence number of an echo reply to `to`; `None` for anything else.
pub(crate) fn reply(packet: &[u8], to: Ipv4Addr) -> Option<u16> {
    let is_reply = packet.len() >= 28 && packet[0] == 0x45 && packet[9] == 1 && packet[20] == 0;
    let for_us = packet.get(16..20)? == to.octets();
    let sequence = packet.get(26..28)?.try_into().map(u16::from_be_bytes).ok()?;
    (is_reply && for_us).then_some(sequence)
}

/// The reply to an echo request that [`request`] made for `to`; `None` for anything else.
pub(crate) fn answer(packet: &[u8], to: Ipv4Addr) -> Option<Vec<u8>> {
    let is_request = packet.len() >= 28 && packet[0] == 0x45 && packet[9] == 1 && packet[20] == 8;
    if !is_request || packet.get(16..20)? != to.octets() {
        return None;
    }
    let mut answer = packet.to_vec();
    let (source, destination) = answer.get_mut(12..20)?.split_at_mut(4);
    source.swap_with_slice(destination);
    answer[20] = 0;
    answer[22..24].fill(0);
    let sum = checksum(answer.get(20..)?);
    answer[22..24].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let (pairs, odd) = octets.as_chunks::<2>();
    let last = odd.first().map_or(0, |octet| u32::from(*octet) << 8);
    let sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum::<u32>() + last;
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_its_sender_waits_for() {
        let (asker, asked) = (Ipv4Addr::new(10, 64, 0, 1), Ipv4Addr::new(10, 64, 0, 2));
        let answer = answer(&request(asker, asked, 7), asked).unwrap();
        assert_eq!((reply(&answer, asker), checksum(&answer[20..])), (Some(7), 0));
        assert_eq!(super::answer(&answer, asker), None, "no answer to an answer");
        assert_eq!(super::answer(&request(asker, asked, 7), asker), None, "not for us");
    }

    #[test]
    fn checksums_fold_to_zero_as_rfc_1071_says() {
        let packet = request(Ipv4Addr::new(10, 64, 0, 1), Ipv4Addr::new(10, 0, 0, 1), 7);
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(checksum(&packet[20..]), 0);
        assert_eq!(packet.len(), 60);
        let packet = datagram(Ipv4Addr::new(10, 64, 0, 1), Ipv4Addr::new(10, 0, 0, 1), 200);
        assert_eq!((checksum(&packet[..20]), packet.len(), &packet[2..4]), (0, 200, &[0, 200][..]));
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2, "the RFC's example");
    }
}
