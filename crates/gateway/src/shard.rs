//! A shard's state: tunnels, their SAs, and what each packet meets on its way. No socket and
//! no clock here; `data.rs` brings both.

use crate::{
    cause::{Cause, Drops},
    core::Packets,
    hand_off::Opening,
    pairs::Pairs,
    path_mtu::PathMtu,
    sessions::{Counted, Session, Traffic},
    shards::Place,
    sightings::{Alternation, Sightings},
    too_big,
    udp::Outgoing,
    watch::Pulse,
};
use esp::{Dropped, InboundSa, Inner, Opened, OutboundSa, Rejected, Selector, Selectors, WindowSize};
use ids::Spi;
use ike::{ChildSa, IkeSaId, Path};
use ipnet::IpNet;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// What the IKE thread has a shard do. None may be lost: the channel blocks the sender.
pub(crate) enum Command {
    /// A session begins, blocked.
    Attach { session: Arc<Session>, path: Path },
    /// Packets may pass.
    Open(Opening),
    /// Packets may not pass for now, whether or not they could before.
    Hold(IkeSaId),
    /// The hold is over. Opens nothing that was never opened.
    Release(IkeSaId),
    /// A pair of ESP SAs.
    InstallChildSa { sa: IkeSaId, child: Box<ChildSa> },
    /// Nothing goes out over it any more; what has come in by now is still read.
    RemoveChildSa { sa: IkeSaId, spi_in: Spi },
    /// The unit has proven to be elsewhere.
    Move { sa: IkeSaId, path: Path },
    /// A session is over.
    Detach(IkeSaId),
    /// Which units may send to which, from now on.
    Pairs(Arc<Pairs>),
}

/// What the data thread tells the IKE thread about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Fresh authentic ESP came in.
    Heard(IkeSaId),
    /// It came from elsewhere: is the unit there? At most one a second for a session.
    Elsewhere { sa: IkeSaId, to: Path },
    /// It comes from several addresses in turn.
    Alternates { sa: IkeSaId, seen: Alternation },
    /// A CHILD SA has carried enough.
    Worn { sa: IkeSaId, spi_in: Spi },
    /// No ESP in UDP has come in for so long that the unit must be sending raw ESP, or nothing.
    EspNeverSeen(IkeSaId),
    /// Packets with another's inner source address were dropped: so many since the last notice.
    Spoofed { sa: IkeSaId, packets: u64 },
    /// Packets for another unit were dropped: so many since the last notice, the last of them for `to`.
    Lateral { sa: IkeSaId, packets: u64, to: IpAddr },
}

impl Command {
    /// Whom it is about; `None`: every shard.
    pub(crate) fn sa(&self) -> Option<IkeSaId> {
        match self {
            Self::Attach { session, .. } => Some(session.sa),
            Self::Open(opening) => Some(opening.sa()),
            Self::Hold(sa) | Self::Release(sa) | Self::Detach(sa) => Some(*sa),
            Self::InstallChildSa { sa, .. } | Self::RemoveChildSa { sa, .. } | Self::Move { sa, .. } => {
                Some(*sa)
            }
            Self::Pairs(_) => None,
        }
    }
}

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

/// Whether packets may pass.
#[derive(Clone, Copy, Default)]
struct Gate {
    is_admitted: bool,
    is_held: bool,
}

impl Gate {
    fn is_open(self) -> bool {
        self.is_admitted && !self.is_held
    }
}

/// Tunnels whose way is looked at in a row: 512 x 5 us of system calls = 2.5 ms.
const LOOKS: usize = 512;

/// At most one [`Notice::Spoofed`] and one [`Notice::Lateral`] for a session in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How much of a count was told, and when.
#[derive(Default)]
struct Told {
    count: u64,
    at: Option<Instant>,
}

impl Told {
    /// What there is to tell of `count` by now.
    fn more(&mut self, count: u64, now: Instant) -> Option<u64> {
        let lately = self.at.is_some_and(|at| now.duration_since(at) < TELL_EVERY);
        let more = count.checked_sub(self.count).filter(|more| *more > 0 && !lately)?;
        *self = Self { count, at: Some(now) };
        Some(more)
    }
}

