//! Units that lay in a drawer for months come back: of who is where it was, with what it had, nobody needs a person.
//! What became of each meanwhile is drawn up here, so the share that needs one is simulated.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::Policy;
use agent::{Clock, Done, Failure, Folder, Store, Unit, Wire, WireError};
use api::{Enrolments, LedgerRegister, Office, foreign::ForeignCas};
use cmp::{Arrival, Operator, RegistrationAuthority, Signer};
use gateway::WallClock;
use ids::{DeviceId, UnixTime};
use ike::crypto::AuthKey;
use lab::{Carrier, Outcome, SERVICE, UnitIdentity};
use ledger::NewOrder;
use pki::{Ca, CaSpec, DeviceOrder, FileKey, KeyAlgorithm, KeySource, OffTheBooks};
use std::{
    cell::Cell,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use x509::Anchor;

const DAY: Duration = Duration::from_secs(86_400);
const UNITS: u8 = 100;
const MONTHS: u8 = 12;

/// What happened before the drawer and in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was unplugged, and no more.
    Unplugged,
    /// It was unplugged while it waited for the answer to its last renewal.
    CutBeforeTheAnswer,
    /// The same with the answer to its confirmation.
    CutBeforeTheEnd,
    /// Its line has other addresses now, and the carrier's list says so.
    Renumbered,
    /// It lies behind another line, and nobody has told the carrier.
    Moved,
    /// Somebody has put it back to what it was when it was made.
    Reset,
}

impl Fate {
    /// Of a hundred units: seven in ten as they were, one in twenty-five with a change that only a person can know of.
    fn of(unit: u8) -> Self {
        match unit % 100 {
            0..10 => Self::CutBeforeTheAnswer,
            10..20 => Self::CutBeforeTheEnd,
            20..30 => Self::Renumbered,
            30..33 => Self::Moved,
            33 => Self::Reset,
            _ => Self::Unplugged,
        }
    }

    fn needs_a_person(self) -> bool {
        matches!(self, Self::Moved | Self::Reset)
    }
}

struct Stands(UnixTime);

impl WallClock for Stands {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// A unit's clock, which may have lost the time.
struct UnitClock(UnixTime);

impl Clock for UnitClock {
    fn wall(&self) -> UnixTime {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A carrier that enrols, seen from the day of return.
struct World {
    carrier: Carrier,
    ca: Arc<Ca>,
    register: LedgerRegister,
    vendor: Ca,
    operator: Operator,
    dir: PathBuf,
}

/// A unit's way to the registration authority, at one time.
struct Line<'a> {
    world: &'a World,
    authority: &'a RegistrationAuthority,
    from: IpAddr,
    now: UnixTime,
    /// Answers that still come through.
    answers: Cell<u8>,
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Wire for Line<'_> {
    fn post(&self, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let arrival = Arrival { from: self.from, now: Some(self.now), nonce };
        let answer = self.authority.handle(message, &arrival, &self.world.register);
        let Some(left) = self.answers.get().checked_sub(1) else {
            return Err(WireError::Way("unplugged".into()));
        };
        self.answers.set(left);
        Ok(answer)
    }
}

impl World {
    fn new(dir: &Path, back: UnixTime) -> Self {
        let carrier = Carrier::start_by(dir, Arc::new(Stands(back)), |_| ()).unwrap();
        let now = UnixTime::now();
        let spec = CaSpec::new("Vendor", "vendor.example".parse().unwrap());
        let vendor = Ca::create(&dir.join("vendor"), &spec, now).unwrap();
        let ca = Arc::new(Ca::open(carrier.ca.directory()).unwrap());
        let operator = Operator::new(ca.realm().clone(), Anchor::from_der(ca.root()).unwrap());
        let enrolments = Enrolments {
            revocations: api::Revocations::default(),
            ledger: carrier.ledger.clone(),
            ca: ca.clone(),
            configured: api::Configured::default(),
            vendors: Arc::new(ForeignCas::new(dir.join("crl"), Vec::new(), Vec::new(), now)),
            gateway: None,
            has_room: Arc::new(|| true),
        };
        let register = enrolments.open().unwrap();
        Self { carrier, ca, register, vendor, operator, dir: dir.to_owned() }
    }

    fn authority(&self, now: UnixTime) -> RegistrationAuthority {
        let office = Office { ledger: self.carrier.ledger.clone(), policy: Policy::default() };
        let signer = office.registration_authority(&self.ca, now).unwrap();
        RegistrationAuthority::new(signer, self.vendor.anchors().clone(), self.ca.device_anchors().unwrap())
    }

    /// The vendor's certificate of a unit, for ten years.
    fn made(&self, unit: u8) -> Signer {
        let key = KeySource::Generate(KeyAlgorithm::P256);
        let validity = Some(3650 * DAY);
        let order = DeviceOrder { device: id(unit), key, validity, by: "vendor".into() };
        let issued = self.vendor.issue(&order, &mut OffTheBooks, UnixTime::now()).unwrap();
        Signer::new(Box::new(FileKey::new(&issued.private_key.unwrap()).unwrap()), issued.chain).unwrap()
    }

    fn order(&self, unit: u8, name: String, line: &str, now: UnixTime) {
        let order = NewOrder {
            id: name.parse().unwrap(),
            device: id(unit),
            line: line.parse().unwrap(),
            site: String::new(),
            vendor_key: None,
            from: Some(now),
            until: now.after(DAY),
        };
        self.carrier.ledger.open_order(&order, "kim", "somebody called", None, now).unwrap();
    }

