//! The responder as a machine that takes any sequence of inputs.
//!
//! Octets become steps: messages of peers that hold the keys and lie, datagrams again, elsewhere or
//! bent, answers of any kind at any time, orders, and the passing of time. After each step the rules
//! of [`Rules`] must hold; at the end all tunnels are deleted, and nothing may be left.

use super::{
    lie::Lie,
    peer::Peer,
    rules::Rules,
    toy::{Toy, ToyKey},
};
use crate::{
    Admission, CookiePolicy, Grant, HalfOpenLimits, IkeSaId, LocalIdentity, Output, Path, Peer as KnownPeer,
    Refusal, RekeyTimes, Responder, ResponderConfig, Retransmission, SaTimes, Ticket,
    payload::{Identification, KeyExchangeMethod, PayloadType, TrafficSelector},
};
use ids::Spi;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a step is, in the first of its four octets (modulo their number). The others are written here as
/// `who`, `how`, `which`.
///
/// `who`: bits 0 and 1 choose one of three peers; [`Step::OTHER_PORT`] and so on change how it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// IKE_SA_INIT. `how`, `which`: the lie in it.
    Init,
    /// IKE_AUTH. `how`, `which`: the lie in it.
    Auth,
    /// CREATE_CHILD_SA of a CHILD SA. `how`, `which`: the lie in it.
    CreateChildSa,
    /// CREATE_CHILD_SA that renews the newest CHILD SA. `how`, `which`: the lie in it.
    RekeyChildSa,
    /// CREATE_CHILD_SA that renews the IKE SA. `how`, `which`: the lie in it.
    RekeyIkeSa,
    /// INFORMATIONAL, empty. `how`, `which`: the lie in it.
    Probe,
    /// INFORMATIONAL with DELETE. `how` 0: of the IKE SA, 1: of all CHILD SAs, 2: of foreign ones, 3: of AH,
    /// and so on again.
    Delete,
    /// `which` octets follow: a chain under the peer's keys, whose first payload has the type `how`.
    Chain,
    /// The answer to the responder's last request. `how`, `which`: the lie in it.
    Answer,
    /// Datagram `which` once more, counted from the last. `how` 0: as it was, 1: one of the responder's, 2 to
    /// 5: bent in some way.
    Again,
    /// `which` octets follow: a datagram.
    Datagram,
    /// Time passes. `how` 0: until the responder's next timeout, else so many seconds times 2^(`which` % 8).
    Time,
    /// Question `which`, counted from the last, is answered. `how` 0 to 2: a peer, final, transient; 3 to 5:
    /// granted, refused, dropped; 6, 7: granted to nobody, a peer of nobody.
    Tell,
    /// An order about tunnel `which`. `how` 0: probe, 1: delete, 2: rekey its CHILD SAs, 3: rekey it, 4: it was
    /// heard, 5: another configuration, 6: rekey a foreign CHILD SA.
    Order,
}

impl Step {
    const ALL: [Self; 14] = [
        Self::Init,
        Self::Auth,
        Self::CreateChildSa,
        Self::RekeyChildSa,
        Self::RekeyIkeSa,
        Self::Probe,
        Self::Delete,
        Self::Chain,
        Self::Answer,
        Self::Again,
        Self::Datagram,
        Self::Time,
        Self::Tell,
        Self::Order,
    ];
    /// In `who`: from another port.
    pub const OTHER_PORT: u8 = 0x04;
    /// In `who`: from another address.
    pub const OTHER_ADDRESS: u8 = 0x08;
    /// In `who`: with the Message ID of the request before.
    pub const SAME_ID: u8 = 0x10;
    /// In `who`: with a Message ID beyond the window.
    pub const LATER_ID: u8 = 0x20;
    /// In `who`: under the IKE SA before the newest.
    pub const OLDER_SA: u8 = 0x40;
    /// In `who`: lost on the way; [`Step::Again`] can bring it later.
    pub const LOST: u8 = 0x80;

    /// The step that an octet means.
    pub fn of(octet: u8) -> Self {
        Self::ALL[usize::from(octet) % Self::ALL.len()]
    }
}

