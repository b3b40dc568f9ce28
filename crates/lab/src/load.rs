//! Many virtual femtocells on one thread: they attach, a bounded number at a time, and fall silent once
//! their tunnel stands, or keep it for [`traffic`]. The load of a bench; what they cost is nobody's figure.

mod traffic;

pub use traffic::Tunnel;

use crate::{KnownGateway, UnitIdentity};
use anyhow::{Context, bail};
use esp::udp_encap::{self, Datagram, NON_ESP_MARKER};
use ike::{
    ChildSa, CipherSuite, Event, Initiator, InitiatorConfig, Output, Path, SuitePolicy,
    crypto::AwsLc,
    payload::{self, Identification, KeyExchangeMethod},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

/// Places from which units attach, each with a socket of its own; one unit at a time has a place.
pub struct Load {
    gateway: KnownGateway,
    places: Vec<Place>,
    buffer: Vec<u8>,
}

struct Place {
    socket: UdpSocket,
    local: SocketAddr,
    unit: Option<Unit>,
}

/// A unit that attaches.
struct Unit {
    name: String,
    initiator: Initiator,
    connected: bool,
    inner: Option<Ipv4Addr>,
    child: Option<ChildSa>,
}

/// Longest wait between two looks at the timers.
const AT_MOST: Duration = Duration::from_secs(1);

impl Load {
    /// Binds `places` sockets on loopback, each in a /24 of its own so that a gateway's quota for half-open SAs from
    /// one prefix plays no part.
    ///
    /// # Errors
    /// More than 65,025 places, or what the system says.
    pub fn new(gateway: KnownGateway, places: usize) -> anyhow::Result<Self> {
        let bind = |number: usize| {
            let (net, subnet) = (u8::try_from(number / 255 + 1)?, u8::try_from(number % 255)?);
            let socket = UdpSocket::bind((Ipv4Addr::new(127, net, subnet, 1), 0))?;
            socket.set_nonblocking(true)?;
            anyhow::Ok(Place { local: socket.local_addr()?, socket, unit: None })
        };
        let places = (0..places).map(bind).collect::<Result<_, _>>()?;
        Ok(Self { gateway, places, buffer: vec![0; 65_536] })
    }

    /// Attaches every unit once. `done` hears of each tunnel that stands.
    ///
    /// # Errors
    /// The first unit that gets no tunnel, and why.
    pub fn attach(&mut self, units: &[UnitIdentity], mut done: impl FnMut()) -> anyhow::Result<()> {
        self.attach_while(units, |stand| {
            stand.iter().for_each(|_| done());
            true
        })
    }

    /// Attaches every unit once, for as long as `goes_on`. It hears, turn by turn, the names of the units whose
    /// tunnel stands since the turn before. When it says no, one more turn takes in what the gateway has sent
    /// already, and all who still attach fall silent.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_while(
        &mut self,
        units: &[UnitIdentity],
        mut goes_on: impl FnMut(&[String]) -> bool,
    ) -> anyhow::Result<()> {
        self.attach_each(units, |stand| {
            let names: Vec<_> = stand.into_iter().map(|(_, unit)| unit.name).collect();
            goes_on(&names)
        })
    }

    /// `goes_on` hears of each unit whose tunnel stands, and of its place.
    fn attach_each(
        &mut self,
        units: &[UnitIdentity],
        mut goes_on: impl FnMut(Vec<(usize, Unit)>) -> bool,
    ) -> anyhow::Result<()> {
        let mut waiting = units.iter();
        loop {
            for place in self.places.iter_mut().filter(|place| place.unit.is_none()) {
                let Some(identity) = waiting.next() else { break };
                place.begin(identity, &self.gateway)?;
            }
            if self.places.iter().all(|place| place.unit.is_none()) {
                return Ok(());
            }
            self.wait();
            if !goes_on(self.turn()?) {
                goes_on(self.turn()?);
                self.places.iter_mut().for_each(|place| place.unit = None);
                return Ok(());
            }
        }
    }

    /// One step of every place; the units whose tunnel stands now, each with its place.
    fn turn(&mut self) -> anyhow::Result<Vec<(usize, Unit)>> {
        let mut stand = Vec::new();
        for (number, place) in self.places.iter_mut().enumerate() {
            stand.extend(place.step(&self.gateway, &mut self.buffer)?.map(|unit| (number, unit)));
        }
        Ok(stand)
    }

    fn wait(&self) {
        let units = self.places.iter().filter_map(|place| place.unit.as_ref());
        let due = units.filter_map(|unit| unit.initiator.poll_timeout()).map(|(at, _)| at).min();
        let sleep = due.map_or(AT_MOST, |at| at.saturating_duration_since(Instant::now()).min(AT_MOST));
        let timeout = Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: sleep.subsec_nanos().into() };
        let mut fds: Vec<_> =
            self.places.iter().map(|place| PollFd::new(&place.socket, PollFlags::IN)).collect();
        // Interrupted by a signal: the loop comes round.
        let _ = poll(&mut fds, Some(&timeout));
    }
}

