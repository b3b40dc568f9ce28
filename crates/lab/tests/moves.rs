//! Units that are seen elsewhere: what follows them, what asks first, and who is held.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{
    Recorded,
    gateway::{PathAlternates, PathChanged, PathUnproven, SessionClosed},
    journal::Tail,
};
use gateway::{Held, HeldWhy, OffLine, SessionView, State};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x71, 0, 0, 1]);

/// A carrier with one unit attached at home, in a network that is its access line's.
struct World {
    carrier: Carrier,
    identity: UnitIdentity,
    unit: Unit,
    network: u8,
}

impl World {
    fn new(dir: &Path, network: u8, off_line: OffLine, hold: Duration) -> Self {
        let carrier = Carrier::start_with(dir, |config| {
            (config.off_line, config.off_line_hold) = (off_line, hold);
        });
        let carrier = carrier.unwrap();
        carrier.line(LINE, &format!("127.{network}.0.0/16")).unwrap();
        carrier.device(DEVICE, LINE).unwrap();
        let identity = carrier.enrol(DEVICE).unwrap();
        let unit = attach(&carrier, &identity, [127, network, 0, 1]);
        Self { carrier, identity, unit, network }
    }

    fn inside(&self, last: u8) -> [u8; 4] {
        [127, self.network, 0, last]
    }

    fn outside(&self) -> [u8; 4] {
        [127, self.network + 1, 0, 1]
    }

    /// Pings every few milliseconds until the session is as it should be.
    fn ping_until(&self, holds: impl Fn(&SessionView) -> bool) {
        self.wait(|world| {
            world.unit.ping_and_forget(SERVICE);
            world.carrier.gateway.sessions_of(DEVICE).iter().any(&holds)
        });
    }

    fn wait(&self, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < until, "{:?}", self.carrier.gateway.sessions_of(DEVICE));
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn records<T: Recorded>(&self) -> Vec<T> {
        self.timed_records().into_iter().map(|(_, record)| record).collect()
    }

    /// With the journal's times.
    fn timed_records<T: Recorded>(&self) -> Vec<(UnixTime, T)> {
        let mut tail = Tail::new(&self.carrier.journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        records.filter_map(|record| Some((record.at, record.read().unwrap()?))).collect()
    }
}

fn attach(carrier: &Carrier, identity: &UnitIdentity, outer: [u8; 4]) -> Unit {
    let unit = carrier.attach(identity, outer).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    unit
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_tunnel_follows_a_unit_that_its_nat_has_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 21, OffLine::Hold, LONG);
    let home = world.unit.outer;
    world.unit.move_to(world.inside(2).into()).unwrap();
    world.ping_until(|session| session.outer == world.unit.outer && session.state == State::Open);
    assert_eq!(world.unit.ping(SERVICE, 5).0, 5);
    assert_eq!(world.carrier.gateway.sessions_of(DEVICE)[0].state, State::Open);
    world.wait(|world| !world.records::<PathChanged>().is_empty());
    let [moved] = &world.records::<PathChanged>()[..] else { panic!("one move") };
    assert_eq!((moved.from, moved.to, moved.on_line), (home, world.unit.outer, Some(true)));
}

#[test]
fn packets_that_somebody_hands_on_from_elsewhere_bring_a_few_questions_and_no_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 23, OffLine::Hold, LONG);
    let elsewhere = UdpSocket::bind((Ipv4Addr::from(world.outside()), 0)).unwrap();
    elsewhere.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut got, until) = (Vec::new(), Instant::now() + Duration::from_secs(8));
    while Instant::now() < until {
        let sealed = world.unit.intercepted_ping(SERVICE).unwrap();
        elsewhere.send_to(&sealed, world.carrier.known().natt).unwrap();
        assert_eq!(world.unit.ping(SERVICE, 1).0, 1, "the unit goes on where it is");
        let mut buffer = [0; 2000];
        while let Ok((length, _)) = elsewhere.recv_from(&mut buffer) {
            got.push(buffer[..length].to_vec());
        }
    }
    assert!((3..=8).contains(&got.len()), "{} datagrams in 8 s", got.len());
    assert!(
        got.iter().all(|datagram| datagram.starts_with(&[0; 4]) && datagram.len() < 150),
        "IKE, and short"
    );
    let session = &world.carrier.gateway.sessions_of(DEVICE)[0];
    assert_eq!((session.outer, session.state), (world.unit.outer, State::Open));
    assert_eq!(world.records::<PathChanged>(), []);
    let told = world.records::<PathAlternates>();
    assert_eq!(told.len(), 1, "but somebody uses its packets elsewhere");
    let places: [SocketAddr; 2] = [elsewhere.local_addr().unwrap(), world.unit.outer];
    assert!(places.iter().all(|place| told[0].paths.contains(place)), "{:?}", told[0]);
}

