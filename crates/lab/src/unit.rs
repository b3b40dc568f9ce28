//! A virtual femtocell: its IKE initiator, its ESP, and one UDP socket, on a thread of its own.

use crate::{echo, sa_pair::SaPair};
use anyhow::Context;
use esp::{
    InboundSa, OutboundSa,
    udp_encap::{self, Datagram, NON_ESP_MARKER},
};
use ids::UnixTime;
use ike::{
    AskPeer, ChildSa, ConnectFailure, DeletedBy, Event, Initiator, InitiatorConfig, LocalIdentity, Output,
    Path, Peer, Refusal,
    crypto::{AuthKey, AwsLc},
    payload::{Identification, NotifyType, TrafficSelector},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use x509::{AnchorSet, GatewayName, verify_gateway};

/// Who a unit says it is, and with what.
#[derive(Clone)]
pub struct UnitIdentity {
    /// IDi, whether or not the certificate says the same.
    pub name: String,
    /// DER, end entity first.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: Arc<AuthKey>,
}

impl UnitIdentity {
    pub(crate) fn local(&self) -> LocalIdentity {
        LocalIdentity {
            id: Identification::fqdn(&self.name),
            certificates: self.chain.clone(),
            key: self.key.clone(),
        }
    }
}

/// What a unit needs to know of its gateway.
#[derive(Clone)]
pub struct KnownGateway {
    /// IDr, and the dNSName of its certificate.
    pub name: String,
    /// Who may vouch for it.
    pub anchors: AnchorSet,
    /// Where it takes IKE without NAT.
    pub ike: SocketAddr,
    /// Where it takes IKE and ESP in UDP.
    pub natt: SocketAddr,
}

impl KnownGateway {
    /// For CERTREQ.
    pub(crate) fn authorities(&self) -> Vec<[u8; 20]> {
        self.anchors.iter().map(x509::Anchor::key_hash).collect()
    }

    /// Whether the peer is this gateway.
    pub(crate) fn verify(&self, ask: &AskPeer) -> Result<Peer, Refusal> {
        let chain: Vec<&[u8]> = ask.certificates.iter().map(Vec::as_slice).collect();
        let (name, now) = (GatewayName::Fqdn(self.name.clone()), UnixTime::now());
        let verified = verify_gateway(&self.anchors, &name, &chain, now).map_err(|_| Refusal::Final)?;
        Ok(Peer {
            public_key_spki: verified.spki().to_vec(),
            not_after: verified.valid_until().since(now),
            allow_sha1_signature: false,
        })
    }
}

/// A tunnel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The inner address that the gateway bound to the unit.
    pub inner: Ipv4Addr,
    /// From the first message until the tunnel stood.
    pub took: Duration,
}

/// How an attempt to attach ended, from the unit's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A tunnel stands.
    Attached(Attached),
    /// The gateway said no; this notification is all that the unit learns.
    Refused(NotifyType),
    /// No answer, or none that could be believed.
    NoTunnel(String),
}

/// A running unit. Dropped, it goes silent without a word, as when its power is cut.
pub struct Unit {
    /// Where its messages come from.
    pub outer: SocketAddr,
    /// How its attempt ended.
    pub outcome: Outcome,
    commands: Sender<Command>,
    news: Receiver<News>,
    thread: Option<JoinHandle<()>>,
    /// Everywhere that it has been.
    sockets: Vec<(IpAddr, UdpSocket)>,
}

enum Command {
    Ping(Ipv4Addr, u16),
    SealPing(Ipv4Addr, u16),
    Move(UdpSocket),
    Check,
    Close,
    Stop,
}

enum News {
    Ended(Outcome),
    Pong(u16, Duration),
    Sealed(Vec<u8>),
    Deleted(DeletedBy),
}

