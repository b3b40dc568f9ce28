//! Journal, ledger and tunnels say the same, whatever fails in between and whoever claims at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{
    Recorded,
    admission::{Admitted, ContestResolved, Contested, Refused, Voided},
    gateway::{Alarm as AlarmEvent, EspNeverSeen, NodeStopped, PathChanged, SessionClosed},
    journal::Tail,
};
use gateway::State;
use ids::DeviceId;
use ike::payload::NotifyType;
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, number])
}

/// A carrier, and what its journal says from now on.
struct World {
    carrier: Carrier,
    tail: Tail,
    database: PathBuf,
}

impl World {
    fn new(dir: &Path) -> Self {
        Self::of(Carrier::start(dir).unwrap(), dir)
    }

    fn of(carrier: Carrier, dir: &Path) -> Self {
        carrier.line(LINE, "127.13.0.0/16").unwrap();
        let tail = Tail::new(&carrier.journal.dir(), carrier.journal.head() + 1);
        Self { carrier, tail, database: dir.join("ledger.sqlite") }
    }

    fn unit(&self, number: u8) -> UnitIdentity {
        self.carrier.device(id(number), LINE).unwrap();
        self.carrier.enrol(id(number)).unwrap()
    }

    fn attach(&self, identity: &UnitIdentity, host: u8) -> Unit {
        self.carrier.attach(identity, [127, 13, 0, host]).unwrap()
    }

    fn attached(&self, identity: &UnitIdentity, host: u8) -> Unit {
        let unit = self.attach(identity, host);
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        unit
    }

    /// The next event of this kind.
    fn next<T: Recorded>(&mut self) -> T {
        let until = Instant::now() + Duration::from_secs(15);
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
        panic!("no {} within 15 s", T::KIND);
    }

