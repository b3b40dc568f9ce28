use crate::{StartError, shards::ShardCount, udp::Socket};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// Where to receive, and by how many threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Addresses, both ports each.
    pub addresses: Vec<IpAddr>,
    /// IKE without NAT (RFC 7296 §2); 0 for any free port.
    pub ike_port: u16,
    /// IKE and ESP in UDP (RFC 3948); 0 for any free port.
    pub natt_port: u16,
    /// Data threads, 1 to 64: each has a part of the tunnels.
    pub shards: usize,
}

impl Default for Listen {
    fn default() -> Self {
        let addresses = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        Self { addresses, ike_port: 500, natt_port: 4500, shards: 1 }
    }
}

/// The gateway's ports, bound by whoever may bind them; what runs on them needs no privilege.
pub struct Ports {
    /// IKE without NAT.
    pub(crate) ike: Vec<Arc<Socket>>,
    /// IKE and ESP in UDP: for each shard a socket of each address.
    pub(crate) natt: Vec<Vec<Arc<Socket>>>,
    pub(crate) listening: Vec<Listening>,
}

/// Where the gateway receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// IKE without NAT.
    pub ike: SocketAddr,
    /// IKE and ESP in UDP.
    pub natt: SocketAddr,
}

impl Ports {
    /// Binds both ports on each address.
    ///
    /// # Errors
    /// [`StartError::Bind`]; nothing is bound then.
    pub fn bind(listen: &Listen) -> Result<Self, StartError> {
        let shards = ShardCount::new(listen.shards);
        let (mut ike, mut listening) = (Vec::new(), Vec::new());
        let mut natt: Vec<_> = (0..shards.get()).map(|_| Vec::new()).collect();
        for ip in &listen.addresses {
            let failed = |address| move |source| StartError::Bind { address, source };
            let address = SocketAddr::new(*ip, listen.ike_port);
            let own = Socket::bind(address, false).map_err(failed(address))?;
            let address = SocketAddr::new(*ip, listen.natt_port);
            let sharded = Socket::bind_sharded(address, shards).map_err(failed(address))?;
            let natt_local = sharded.first().map_or(address, Socket::local);
            listening.push(Listening { ike: own.local(), natt: natt_local });
            ike.push(Arc::new(own));
            natt.iter_mut().zip(sharded).for_each(|(shard, socket)| shard.push(Arc::new(socket)));
        }
        let lacks = natt.iter().flatten().map(|socket| socket.lacks()).max().unwrap_or(0);
        if lacks > 0 {
            tracing::warn!(
                octets = lacks,
                "receive buffers are smaller than wanted: set net.core.rmem_max to 16777216, or give CAP_NET_ADMIN"
            );
        }
        Ok(Self { ike, natt, listening })
    }

    /// Where they are, in the order of the addresses; the ports that were chosen.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// How many sides the core must have.
    pub fn shards(&self) -> usize {
        self.natt.len()
    }
}
