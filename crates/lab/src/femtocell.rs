//! A femtocell with a data plane: packets of a core, such as a TUN device, go through the tunnel and back,
//! in batches, as in the gateway. IKE and ESP on one thread.

use crate::{KnownGateway, UnitIdentity, sa_pair::SaPair};
use esp::udp_encap::{self, Datagram, NON_ESP_MARKER};
use gateway::{
    Core, Packets,
    udp::{Outgoing, ReceiveBatch, Socket, send_all},
};
use ike::{
    ConnectFailure, DeletedBy, Event, Initiator, InitiatorConfig, Output, Path,
    crypto::AwsLc,
    payload::{Identification, NotifyType, TrafficSelector},
};
use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A unit that is attached. When it is dropped it tells the gateway that it leaves.
pub struct Femtocell {
    initiator: Initiator,
    socket: Arc<Socket>,
    gateway: KnownGateway,
    pairs: Vec<SaPair>,
    inner: Vec<IpAddr>,
    reach: Vec<IpNet>,
    connected: bool,
    ended: Option<NoTunnel>,
}

/// Why a unit has no tunnel, or none any more, as far as it learns that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTunnel {
    /// No answer, or none in time.
    NoAnswer,
    /// The gateway said no, in this notification.
    Refused(NotifyType),
    /// It let the unit in, and agreed no CHILD SA.
    NoChildSa(NotifyType),
    /// The gateway did not prove to be the one that was asked for.
    NotAuthentic,
    /// It answered what IKE does not have, or what was not offered.
    BadAnswer,
    /// The tunnel stood, and is over.
    Over(DeletedBy),
    /// It was told to stop before it had one.
    Stopped,
    /// The socket does not work.
    Socket(String),
}

impl NoTunnel {
    /// Whether another attempt may go better: what is said for good stays so.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer | Self::Over(_) => true,
            Self::Refused(notify) | Self::NoChildSa(notify) => *notify == NotifyType::TEMPORARY_FAILURE,
            Self::NotAuthentic | Self::BadAnswer | Self::Stopped | Self::Socket(_) => false,
        }
    }
}

impl fmt::Display for NoTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => write!(f, "the gateway does not answer"),
            Self::Refused(notify) => write!(f, "the gateway refused the unit: {}", name(*notify)),
            Self::NoChildSa(notify) => write!(f, "the gateway agreed no CHILD SA: {}", name(*notify)),
            Self::NotAuthentic => write!(f, "the gateway did not prove to be who was asked for"),
            Self::BadAnswer => write!(f, "the gateway answered what this unit cannot use"),
            Self::Over(DeletedBy::Peer) => write!(f, "the gateway ended the tunnel"),
            Self::Over(DeletedBy::DpdTimeout) => write!(f, "the gateway answers no more"),
            Self::Over(DeletedBy::Expired) => write!(f, "the tunnel's time is over"),
            Self::Over(DeletedBy::PeerRefused) => write!(f, "the gateway broke the protocol"),
            Self::Over(DeletedBy::Us | DeletedBy::Reauthenticated) => write!(f, "the unit ended the tunnel"),
            Self::Stopped => write!(f, "stopped before there was a tunnel"),
            Self::Socket(why) => write!(f, "the socket does not work: {why}"),
        }
    }
}

impl std::error::Error for NoTunnel {}

impl From<io::Error> for NoTunnel {
    fn from(error: io::Error) -> Self {
        Self::Socket(error.to_string())
    }
}

impl From<ConnectFailure> for NoTunnel {
    fn from(why: ConnectFailure) -> Self {
        match why {
            ConnectFailure::Notify(notify) => Self::Refused(notify),
            ConnectFailure::TimedOut => Self::NoAnswer,
            ConnectFailure::GatewayNotAuthentic => Self::NotAuthentic,
            ConnectFailure::BadAnswer => Self::BadAnswer,
            ConnectFailure::Closed => Self::Stopped,
        }
    }
}

/// The registered name (RFC 7296 §3.10.1), or the number.
fn name(notify: NotifyType) -> String {
    notify.name().map_or_else(|| format!("notification {}", notify.0), str::to_owned)
}

/// How long an attach may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest sleep: `stop` is looked at so often.
const AT_MOST: Duration = Duration::from_millis(100);

impl Drop for Femtocell {
    fn drop(&mut self) {
        self.initiator.close(Instant::now());
        self.drain();
    }
}

