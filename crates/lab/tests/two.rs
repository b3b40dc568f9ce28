//! Two who hold one key, at a gateway that is told by a table where they are: who goes, who stays, and what is told of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::{Evidence, Located, Missing};
use api::incident::Replay;
use gateway::{Alarm, GatewayConfig, NoOrigins, Origins, Quarantine, State};
use ids::{AccessLine, DeviceId, SourceClass, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::{Incident, NewDevice, trust::SignalKind};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const UNIT: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x75, 0, 0, 1]);
const HOME: [u8; 4] = [127, 85, 1, 1];
const AWAY: [u8; 4] = [127, 85, 2, 1];

/// Whose line an address is, and what kind of network it is in.
#[derive(Default)]
struct Table {
    lines: Mutex<HashMap<IpAddr, AccessLine>>,
    classes: Mutex<HashMap<IpAddr, SourceClass>>,
}

impl Table {
    fn line_of(&self, address: [u8; 4], line: &str) {
        self.lines.lock().unwrap().insert(address.into(), line.parse().unwrap());
    }

    fn class_of(&self, address: [u8; 4], class: SourceClass) {
        self.classes.lock().unwrap().insert(address.into(), class);
    }
}

fn known<T: Clone>(table: &Mutex<HashMap<IpAddr, T>>, address: IpAddr) -> Evidence<T> {
    let found = table.lock().unwrap().get(&address).cloned();
    found.map_or(Evidence::Missing(Missing::NoRecord), |value| Evidence::seen(value, "test", UnixTime::now()))
}

impl Origins for Table {
    fn line(&self, peer: SocketAddr, _: Option<&AccessLine>, _: UnixTime) -> Evidence<AccessLine> {
        known(&self.lines, peer.ip())
    }

    fn source(&self, address: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>) {
        (known(&self.classes, address), NoOrigins.source(address).1)
    }
}

struct World {
    carrier: Carrier,
    table: Arc<Table>,
    identity: UnitIdentity,
    config: GatewayConfig,
}

impl World {
    fn with(dir: &Path, adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let (table, mut started_by) = (Arc::new(Table::default()), None);
        let (pool_v4, reach) = (Some("10.99.0.0/24".parse().unwrap()), vec!["10.0.0.5".parse().unwrap()]);
        let carrier = Carrier::start_knowing(dir, table.clone(), |config| {
            config.quarantine = Some(Quarantine { pool_v4, pool_v6: None, reach });
            adjust(config);
            started_by = Some(config.clone());
        });
        let (carrier, config) = (carrier.unwrap(), started_by.unwrap());
        let cells = ["lte:450-08:1a2b3c4".parse().unwrap()].into();
        let line = Some("L-1".parse().unwrap());
        let new = NewDevice { access_line: line, cells, ..NewDevice::installed(UNIT) };
        carrier.ledger.add_device(new, "lab", UnixTime::now()).unwrap();
        let identity = carrier.enrol(UNIT).unwrap();
        Self { carrier, table, identity, config }
    }

    fn attach(&self, from: [u8; 4]) -> Unit {
        self.carrier.attach(&self.identity, from).unwrap()
    }

    fn attached(&self, from: [u8; 4]) -> Unit {
        let unit = self.attach(from);
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        unit
    }

    fn states(&self) -> Vec<State> {
        self.carrier.gateway.sessions_of(UNIT).iter().map(|session| session.state).collect()
    }

    fn incidents(&self) -> Vec<Incident> {
        self.carrier.ledger.incidents(0, 10).unwrap().rows
    }

    fn kinds(&self) -> Vec<String> {
        self.incidents().into_iter().map(|incident| incident.kind).collect()
    }

