//! TUN devices of this process: made, addressed, and given their routes.

use crate::{
    config::{Gateway, Tun},
    failure::{Failure, Problem},
};
use ::gateway::Core;
use ipnet::IpNet;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a device is to be.
pub(crate) struct Link<'a> {
    /// Longest packet, octets.
    pub(crate) mtu: u16,
    /// Its own addresses.
    pub(crate) addresses: &'a [IpAddr],
    /// What is behind it.
    pub(crate) routes: &'a [IpNet],
}

/// Makes the gateway's device, up and ready: the service addresses are its own, the pools are behind it.
///
/// # Errors
/// It cannot be made or set up, for want of CAP_NET_ADMIN above all.
pub(crate) fn open(tun: &Tun, gateway: &Gateway, queues: usize) -> Result<Vec<Box<dyn Core>>, Failure> {
    let device = ::gateway::Tun::open(&tun.device, queues).map_err(|error| failed(tun, &error))?;
    let pools = gateway.pools.v4.map(IpNet::V4).into_iter().chain(gateway.pools.v6.map(IpNet::V6));
    let routes: Vec<_> = pools.collect();
    let link = Link { mtu: tun.mtu, addresses: &gateway.service.addresses, routes: &routes };
    set_up(device.name(), &link).map_err(|error| failed(tun, &error))?;
    tracing::info!(device = device.name(), mtu = tun.mtu, offload = device.has_offload(), "TUN device");
    Ok(device.into_cores())
}

fn failed(tun: &Tun, error: &dyn std::fmt::Display) -> Failure {
    let problem = Problem::new("tun", format!("the TUN device {} cannot be used", tun.device));
    Failure::Ours(problem.because(error).next("it needs /dev/net/tun and CAP_NET_ADMIN (docs/deployment.md)"))
}

/// Gives a device its MTU, addresses and routes, and brings it up.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn set_up(name: &str, link: &Link<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let index = index(name)?;
        let up = LinkUnspec::new_with_index(index).mtu(link.mtu.into()).up().build();
        handle.link().set(up).execute().await?;
        for address in link.addresses {
            let net = IpNet::from(*address);
            handle.address().add(index, *address, net.prefix_len()).execute().await?;
        }
        for route in link.routes {
            add_route(&handle, *route, index).await?;
        }
        Ok(())
    })
}

fn index(name: &str) -> anyhow::Result<u32> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(socket, name)?)
}

async fn add_route(handle: &Handle, to: IpNet, device: u32) -> anyhow::Result<()> {
    let route = match to.network() {
        IpAddr::V4(network) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(network, to.prefix_len())
            .output_interface(device)
            .scope(rtnetlink::packet_route::route::RouteScope::Link)
            .build(),
        IpAddr::V6(network) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(network, to.prefix_len())
            .output_interface(device)
            .build(),
    };
    Ok(handle.route().add(route).execute().await?)
}