struct Tunnel {
    session: Arc<Session>,
    path: Path,
    mtu: PathMtu,
    gate: Gate,
    sightings: Option<Box<Sightings>>,
    children: Vec<Child>,
    begun: Instant,
    heard: Option<Instant>,
    never_seen_told: bool,
    spoofed: Told,
    lateral: Told,
    /// Where the last packet for another unit was to go.
    lateral_to: Option<IpAddr>,
}

struct Child {
    inbound: InboundSa,
    outbound: OutboundSa,
    /// The pair that goes on sending until the peer has shown that it uses this one.
    waits_for: Option<Spi>,
    /// It was removed, and receives what was on its way to us before that.
    is_leaving: bool,
    worn_told: bool,
    packets_at_sweep: u64,
    idle_since: Instant,
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

/// Why a packet of a unit goes no further, and what it was where that could be read.
struct Stopped {
    cause: Cause,
    inner: Option<Inner>,
}

impl From<Cause> for Stopped {
    fn from(cause: Cause) -> Self {
        Self { cause, inner: None }
    }
}

impl From<Rejected> for Stopped {
    fn from(rejected: Rejected) -> Self {
        Self { cause: Cause::Inbound(rejected.why), inner: rejected.inner }
    }
}

/// Who may send to which unit.
struct Neighbours {
    /// Where inner addresses come from: who sends there sends to a unit.
    pools: Vec<IpNet>,
    pairs: Arc<Pairs>,
}

impl Neighbours {
    fn is_unit(&self, address: IpAddr) -> bool {
        self.pools.iter().any(|pool| pool.contains(&address))
    }