    /// How far its cell can be trusted, by what is written down.
    fn falls(&self) -> Vec<SignalKind> {
        let cell = "lte:450-08:1a2b3c4".parse().unwrap();
        let reading = self.carrier.ledger.cell_trust(cell, UnixTime::now()).unwrap();
        let kinds = SignalKind::ALL.iter().filter(|kind| kind.rule().falls_to.is_some());
        kinds.filter(|kind| reading.reasons.iter().any(|one| one.what == kind.as_str())).copied().collect()
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: {:?} {:?}", self.states(), self.kinds());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_copy_that_is_found_out_beyond_the_ceiling_goes_by_itself_once_there_is_room_and_the_unit_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |config| config.policy.ends_per_hour = 0);
    world.table.class_of(AWAY, SourceClass::Hosting);
    world.table.class_of(HOME, SourceClass::OwnFixed);
    let copy = world.attached(AWAY);
    let unit = world.attached(HOME);
    world.until("the unit waits", |world| world.states() == [State::Open, State::Quarantined]);
    let told = world.incidents().remove(0);
    assert_eq!((told.kind.as_str(), &told.evidence["ceiling_reached"]), ("second-claim", &true.into()));
    assert_eq!(copy.ping(SERVICE, 1).0, 1);

    let mut config = world.config.clone();
    config.policy.ends_per_hour = 1;
    world.carrier.gateway.reconfigure(config, world.carrier.ca.anchors().clone());
    let patience = Duration::from_secs(10);
    assert!(copy.wait_deleted(patience).is_some(), "{:?}", world.states());
    assert!(unit.wait_deleted(patience).is_some(), "{:?}", world.states());
    world.until("the lease is free", |world| world.carrier.ledger.lease(UNIT).unwrap().is_none());
    assert_eq!(world.kinds(), ["second-claim", "clone"]);
    assert_eq!(world.attached(HOME).ping(SERVICE, 1).0, 1);
}

#[test]
fn a_unit_that_has_a_newer_certificate_than_its_copy_comes_back_as_well_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |config| config.policy.ends_per_hour = 0);
    world.table.class_of(AWAY, SourceClass::Hosting);
    world.table.class_of(HOME, SourceClass::OwnFixed);
    let copy = world.attached(AWAY);
    let newer = world.carrier.enrol(UNIT).unwrap();
    let unit = world.carrier.attach(&newer, HOME).unwrap();
    world.until("the unit waits", |world| world.states() == [State::Open, State::Quarantined]);

    let mut config = world.config.clone();
    config.policy.ends_per_hour = 1;
    world.carrier.gateway.reconfigure(config, world.carrier.ca.anchors().clone());
    let patience = Duration::from_secs(10);
    assert!(copy.wait_deleted(patience).is_some(), "{:?} {:?}", world.states(), world.kinds());
    assert!(unit.wait_deleted(patience).is_some(), "{:?}", world.states());
}

#[test]
fn copies_from_anothers_line_beside_the_unit_at_home_are_one_incident_with_both_and_the_unit_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |_| ());
    world.table.line_of(HOME, "L-1");
    world.table.line_of(AWAY, "L-9");
    let unit = world.attached(HOME);
    let refused = |world: &World| {
        let copy = world.attach(AWAY);
        assert!(matches!(copy.outcome, Outcome::Refused(_)), "{:?}", copy.outcome);
    };
    refused(&world);
    assert_eq!(world.incidents(), [], "who has not been heard of yet may have been carried there");
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    (0..8).for_each(|_| refused(&world));
    let [incident] = &world.incidents()[..] else { panic!("{:?}", world.kinds()) };
    assert_eq!((incident.kind.as_str(), incident.repeats), ("clone", 2), "three are written down at once");
    assert_eq!(incident.evidence["conclusion"], "newcomer-is-clone");
    let replay = Replay::of(incident, &world.carrier.journal.dir()).unwrap().unwrap();
    let same: Vec<_> = replay.earlier.iter().chain([&replay.last]).map(|one| one.same).collect();
    assert_eq!((replay.device, same), (UNIT, vec![true; 3]), "each time that it was told");
    assert!(replay.earlier.iter().all(|one| one.at < replay.last.at), "{replay:?}");
    let sides = incident.sides().unwrap();
    assert_eq!((sides.newcomer.from, sides.holder.unwrap().from), (AWAY.into(), HOME.into()));
    let attaches = world.carrier.gateway.stats().attaches;
    assert_eq!((attaches["clone"], attaches.get("contested")), (8, None));
    assert_eq!((world.states(), unit.ping(SERVICE, 1).0), (vec![State::Open], 1));
    assert_eq!(world.falls(), [], "whoever shows a copied key takes nothing from the unit's cells");
}

