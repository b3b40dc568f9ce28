use super::route;
use ipnet::IpNet;
use rtnetlink::{
    packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{RouteNetlinkMessage, route::RouteFlags},
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};
use std::io;

/// What the kernel has to know of a device for packets to pass. It forgets routes when the device is taken down, and
/// IPv6 addresses with them, and doesn't bring them back when it is up again.
pub(crate) struct Standing {
    pub(super) device: String,
    pub(super) index: u32,
    /// Its own addresses, and what is behind it.
    pub(super) networks: Vec<IpNet>,
}

impl Standing {
    /// What is wrong, in words. Takes no privilege, and some 10 µs for each network however many routes there are.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.missing() {
            Ok(missing) if missing.is_empty() => None,
            Ok(missing) => {
                Some(format!("no route by the TUN device {} to {}", self.device, missing.join(", ")))
            }
            Err(error) => Some(format!("the routes of {} cannot be looked up: {error}", self.device)),
        }
    }

    fn missing(&self) -> io::Result<Vec<String>> {
        let mut missing = Vec::new();
        for network in &self.networks {
            if !is_routed(*network, self.index)? {
                missing.push(network.to_string());
            }
        }
        Ok(missing)
    }
}

/// The kernel answers while it is asked, so that there is nothing to wait for.
fn is_routed(network: IpNet, device: u32) -> io::Result<bool> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    socket.send_to(&question(network, device), &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    Ok(matches!(answer.payload, NetlinkPayload::InnerMessage(_)))
}

/// Which entry of the routing tables leads to a network's first address by that device.
fn question(network: IpNet, device: u32) -> Vec<u8> {
    let mut route = route(IpNet::from(network.network()), device);
    route.header.flags = RouteFlags::FibMatch;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(route));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    octets
}