    fn is_lateral(&self, inner: &Inner) -> bool {
        self.is_unit(inner.destination) && !self.pairs.has(inner)
    }
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
    by_inner: HashMap<IpAddr, IkeSaId>,
    notices: Vec<Notice>,
    /// CHILD SAs that were removed and still receive, in that order.
    leaving: Vec<(IkeSaId, Spi)>,
    /// Our side of the CHILD SA installed last: those of one class have one list.
    local: Arc<[Selector]>,
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
            notices: Vec::new(),
            leaving: Vec::new(),
            local: Arc::default(),
            counters,
        }
    }

    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach { session, path } => self.attach(session, path, now),
            Command::Open(opening) => self.open(opening.sa()),
            Command::Hold(sa) => self.hold(sa, true),
            Command::Release(sa) => self.hold(sa, false),
            Command::InstallChildSa { sa, child } => self.install(sa, *child, now),
            Command::RemoveChildSa { sa, spi_in } => self.leave(sa, spi_in),
            Command::Move { sa, path } => self.move_to(sa, path, now),
            Command::Detach(sa) => self.detach(sa),
            Command::Pairs(pairs) => self.neighbours.pairs = pairs,
        }
    }

    fn attach(&mut self, session: Arc<Session>, path: Path, now: Instant) {
        let tunnel = Tunnel {
            path,
            mtu: PathMtu::default(),
            gate: Gate::default(),
            sightings: None,
            children: Vec::with_capacity(1),
            begun: now,
            heard: None,
            never_seen_told: false,
            spoofed: Told::default(),
            lateral: Told::default(),
            lateral_to: None,
            session: session.clone(),
        };
        self.tunnels.insert(session.sa, tunnel);
    }

    /// From now on the inner addresses lead here; a holder's claim on them ends.
    fn open(&mut self, sa: IkeSaId) {
        let Some(tunnel) = self.tunnels.get_mut(&sa) else { return };
        tunnel.gate.is_admitted = true;
        for address in tunnel.session.inner() {
            self.by_inner.insert(address, sa);
        }
    }

    fn hold(&mut self, sa: IkeSaId, is_held: bool) {
        if let Some(tunnel) = self.tunnels.get_mut(&sa) {
            tunnel.gate.is_held = is_held;
        }
    }

    fn install(&mut self, sa: IkeSaId, child: ChildSa, now: Instant) {
        let Some(tunnel) = self.tunnels.get_mut(&sa) else { return };
        let local: Arc<[_]> = child.ts_local.iter().map(selector).collect();
        if local != self.local {
            self.local = local;
        }
        let remote = child.ts_remote.iter().map(selector).collect();
        let selectors = Arc::new(Selectors { local: self.local.clone(), remote });
        let Some(child) = Child::new(child, selectors, self.limits.window, now) else {
            tracing::error!(?sa, "keys of a CHILD SA do not fit its suite");
            return;
        };
        self.by_spi.insert(child.inbound.spi(), sa);
        tunnel.children.push(child);
    }

    fn leave(&mut self, sa: IkeSaId, spi_in: Spi) {
        let Some(tunnel) = self.tunnels.get_mut(&sa) else { return };
        for child in &mut tunnel.children {
            child.is_leaving |= child.inbound.spi() == spi_in;
            child.stop_waiting_for(spi_in);
        }
        self.leaving.push((sa, spi_in));
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
                tunnel.children.retain(|child| child.inbound.spi() != spi_in);
            }
        }
    }

    fn move_to(&mut self, sa: IkeSaId, path: Path, now: Instant) {
        let Some(tunnel) = self.tunnels.get_mut(&sa) else { return };
        (tunnel.path, tunnel.mtu) = (path, PathMtu::default());
        if let Some(sightings) = &mut tunnel.sightings {
            sightings.see(&path, now);
        }
    }

    fn detach(&mut self, sa: IkeSaId) {
        let Some(tunnel) = self.tunnels.remove(&sa) else { return };
        for child in &tunnel.children {
            self.by_spi.remove(&child.inbound.spi());
        }
        for address in tunnel.session.inner() {
            if self.by_inner.get(&address) == Some(&sa) {
                self.by_inner.remove(&address);
            }
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
        let opened = tunnel.open_packet(spi, packet, path, now, &self.limits, &mut self.notices);
        let judged = opened.and_then(|opened| {
            let cause = tunnel.judge(&opened, &self.neighbours);
            cause.map_or(Ok(opened), |cause| Err(Stopped { cause, inner: Some(opened.inner) }))
        });
        match judged {
            Ok(Opened { packet, inner, .. }) => {
                tunnel.session.traffic.uplink.add(packet.len());
                self.counters.uplink.add(packet.len());
                let is_for_unit = self.neighbours.is_unit(inner.destination);
                if is_for_unit { &mut passed.units } else { &mut passed.core }.push(packet);
            }
            Err(stopped) => {
                let cause = tunnel.stopped(&stopped, &self.neighbours);
                drop_for(&tunnel.session.traffic, &self.counters, cause);
            }
        }
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
        let tunnel = self.by_inner.get(&inner.destination).and_then(|sa| self.tunnels.get_mut(sa));
        let Some(tunnel) = tunnel else {
            let other =
                self.place.other_shard(inner.destination).and_then(|other| out.elsewhere.get_mut(other));
            return other
                .map_or_else(|| self.counters.drops.count(Cause::NoTunnel), |packets| packets.push(packet));
        };
        let path = tunnel.path;
        let is_from_unit = self.neighbours.is_unit(inner.source);
        let errors = if is_from_unit { Some(&mut out.unit_errors) } else { out.errors.as_mut() };
        let seal = |out: &mut _| tunnel.seal(packet, inner, &self.neighbours, now, out, errors);
        match out.outgoing.push_with(path, seal) {
            Ok(()) => {
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

    /// Looks at the ways of tunnels that get long packets. Call every few seconds. `path_mtu` asks the
    /// kernel; `probes` gets what is to be sent with DF.
    pub(crate) fn look_at_ways(
        &mut self,
        now: Instant,
        path_mtu: impl Fn(&Path) -> Option<usize>,
        probes: &mut Outgoing,
    ) {
        for tunnel in self.tunnels.values_mut().filter(|tunnel| tunnel.mtu.is_due(now)).take(LOOKS) {
            if let Some(mtu) = path_mtu(&tunnel.path) {
                tunnel.found(mtu, now, probes);
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

impl Tunnel {
    /// What comes into a held tunnel goes no further, but says where its unit is: it may be back.
    fn open_packet<'a>(
        &mut self,
        spi: Spi,
        packet: &'a mut [u8],
        path: &Path,
        now: Instant,
        limits: &Limits,
        notices: &mut Vec<Notice>,
    ) -> Result<Opened<'a>, Stopped> {
        if !self.gate.is_admitted {
            return Err(Cause::Blocked.into());
        }
        let child =
            self.children.iter_mut().find(|child| child.inbound.spi() == spi).ok_or(Cause::UnknownSpi)?;
        let opened = child.inbound.open(packet);
        if opened.as_ref().err().is_some_and(|rejected| !rejected.why.is_authentic()) {
            return opened.map_err(Stopped::from);
        }
        self.session.traffic.esp_seen.store(true, Relaxed);
        child.waits_for = None;
        let sa = self.session.sa;
        if self.heard.is_none_or(|heard| now.duration_since(heard) >= limits.heard_every) {
            self.heard = Some(now);
            notices.push(Notice::Heard(sa));
        }
        let opened = opened?;
        child.tell_if_worn(sa, limits, notices);
        if opened.newest && (*path != self.path || self.sightings.is_some()) {
            self.see(path, now, notices);
        }
        // Opened all the same: it may be the first packet from where the unit belongs.
        if self.gate.is_held { Err(Cause::Blocked.into()) } else { Ok(opened) }
    }

    /// Why a packet that fits the traffic selectors goes no further; `None` if it does.
    fn judge(&self, opened: &Opened<'_>, neighbours: &Neighbours) -> Option<Cause> {
        let Opened { packet, inner, .. } = opened;
        if neighbours.is_lateral(inner) {
            return Some(Cause::Lateral);
        }
        let is_for_unit = neighbours.is_unit(inner.destination);
        let judged =
            if is_for_unit { inner.check_headers() } else { self.session.reach.check_inbound(inner, packet) };
        judged.err().map(Cause::Uplink)
    }

    /// What a stopped packet counts as. One for another unit is an attempt, however the unit has narrowed
    /// its traffic selectors.
    fn stopped(&mut self, stopped: &Stopped, neighbours: &Neighbours) -> Cause {
        let is_outside = stopped.cause == Cause::Inbound(Dropped::OutsideSelectors);
        let may_be_lateral = is_outside || stopped.cause == Cause::Lateral;
        match stopped.inner.filter(|inner| may_be_lateral && neighbours.is_lateral(inner)) {
            Some(inner) => {
                self.lateral_to = Some(inner.destination);
                Cause::Lateral
            }
            None => stopped.cause,
        }
    }

    /// The newest packet came over `path`, or others have come from elsewhere lately.
    fn see(&mut self, path: &Path, now: Instant, notices: &mut Vec<Notice>) {
        let home = self.path;
        let sightings = self.sightings.get_or_insert_with(|| Box::new(Sightings::begin(home, now)));
        sightings.see(path, now);
        if *path != home && sightings.asks(now) {
            notices.push(Notice::Elsewhere { sa: self.session.sa, to: *path });
        }
    }

    fn seal(
        &mut self,
        packet: &[u8],
        inner: &Inner,
        neighbours: &Neighbours,
        now: Instant,
        out: &mut Vec<u8>,
        errors: Option<&mut Packets>,
    ) -> Result<(), Cause> {
        if !self.gate.is_open() {
            return Err(Cause::Blocked);
        }
        if !neighbours.is_unit(inner.source) {
            self.session.reach.check_outbound(inner, packet).map_err(Cause::Downlink)?;
        }
        // The newest pair whose peer is ready; several with equal selectors may stand side by side.
        let fits =
            |child: &&mut Child| child.may_send() && child.outbound.selectors().check_outbound(inner).is_ok();
        let child = self.children.iter_mut().rev().find(fits).ok_or(Cause::NoChildSa)?;
        let whole = self.mtu.datagram().map(|datagram| child.outbound.room(datagram));
        let broken = whole.and_then(|whole| too_big::broken_mtu(packet.get(..inner.length)?, whole));
        if let (Some(mtu), Some(errors)) = (broken, errors) {
            if self.mtu.may_tell(now) {
                too_big::answer(packet, mtu).iter().for_each(|answer| errors.push(answer));
            }
            return Err(Cause::TooBig);
        }
        let start = out.len();
        child.outbound.seal(packet, out).map_err(Cause::Outbound)?;
        self.mtu.uses(out.len() - start);
        Ok(())
    }

    /// `mtu`: of the path.
    fn found(&mut self, mtu: usize, now: Instant, probes: &mut Outgoing) {
        let Some(datagram) = self.mtu.found(&self.path, mtu, now) else { return };
        let newest = self.children.iter_mut().rev().find(|child| child.may_send());
        if let Some(child) = newest.filter(|_| self.gate.is_open()) {
            let length = child.outbound.room(datagram);
            // Its failure shows with the next packet.
            let _ = probes.push_with(self.path, |out| child.outbound.seal_dummy(length, out));
        }
    }

    fn sweep(&mut self, now: Instant, limits: &Limits, notices: &mut Vec<Notice>) {
        let waited = now.duration_since(self.begun) >= limits.esp_expected_within;
        let seen = self.session.traffic.esp_seen.load(Relaxed);
        if waited && !seen && !self.never_seen_told && !self.children.is_empty() {
            self.never_seen_told = true;
            notices.push(Notice::EspNeverSeen(self.session.sa));
        }
        self.tell_attempts(now, notices);
        self.tell_alternation(now, notices);
        for child in &mut self.children {
            child.sweep(now, limits);
            child.tell_if_worn(self.session.sa, limits, notices);
        }
    }

    fn tell_attempts(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        let (sa, drops) = (self.session.sa, &self.session.traffic.drops);
        let spoofed = self.spoofed.more(drops.of(Cause::Inbound(Dropped::SpoofedSource)), now);
        notices.extend(spoofed.map(|packets| Notice::Spoofed { sa, packets }));
        let lateral = self.lateral.more(drops.of(Cause::Lateral), now).zip(self.lateral_to);
        notices.extend(lateral.map(|(packets, to)| Notice::Lateral { sa, packets, to }));
    }

    fn tell_alternation(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        let Some(sightings) = &mut self.sightings else { return };
        notices.extend(sightings.tell(now).map(|seen| Notice::Alternates { sa: self.session.sa, seen }));
        self.sightings.take_if(|sightings| sightings.are_over(now));
    }
}

impl Child {
    fn new(child: ChildSa, selectors: Arc<Selectors>, window: WindowSize, now: Instant) -> Option<Self> {
        let suite = suite(child.suite.cipher);
        let keys = |keys: &ike::EspKeys| esp::Keys::new(suite, &keys.encr, &keys.integ).ok();
        let (inbound, outbound) = (keys(&child.keys_in)?, keys(&child.keys_out)?);
        let extended = child.suite.esn;
        Some(Self {
            inbound: InboundSa::new(child.spi_in, inbound, extended, selectors.clone()).with_window(window),
            outbound: OutboundSa::new(child.spi_out, outbound, extended, selectors),
            waits_for: child.replaces.filter(|_| !child.peer_is_ready),
            is_leaving: false,
            worn_told: false,
            packets_at_sweep: 0,
            idle_since: now,
        })
    }

    fn may_send(&self) -> bool {
        self.waits_for.is_none() && !self.is_leaving
    }

    fn stop_waiting_for(&mut self, old: Spi) {
        if self.waits_for == Some(old) {
            self.waits_for = None;
        }
    }

    fn tell_if_worn(&mut self, sa: IkeSaId, limits: &Limits, notices: &mut Vec<Notice>) {
        let octets = self.inbound.usage().octets.max(self.outbound.usage().octets);
        let left = self.inbound.sequence_left().min(self.outbound.sequence_left());
        let is_worn = octets >= limits.octets_per_child || left < limits.sequence_reserve;
        if is_worn && !self.worn_told {
            self.worn_told = true;
            notices.push(Notice::Worn { sa, spi_in: self.inbound.spi() });
        }
    }

    fn sweep(&mut self, now: Instant, limits: &Limits) {
        let packets = self.inbound.usage().packets + self.outbound.usage().packets;
        if packets != self.packets_at_sweep {
            self.packets_at_sweep = packets;
            self.idle_since = now;
        } else if now.duration_since(self.idle_since) >= limits.rest_after {
            self.inbound.rest();
            self.outbound.rest();
        }
    }
}

fn suite(cipher: ike::CipherSuite) -> esp::Suite {
    match cipher {
        ike::CipherSuite::Aes128Gcm16 => esp::Suite::Aes128Gcm16,
        ike::CipherSuite::Aes256Gcm16 => esp::Suite::Aes256Gcm16,
        ike::CipherSuite::Aes128CbcHmacSha256 => esp::Suite::Aes128CbcHmacSha256,
        ike::CipherSuite::Aes256CbcHmacSha256 => esp::Suite::Aes256CbcHmacSha256,
    }
}

fn selector(selector: &ike::payload::TrafficSelector) -> Selector {
    let ike::payload::TrafficSelector { protocol, ports, addresses } = *selector;
    Selector { protocol, ports, addresses }
}

#[cfg(test)]
pub(crate) mod tests;
