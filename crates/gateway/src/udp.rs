//! UDP sockets with what the gateway needs of them: batches, the local address of each datagram, and
//! no DF bit on what is sent.

mod outgoing;

pub use outgoing::{Outgoing, send_all};
pub(crate) use outgoing::{send_whole, socket_for};

use crate::shards::ShardCount;
use ike::Path;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

/// What the kernel may hold for us while a thread is busy: 10,000 ESP packets of 1,400 octets are
/// 14 MB; the kernel cuts this to net.core.rmem_max.
const RECEIVE_BUFFER: usize = 16 << 20;

/// A bound socket. Threads may share it: one receives, any may send.
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// It has the NAT-T port: IKE goes with the non-ESP marker (RFC 3948 §2.2).
    encapsulated: bool,
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
        let mut sockets: Vec<Self> = Vec::with_capacity(shards.get());
        for _ in 0..shards.get() {
            let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            raw.set_reuse_port(shards.get() > 1)?;
            let port = sockets.first().map_or(address.port(), |first| first.local.port());
            sockets.push(Self::bound(raw, SocketAddr::new(address.ip(), port), true)?);
        }
        if let Some(first) = sockets.first().filter(|_| shards.get() > 1) {
            steer(&first.socket, shards)?;
        }
        Ok(sockets)
    }

    fn bound(raw: RawSocket, address: SocketAddr, encapsulated: bool) -> io::Result<Self> {
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        raw.set_recv_buffer_size(RECEIVE_BUFFER)?;
        raw.bind(&address.into())?;
        let socket = UdpSocket::from(raw);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        may_be_fragmented(&socket, address.is_ipv6())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local, encapsulated })
    }

    /// Where it is bound, the port chosen.
    pub fn local(&self) -> SocketAddr {
        self.local
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
        if self.local.is_ipv6() {
            return self.send(path, datagram);
        }
        rustix::net::sockopt::set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::DO)?;
        let sent = self.send(path, datagram);
        rustix::net::sockopt::set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::DONT)?;
        sent
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

/// quinn-udp sets DF for QUIC's path MTU search. IKE has to arrive over any path (RFC 7383 §2.5.1
/// counts on 576 octets), also where a peer knows no IKE fragmentation: take it back.
fn may_be_fragmented(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    if !v6 {
        return Ok(rustix::net::sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?);
    }
    rustix::net::sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT)?;
    clear_ipv6_dontfrag(socket)
}

/// IPV6_DONTFRAG (RFC 3542 §11.2), which neither rustix nor socket2 offers.
#[allow(unsafe_code)]
fn clear_ipv6_dontfrag(socket: &UdpSocket) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let off: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the option value is one
    // c_int, which outlives the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_DONTFRAG,
            std::ptr::from_ref(&off).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Attaches a program to the group of sockets that has `socket`'s port: the low octet of the first four,
/// modulo the number of shards, is the socket's place in the group. IKE has zeros there (RFC 3948 §2.2);
/// for what is shorter than that the program ends with 0.
#[allow(unsafe_code)]
fn steer(socket: &UdpSocket, shards: ShardCount) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let step = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0xff),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, shards.get() as u32),
        step(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the option value is one
    // `sock_fprog` whose instructions outlive the call, which copies them, and both lengths are given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            std::ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for one batch of datagrams. With GRO a buffer may hold several of one size.
pub struct ReceiveBatch {
    octets: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// The longest UDP payload.
const MAX_DATAGRAM: usize = 1 << 16;

impl Default for ReceiveBatch {
    /// The kernel maps the pages when they are first written.
    fn default() -> Self {
        Self {
            octets: vec![0; MAX_DATAGRAM * BATCH_SIZE],
            meta: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }
}

impl ReceiveBatch {
    fn fill(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.filled = 0;
        let mut rest = self.octets.as_mut_slice();
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(MAX_DATAGRAM);
            rest = tail;
            IoSliceMut::new(head)
        });
        self.filled = receive(&mut slices, &mut self.meta)?;
        Ok(self.filled)
    }

    /// Each datagram of the last receive.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (&RecvMeta, &mut [u8])> {
        let buffers = self.octets.chunks_mut(MAX_DATAGRAM);
        self.meta.iter().zip(buffers).take(self.filled).flat_map(|(meta, buffer)| {
            let received = buffer.get_mut(..meta.len).unwrap_or_default();
            received.chunks_mut(meta.stride.max(1)).map(move |datagram| (meta, datagram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{ip_mtu_discover, ipv6_mtu_discover};

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
        let shards = ShardCount::new(3);
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