impl Femtocell {
    /// Attaches from `outer`, unless `stop` comes first.
    ///
    /// # Errors
    /// The address can't be used, or the gateway does not let it in.
    pub fn attach(
        identity: &UnitIdentity,
        gateway: &KnownGateway,
        outer: IpAddr,
        wants_v6: bool,
        stop: &AtomicBool,
    ) -> Result<Self, NoTunnel> {
        let socket = Arc::new(Socket::bind(SocketAddr::new(outer, 0), true)?);
        let path = Path { local: socket.local(), peer: gateway.ike, encapsulated: false };
        let natt_path = Path { peer: gateway.natt, encapsulated: true, ..path };
        let mut config =
            InitiatorConfig::new(identity.local(), Identification::fqdn(&gateway.name), path, natt_path);
        config.authorities = gateway.authorities();
        config.want_v6 = wants_v6;
        config.ts_r = vec![TrafficSelector::ALL_V4];
        config.ts_r.extend(wants_v6.then_some(TrafficSelector::ALL_V6));
        let initiator = Initiator::new(config, Arc::new(AwsLc), Instant::now());
        let gateway = gateway.clone();
        let (pairs, inner, reach) = (Vec::new(), Vec::new(), Vec::new());
        let mut unit =
            Self { initiator, socket, gateway, pairs, inner, reach, connected: false, ended: None };
        unit.connect(stop)?;
        Ok(unit)
    }

    /// What the gateway lets it reach: the networks of TSr, whatever their protocols and ports.
    pub fn reach(&self) -> &[IpNet] {
        &self.reach
    }

    /// Its inner addresses.
    pub fn inner(&self) -> &[IpAddr] {
        &self.inner
    }

    fn connect(&mut self, stop: &AtomicBool) -> Result<(), NoTunnel> {
        let until = Instant::now() + PATIENCE;
        let (mut batch, mut nothing) = (ReceiveBatch::default(), Packets::new());
        self.initiator.connect(Instant::now());
        self.drain();
        while !self.connected || self.pairs.is_empty() {
            if let Some(why) = self.ended.take() {
                return Err(why);
            }
            if Instant::now() >= until || stop.load(Relaxed) {
                return Err(if stop.load(Relaxed) { NoTunnel::Stopped } else { NoTunnel::NoAnswer });
            }
            self.wait(None);
            self.receive(&mut batch, &mut nothing)?;
            self.initiator.handle_timeout(Instant::now());
            self.drain();
        }
        Ok(())
    }

    /// Carries packets until `stop`, or until the gateway ends the tunnel.
    ///
    /// # Errors
    /// Why it ended by itself.
    pub fn carry(mut self, core: &mut dyn Core, stop: &AtomicBool) -> Result<(), NoTunnel> {
        let (mut batch, mut uplink) = (ReceiveBatch::default(), Packets::new());
        let (mut downlink, mut outgoing) = (Packets::new(), Outgoing::default());
        let mut due = Instant::now();
        while !stop.load(Relaxed) {
            if let Some(why) = self.ended.take() {
                return Err(why);
            }
            self.wait(Some(&*core));
            self.receive(&mut batch, &mut downlink)?;
            core.uplink(&downlink);
            downlink.clear();
            core.downlink(&mut uplink);
            self.seal(&uplink, &mut outgoing);
            uplink.clear();
            send_all(std::slice::from_ref(&self.socket), &mut outgoing);
            if due.elapsed() >= AT_MOST {
                due = Instant::now();
                self.initiator.handle_timeout(due);
                self.drain();
            }
        }
        Ok(())
    }

