use super::{
    VirtioNet,
    checksum::Checksum,
    split::{header_checksum, put, u16_at},
    virtio_net::Segments,
};
use crate::core::Packets;

/// Finds runs of packets that the kernel takes as one: TCP data of one connection, in sequence, of one
/// size, with headers that differ in nothing else. Kept from batch to batch, it stops allocating.
#[derive(Default)]
pub(crate) struct Merger {
    runs: Vec<Run>,
    /// For each packet the one behind it in its run.
    next: Vec<Option<u32>>,
    /// Runs that may still grow, oldest first.
    open: Vec<usize>,
}

/// Connections that are looked after at a time; a packet of another one ends the oldest run.
const OPEN: usize = 16;

/// The longest IP packet.
const MAX_LENGTH: usize = 65_535;

/// One write to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    /// Packets in it.
    count: usize,
    /// Of the whole.
    length: usize,
    /// How the packets are alike; `None` for a packet that stays alone.
    data: Option<TcpData>,
}

/// TCP data without anything that a run could not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TcpData {
    is_v4: bool,
    /// Octets of IP header.
    transport: usize,
    /// Octets of all headers.
    payload: usize,
    /// Octets of payload in each packet.
    size: usize,
    /// The sequence number that continues it.
    continues: u32,
    /// PSH was set, or the last packet was shorter: nothing may follow.
    is_over: bool,
}

const TCP: u8 = 6;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const TCP_CHECKSUM: u16 = 16;

impl Merger {
    /// Packets in one write at most.
    pub(crate) const MAX_PACKETS: usize = 64;

    /// Looks at a batch; [`Self::writes`] has what came of it.
    pub(crate) fn look_at(&mut self, packets: &Packets) {
        self.runs.clear();
        self.open.clear();
        self.next.clear();
        self.next.resize(packets.len(), None);
        for (index, packet) in packets.iter().enumerate() {
            self.take(index as u32, packet, packets);
        }
    }

    fn take(&mut self, index: u32, packet: &[u8], packets: &Packets) {
        let data = TcpData::of(packet);
        if let Some(place) = self.open.iter().position(|run| self.is_same_flow(*run, packet, packets)) {
            let run = self.open[place];
            if self.grow(run, index, packet, data, packets) {
                return;
            }
            self.open.remove(place);
        }
        if data.is_some_and(|data| !data.is_over) {
            if self.open.len() == OPEN {
                self.open.remove(0);
            }
            self.open.push(self.runs.len());
        }
        self.runs.push(Run { first: index, last: index, count: 1, length: packet.len(), data });
    }

    fn is_same_flow(&self, run: usize, packet: &[u8], packets: &Packets) -> bool {
        let first = self.runs.get(run).and_then(|run| packets.get(run.first as usize));
        first.is_some_and(|first| flow(first).is_some() && flow(first) == flow(packet))
    }

    /// Adds a packet to a run of its connection, if it continues it.
    fn grow(
        &mut self,
        run: usize,
        index: u32,
        packet: &[u8],
        data: Option<TcpData>,
        packets: &Packets,
    ) -> bool {
        let (Some(run), Some(data)) = (self.runs.get_mut(run), data) else { return false };
        let (Some(grown), Some(first)) = (run.data.as_mut(), packets.get(run.first as usize)) else {
            return false;
        };
        let length = run.length + data.size;
        let fits = !grown.is_over
            && run.count < Self::MAX_PACKETS
            && grown.continues == data.sequence(packet)
            && data.size <= grown.size
            && length <= MAX_LENGTH
            && grown.is_alike(first, &data, packet);
        if fits {
            grown.is_over = data.is_over || data.size < grown.size;
            grown.continues = data.continues;
            if let Some(next) = self.next.get_mut(run.last as usize) {
                *next = Some(index);
            }
            (run.last, run.count, run.length) = (index, run.count + 1, length);
        }
        fits
    }

    /// What to write, in order.
    pub(crate) fn writes<'a>(&'a self, packets: &'a Packets) -> impl Iterator<Item = Write<'a>> {
        self.runs.iter().filter_map(move |run| {
            Some(Write { merger: self, packets, run: *run, headers: run.headers(packets)? })
        })
    }
}

/// Addresses and ports of a TCP packet without fragments; what stands between them in the headers is
/// compared elsewhere.
fn flow(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let (transport, addresses) = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&TCP) && u16_at(packet, 6) & 0x3fff == 0 => {
            (usize::from(packet.first()? & 15) * 4, packet.get(12..20)?)
        }
        6 if packet.get(6) == Some(&TCP) => (40, packet.get(8..40)?),
        _ => return None,
    };
    Some((addresses, packet.get(transport..transport + 4)?))
}

