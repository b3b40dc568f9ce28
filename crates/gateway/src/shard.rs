//! A shard's state: tunnels, their SAs, and what each packet meets on its way. No socket and
//! no clock here; `data.rs` brings both.

mod child;
mod command;
mod confined;
mod neighbours;
mod tunnel;

pub(crate) use command::{Command, Notice};

use crate::{
    cause::{Cause, Drops},
    core::Packets,
    hand_off::Confining,
    path_mtu::PathMtuQueue,
    sessions::{Counted, Session, Traffic},
    shards::Place,
    udp::Outgoing,
    watch::Pulse,
};
use esp::{Inner, WindowSize};
use ids::Spi;
use ike::{ChildSa, IkeSaId, Path};
use ipnet::IpNet;
use neighbours::Neighbours;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tunnel::{Stopped, Tunnel, Turn};

/// When things are due on the packet path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// At most one [`Notice::Heard`] for a session in this time.
    pub(crate) heard_every: Duration,
    /// After this without ESP comes [`Notice::EspNeverSeen`].
    pub(crate) esp_expected_within: Duration,
    /// Inner octets, either way, after which a CHILD SA is rekeyed.
    pub(crate) octets_per_child: u64,
    /// Sequence numbers left, either way, at which it is.
    pub(crate) sequence_reserve: u64,
    /// Key schedules of SAs without packets are let go after this.
    pub(crate) rest_after: Duration,
    /// Of each CHILD SA.
    pub(crate) window: WindowSize,
}

/// Packets that came in here and belong to other shards, by shard.
pub(crate) type Elsewhere = Vec<Packets>;

/// Packets of units that were let through.
#[derive(Default)]
pub(crate) struct Passed {
    /// For the core.
    pub(crate) core: Packets,
    /// For other units.
    pub(crate) units: Packets,
}

/// What comes of packets from the core.
#[derive(Default)]
pub(crate) struct Downlink {
    /// Sealed, for units.
    pub(crate) outgoing: Outgoing,
    pub(crate) elsewhere: Elsewhere,
    /// ICMP errors, back to the core; `None` where nobody there heeds them.
    pub(crate) errors: Option<Packets>,
    /// The same for units that sent to another.
    pub(crate) unit_errors: Packets,
}

/// Everything that the data thread knows.
pub(crate) struct Shard {
    /// Which one it is.
    place: Place,
    limits: Limits,
    neighbours: Neighbours,
    tunnels: HashMap<IkeSaId, Tunnel>,
    by_spi: HashMap<Spi, IkeSaId>,
    /// Of every shard; of units in quarantine the addresses that stand for theirs.
    by_inner: HashMap<IpAddr, IkeSaId>,
    /// Whose path MTU is to be looked at.
    long_packets: PathMtuQueue<IkeSaId>,
    notices: Vec<Notice>,
    /// CHILD SAs that were removed and still receive, in that order.
    leaving: Vec<(IkeSaId, Spi)>,
    pub(crate) counters: Arc<ShardCounters>,
}

/// Counters of the data thread.
#[derive(Default)]
pub(crate) struct ShardCounters {
    pub(crate) uplink: Counted,
    pub(crate) downlink: Counted,
    pub(crate) drops: Drops,
    pub(crate) keepalives: Counted,
    pub(crate) pulse: Pulse,
}