/// Plays a sequence; returns how many CHILD SAs were made.
///
/// `data`: one octet of configuration (bit 0: cookies, bit 1: no fragments), one of seed; then steps of four
/// octets, with what follows some of them.
pub fn responder(data: &[u8]) -> usize {
    let Some(([configuration, seed], mut rest)) = data.split_first_chunk() else { return 0 };
    let mut machine = Machine::new(*configuration, *seed);
    for _ in 0..MAX_STEPS {
        let Some(([what, who, how, which], after)) = rest.split_first_chunk() else { break };
        let step = Step::of(*what);
        let follows = if matches!(step, Step::Chain | Step::Datagram) { usize::from(*which) } else { 0 };
        let (octets, after) = after.split_at(follows.min(after.len()));
        machine.step(step, *who, *how, *which, octets);
        rest = after;
    }
    machine.finish()
}

const MAX_STEPS: usize = 256;
/// Datagrams and questions that are remembered.
const MEMORY: usize = 64;
/// What one input brings out at most: every datagram of a request and of an answer, removed and new CHILD SAs.
const MAX_OUTPUTS: usize = 256;

struct Machine {
    responder: Responder,
    now: Instant,
    peers: [Peer; 3],
    sent: Vec<(Path, Vec<u8>)>,
    received: Vec<Vec<u8>>,
    questions: Vec<(Ticket, Option<Vec<u8>>)>,
    cookies: CookiePolicy,
    rules: Rules,
}

impl Machine {
    #[allow(clippy::disallowed_methods, reason = "virtual time begins at some time")]
    fn new(configuration: u8, seed: u8) -> Self {
        let now = Instant::now();
        let cookies =
            if configuration & 1 == 0 { CookiePolicy::Above(HALF_OPEN) } else { CookiePolicy::Always };
        let speaks_fragments = configuration & 2 == 0;
        let toy = |who: u64| Arc::new(Toy::new(who << 8 | u64::from(seed)));
        let peer = |index| Peer::new(index, speaks_fragments, toy(index.into()));
        Self {
            responder: Responder::new(config(cookies, &METHODS[0]), toy(3), now),
            now,
            peers: [peer(0), peer(1), peer(2)],
            sent: Vec::new(),
            received: Vec::new(),
            questions: Vec::new(),
            cookies,
            rules: Rules::default(),
        }
    }

    fn step(&mut self, step: Step, who: u8, how: u8, which: u8, octets: &[u8]) {
        let index = usize::from(who & 3) % self.peers.len();
        match step {
            Step::Again => self.again(index, who, how, which),
            Step::Datagram => self.deliver(path(index, who), octets),
            Step::Time => self.pass(how, which),
            Step::Tell => self.tell(how, which),
            Step::Order => self.order(how, which),
            message @ (Step::Init
            | Step::Auth
            | Step::CreateChildSa
            | Step::RekeyChildSa
            | Step::RekeyIkeSa
            | Step::Probe
            | Step::Delete
            | Step::Chain
            | Step::Answer) => {
                let datagrams = self.say(message, index, who, Lie { how, which }, octets);
                self.send(index, who, datagrams);
            }
        }
        self.rules.hold(&self.responder, HALF_OPEN);
    }

    /// The message of a peer.
    fn say(&mut self, step: Step, index: usize, who: u8, lie: Lie, octets: &[u8]) -> Vec<Vec<u8>> {
        let peer = &mut self.peers[index];
        peer.choose(who & Step::OLDER_SA != 0, who & Step::SAME_ID != 0, who & Step::LATER_ID != 0);
        match step {
            Step::Init => vec![peer.init(lie)],
            Step::Auth => {
                let (datagrams, proof) = peer.auth(lie);
                self.rules.proven.extend(proof);
                datagrams
            }
            Step::CreateChildSa => peer.create_child_sa(false, lie),
            Step::RekeyChildSa => peer.create_child_sa(true, lie),
            Step::RekeyIkeSa => peer.rekey_ike_sa(lie),
            Step::Probe => peer.inform(Vec::new(), lie),
            Step::Delete => peer.delete(lie.how),
            Step::Chain => peer.chain(PayloadType(lie.how), octets),
            Step::Answer => peer.answer(lie),
            Step::Again | Step::Datagram | Step::Time | Step::Tell | Step::Order => Vec::new(),
        }
    }

    fn send(&mut self, index: usize, who: u8, datagrams: Vec<Vec<u8>>) {
        for datagram in datagrams {
            if who & Step::LOST == 0 {
                self.deliver(path(index, who), &datagram);
            }
            remember(&mut self.sent, (path(index, who), datagram));
        }
    }

