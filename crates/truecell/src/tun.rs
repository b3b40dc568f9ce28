//! TUN devices of this process: made, addressed, and given their routes.

mod standing;

use crate::{
    config::{Gateway, Tun},
    failure::{Failure, Problem},
};
use ::gateway::{Core, TunError};
use anyhow::Context;
use ipnet::IpNet;
use rtnetlink::{
    Handle, LinkUnspec, RouteMessageBuilder,
    packet_route::route::{RouteMessage, RouteScope},
};
pub(crate) use standing::Standing;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// How a device is to be.
pub(crate) struct Link<'a> {
    /// Longest packet, octets.
    pub(crate) mtu: u16,
    /// Its own addresses.
    pub(crate) addresses: &'a [IpAddr],
    /// What is behind it.
    pub(crate) routes: &'a [IpNet],
}

/// Makes the gateway's device, up and ready: the service addresses are its own, the pools, that of quarantine too, are behind it. With
/// it comes whoever looks whether that stays so.
///
/// # Errors
/// It cannot be made or set up.
pub(crate) fn open(
    tun: &Tun,
    gateway: &Gateway,
    queues: usize,
) -> Result<(Vec<Box<dyn Core>>, Standing), Failure> {
    let failed = |error| failed(&tun.device, &error);
    let device = ::gateway::Tun::open(&tun.device, queues).map_err(|error| failed(error.into()))?;
    let routes = gateway.all_pools();
    let link = Link { mtu: tun.mtu, addresses: &gateway.service.addresses, routes: &routes };
    let standing = set_up(device.name(), &link).map_err(failed)?;
    for pool in routes.iter().filter(|pool| !forwards(pool)) {
        let next =
            format!("switch it on with `sysctl -w {}=1`, and in /etc/sysctl.d for good", forwarding(pool));
        tracing::warn!(%pool, next, "this machine does not forward: units reach nothing behind it");
    }
    tracing::info!(device = device.name(), mtu = tun.mtu, offload = device.has_offload(), "TUN device");
    Ok((device.into_cores(), standing))
}

/// The kernel's switch for packets of the network's family.
fn forwarding(net: &IpNet) -> &'static str {
    match net {
        IpNet::V4(_) => "net.ipv4.ip_forward",
        IpNet::V6(_) => "net.ipv6.conf.all.forwarding",
    }
}

/// Whether the machine forwards them; that it can't be told counts as yes.
fn forwards(net: &IpNet) -> bool {
    let file = format!("/proc/sys/{}", forwarding(net).replace('.', "/"));
    std::fs::read_to_string(file).map_or(true, |said| said.trim() != "0")
}

/// A device of that name was not opened or not set up.
pub(crate) fn failed(name: &str, error: &anyhow::Error) -> Failure {
    let problem = Problem::new("tun", format!("the TUN device {name} cannot be used"));
    Failure::Ours(problem.because(format!("{error:#}")).next(next(error)))
}

fn next(error: &anyhow::Error) -> &'static str {
    use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound, PermissionDenied, ResourceBusy};
    let kind = error.chain().find_map(|cause| cause.downcast_ref()).map(io::Error::kind);
    match (error.downcast_ref(), kind) {
        (_, Some(PermissionDenied)) => "it needs CAP_NET_ADMIN (docs/deployment.md)",
        (Some(TunError::Open(_)), Some(NotFound)) => {
            "load the kernel's module `tun`, or give the container /dev/net/tun"
        }
        (Some(TunError::Make { .. }), Some(ResourceBusy | InvalidInput)) => {
            "another interface has that name, or none may have it: choose another"
        }
        (None, Some(AlreadyExists)) => {
            "see what else has that address or route: `ip addr` and `ip route` show it"
        }
        _ => "correct what the system names, and try again",
    }
}

/// Gives a device its MTU, addresses and routes, and brings it up; what has to stand from then on.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn set_up(name: &str, link: &Link<'_>) -> anyhow::Result<Standing> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let index = index(name)?;
        let up = LinkUnspec::new_with_index(index).mtu(link.mtu.into()).up().build();
        handle.link().set(up).execute().await.map_err(refusal).context("not brought up")?;
        for address in link.addresses {
            let net = IpNet::from(*address);
            let added = handle.address().add(index, *address, net.prefix_len()).execute().await;
            added.map_err(refusal).with_context(|| format!("address {address}"))?;
        }
        for route in link.routes {
            let added = add_route(&handle, *route, index).await;
            added.map_err(refusal).with_context(|| format!("route {route}"))?;
        }
        let own = link.addresses.iter().copied().map(IpNet::from);
        Ok(Standing {
            device: name.to_owned(),
            index,
            networks: own.chain(link.routes.iter().copied()).collect(),
        })
    })
}

fn index(name: &str) -> anyhow::Result<u32> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(socket, name)?)
}

/// What the kernel said.
fn refusal(error: rtnetlink::Error) -> io::Error {
    if let rtnetlink::Error::NetlinkError(message) = error {
        message.to_io()
    } else {
        io::Error::other(error)
    }
}

async fn add_route(handle: &Handle, to: IpNet, device: u32) -> Result<(), rtnetlink::Error> {
    handle.route().add(route(to, device)).execute().await
}

fn route(to: IpNet, device: u32) -> RouteMessage {
    match to.network() {
        IpAddr::V4(network) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(network, to.prefix_len())
            .output_interface(device)
            .scope(RouteScope::Link)
            .build(),
        IpAddr::V6(network) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(network, to.prefix_len())
            .output_interface(device)
            .build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn each_refusal_of_the_kernel_has_advice_of_its_own() {
        let said = |code| io::Error::from_raw_os_error(code);
        let make = |code| TunError::Make { name: "tun0".into(), source: said(code) }.into();
        let route = |code| anyhow!(said(code)).context("route 10.64.0.0/12");
        let cases = [
            (TunError::Open(said(libc::ENOENT)).into(), "module `tun`"),
            (make(libc::EPERM), "CAP_NET_ADMIN"),
            (make(libc::EBUSY), "that name"),
            (make(libc::EINVAL), "that name"),
            (make(libc::EMFILE), "correct what the system names"),
            (route(libc::EEXIST), "`ip route`"),
            (route(libc::EPERM), "CAP_NET_ADMIN"),
            (route(libc::EINVAL), "correct what the system names"),
        ];
        for (error, advice) in cases {
            assert!(next(&error).contains(advice), "{error:#}: {}", next(&error));
        }
        let Failure::Ours(problem) = failed("tun0", &make(libc::EBUSY)) else { panic!("it is ours") };
        assert_eq!(problem.detail, "TUN device tun0 cannot be made: Device or resource busy (os error 16)");
    }
}
