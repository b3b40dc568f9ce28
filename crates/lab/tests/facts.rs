//! What a unit's management system says of it: where it hears other cells than at its line, and beside another claim; and
//! what it is ordered to do about the unit's radio.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::Reason;
use api::{
    KnownOrigins,
    facts::{FactFeed, FactTerms},
};
use gateway::Origins;
use ids::{AccessLine, DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit};
use ledger::{
    DeviceChange, Mode, Scope,
    management::{ManagementOrder, ManagementState, OnlyIf, Task},
};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const UNIT: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x74, 0, 0, 1]);

struct World {
    carrier: Carrier,
    feed: Arc<FactFeed>,
    origins: Arc<KnownOrigins>,
    path: PathBuf,
}

impl World {
    fn new(dir: &Path) -> Self {
        let (path, home) = (dir.join("facts.jsonl"), dir.join("carrier"));
        fs::write(&path, "").unwrap();
        fs::create_dir(&home).unwrap();
        let terms = FactTerms { stale: Duration::from_secs(60), keep: Duration::from_secs(3600) };
        let feed = Arc::new(FactFeed::new(path.clone(), &dir.join("records"), terms).unwrap());
        let origins = Arc::new(KnownOrigins::new(None, Some(feed.clone())));
        let carrier = Carrier::start_knowing(&home, origins.clone(), |_| ()).unwrap();
        carrier.line("L-1", "127.83.1.0/24").unwrap();
        carrier.device(UNIT, "L-1").unwrap();
        Self { carrier, feed, origins, path }
    }