    fn deliver(&mut self, path: Path, datagram: &[u8]) {
        self.responder.handle_datagram(path, datagram, self.now);
        self.drain();
        while self.responder.take_turn(self.now) {
            self.drain();
        }
    }

    /// A datagram again: from where it came, or from elsewhere if `who` says so.
    fn again(&mut self, index: usize, who: u8, how: u8, which: u8) {
        let elsewhere = who & (Step::OTHER_PORT | Step::OTHER_ADDRESS) != 0;
        let known = match how % 6 {
            1 => from_last(&self.received, which).map(|datagram| (path(index, who), datagram.clone())),
            _ => from_last(&self.sent, which).cloned(),
        };
        let Some((from, mut datagram)) = known else { return };
        bend(&mut datagram, how);
        self.deliver(if elsewhere { path(index, who) } else { from }, &datagram);
    }

    fn pass(&mut self, how: u8, which: u8) {
        let until = match (how, self.responder.poll_timeout()) {
            (0, None) => return,
            (0, Some((at, _))) => at.max(self.now),
            (seconds, _) => self.now + Duration::from_secs(u64::from(seconds) << (which % 8)),
        };
        self.pass_until(until);
    }

    /// Does what is due until then. Each time must be later than the one before.
    fn pass_until(&mut self, until: Instant) {
        while let Some(at) = self.responder.poll_timeout().map(|(at, _)| at).filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.responder.handle_timeout(self.now);
            self.drain();
            let next = self.responder.poll_timeout();
            assert!(next.is_none_or(|(next, _)| next > self.now), "time stands still: {next:?}");
        }
        self.now = until;
    }

    fn tell(&mut self, how: u8, which: u8) {
        let nobody = Ticket(u64::from(which) << 8 | 1);
        let (ticket, key) = match how % 8 {
            6 | 7 => (nobody, None),
            _ => from_last(&self.questions, which).cloned().unwrap_or((nobody, None)),
        };
        let known = |key: Option<Vec<u8>>| KnownPeer {
            public_key_spki: key.unwrap_or_default(),
            not_after: Duration::from_secs(1 << (which % 32)),
            allow_sha1_signature: false,
        };
        match how % 8 {
            0 | 7 => self.responder.handle_peer(ticket, Ok(known(key)), self.now),
            1 => self.responder.handle_peer(ticket, Err(Refusal::Final), self.now),
            2 => self.responder.handle_peer(ticket, Err(Refusal::Transient), self.now),
            3 | 6 => {
                self.rules.granted(ticket);
                self.responder.handle_admission(ticket, Admission::Grant(grant(which)), self.now);
            }
            4 => drop(self.responder.handle_admission(ticket, Admission::Refuse, self.now)),
            _ => drop(self.responder.handle_admission(ticket, Admission::Drop, self.now)),
        }
        self.drain();
    }

    fn order(&mut self, how: u8, which: u8) {
        let sa = self.rules.tunnel(which).unwrap_or(IkeSaId(u64::from(which)));
        let (now, children) = (self.now, self.rules.children_of(sa));
        let responder = &mut self.responder;
        match how % 7 {
            0 => {
                self.rules.probed(sa);
                responder.probe(sa, now);
            }
            1 => responder.delete(sa, now),
            2 => children.into_iter().for_each(|spi_in| responder.rekey_child_sa(sa, spi_in, now)),
            3 => responder.rekey_ike_sa(sa, now),
            4 => responder.heard(sa, now),
            5 => responder.reconfigure(config(self.cookies, &METHODS[usize::from(which) % METHODS.len()])),
            _ => responder.rekey_child_sa(sa, Spi(u32::from(which)), now),
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.responder.poll_output() {
            count += 1;
            assert!(count <= MAX_OUTPUTS, "one input brings out more and more");
            self.take(output);
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Transmit { datagram, .. } => {
                self.rules.said(&datagram);
                self.peers.iter_mut().for_each(|peer| peer.on_datagram(&datagram));
                remember(&mut self.received, datagram);
            }
            Output::AskPeer { ticket, ask } => {
                remember(&mut self.questions, (ticket, ask.certificates.first().cloned()));
            }
            Output::AskAdmission { ticket, sa, auth, .. } => {
                self.rules.asked(ticket, sa, &auth);
                remember(&mut self.questions, (ticket, None));
            }
            Output::InstallChildSa { sa, child } => self.rules.installed(sa, &child),
            Output::RemoveChildSa { sa, spi_in } => self.rules.removed(sa, spi_in),
            Output::Event(event) => self.rules.event(&event),
            Output::Keepalive { .. } => unreachable!("only initiators keep NATs open"),
        }
    }

    /// All tunnels are deleted, the peers are silent, and time passes until nothing is waited for.
    fn finish(mut self) -> usize {
        while let Some(sa) = self.rules.tunnel(0) {
            self.responder.delete(sa, self.now);
            self.drain();
        }
        self.pass_until(self.now + Duration::from_secs(3_600));
        assert_eq!(self.responder.poll_timeout(), None, "something is waited for");
        assert_eq!(self.responder.held(), (0, 0, 0), "IKE SAs, IKE SPIs, ESP SPIs");
        self.rules.over(self.responder.stats());
        usize::try_from(self.responder.stats().children_installed).unwrap_or(usize::MAX)
    }
}

