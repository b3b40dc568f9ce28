//! Packets of units that a [`Load`] has attached, each in its own tunnel: datagrams to the echo port of a
//! service, a bounded number on their way. Echoes are counted, not opened.

use super::{Load, Unit, received};
use crate::{UnitIdentity, echo, sa_pair::SaPair};
use anyhow::{Context, ensure};
use esp::{
    OutboundSa,
    udp_encap::{self, Datagram},
};
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

/// The unit's end of a tunnel that stands.
pub struct Tunnel {
    /// Its unit's identity in IKE.
    pub(super) name: String,
    outbound: OutboundSa,
    inner: Ipv4Addr,
    /// Whose socket its packets go through.
    pub(super) place: usize,
}

/// Datagrams on their way, over all tunnels. All of one place fit its receive buffer: the kernel reckons up to
/// 1,280 octets for one of this length, and has 208 KiB.
const ON_THEIR_WAY: usize = 64;
/// Octets of an inner packet.
const LENGTH: usize = 200;
/// An echo that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(5);

impl Load {
    /// As [`Load::attach`]; the tunnels, for [`Load::exchange`].
    ///
    /// # Errors
    /// The first unit that gets no tunnel, and why.
    pub fn attach_tunnels(
        &mut self,
        units: &[UnitIdentity],
        mut done: impl FnMut(),
    ) -> anyhow::Result<Vec<Tunnel>> {
        let mut tunnels = Vec::with_capacity(units.len());
        self.attach_each(units, |stand| {
            stand.iter().for_each(|_| done());
            tunnels.extend(stand.into_iter().map(|(place, unit)| Tunnel::of(place, &unit)));
            true
        })?;
        tunnels.into_iter().collect::<Option<_>>().context("a tunnel without address or keys")
    }

    /// Sends `count` datagrams to `service`, by each tunnel in turn, and waits for as many echoes.
    ///
    /// # Errors
    /// One was lost.
    pub fn exchange(
        &mut self,
        tunnels: &mut [Tunnel],
        service: Ipv4Addr,
        count: usize,
    ) -> anyhow::Result<()> {
        let (mut sent, mut echoed, mut sealed) = (0, 0, Vec::with_capacity(2 * LENGTH));
        ensure!(!tunnels.is_empty(), "no tunnel");
        while echoed < count {
            while sent < count.min(echoed + ON_THEIR_WAY) {
                let turn = sent % tunnels.len();
                let tunnel = tunnels.get_mut(turn).context("no tunnel")?;
                self.send(tunnel, service, &mut sealed)?;
                sent += 1;
            }
            echoed += self.echoes()?;
        }
        Ok(())
    }

    /// Sends a datagram; `sealed` is room for it.
    pub(super) fn send(
        &self,
        tunnel: &mut Tunnel,
        service: Ipv4Addr,
        sealed: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        tunnel.seal(service, sealed)?;
        let place = self.places.get(tunnel.place).context("a tunnel of another load")?;
        place.socket.send_to(sealed, self.gateway.natt).context("sending to the gateway")?;
        Ok(())
    }

    /// Waits for ESP, and counts it.
    fn echoes(&mut self) -> anyhow::Result<usize> {
        let readable = self.readable(Instant::now() + PATIENCE)?;
        ensure!(!readable.is_empty(), "packets were lost");
        readable.into_iter().try_fold(0, |echoes, socket| Ok(echoes + self.esp_at(socket)?))
    }

    /// How many packets of ESP have come in at a socket.
    pub(super) fn esp_at(&mut self, socket: usize) -> anyhow::Result<usize> {
        let socket = self.sockets.get(socket).context("no such socket")?;
        let mut packets = 0;
        while let Some((length, _)) = received(socket, &mut self.buffer)? {
            let datagram = self.buffer.get(..length).unwrap_or_default();
            packets += usize::from(matches!(udp_encap::classify(datagram), Datagram::Esp(..)));
        }
        Ok(packets)
    }
}

impl Tunnel {
    fn of(place: usize, unit: &Unit) -> Option<Self> {
        let outbound = SaPair::of(unit.child.as_ref()?)?.outbound;
        Some(Self { name: unit.name.clone(), outbound, inner: unit.inner?, place })
    }

    fn seal(&mut self, service: Ipv4Addr, sealed: &mut Vec<u8>) -> anyhow::Result<()> {
        sealed.clear();
        let packet = echo::datagram(self.inner, service, LENGTH);
        self.outbound.seal(&packet, sealed).map_err(|error| anyhow::anyhow!("not sealed: {error}"))
    }
}