/// Changes a row of the unit behind Truecell's back.
fn tamper(dir: &Path, table: &str) {
    let database = rusqlite::Connection::open(dir.join("ledger.sqlite")).unwrap();
    let forged = "UPDATE row SET body = replace(body, ':', ': ') WHERE tbl = ?1 AND key = ?2";
    assert_eq!(database.execute(forged, [table, &UNIT.to_string()]).unwrap(), 1);
}

#[test]
fn a_unit_whose_profile_was_tampered_with_gets_in_by_the_rest_and_that_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |_| ());
    world.table.line_of(HOME, "L-1");
    world.attached(HOME).close();
    tamper(dir.path(), "profile");
    for _ in 0..2 {
        let unit = world.attached(HOME);
        assert_eq!(unit.ping(SERVICE, 1).0, 1);
        unit.close();
    }
    let [incident] = &world.incidents()[..] else { panic!("{:?}", world.kinds()) };
    assert_eq!((incident.kind.as_str(), incident.repeats), ("row-tampered", 0));
    assert_eq!((&incident.devices[..], &incident.evidence["table"]), (&[UNIT][..], &"profile".into()));
    assert_eq!(world.falls(), []);
    assert_eq!(world.carrier.ledger.verify().unwrap().findings, [], "it is written anew");
}

#[test]
fn the_cells_of_a_unit_whose_row_was_tampered_with_are_suspect_once_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), |_| ());
    world.table.line_of(HOME, "L-1");
    world.attached(HOME).close();
    tamper(dir.path(), "device");
    let refused = world.attach(HOME);
    assert!(matches!(refused.outcome, Outcome::Refused(_)), "{:?}", refused.outcome);
    assert_eq!(
        (world.kinds(), world.falls()),
        (vec!["row-tampered".to_owned()], vec![SignalKind::RowTampered])
    );
}

/// No row of that table is written, or else no transaction ends well after its intents are on disk.
const STUCK: [[&str; 2]; 2] = [
    [
        "CREATE TRIGGER stuck BEFORE UPDATE ON row WHEN NEW.tbl = 'lease'
         BEGIN SELECT RAISE(ABORT, 'stuck'); END",
        "DROP TRIGGER stuck",
    ],
    [
        "CREATE TABLE no_such (id INTEGER PRIMARY KEY);
         CREATE TABLE stuck (id REFERENCES no_such DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER stuck_row AFTER UPDATE ON row BEGIN INSERT INTO stuck VALUES (1); END",
        "DROP TRIGGER stuck_row; DROP TABLE stuck; DROP TABLE no_such",
    ],
];

#[test]
fn how_a_contest_ends_and_its_incident_agree_though_it_could_not_be_written_at_once_and_other_things_are_known_by_then()
 {
    for [stuck, again] in STUCK {
        let dir = tempfile::tempdir().unwrap();
        let world = World::with(dir.path(), |_| ());
        world.table.class_of(AWAY, SourceClass::Hosting);
        world.table.class_of(HOME, SourceClass::OwnFixed);
        let copy = world.attached(AWAY);
        let unit = world.attached(HOME);
        let database = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
        database.execute_batch(stuck).unwrap();
        world.until("the ledger takes nothing", |world| {
            world.carrier.gateway.health().alarms.contains_key(&Alarm::LedgerUnreachable)
        });
        // By now the unit would be taken for the copy.
        world.table.class_of(AWAY, SourceClass::OwnFixed);
        world.table.class_of(HOME, SourceClass::Hosting);
        database.execute_batch(again).unwrap();
        assert!(copy.wait_deleted(Duration::from_secs(10)).is_some(), "{:?}", world.states());
        world.until("the unit has its place", |world| world.states() == [State::Open]);
        assert_eq!(unit.ping(SERVICE, 1).0, 1);
        let [incident] = &world.incidents()[..] else { panic!("{:?}", world.kinds()) };
        assert_eq!((incident.kind.as_str(), incident.repeats), ("clone", 0));
        assert_eq!(incident.evidence["conclusion"], "holder-is-clone");
        assert_eq!(world.carrier.ledger.verify().unwrap().findings, []);
    }
}