fn remember<T>(memory: &mut Vec<T>, one: T) {
    if memory.len() == MEMORY {
        memory.remove(0);
    }
    memory.push(one);
}

fn from_last<T>(memory: &[T], which: u8) -> Option<&T> {
    memory.iter().rev().nth(usize::from(which) % memory.len().max(1))
}

/// One of some ways to change a datagram: a bit, its end, whose it is, what it answers.
fn bend(datagram: &mut Vec<u8>, how: u8) {
    let at = usize::from(how) * 7 % datagram.len().max(1);
    match how % 6 {
        2 => datagram[at] ^= 1 << (how / 6 % 8),
        3 => datagram.truncate(at),
        4 => datagram[19] ^= 0x20,
        5 => datagram[19] ^= 0x08,
        _ => {}
    }
}

/// Half-open IKE SAs at most.
const HALF_OPEN: usize = 6;

/// What the responder takes, by configuration.
const METHODS: [[KeyExchangeMethod; 2]; 2] = [
    [KeyExchangeMethod::CURVE25519, KeyExchangeMethod::ECP_256],
    [KeyExchangeMethod::ECP_256, KeyExchangeMethod::ECP_384],
];

fn config(cookies: CookiePolicy, methods: &[KeyExchangeMethod]) -> ResponderConfig {
    let name = "segw.operator.example";
    let key = name.as_bytes().to_vec();
    let identity = LocalIdentity {
        id: Identification::fqdn(name),
        certificates: vec![key.clone()],
        key: Arc::new(ToyKey(key)),
    };
    let mut config = ResponderConfig::new(identity, vec![[1; 20]]);
    config.suites.key_exchanges = methods.to_vec();
    config.cookies = cookies;
    let lifetime = Duration::from_secs(30);
    config.half_open =
        HalfOpenLimits { total: HALF_OPEN, per_prefix: HALF_OPEN - 1, lifetime, ..config.half_open };
    config.times = SaTimes {
        retransmission: Retransmission { first: Duration::from_secs(2), tries: 4 },
        dpd_after: Duration::from_secs(40),
        rekey: RekeyTimes { ike_sa: Duration::from_secs(900), child_sa: Duration::from_secs(300) },
        response_kept: Duration::from_secs(60),
        fragment_limit: 300,
    };
    config
}

/// Terms of some kinds: without an address, with both, soon over.
fn grant(which: u8) -> Grant {
    Grant {
        inner_v4: (which & 1 == 0).then_some(Ipv4Addr::new(10, 64, 0, 1)),
        inner_v6: (which & 2 != 0).then(|| (Ipv4Addr::new(10, 64, 0, 1).to_ipv6_mapped(), 64)),
        dns: vec![Ipv4Addr::new(10, 0, 0, 1).into()],
        ts_r: [TrafficSelector::ALL_V4, TrafficSelector::ALL_V6].into(),
        auth_lifetime: Duration::from_secs(86_400),
        expires_in: Duration::from_secs(1 << (20 - which / 16)),
    }
}

fn path(peer: usize, who: u8) -> Path {
    let peer = u8::try_from(peer).unwrap_or_default();
    let host = if who & Step::OTHER_ADDRESS == 0 { peer } else { 100 + peer };
    let port = if who & Step::OTHER_PORT == 0 { 4500 } else { 40_000 };
    Path {
        local: SocketAddr::from(([198, 51, 100, 1], 4500)),
        peer: SocketAddr::from(([192, 0, 2, host], port)),
        encapsulated: true,
    }
}