impl TcpData {
    /// `None` for everything that goes alone: other protocols, options of IP, fragments, SYN, FIN, RST,
    /// URG, ECE, CWR, no data, a wrong length or checksum.
    fn of(packet: &[u8]) -> Option<Self> {
        flow(packet)?;
        let is_v4 = packet.first()? >> 4 == 4;
        let transport = if is_v4 { 20 } else { 40 };
        let tcp = packet.get(transport..)?;
        let (payload, flags) = (transport + usize::from(tcp.get(12)? >> 4) * 4, *tcp.get(13)?);
        let size = packet.len().checked_sub(payload).filter(|size| *size > 0)?;
        let length = if is_v4 { u16_at(packet, 2).into() } else { usize::from(u16_at(packet, 4)) + 40 };
        let is_plain = if is_v4 {
            const DONT_FRAGMENT: u16 = 0x4000;
            *packet.first()? == 0x45
                && u16_at(packet, 6) == DONT_FRAGMENT
                && Checksum::default().add(packet.get(..20)?).is_good()
        } else {
            true
        };
        let is_data = payload >= transport + 20 && flags & !PSH == ACK && is_plain && length == packet.len();
        if !is_data || !pseudo(packet, is_v4, tcp.len()).add(tcp).is_good() {
            return None;
        }
        let mut data = Self { is_v4, transport, payload, size, continues: 0, is_over: flags & PSH != 0 };
        data.continues = data.sequence(packet).wrapping_add(size as u32);
        Some(data)
    }

    fn sequence(&self, packet: &[u8]) -> u32 {
        let at = self.transport + 4;
        u32::from(u16_at(packet, at)) << 16 | u32::from(u16_at(packet, at + 2))
    }

    /// The headers agree in all but lengths, identification, sequence number, PSH and checksums.
    fn is_alike(&self, first: &[u8], other: &Self, packet: &[u8]) -> bool {
        let same = |from: usize, to: usize| first.get(from..to) == packet.get(from..to);
        let at = self.transport;
        let of_ip = if self.is_v4 { same(0, 2) && same(6, 10) } else { same(0, 4) && same(6, 8) };
        let of_tcp = same(at + 8, at + 13) && same(at + 14, at + 16) && same(at + 18, self.payload);
        self.is_v4 == other.is_v4 && self.payload == other.payload && of_ip && of_tcp
    }
}

fn pseudo(packet: &[u8], is_v4: bool, length: usize) -> Checksum {
    let addresses = packet.get(if is_v4 { 12..20 } else { 8..40 }).unwrap_or_default();
    Checksum::of_pseudo_header(addresses, TCP, length)
}

/// Headers of a run: an offload header, and those of its first packet made those of the whole.
#[derive(Clone, Copy)]
struct Headers {
    octets: [u8; VirtioNet::LENGTH + MAX_HEADERS],
    length: usize,
}

/// IPv6 and the longest TCP header.
const MAX_HEADERS: usize = 40 + 60;

impl Run {
    fn headers(&self, packets: &Packets) -> Option<Headers> {
        let mut headers = Headers { octets: [0; VirtioNet::LENGTH + MAX_HEADERS], length: VirtioNet::LENGTH };
        let Some(data) = self.data.filter(|_| self.first != self.last) else { return Some(headers) };
        let offload = VirtioNet {
            needs_checksum: true,
            segments: if data.is_v4 { Segments::TcpV4 } else { Segments::TcpV6 },
            header_length: data.payload as u16,
            segment_size: data.size as u16,
            checksum_start: data.transport as u16,
            checksum_offset: TCP_CHECKSUM,
        };
        let (first, last) = (packets.get(self.first as usize)?, packets.get(self.last as usize)?);
        headers.length += data.payload;
        let (front, own) = headers.octets.get_mut(..headers.length)?.split_at_mut(VirtioNet::LENGTH);
        front.copy_from_slice(&offload.to_octets());
        own.copy_from_slice(first.get(..data.payload)?);
        *own.get_mut(data.transport + 13)? |= last.get(data.transport + 13)? & PSH;
        if data.is_v4 {
            put(own, 2, self.length as u16);
            let sum = header_checksum(own, data.transport);
            put(own, 10, u16::from_be_bytes(sum));
        } else {
            put(own, 4, (self.length - 40) as u16);
        }
        let sum = pseudo(own, data.is_v4, self.length - data.transport).sum();
        put(own, data.transport + usize::from(TCP_CHECKSUM), u16::from_be_bytes(sum));
        Some(headers)
    }
}

/// One write to the device.
pub(crate) struct Write<'a> {
    merger: &'a Merger,
    packets: &'a Packets,
    run: Run,
    headers: Headers,
}

impl Write<'_> {
    /// Its octets in order: headers, then payloads.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let headers = self.headers.octets.get(..self.headers.length).unwrap_or_default();
        let cut = self.headers.length - VirtioNet::LENGTH;
        std::iter::once(headers).chain(self.packets().filter_map(move |packet| packet.get(cut..)))
    }

    /// Packets in it.
    pub(crate) fn count(&self) -> usize {
        self.run.count
    }

    /// Its packets as they came.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.indices().filter_map(|index| self.packets.get(index as usize))
    }

    fn indices(&self) -> impl Iterator<Item = u32> {
        let next = |index: &u32| self.merger.next.get(*index as usize).copied().flatten();
        std::iter::successors(Some(self.run.first), next)
    }
}

#[cfg(test)]
mod tests;
