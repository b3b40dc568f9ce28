//! UDP sockets with what the gateway needs of them: batches, the local address of each datagram, and
//! no DF bit on what is sent.

mod options;
mod outgoing;
mod receive_batch;

pub use outgoing::{Outgoing, send_all};
pub(crate) use outgoing::{send_whole, socket_for};
pub use receive_batch::ReceiveBatch;

use crate::shards::ShardCount;
use ike::Path;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// A bound socket. Threads may share it: one receives, any may send.
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// It has the NAT-T port: IKE goes with the non-ESP marker (RFC 3948 §2.2).
    encapsulated: bool,
    /// Sends from the same port what no router may fragment.
    whole: Option<Arc<Socket>>,
    /// How many of the datagrams that the kernel had no room for were asked for.
    overflowed: AtomicU32,
}

impl Socket {
    /// Binds; port 0 takes a free one. An IPv6 socket never takes IPv4.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: SocketAddr, encapsulated: bool) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        Self::bound(raw, address, encapsulated)
    }

    /// Binds a NAT-T socket for each shard to one port. The kernel hands ESP to the shard that its SPI
    /// says, and everything else to the first.
    pub(crate) fn bind_sharded(address: SocketAddr, shards: ShardCount) -> io::Result<Vec<Self>> {
        let first = Self::bind_shared(address)?;
        options::steer(&first.socket, shards)?;
        let same = first.local;
        let mut sockets = vec![first];
        for _ in 1..shards.get() {
            sockets.push(Self::bind_shared(same)?);
        }
        // The last of the group, where the kernel hands nothing to.
        let whole = Self::bind_shared(same)?;
        options::forbid_fragments(&whole.socket, same.is_ipv6())?;
        let whole = Arc::new(whole);
        sockets.iter_mut().for_each(|socket| socket.whole = Some(whole.clone()));
        Ok(sockets)
    }

    fn bind_shared(address: SocketAddr) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        raw.set_reuse_port(true)?;
        Self::bound(raw, address, true)
    }

    fn bound(raw: RawSocket, address: SocketAddr, encapsulated: bool) -> io::Result<Self> {
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        options::widen_receive_buffer(&raw)?;
        raw.bind(&address.into())?;
        let socket = UdpSocket::from(raw);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        options::allow_fragments(&socket, address.is_ipv6())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local, encapsulated, whole: None, overflowed: AtomicU32::new(0) })
    }

    /// Datagrams that came in and found the receive buffer full, since this was last asked.
    pub(crate) fn overflowed(&self) -> u32 {
        let Ok(now) = options::overflowed(&self.socket) else { return 0 };
        now.wrapping_sub(self.overflowed.swap(now, Relaxed))
    }

    /// Where it is bound, the port chosen.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Octets that its receive buffer lacks of what we want it to have.
    pub(crate) fn lacks(&self) -> usize {
        options::RECEIVE_BUFFER.saturating_sub(options::receive_buffer(&self.socket).unwrap_or(0))
    }

    pub(crate) fn is_encapsulated(&self) -> bool {
        self.encapsulated
    }

    /// Receives up to a batch; 0 when nothing is there.
    ///
    /// # Errors
    /// What the system says, but for ICMP errors of earlier sends.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        let received =
            batch.fill(|slices, meta| self.state.recv(UdpSockRef::from(&self.socket), slices, meta));
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            // An ICMP error of an earlier send. It proves nothing (RFC 7296 §2.4).
            Err(error) if is_from_icmp(&error) => Ok(0),
            other => other,
        }
    }

    /// The path of a datagram that came in here.
    pub fn path(&self, meta: &RecvMeta) -> Path {
        let ip = meta.dst_ip.unwrap_or(self.local.ip());
        Path {
            local: SocketAddr::new(ip, self.local.port()),
            peer: meta.addr,
            encapsulated: self.encapsulated,
        }
    }

    /// Sends one datagram from `path.local` to `path.peer`.
    ///
    /// # Errors
    /// The socket did not take it.
    pub fn send(&self, path: &Path, datagram: &[u8]) -> io::Result<()> {
        self.send_run(path, datagram, datagram.len())
    }

    /// Sends a datagram that no router may fragment: one that finds it too long says so, and the kernel
    /// remembers that for [`path_mtu`] (RFC 1191). IPv6 has it so for every datagram (RFC 8201).
    ///
    /// # Errors
    /// The socket did not take it: it is longer than what the kernel remembers already.
    pub(crate) fn send_whole(&self, path: &Path, datagram: &[u8]) -> io::Result<()> {
        self.whole.as_deref().unwrap_or(self).send(path, datagram)
    }

    /// How many datagrams of one size the kernel takes at once now: 1 once it has refused more.
    pub(crate) fn run_limit(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends datagrams that stand one behind the other, each of `size` octets but the last, which may be
    /// shorter (UDP_SEGMENT).
    ///
    /// # Errors
    /// The socket took none of them.
    pub fn send_run(&self, path: &Path, octets: &[u8], size: usize) -> io::Result<()> {
        let transmit = Transmit {
            destination: path.peer,
            ecn: None,
            contents: octets,
            segment_size: (octets.len() > size).then_some(size),
            src_ip: Some(path.local.ip()).filter(|ip| !ip.is_unspecified()),
        };
        let limit = self.run_limit();
        let sent = match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            // The error is of an earlier datagram; this one was not sent.
            Err(error) if is_from_icmp(&error) => {
                self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
            }
            other => other,
        };
        if self.run_limit() < limit {
            let (local, error) = (self.local, sent.as_ref().err());
            tracing::warn!(%local, ?error, "no segmentation offload on this socket: it will be slower");
        }
        sent
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The longest IP packet to the peer of a path, for all that the kernel knows: its own link's MTU, or less
/// where a router has said so in the last ten minutes. Sends nothing.
///
/// # Errors
/// There is no route.
pub(crate) fn path_mtu(path: &Path) -> io::Result<usize> {
    let asks = UdpSocket::bind(SocketAddr::new(path.local.ip(), 0))?;
    asks.connect(path.peer)?;
    let mtu = if path.peer.is_ipv4() {
        rustix::net::sockopt::ip_mtu(&asks)?
    } else {
        rustix::net::sockopt::ipv6_mtu(&asks)?
    };
    Ok(mtu as usize)
}

fn is_from_icmp(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, ip_mtu_discover, ipv6_mtu_discover,
    };

    fn received(socket: &Socket) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut batch = ReceiveBatch::default();
        let mut all = Vec::new();
        while all.is_empty() {
            let mut fds = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, None).unwrap();
            socket.receive(&mut batch).unwrap();
            all.extend(batch.datagrams().map(|(meta, octets)| {
                let path = socket.path(meta);
                (path.local, path.peer, octets.to_vec())
            }));
        }
        all
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        let gateway = Socket::bind("0.0.0.0:0".parse().unwrap(), false).unwrap();
        let asked = SocketAddr::new("127.7.7.7".parse().unwrap(), gateway.local().port());
        let unit = UdpSocket::bind("127.9.9.9:0").unwrap();
        unit.send_to(b"IKE_SA_INIT", asked).unwrap();
        let [(local, peer, octets)] = received(&gateway).try_into().unwrap();
        assert_eq!(
            (local, peer, octets.as_slice()),
            (asked, unit.local_addr().unwrap(), &b"IKE_SA_INIT"[..])
        );
        gateway.send(&Path { local, peer, encapsulated: false }, b"answer").unwrap();
        let mut answer = [0; 16];
        let (length, from) = unit.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..length], from), (&b"answer"[..], asked));
    }

    #[test]
    fn esp_comes_to_the_shard_of_its_spi_and_the_rest_to_the_first() {
        for shards in [1, 3].map(ShardCount::new) {
            comes_to_its_shard(shards);
        }
    }

    fn comes_to_its_shard(shards: ShardCount) {
        let sockets = Socket::bind_sharded("127.0.0.1:0".parse().unwrap(), shards).unwrap();
        let unit = UdpSocket::bind("127.0.0.1:0").unwrap();
        for spi in [256, 257, 258, 0xffff_ffff, 0xabcd_ef05_u32] {
            unit.send_to(&[&spi.to_be_bytes()[..], b"ESP"].concat(), sockets[0].local()).unwrap();
            let shard = &sockets[shards.of_spi(ids::Spi(spi))];
            assert_eq!(received(shard)[0].2[..4], spi.to_be_bytes());
        }
        for rest in [&[0, 0, 0, 0, 7][..], &[0xff]] {
            unit.send_to(rest, sockets[0].local()).unwrap();
            assert_eq!(received(&sockets[0])[0].2, rest);
        }
    }

    #[test]
    fn what_may_not_be_fragmented_leaves_from_the_same_port_by_another_socket() {
        let sockets = Socket::bind_sharded("127.0.0.1:0".parse().unwrap(), ShardCount::new(2)).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = sockets[1].local();
        let path = Path { local, peer: peer.local_addr().unwrap(), encapsulated: true };
        sockets[1].send_whole(&path, b"probe").unwrap();
        let mut got = [0; 16];
        let (length, from) = peer.recv_from(&mut got).unwrap();
        assert_eq!((&got[..length], from), (&b"probe"[..], local));
        let whole = sockets[1].whole.as_ref().unwrap();
        assert_eq!(ip_mtu_discover(&**whole).unwrap(), Ipv4PathMtuDiscovery::DO);
        assert!(sockets.iter().all(|own| ip_mtu_discover(own).unwrap() == Ipv4PathMtuDiscovery::DONT));
    }

    #[test]
    fn every_datagram_comes_in_or_is_counted_as_one_that_found_no_room() {
        let gateway = Socket::bind("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let unit = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut sent, mut overflowed) = (0, 0);
        while overflowed == 0 {
            unit.send_to(&[7; 60_000], gateway.local()).unwrap();
            (sent, overflowed) = (sent + 1, overflowed + gateway.overflowed());
        }
        let (mut batch, mut received) = (ReceiveBatch::default(), 0);
        while gateway.receive(&mut batch).unwrap() > 0 {
            received += batch.datagrams().count() as u32;
        }
        assert_eq!((received + overflowed, gateway.overflowed()), (sent, 0));
    }

    #[test]
    fn a_run_arrives_as_single_datagrams() {
        let [one, other] = [(); 2].map(|()| Socket::bind("127.0.0.1:0".parse().unwrap(), true).unwrap());
        let path = Path { local: one.local(), peer: other.local(), encapsulated: true };
        one.send_run(&path, b"aaabbbc", 3).unwrap();
        let mut all = Vec::new();
        while all.len() < 3 {
            all.extend(received(&other).into_iter().map(|(_, _, octets)| octets));
        }
        assert_eq!(all, [&b"aaa"[..], b"bbb", b"c"]);
    }

    #[test]
    fn what_is_sent_may_be_fragmented_on_its_way() {
        let v4 = Socket::bind("127.0.0.1:0".parse().unwrap(), true).unwrap();
        assert_eq!(ip_mtu_discover(&v4).unwrap(), Ipv4PathMtuDiscovery::DONT);
        let Ok(v6) = Socket::bind("[::1]:0".parse().unwrap(), true) else {
            eprintln!("SKIPPED: no IPv6 here");
            return;
        };
        assert_eq!(ipv6_mtu_discover(&v6).unwrap(), Ipv6PathMtuDiscovery::WANT);
        let path = Path { local: v6.local(), peer: v6.local(), encapsulated: true };
        // Longer than the loopback's 65,536 octets of MTU with headers; only fragments carry it.
        v6.send(&path, &[0; 65_527]).unwrap();
    }
}
