//! What stands behind the tunnels: the carrier's core network, or a stand-in for it.

use std::{net::IpAddr, os::fd::BorrowedFd};

/// Inner packets in one buffer, in order. Cleared and filled again, it stops allocating.
#[derive(Default)]
pub struct Packets {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Packets {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a packet.
    pub fn push(&mut self, packet: &[u8]) {
        self.push_with(|octets| octets.extend_from_slice(packet));
    }

    /// Adds a packet that `write` appends to the buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.octets);
        self.ends.push(self.octets.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Octets of all of them.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.octets.get(start..*end))
    }

    /// One of them, counted from zero.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.octets.get(start..*self.ends.get(index)?)
    }

    /// Forgets them and keeps the room.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }
}

/// The core's side of one shard. Called on its thread alone; never blocks.
pub trait Core: Send {
    /// Packets that left tunnels: opened, their inner source checked against the session. Returns how
    /// many it had no room for.
    fn uplink(&mut self, packets: &Packets) -> usize;

    /// Appends what is there for units, or a part of it. Each packet's destination says whose it is.
    /// Returns how many came that could not be read.
    fn downlink(&mut self, packets: &mut Packets) -> usize;

    /// Whether those behind it heed ICMP errors. Where not, what is too big for the way to a unit goes in
    /// fragments outside.
    fn heeds_errors(&self) -> bool {
        false
    }

