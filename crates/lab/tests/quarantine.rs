//! A second claim on a unit whose holder lives: what its session in quarantine reaches, and what ends it, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{
    Recorded,
    admission::{Admitted, ContestResolved, Contested, Quarantined},
    gateway::{OutOfReach, SessionClosed},
    journal::Tail,
};
use gateway::{Core, GatewayConfig, Packets, Quarantine, SessionView, State, VirtualCore};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::{ClosedIncident, Genuine, LifeCycle};
use std::{
    net::{IpAddr, Ipv4Addr},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixDatagram,
    },
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 1]);
/// Nobody knows where its line is, so two in two places are not alike.
const SOMEWHERE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 2]);
/// Where units enrol.
const ENROLMENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// An address that stands for a unit in quarantine.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// One side of a core whose answers come in on the other: source and destination of all that it was sent are kept.
struct Crossed {
    hosts: VirtualCore,
    other: UnixDatagram,
    seen: Seen,
}

type Seen = Arc<Mutex<Vec<(IpAddr, IpAddr)>>>;

impl Core for Crossed {
    fn uplink(&mut self, packets: &Packets) -> usize {
        for packet in packets.iter() {
            let inner = esp::Inner::parse(packet).unwrap();
            self.seen.lock().unwrap().push((inner.source, inner.destination));
        }
        let mut answers = Packets::new();
        let lost = self.hosts.uplink(packets) + self.hosts.downlink(&mut answers);
        answers.iter().for_each(|answer| assert_eq!(self.other.send(answer).unwrap(), answer.len()));
        lost
    }

    fn downlink(&mut self, packets: &mut Packets) -> usize {
        let mut packet = [0; 2048];
        while let Ok(length) = self.other.recv(&mut packet) {
            packets.push(&packet[..length]);
        }
        0
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.other.as_fd())
    }
}

fn quarantine(pool: &str, reach: &str) -> Quarantine {
    let pool_v4 = Some(pool.parse().unwrap());
    Quarantine { pool_v4, pool_v6: None, reach: vec![reach.parse().unwrap()] }
}

struct World {
    carrier: Carrier,
    identity: UnitIdentity,
    tail: Tail,
    seen: Seen,
    config: GatewayConfig,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(pool: &str) -> Self {
        Self::with(Some(quarantine(pool, &ENROLMENT.to_string())))
    }

    fn with(quarantine: Option<Quarantine>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = UnixDatagram::pair().unwrap();
        let seen = Seen::default();
        let side = |other: UnixDatagram| {
            other.set_nonblocking(true).unwrap();
            let hosts = VirtualCore::new(vec![SERVICE.into(), ENROLMENT.into()]);
            Box::new(Crossed { hosts, other, seen: seen.clone() }) as Box<dyn Core>
        };
        let mut started_by = None;
        let carrier = Carrier::start_before_with(dir.path(), vec![side(a), side(b)], |config| {
            config.reachable = vec![SERVICE.to_string().parse().unwrap()];
            config.quarantine = quarantine;
            config.policy.probe_interval_s = 1;
            started_by = Some(config.clone());
        });
        let (carrier, config) = (carrier.unwrap(), started_by.unwrap());
        carrier.line(LINE, "127.16.0.0/16").unwrap();
        carrier.device(DEVICE, LINE).unwrap();
        let identity = carrier.enrol(DEVICE).unwrap();
        let tail = Tail::new(&carrier.journal.dir(), carrier.journal.head() + 1);
        Self { carrier, identity, tail, seen, config, _dir: dir }
    }

    fn attach(&self, host: u8) -> Unit {
        let unit = self.carrier.attach(&self.identity, [127, 16, 0, host]).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        unit
    }

    fn next<T: Recorded>(&mut self) -> T {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            match self.tail.next_record().unwrap() {
                Some(record) => {
                    if let Some(event) = record.read::<T>().unwrap() {
                        return event;
                    }
                }
                None => thread::park_timeout(Duration::from_millis(5)),
            }
        }
        panic!("no {} within 30 s", T::KIND);
    }

    /// A holder, and another who shows its key beside it.
    fn with_one_in_quarantine(&mut self) -> (Unit, Unit, Quarantined) {
        let (holder, copy) = (self.attach(1), self.attach(2));
        let quarantined: Quarantined = self.next();
        self.wait("it is in quarantine", |gateway| {
            gateway.session(quarantined.session).is_some_and(|one| one.state == State::Quarantined)
        });
        (holder, copy, quarantined)
    }

    fn sessions(&self) -> Vec<SessionView> {
        self.carrier.gateway.sessions_of(DEVICE)
    }

    fn wait(&self, what: &str, holds: impl Fn(&gateway::Gateway) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !holds(&self.carrier.gateway) {
            assert!(Instant::now() < until, "not within 30 s: {what}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Whoever sends to the core, as the core knows it.
    fn sources_of(&self, destination: Ipv4Addr) -> Vec<IpAddr> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, to)| *to == IpAddr::V4(destination)).map(|(from, _)| *from).collect()
    }
}

