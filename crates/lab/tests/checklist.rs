//! Lines of the conformance checklist for a security gateway that only a whole attach can answer for: on
//! real sockets, read back from the journal and the ledger.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{
    Recorded,
    admission::{Admitted, Refused},
    gateway::{PathChanged, SessionClosed},
    journal::Tail,
    ledger::{Committed, RowChanged},
};
use gateway::{GatewayConfig, State};
use ids::{DeviceId, Sha256, UnixTime};
use ike::DeletedBy;
use lab::{Carrier, Outcome, SERVICE, Unit, UnitIdentity};
use ledger::{AccessLineRecord, LifeCycle, Presence};
use serde_json::{Value, value::RawValue};
use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

const LINE: &str = "L-1";
const NETWORK: u8 = 12;

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x72, 0, 0, number])
}

/// A carrier, and what its journal says from now on.
struct World {
    carrier: Carrier,
    tail: Tail,
}

impl World {
    fn new(dir: &Path) -> Self {
        Self::with(dir, |_| ())
    }

    fn with(dir: &Path, adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let carrier = Carrier::start_with(dir, adjust).unwrap();
        carrier.line(LINE, &format!("127.{NETWORK}.0.0/16")).unwrap();
        let tail = Tail::new(&carrier.journal.dir(), carrier.journal.head() + 1);
        Self { carrier, tail }
    }

    fn unit(&self, number: u8) -> UnitIdentity {
        self.carrier.device(id(number), LINE).unwrap();
        self.carrier.enrol(id(number)).unwrap()
    }

    fn attach(&self, identity: &UnitIdentity, host: u8) -> Unit {
        self.carrier.attach(identity, [127, NETWORK, 0, host]).unwrap()
    }

    /// The next event of this kind.
    fn next<T: Recorded>(&mut self) -> T {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            match self.tail.next_record().unwrap() {
                Some(record) => {
                    if let Some(event) = record.read::<T>().unwrap() {
                        return event;
                    }
                }
                None => std::thread::park_timeout(Duration::from_millis(5)),
            }
        }
        panic!("no {} within 10 s", T::KIND);
    }
}

impl World {
    fn wait_for_state(&self, state: State) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.carrier.gateway.sessions(None, 1)[0].state != state {
            assert!(Instant::now() < until, "the session is not {state:?} within 10 s");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

fn inner(unit: &Unit) -> IpAddr {
    let Outcome::Attached(attached) = &unit.outcome else { panic!("{:?}", unit.outcome) };
    attached.inner.into()
}

#[test]
fn section_4_line_8_a_revoked_certificate_is_refused_and_what_was_looked_at_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attach(&identity, 1);
    inner(&unit);
    let claim = read(&world.next::<Admitted>().claim);
    assert_eq!(claim["revocation"]["known"]["value"], "good");
    assert_eq!(claim["revocation"]["known"]["source"], "ledger");
    unit.close();
    world.next::<SessionClosed>();

    let before = UnixTime::now();
    let cert = x509::Certificate::from_der(&identity.chain[0]).unwrap().sha256();
    world.carrier.ledger.revoke(cert, None, "kim", "key seen elsewhere", before).unwrap();
    let again = world.attach(&identity, 1);
    assert!(matches!(again.outcome, Outcome::Refused(_)), "{:?}", again.outcome);
    let refused: Refused = world.next();
    assert_eq!((refused.reason.as_str(), refused.cert_sha256), ("revoked", cert));
    let looked = &read(&refused.claim)["revocation"]["known"];
    assert_eq!(looked["value"]["revoked"]["why"], "key seen elsewhere");
    assert_eq!(looked["source"], "ledger");
    let observed_at: UnixTime = serde_json::from_value(looked["observed_at"].clone()).unwrap();
    assert!(observed_at >= before && observed_at <= UnixTime::now(), "{observed_at}");
}

#[test]
fn a_refused_key_that_is_tried_again_and_again_does_not_fill_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let [lost, other] = [1, 2].map(|number| world.unit(number));
    for number in [1, 2] {
        let now = UnixTime::now();
        world.carrier.ledger.move_device(id(number), LifeCycle::Lost, "kim", "gone", None, now).unwrap();
    }
    for _ in 0..40 {
        let outcome = world.attach(&lost, 1).outcome.clone();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
    world.attach(&other, 2);
    let of_another = std::iter::from_fn(|| Some(world.next::<Refused>().device));
    assert_eq!(of_another.take_while(|device| *device == id(1)).count(), 3);
}

/// In order: the incident is in the journal before the refusal, that before the unit hears of it, and nothing of the unit
/// is in between that could have let it in.
#[test]
fn a_lost_unit_that_returns_is_refused_and_its_incident_has_all_that_it_presented_before_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attach(&identity, 1);
    inner(&unit);
    unit.close();
    world.next::<SessionClosed>();
    world.carrier.ledger.move_device(id(1), LifeCycle::Lost, "kim", "gone", None, UnixTime::now()).unwrap();
    let returned = world.attach(&identity, 7);
    assert!(matches!(returned.outcome, Outcome::Refused(_)), "{:?}", returned.outcome);
    let incident = world.carrier.ledger.incidents(0, 10).unwrap().rows.pop().expect("it is there by now");
    assert_eq!((incident.kind.as_str(), incident.devices.as_slice()), ("lost", &[id(1)][..]));
    let of_journal: Vec<_> = std::iter::from_fn(|| world.tail.next_record().unwrap()).collect();
    let place = |what: &dyn Fn(&events::Record) -> bool| of_journal.iter().position(what);
    let opened = place(&|record| {
        let changed = record.read::<RowChanged>().unwrap();
        changed.is_some_and(|changed| changed.table == "incident")
    });
    let stands = place(&|record| {
        record.read::<Committed>().unwrap().is_some_and(|_| record.seq > of_journal[opened.unwrap()].seq)
    });
    let refused = place(&|record| record.read::<Refused>().unwrap().is_some());
    assert!(opened.is_some() && opened < stands && stands < refused, "{opened:?} {stands:?} {refused:?}");
    assert_eq!(place(&|record| record.read::<Admitted>().unwrap().is_some()), None);
    let refused = of_journal[refused.unwrap()].read::<Refused>().unwrap().unwrap();
    let claim = &incident.evidence["claim"];
    assert_eq!((&read(&refused.claim), refused.reason.as_str()), (claim, "lost"));
    let certificate = x509::Certificate::from_der(&identity.chain[0]).unwrap();
    assert_eq!(claim["outer"]["address"], returned.outer.to_string());
    assert_eq!((&claim["idi"], &claim["serial"]), (&identity.name.into(), &certificate.serial().into()));
    assert_eq!(claim["cert_sha256"], certificate.sha256().to_string());
    assert!(claim["path"].as_array().unwrap().len() > 1, "down to the anchor");
    assert_fingerprint(&claim["fingerprint"]["known"]["value"]);
}