    /// Attempts of the unit's agent, four at most, until it has the newest that it can have; so many messages are answered.
    fn attempt(
        &self,
        vendor: &Signer,
        (authority, from, now): (&RegistrationAuthority, [u8; 4], UnixTime),
        says: UnixTime,
        answers: u8,
    ) -> Result<Done, Failure> {
        let folder = self.folder(vendor);
        let (clock, answers) = (UnitClock(says), Cell::new(answers));
        let line = Line { world: self, authority, from: from.into(), now, answers };
        let unit = Unit::new(&self.operator, vendor, Store::new(&folder), &line, &clock);
        let mut ends = (0..3).map(|_| unit.attempt());
        ends.find(|end| matches!(end, Ok(Done::Enrolled | Done::Renewed))).unwrap_or_else(|| unit.attempt())
    }

    fn folder(&self, vendor: &Signer) -> Folder {
        let path = self.dir.join(vendor.device().unwrap().to_string());
        std::fs::create_dir_all(&path).unwrap();
        Folder::new(&path).unwrap()
    }

    /// Whether the unit is let in by what it has.
    fn attaches(&self, vendor: &Signer, outer: [u8; 4]) -> bool {
        let folder = self.folder(vendor);
        let Some(current) = Store::new(&folder).current().unwrap() else { return false };
        let identity = UnitIdentity {
            name: format!("{}.{}", vendor.device().unwrap(), self.operator.realm()),
            chain: current.chain().to_vec(),
            key: Arc::new(AuthKey::from_pkcs8(current.key().pkcs8()).unwrap()),
        };
        let unit = self.carrier.attach(&identity, outer).unwrap();
        let is_in = matches!(unit.outcome, Outcome::Attached(_)) && unit.ping(SERVICE, 1).0 == 1;
        unit.close();
        is_in
    }
}

fn id(unit: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x74, 0, 0, unit])
}

/// A unit's address behind its first line, and behind what it may have now.
fn outer(unit: u8, second: bool) -> [u8; 4] {
    [127, 64 + u8::from(second), unit, 7]
}

fn prefix([a, b, c, _]: [u8; 4]) -> String {
    format!("{a}.{b}.{c}.0/24")
}

/// Enrols a unit, has it renew or be cut off in that, and leaves it in its drawer.
fn put_away(world: &World, unit: u8, vendor: &Signer, authority: &RegistrationAuthority, now: UnixTime) {
    let (line, home) = (format!("L-{unit}"), outer(unit, false));
    world.carrier.line(&line, &prefix(home)).unwrap();
    world.carrier.device(id(unit), &line).unwrap();
    world.order(unit, format!("W-{unit}"), &line, now);
    let enrolled = world.attempt(vendor, (authority, home, now), now, u8::MAX).unwrap();
    assert_eq!(enrolled, Done::Enrolled);
    let later = now.after(26 * DAY);
    match Fate::of(unit) {
        Fate::CutBeforeTheAnswer => {
            world.attempt(vendor, (authority, home, later), later, 0).unwrap_err();
        }
        Fate::CutBeforeTheEnd => {
            world.attempt(vendor, (authority, home, later), later, 1).unwrap_err();
        }
        Fate::Renumbered => {
            let line = line.parse().unwrap();
            let networks = vec![prefix(outer(unit, true)).parse().unwrap()];
            world.carrier.ledger.set_line(&line, |line| line.prefixes = networks, "feed", later).unwrap();
        }
        Fate::Reset => std::fs::remove_dir_all(world.dir.join(id(unit).to_string())).unwrap(),
        Fate::Unplugged | Fate::Moved => (),
    }
}

#[test]
fn of_units_that_return_after_months_only_those_need_a_person_that_only_a_person_can_know_of() {
    let dir = tempfile::tempdir().unwrap();
    let start = UnixTime::now();
    let back = start.after(u32::from(MONTHS) * 30 * DAY).after(60 * DAY);
    let world = World::new(dir.path(), back);
    let vendors: Vec<_> = (0..UNITS).map(|unit| world.made(unit)).collect();
    for month in 0..MONTHS {
        let now = start.after(u32::from(month) * 30 * DAY).after(DAY);
        let authority = world.authority(now);
        for unit in (0..UNITS).filter(|unit| unit % MONTHS == month) {
            put_away(&world, unit, &vendors[usize::from(unit)], &authority, now);
        }
    }

    let authority = world.authority(back);
    let mut waiting = Vec::new();
    for unit in 0..UNITS {
        let (vendor, fate) = (&vendors[usize::from(unit)], Fate::of(unit));
        let at = outer(unit, matches!(fate, Fate::Renumbered | Fate::Moved));
        // Every second one has lost the time.
        let says = if unit % 2 == 0 { UnixTime::from_secs(0) } else { back };
        let _ = world.attempt(vendor, (&authority, at, back), says, u8::MAX);
        if !world.attaches(vendor, at) {
            waiting.push(unit);
        }
    }
    let expected: Vec<_> = (0..UNITS).filter(|unit| Fate::of(*unit).needs_a_person()).collect();
    assert_eq!(waiting, expected);
    assert!(waiting.len() * 20 <= usize::from(UNITS), "{} of {UNITS} need a person", waiting.len());

    // The person's word is an order; the rest the agent does.
    for unit in waiting {
        let (vendor, moved) = (&vendors[usize::from(unit)], Fate::of(unit) == Fate::Moved);
        let (line, at) = (format!("N-{unit}"), outer(unit, moved));
        world.carrier.line(&line, &prefix(at)).unwrap();
        world.order(unit, format!("R-{unit}"), &line, back);
        assert_eq!(world.attempt(vendor, (&authority, at, back), back, u8::MAX).unwrap(), Done::Enrolled);
        assert!(world.attaches(vendor, at), "unit {unit}: {:?}", Fate::of(unit));
    }
}