fn inner(unit: &Unit) -> IpAddr {
    let Outcome::Attached(attached) = &unit.outcome else { panic!("{:?}", unit.outcome) };
    attached.inner.into()
}

#[test]
fn the_newcomer_reaches_enrolment_and_nothing_else_and_the_holder_keeps_its_service() {
    let mut world = World::new("10.99.0.0/24");
    let holder = world.attach(1);
    let copy = world.attach(2);
    assert_eq!(inner(&holder), inner(&copy), "each is called what the unit is called");
    let contested: Contested = world.next();
    assert_eq!(copy.ping(ENROLMENT, 1).0, 0, "it is blocked until that is settled");
    let resolved: ContestResolved = world.next();
    assert_eq!((resolved.stays, resolved.goes), (Some(contested.holder), contested.newcomer));
    assert_eq!((resolved.how.as_str(), resolved.reason.as_deref()), ("holder-alive", Some("second-claim")));
    let told: Quarantined = world.next();
    assert_eq!(
        (told.device, told.session, told.reason.as_str()),
        (DEVICE, contested.newcomer, "second-claim")
    );
    assert_eq!((told.outer, &told.translated[..]), (copy.outer, &[IpAddr::V4(FIRST)][..]));
    assert!(told.incident.is_some() && told.incident == resolved.incident);
    assert_eq!(told.weighed.conclusion.as_deref(), Some("undecided"));

    world.wait("packets pass", |gateway| gateway.stats().quarantined == 1);
    for _ in 0..3 {
        assert_eq!(copy.ping(ENROLMENT, 2).0, 2, "{:?}", world.carrier.gateway.stats().drops);
        assert_eq!(holder.ping(SERVICE, 2).0, 2);
    }
    assert_eq!(copy.ping(SERVICE, 1).0, 0);
    assert!(world.sources_of(ENROLMENT).iter().all(|from| *from == IpAddr::V4(FIRST)));
    assert!(world.sources_of(SERVICE).iter().all(|from| *from == inner(&holder)));

    let (lease, sessions) = (world.carrier.ledger.lease(DEVICE).unwrap().unwrap(), world.sessions());
    assert_eq!(lease.session, contested.holder);
    let [first, second] = &sessions[..] else { panic!("two sessions") };
    assert_eq!((first.state, &first.quarantine), (State::Open, &None));
    let confined = second.quarantine.as_ref().unwrap();
    assert_eq!((second.state, confined.reason.as_str()), (State::Quarantined, "second-claim"));
    assert_eq!(
        (&confined.translated[..], &second.reach[..]),
        (&told.translated[..], &[ENROLMENT.to_string()][..])
    );
    assert_eq!((second.until, second.inner.clone()), (told.until, vec![inner(&holder)]));
    let within = second.until.since(second.since);
    assert!(within <= Duration::from_secs(3600 + 30), "{within:?}");
    assert_eq!(first.downlink.packets, 6, "the holder got its own answers, and no other");

    drop(holder); // without a word: its session stands
    copy.close();
    let closed: SessionClosed = world.next();
    assert_eq!((closed.session, closed.why.as_str()), (contested.newcomer, "peer"));
    world.wait("its place is free", |gateway| gateway.stats().quarantined == 0);
    assert_eq!(world.carrier.ledger.lease(DEVICE).unwrap().unwrap().session, contested.holder);
}

#[test]
fn what_it_sends_to_where_it_may_not_is_told() {
    let mut world = World::new("10.99.0.0/24");
    let (_holder, copy, quarantined) = world.with_one_in_quarantine();
    assert_eq!(copy.ping(SERVICE, 1).0, 0);
    let told: OutOfReach = world.next();
    assert_eq!((told.session, told.to), (quarantined.session, SERVICE.into()));
    assert!(world.sources_of(SERVICE).is_empty());
}

#[test]
fn a_third_claim_is_contested_as_any_and_takes_the_place_in_quarantine() {
    let mut world = World::new("10.99.0.0/30");
    let (holder, copy, quarantined) = world.with_one_in_quarantine();
    drop(copy);
    // From where the holder is, so that it may be asked again by now.
    let third = world.attach(1);
    let closed: SessionClosed = world.next();
    assert_eq!((closed.session, closed.why.as_str()), (quarantined.session, "displaced"));
    world.wait("the third is in quarantine", |gateway| {
        gateway
            .sessions_of(DEVICE)
            .iter()
            .any(|one| one.state == State::Quarantined && one.outer == third.outer)
    });
    assert_eq!(world.carrier.gateway.stats().quarantined, 1);
    assert_eq!((third.ping(ENROLMENT, 1).0, holder.ping(SERVICE, 1).0), (1, 1));
}

#[test]
fn whoever_finds_no_place_or_no_quarantine_is_refused() {
    let no_quarantine = World::with(None);
    for mut world in [World::new("10.99.0.0/31"), no_quarantine] {
        let (holder, copy) = (world.attach(1), world.attach(2));
        assert!(copy.wait_deleted(Duration::from_secs(10)).is_some());
        let resolved: ContestResolved = world.next();
        assert_eq!(resolved.reason.as_deref(), Some("second-claim"));
        let closed: SessionClosed = world.next();
        assert_eq!((closed.session, closed.why.as_str()), (resolved.goes, "second-claim"));
        let stats = world.carrier.gateway.stats();
        assert_eq!((stats.quarantined, stats.quarantines.get("full")), (0, Some(&1)));
        assert_eq!(holder.ping(SERVICE, 1).0, 1);
    }
}