impl Shard {
    pub(crate) fn new(place: Place, limits: Limits, pools: Vec<IpNet>, counters: Arc<ShardCounters>) -> Self {
        Self {
            place,
            limits,
            neighbours: Neighbours { pools, pairs: Arc::default() },
            tunnels: HashMap::new(),
            by_spi: HashMap::new(),
            by_inner: HashMap::new(),
            long_packets: PathMtuQueue::default(),
            notices: Vec::new(),
            leaving: Vec::new(),
            counters,
        }
    }

    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach { session, path } => self.attach(session, path, now),
            Command::Open(opening) => self.open(opening.sa()),
            Command::Confine(confining) => self.confine(confining),
            Command::Hold(sa) => self.hold(sa, true),
            Command::Release(sa) => self.hold(sa, false),
            Command::InstallChildSa { sa, child } => self.install(sa, *child, now),
            Command::RemoveChildSa { sa, spi_in } => self.leave(sa, spi_in),
            Command::Lead(session) => self.lead(&session),
            Command::Forget(session) => self.forget(&session),
            Command::Move { sa, path } => self.move_to(sa, path, now),
            Command::Detach(sa) => self.detach(sa),
            Command::Pairs(pairs) => self.neighbours.pairs = pairs,
            Command::Limits(limits) => self.limits = limits,
        }
    }

    fn attach(&mut self, session: Arc<Session>, path: Path, now: Instant) {
        let tunnel = Tunnel::new(session.clone(), path, now);
        self.tunnels.insert(session.sa, tunnel);
    }

    fn open(&mut self, sa: IkeSaId) {
        if let Some(tunnel) = self.tunnels.get_mut(&sa) {
            tunnel.admit();
        }
    }

    fn confine(&mut self, confining: Confining) {
        if let Some(tunnel) = self.tunnels.get_mut(&confining.sa()) {
            tunnel.confine(confining.into_confinement());
        }
    }

    fn lead(&mut self, session: &Session) {
        self.by_inner.extend(session.known_as().map(|address| (address, session.sa)));
    }

    fn forget(&mut self, session: &Session) {
        for address in session.known_as() {
            if self.by_inner.get(&address) == Some(&session.sa) {
                self.by_inner.remove(&address);
            }
        }
    }

    fn hold(&mut self, sa: IkeSaId, is_held: bool) {
        if let Some(tunnel) = self.tunnels.get_mut(&sa) {
            tunnel.hold(is_held);
        }
    }

    fn install(&mut self, sa: IkeSaId, child: ChildSa, now: Instant) {
        let Some(tunnel) = self.tunnels.get_mut(&sa) else { return };
        let spi = child.spi_in;
        if tunnel.install(child, &self.limits, now) {
            self.by_spi.insert(spi, sa);
        } else {
            tracing::error!(?sa, "keys of a CHILD SA do not fit its suite");
        }
    }

    fn leave(&mut self, sa: IkeSaId, spi_in: Spi) {
        if let Some(tunnel) = self.tunnels.get_mut(&sa) {
            tunnel.leave(spi_in);
            self.leaving.push((sa, spi_in));
        }
    }

    /// How many CHILD SAs were removed and still receive.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Ends the first so many of them. The peer sent nothing over them after its part of the DELETE, which went by way
    /// of another thread: call this when all is read that had come in by the time of that.
    pub(crate) fn end_leaving(&mut self, count: usize) {
        for (sa, spi_in) in self.leaving.drain(..count.min(self.leaving.len())) {
            self.by_spi.remove(&spi_in);
            if let Some(tunnel) = self.tunnels.get_mut(&sa) {
                tunnel.remove(spi_in);
            }
        }
    }

    fn move_to(&mut self, sa: IkeSaId, path: Path, now: Instant) {
        if let Some(tunnel) = self.tunnels.get_mut(&sa) {
            tunnel.move_to(path, now);
        }
    }

    fn detach(&mut self, sa: IkeSaId) {
        let Some(tunnel) = self.tunnels.remove(&sa) else { return };
        for spi in tunnel.spis() {
            self.by_spi.remove(&spi);
        }
    }

    /// An ESP packet that came over `path`, from its SPI on. What is let through goes to `passed`.
    pub(crate) fn uplink(
        &mut self,
        spi: Spi,
        packet: &mut [u8],
        path: &Path,
        now: Instant,
        passed: &mut Passed,
    ) {
        let Some(tunnel) = self.by_spi.get(&spi).and_then(|sa| self.tunnels.get_mut(sa)) else {
            return self.counters.drops.count(Cause::UnknownSpi);
        };
        let neighbours = &self.neighbours;
        let mut turn = Turn { now, limits: &self.limits, notices: &mut self.notices };
        let opened = tunnel.open_packet(spi, packet, path, &mut turn);
        let judged = opened.and_then(|opened| {
            let cause = tunnel.judge(&opened, neighbours);
            cause.map_or(Ok(opened), |cause| Err(Stopped { cause, inner: Some(opened.inner) }))
        });
        match judged {
            Ok(opened) => {
                tunnel.session.traffic.uplink.add(opened.packet.len());
                self.counters.uplink.add(opened.packet.len());
                tunnel.pass(&opened, neighbours, passed);
            }
            Err(stopped) => {
                let cause = tunnel.stopped(&stopped, neighbours);
                drop_for(&tunnel.session.traffic, &self.counters, cause);
            }
        }
    }

    /// Whose SPI this is, if another shard's.
    pub(crate) fn other_shard(&self, spi: Spi) -> Option<usize> {
        self.place.other_shard_of(spi)
    }

    /// Whether a packet with this SPI would find its SA.
    pub(crate) fn knows(&self, spi: Spi) -> bool {
        self.by_spi.contains_key(&spi)
    }

    /// Packets from the core.
    pub(crate) fn downlink(&mut self, packets: &Packets, now: Instant, out: &mut Downlink) {
        for packet in packets.iter() {
            let Some(inner) = self.parse(packet) else { continue };
            if self.neighbours.is_unit(inner.source) {
                self.counters.drops.count(Cause::FromPool);
            } else {
                self.deliver(packet, &inner, now, out);
            }
        }
    }

    /// Packets that a shard let through for units: of other units, or from the core's side of another shard.
    pub(crate) fn between(&mut self, packets: &Packets, now: Instant, out: &mut Downlink) {
        for packet in packets.iter() {
            let Some(inner) = self.parse(packet) else { continue };
            if self.neighbours.is_unit(inner.source) && self.neighbours.is_lateral(&inner) {
                self.counters.drops.count(Cause::Lateral);
            } else {
                self.deliver(packet, &inner, now, out);
            }
        }
    }

    fn parse(&self, packet: &[u8]) -> Option<Inner> {
        let inner = Inner::parse(packet).ok();
        if inner.is_none() {
            self.counters.drops.count(Cause::Outbound(esp::Unsealed::InnerMalformed));
        }
        inner
    }

    fn deliver(&mut self, packet: &[u8], inner: &Inner, now: Instant, out: &mut Downlink) {
        let Some(&sa) = self.by_inner.get(&inner.destination) else {
            return self.counters.drops.count(Cause::NoTunnel);
        };
        if let Some(other) = self.place.other_shard(sa).and_then(|other| out.elsewhere.get_mut(other)) {
            return other.push(packet);
        }
        let Some(tunnel) = self.tunnels.get_mut(&sa) else {
            return self.counters.drops.count(Cause::NoTunnel);
        };
        let path = tunnel.path();
        let is_from_unit = self.neighbours.is_unit(inner.source);
        let errors = if is_from_unit { Some(&mut out.unit_errors) } else { out.errors.as_mut() };
        let seal = |out: &mut _| tunnel.seal(packet, inner, &self.neighbours, now, out, errors);
        match out.outgoing.push_with(path, seal) {
            Ok(()) => {
                self.long_packets.add(tunnel.session.sa, tunnel.mtu());
                tunnel.session.traffic.downlink.add(inner.length);
                self.counters.downlink.add(inner.length);
            }
            Err(cause) => drop_for(&tunnel.session.traffic, &self.counters, cause),
        }
    }

    /// Looks at every tunnel for what is due by time. Call every few seconds.
    pub(crate) fn sweep(&mut self, now: Instant) {
        for tunnel in self.tunnels.values_mut() {
            tunnel.sweep(now, &self.limits, &mut self.notices);
        }
    }

    /// Looks at the path MTUs of tunnels that get long packets. Call every few seconds. `path_mtu` asks the
    /// kernel; `probes` gets what is to be sent with DF.
    pub(crate) fn look_at_path_mtus(
        &mut self,
        now: Instant,
        path_mtu: impl Fn(&Path) -> Option<usize>,
        probes: &mut Outgoing,
    ) {
        for sa in self.long_packets.next() {
            let Some(tunnel) = self.tunnels.get_mut(&sa) else { continue };
            let path = tunnel.path();
            let found = tunnel.mtu().is_due(now).then(|| path_mtu(&path)).flatten();
            match found {
                Some(mtu) => tunnel.found(mtu, now, probes),
                None => self.long_packets.add_again(sa, tunnel.mtu()),
            }
        }
    }

    /// What the IKE thread should know. `give` returns whether it took one; what it did not take is
    /// kept, but for [`Notice::Heard`] and [`Notice::Elsewhere`], which come again.
    pub(crate) fn tell(&mut self, mut give: impl FnMut(Notice) -> bool) {
        let comes_again = |notice: &Notice| matches!(notice, Notice::Heard(_) | Notice::Elsewhere { .. });
        self.notices.retain(|notice| !give(*notice) && !comes_again(notice));
    }
}

fn drop_for(traffic: &Traffic, counters: &ShardCounters, cause: Cause) {
    traffic.drops.count(cause);
    counters.drops.count(cause);
}

#[cfg(test)]
pub(crate) mod tests;
