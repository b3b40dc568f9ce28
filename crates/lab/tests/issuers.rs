//! What a foreign CA says of a unit's certificate, and what becomes of its tunnel, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use events::{Recorded, admission::Refused, gateway::SessionClosed, journal::Tail};
use gateway::Issuers;
use ids::{CertSha256, DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, UnitIdentity};
use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use x509::{CrlReason, Revoked, Standing};

const DEVICE: DeviceId = DeviceId::eui48([2, 0, 0, 0, 0, 1]);
const HOME: [u8; 4] = [127, 66, 0, 1];
const HOUR: Duration = Duration::from_secs(3600);

/// A CA that says of every certificate what it is told to.
struct Says(Mutex<Standing>);

impl Issuers for Says {
    fn standing(
        &self,
        path: &[CertSha256],
        serial: &str,
        _: Option<DeviceId>,
        _: UnixTime,
    ) -> Option<Standing> {
        assert!(path.len() > 1 && !serial.is_empty());
        Some(*self.0.lock().unwrap())
    }

    fn trouble(&self, _: UnixTime) -> Option<String> {
        None
    }
}

struct World {
    carrier: Carrier,
    issuer: Arc<Says>,
    unit: UnitIdentity,
    _dir: TempDir,
}

impl World {
    fn new(standing: Standing) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = Arc::new(Says(Mutex::new(standing)));
        let carrier = Carrier::start_asking(dir.path(), issuer.clone()).unwrap();
        carrier.line("L-1", "127.66.0.0/16").unwrap();
        carrier.device(DEVICE, "L-1").unwrap();
        let unit = carrier.enrol(DEVICE).unwrap();
        Self { carrier, issuer, unit, _dir: dir }
    }

    fn says(&self, standing: Standing) {
        *self.issuer.0.lock().unwrap() = standing;
    }

    fn outcome(&self) -> Outcome {
        let unit = self.carrier.attach(&self.unit, HOME).unwrap();
        unit.close();
        unit.outcome.clone()
    }

    fn is_refused_for(&self, reason: &str) {
        let outcome = self.outcome();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        let refused: Refused = last(&self.carrier);
        assert_eq!(refused.reason, reason);
    }

    fn is_admitted(&self) {
        let outcome = self.outcome();
        assert!(matches!(outcome, Outcome::Attached(_)), "{outcome:?}");
    }
}

/// The last record of its kind; waits for one for at most 20 s.
fn last<T: Recorded>(carrier: &Carrier) -> T {
    let mut found = None;
    until(|| {
        let mut tail = Tail::new(&carrier.journal.dir(), 1);
        while let Some(record) = tail.next_record().unwrap() {
            found = record.read().unwrap().or(found.take());
        }
        found.is_some()
    });
    found.unwrap()
}

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "it never came to be");
        thread::park_timeout(Duration::from_millis(10));
    }
}

fn good() -> Standing {
    Standing::Good { until: UnixTime::now().after(HOUR) }
}

fn revoked() -> Standing {
    Standing::Revoked(Revoked { at: UnixTime::now(), reason: Some(CrlReason::KeyCompromise) })
}

fn unknown(grace: Option<Duration>) -> Standing {
    let since = UnixTime::now().before(HOUR);
    Standing::Unknown { since, grace_until: grace.map(|grace| since.after(grace)) }
}

#[test]
fn a_certificate_that_its_foreign_ca_revokes_ends_the_session_and_opens_none_any_more() {
    let world = World::new(good());
    let unit = world.carrier.attach(&world.unit, HOME).unwrap();
    assert_eq!(unit.ping(SERVICE, 3).0, 3);
    world.says(revoked());
    world.carrier.gateway.device_changed(DEVICE);
    let closed: SessionClosed = last(&world.carrier);
    assert_eq!((closed.device, closed.why.as_str()), (DEVICE, "device"));
    unit.close();
    world.is_refused_for("revoked-by-issuer");
    let refused: Refused = last(&world.carrier);
    assert!(refused.claim.get().contains("\"keyCompromise\""), "{}", refused.claim);
    assert!(refused.weighed.used.iter().any(|name| name == "revocation"));
}

#[test]
fn a_foreign_ca_that_says_nothing_keeps_new_units_out_and_none_that_is_attached() {
    let world = World::new(unknown(Some(2 * HOUR)));
    world.is_refused_for("revocation-unknown");
    let refused: Refused = last(&world.carrier);
    assert!(refused.weighed.missing.iter().any(|name| name == "revocation"));
    world.says(good());
    let unit = world.carrier.attach(&world.unit, HOME).unwrap();
    assert_eq!(unit.ping(SERVICE, 3).0, 3);
    world.says(unknown(Some(HOUR / 2)));
    world.carrier.gateway.device_changed(DEVICE);
    // Whatever an order before this one did has been done once this one is.
    world.carrier.gateway.policy_changed();
    assert_eq!(unit.ping(SERVICE, 3).0, 3, "it stays until it authenticates anew");
    unit.close();
    until(|| !world.carrier.gateway.is_attached(DEVICE));
    world.is_refused_for("revocation-unknown");
    world.says(unknown(Some(2 * HOUR)));
    world.is_admitted();
}

#[test]
fn while_the_foreign_ca_is_asked_a_unit_hears_nothing_and_gets_in_with_the_answer() {
    let world = World::new(Standing::Asking);
    thread::scope(|scope| {
        let outcome = scope.spawn(|| world.outcome());
        let asked = || world.carrier.gateway.stats().attaches.get("issuer-asked").copied();
        until(|| asked().is_some_and(|count| count > 0));
        world.says(good());
        let outcome = outcome.join().unwrap();
        assert!(matches!(outcome, Outcome::Attached(_)), "{outcome:?}");
    });
}
