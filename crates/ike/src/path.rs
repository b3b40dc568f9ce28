use std::net::SocketAddr;

/// Where datagrams of an IKE SA go: two addresses, and whether they use the NAT-T port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port, as seen here.
    pub peer: SocketAddr,
    /// The datagram came, or goes, over the NAT-T port (RFC 3948). The caller strips and adds the
    /// 4-octet non-ESP marker; this crate never sees it.
    pub encapsulated: bool,
}