#[test]
fn section_4_line_13_an_attach_is_recorded_with_all_that_tells_it_from_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attach(&identity, 9);
    let admitted: Admitted = world.next();
    let certificate = x509::Certificate::from_der(&identity.chain[0]).unwrap();
    assert_eq!(admitted.outer, unit.outer);
    assert_eq!(admitted.inner, [inner(&unit)]);
    assert_eq!(admitted.cert_sha256, certificate.sha256());
    assert_eq!((admitted.device, admitted.line.unwrap().to_string()), (id(1), LINE.to_owned()));
    let claim = read(&admitted.claim);
    assert_eq!(claim["idi"], identity.name);
    assert_eq!(claim["outer"]["address"], unit.outer.to_string());
    assert_eq!(claim["serial"], certificate.serial());
    let ski: String = certificate.ski().unwrap().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(claim["ski"]["known"]["value"], ski);
    let path: Vec<Sha256> = serde_json::from_value(claim["path"].clone()).unwrap();
    assert_eq!(path[0], certificate.sha256());
    assert!(path.len() > 1, "down to the anchor");
    for side in ["initiator", "responder"] {
        let spi = u64::from_str_radix(claim["ike_spis"][side].as_str().unwrap(), 16).unwrap();
        assert_ne!(spi, 0, "{side}");
    }
    assert_fingerprint(&claim["fingerprint"]["known"]["value"]);
}

/// The claim of an event.
fn read(claim: &RawValue) -> Value {
    serde_json::from_str(claim.get()).unwrap()
}

/// What our own initiator sends by default.
fn assert_fingerprint(seen: &Value) {
    assert_eq!(seen["vendor_ids"], Value::Array(Vec::new()));
    let proposals = seen["proposals"].as_array().unwrap();
    assert_eq!(proposals.len(), 4, "AEAD and other, of IKE and of ESP: {proposals:?}");
    assert!(proposals[0].as_str().unwrap().starts_with("1.1: 1:20/256 1:20/128 "), "{proposals:?}");
    assert!(proposals[2].as_str().unwrap().starts_with("1.3: 1:20/256 1:20/128 "), "{proposals:?}");
    assert_eq!(seen["key_exchange"], 31);
    assert_eq!(seen["nonce_length"], 32);
    assert!(seen["notifies"].as_array().unwrap().contains(&Value::from(16_430)), "fragmentation is said");
    assert!(seen["fragment_sizes"].as_array().unwrap().iter().all(|size| size.as_u64().unwrap() > 0));
    let init_to_auth_us: u64 = seen["init_to_auth_us"].as_str().unwrap().parse().unwrap();
    assert!((1..10_000_000).contains(&init_to_auth_us), "time is taken");
}

