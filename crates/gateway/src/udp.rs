//! UDP sockets with what the gateway needs of them: batches, the local address of each datagram, and
//! no DF bit on what is sent.

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
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// It has the NAT-T port: IKE goes with the non-ESP marker (RFC 3948 §2.2).
    encapsulated: bool,
}

impl Socket {
    /// Binds; port 0 takes a free one. An IPv6 socket never takes IPv4.
    pub(crate) fn bind(address: SocketAddr, encapsulated: bool) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
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
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn is_encapsulated(&self) -> bool {
        self.encapsulated
    }

    /// Receives up to a batch; 0 when nothing is there.
    pub(crate) fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
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
    pub(crate) fn path(&self, meta: &RecvMeta) -> Path {
        let ip = meta.dst_ip.unwrap_or(self.local.ip());
        Path {
            local: SocketAddr::new(ip, self.local.port()),
            peer: meta.addr,
            encapsulated: self.encapsulated,
        }
    }

    /// Sends one datagram from `path.local` to `path.peer`.
    pub(crate) fn send(&self, path: &Path, datagram: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: path.peer,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: Some(path.local.ip()).filter(|ip| !ip.is_unspecified()),
        };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            // The error is of an earlier datagram; this one was not sent.
            Err(error) if is_from_icmp(&error) => {
                self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
            }
            other => other,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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

/// Room for one batch of datagrams. With GRO a buffer may hold several of one size.
pub(crate) struct ReceiveBatch {
    octets: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// The longest UDP payload.
const MAX_DATAGRAM: usize = 1 << 16;

impl ReceiveBatch {
    /// The kernel maps the pages when they are first written.
    pub(crate) fn new() -> Self {
        Self {
            octets: vec![0; MAX_DATAGRAM * BATCH_SIZE],
            meta: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }

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
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = (&RecvMeta, &mut [u8])> {
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
        let mut batch = ReceiveBatch::new();
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
