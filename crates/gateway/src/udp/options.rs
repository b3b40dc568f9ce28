//! Socket options, those that no crate offers among them.

use crate::shards::ShardCount;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use std::{
    io,
    net::UdpSocket,
    os::fd::{AsFd, AsRawFd},
};

/// What the kernel may hold for us while a thread is busy, octets with its own bookkeeping: 10,000 ESP packets of
/// 1,400 octets are 14 MB.
pub(super) const RECEIVE_BUFFER: usize = 16 << 20;

/// Of <asm-generic/socket.h>; the crate `libc` has it not.
const SO_MEMINFO: libc::c_int = 55;

/// As wide as we want it with CAP_NET_ADMIN, else as net.core.rmem_max has it.
pub(super) fn widen_receive_buffer(socket: &impl AsFd) -> io::Result<()> {
    let forced = sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER);
    Ok(forced.or_else(|_| sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER))?)
}

/// Octets. The kernel doubles what it is asked for, for its bookkeeping, and says it so.
pub(super) fn receive_buffer(socket: &impl AsFd) -> io::Result<usize> {
    Ok(sockopt::socket_recv_buffer_size(socket)? / 2)
}

/// Datagrams that found the receive buffer full (SO_MEMINFO, the ninth of its numbers).
#[allow(unsafe_code)]
pub(super) fn overflowed(socket: &UdpSocket) -> io::Result<u32> {
    const NUMBERS: usize = 9;
    let mut numbers = [0_u32; NUMBERS];
    let mut length = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel writes at most `length` octets to
    // `numbers`, whose size that is, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(numbers[NUMBERS - 1]) } else { Err(io::Error::last_os_error()) }
}

/// quinn-udp sets DF for QUIC's path MTU search. IKE has to arrive over any path (RFC 7383 §2.5.1
/// counts on 576 octets), also where a peer knows no IKE fragmentation: take it back.
pub(super) fn allow_fragments(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    if !v6 {
        return Ok(sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?);
    }
    sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT)?;
    clear_ipv6_dontfrag(socket)
}

/// The opposite, where the kernel does not have it so by itself: over IPv6 no router fragments.
pub(super) fn forbid_fragments(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    if v6 {
        return Ok(());
    }
    Ok(sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DO)?)
}

/// IPV6_DONTFRAG (RFC 3542 §11.2), which neither rustix nor socket2 offers.
#[allow(unsafe_code)]
fn clear_ipv6_dontfrag(socket: &UdpSocket) -> io::Result<()> {
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
pub(super) fn steer(socket: &UdpSocket, shards: ShardCount) -> io::Result<()> {
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
