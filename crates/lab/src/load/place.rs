//! One unit at its place: an attempt, its socket, which others may share, and what came of it.

use crate::{KnownGateway, UnitIdentity};
use anyhow::Context;
use esp::udp_encap::{self, Datagram, NON_ESP_MARKER};
use ids::IkeSpi;
use ike::{
    ChildSa, CipherSuite, ConnectFailure, Event, Initiator, InitiatorConfig, Output, Path, Retransmission,
    SuitePolicy,
    crypto::AwsLc,
    payload::{self, Identification, KeyExchangeMethod},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Instant,
};

pub(super) struct Place {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) local: SocketAddr,
    /// Of the unit that attaches, or did so last.
    pub(super) spi: Option<IkeSpi>,
    pub(super) unit: Option<Unit>,
}

/// A unit that attaches.
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) initiator: Initiator,
    pub(super) connected: bool,
    /// Its attempt came to nothing.
    pub(super) failed: Option<Failed>,
    pub(super) inner: Option<Ipv4Addr>,
    pub(super) child: Option<ChildSa>,
}

/// Why a unit got no tunnel.
pub(super) struct Failed {
    /// The gateway has said no, rather than nothing.
    pub(super) is_refusal: bool,
    pub(super) why: String,
}

impl Place {
    pub(super) fn at(socket: &Arc<UdpSocket>) -> anyhow::Result<Self> {
        Ok(Self { local: socket.local_addr()?, socket: socket.clone(), spi: None, unit: None })
    }

    pub(super) fn begin(
        &mut self,
        identity: &UnitIdentity,
        gateway: &KnownGateway,
        times: Retransmission,
    ) -> anyhow::Result<()> {
        let now = Instant::now();
        let config = self.config(identity, gateway, times);
        let mut initiator = Initiator::new(config, Arc::new(AwsLc), now);
        initiator.connect(now);
        let name = identity.name.clone();
        self.unit = Some(Unit { name, initiator, connected: false, failed: None, inner: None, child: None });
        self.drain(gateway)
    }

    /// P-256 as in the certificates, X25519, AES-GCM: what a new unit would offer first.
    fn config(
        &self,
        identity: &UnitIdentity,
        gateway: &KnownGateway,
        times: Retransmission,
    ) -> InitiatorConfig {
        let path = Path { local: self.local, peer: gateway.ike, encapsulated: false };
        let natt_path = Path { local: self.local, peer: gateway.natt, encapsulated: true };
        let gateway_id = Identification::fqdn(&gateway.name);
        let mut config = InitiatorConfig::new(identity.local(), gateway_id, path, natt_path);
        config.authorities = gateway.authorities();
        config.times.retransmission = times;
        config.suites = SuitePolicy {
            ciphers: vec![CipherSuite::Aes256Gcm16],
            prfs: vec![payload::Prf::HMAC_SHA2_256],
            key_exchanges: vec![KeyExchangeMethod::CURVE25519],
        };
        config
    }

    /// Does what is due; the unit once its attempt is over, and its place is free.
    pub(super) fn step(&mut self, gateway: &KnownGateway) -> anyhow::Result<Option<Unit>> {
        if let Some(unit) = &mut self.unit {
            unit.initiator.handle_timeout(Instant::now());
            self.drain(gateway)?;
        }
        Ok(self.unit.take_if(|unit| unit.failed.is_some() || unit.connected && unit.child.is_some()))
    }

    /// An IKE message. What comes after its tunnel stood is for nobody: the unit is silent then.
    pub(super) fn message(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        gateway: &KnownGateway,
    ) -> anyhow::Result<()> {
        if let Some(unit) = &mut self.unit {
            let path = Path { local: self.local, peer: from, encapsulated: from == gateway.natt };
            unit.initiator.handle_datagram(path, message, Instant::now());
        }
        self.drain(gateway)
    }

    pub(super) fn drain(&mut self, gateway: &KnownGateway) -> anyhow::Result<()> {
        let Some(unit) = &mut self.unit else { return Ok(()) };
        while let Some(output) = unit.initiator.poll_output() {
            match output {
                Output::Transmit { path, datagram } => {
                    self.spi = spi_i(&datagram);
                    transmit(&self.socket, &path, &datagram)?;
                }
                Output::AskPeer { ticket, ask } => {
                    unit.initiator.handle_peer(ticket, gateway.verify(&ask), Instant::now());
                }
                Output::InstallChildSa { child, .. } => unit.child = Some(child),
                Output::Event(event) => unit.event(&event),
                Output::Keepalive { .. } | Output::RemoveChildSa { .. } | Output::AskAdmission { .. } => {}
            }
        }
        Ok(())
    }
}

impl Unit {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Connected { inner_v4, .. } => (self.connected, self.inner) = (true, *inner_v4),
            Event::ConnectFailed { why } => self.fail(*why != ConnectFailure::TimedOut, format!("{why:?}")),
            Event::ChildFailed { notify, .. } => self.fail(true, format!("no CHILD SA, {notify:?}")),
            Event::SaDeleted { by, .. } => self.fail(true, format!("it was deleted, {by:?}")),
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

    fn fail(&mut self, is_refusal: bool, why: String) {
        self.failed = Some(Failed { is_refusal, why: format!("{} got no tunnel: {why}", self.name) });
    }
}

/// The IKE message in a datagram, if it is one.
pub(super) fn message(datagram: &mut [u8], encapsulated: bool) -> Option<&[u8]> {
    match udp_encap::classify(datagram) {
        _ if !encapsulated => Some(datagram),
        Datagram::Ike(message) => Some(message),
        Datagram::Esp(..) | Datagram::Keepalive | Datagram::Runt => None,
    }
}

/// SPIi, the first of a header (RFC 7296 §3.1).
pub(super) fn spi_i(message: &[u8]) -> Option<IkeSpi> {
    Some(IkeSpi(u64::from_be_bytes(*message.first_chunk()?)))
}

/// Length and sender of the next datagram, if there is one.
pub(super) fn received(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, SocketAddr)>> {
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
