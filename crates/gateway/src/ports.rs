use crate::{GatewayConfig, StartError, shards::ShardCount, udp::Socket};
use std::{net::SocketAddr, sync::Arc};

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
    /// Binds the ports of a configuration on each of its addresses.
    ///
    /// # Errors
    /// [`StartError::Bind`]; nothing is bound then.
    pub fn bind(config: &GatewayConfig) -> Result<Self, StartError> {
        let shards = ShardCount::new(config.shards);
        let (mut ike, mut listening) = (Vec::new(), Vec::new());
        let mut natt: Vec<_> = (0..shards.get()).map(|_| Vec::new()).collect();
        for ip in &config.listen {
            let address = SocketAddr::new(*ip, config.ike_port);
            let failed = |address| move |source| StartError::Bind { address, source };
            let own = Socket::bind(address, false).map_err(failed(address))?;
            let address = SocketAddr::new(*ip, config.natt_port);
            let sharded = Socket::bind_sharded(address, shards).map_err(failed(address))?;
            let natt_local = sharded.first().map_or(address, Socket::local);
            listening.push(Listening { ike: own.local(), natt: natt_local });
            ike.push(Arc::new(own));
            natt.iter_mut().zip(sharded).for_each(|(shard, socket)| shard.push(Arc::new(socket)));
        }
        Ok(Self { ike, natt, listening })
    }

    /// Where they are, in the order of the configuration; the ports that were chosen.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }
}