#[test]
fn one_sa_at_two_addresses_in_turn_moves_no_tunnel_back_and_forth() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 25, OffLine::Hold, LONG);
    for turn in 0..60 {
        world.unit.move_to(world.inside(1 + turn % 2).into()).unwrap();
        world.unit.ping_and_forget(SERVICE);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    world.wait(|world| !world.records::<PathAlternates>().is_empty());
    let [told] = &world.records::<PathAlternates>()[..] else { panic!("told once") };
    assert_eq!((told.device, told.paths.len()), (DEVICE, 2));
    assert!(told.changes >= 3, "{told:?}");
    assert!(world.records::<PathChanged>().len() <= 1, "{:?}", world.records::<PathChanged>());
    // It settles, and the tunnel is where it is.
    world.ping_until(|session| session.outer == world.unit.outer);
    assert_eq!(world.unit.ping(SERVICE, 3).0, 3);
}

#[test]
fn a_unit_off_its_line_passes_nothing_and_is_cut_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let hold = Duration::from_secs(4);
    let mut world = World::new(dir.path(), 27, OffLine::Hold, hold);
    world.unit.move_to(world.outside().into()).unwrap();
    world.ping_until(|session| session.state == State::Held);
    assert_eq!(world.unit.ping(SERVICE, 1).0, 0);
    let session = &world.carrier.gateway.sessions_of(DEVICE)[0];
    let (before, held) = (session.uplink, session.held.unwrap());
    assert_eq!(held.why, HeldWhy::OffLine);
    world.unit.ping_and_forget(SERVICE);
    assert!(world.unit.wait_deleted(Duration::from_secs(10)).is_some());
    world.wait(|world| !world.records::<SessionClosed>().is_empty());
    let [(moved_at, moved)] = &world.timed_records::<PathChanged>()[..] else { panic!("one move") };
    let [(closed_at, closed)] = &world.timed_records::<SessionClosed>()[..] else { panic!("one session") };
    // The hold begins once the move is written down, by another clock than the journal's.
    let after = closed_at.since(*moved_at);
    assert!(moved.on_line == Some(false) && after > hold - Duration::from_secs(1), "{moved:?}, {after:?}");
    let until = held.until.unwrap();
    let second = Duration::from_secs(1);
    assert!(
        until.since(*moved_at) > hold - second && until < closed_at.after(second),
        "{held:?}, {closed_at}"
    );
    assert_eq!((closed.why.as_str(), closed.bytes.0), ("left-line", before.octets));
    assert_eq!(world.carrier.gateway.stats().sessions, 0);
    let again = world.carrier.attach(&world.identity, world.outside()).unwrap();
    assert!(matches!(again.outcome, Outcome::Refused(_)), "{:?}", again.outcome);
}

#[test]
fn a_unit_that_is_back_on_its_line_in_time_goes_on_with_the_same_tunnel() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 29, OffLine::Hold, LONG);
    let id = world.carrier.gateway.sessions_of(DEVICE)[0].id;
    world.unit.move_to(world.outside().into()).unwrap();
    world.ping_until(|session| session.state == State::Held);
    world.unit.move_to(world.inside(3).into()).unwrap();
    world.ping_until(|session| session.state == State::Open && session.id == id);
    assert_eq!(world.carrier.gateway.sessions_of(DEVICE)[0].held, None);
    assert_eq!(world.unit.ping(SERVICE, 3).0, 3);
}