impl Place {
    fn begin(&mut self, identity: &UnitIdentity, gateway: &KnownGateway) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut initiator = Initiator::new(self.config(identity, gateway), Arc::new(AwsLc), now);
        initiator.connect(now);
        let name = identity.name.clone();
        self.unit = Some(Unit { name, initiator, connected: false, inner: None, child: None });
        self.drain(gateway)
    }

    /// P-256 as in the certificates, X25519, AES-GCM: what a new unit would offer first.
    fn config(&self, identity: &UnitIdentity, gateway: &KnownGateway) -> InitiatorConfig {
        let path = Path { local: self.local, peer: gateway.ike, encapsulated: false };
        let natt_path = Path { local: self.local, peer: gateway.natt, encapsulated: true };
        let gateway_id = Identification::fqdn(&gateway.name);
        let mut config = InitiatorConfig::new(identity.local(), gateway_id, path, natt_path);
        config.authorities = gateway.authorities();
        config.suites = SuitePolicy {
            ciphers: vec![CipherSuite::Aes256Gcm16],
            prfs: vec![payload::Prf::HMAC_SHA2_256],
            key_exchanges: vec![KeyExchangeMethod::CURVE25519],
        };
        config
    }

    /// Takes what came in and does what is due; the unit when its tunnel stands, and its place is free.
    fn step(&mut self, gateway: &KnownGateway, buffer: &mut [u8]) -> anyhow::Result<Option<Unit>> {
        while let Some((length, from)) = received(&self.socket, buffer)? {
            self.datagram(buffer.get_mut(..length).unwrap_or_default(), from, gateway)?;
        }
        if let Some(unit) = &mut self.unit {
            unit.initiator.handle_timeout(Instant::now());
            self.drain(gateway)?;
        }
        Ok(self.unit.take_if(|unit| unit.connected && unit.child.is_some()))
    }

    fn datagram(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        gateway: &KnownGateway,
    ) -> anyhow::Result<()> {
        let encapsulated = from == gateway.natt;
        let message = match udp_encap::classify(datagram) {
            _ if !encapsulated => datagram,
            Datagram::Ike(message) => message,
            Datagram::Esp(..) | Datagram::Keepalive | Datagram::Runt => return Ok(()),
        };
        // What comes after its tunnel stood is for nobody: the unit is silent then.
        if let Some(unit) = &mut self.unit {
            let path = Path { local: self.local, peer: from, encapsulated };
            unit.initiator.handle_datagram(path, message, Instant::now());
        }
        self.drain(gateway)
    }

    fn drain(&mut self, gateway: &KnownGateway) -> anyhow::Result<()> {
        let Some(unit) = &mut self.unit else { return Ok(()) };
        while let Some(output) = unit.initiator.poll_output() {
            match output {
                Output::Transmit { path, datagram } => transmit(&self.socket, &path, &datagram)?,
                Output::AskPeer { ticket, ask } => {
                    unit.initiator.handle_peer(ticket, gateway.verify(&ask), Instant::now());
                }
                Output::InstallChildSa { child, .. } => unit.child = Some(child),
                Output::Event(event) => unit.event(&event)?,
                Output::Keepalive { .. } | Output::RemoveChildSa { .. } | Output::AskAdmission { .. } => {}
            }
        }
        Ok(())
    }
}

impl Unit {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Connected { inner_v4, .. } => (self.connected, self.inner) = (true, *inner_v4),
            Event::ConnectFailed { why } => bail!("{} got no tunnel: {why:?}", self.name),
            Event::ChildFailed { notify, .. } => bail!("{} got no CHILD SA: {notify:?}", self.name),
            Event::SaDeleted { by, .. } => bail!("{} lost its tunnel: {by:?}", self.name),
            Event::SaEstablished { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::ProbeAnswered { .. }
            | Event::ProbeSilent { .. }
            | Event::PathChanged { .. }
            | Event::Refused { .. } => {}
        }
        Ok(())
    }
}

/// Length and sender of the next datagram, if there is one.
fn received(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok(datagram) => Ok(Some(datagram)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("receiving from the gateway"),
    }
}

fn transmit(socket: &UdpSocket, path: &Path, datagram: &[u8]) -> anyhow::Result<()> {
    let marker: &[u8] = if path.encapsulated { &NON_ESP_MARKER } else { &[] };
    socket.send_to(&[marker, datagram].concat(), path.peer).context("sending to the gateway")?;
    Ok(())
}
