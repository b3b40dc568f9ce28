//! What a unit's management system says of it: where it hears other cells than at its line, and beside another claim.
#![allow(clippy::unwrap_used, reason = "tests")]

use api::{
    KnownOrigins,
    facts::{FactFeed, FactTerms},
};
use gateway::Origins;
use ids::{AccessLine, DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit};
use ledger::DeviceChange;
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
        self.origins.unit(UNIT, Some(&line), UnixTime::now()).value().unwrap().neighbours
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