#[test]
fn a_held_unit_that_authenticates_anew_from_its_line_has_a_tunnel_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 31, OffLine::Hold, LONG);
    world.unit.move_to(world.outside().into()).unwrap();
    world.ping_until(|session| session.state == State::Held);
    let home = world.inside(1);
    let anew = world.carrier.attach(&world.identity, home).unwrap();
    assert!(matches!(anew.outcome, Outcome::Attached(_)), "{:?}", anew.outcome);
    assert!(world.unit.close().is_some(), "make before break");
    world.wait(|_| anew.ping(SERVICE, 1).0 == 1);
    let [session] = &world.carrier.gateway.sessions_of(DEVICE)[..] else { panic!("one session") };
    assert_eq!((session.outer, session.state), (anew.outer, State::Open));
}

#[test]
fn a_unit_off_its_line_is_closed_at_once_or_kept_where_that_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 33, OffLine::Close, LONG);
    world.unit.move_to(world.outside().into()).unwrap();
    world.unit.ping_and_forget(SERVICE);
    assert!(world.unit.wait_deleted(Duration::from_secs(10)).is_some());
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 35, OffLine::Keep, LONG);
    world.unit.move_to(world.outside().into()).unwrap();
    world.ping_until(|session| session.outer == world.unit.outer);
    world.wait(|world| world.records::<PathChanged>().iter().any(|moved| moved.on_line == Some(false)));
    assert_eq!(world.unit.ping(SERVICE, 3).0, 3);
}

#[test]
fn a_gateway_that_starts_anew_takes_no_packet_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let World { carrier, identity, unit, .. } = World::new(dir.path(), 37, OffLine::Hold, LONG);
    let sealed: Vec<_> = (0..10).map(|_| unit.intercepted_ping(SERVICE).unwrap()).collect();
    let carrier = carrier.restart().unwrap();
    let unknown = |carrier: &Carrier| carrier.gateway.stats().drops[&("uplink", "unknown_spi")];
    let passed = carrier.gateway.stats().uplink.packets;
    let replayer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let replay = |carrier: &Carrier| {
        let before = unknown(carrier);
        for packet in &sealed {
            replayer.send_to(packet, carrier.known().natt).unwrap();
        }
        let until = Instant::now() + Duration::from_secs(10);
        while unknown(carrier) < before + 10 && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        assert_eq!(unknown(carrier), before + 10);
    };
    replay(&carrier);
    let anew = attach(&carrier, &identity, [127, 37, 0, 1]);
    replay(&carrier);
    assert_eq!(carrier.gateway.stats().uplink.packets, passed + 1, "the new tunnel's own ping");
    assert_eq!(anew.ping(SERVICE, 3).0, 3);
}

#[test]
fn a_unit_with_another_address_passes_nothing_while_nobody_can_judge_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 41, OffLine::Hold, LONG);
    let other = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.unit.move_to(world.inside(2).into()).unwrap();
    world.ping_until(|session| session.outer == world.unit.outer);
    assert_eq!(world.unit.ping(SERVICE, 5).0, 0);
    let session = &world.carrier.gateway.sessions_of(DEVICE)[0];
    assert_eq!(
        (session.state, session.held),
        (State::Held, Some(Held { why: HeldWhy::NotJudged, until: None }))
    );
    other.execute_batch("ROLLBACK").unwrap();
    world.wait(|world| world.carrier.gateway.sessions_of(DEVICE)[0].state == State::Open);
    assert_eq!(world.unit.ping(SERVICE, 5).0, 5, "it is on its line");
}

/// A copy of the tunnel's keys sends from off the line; the unit itself answers IKE at home.
#[test]
fn packets_from_where_the_unit_is_not_are_dropped_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 43, OffLine::Hold, LONG);
    let elsewhere = UdpSocket::bind((Ipv4Addr::from(world.outside()), 0)).unwrap();
    world.wait(|world| {
        let sealed = world.unit.intercepted_ping(SERVICE).unwrap();
        elsewhere.send_to(&sealed, world.carrier.known().natt).unwrap();
        !world.records::<PathUnproven>().is_empty()
    });
    let told = &world.records::<PathUnproven>()[0];
    assert_eq!((told.device, told.from), (DEVICE, elsewhere.local_addr().unwrap()));
    let session = &world.carrier.gateway.sessions_of(DEVICE)[0];
    assert_eq!((session.outer, session.state), (world.unit.outer, State::Open));
    assert!(session.drops["unproven_path"] >= told.packets, "{session:?}");
    assert_eq!(world.unit.ping(SERVICE, 3).0, 3, "at home all is well");
}
