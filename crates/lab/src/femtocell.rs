//! A femtocell with a data plane: packets of a core, such as a TUN device, go through the tunnel and back,
//! in batches, as in the gateway. IKE and ESP on one thread.

use crate::{KnownGateway, UnitIdentity, sa_pair::SaPair};
use anyhow::{Context, bail, ensure};
use esp::udp_encap::{self, Datagram, NON_ESP_MARKER};
use gateway::{
    Core, Packets,
    udp::{Outgoing, ReceiveBatch, Socket, send_all},
};
use ike::{
    Event, Initiator, InitiatorConfig, Output, Path,
    crypto::AwsLc,
    payload::{Identification, TrafficSelector},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A unit that is attached.
pub struct Femtocell {
    initiator: Initiator,
    socket: Arc<Socket>,
    gateway: KnownGateway,
    pairs: Vec<SaPair>,
    inner: Vec<IpAddr>,
    connected: bool,
    ended: Option<String>,
}

/// How long an attach may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest sleep: `stop` is looked at so often.
const AT_MOST: Duration = Duration::from_millis(100);

impl Femtocell {
    /// Attaches from `outer`.
    ///
    /// # Errors
    /// The address can't be used, or the gateway does not let it in.
    pub fn attach(
        identity: &UnitIdentity,
        gateway: &KnownGateway,
        outer: IpAddr,
        wants_v6: bool,
    ) -> anyhow::Result<Self> {
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
        let mut unit =
            Self { initiator, socket, gateway, pairs: vec![], inner: vec![], connected: false, ended: None };
        unit.connect()?;
        Ok(unit)
    }

    /// Its inner addresses.
    pub fn inner(&self) -> &[IpAddr] {
        &self.inner
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        let (mut batch, mut nothing) = (ReceiveBatch::default(), Packets::new());
        self.initiator.connect(Instant::now());
        self.drain();
        while !self.connected || self.pairs.is_empty() {
            ensure!(Instant::now() < until, "the gateway does not answer");
            if let Some(why) = &self.ended {
                bail!("not attached: {why}");
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
    pub fn carry(mut self, mut core: Box<dyn Core>, stop: &AtomicBool) -> anyhow::Result<()> {
        let (mut batch, mut uplink) = (ReceiveBatch::default(), Packets::new());
        let (mut downlink, mut outgoing) = (Packets::new(), Outgoing::default());
        let mut due = Instant::now();
        while !stop.load(Relaxed) {
            if let Some(why) = &self.ended {
                bail!("the tunnel is over: {why}");
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
        self.initiator.close(Instant::now());
        self.drain();
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
    fn receive(&mut self, batch: &mut ReceiveBatch, downlink: &mut Packets) -> anyhow::Result<()> {
        let socket = self.socket.clone();
        if socket.receive(batch).context("receiving")? == 0 {
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
                Output::InstallChildSa { child, .. } => self.pairs.extend(SaPair::of(&child)),
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
            Event::ConnectFailed { why } => self.ended = Some(format!("{why:?}")),
            Event::ChildFailed { notify, .. } => self.ended = Some(format!("no CHILD SA: {notify:?}")),
            Event::SaDeleted { by, .. } => self.ended = Some(format!("{by:?}")),
            Event::SaEstablished { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::ProbeAnswered { .. }
            | Event::ProbeSilent { .. }
            | Event::PathChanged { .. }
            | Event::Refused { .. } => {}
        }
    }
}