    fn wait(&self, core: Option<&dyn Core>) {
        let mut fds = vec![PollFd::new(&*self.socket, PollFlags::IN)];
        let readable = core.and_then(Core::readable);
        fds.extend(readable.map(|core| PollFd::from_borrowed_fd(core, PollFlags::IN)));
        let timeout = Timespec { tv_sec: 0, tv_nsec: AT_MOST.subsec_nanos().into() };
        // Interrupted by a signal: the loop comes round.
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// What ESP brings goes to `downlink`, the rest to the initiator.
    fn receive(&mut self, batch: &mut ReceiveBatch, downlink: &mut Packets) -> io::Result<()> {
        let socket = self.socket.clone();
        if socket.receive(batch)? == 0 {
            return Ok(());
        }
        let (now, ike_port) = (Instant::now(), self.gateway.ike);
        let (mut is_ike, mut is_alive) = (false, false);
        for (meta, octets) in batch.datagrams() {
            let path = Path { encapsulated: meta.addr != ike_port, ..socket.path(meta) };
            match udp_encap::classify(octets) {
                _ if !path.encapsulated => {
                    self.initiator.handle_datagram(path, octets, now);
                    is_ike = true;
                }
                Datagram::Ike(message) => {
                    self.initiator.handle_datagram(path, message, now);
                    is_ike = true;
                }
                Datagram::Esp(spi, _) => {
                    let pair = self.pairs.iter_mut().find(|pair| pair.inbound.spi() == spi);
                    if let Some(Ok(opened)) = pair.map(|pair| pair.inbound.open(octets)) {
                        downlink.push(opened.packet);
                        is_alive = true;
                    }
                }
                Datagram::Keepalive | Datagram::Runt => {}
            }
        }
        if is_ike {
            self.drain();
        } else if is_alive {
            self.initiator.heard(now);
        }
        Ok(())
    }

    fn seal(&mut self, uplink: &Packets, outgoing: &mut Outgoing) {
        let path = Path { local: self.socket.local(), peer: self.gateway.natt, encapsulated: true };
        let Some(pair) = self.pairs.last_mut() else { return };
        for packet in uplink.iter() {
            // What does not fit the selectors is not for the gateway.
            let _ = outgoing.push_with(path, |out| pair.outbound.seal(packet, out));
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.initiator.poll_output() {
            match output {
                Output::Transmit { path, datagram } => self.transmit(path, &datagram),
                Output::Keepalive { path } => drop(self.socket.send(&path, &udp_encap::KEEPALIVE)),
                Output::AskPeer { ticket, ask } => {
                    let peer = self.gateway.verify(&ask);
                    self.initiator.handle_peer(ticket, peer, Instant::now());
                }
                Output::InstallChildSa { child, .. } => {
                    self.reach = networks(&child.ts_remote);
                    self.pairs.extend(SaPair::of(&child));
                }
                Output::RemoveChildSa { spi_in, .. } => {
                    self.pairs.retain(|pair| pair.inbound.spi() != spi_in);
                }
                Output::Event(event) => self.event(event),
                Output::AskAdmission { .. } => {}
            }
        }
    }

    fn transmit(&self, path: Path, datagram: &[u8]) {
        let marker: &[u8] = if path.encapsulated { &NON_ESP_MARKER } else { &[] };
        let _ = self.socket.send(&path, &[marker, datagram].concat());
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected { inner_v4, inner_v6, .. } => {
                self.inner.extend(inner_v4.map(IpAddr::V4));
                self.inner.extend(inner_v6.map(|(address, _)| IpAddr::V6(address)));
                self.connected = true;
            }
            Event::ConnectFailed { why } => self.ended = Some(why.into()),
            Event::ChildFailed { notify, .. } if self.pairs.is_empty() => {
                self.ended = Some(NoTunnel::NoChildSa(notify));
            }
            Event::SaDeleted { by, .. } => self.ended = Some(NoTunnel::Over(by)),
            Event::SaEstablished { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildFailed { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::ProbeAnswered { .. }
            | Event::ProbeSilent { .. }
            | Event::PathChanged { .. }
            | Event::Refused { .. } => {}
        }
    }
}

/// The fewest networks that have the addresses of traffic selectors.
fn networks(selectors: &[TrafficSelector]) -> Vec<IpNet> {
    let subnets = |selector: &TrafficSelector| match selector.addresses {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some(IpSubnets::V4(Ipv4Subnets::new(first, last, 0))),
        (IpAddr::V6(first), IpAddr::V6(last)) => Some(IpSubnets::V6(Ipv6Subnets::new(first, last, 0))),
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    };
    IpNet::aggregate(&selectors.iter().filter_map(subnets).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_said_has_the_name_that_the_standard_gives_it() {
        let refused = NoTunnel::Refused(NotifyType::AUTHENTICATION_FAILED);
        assert_eq!(refused.to_string(), "the gateway refused the unit: AUTHENTICATION_FAILED");
        let odd = NoTunnel::NoChildSa(NotifyType(8191));
        assert_eq!(odd.to_string(), "the gateway agreed no CHILD SA: notification 8191");
    }

    #[test]
    fn what_is_said_for_good_is_not_tried_again() {
        assert!(!NoTunnel::Refused(NotifyType::AUTHENTICATION_FAILED).may_pass());
        assert!(!NoTunnel::NotAuthentic.may_pass());
        assert!(NoTunnel::NoAnswer.may_pass() && NoTunnel::Over(DeletedBy::Peer).may_pass());
    }

    #[test]
    fn selectors_become_the_fewest_networks() {
        let range = |first: &str, last: &str| {
            TrafficSelector::addresses(first.parse().unwrap(), last.parse().unwrap())
        };
        let selectors = [
            range("10.1.0.5", "10.1.0.6"),
            range("10.64.0.0", "10.79.255.255"),
            range("10.1.0.4", "10.1.0.4"),
            range("fd00::", "fd00::ffff"),
        ];
        let found: Vec<_> = networks(&selectors).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.1.0.4/31", "10.1.0.6/32", "10.64.0.0/12", "fd00::/112"]);
        assert_eq!(networks(&[TrafficSelector::ALL_V4]), ["0.0.0.0/0".parse::<IpNet>().unwrap()]);
    }
}