    /// Readable when more is there for units; `None` where that only comes as an answer to `uplink`.
    fn readable(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Looks whether something works that the gateway does not have itself: why not, and `None` when it does. It is called
/// each second, and must not wait.
pub type Check = Box<dyn FnMut() -> Option<String> + Send>;

/// A core within the process: it answers ICMP and ICMPv6 echo and UDP datagrams sent to port 7 of a
/// service address, and nothing else. What `lab` uses, and `serve` where there is no TUN.
pub struct VirtualCore {
    services: Vec<IpAddr>,
    answers: Packets,
}

impl VirtualCore {
    /// A core whose services have these addresses.
    pub fn new(services: Vec<IpAddr>) -> Self {
        Self { services, answers: Packets::new() }
    }

    /// Whether there was room to answer.
    fn answer(&mut self, packet: &[u8]) -> bool {
        let Ok(inner) = esp::Inner::parse(packet) else { return true };
        let has_room = self.answers.len() < MAX_ANSWERS;
        if has_room && self.services.contains(&inner.destination) {
            let packet = packet.get(..inner.length).unwrap_or(packet);
            self.answers.push_with(|out| echo::answer(packet, out));
        }
        has_room
    }
}

/// Answers kept until the next `downlink`; what is beyond is not taken.
const MAX_ANSWERS: usize = 4096;

impl Core for VirtualCore {
    fn uplink(&mut self, packets: &Packets) -> usize {
        packets.iter().filter(|packet| !self.answer(packet)).count()
    }

    fn downlink(&mut self, packets: &mut Packets) -> usize {
        self.answers.iter().filter(|answer| !answer.is_empty()).for_each(|answer| packets.push(answer));
        self.answers.clear();
        0
    }
}

/// Echo answers, byte by byte.
mod echo {
    const ICMP: u8 = 1;
    const UDP: u8 = 17;
    const ICMPV6: u8 = 58;
    const ECHO_PORT: [u8; 2] = [0, 7];

    /// Appends the answer to an echo request; nothing for any other packet.
    pub(super) fn answer(packet: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let made = match packet.first().map(|first| first >> 4) {
            Some(4) => answer_v4(packet, out),
            Some(6) => answer_v6(packet, out),
            _ => None,
        };
        if made.is_none() {
            out.truncate(start);
        }
    }

    fn answer_v4(packet: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let header: &[u8; 20] = packet.first_chunk()?;
        let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        if header[0] != 0x45 || is_fragment {
            return None;
        }
        let start = out.len();
        out.extend_from_slice(header);
        let answer = out.get_mut(start..)?;
        swap(answer, 12, 16, 4)?;
        *answer.get_mut(8)? = 64;
        answer.get_mut(10..12)?.fill(0);
        let checksum = checksum(0, answer);
        answer.get_mut(10..12)?.copy_from_slice(&checksum);
        answer_payload(header[9], packet.get(20..)?, 0, out)
    }

    fn answer_v6(packet: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let header: &[u8; 40] = packet.first_chunk()?;
        let start = out.len();
        out.extend_from_slice(header);
        let answer = out.get_mut(start..)?;
        swap(answer, 8, 24, 16)?;
        *answer.get_mut(7)? = 64;
        let length = packet.len() - 40;
        // Pseudo-header (RFC 8200 §8.1): addresses, length, next header.
        let pseudo = sum(u32::try_from(length).ok()? + u32::from(header[6]), header.get(8..)?);
        answer_payload(header[6], packet.get(40..)?, pseudo, out)
    }

    /// `pseudo`: sum over the pseudo-header, where the checksum covers one.
    fn answer_payload(protocol: u8, payload: &[u8], pseudo: u32, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(payload);
        let answer = out.get_mut(start..)?;
        match (protocol, payload.first_chunk::<4>()?) {
            (ICMP, [8, 0, ..]) => answer_icmp(answer, 0, 0),
            (ICMPV6, [128, 0, ..]) => answer_icmp(answer, 129, pseudo),
            (UDP, [_, _, port @ ..]) if *port == ECHO_PORT => swap(answer, 0, 2, 2),
            _ => None,
        }
    }

    fn answer_icmp(message: &mut [u8], kind: u8, pseudo: u32) -> Option<()> {
        *message.first_mut()? = kind;
        message.get_mut(2..4)?.fill(0);
        let checksum = checksum(pseudo, message);
        message.get_mut(2..4)?.copy_from_slice(&checksum);
        Some(())
    }

    fn swap(octets: &mut [u8], first: usize, second: usize, length: usize) -> Option<()> {
        let (head, tail) = octets.split_at_mut_checked(second)?;
        head.get_mut(first..first + length)?.swap_with_slice(tail.get_mut(..length)?);
        Some(())
    }

    pub(super) fn checksum(start: u32, octets: &[u8]) -> [u8; 2] {
        let sum = sum(start, octets);
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        (!(folded as u16)).to_be_bytes()
    }

    /// One's-complement sum, unfolded: 65,535 octets stay below 2^31.
    fn sum(start: u32, octets: &[u8]) -> u32 {
        let word = |pair: &[u8]| {
            u32::from(pair.first().copied().unwrap_or(0)) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))
        };
        octets.chunks(2).map(word).fold(start, u32::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "10.64.0.1";

    fn v4(protocol: u8, destination: &str, payload: &[u8]) -> Vec<u8> {
        let mut packet =
            vec![0x45, 0, 0, 20 + payload.len() as u8, 0, 9, 0x40, 0, 17, protocol, 0, 0, 10, 64, 0, 9];
        let std::net::IpAddr::V4(destination) = destination.parse().unwrap() else { panic!("IPv4") };
        packet.extend(destination.octets());
        let checksum = echo::checksum(0, &packet);
        packet[10..12].copy_from_slice(&checksum);
        packet.extend(payload);
        packet
    }

    fn exchange(core: &mut VirtualCore, packet: &[u8]) -> Vec<Vec<u8>> {
        let (mut up, mut down) = (Packets::new(), Packets::new());
        up.push(packet);
        core.uplink(&up);
        core.downlink(&mut down);
        down.iter().map(<[u8]>::to_vec).collect()
    }

    fn core() -> VirtualCore {
        VirtualCore::new(vec![SERVICE.parse().unwrap(), "fd00::1".parse().unwrap()])
    }

    #[test]
    fn a_ping_is_answered_with_good_checksums() {
        let mut request = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1, 0xaa, 0xbb, 0xcc];
        let checksum = echo::checksum(0, &request);
        request[2..4].copy_from_slice(&checksum);
        let [answer] = exchange(&mut core(), &v4(1, SERVICE, &request)).try_into().unwrap();
        assert_eq!(echo::checksum(0, &answer[..20]), [0, 0]);
        assert_eq!(echo::checksum(0, &answer[20..]), [0, 0]);
        assert_eq!((&answer[12..20], &answer[24..]), (&[10, 64, 0, 1, 10, 64, 0, 9][..], &request[4..]));
        assert_eq!(answer[20], 0);
    }

    #[test]
    fn a_ping_over_ipv6_is_answered_with_a_good_checksum() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 9, 58, 64];
        packet.extend("fd00::9".parse::<std::net::Ipv6Addr>().unwrap().octets());
        packet.extend("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
        packet.extend([128, 0, 0, 0, 1, 2, 3, 4, 5]);
        let [answer] = exchange(&mut core(), &packet).try_into().unwrap();
        assert_eq!((&answer[8..24], answer[40]), (&packet[24..40], 129));
        let pseudo = [&answer[8..40], &[0, 0, 0, 9, 0, 0, 0, 58], &answer[40..]].concat();
        assert_eq!(echo::checksum(0, &pseudo), [0, 0]);
    }

    #[test]
    fn udp_to_port_7_comes_back() {
        let [answer] = exchange(&mut core(), &v4(17, SERVICE, &[0x13, 0x88, 0, 7, 0, 10, 0, 0, 1, 2]))
            .try_into()
            .unwrap();
        assert_eq!(answer[20..], [0, 7, 0x13, 0x88, 0, 10, 0, 0, 1, 2]);
    }

    #[test]
    fn nothing_else_is_answered() {
        let ping = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
        for packet in [
            v4(1, "10.64.0.77", &ping),
            v4(1, SERVICE, &[0, 0, 0, 0, 0, 0, 0, 0]),
            v4(17, SERVICE, &[0x13, 0x88, 0, 9, 0, 8, 0, 0]),
            v4(6, SERVICE, &[0; 20]),
            v4(1, SERVICE, &[8]),
            vec![0x45, 0],
        ] {
            assert_eq!(exchange(&mut core(), &packet), Vec::<Vec<u8>>::new());
        }
    }
}
