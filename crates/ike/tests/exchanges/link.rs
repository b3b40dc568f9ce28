//! A unit and a gateway joined by a link that can lose, repeat and hold back.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use ike::{
    Admission, AskPeer, AttachRequest, AuthVerified, ChildSa, Event, Grant, IkeSaId, Initiator,
    InitiatorConfig, LocalIdentity, Output, Path, Peer, Refusal, Responder, ResponderConfig, Ticket,
    crypto::{AuthKey, AwsLc, CryptoProvider},
    payload::{Identification, TrafficSelector},
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

pub(crate) const UNIT: &str = "00aabbccddee.femto.operator.example";
pub(crate) const GATEWAY: &str = "segw.operator.example";
pub(crate) const INNER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 7);

/// A key and a stand-in for its certificate: the SubjectPublicKeyInfo itself.
pub(crate) fn identity(name: &str) -> LocalIdentity {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let head = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    LocalIdentity {
        id: Identification::fqdn(name),
        certificates: vec![[head.as_slice(), pair.public_key().as_ref()].concat()],
        key: Arc::new(AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap()),
    }
}

static GATEWAY_IDENTITY: LazyLock<LocalIdentity> = LazyLock::new(|| identity(GATEWAY));

pub(crate) fn peer(ask: &AskPeer) -> Peer {
    Peer {
        public_key_spki: ask.certificates[0].clone(),
        not_after: Duration::from_secs(30 * 86_400),
        allow_sha1_signature: false,
    }
}

pub(crate) fn grant() -> Grant {
    Grant {
        inner_v4: Some(INNER),
        inner_v6: None,
        dns: vec![],
        ts_r: [TrafficSelector::addresses(
            Ipv4Addr::new(10, 0, 0, 0).into(),
            Ipv4Addr::new(10, 0, 255, 255).into(),
        )]
        .into(),
        auth_lifetime: Duration::from_secs(86_400),
        expires_in: Duration::from_secs(86_400),
    }
}

/// Says whether a datagram is lost: (from the unit, octets).
type Lose = Box<dyn FnMut(bool, &[u8]) -> bool>;

pub(crate) struct Link {
    pub(crate) unit: Initiator,
    pub(crate) gateway: Responder,
    pub(crate) now: Instant,
    pub(crate) answer: Admission,
    pub(crate) peer_answer: Result<(), Refusal>,
    /// How long the unit's certificate is still valid.
    pub(crate) not_after: Duration,
    /// Every datagram in order: (from the unit, octets).
    pub(crate) sent: Vec<(bool, Vec<u8>)>,
    pub(crate) asked: Vec<(Ticket, IkeSaId, AuthVerified, AttachRequest)>,
    pub(crate) unit_events: Vec<Event>,
    pub(crate) gateway_events: Vec<Event>,
    pub(crate) unit_children: Vec<ChildSa>,
    pub(crate) gateway_children: Vec<ChildSa>,
    pub(crate) lose: Lose,
    /// Where the gateway sees the unit; what it sends elsewhere is lost.
    pub(crate) unit_at: Ipv4Addr,
    /// Where the gateway sent each datagram, and when.
    pub(crate) sent_to: Vec<(Ipv4Addr, Instant)>,
}

/// Where units are seen unless they move.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// As the gateway sees a unit on its NAT-T port.
pub(crate) fn seen_at(address: Ipv4Addr) -> Path {
    Path { peer: (address, 4500).into(), ..path(false, 4500) }
}

fn path(unit: bool, port: u16) -> Path {
    let (here, there) = (SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 2], port)));
    let (local, peer) = if unit { (there, here) } else { (here, there) };
    Path { local, peer, encapsulated: port == 4500 }
}

pub(crate) fn unit_config(unit: LocalIdentity) -> InitiatorConfig {
    InitiatorConfig::new(unit, Identification::fqdn(GATEWAY), path(true, 500), path(true, 4500))
}

pub(crate) fn gateway_config() -> ResponderConfig {
    ResponderConfig::new(GATEWAY_IDENTITY.clone(), vec![[1; 20]])
}

impl Link {
    pub(crate) fn new(unit: InitiatorConfig, gateway: ResponderConfig) -> Self {
        Self::with_crypto(unit, gateway, Arc::new(AwsLc))
    }

