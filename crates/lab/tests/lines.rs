//! Whose line an address is, by a feed: at the gate, behind a CGNAT, and after a move that the feed learns of late.
#![allow(clippy::unwrap_used, reason = "tests")]

use api::{
    KnownOrigins,
    lines::{LineFeed, LineFeedAt, LineTerms},
};
use events::{
    Recorded,
    admission::{Admitted, Refused},
    gateway::PathChanged,
    journal::Tail,
};
use gateway::{GatewayConfig, State};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit};
use ledger::AccessLineRecord;
use std::{
    fmt::Write,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const UNIT: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x71, 0, 1, 1]);
const OTHER: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x71, 0, 1, 2]);

/// A feed in a file, as a carrier's access network writes it.
struct Feed {
    path: PathBuf,
    feed: Arc<LineFeed>,
}

impl Feed {
    fn new(dir: &Path) -> Self {
        let path = dir.join("line.jsonl");
        fs::write(&path, "").unwrap();
        let (keep, folder) = (Duration::from_secs(3600), dir.join("records"));
        let terms = LineTerms { stale: Duration::from_secs(60), suspend_per_hour: 50 };
        let at = LineFeedAt { feed: path.clone(), keep, folder };
        Self { path, feed: Arc::new(LineFeed::new(at, terms, UnixTime::now()).unwrap()) }
    }