#[test]
fn section_4_line_14_an_inner_address_is_told_with_its_unit_and_taken_back_when_that_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identities = [1, 2].map(|number| world.unit(number));
    let units = [1, 2].map(|number| world.attach(&identities[usize::from(number) - 1], number));
    for unit in &units {
        let admitted: Admitted = world.next();
        let session = world.carrier.gateway.session(admitted.session).unwrap();
        assert_eq!((&session.inner, session.device), (&admitted.inner, admitted.device));
        assert_eq!(session.inner, [inner(unit)]);
    }
    assert_ne!(inner(&units[0]), inner(&units[1]));
    units[0].close();
    let closed: SessionClosed = world.next();
    assert_eq!(closed.device, id(1));
    assert_eq!(world.carrier.gateway.session(closed.session), None);
    let left = world.carrier.gateway.sessions(None, 10);
    assert_eq!(left.iter().map(|session| session.device).collect::<Vec<_>>(), [id(2)]);
}

#[test]
fn section_4_line_16_a_unit_that_leaves_its_line_passes_no_packet_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let mut unit = world.attach(&identity, 1);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
    for (outer, on_line) in [([127, 66, 0, 1], false), ([127, NETWORK, 0, 2], true)] {
        unit.move_to(outer.into()).unwrap();
        unit.ping(SERVICE, 1); // by which the gateway sees that it moved
        let moved: PathChanged = world.next();
        assert_eq!((moved.to, moved.on_line), (unit.outer, Some(on_line)));
        world.wait_for_state(if on_line { State::Open } else { State::Held });
        assert_eq!(unit.ping(SERVICE, 1).0, u16::from(on_line));
    }
}

#[test]
fn section_4_line_25_the_tunnel_of_a_unit_that_does_not_authenticate_anew_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::with(dir.path(), |config| config.auth_lifetime = Duration::from_secs(2));
    let unit = world.attach(&world.unit(1), 1);
    let session = world.carrier.gateway.sessions(None, 1)[0].clone();
    assert!(session.until <= UnixTime::now().after(Duration::from_secs(2)), "{session:?}");
    assert_eq!(unit.wait_deleted(Duration::from_secs(10)), Some(DeletedBy::Peer));
    assert_eq!(world.next::<SessionClosed>().why, "expired");
}

#[test]
fn a_line_whose_networks_change_holds_the_units_that_are_outside_now_until_they_are_inside_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attach(&identity, 1);
    inner(&unit);
    let line_is_now = |network: &str| {
        let (line, prefixes) = (LINE.parse().unwrap(), vec![network.parse().unwrap()]);
        let set = |line: &mut AccessLineRecord| line.prefixes = prefixes;
        world.carrier.ledger.set_line(&line, set, "kim", UnixTime::now()).unwrap();
        world.carrier.gateway.device_changed(id(1));
    };
    line_is_now("127.99.0.0/16");
    world.wait_for_state(State::Held);
    line_is_now(&format!("127.{NETWORK}.0.0/16"));
    world.wait_for_state(State::Open);
    assert_eq!(unit.ping(SERVICE, 1).0, 1);
}

#[test]
fn a_revoked_certificate_ends_the_session_that_it_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let unit = world.attach(&identity, 1);
    inner(&unit);
    let cert = x509::Certificate::from_der(&identity.chain[0]).unwrap().sha256();
    world.carrier.ledger.revoke(cert, None, "kim", "key seen elsewhere", UnixTime::now()).unwrap();
    world.carrier.gateway.device_changed(id(1));
    assert!(unit.wait_deleted(Duration::from_secs(10)).is_some());
    let closed: SessionClosed = world.next();
    assert_eq!(closed.device, id(1));
}

#[test]
fn a_unit_is_live_by_its_first_attach_and_silent_by_itself_once_it_is_not_seen_for_long() {
    const LIMIT: Duration = Duration::from_secs(14 * 86_400);
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let identity = world.unit(1);
    let mut presence = Presence::default();
    let mut round = |world: &World, served| {
        let (seen, now) = (world.carrier.gateway.take_seen(), UnixTime::now());
        world.carrier.ledger.tend_presence(&mut presence, &seen, served, LIMIT, now).unwrap();
        world.carrier.ledger.device(id(1)).unwrap().unwrap().state
    };
    assert_eq!(round(&world, 20 * LIMIT), LifeCycle::Installed);
    let unit = world.attach(&identity, 1);
    inner(&unit);
    assert_eq!(round(&world, Duration::ZERO), LifeCycle::Live);
    assert_eq!(round(&world, 2 * LIMIT), LifeCycle::Live, "it is attached");
    unit.close();
    world.next::<SessionClosed>();
    assert_eq!(round(&world, 2 * LIMIT), LifeCycle::Live, "it was there a moment ago");
    assert_eq!(round(&world, 2 * LIMIT), LifeCycle::Silent);
    // It comes and goes between two rounds.
    let unit = world.attach(&identity, 1);
    inner(&unit);
    unit.close();
    world.next::<SessionClosed>();
    assert_eq!(round(&world, Duration::ZERO), LifeCycle::Live);
}