    /// All events of a kind, from the first record on.
    fn all<T: Recorded>(&self) -> Vec<T> {
        let mut tail = Tail::new(&self.carrier.journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        records.filter_map(|record| record.read::<T>().unwrap()).collect()
    }

    fn wait_for(&self, what: &str, holds: impl Fn(&Carrier) -> bool) {
        let until = Instant::now() + Duration::from_secs(15);
        while !holds(&self.carrier) {
            assert!(Instant::now() < until, "not within 15 s: {what}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Somebody else writes to the database.
    fn sql(&self, text: &str) {
        let database = Connection::open(&self.database).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database.execute_batch(text).unwrap();
    }

    /// From now on the database refuses a row.
    fn refuse(&self, what: &str) {
        let body = "BEGIN SELECT RAISE(ABORT, 'refused'); END";
        self.sql(&format!("CREATE TRIGGER refuse BEFORE {what} {body}"));
    }

    fn refuse_no_more(&self) {
        self.sql("DROP TRIGGER refuse");
    }

    /// The registrar has tried and failed.
    fn wait_for_failure(&mut self) {
        while !self.next::<AlarmEvent>().raised {}
    }

    fn open_sessions(&self) -> Vec<gateway::SessionView> {
        let sessions = self.carrier.gateway.sessions(None, 10).into_iter();
        sessions.filter(|session| session.state == State::Open).collect()
    }
}

#[test]
fn a_third_claim_while_a_contest_ends_opens_no_second_tunnel() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    drop(world.attached(&identity, 1)); // and says nothing more
    let newcomer = world.attached(&identity, 2);
    let contested: Contested = world.next();
    // The registrar waits for the ledger with the third claim in hand, while the contest ends.
    let ledger = world.carrier.ledger.clone();
    let tx = ledger.begin().unwrap();
    thread::scope(|scope| {
        let third = scope.spawn(|| world.attach(&identity, 3).outcome.clone());
        world.wait_for("the contest ends", |carrier| carrier.gateway.stats().contests == 0);
        drop(tx);
        world.wait_for("the third claim is judged", |carrier| {
            let attaches = carrier.gateway.stats().attaches;
            attaches["admitted"] > 1 || attaches.contains_key("contest-runs")
        });
        world.wait_for("the newcomer is let in", |carrier| {
            let session = carrier.gateway.session(contested.newcomer);
            session.is_some_and(|session| session.state == State::Open)
        });
        let open: Vec<_> = world.open_sessions().iter().map(|session| session.id).collect();
        assert_eq!(open, [contested.newcomer]);
        assert_eq!(newcomer.ping(SERVICE, 1).0, 1);
        assert_eq!(third.join().unwrap(), Outcome::NoTunnel("no answer".into()));
    });
    let resolved: ContestResolved = world.next();
    assert_eq!((resolved.stays, resolved.how.as_str()), (Some(contested.newcomer), "holder-silent"));
    assert_eq!(world.carrier.ledger.lease(id(1)).unwrap().unwrap().session, contested.newcomer);
}

#[test]
fn a_tampered_row_keeps_its_own_unit_out_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let [first, second] = [1, 2].map(|number| world.unit(number));
    world.sql(&format!(
        "UPDATE row SET body = replace(body, 'L-1', 'L-2') WHERE tbl = 'device' AND key = '{}'",
        id(1)
    ));
    let unit = world.attach(&first, 1);
    assert_eq!(unit.outcome, Outcome::Refused(NotifyType::AUTHENTICATION_FAILED));
    let refused: Refused = world.next();
    assert_eq!((refused.device, refused.reason.as_str()), (id(1), "row-tampered"));
    assert!(refused.next.contains("ledger verify"), "{}", refused.next);
    let [incident] = <[_; 1]>::try_from(world.carrier.ledger.incidents(0, 10).unwrap().rows).unwrap();
    assert_eq!((incident.kind.as_str(), incident.devices), ("row-tampered", vec![id(1)]));
    world.attached(&second, 2);
    assert!(world.all::<AlarmEvent>().is_empty(), "the ledger is in reach");
}

#[test]
fn an_admission_that_the_ledger_does_not_take_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    world.refuse("INSERT ON row WHEN NEW.tbl = 'lease'");
    thread::scope(|scope| {
        let carrier = &world.carrier;
        let unit = scope.spawn(|| carrier.attach(&identity, [127, 13, 0, 1]).unwrap());
        let mut tail = Tail::new(&carrier.journal.dir(), 1);
        while tail.next_record().unwrap().is_none_or(|record| record.kind != Voided::KIND) {
            thread::park_timeout(Duration::from_millis(5));
        }
        Connection::open(&world.database).unwrap().execute_batch("DROP TRIGGER refuse").unwrap();
        assert!(matches!(unit.join().unwrap().outcome, Outcome::Attached(_)));
    });
    let admitted: Vec<_> = world.all::<Admitted>().iter().map(|admitted| admitted.session).collect();
    let voided: Vec<_> = world.all::<Voided>().iter().map(|voided| voided.session).collect();
    let (last, earlier) = admitted.split_last().unwrap();
    assert_eq!(earlier, voided, "whoever did not come in was taken back");
    assert_eq!(world.open_sessions()[0].id, *last);
    assert_eq!(world.next::<Admitted>().weighed.used[..2], ["certificate path", "ledger record"]);
}

#[test]
fn a_contest_is_resolved_once_though_the_ledger_fails_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    drop(world.attached(&identity, 1));
    let newcomer = world.attached(&identity, 2);
    world.refuse("INSERT ON row WHEN NEW.tbl = 'lease'");
    let resolved: ContestResolved = world.next();
    world.wait_for_failure();
    assert!(world.open_sessions().iter().all(|session| Some(session.id) != resolved.stays));
    world.refuse_no_more();
    world.wait_for("the newcomer is let in", |carrier| {
        let session = carrier.gateway.session(resolved.stays.unwrap());
        session.is_some_and(|session| session.state == State::Open)
    });
    assert_eq!(newcomer.ping(SERVICE, 1).0, 1);
    assert_eq!(world.next::<SessionClosed>().why, "holder-silent");
    assert_eq!(world.all::<ContestResolved>(), [resolved]);
    assert!(world.all::<Voided>().is_empty());
}