    pub(crate) fn with_crypto(
        unit: InitiatorConfig,
        gateway: ResponderConfig,
        crypto: Arc<dyn CryptoProvider>,
    ) -> Self {
        let now = Instant::now();
        Self {
            unit: Initiator::new(unit, crypto.clone(), now),
            gateway: Responder::new(gateway, crypto, now),
            now,
            answer: Admission::Grant(grant()),
            peer_answer: Ok(()),
            not_after: Duration::from_secs(30 * 86_400),
            sent: vec![],
            asked: vec![],
            unit_events: vec![],
            gateway_events: vec![],
            unit_children: vec![],
            gateway_children: vec![],
            lose: Box::new(|_, _| false),
            unit_at: HOME,
            sent_to: vec![],
        }
    }

    pub(crate) fn attached() -> Self {
        let mut link = Self::new(unit_config(identity(UNIT)), gateway_config());
        link.unit.connect(link.now);
        link.settle();
        assert!(link.unit.ike_sa().is_some(), "{:?} {:?}", link.unit_events, link.gateway_events);
        link
    }

    /// Delivers until nothing moves.
    pub(crate) fn settle(&mut self) {
        while self.step_unit() | self.step_gateway() {}
    }

    fn step_unit(&mut self) -> bool {
        let Some(output) = self.unit.poll_output() else { return false };
        match output {
            Output::Transmit { path: over, datagram } => {
                self.sent.push((true, datagram.clone()));
                if !(self.lose)(true, &datagram) {
                    let port = over.local.port();
                    let over = Path { peer: (self.unit_at, port).into(), ..path(false, port) };
                    self.gateway.handle_datagram(over, &datagram, self.now);
                    while self.gateway.take_turn(self.now) {}
                }
            }
            Output::AskPeer { ticket, ask } => self.unit.handle_peer(ticket, Ok(peer(&ask)), self.now),
            Output::InstallChildSa { child, .. } => self.unit_children.push(child),
            Output::RemoveChildSa { spi_in, .. } => self.unit_children.retain(|child| child.spi_in != spi_in),
            Output::Event(event) => self.unit_events.push(event),
            Output::Keepalive { .. } | Output::AskAdmission { .. } => {}
        }
        true
    }

    fn step_gateway(&mut self) -> bool {
        let Some(output) = self.gateway.poll_output() else { return false };
        match output {
            Output::Transmit { path: over, datagram } => {
                self.sent.push((false, datagram.clone()));
                let IpAddr::V4(to) = over.peer.ip() else { panic!("{over:?}") };
                self.sent_to.push((to, self.now));
                if to == self.unit_at && !(self.lose)(false, &datagram) {
                    self.unit.handle_datagram(path(true, over.local.port()), &datagram, self.now);
                }
            }
            Output::AskPeer { ticket, ask } => {
                self.gateway.handle_peer(
                    ticket,
                    self.peer_answer.map(|()| Peer { not_after: self.not_after, ..peer(&ask) }),
                    self.now,
                );
            }
            Output::AskAdmission { ticket, sa, auth, request } => {
                self.asked.push((ticket, sa, auth, request));
                self.gateway.handle_admission(ticket, self.answer.clone(), self.now);
            }
            Output::InstallChildSa { child, .. } => self.gateway_children.push(child),
            Output::RemoveChildSa { spi_in, .. } => {
                self.gateway_children.retain(|child| child.spi_in != spi_in)
            }
            Output::Event(event) => self.gateway_events.push(event),
            Output::Keepalive { .. } => panic!("a responder keeps no NAT open"),
        }
        true
    }

    /// Lets time pass until `span` is over, doing what is due on the way.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.next_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.unit.handle_timeout(self.now);
            self.gateway.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn next_timeout(&self) -> Option<Instant> {
        let both = [self.unit.poll_timeout(), self.gateway.poll_timeout()];
        both.into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Both sides hold the same pairs of ESP SAs with the same keys.
    pub(crate) fn assert_children_match(&self, count: usize) {
        assert_eq!((self.unit_children.len(), self.gateway_children.len()), (count, count));
        for child in &self.unit_children {
            let twin = self.gateway_children.iter().find(|twin| twin.spi_in == child.spi_out).unwrap();
            assert_eq!(twin.spi_out, child.spi_in);
            assert_eq!(
                (&twin.keys_in.encr, &twin.keys_in.integ),
                (&child.keys_out.encr, &child.keys_out.integ)
            );
            assert_eq!(
                (&twin.keys_out.encr, &twin.keys_out.integ),
                (&child.keys_in.encr, &child.keys_in.integ)
            );
            assert_eq!((&twin.ts_local, &twin.ts_remote), (&child.ts_remote, &child.ts_local));
            assert_ne!(child.keys_in.encr, child.keys_out.encr);
        }
    }
}