    /// The unit says so now, and whoever follows the feed tells the gateway.
    fn says(&self, facts: &str) {
        let (now, mut file) = (UnixTime::now(), File::options().append(true).open(&self.path).unwrap());
        let times = format!(r#""seen_at":"{now}","at":"{now}""#);
        writeln!(file, r#"{{"v":1,"kind":"device-facts","device":"{UNIT}",{times},{facts}}}"#).unwrap();
        assert_eq!(self.feed.read(now), [UNIT]);
        self.carrier.gateway.device_changed(UNIT);
    }

    fn hears(&self, cells: [u8; 3]) {
        let cells = cells.map(|cell| format!("\"lte:450-08:{cell:x}\"")).join(",");
        self.says(&format!(r#""neighbours":[{cells}]"#));
    }

    /// Whether it hears what it heard at its line.
    fn hears_home(&self) -> Option<bool> {
        let line: AccessLine = "L-1".parse().unwrap();
        self.origins
            .unit(UNIT, Some(&line), UnixTime::now())
            .value()
            .unwrap()
            .neighbours
            .map(|heard| heard.as_at_line)
    }

    /// What the one session of the unit is known by, as the unit would say it.
    fn tunnel(&self) -> String {
        let session = self.carrier.gateway.sessions_of(UNIT).remove(0);
        let (spi, since) = (session.children[0].spi_in, session.since);
        format!(r#""tunnel":{{"esp_spi":"{spi}","created_at":"{since}"}}"#)
    }

    fn orders(&self) -> Vec<ManagementOrder> {
        self.carrier.ledger.management_orders(None, 0, 10).unwrap().rows
    }

    fn order_is(&self, state: ManagementState) -> bool {
        self.orders().last().is_some_and(|order| order.state(UnixTime::now()) == state)
    }

    fn incidents(&self) -> usize {
        self.carrier.ledger.incidents(0, 10).unwrap().rows.len()
    }

    fn attach(&self, outer: [u8; 4]) -> Unit {
        self.carrier.attach(&self.carrier.enrol(UNIT).unwrap(), outer).unwrap()
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_unit_that_hears_wholly_other_cells_than_at_its_line_is_told_and_keeps_its_service_there_and_may_move() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let unit = world.attach([127, 83, 1, 1]);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    world.hears([1, 2, 3]);
    until("its home is not learnt", || world.hears_home() == Some(true));
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    world.hears([10, 11, 12]);
    until("nobody is told", || !world.carrier.ledger.incidents(0, 10).unwrap().rows.is_empty());
    let incidents = world.carrier.ledger.incidents(0, 10).unwrap().rows;
    let kinds: Vec<_> = incidents.iter().map(|incident| incident.kind.as_str()).collect();
    assert_eq!(kinds, ["wrong-hands"]);
    assert_eq!(incidents[0].evidence["claim"]["facts"]["known"]["value"]["neighbours"], false);
    assert_eq!(unit.ping(SERVICE, 1).0, 1, "whoever can speak to management as the unit ends nobody at home");
    unit.close();
    until("its session stands", || !world.carrier.gateway.has_session(UNIT));
    world.hears([3, 4, 5]);
    let home = world.attach([127, 83, 1, 1]);
    assert!(matches!(home.outcome, Outcome::Attached(_)), "{:?}", home.outcome);
    home.close();
    // A move that is booked.
    world.hears([10, 11, 12]);
    let to = DeviceChange { access_line: Some(Some("L-2".parse().unwrap())), ..DeviceChange::default() };
    let (ledger, now) = (&world.carrier.ledger, UnixTime::now());
    world.carrier.line("L-2", "127.83.2.0/24").unwrap();
    ledger.set_device(UNIT, to, "lab", "it moved", Some("dave"), now).unwrap();
    let moved = world.attach([127, 83, 2, 1]);
    assert!(matches!(moved.outcome, Outcome::Attached(_)), "{:?}", moved.outcome);
}

#[test]
fn what_was_said_of_a_unit_since_it_attached_counts_for_its_session_when_another_claims_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let identity = world.carrier.enrol(UNIT).unwrap();
    let began = UnixTime::now();
    let holder = world.carrier.attach(&identity, [127, 83, 1, 1]).unwrap();
    assert!(matches!(holder.outcome, Outcome::Attached(_)), "{:?}", holder.outcome);
    let session = world.carrier.gateway.sessions_of(UNIT).remove(0);
    let esp = session.children[0].spi_in;
    world.says(&format!(r#""tunnel":{{"esp_spi":"{esp}","created_at":"{began}"}}"#));
    let copy = world.carrier.attach(&identity, [127, 83, 1, 2]).unwrap();
    until("nobody is told", || !world.carrier.ledger.incidents(0, 10).unwrap().rows.is_empty());
    let incident = world.carrier.ledger.incidents(0, 10).unwrap().rows.remove(0);
    let facts = |side: &str| incident.evidence[side]["claim"]["facts"]["known"]["value"]["tunnel"].clone();
    assert_eq!((facts("holder"), facts("newcomer")), (true.into(), serde_json::Value::Null), "{incident:?}");
    drop((holder, copy));
}

/// Somebody with another serial number has the key, where nobody knows whose line it is.
fn carried(dir: &Path) -> (World, Unit) {
    let world = World::new(dir);
    let no_line = DeviceChange { access_line: Some(None), ..DeviceChange::default() };
    let (ledger, now) = (&world.carrier.ledger, UnixTime::now());
    ledger.set_device(UNIT, no_line, "lab", "a test", Some("dave"), now).unwrap();
    let unit = world.attach([127, 83, 9, 1]);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    (world, unit)
}

const OTHERS_SERIAL: &str = r#""serial":"02fe74000099""#;

fn radio(on: bool, emergency_call: bool) -> String {
    format!(r#""radio":{{"on":{on},"emergency_call":{emergency_call}}}"#)
}

#[test]
fn the_radio_of_who_was_found_out_is_ordered_off_once_its_emergency_call_is_over_and_facts_say_when_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (world, unit) = carried(dir.path());
    world.says(&format!("{OTHERS_SERIAL},{},{}", world.tunnel(), radio(true, true)));
    until("nothing is ordered", || world.order_is(ManagementState::Waiting));
    let order = world.orders().remove(0);
    assert_eq!((order.task, order.by.as_str(), order.incident), (Task::RadioOff, "admission", Some(1)));
    assert!(matches!(order.only_if, Some(OnlyIf::Tunnel(_))), "{order:?}");
    assert_eq!(order.waits_until, Some(order.at.after(Duration::from_secs(900))));
    assert_eq!(unit.ping(SERVICE, 1).0, 1, "the call goes on");
    world.says(&radio(true, true));
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    world.says(&radio(true, false));
    until("it still waits", || world.order_is(ManagementState::Open));
    until("its session stands", || !world.carrier.gateway.has_session(UNIT));
    world.says(&radio(false, false));
    until("nobody sees that it is off", || world.order_is(ManagementState::Done));
    assert_eq!(world.orders().len(), 1);
    let again = world.attach([127, 83, 9, 1]);
    assert!(matches!(again.outcome, Outcome::Refused(_)), "{:?}", again.outcome);
}

#[test]
fn nothing_is_ordered_of_a_unit_that_sees_another_tunnel_than_the_one_that_was_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _unit) = carried(dir.path());
    let now = UnixTime::now();
    let own = format!(r#""tunnel":{{"ike_spi":"00000000000000ff","created_at":"{now}"}}"#);
    world.says(&format!("{OTHERS_SERIAL},{own},{}", radio(true, false)));
    until("its session stands", || !world.carrier.gateway.has_session(UNIT));
    assert_eq!((world.incidents(), world.orders()), (1, vec![]));
}

#[test]
fn an_order_is_taken_back_once_the_unit_is_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _unit) = carried(dir.path());
    world.says(&format!("{OTHERS_SERIAL},{},{}", world.tunnel(), radio(true, false)));
    until("nothing is ordered", || world.order_is(ManagementState::Open));
    until("its session stands", || !world.carrier.gateway.has_session(UNIT));
    world.says(r#""serial":"02fe74000001""#);
    let unit = world.attach([127, 83, 9, 2]);
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    assert!(world.order_is(ManagementState::Withdrawn), "{:?}", world.orders());
}

#[test]
fn a_claim_from_elsewhere_is_ordered_off_by_the_cells_that_its_box_hears_and_never_beside_the_unit_at_home() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let (ledger, reason, now) = (&world.carrier.ledger, Reason::ForeignNetwork, UnixTime::now());
    ledger.set_mode(reason.code(), &Scope::default(), Mode::Observe, "kim", "a test", now).unwrap();
    world.carrier.gateway.policy_changed();
    let unit = world.attach([127, 83, 1, 1]);
    world.hears([1, 2, 3]);
    until("its home is not learnt", || world.hears_home() == Some(true));
    let others =
        format!(r#""neighbours":["lte:450-08:a","lte:450-08:b","lte:450-08:c"],{}"#, radio(true, false));
    world.says(&others);
    let is_refused = || matches!(world.attach([127, 83, 9, 1]).outcome, Outcome::Refused(_));
    assert!(is_refused());
    assert_eq!((unit.ping(SERVICE, 1).0, world.orders()), (1, vec![]), "somebody is at home");
    unit.close();
    until("its session stands", || !world.carrier.gateway.has_session(UNIT));
    assert!(is_refused());
    let [order] = world.orders().try_into().unwrap();
    assert_eq!((order.only_if, order.state(now)), (Some(OnlyIf::HearsOtherCells), ManagementState::Open));
    // It is back.
    world.hears([1, 2, 3]);
    until("it is to be silenced at home", || world.order_is(ManagementState::Withdrawn));
}
