use crate::{
    draw::Draw,
    model::{Model, Side},
    tally::Tally,
    toy::{Toy, ToyAuthKey},
};
use ike::{
    Admission, ChildSa, CookiePolicy, Grant, HalfOpenLimits, IkeSaId, Initiator, InitiatorConfig,
    LocalIdentity, Output, Path, Peer, Reason, Reauthentication, Refusal, RekeyTimes, Responder,
    ResponderConfig, Retransmission, SaTimes, Ticket,
    payload::{Identification, KeyExchangeMethod, TrafficSelector},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

const CHAOS: Duration = Duration::from_secs(300);
/// Longer than liveness, all retransmissions, and every kept answer together.
const QUIET: Duration = Duration::from_secs(600);
/// A port that no NAT shows.
const ELSEWHERE: u16 = 30_002;
/// Milliseconds on the way that leave time for an answer before anything is sent again.
const QUICK: u64 = 50;
const GATEWAY: &str = "segw.operator.example";

/// One gateway, a few units behind NATs, a network, and what is drawn to happen.
pub(crate) struct World {
    now: Instant,
    start: Instant,
    seed: u64,
    draw: Draw,
    weather: Weather,
    gateway: Responder,
    gateway_life: u32,
    /// The same in every life: whether a cookie comes first. If that changed, an answer to a request that is long
    /// replaced could be taken for the answer to the last one (RFC 7296 §2.6 knows no cure).
    cookies: bool,
    units: Vec<Unit>,
    future: BinaryHeap<Reverse<Later>>,
    sequence: u64,
    /// Somebody has crashed; or a NAT has forgotten a unit, or packets came in its name from elsewhere.
    crashed: bool,
    rebound: bool,
    /// Requests that were sent again without any silence: probes repeat what is on its way, and one that came
    /// before the answer that makes its IKE SA can't be answered.
    repeated: u64,
    model: Model,
    tally: Tally,
    /// INVALID_KE_PAYLOAD answered, by all lives of the gateway that are over.
    invalid_ke: u64,
    /// The youngest datagram that has come, by unit, to the gateway and to the unit.
    youngest: [[u64; 2]; 3],
    trace: bool,
    digest: DefaultHasher,
}

/// How bad the network is, in percent and milliseconds, and how slow the answers are.
#[derive(Clone, Copy)]
struct Weather {
    loss: u64,
    repeat: u64,
    delay: u64,
    slow_answers: u64,
    refuses: u64,
    /// Datagrams of a unit that somebody on the way hands on in another's name.
    redirected: u64,
    /// Tunnels are closed and made anew, not only renewed.
    closes: bool,
}

struct Unit {
    initiator: Initiator,
    life: u32,
    /// Port that its NAT shows outside, plus 4000 for the NAT-T one.
    outside: u16,
}

/// Something that will happen: when, in which order of making, and what.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Later(Instant, u64, What);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    ToGateway { unit: usize, outside: u16, natt: bool, bytes: Vec<u8> },
    ToUnit { unit: usize, outside: u16, natt: bool, bytes: Vec<u8> },
    AnswerPeer { ticket: Ticket, life: u32, spki: Vec<u8> },
    AnswerAdmission { ticket: Ticket, life: u32, unit: usize, sa: IkeSaId },
    AnswerUnit { ticket: Ticket, unit: usize, life: u32 },
    Act,
}

fn address(unit: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + unit as u8)
}

fn inner(unit: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 64, 0, 1 + unit as u8)
}

fn name(unit: usize) -> String {
    format!("00aabbccdd{unit:02x}.femto.operator.example")
}