#[test]
fn a_cut_a_judgement_and_a_move_of_the_unit_end_it() {
    type End = fn(&Carrier, &Quarantined);
    let ends: [(End, &str); 3] = [
        (|carrier, of| assert!(carrier.gateway.cut(of.session, "kim", "a copy")), "cut"),
        (|carrier, _| carrier.gateway.end_quarantine(DEVICE, "kim", "incident 1"), "cut"),
        (
            |carrier, _| {
                let (ledger, now) = (&carrier.ledger, UnixTime::now());
                ledger.move_device(DEVICE, LifeCycle::Suspended, "kim", "two of them", None, now).unwrap();
                carrier.gateway.device_changed(DEVICE);
            },
            "device",
        ),
    ];
    for (end, why) in ends {
        let mut world = World::new("10.99.0.0/24");
        let (_holder, copy, quarantined) = world.with_one_in_quarantine();
        end(&world.carrier, &quarantined);
        assert!(copy.wait_deleted(Duration::from_secs(10)).is_some());
        while world.next::<SessionClosed>().session != quarantined.session {}
        world.wait("its place is free", |gateway| gateway.stats().quarantined == 0);
        let holders = world.sessions();
        assert_eq!(holders.len(), usize::from(why == "cut"), "{holders:?}");
    }
}

#[test]
fn when_the_holder_goes_the_lease_waits_for_whoever_attaches_anew() {
    let mut world = World::new("10.99.0.0/24");
    let (holder, copy, quarantined) = world.with_one_in_quarantine();
    holder.close();
    world.wait("the holder is gone", |gateway| gateway.sessions_of(DEVICE).len() == 1);
    assert!(!world.carrier.gateway.is_attached(DEVICE) && world.carrier.gateway.has_session(DEVICE));
    world.wait("the lease is free", |_| world.carrier.ledger.lease(DEVICE).unwrap().is_none());
    assert_eq!((copy.ping(ENROLMENT, 1).0, copy.ping(SERVICE, 1).0), (1, 0), "it is where it was");
    let anew = world.attach(3);
    assert_eq!(anew.ping(SERVICE, 1).0, 1);
    let admitted: Admitted = world.next();
    assert_eq!(world.carrier.ledger.lease(DEVICE).unwrap().unwrap().session, admitted.session);
    assert_eq!(copy.ping(ENROLMENT, 1).0, 1, "and stays there until its time is over");
    assert_eq!(world.carrier.gateway.session(quarantined.session).unwrap().state, State::Quarantined);
    assert_eq!(world.carrier.ledger.verify().unwrap().findings, []);
}

#[test]
fn one_whom_a_person_clears_comes_back_in_the_place_of_the_other() {
    let mut world = World::new("10.99.0.0/24");
    world.carrier.device(SOMEWHERE, "L-2").unwrap();
    world.identity = world.carrier.enrol(SOMEWHERE).unwrap();
    let copy = world.attach(1);
    let unit = world.carrier.attach(&world.identity, [127, 17, 0, 1]).unwrap();
    let quarantined: Quarantined = world.next();
    let closed = ClosedIncident::new("erin", UnixTime::now(), "the household was asked");
    let number = quarantined.incident.unwrap();
    world.carrier.ledger.judge_incident(number, Genuine::Newcomer, closed).unwrap();
    world.carrier.gateway.end_quarantine(SOMEWHERE, "erin", "the incident is judged");
    world.carrier.gateway.device_changed(SOMEWHERE);
    let patience = Duration::from_secs(10);
    assert!(copy.wait_deleted(patience).is_some() && unit.wait_deleted(patience).is_some());
    world.wait("the lease is free", |_| world.carrier.ledger.lease(SOMEWHERE).unwrap().is_none());
    let anew = world.carrier.attach(&world.identity, [127, 17, 0, 1]).unwrap();
    assert_eq!(anew.ping(SERVICE, 1).0, 1);
    let again = world.carrier.attach(&world.identity, [127, 16, 0, 1]).unwrap();
    assert!(!matches!(again.outcome, Outcome::Attached(_)), "{:?}", again.outcome);
}

#[test]
fn other_reach_ends_it_and_the_unit_attaches_anew() {
    let mut world = World::new("10.99.0.0/24");
    let (_holder, copy, quarantined) = world.with_one_in_quarantine();
    let other = Some(quarantine("10.99.0.0/24", "10.0.0.6 tcp"));
    let config = GatewayConfig { quarantine: other, ..world.config.clone() };
    world.carrier.gateway.reconfigure(config, world.carrier.ca.anchors().clone());
    assert!(copy.wait_deleted(Duration::from_secs(10)).is_some());
    let closed: SessionClosed = world.next();
    assert_eq!((closed.session, closed.why.as_str()), (quarantined.session, "class-changed"));
}