    /// A line has all ports of an address, or those from one to another, from now on.
    fn says(&self, line: &str, place: SocketAddr, ports: Option<(u16, u16)>) {
        let (now, address) = (UnixTime::now(), place.ip());
        let ports = ports.map_or(String::new(), |(first, last)| format!(r#""ports":[{first},{last}],"#));
        let mut text = fs::read_to_string(&self.path).unwrap();
        writeln!(
            text,
            r#"{{"v":1,"kind":"line-session","line":"{line}","address":"{address}",{ports}"from":"{now}","at":"{now}"}}"#
        )
        .unwrap();
        fs::write(&self.path, text).unwrap();
        self.feed.read(now);
    }
}

struct World {
    carrier: Carrier,
    feed: Feed,
    config: GatewayConfig,
}

impl World {
    fn new(dir: &Path) -> Self {
        Self::with(dir, |_| ())
    }

    fn with(dir: &Path, adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let (feed, home) = (Feed::new(dir), dir.join("carrier"));
        fs::create_dir(&home).unwrap();
        let origins = Arc::new(KnownOrigins::new(Some(feed.feed.clone()), None));
        let mut started_by = None;
        let carrier = Carrier::start_knowing(&home, origins, |config| {
            adjust(config);
            started_by = Some(config.clone());
        });
        let (carrier, config) = (carrier.unwrap(), started_by.unwrap());
        carrier.device(UNIT, "L-1").unwrap();
        Self { carrier, feed, config }
    }

    fn attach(&self, device: DeviceId, outer: [u8; 4]) -> Unit {
        let identity = self.carrier.enrol(device).unwrap();
        self.carrier.attach(&identity, outer).unwrap()
    }

    fn records<T: Recorded>(&self) -> Vec<T> {
        let mut tail = Tail::new(&self.carrier.journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        records.filter_map(|record| record.read().unwrap()).collect()
    }

    /// Pings until the unit is in that state, where it is.
    fn ping_until(&self, unit: &Unit, state: State) {
        let until = Instant::now() + Duration::from_secs(20);
        let is_so = || {
            unit.ping_and_forget(SERVICE);
            let sessions = self.carrier.gateway.sessions_of(UNIT);
            sessions.iter().any(|session| session.state == state && session.outer == unit.outer)
        };
        while !is_so() {
            assert!(Instant::now() < until, "{:?}", self.carrier.gateway.sessions_of(UNIT));
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

fn at(address: [u8; 4]) -> SocketAddr {
    (address, 0).into()
}

#[test]
fn a_claim_from_anothers_line_is_refused_and_one_from_its_own_says_who_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    world.carrier.device(OTHER, "L-2").unwrap();
    world.feed.says("L-1", at([127, 81, 0, 1]), None);
    // What is written down of the line itself counts less than whose address it is now.
    world.carrier.line("L-2", "127.81.0.0/16").unwrap();
    let unit = world.attach(UNIT, [127, 81, 0, 1]);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    let other = world.attach(OTHER, [127, 81, 0, 1]);
    assert!(matches!(other.outcome, Outcome::Refused(_)), "{:?}", other.outcome);
    let [admitted] = &world.records::<Admitted>()[..] else { panic!("one admission") };
    let claim: serde_json::Value = serde_json::from_str(admitted.claim.get()).unwrap();
    let line = &claim["outer"]["line"]["known"];
    assert_eq!((&line["value"], &line["source"]), (&"L-1".into(), &"line-feed".into()));
    let [refused] = &world.records::<Refused>()[..] else { panic!("one refusal") };
    assert_eq!((refused.device, refused.reason.as_str()), (OTHER, "foreign-network"));
}

#[test]
fn a_unit_that_moved_is_held_until_the_feed_knows_that_it_is_on_its_line_behind_a_cgnat_too() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let [home, away, shared] = [[127, 82, 0, 1], [127, 82, 0, 2], [127, 82, 0, 3]];
    world.feed.says("L-1", at(home), None);
    world.feed.says("L-9", at(away), None);
    world.feed.says("L-9", at(shared), Some((0, 65535)));
    let mut unit = world.attach(UNIT, home);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    unit.move_to(away.into()).unwrap();
    world.ping_until(&unit, State::Held);
    // The address is its line's by now, and the feed says so late.
    world.feed.says("L-1", at(away), None);
    world.ping_until(&unit, State::Open);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    unit.move_to(shared.into()).unwrap();
    world.ping_until(&unit, State::Held);
    let port = unit.outer.port();
    world.feed.says("L-1", at(shared), Some((port, port)));
    world.ping_until(&unit, State::Open);
    // The same address and port, and another line has them now.
    unit.move_to(home.into()).unwrap();
    world.ping_until(&unit, State::Open);
    world.feed.says("L-9", at(shared), Some((port, port)));
    unit.move_to(shared.into()).unwrap();
    world.ping_until(&unit, State::Held);
    // What is written of a move follows what is done about it.
    let on_line = || world.records::<PathChanged>().iter().map(|moved| moved.on_line).collect::<Vec<_>>();
    let until = Instant::now() + Duration::from_secs(20);
    while on_line().len() < 4 && Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(on_line(), [Some(false), Some(false), Some(true), Some(false)]);
}

#[test]
fn of_units_whose_line_is_learned_late_no_more_are_held_than_the_ceiling_allows_and_the_next_once_it_has_room()
 {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |config| config.policy.ends_per_hour = 1);
    world.carrier.device(OTHER, "L-2").unwrap();
    let places = [(UNIT, [127, 84, 0, 1]), (OTHER, [127, 84, 0, 2])];
    let units = places.map(|(device, from)| world.attach(device, from));
    units.iter().for_each(|unit| assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome));
    places.iter().zip(["L-8", "L-9"]).for_each(|((_, from), line)| world.feed.says(line, at(*from), None));
    let held = || {
        let states = [UNIT, OTHER].map(|device| world.carrier.gateway.sessions_of(device).remove(0).state);
        states.iter().filter(|state| **state == State::Held).count()
    };
    let wait_for = |count| {
        let until = Instant::now() + Duration::from_secs(20);
        while held() < count {
            assert!(Instant::now() < until, "{} held", held());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    wait_for(1);
    // Both are judged in one round; another one changes nothing.
    [UNIT, OTHER].iter().for_each(|device| world.carrier.gateway.device_changed(*device));
    let served: u16 = units.iter().map(|unit| unit.ping(SERVICE, 10).0).sum();
    assert_eq!((served, held()), (10, 1));
    let mut config = world.config.clone();
    config.policy.ends_per_hour = 2;
    world.carrier.gateway.reconfigure(config, world.carrier.ca.anchors().clone());
    wait_for(2);
}

/// Where a claim was, as the journal has it: from whom, latitude and radius.
fn place(claim: &str) -> Option<(String, i64, u64)> {
    let claim: serde_json::Value = serde_json::from_str(claim).unwrap();
    let known = claim["outer"]["place"].get("known")?.clone();
    let value = &known["value"];
    let source = known["source"].as_str().unwrap().to_owned();
    Some((source, value["position"]["lat"].as_i64().unwrap(), value["radius_km"].as_u64().unwrap()))
}

#[test]
fn a_claim_is_where_the_line_ends_that_its_address_is_behind_whoevers_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    for (line, position) in [("L-1", Some("37.5,127")), ("L-2", Some("35.1,129")), ("L-3", None)] {
        let position = position.map(|position| position.parse().unwrap());
        let (line, prefixes, region) = (line.parse().unwrap(), Vec::new(), String::new());
        let line = AccessLineRecord { line, prefixes, region, position };
        world.carrier.ledger.add_line(&line, "test", UnixTime::now()).unwrap();
    }
    let claims = [[127, 83, 1, 1], [127, 83, 2, 1], [127, 83, 3, 1], [127, 83, 4, 1]];
    for (line, address) in ["L-1", "L-2", "L-3", "L-4"].into_iter().zip(claims) {
        world.feed.says(line, at(address), None);
        world.attach(UNIT, address).close();
    }
    let admitted = world.records::<Admitted>().into_iter().map(|admitted| admitted.claim);
    let refused = world.records::<Refused>().into_iter().map(|refused| refused.claim);
    let places: Vec<_> = admitted.chain(refused).map(|claim| place(claim.get())).collect();
    let at_line = |lat| Some(("line".to_owned(), lat, 0));
    assert_eq!(places, [at_line(375_000_000), at_line(351_000_000), None, None]);
}

#[test]
fn a_mistake_of_the_feed_refuses_nobody_until_the_feed_has_the_units_line_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let [home, others] = [[127, 85, 0, 1], [127, 85, 0, 2]];
    // The unit's address is in the name of a line that has one of its own.
    world.feed.says("L-9", at(home), None);
    let refused = world.attach(UNIT, home);
    assert!(matches!(refused.outcome, Outcome::Refused(_)), "{:?}", refused.outcome);
    world.feed.says("L-9", at(others), None);
    let unit = world.attach(UNIT, home);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    let [admitted] = &world.records::<Admitted>()[..] else { panic!("one admission") };
    let claim: serde_json::Value = serde_json::from_str(admitted.claim.get()).unwrap();
    assert_eq!(claim["outer"]["line"]["missing"], "doubtful");
    // No mistake: the unit's line is somewhere else.
    world.feed.says("L-1", at([127, 85, 0, 3]), None);
    world.ping_until(&unit, State::Held);
}