fn socket(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

const GATEWAY_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// `issuers`: octets of what goes with the certificate; much of it makes IKE_AUTH come in fragments.
fn identity(name: &str, issuers: usize) -> LocalIdentity {
    let key = name.as_bytes().to_vec();
    LocalIdentity {
        id: Identification::fqdn(name),
        certificates: vec![key.clone(), vec![0x30; issuers]],
        key: Arc::new(ToyAuthKey(key)),
    }
}

fn times() -> SaTimes {
    SaTimes {
        retransmission: Retransmission { first: Duration::from_secs(2), tries: 6 },
        dpd_after: Duration::from_secs(40),
        rekey: RekeyTimes { ike_sa: Duration::from_secs(100_000), child_sa: Duration::from_secs(90_000) },
        response_kept: Duration::from_secs(120),
        fragment_limit: 400,
    }
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let start = Instant::now();
        let mut draw = Draw::new(seed, 0);
        let weather = Weather {
            loss: draw.below(4) * 10,
            repeat: draw.below(3) * 10,
            delay: [1, 50, 1_000, 4_000][draw.below(4) as usize],
            slow_answers: [0, 0, 20, 60][draw.below(4) as usize],
            refuses: [0, 10, 30][draw.below(3) as usize],
            redirected: [0, 0, 30][draw.below(3) as usize],
            closes: draw.chance(60),
        };
        let count = 1 + draw.below(3) as usize;
        let cookies = draw.chance(30);
        let gateway = new_gateway(seed, 0, cookies, start);
        let units = (0..count).map(|unit| new_unit(seed, unit, 0, start)).collect();
        let mut world = Self {
            now: start,
            start,
            seed,
            draw,
            weather,
            gateway,
            gateway_life: 0,
            cookies,
            units,
            future: BinaryHeap::new(),
            sequence: 0,
            crashed: false,
            rebound: false,
            repeated: 0,
            model: Model::default(),
            tally: Tally::default(),
            invalid_ke: 0,
            youngest: [[0; 2]; 3],
            trace,
            digest: DefaultHasher::new(),
        };
        for unit in 0..count {
            world.units[unit].initiator.connect(start);
            world.drain_unit(unit);
        }
        for _ in 0..2 + world.draw.below(12) {
            let at = start + world.draw.millis(CHAOS.as_millis() as u64);
            // Alone, or several within the time of one exchange.
            let burst = [0, 0, 2, 5][world.draw.below(4) as usize];
            for _ in 0..=burst {
                let at = at + world.draw.millis(1 + 2 * weather.delay);
                world.later(at, What::Act);
            }
        }
        world
    }

    /// What happened, and the rules that were broken.
    pub(crate) fn into_results(mut self) -> (Tally, Vec<String>) {
        self.count_stats();
        let in_init = self.tally.count("INVALID_KE_PAYLOAD in IKE_SA_INIT");
        self.tally.saw_if("INVALID_KE_PAYLOAD in CREATE_CHILD_SA", self.invalid_ke > in_init);
        (self.tally, self.model.into_broken())
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Chaos, then quiet, then one renewal of everything, each judged.
    pub(crate) fn play(&mut self) {
        let weather = self.weather;
        self.run_until(self.start + CHAOS);
        self.judge_excuses(weather);
        self.weather = Weather {
            loss: 0,
            repeat: 0,
            delay: 20,
            slow_answers: 0,
            refuses: 0,
            redirected: 0,
            closes: false,
        };
        self.run_until(self.now + QUIET);
        self.judge();
        self.renew_everything();
        self.judge();
    }

    /// On a network that loses nothing nobody is given up, and on one that is also quick nothing is even sent
    /// twice: every request was answered the first time. Unless somebody closed what the other had just
    /// renewed, or told an address that a NAT had forgotten.
    fn judge_excuses(&mut self, weather: Weather) {
        let spoilt = weather.loss + weather.slow_answers + weather.refuses + weather.redirected;
        if self.crashed || weather.closes || spoilt > 0 {
            return;
        }
        if self.model.timeouts() > 0 {
            self.model.breaks("a living peer was given up on a network that loses nothing".to_owned());
        }
        let units = self.units.iter().map(|unit| unit.initiator.stats().retransmitted);
        let retransmitted =
            (units.sum::<u64>() + self.gateway.stats().retransmitted).saturating_sub(self.repeated);
        if weather.delay > QUICK || self.rebound {
            return;
        }
        if retransmitted > 0 {
            self.model.breaks(format!("{retransmitted} requests met silence on a good network"));
        }
        if self.tally.count("a probe met silence") > 0 {
            self.model.breaks("a living peer seemed silent on a good network".to_owned());
        }
    }

    fn judge(&mut self) {
        let gateway_side = self.gateway_side();
        for unit in 0..self.units.len() {
            let id = Identification::fqdn(&name(unit));
            let path = gateway_path(unit, self.units[unit].outside, true);
            self.model.quiet(gateway_side, &self.gateway, self.unit_side(unit), &id, &path);
            let stats = self.units[unit].initiator.stats().clone();
            self.model.stats(self.unit_side(unit), &stats);
        }
        self.model.stats(gateway_side, &self.gateway.stats().clone());
        self.model.memory(gateway_side, &self.gateway);
        self.model.probes_are_answered();
    }

    /// Every SA is renewed, some from both sides at once, and goes on; whoever is not attached attaches.
    fn renew_everything(&mut self) {
        let (rekeyed, timeouts) = (self.gateway.stats().ike_rekeyed, self.model.timeouts());
        let (side, tunnels) = (self.gateway_side(), self.model.tunnels_of(self.gateway_side()));
        let children: Vec<_> = tunnels.iter().map(|sa| self.model.count_children(side, *sa)).collect();
        for unit in 0..self.units.len() {
            let initiator = &mut self.units[unit].initiator;
            if initiator.ike_sa().is_none() {
                initiator.connect(self.now);
            }
            initiator.rekey_ike_sa(self.now);
            initiator.child_sas().into_iter().for_each(|spi| initiator.rekey_child_sa(spi, self.now));
            self.drain_unit(unit);
        }
        if self.draw.chance(50) {
            self.renew_from_gateway(&tunnels);
            if self.draw.chance(30) {
                self.reconfigure_gateway();
            }
        }
        self.run_until(self.now + Duration::from_secs(300));
        let now = self.model.tunnels_of(self.gateway_side()).len();
        if self.units.iter().any(|unit| unit.initiator.ike_sa().is_none()) || now != self.units.len() {
            self.model.breaks("a unit can't connect on a good network".to_owned());
        }
        if self.gateway.stats().ike_rekeyed < rekeyed + tunnels.len() as u64 {
            self.model.breaks("an IKE SA was not renewed on a good network".to_owned());
        }
        let renewed: Vec<_> = tunnels.iter().map(|sa| self.model.count_children(side, *sa)).collect();
        if renewed != children {
            self.model.breaks(format!("{children:?} CHILD SAs became {renewed:?} by renewal"));
        }
        if self.model.timeouts() > timeouts {
            self.model.breaks("a peer was given up after a renewal on a good network".to_owned());
        }
    }

    fn renew_from_gateway(&mut self, tunnels: &[IkeSaId]) {
        let children: Vec<_> =
            self.model.children_of(self.gateway_side()).iter().map(|child| child.spi_in).collect();
        for sa in tunnels {
            if self.draw.chance(50) {
                self.gateway.rekey_ike_sa(*sa, self.now);
            }
            children.iter().for_each(|spi| self.gateway.rekey_child_sa(*sa, *spi, self.now));
        }
        self.drain_gateway();
    }

    fn gateway_side(&self) -> Side {
        Side::Gateway { life: self.gateway_life }
    }

    fn unit_side(&self, unit: usize) -> Side {
        Side::Unit { unit, life: self.units[unit].life }
    }

    fn later(&mut self, at: Instant, what: What) {
        self.sequence += 1;
        self.future.push(Reverse(Later(at, self.sequence, what)));
    }

    fn run_until(&mut self, end: Instant) {
        let mut steps_at_once = 0;
        while let Some(at) = self.next_moment().filter(|at| *at <= end) {
            steps_at_once = if at > self.now { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < 10_000, "time stands still");
            self.now = at.max(self.now);
            self.do_timeouts();
            while self.future.peek().is_some_and(|Reverse(later)| later.0 <= self.now) {
                let Some(Reverse(Later(_, sequence, what))) = self.future.pop() else { break };
                self.count_order(sequence, &what);
                self.happens(what);
            }
            self.take_turns();
        }
        self.now = end;
    }

    /// Now and then the gateway has other things to do until the next moment, if that comes soon.
    fn take_turns(&mut self) {
        let comes_soon = self.next_moment().is_some_and(|at| at < self.now + Duration::from_secs(1));
        let is_busy = comes_soon && self.sequence.is_multiple_of(3);
        self.tally.saw_if("an IKE_SA_INIT waited", is_busy && self.gateway.has_turn(self.now));
        while !is_busy && self.gateway.take_turn(self.now) {
            self.drain_gateway();
        }
    }

    fn count_order(&mut self, sequence: u64, what: &What) {
        let (unit, to_gateway) = match what {
            What::ToGateway { unit, .. } => (*unit, true),
            What::ToUnit { unit, .. } => (*unit, false),
            What::AnswerPeer { .. } | What::AnswerAdmission { .. } | What::AnswerUnit { .. } | What::Act => {
                return;
            }
        };
        let youngest = &mut self.youngest[unit][usize::from(to_gateway)];
        self.tally.saw_if("a datagram overtook another", sequence < *youngest);
        *youngest = sequence.max(*youngest);
    }

    fn next_moment(&self) -> Option<Instant> {
        let units = self.units.iter().filter_map(|unit| unit.initiator.poll_timeout());
        let timers = units.chain(self.gateway.poll_timeout()).map(|(at, _)| at);
        timers.chain(self.future.peek().map(|Reverse(later)| later.0)).min()
    }

    fn do_timeouts(&mut self) {
        self.gateway.handle_timeout(self.now);
        self.drain_gateway();
        for unit in 0..self.units.len() {
            self.units[unit].initiator.handle_timeout(self.now);
            self.drain_unit(unit);
        }
    }

    fn happens(&mut self, what: What) {
        match what {
            What::ToGateway { unit, outside, natt, bytes } => {
                let path = gateway_path(unit, outside, natt);
                self.model.gateway_gets(&bytes, &path);
                let (sender, receiver) = (self.unit_side(unit), self.gateway_side());
                self.repeated += u64::from(self.tally.is_early(sender, receiver, &bytes));
                self.gateway.handle_datagram(path, &bytes, self.now);
                self.drain_gateway();
            }
            What::ToUnit { unit, outside, natt, bytes } => {
                if self.units[unit].outside == outside {
                    let path = unit_path(unit, natt);
                    let (sender, receiver) = (self.gateway_side(), self.unit_side(unit));
                    self.repeated += u64::from(self.tally.is_early(sender, receiver, &bytes));
                    self.units[unit].initiator.handle_datagram(path, &bytes, self.now);
                    self.drain_unit(unit);
                }
            }
            What::AnswerPeer { ticket, life, spki } if life == self.gateway_life => {
                let answer = self.peer_answer(spki);
                self.gateway.handle_peer(ticket, answer, self.now);
                self.drain_gateway();
            }
            What::AnswerAdmission { ticket, life, unit, sa } if life == self.gateway_life => {
                self.answer_admission(ticket, unit, sa);
                self.drain_gateway();
            }
            What::AnswerUnit { ticket, unit, life } if life == self.units[unit].life => {
                let answer = self.peer_answer(GATEWAY.as_bytes().to_vec());
                self.units[unit].initiator.handle_peer(ticket, answer, self.now);
                self.drain_unit(unit);
            }
            What::Act => self.act(),
            What::AnswerPeer { .. } | What::AnswerAdmission { .. } | What::AnswerUnit { .. } => {}
        }
    }

    fn peer_answer(&mut self, spki: Vec<u8>) -> Result<Peer, Refusal> {
        if self.draw.chance(self.weather.refuses) {
            return Err(if self.draw.chance(50) { Refusal::Final } else { Refusal::Transient });
        }
        Ok(Peer {
            public_key_spki: spki,
            not_after: Duration::from_secs(86_400 * 30),
            allow_sha1_signature: false,
        })
    }

    fn answer_admission(&mut self, ticket: Ticket, unit: usize, sa: IkeSaId) {
        let answer = if self.draw.chance(self.weather.refuses) {
            if self.draw.chance(50) { Admission::Refuse } else { Admission::Drop }
        } else {
            self.model.granted(self.gateway_side(), sa);
            Admission::Grant(grant(unit))
        };
        self.gateway.handle_admission(ticket, answer.clone(), self.now);
        if self.draw.chance(self.weather.slow_answers) {
            self.gateway.handle_admission(ticket, answer, self.now); // an answer that comes twice
        }
    }

    /// One thing that is drawn.
    fn act(&mut self) {
        let unit = self.draw.below(self.units.len() as u64) as usize;
        let kind = self.draw.below(24);
        if self.trace {
            println!("{:?} act {kind} on unit {unit}", self.now - self.start);
        }
        match kind {
            0 => self.crash_gateway(),
            1 => self.crash_unit(unit),
            2 | 3 => self.rebind(unit),
            9..=11 | 17 if !self.weather.closes => {}
            4..=12 => self.act_as_unit(unit, kind),
            20 => self.reconfigure_gateway(),
            _ => self.act_as_gateway(kind),
        }
        self.drain_unit(unit);
        self.drain_gateway();
    }

    fn act_as_unit(&mut self, unit: usize, kind: u64) {
        let (now, side) = (self.now, self.unit_side(unit));
        let initiator = &mut self.units[unit].initiator;
        let child = initiator.child_sas().first().copied();
        match kind {
            4 => initiator.rekey_ike_sa(now),
            5 | 6 => child.into_iter().for_each(|spi| initiator.rekey_child_sa(spi, now)),
            7 => initiator.create_child_sa(now),
            8 => child.into_iter().for_each(|spi| initiator.delete_child_sa(spi, now)),
            9 => initiator.reauthenticate(Reauthentication::MakeBeforeBreak, now),
            10 => {
                self.tally.saw_if("re-authentication, break before make", initiator.ike_sa().is_some());
                initiator.reauthenticate(Reauthentication::BreakBeforeMake, now);
            }
            11 if self.draw.chance(50) => initiator.close(now),
            11 => initiator.connect(now),
            _ => {
                if let Some(sa) = initiator.ike_sa() {
                    let before = initiator.stats().retransmitted;
                    initiator.probe(now);
                    self.repeated += initiator.stats().retransmitted - before;
                    self.model.probed(side, sa);
                }
            }
        }
    }

    fn act_as_gateway(&mut self, kind: u64) {
        let side = self.gateway_side();
        let tunnels = self.model.tunnels_of(side);
        let Some(sa) = tunnels.get(self.draw.below(8) as usize % tunnels.len().max(1)).copied() else {
            return;
        };
        let child = self.model.children_of(side).first().map(|child| child.spi_in);
        match kind {
            21..=23 => self.esp_came_from(kind == 23, &tunnels),
            13 | 14 => self.gateway.rekey_ike_sa(sa, self.now),
            15 | 16 => {
                tunnels.iter().for_each(|sa| {
                    child.into_iter().for_each(|spi| self.gateway.rekey_child_sa(*sa, spi, self.now));
                });
            }
            17 => self.gateway.delete(sa, self.now),
            18 => {
                // Both sides at once, so that rekeys collide.
                self.gateway.rekey_ike_sa(sa, self.now);
                self.units.iter_mut().for_each(|unit| unit.initiator.rekey_ike_sa(self.now));
                (0..self.units.len()).for_each(|unit| self.drain_unit(unit));
            }
            _ => {
                self.model.probed(side, sa);
                let before = self.gateway.stats().retransmitted;
                self.gateway.probe(sa, self.now);
                self.repeated += self.gateway.stats().retransmitted - before;
            }
        }
    }

    /// Fresh ESP of every unit came from the port that its NAT shows now, or as if from `elsewhere`.
    fn esp_came_from(&mut self, elsewhere: bool, tunnels: &[IkeSaId]) {
        self.rebound |= elsewhere;
        self.tally.saw_if("a unit was asked where it was not", elsewhere && !tunnels.is_empty());
        for sa in tunnels {
            let Some((id, _)) = self.gateway.authenticated(*sa) else { continue };
            let unit = (0..self.units.len()).find(|unit| id.as_fqdn() == Some(&name(*unit)));
            let unit = unit.expect("an identity that a unit has");
            let outside = if elsewhere { ELSEWHERE } else { self.units[unit].outside };
            self.gateway.probe_path(*sa, gateway_path(unit, outside, true), self.now);
        }
    }

    fn rebind(&mut self, unit: usize) {
        self.rebound = true;
        self.tally.saw("a NAT forgot a unit");
        self.units[unit].outside = self.units[unit].outside % 30_000 + 1;
    }

    fn crash_gateway(&mut self) {
        self.crashed = true;
        let had_tunnels = !self.model.tunnels_of(self.gateway_side()).is_empty();
        self.tally.saw_if("the gateway crashed with tunnels", had_tunnels);
        self.count_stats();
        self.model.crashed(self.gateway_side());
        self.gateway_life += 1;
        self.gateway = new_gateway(self.seed, self.gateway_life, self.cookies, self.now);
    }

    /// Other key exchange methods count from now on, so that a renewal may begin with one that does not.
    fn reconfigure_gateway(&mut self) {
        let mut config = gateway_config(self.cookies);
        config.suites.key_exchanges = METHODS[self.draw.below(2) as usize].to_vec();
        self.gateway.reconfigure(config);
    }

    /// What only the counters of a gateway's life show.
    fn count_stats(&mut self) {
        let stats = self.gateway.stats();
        self.tally.saw_if("an answer was repeated", stats.answered_again > 0);
        self.invalid_ke += stats.refused(Reason::InvalidKe);
    }

    fn crash_unit(&mut self, unit: usize) {
        self.crashed = true;
        let had_tunnel = self.units[unit].initiator.ike_sa().is_some();
        self.tally.saw_if("a unit crashed with a tunnel", had_tunnel);
        self.model.crashed(self.unit_side(unit));
        let (life, outside) = (self.units[unit].life + 1, self.units[unit].outside);
        self.units[unit] = Unit { outside, ..new_unit(self.seed, unit, life, self.now) };
        self.units[unit].initiator.connect(self.now);
    }

    fn drain_gateway(&mut self) {
        while let Some(output) = self.gateway.poll_output() {
            self.on_gateway(output);
        }
    }

    fn on_gateway(&mut self, output: Output) {
        let side = self.gateway_side();
        match output {
            Output::Transmit { path, datagram } => {
                self.model.sent(true, &datagram);
                self.model.gateway_sent(&datagram, &path, self.now);
                self.tally.sent(side, &datagram, self.weather.closes);
                let unit = unit_of(path.peer);
                let natt = path.encapsulated;
                let outside = if natt { path.peer.port() - 30_000 } else { path.peer.port() };
                self.send(datagram, |bytes| What::ToUnit { unit, outside, natt, bytes });
            }
            Output::AskPeer { ticket, ask } => {
                let (at, life) = (self.answer_at(), self.gateway_life);
                self.later(at, What::AnswerPeer { ticket, life, spki: ask.certificates[0].clone() });
            }
            Output::AskAdmission { ticket, sa, auth, .. } => {
                let (at, life) = (self.answer_at(), self.gateway_life);
                let unit = (0..self.units.len()).find(|unit| auth.idi().as_fqdn() == Some(&name(*unit)));
                let unit = unit.expect("an identity that a unit has");
                self.later(at, What::AnswerAdmission { ticket, life, unit, sa });
            }
            Output::InstallChildSa { sa, child } => self.installed(side, sa, child),
            Output::RemoveChildSa { sa, spi_in } => self.model.removed(side, sa, spi_in),
            Output::Event(event) => self.on_event(side, &event),
            Output::Keepalive { .. } => self.model.breaks("a gateway sent a keepalive".to_owned()),
        }
    }

    fn installed(&mut self, side: Side, sa: IkeSaId, child: ChildSa) {
        self.tally.installed(side, &child, self.model.count_children(side, sa) > 0);
        self.model.installed(side, sa, child);
    }

    fn on_event(&mut self, side: Side, event: &ike::Event) {
        if self.trace {
            println!("{:?} {side:?} {event:?}", self.now - self.start);
        }
        (self.now - self.start).hash(&mut self.digest);
        format!("{side:?}").hash(&mut self.digest);
        self.tally.event(side, event);
        self.model.event(side, event);
    }

    fn drain_unit(&mut self, unit: usize) {
        while let Some(output) = self.units[unit].initiator.poll_output() {
            self.on_unit(unit, output);
        }
    }

    fn on_unit(&mut self, unit: usize, output: Output) {
        let side = self.unit_side(unit);
        match output {
            Output::Transmit { path, datagram } => {
                self.model.sent(false, &datagram);
                self.tally.sent(side, &datagram, self.weather.closes);
                let (outside, natt) = (self.units[unit].outside, path.encapsulated);
                let redirected = self.draw.chance(self.weather.redirected);
                self.tally.saw_if("a datagram came in another's name", redirected);
                let outside = if redirected { ELSEWHERE } else { outside };
                self.send(datagram, |bytes| What::ToGateway { unit, outside, natt, bytes });
            }
            Output::Keepalive { .. } => {}
            Output::AskPeer { ticket, .. } => {
                let (at, life) = (self.answer_at(), self.units[unit].life);
                self.later(at, What::AnswerUnit { ticket, unit, life });
            }
            Output::AskAdmission { .. } => self.model.breaks("a unit asked for admission".to_owned()),
            Output::InstallChildSa { sa, child } => self.installed(side, sa, child),
            Output::RemoveChildSa { sa, spi_in } => self.model.removed(side, sa, spi_in),
            Output::Event(event) => self.on_event(side, &event),
        }
    }

    /// Now and then an answer comes so late that nobody waits for it.
    fn answer_at(&mut self) -> Instant {
        let slow = self.draw.chance(self.weather.slow_answers);
        self.tally.saw_if("an answer came late", slow);
        self.now + self.draw.millis(if slow { 45_000 } else { 5 })
    }

    fn send(&mut self, bytes: Vec<u8>, what: impl Fn(Vec<u8>) -> What) {
        bytes.hash(&mut self.digest);
        if self.trace {
            let header = ike::Header::parse(&bytes).unwrap();
            println!("{:?}   {header:?}", self.now - self.start);
        }
        let twice = self.draw.chance(self.weather.repeat);
        self.tally.saw_if("a datagram came twice", twice);
        for _ in 0..=u64::from(twice) {
            let lost = self.draw.chance(self.weather.loss);
            self.tally.saw_if("a datagram was lost", lost);
            if !lost {
                let at = self.now + Duration::from_millis(1) + self.draw.millis(self.weather.delay);
                self.later(at, what(bytes.clone()));
            }
        }
    }
}

/// Key exchange methods that the gateway takes, before and after its configuration changes.
const METHODS: [[KeyExchangeMethod; 2]; 2] = [
    [KeyExchangeMethod::CURVE25519, KeyExchangeMethod::ECP_256],
    [KeyExchangeMethod::ECP_256, KeyExchangeMethod::ECP_384],
];

fn new_gateway(seed: u64, life: u32, cookies: bool, now: Instant) -> Responder {
    let crypto = Toy::new(Draw::new(seed, 1_000 + u64::from(life)));
    Responder::new(gateway_config(cookies), Arc::new(crypto), now)
}

fn gateway_config(cookies: bool) -> ResponderConfig {
    let mut config = ResponderConfig::new(identity(GATEWAY, 500), vec![[7; 20]]);
    config.times = times();
    if cookies {
        config.cookies = CookiePolicy::Always;
    }
    config.suites.key_exchanges = METHODS[0].to_vec();
    config.half_open = HalfOpenLimits { total: 40, per_prefix: 40, ..config.half_open };
    config
}

fn new_unit(seed: u64, unit: usize, life: u32, now: Instant) -> Unit {
    let (path, natt) = (unit_path(unit, false), unit_path(unit, true));
    let mut config =
        InitiatorConfig::new(identity(&name(unit), 500 * unit), Identification::fqdn(GATEWAY), path, natt);
    config.times = times();
    config.childless = unit == 2;
    if unit == 1 {
        // The first is one that the gateway never takes.
        config.suites.key_exchanges = vec![KeyExchangeMethod::MODP_2048, KeyExchangeMethod::ECP_256];
    }
    let purpose = 1_000_000 * (1 + unit as u64) + u64::from(life);
    let initiator = Initiator::new(config, Arc::new(Toy::new(Draw::new(seed, purpose))), now);
    Unit { initiator, life, outside: 500 + unit as u16 }
}

fn unit_path(unit: usize, natt: bool) -> Path {
    let port = if natt { 4500 } else { 500 };
    Path {
        local: socket(Ipv4Addr::new(10, 1, 1, 1 + unit as u8), port),
        peer: socket(GATEWAY_ADDRESS, port),
        encapsulated: natt,
    }
}

fn gateway_path(unit: usize, outside: u16, natt: bool) -> Path {
    let (local, peer) = if natt { (4500, outside + 30_000) } else { (500, outside) };
    Path { local: socket(GATEWAY_ADDRESS, local), peer: socket(address(unit), peer), encapsulated: natt }
}

fn unit_of(peer: SocketAddr) -> usize {
    match peer {
        SocketAddr::V4(v4) => usize::from(v4.ip().octets()[3] - 1),
        SocketAddr::V6(_) => unreachable!("no unit has an IPv6 address"),
    }
}

fn grant(unit: usize) -> Grant {
    Grant {
        inner_v4: Some(inner(unit)),
        inner_v6: None,
        dns: Vec::new(),
        ts_r: [TrafficSelector::addresses([10, 0, 0, 0].into(), [10, 0, 255, 255].into())].into(),
        auth_lifetime: Duration::from_secs(86_400),
        expires_in: Duration::from_secs(86_400),
    }
}