#[test]
fn two_that_live_are_named_in_one_incident_though_the_ledger_fails_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let holder = world.attached(&identity, 1);
    let copy = world.attached(&identity, 2);
    let contested: Contested = world.next();
    world.refuse("INSERT ON row WHEN NEW.tbl = 'incident'");
    world.wait_for_failure();
    world.refuse_no_more();
    assert!(copy.wait_deleted(Duration::from_secs(10)).is_some());
    let resolved: ContestResolved = world.next();
    assert_eq!((resolved.stays, resolved.goes), (Some(contested.holder), contested.newcomer));
    assert_eq!((resolved.how.as_str(), resolved.reason.as_deref()), ("holder-alive", Some("second-claim")));
    assert_eq!(resolved.weighed.conclusion.as_deref(), Some("undecided"));
    assert!(resolved.weighed.missing.iter().any(|name| name == "rolling proof"));
    let incident = world.carrier.ledger.incident(resolved.incident.unwrap()).unwrap().unwrap();
    assert_eq!((incident.kind.as_str(), incident.repeats), ("second-claim", 0));
    assert_eq!(world.carrier.ledger.incidents(0, 10).unwrap().rows.len(), 1);
    assert_eq!(world.all::<ContestResolved>().len(), 1);
    assert_eq!(holder.ping(SERVICE, 1).0, 1);
    assert_eq!(world.carrier.ledger.verify().unwrap().findings, []);
}

#[test]
fn the_end_of_a_session_is_recorded_once_though_the_ledger_fails_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attached(&identity, 1);
    world.refuse("DELETE ON row WHEN OLD.tbl = 'lease'");
    unit.close();
    world.wait_for_failure();
    world.refuse_no_more();
    world.wait_for("the lease is free", |carrier| carrier.ledger.lease(id(1)).unwrap().is_none());
    let closed: SessionClosed = world.next();
    world.attached(&identity, 1);
    assert_eq!(world.all::<SessionClosed>(), [closed]);
}

#[test]
fn a_holder_that_is_cut_did_not_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let _holder = world.attached(&identity, 1);
    let newcomer = world.attached(&identity, 2);
    let contested: Contested = world.next();
    assert!(world.carrier.gateway.cut(contested.holder, "kim", "it was carried off"));
    let resolved: ContestResolved = world.next();
    assert_eq!((resolved.stays, resolved.how.as_str()), (Some(contested.newcomer), "holder-ended"));
    world.wait_for("the newcomer is let in", |carrier| {
        carrier.gateway.session(contested.newcomer).is_some_and(|session| session.state == State::Open)
    });
    assert_eq!(newcomer.ping(SERVICE, 1).0, 1);
}

#[test]
fn a_newcomer_that_leaves_its_line_while_it_contests_opens_into_a_hold() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    drop(world.attached(&identity, 1));
    let mut newcomer = world.attached(&identity, 2);
    newcomer.move_to([127, 66, 0, 2].into()).unwrap();
    newcomer.check_gateway().unwrap();
    assert_eq!(world.next::<PathChanged>().on_line, Some(false));
    let resolved: ContestResolved = world.next();
    world.wait_for("the newcomer has the lease", |carrier| {
        let session = carrier.gateway.session(resolved.stays.unwrap()).unwrap();
        session.state != State::Contesting
    });
    assert!(world.open_sessions().is_empty());
    assert_eq!(newcomer.ping(SERVICE, 1).0, 0);
    newcomer.move_to([127, 13, 0, 3].into()).unwrap();
    newcomer.ping(SERVICE, 1); // by which the gateway sees that it is back
    world.wait_for("the hold is over", |_| !world.open_sessions().is_empty());
    assert_eq!(newcomer.ping(SERVICE, 1).0, 1);
}

#[test]
fn what_a_stop_leaves_unwritten_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let _unit = world.attached(&identity, 1);
    let other = Connection::open(&world.database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.carrier.gateway.shutdown();
    assert_eq!(world.next::<NodeStopped>().unwritten, 1, "the end of its session");
}

#[test]
fn a_unit_whose_esp_never_comes_in_udp_is_an_event_and_one_that_sends_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let soon = |config: &mut gateway::GatewayConfig| config.esp_expected_within = Duration::from_secs(1);
    let mut world = World::of(Carrier::start_with(dir.path(), soon).unwrap(), dir.path());
    let (sends, is_silent) = (world.unit(1), world.unit(2));
    let sends = world.attached(&sends, 1);
    assert_eq!(sends.ping(SERVICE, 1).0, 1);
    let silent = world.attached(&is_silent, 2);
    let told: EspNeverSeen = world.next();
    let session = world.carrier.gateway.sessions_of(id(2)).remove(0);
    assert_eq!((told.device, told.session, told.spi), (id(2), session.id, session.children[0].spi_in));
    drop((sends, silent));
    world.carrier.gateway.shutdown();
    let mut rest = std::iter::from_fn(|| world.tail.next_record().unwrap());
    assert!(!rest.any(|record| record.kind == EspNeverSeen::KIND), "once, and for that unit alone");
}
