//! The least that this design costs: TUN, AES-256-GCM and UDP in the gateway's batches and with its offloads,
//! and nothing else. No IKE, no selectors, no padding, no replay window.

use crate::{
    bench::{
        estate::SERVICE,
        network::{Link, Network},
    },
    tun,
};
use anyhow::anyhow;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use gateway::{
    Core, Packets, Tun,
    udp::{Outgoing, ReceiveBatch, Socket, send_all},
};
use ike::Path;
use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

/// Both ends, each on a thread of this process. Dropped, they end.
pub(super) struct Pipe {
    stop: Arc<AtomicBool>,
    ends: Vec<JoinHandle<()>>,
}

const PORT: u16 = 4500;
/// Octets as ESP has them before its payload: SPI, sequence number, and IV, here with the packet's number.
const HEADER: usize = 16;
/// As the gateway's device has it.
const MTU: u16 = 1390;
const UNIT: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
const STOP_SEEN_AFTER: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

impl Pipe {
    /// Lays it between both ends of a link.
    ///
    /// # Errors
    /// A device or a socket is refused.
    pub(super) fn lay(link: &Link) -> anyhow::Result<Self> {
        let gateway = End::make(&link.gateway, (Link::GATEWAY, Link::UNIT), (SERVICE, UNIT))?;
        let unit = End::make(&link.unit, (Link::UNIT, Link::GATEWAY), (UNIT, SERVICE))?;
        let stop = Arc::new(AtomicBool::new(false));
        let run = |mut end: End| {
            let stop = stop.clone();
            thread::spawn(move || while !stop.load(Relaxed) && end.turn().is_ok() {})
        };
        let ends = [gateway, unit].map(run).into();
        Ok(Self { stop, ends })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.ends.drain(..).for_each(|end| drop(end.join()));
    }
}

struct End {
    core: Box<dyn Core>,
    socket: Arc<Socket>,
    path: Path,
    cipher: Cipher,
    batch: ReceiveBatch,
    packets: Packets,
    outgoing: Outgoing,
}

impl End {
    /// `outer` and `inner`: its own address, and the other end's.
    fn make(
        network: &Network,
        outer: (Ipv4Addr, Ipv4Addr),
        inner: (Ipv4Addr, Ipv4Addr),
    ) -> anyhow::Result<Self> {
        network.within(|| {
            let device = Tun::open("pipe%d", 1)?;
            let routes = [IpNet::from(IpAddr::V4(inner.1))];
            tun::set_up(
                device.name(),
                &tun::Link { mtu: MTU, addresses: &[inner.0.into()], routes: &routes },
            )?;
            let core = device.into_cores().pop().ok_or_else(|| anyhow!("no queue"))?;
            let path =
                Path { local: (outer.0, PORT).into(), peer: (outer.1, PORT).into(), encapsulated: true };
            let socket = Arc::new(Socket::bind(path.local, true)?);
            let (cipher, batch) = (Cipher::new()?, ReceiveBatch::default());
            let (packets, outgoing) = (Packets::new(), Outgoing::default());
            Ok(Self { core, socket, path, cipher, batch, packets, outgoing })
        })
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
        fds.extend(self.core.readable().map(|core| PollFd::from_borrowed_fd(core, PollFlags::IN)));
        poll(&mut fds, Some(&STOP_SEEN_AFTER))?;
        self.socket.receive(&mut self.batch)?;
        for (_, datagram) in self.batch.datagrams() {
            self.cipher.open(datagram).into_iter().for_each(|packet| self.packets.push(packet));
        }
        self.core.uplink(&self.packets);
        self.packets.clear();
        self.core.downlink(&mut self.packets);
        for packet in self.packets.iter() {
            self.outgoing.push_with(self.path, |out| self.cipher.seal(packet, out))?;
        }
        self.packets.clear();
        send_all(std::slice::from_ref(&self.socket), &mut self.outgoing);
        Ok(())
    }
}

struct Cipher {
    key: LessSafeKey,
    sealed: u64,
}

impl Cipher {
    fn new() -> anyhow::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[3; 32]).map_err(|_| anyhow!("no key"))?;
        Ok(Self { key: LessSafeKey::new(key), sealed: 0 })
    }

    fn seal(&mut self, packet: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
        self.sealed += 1;
        let mut header = [0; HEADER];
        header[8..].copy_from_slice(&self.sealed.to_be_bytes());
        let start = out.len() + HEADER;
        out.extend_from_slice(&header);
        out.extend_from_slice(packet);
        let payload = out.get_mut(start..).unwrap_or_default();
        let tag = self.key.seal_in_place_separate_tag(nonce(&header), aad(&header), payload);
        out.extend_from_slice(tag.map_err(|_| anyhow!("not sealed"))?.as_ref());
        Ok(())
    }

    fn open<'a>(&self, datagram: &'a mut [u8]) -> Option<&'a [u8]> {
        let (header, sealed) = datagram.split_first_chunk_mut::<HEADER>()?;
        self.key.open_in_place(nonce(header), aad(header), sealed).ok().map(|packet| &*packet)
    }
}

fn nonce(header: &[u8; HEADER]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&header[8..]);
    Nonce::assume_unique_for_key(nonce)
}

fn aad(header: &[u8; HEADER]) -> Aad<[u8; HEADER]> {
    Aad::from(*header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_what_was_changed_does_not() {
        let (mut cipher, mut sealed) = (Cipher::new().unwrap(), Vec::new());
        cipher.seal(b"packet", &mut sealed).unwrap();
        assert_eq!(cipher.open(&mut sealed.clone()), Some(&b"packet"[..]));
        sealed[HEADER] ^= 1;
        assert_eq!(cipher.open(&mut sealed), None);
        assert_eq!(cipher.open(&mut [0; 3]), None);
    }
}