impl Unit {
    /// How long an attempt may take. A refusal and an attach both take milliseconds.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Starts a unit on a local address and waits for the end of its attempt to attach.
    pub(crate) fn start(
        identity: &UnitIdentity,
        outer: IpAddr,
        gateway: &KnownGateway,
    ) -> anyhow::Result<Self> {
        let socket = socket(outer)?;
        let sockets = vec![(outer, socket.try_clone()?)];
        let outer = socket.local_addr()?;
        let (commands, orders) = mpsc::channel();
        let (tell, news) = mpsc::channel();
        let worker = Worker::new(identity, socket, gateway.clone(), tell)?;
        let thread = thread::Builder::new().name("unit".into()).spawn(move || worker.run(&orders))?;
        let outcome = loop {
            match news.recv_timeout(Self::PATIENCE) {
                Ok(News::Ended(outcome)) => break outcome,
                Ok(News::Pong(..) | News::Sealed(_) | News::Deleted(_)) => {}
                Err(_) => break Outcome::NoTunnel("no answer".into()),
            }
        };
        Ok(Self { outer, outcome, commands, news, thread: Some(thread), sockets })
    }

    /// Sends `count` pings through the tunnel; returns how many were answered and the fastest answer.
    pub fn ping(&self, service: Ipv4Addr, count: u16) -> (u16, Option<Duration>) {
        let (mut answered, mut fastest) = (0, None);
        for sequence in 1..=count {
            if self.commands.send(Command::Ping(service, sequence)).is_err() {
                break;
            }
            while let Ok(news) = self.news.recv_timeout(Duration::from_secs(1)) {
                if let News::Pong(answer, took) = news
                    && answer == sequence
                {
                    answered += 1;
                    fastest = Some(fastest.map_or(took, |best: Duration| best.min(took)));
                    break;
                }
            }
        }
        (answered, fastest)
    }

    /// Sends one ping and waits for nothing.
    pub fn ping_and_forget(&self, service: Ipv4Addr) {
        let _ = self.commands.send(Command::Ping(service, 0));
    }

    /// A ping as it would be sent through the tunnel next: what somebody on the way gets hold of who lets
    /// nothing pass.
    pub fn intercepted_ping(&self, service: Ipv4Addr) -> Option<Vec<u8>> {
        self.commands.send(Command::SealPing(service, 0)).ok()?;
        loop {
            match self.news.recv_timeout(Self::PATIENCE) {
                Ok(News::Sealed(sealed)) => return Some(sealed),
                Ok(News::Ended(_) | News::Pong(..) | News::Deleted(_)) => {}
                Err(_) => return None,
            }
        }
    }

    /// From now on its messages come from another address, or again from one where it has been, without a
    /// word about it: as when its NAT has forgotten it, or it was carried elsewhere.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn move_to(&mut self, outer: IpAddr) -> anyhow::Result<()> {
        let known = self.sockets.iter().find(|(address, _)| *address == outer);
        let socket = known.map_or_else(|| socket(outer), |(_, socket)| Ok(socket.try_clone()?))?;
        if known.is_none() {
            self.sockets.push((outer, socket.try_clone()?));
        }
        self.outer = socket.local_addr()?;
        self.commands.send(Command::Move(socket)).context("the unit has ended")
    }

    /// Asks the gateway by IKE whether it lives; its answer is not waited for.
    ///
    /// # Errors
    /// The unit has ended.
    pub fn check_gateway(&self) -> anyhow::Result<()> {
        self.commands.send(Command::Check).context("the unit has ended")
    }

    /// Waits until the tunnel is gone; by whom, if it is gone in time.
    pub fn wait_deleted(&self, patience: Duration) -> Option<DeletedBy> {
        let until = Instant::now() + patience;
        loop {
            match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(News::Deleted(by)) => return Some(by),
                Ok(News::Ended(_) | News::Pong(..) | News::Sealed(_)) => {}
                Err(_) => return None,
            }
        }
    }

    /// Deletes the tunnel in good order.
    pub fn close(&self) -> Option<DeletedBy> {
        self.commands.send(Command::Close).ok()?;
        self.wait_deleted(Duration::from_secs(5))
    }
}

fn socket(outer: IpAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((outer, 0)).with_context(|| format!("a unit can't use {outer}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    Ok(socket)
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    initiator: Initiator,
    socket: UdpSocket,
    gateway: KnownGateway,
    tell: Sender<News>,
    began: Instant,
    inner: Option<Ipv4Addr>,
    inbound: Vec<InboundSa>,
    outbound: Vec<(ids::Spi, OutboundSa)>,
    /// When the last ping was sent.
    pinged: Instant,
}

impl Worker {
    fn new(
        identity: &UnitIdentity,
        socket: UdpSocket,
        gateway: KnownGateway,
        tell: Sender<News>,
    ) -> anyhow::Result<Self> {
        let local = socket.local_addr()?;
        let path = Path { local, peer: gateway.ike, encapsulated: false };
        let natt_path = Path { local, peer: gateway.natt, encapsulated: true };
        let mut config =
            InitiatorConfig::new(identity.local(), Identification::fqdn(&gateway.name), path, natt_path);
        config.authorities = gateway.authorities();
        config.ts_r = vec![TrafficSelector::ALL_V4];
        let now = Instant::now();
        let initiator = Initiator::new(config, Arc::new(AwsLc), now);
        Ok(Self {
            initiator,
            socket,
            gateway,
            tell,
            began: now,
            inner: None,
            inbound: vec![],
            outbound: vec![],
            pinged: now,
        })
    }

    fn run(mut self, orders: &Receiver<Command>) {
        self.initiator.connect(Instant::now());
        let mut buffer = vec![0; 65_536];
        loop {
            self.drain();
            match orders.try_recv() {
                Ok(Command::Ping(service, sequence)) => self.ping(service, sequence),
                Ok(Command::SealPing(service, sequence)) => {
                    let sealed = self.seal_ping(service, sequence).unwrap_or_default();
                    let _ = self.tell.send(News::Sealed(sealed));
                }
                Ok(Command::Move(socket)) => self.move_to(socket),
                Ok(Command::Check) => self.initiator.probe(Instant::now()),
                Ok(Command::Close) => self.initiator.close(Instant::now()),
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                Err(mpsc::TryRecvError::Empty) => {}
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => self.datagram(buffer.get_mut(..length).unwrap_or_default(), from),
                Err(error) if is_patience(&error) => {}
                Err(_) => return,
            }
            self.initiator.handle_timeout(Instant::now());
        }
    }

    fn datagram(&mut self, datagram: &mut [u8], from: SocketAddr) {
        let now = Instant::now();
        if from == self.gateway.ike {
            let path = Path { local: from, peer: from, encapsulated: false };
            return self.initiator.handle_datagram(path, datagram, now);
        }
        let is_esp = match udp_encap::classify(datagram) {
            Datagram::Ike(message) => {
                let path = Path { local: from, peer: from, encapsulated: true };
                self.initiator.handle_datagram(path, message, now);
                false
            }
            Datagram::Esp(..) => true,
            Datagram::Keepalive | Datagram::Runt => false,
        };
        if is_esp {
            self.esp(datagram);
        }
    }

    fn esp(&mut self, packet: &mut [u8]) {
        let spi = packet.first_chunk().map(|octets| ids::Spi(u32::from_be_bytes(*octets)));
        let Some(sa) = self.inbound.iter_mut().find(|sa| Some(sa.spi()) == spi) else { return };
        let Ok(opened) = sa.open(packet) else { return };
        let sequence = self.inner.and_then(|inner| echo::reply(opened.packet, inner));
        let answer = self.inner.and_then(|inner| echo::answer(opened.packet, inner));
        self.initiator.heard(Instant::now());
        if let Some(sealed) = answer.and_then(|answer| self.seal(&answer)) {
            let _ = self.socket.send_to(&sealed, self.gateway.natt);
        }
        if let Some(sequence) = sequence {
            let _ = self.tell.send(News::Pong(sequence, self.pinged.elapsed()));
        }
    }

    fn ping(&mut self, service: Ipv4Addr, sequence: u16) {
        if let Some(sealed) = self.seal_ping(service, sequence) {
            self.pinged = Instant::now();
            let _ = self.socket.send_to(&sealed, self.gateway.natt);
        }
    }

    fn seal_ping(&mut self, service: Ipv4Addr, sequence: u16) -> Option<Vec<u8>> {
        self.seal(&echo::request(self.inner?, service, sequence))
    }

    fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let ((_, sa), mut sealed) = (self.outbound.last_mut()?, Vec::with_capacity(128));
        sa.seal(packet, &mut sealed).ok()?;
        Some(sealed)
    }

    fn move_to(&mut self, socket: UdpSocket) {
        let Ok(local) = socket.local_addr() else { return };
        let path = Path { local, peer: self.gateway.ike, encapsulated: false };
        self.initiator.rebind(path, Path { peer: self.gateway.natt, encapsulated: true, ..path });
        self.socket = socket;
    }

    fn drain(&mut self) {
        while let Some(output) = self.initiator.poll_output() {
            match output {
                Output::Transmit { path, datagram } => self.transmit(&path, &datagram),
                Output::Keepalive { path } => drop(self.socket.send_to(&udp_encap::KEEPALIVE, path.peer)),
                Output::AskPeer { ticket, ask } => {
                    let peer = self.gateway.verify(&ask);
                    self.initiator.handle_peer(ticket, peer, Instant::now());
                }
                Output::InstallChildSa { child, .. } => self.install(&child),
                Output::RemoveChildSa { spi_in, .. } => {
                    self.inbound.retain(|sa| sa.spi() != spi_in);
                    self.outbound.retain(|(pair, _)| *pair != spi_in);
                }
                Output::Event(event) => self.event(event),
                Output::AskAdmission { .. } => {}
            }
        }
    }

    fn transmit(&self, path: &Path, datagram: &[u8]) {
        let marker: &[u8] = if path.encapsulated { &NON_ESP_MARKER } else { &[] };
        let _ = self.socket.send_to(&[marker, datagram].concat(), path.peer);
    }

    fn install(&mut self, child: &ChildSa) {
        let Some(pair) = SaPair::of(child) else { return };
        self.inbound.push(pair.inbound);
        self.outbound.push((child.spi_in, pair.outbound));
        if let Some(inner) = self.inner {
            let attached = Attached { inner, took: self.began.elapsed() };
            let _ = self.tell.send(News::Ended(Outcome::Attached(attached)));
        }
    }

    fn event(&mut self, event: Event) {
        let news = match event {
            Event::Connected { inner_v4, .. } => {
                self.inner = inner_v4;
                let took = self.began.elapsed();
                let attached =
                    inner_v4.filter(|_| !self.outbound.is_empty()).map(|inner| Attached { inner, took });
                attached.map(|attached| News::Ended(Outcome::Attached(attached)))
            }
            Event::ConnectFailed { why: ConnectFailure::Notify(notify) } => {
                Some(News::Ended(Outcome::Refused(notify)))
            }
            Event::ConnectFailed { why } => Some(News::Ended(Outcome::NoTunnel(format!("{why:?}")))),
            Event::ChildFailed { notify, .. } => {
                let name = notify.name().unwrap_or("an unknown notification");
                Some(News::Ended(Outcome::NoTunnel(format!("no CHILD SA: {name}"))))
            }
            Event::SaDeleted { by, .. } => Some(News::Deleted(by)),
            Event::SaEstablished { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::ProbeAnswered { .. }
            | Event::ProbeSilent { .. }
            | Event::PathChanged { .. }
            | Event::Refused { .. } => None,
        };
        if let Some(news) = news {
            let _ = self.tell.send(news);
        }
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused
    )
}
